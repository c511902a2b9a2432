//! The `[store]` part of the configuration.
//!
//! Promises: an unknown key is refused, every default is a named constant, and every complaint names the key and what
//! to write instead. Does not promise that the store agrees; `check` asks it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod after_push;
mod magento;
mod routing;
mod shopify;
mod store_api;
mod woocommerce;

pub use after_push::*;
pub use magento::*;
pub use routing::*;
pub use shopify::*;
pub use store_api::*;
pub use woocommerce::*;

use super::secret::{Secret, SecretFrom, SecretTrouble};
use crate::units::Span;

/// Longest wait for a connection: a shop's line that needs longer is down.
pub const CONNECT_TIMEOUT: Span = Span::seconds(10);
/// Longest wait for a whole answer: 500 source items took a minute on one store (magento/inventory#2306).
pub const TIMEOUT: Span = Span::seconds(120);
/// SKUs in one write: small batches keep Magento's stock index gaps short (observed: 3.8 ms for 100).
pub const BATCH: usize = 100;
/// Orders on one page: about 2 kB each.
pub const PAGE: usize = 50;
/// Most that `batch` may be: our own contract takes 500, and Magento needs a second for as many (observed).
pub const LARGEST_BATCH: usize = 500;
/// Most that `page` may be: Magento's input limit, where a shop turned it on, is 300.
pub const LARGEST_PAGE: usize = 300;

/// Which make of web store it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// Magento 2 / Adobe Commerce.
    Magento,
    /// Our own contract, for custom sites ([`super::STORE_API_CONTRACT`]).
    StoreApi,
    /// WooCommerce, over its REST API v3.
    #[serde(rename = "woocommerce")]
    WooCommerce,
    /// Shopify, over its GraphQL Admin API.
    Shopify,
}

/// The web store: where it is, how to sign in, and how much to ask of it at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// Which make.
    pub kind: StoreKind,
    /// Its address, `https://shop.example`.
    pub url: String,
    /// The access token, or where it is.
    #[serde(default)]
    pub token: Option<SecretFrom>,
    /// The same as `token = { env = … }`.
    #[serde(default)]
    pub token_env: Option<String>,
    /// The same as `token = { file = … }`.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust besides the usual ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The proxy to go through (it may hold a password, so it is not shown); unset: `HTTPS_PROXY` and `NO_PROXY` of
    /// the environment count.
    #[serde(default)]
    pub proxy: Option<SecretFrom>,
    /// Longest wait for a connection ([`CONNECT_TIMEOUT`]).
    #[serde(default = "connect_timeout")]
    pub connect_timeout: Span,
    /// Longest wait for a whole answer ([`TIMEOUT`]).
    #[serde(default = "timeout")]
    pub timeout: Span,
    /// SKUs in one write ([`BATCH`]).
    #[serde(default = "batch")]
    pub batch: usize,
    /// Orders on one page ([`PAGE`]).
    #[serde(default = "page")]
    pub page: usize,
    /// Send larger bodies compressed (gzip). Only for a store that says it takes them: neither nginx nor PHP unpacks a request
    /// by itself (Apache does with mod_deflate as an input filter), so that a Magento finds no JSON in it.
    #[serde(default)]
    pub compress_requests: bool,
    /// What only a Magento store has.
    #[serde(default)]
    pub magento: Option<MagentoSettings>,
    /// What only our own store API has.
    #[serde(default)]
    pub store_api: Option<StoreApiSettings>,
    /// What only a Shopify store has.
    #[serde(default)]
    pub shopify: Option<ShopifySettings>,
    /// What only a WooCommerce store has, its key among it.
    #[serde(default)]
    pub woocommerce: Option<WooCommerceSettings>,
    /// Whom to tell after quantities were stored.
    #[serde(default)]
    pub after_push: Option<AfterPushSettings>,
}

fn connect_timeout() -> Span {
    CONNECT_TIMEOUT
}
fn timeout() -> Span {
    TIMEOUT
}
fn batch() -> usize {
    BATCH
}
fn page() -> usize {
    PAGE
}

/// What is wrong with the settings of the store.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A key has a value that makes no sense.
    #[error("store.{key}: {complaint}")]
    Senseless {
        /// The key.
        key: &'static str,
        /// What is wrong, and what to write.
        complaint: String,
    },
    /// A secret is not where the settings say.
    #[error("store.{key}: {trouble}")]
    Secret {
        /// Its key.
        key: &'static str,
        /// Why.
        trouble: SecretTrouble,
    },
    /// The extra certificates cannot be read.
    #[error("store.ca_file: {path} holds no certificates in PEM form that can be used")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The client could not be set up.
    #[error("the HTTPS client cannot be set up")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// What to write when there is no token.
