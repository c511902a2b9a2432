//! The `[store.shopify]` part of the configuration.

use serde::{Deserialize, Serialize};

use super::{SettingsError, senseless};
use crate::units::Span;

/// The version of the Admin API that the agent was written for.
pub const API_VERSION: &str = "2026-10";
/// The first version in which a write must say what it expects and carry a key (changelogs "Making changeFromQuantity
/// field required" and "Making idempotency mandatory"); older ones have other words for it.
pub const FIRST_API_VERSION: &str = "2026-04";
/// Payment states in which orders go to the till. `AUTHORIZED`: shops that charge when they ship.
pub const SHOPIFY_EXPORT_STATES: [&str; 3] = ["PAID", "AUTHORIZED", "PARTIALLY_REFUNDED"];
/// Shopify's own manual payment methods; orders paid so go to the till while still `PENDING`.
pub const MANUAL_PAYMENTS: [&str; 3] = ["Cash on Delivery (COD)", "Money Order", "Bank Deposit"];
/// What the till is given for a line without SKU (a custom item, a tip).
pub const CUSTOM_SKU: &str = "CUSTOM";
/// The orders' search index may lag behind the orders; changes are read again from this long before the newest seen.
pub const SHOPIFY_OVERLAP: Span = Span::seconds(15 * 60);
/// What our tags begin with.
pub const TAG_PREFIX: &str = "tillbridge";
/// Most elements of an array that Shopify takes (API limits).
pub const LARGEST_SHOPIFY_ARRAY: usize = 250;
/// Longest tag of an order, in characters.
const LONGEST_TAG: usize = 40;

/// Which quantity is written. Of both Shopify makes the other: `on_hand` = available + committed + unavailable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShopifyQuantity {
    /// What is for sale: it falls when an order is placed. An order that the agent cannot read (older than 60 days, not
    /// yet in the search) is overwritten.
    Available,
    /// What stands on the shelf: it falls when an order is shipped, and what is committed or set aside is taken off by
    /// Shopify, of orders too that the agent cannot read.
    #[default]
    OnHand,
}

impl ShopifyQuantity {
    /// Shopify's name for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::OnHand => "on_hand",
        }
    }
}

/// What only a Shopify store has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShopifySettings {
    /// The location that stands for this shop: its name as Settings > Locations shows it, or its number.
    pub location: String,
    /// The version of the Admin API ([`API_VERSION`]).
    pub api_version: String,
    /// Which quantity is written.
    pub quantity: ShopifyQuantity,
    /// The client ID of an app made in the Dev Dashboard. With it the token of [`super::StoreSettings`] is that app's
    /// client secret, and an access token is fetched whenever one is needed. Without: it is the access token itself.
    pub client_id: Option<String>,
    /// Payment states in which orders go to the till ([`SHOPIFY_EXPORT_STATES`]).
    pub export_states: Vec<String>,
    /// Payment methods whose orders go to the till while still `PENDING` ([`MANUAL_PAYMENTS`]).
    pub manual_payments: Vec<String>,
    /// The till's item for lines without SKU ([`CUSTOM_SKU`]).
    pub custom_sku: String,
    /// How far back to read orders again ([`SHOPIFY_OVERLAP`]).
    pub overlap: Span,
    /// Tag orders when the till took or refused them.
    pub acknowledge: bool,
    /// What the tags begin with ([`TAG_PREFIX`]).
    pub tag_prefix: String,
}

impl Default for ShopifySettings {
    fn default() -> Self {
        Self {
            location: String::new(),
            api_version: API_VERSION.into(),
            quantity: ShopifyQuantity::default(),
            client_id: None,
            export_states: SHOPIFY_EXPORT_STATES.map(Into::into).into(),
            manual_payments: MANUAL_PAYMENTS.map(Into::into).into(),
            custom_sku: CUSTOM_SKU.into(),
            overlap: SHOPIFY_OVERLAP,
            acknowledge: true,
            tag_prefix: TAG_PREFIX.into(),
        }
    }
}

impl ShopifySettings {
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        if self.location.trim().is_empty() {
            let complaint = "is missing; write the location's name as Settings > Locations shows it, or its number";
            return Err(senseless("shopify.location", complaint));
        }
        self.validate_version()?;
        if self.client_id.as_ref().is_some_and(|id| id.trim().is_empty()) {
            return Err(senseless("shopify.client_id", "is empty; leave it out for an app with an access token"));
        }
        let word = |state: &String| !state.is_empty() && state.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        if self.export_states.is_empty() || !self.export_states.iter().all(word) {
            let complaint = "must hold payment states as Shopify's interface writes them, such as \"PAID\"";
            return Err(senseless("shopify.export_states", complaint));
        }
        if crate::domain::Sku::new(&self.custom_sku).is_err() {
            return Err(senseless("shopify.custom_sku", "must be an item code that the till can be given"));
        }
        let tag = !self.tag_prefix.trim().is_empty()
            && !self.tag_prefix.contains(',')
            && self.tag_prefix.chars().count() + "-refused".len() <= LONGEST_TAG;
        if !tag {
            return Err(senseless("shopify.tag_prefix", "must be a short word without a comma"));
        }
        Ok(())
    }

    fn validate_version(&self) -> Result<(), SettingsError> {
        let version = self.api_version.as_str();
        let (year, month) = version.split_once('-').unwrap_or_default();
        let digits = |part: &str, many| part.len() == many && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) || version < FIRST_API_VERSION {
            let complaint =
                format!("is {version:?}; write a version from \"{FIRST_API_VERSION}\" on, such as \"{API_VERSION}\"");
            return Err(senseless("shopify.api_version", complaint));
        }
        Ok(())
    }
}
