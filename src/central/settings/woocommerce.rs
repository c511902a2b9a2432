//! The `[store.woocommerce]` part of the configuration.

use serde::{Deserialize, Serialize};

use super::{Secret, SecretFrom, SettingsError, StoreSettings, secret, senseless};
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
    /// The consumer key, `ck_…`, or where it is.
    pub consumer_key: Option<SecretFrom>,
    /// The consumer secret, `cs_…`, or where it is.
    pub consumer_secret: Option<SecretFrom>,
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
        looks_right(KEY, self.consumer_key.as_ref())?;
        looks_right(SECRET, self.consumer_secret.as_ref())?;
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
        Ok((read(KEY, self.consumer_key.as_ref())?, read(SECRET, self.consumer_secret.as_ref())?))
    }

    /// Its secrets, with their keys.
    pub(super) fn secrets(&mut self) -> Vec<(&'static str, &mut SecretFrom)> {
        let both = [(KEY.0, self.consumer_key.as_mut()), (SECRET.0, self.consumer_secret.as_mut())];
        both.into_iter().filter_map(|(key, from)| Some((key, from?))).collect()
    }
}

/// The key's name in the configuration, and how it begins.
const KEY: (&str, &str) = ("woocommerce.consumer_key", "ck_");
/// The secret's name in the configuration, and how it begins.
const SECRET: (&str, &str) = ("woocommerce.consumer_secret", "cs_");

fn missing(key: &'static str) -> SettingsError {
    senseless(
        key,
        "is missing; make a key in WooCommerce > Settings > Advanced > REST API, and write { file = \"PATH\" } or { kept = \"NAME\" }",
    )
}

fn begins((key, start): (&'static str, &str), text: &Secret) -> Result<(), SettingsError> {
    if text.reveal().starts_with(start) {
        return Ok(());
    }
    Err(senseless(key, format!("must begin with {start}, as WooCommerce shows it")))
}

/// Key and secret are easily mistaken for each other; one that stands in the configuration can be looked at.
fn looks_right(which: (&'static str, &str), from: Option<&SecretFrom>) -> Result<(), SettingsError> {
    match from.ok_or_else(|| missing(which.0))? {
        SecretFrom::Given(text) => begins(which, text),
        SecretFrom::Env(_) | SecretFrom::File(_) | SecretFrom::Credential(_) | SecretFrom::Kept { .. } => Ok(()),
    }
}

fn read(which: (&'static str, &str), from: Option<&SecretFrom>) -> Result<Secret, SettingsError> {
    let text = secret(which.0, from.ok_or_else(|| missing(which.0))?)?;
    begins(which, &text)?;
    Ok(text)
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