const MISSING: &str = "is missing; write token = { file = \"PATH\" } or token = { kept = \"NAME\" }";

/// A complaint about one key.
fn senseless(key: &'static str, complaint: impl Into<String>) -> SettingsError {
    SettingsError::Senseless { key, complaint: complaint.into() }
}

impl StoreSettings {
    /// Settings with every default, for a store of this kind at this address. The token is still to be given.
    pub fn new(kind: StoreKind, url: &str) -> Self {
        Self {
            kind,
            url: url.to_owned(),
            token: None,
            token_env: None,
            token_file: None,
            ca_file: None,
            proxy: None,
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
            batch: BATCH,
            page: PAGE,
            compress_requests: false,
            magento: None,
            store_api: None,
            shopify: None,
            woocommerce: None,
            after_push: None,
        }
    }

    /// Do the settings make sense, as far as can be said without asking the store?
    ///
    /// # Errors
    /// The first key that does not, and what to write instead.
    pub fn validate(&self) -> Result<(), SettingsError> {
        self.validate_url()?;
        self.validate_token()?;
        within("batch", self.batch, LARGEST_BATCH)?;
        within("page", self.page, LARGEST_PAGE)?;
        positive("connect_timeout", self.connect_timeout)?;
        positive("timeout", self.timeout)?;
        self.after_push.as_ref().map_or(Ok(()), AfterPushSettings::validate)?;
        self.only_its_own()?;
        match self.kind {
            StoreKind::Magento => self.magento.as_ref().map_or(Ok(()), MagentoSettings::validate),
            StoreKind::StoreApi => self.store_api.as_ref().map_or(Ok(()), StoreApiSettings::validate),
            StoreKind::WooCommerce => woocommerce::validate_store(self),
            StoreKind::Shopify => self.shopify.clone().unwrap_or_default().validate(),
        }
    }

    /// What another make of store has would be without effect.
    fn only_its_own(&self) -> Result<(), SettingsError> {
        let makes = [
            (StoreKind::Magento, "magento", self.magento.is_some()),
            (StoreKind::StoreApi, "store_api", self.store_api.is_some()),
            (StoreKind::WooCommerce, "woocommerce", self.woocommerce.is_some()),
            (StoreKind::Shopify, "shopify", self.shopify.is_some()),
        ];
        let ours = makes.iter().find(|(kind, ..)| *kind == self.kind).map_or("", |(_, word, _)| word);
        match makes.iter().find(|(kind, _, given)| *given && *kind != self.kind) {
            Some((_, word, _)) => Err(senseless(word, format!("belongs to `kind = {word:?}`; this store is {ours:?}"))),
            None => Ok(()),
        }
    }

