//! The web store: settings, the HTTPS client, and one adapter per make of store.
//!
//! Promises: [`connect`] hands out a [`CentralStore`] only for settings that make sense; failures are classified where
//! they are known (`failure`), and no token ever reaches a log, an error or a debug print.
//! Does not promise that the store can be reached: [`CentralStore::probe`] finds out, and nothing is asked before.

mod after_push;
mod asking;
mod authorize;
mod client;
mod exchange;
mod failure;
pub mod kept;
mod magento;
mod oauth;
mod rights;
pub mod secret;
pub mod settings;
mod shopify;
mod store_api;
#[cfg(test)]
mod testing;
mod woocommerce;

use std::sync::Arc;

use self::authorize::Authorization;
use self::client::Client;
use crate::ports::CentralStore;

pub use after_push::push_listener;
pub use secret::{Secret, SecretFrom};
pub use settings::{
    AfterPushSettings, MagentoSettings, Mode, OAuthSettings, Reservations, RoutingRule, RoutingSettings, SettingsError,
    ShopifySettings, Statuses, StoreApiSettings, StoreKind, StoreSettings, Whose, WooCommerceSettings,
};

/// The contract of our own store API, OpenAPI 3.1, for whoever builds the other side of it.
pub const STORE_API_CONTRACT: &str = include_str!("central/store_api/openapi.json");

/// Checks the settings, reads token and certificates, and sets up the client. No request is made.
///
/// # Errors
/// When a setting makes no sense, or the token or the certificates cannot be read; names the key.
pub fn connect(settings: &StoreSettings) -> Result<Arc<dyn CentralStore>, SettingsError> {
    settings.validate()?;
    Ok(match settings.kind {
        StoreKind::Magento => {
            let client = match settings.oauth() {
                Some(oauth) => Client::new(settings, Authorization::oauth(oauth)?, magento::explain_signed)?,
                None => Client::new(settings, Authorization::bearer(&settings.read_token()?)?, magento::explain)?,
            };
            Arc::new(magento::Magento::new(client, settings))
        }
        StoreKind::StoreApi => {
            let token = Authorization::bearer(&settings.read_token()?)?;
            Arc::new(store_api::StoreApi::new(Client::new(settings, token, store_api::explain)?, settings))
        }
        StoreKind::WooCommerce => {
            let own = settings.woocommerce.clone().unwrap_or_default();
            let (key, secret) = own.read_key()?;
            let client = Client::new(settings, woocommerce::sign_in(&key, &secret)?, woocommerce::explain)?;
            Arc::new(woocommerce::WooCommerce::new(client, settings, own))
        }
        StoreKind::Shopify => Arc::new(shopify::Shopify::new(settings)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_handed_out_for_sensible_settings_only_and_without_a_request() {
        for kind in [StoreKind::Magento, StoreKind::StoreApi] {
            let plain = StoreSettings::new(kind, "http://127.0.0.1:1");
            let settings = StoreSettings {
                token: Some(Secret::new("t").into()),
                batch: 7,
                ..StoreSettings::new(kind, "https://127.0.0.1:1/shop/")
            };
            assert_eq!(connect(&settings).unwrap().batch_size(), 7);
            let Err(why) = connect(&plain) else { panic!("plain http") };
            assert!(why.to_string().starts_with("store.url: must begin with https://"), "{why}");
            let broken = StoreSettings { token: Some(Secret::new("a\nb").into()), ..settings };
            let Err(why) = connect(&broken) else { panic!("a line break in the token") };
            assert!(why.to_string().starts_with("store.token: "), "{why}");
        }
    }

    #[test]
    fn a_shopify_is_handed_out_with_a_token_or_with_an_apps_secret() {
        let own = |client_id: Option<&str>| ShopifySettings {
            location: "1".into(),
            client_id: client_id.map(Into::into),
            ..ShopifySettings::default()
        };
        for client_id in [None, Some("id")] {
            let settings = StoreSettings {
                token: Some(Secret::new("t").into()),
                batch: 400,
                shopify: Some(own(client_id)),
                ..StoreSettings::new(StoreKind::Shopify, "https://name.myshopify.com")
            };
            assert_eq!(connect(&settings).unwrap().batch_size(), 250, "as many as Shopify takes");
        }
    }
}
