//! The web store: settings, the HTTPS client, and one adapter per make of store.
//!
//! Promises: [`connect`] hands out a [`CentralStore`] only for settings that make sense; failures are classified where
//! they are known (`failure`), and no token ever reaches a log, an error or a debug print.
//! Does not promise that the store can be reached: [`CentralStore::probe`] finds out, and nothing is asked before.

mod client;
mod failure;
mod magento;
mod secret;
pub mod settings;
mod store_api;
#[cfg(test)]
mod testing;

use std::sync::Arc;

use crate::ports::CentralStore;

pub use secret::Secret;
pub use settings::{MagentoSettings, Mode, SettingsError, StoreApiSettings, StoreKind, StoreSettings};

/// The contract of our own store API, OpenAPI 3.1, for whoever builds the other side of it.
pub const STORE_API_CONTRACT: &str = include_str!("central/store_api/openapi.json");

/// Checks the settings, reads token and certificates, and sets up the client. No request is made.
///
/// # Errors
/// When a setting makes no sense, or the token or the certificates cannot be read; names the key.
pub fn connect(settings: &StoreSettings) -> Result<Arc<dyn CentralStore>, SettingsError> {
    settings.validate()?;
    let token = settings.read_token()?;
    Ok(match settings.kind {
        StoreKind::Magento => {
            let client = client::Client::new(settings, &token, magento::explain)?;
            Arc::new(magento::Magento::new(client, settings))
        }
        StoreKind::StoreApi => {
            let client = client::Client::new(settings, &token, store_api::explain)?;
            Arc::new(store_api::StoreApi::new(client, settings))
        }
    })
}