    fn validate_url(&self) -> Result<(), SettingsError> {
        let url = reqwest::Url::parse(&self.url).map_err(|why| {
            senseless("url", format!("{:?} is no address ({why}); write https://shop.example", self.url))
        })?;
        if url.scheme() != "https" {
            let complaint =
                "must begin with https://; over plain http anybody on the line could read the token and change stock";
            return Err(senseless("url", complaint));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(senseless("url", "must not hold a name or a password; the token belongs in `token_file`"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(senseless("url", "must end before any ? or #; write https://shop.example"));
        }
        let path = url.path().trim_end_matches('/');
        if self.kind == StoreKind::Magento
            && (path.ends_with("/rest") || path.contains("/rest/") || path.ends_with("/V1"))
        {
            return Err(senseless("url", "is the shop's address only; /rest/V1 is added by the agent"));
        }
        if self.kind == StoreKind::WooCommerce && path.contains("/wp-json") {
            return Err(senseless("url", "is the shop's address only; /wp-json/wc/v3 is added by the agent"));
        }
        if self.kind == StoreKind::Shopify && !path.is_empty() {
            return Err(senseless("url", "is the shop's address only: https://NAME.myshopify.com"));
        }
        Ok(())
    }

    fn validate_token(&self) -> Result<(), SettingsError> {
        if self.kind == StoreKind::WooCommerce {
            let misplaced = || senseless("token", "is not used by WooCommerce; the key belongs in [store.woocommerce]");
            return if self.tokens().is_empty() { Ok(()) } else { Err(misplaced()) };
        }
        match (self.tokens().len(), self.oauth()) {
            (1, None) | (0, Some(_)) => Ok(()),
            (0, None) => Err(senseless("token", MISSING)),
            (_, None) => Err(senseless("token", "give only one of `token`, `token_file` and `token_env`")),
            (_, Some(_)) => Err(senseless(
                "token",
                "give either the token or `[store.magento.oauth]`; a signed request carries no other token",
            )),
        }
    }

    /// The four values for signing, when this store's requests are signed.
    pub(super) fn oauth(&self) -> Option<&OAuthSettings> {
        self.magento.as_ref().filter(|_| self.kind == StoreKind::Magento)?.oauth.as_ref()
    }

    /// Every place at which the settings say that the token is; one, when they are valid.
    fn tokens(&self) -> Vec<(&'static str, SecretFrom)> {
        let file = self.token_file.clone().map(|path| ("token_file", SecretFrom::File(path)));
        let env = self.token_env.clone().map(|name| ("token_env", SecretFrom::Env(name)));
        self.token.clone().map(|token| ("token", token)).into_iter().chain(file).chain(env).collect()
    }

    /// The token, from wherever the settings say it is.
    ///
    /// # Errors
    /// When it is not there, or empty, or open to others.
    pub fn read_token(&self) -> Result<Secret, SettingsError> {
        let Some((key, token)) = self.tokens().into_iter().next() else { return Err(senseless("token", "is missing")) };
        secret(key, &token)
    }

    /// Every secret that is not given by one of the old keys, with its key.
    pub fn secrets(&mut self) -> Vec<(&'static str, &mut SecretFrom)> {
        let general = [("token", self.token.as_mut()), ("proxy", self.proxy.as_mut())];
        let general = general.into_iter().filter_map(|(key, secret)| Some((key, secret?)));
        let oauth = self.magento.as_mut().and_then(|own| own.oauth.as_mut()).map(OAuthSettings::secrets);
        let listener = self.after_push.as_mut().and_then(|after_push| after_push.token.as_mut());
        let listener = listener.map(|token| ("after_push.token", token));
        let woocommerce = self.woocommerce.as_mut().map(WooCommerceSettings::secrets);
        general.chain(oauth.into_iter().flatten()).chain(woocommerce.into_iter().flatten()).chain(listener).collect()
    }

    /// The environment variables in which secrets stand: no other program's business.
    pub(super) fn secret_variables(&self) -> Vec<String> {
        let mut own = self.clone();
        let named = own.secrets().into_iter().filter_map(|(_, secret)| match secret {
            SecretFrom::Env(name) => Some(name.clone()),
            SecretFrom::Given(_) | SecretFrom::File(_) | SecretFrom::Credential(_) | SecretFrom::Kept { .. } => None,
        });
        named.chain(self.token_env.clone()).collect()
    }

    /// The keys of secrets that stand in the configuration itself.
    pub fn secrets_given(&self) -> Vec<&'static str> {
        let mut own = self.clone();
        let given = own.secrets().into_iter().filter(|(_, secret)| matches!(secret, SecretFrom::Given(_)));
        given.map(|(key, _)| key).collect()
    }

    /// The names of kept secrets that these settings want, each with its key.
    pub fn kept_secrets(&self) -> Vec<(&'static str, String)> {
        let mut own = self.clone();
        let kept = |(key, secret): (&'static str, &mut SecretFrom)| match secret {
            SecretFrom::Kept { name, .. } => Some((key, name.clone())),
            SecretFrom::Given(_) | SecretFrom::Env(_) | SecretFrom::File(_) | SecretFrom::Credential(_) => None,
        };
        own.secrets().into_iter().filter_map(kept).collect()
    }
}

/// Reads the secret of this key.
///
/// # Errors
/// When it is not there, or empty, or open to others.
pub(super) fn secret(key: &'static str, from: &SecretFrom) -> Result<Secret, SettingsError> {
    from.read().map_err(|trouble| SettingsError::Secret { key, trouble })
}

fn within(key: &'static str, number: usize, largest: usize) -> Result<(), SettingsError> {
    if (1..=largest).contains(&number) {
        return Ok(());
    }
    Err(senseless(key, format!("is {number}; write a number from 1 to {largest}")))
}

fn positive(key: &'static str, span: Span) -> Result<(), SettingsError> {
    if span.duration() > Duration::ZERO {
        return Ok(());
    }
    Err(senseless(key, "is zero; write a time like \"10s\""))
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
