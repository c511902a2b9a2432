//! The `[store.woocommerce]` part of the configuration.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{SettingsError, StoreSettings, senseless};
use crate::central::Secret;
use crate::units::Span;

/// Orders are read again from this long before the newest change seen: a commit may be late, a clock may step back.
pub const MODIFIED_OVERLAP: Span = Span::seconds(15 * 60);
/// Order statuses that go to the till.
pub const EXPORT_STATUSES: [&str; 2] = ["processing", "completed"];
/// Payment methods whose orders go to the till while still `on-hold`: bank transfer, cheque, cash on delivery.
pub const OFFLINE_METHODS: [&str; 3] = ["bacs", "cheque", "cod"];
/// Most objects in one batch, and most rows on one page (WooCommerce REST API documentation, "Batch update products" and
/// "List all orders").
pub const MOST_AT_ONCE: usize = 100;

/// What only a WooCommerce store has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WooCommerceSettings {
    /// The consumer key, `ck_…`.
    pub consumer_key: Option<Secret>,
    /// The consumer secret itself, `cs_…`. Better: `consumer_secret_env` or `consumer_secret_file`.
    pub consumer_secret: Option<Secret>,
    /// The environment variable that holds the consumer secret.
    pub consumer_secret_env: Option<String>,
    /// The file that holds the consumer secret.
    pub consumer_secret_file: Option<PathBuf>,
    /// Order statuses that go to the till ([`EXPORT_STATUSES`]).
    pub export_statuses: Vec<String>,
    /// Payment methods whose orders go to the till while `on-hold` ([`OFFLINE_METHODS`]).
    pub offline_payments: Vec<String>,
    /// How far back to read orders again ([`MODIFIED_OVERLAP`]).
    pub overlap: Span,
    /// Write a note into the order when the till took it or refused it.
    pub acknowledge: bool,
    /// Order status to set when the till took the order; the shop must have registered it. Unset: none.
    pub status_consumed: Option<String>,
    /// Order status to set when the till refused the order; the shop must have registered it. Unset: none.
    pub status_rejected: Option<String>,
}

impl Default for WooCommerceSettings {
    fn default() -> Self {
        Self {
            consumer_key: None,
            consumer_secret: None,
            consumer_secret_env: None,
            consumer_secret_file: None,
            export_statuses: EXPORT_STATUSES.map(Into::into).into(),
            offline_payments: OFFLINE_METHODS.map(Into::into).into(),
            overlap: MODIFIED_OVERLAP,
            acknowledge: true,
            status_consumed: None,
            status_rejected: None,
        }
    }
}

impl WooCommerceSettings {
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        match &self.consumer_key {
            Some(key) if key.reveal().starts_with("ck_") => {}
            Some(_) => {
                return Err(senseless("woocommerce.consumer_key", "must begin with ck_, as WooCommerce shows it"));
            }
            None => {
                let complaint = "is missing; make a key in WooCommerce > Settings > Advanced > REST API";
                return Err(senseless("woocommerce.consumer_key", complaint));
            }
        }
        let given =
            [self.consumer_secret.is_some(), self.consumer_secret_env.is_some(), self.consumer_secret_file.is_some()];
        let complaint = match given.into_iter().filter(|given| *given).count() {
            1 => None,
            0 => Some("is missing; give one of `consumer_secret_env`, `consumer_secret_file` or `consumer_secret`"),
            _ => Some("give only one of `consumer_secret_env`, `consumer_secret_file` and `consumer_secret`"),
        };
        if let Some(complaint) = complaint {
            return Err(senseless("woocommerce.consumer_secret", complaint));
        }
        if self.export_statuses.is_empty() {
            return Err(senseless("woocommerce.export_statuses", "is empty; no order would ever reach the till"));
        }
        let exported = self.export_statuses.iter().map(|status| ("woocommerce.export_statuses", status));
        let consumed = self.status_consumed.iter().map(|status| ("woocommerce.status_consumed", status));
        let rejected = self.status_rejected.iter().map(|status| ("woocommerce.status_rejected", status));
        exported.chain(consumed).chain(rejected).try_for_each(|(key, status)| plain_status(key, status))
    }

    /// Consumer key and consumer secret, from wherever the settings say that they are.
    ///
    /// # Errors
    /// When one is not there, or is none.
    pub(crate) fn read_key(&self) -> Result<(Secret, Secret), SettingsError> {
        let key = self.consumer_key.clone().ok_or_else(|| senseless("woocommerce.consumer_key", "is missing"))?;
        let unreadable = |key, place: String, source| SettingsError::Token { key, place, source };
        let secret = match (&self.consumer_secret, &self.consumer_secret_env, &self.consumer_secret_file) {
            (Some(secret), _, _) => Secret::new(secret.reveal()),
            (None, Some(name), _) => {
                let place = format!("the environment variable {name}");
                let text = std::env::var(name)
                    .map_err(|why| unreadable("woocommerce.consumer_secret_env", place, why.into()))?;
                Secret::new(&text)
            }
            (None, None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|why| {
                    unreadable("woocommerce.consumer_secret_file", path.display().to_string(), why.into())
                })?;
                Secret::new(&text)
            }
            (None, None, None) => return Err(senseless("woocommerce.consumer_secret", "is missing")),
        };
        if !secret.reveal().starts_with("cs_") {
            return Err(senseless("woocommerce.consumer_secret", "must begin with cs_, as WooCommerce shows it once"));
        }
        Ok((key, secret))
    }
}

/// A status as the REST interface names it: `wc-processing` is the database's spelling.
fn plain_status(key: &'static str, status: &str) -> Result<(), SettingsError> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_');
    if status.is_empty() || status.starts_with("wc-") || !status.bytes().all(plain) {
        let complaint =
            format!("{status:?} is no order status; write it in small letters and without wc-, like on-hold");
        return Err(senseless(key, complaint));
    }
    Ok(())
}

/// What the settings around it have to be for a WooCommerce store.
pub(super) fn validate_store(settings: &StoreSettings) -> Result<(), SettingsError> {
    for (key, number) in [("batch", settings.batch), ("page", settings.page)] {
        super::within(key, number, MOST_AT_ONCE)?;
    }
    let own = settings.woocommerce.as_ref();
    own.ok_or_else(|| senseless("woocommerce", "is missing; write a [store.woocommerce] with the key in it"))?
        .validate()
}
