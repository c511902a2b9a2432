//! The `[store.magento]` part of the configuration.

use serde::{Deserialize, Serialize};

use super::{RoutingSettings, SecretFrom, SettingsError, senseless};
use crate::units::Span;

/// Magento's own source, which every installation has.
pub const SOURCE: &str = "default";
/// Orders are read again from this long before the newest change seen: a replica may lag, a commit may be late.
pub const OVERLAP: Span = Span::seconds(15 * 60);
/// Order states that go to the till.
pub const EXPORT_STATES: [&str; 2] = ["processing", "complete"];
/// Payment methods that need no payment before the order goes to the till.
pub const OFFLINE_PAYMENTS: [&str; 5] = ["checkmo", "banktransfer", "cashondelivery", "purchaseorder", "free"];

/// Does Magento keep its stock by source, or one quantity per product?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Ask the store.
    Auto,
    /// Multi-source inventory is on.
    Msi,
    /// Its modules are switched off.
    Legacy,
}

/// What only a Magento store has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MagentoSettings {
    /// The source that stands for this shop ([`SOURCE`]).
    pub source: String,
    /// How it keeps its stock.
    pub mode: Mode,
    /// Code of the store view in the path of every request; unset: none.
    pub store_view: Option<String>,
    /// Order states that go to the till ([`EXPORT_STATES`]).
    pub export_states: Vec<String>,
    /// Payment methods whose orders go to the till while still `new` ([`OFFLINE_PAYMENTS`]).
    pub offline_payments: Vec<String>,
    /// Which orders are this shop's; unset: all of them.
    pub routing: Option<RoutingSettings>,
    /// How far back to read orders again ([`OVERLAP`]).
    pub overlap: Span,
    /// Write a comment into the order when the till took it or refused it.
    pub acknowledge: bool,
    /// Sign every request (OAuth 1.0a) instead of sending a token: needs no switch in the shop.
    pub oauth: Option<OAuthSettings>,
}

/// The four values of an integration (System > Extensions > Integrations), for signing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuthSettings {
    /// Consumer Key: which integration it is. Not secret.
    pub consumer_key: String,
    /// Consumer Secret.
    pub consumer_secret: SecretFrom,
    /// Access Token.
    pub access_token: SecretFrom,
    /// Access Token Secret.
    pub access_token_secret: SecretFrom,
}

impl OAuthSettings {
    /// Its secrets, each with its key.
    pub(super) fn secrets(&mut self) -> [(&'static str, &mut SecretFrom); 3] {
        [
            ("magento.oauth.consumer_secret", &mut self.consumer_secret),
            ("magento.oauth.access_token", &mut self.access_token),
            ("magento.oauth.access_token_secret", &mut self.access_token_secret),
        ]
    }
}

impl Default for MagentoSettings {
    fn default() -> Self {
        Self {
            source: SOURCE.into(),
            mode: Mode::Auto,
            store_view: None,
            export_states: EXPORT_STATES.map(Into::into).into(),
            offline_payments: OFFLINE_PAYMENTS.map(Into::into).into(),
            routing: None,
            overlap: OVERLAP,
            acknowledge: true,
            oauth: None,
        }
    }
}

impl MagentoSettings {
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        if self.source.trim().is_empty() || self.source.contains(char::is_whitespace) {
            return Err(senseless("magento.source", "must be the code of a source, as Stores > Sources shows it"));
        }
        let code =
            |view: &String| !view.is_empty() && view.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !self.store_view.as_ref().is_none_or(code) {
            return Err(senseless("magento.store_view", "must be the code of a store view: letters, digits and _"));
        }
        if self.oauth.as_ref().is_some_and(|oauth| oauth.consumer_key.trim().is_empty()) {
            return Err(senseless("magento.oauth.consumer_key", "is empty; the integration's page shows it"));
        }
        if self.export_states.is_empty() {
            return Err(senseless("magento.export_states", "is empty; no order would ever reach the till"));
        }
        self.routing.as_ref().map_or(Ok(()), RoutingSettings::validate)
    }
}
