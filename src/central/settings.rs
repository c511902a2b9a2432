//! The `[store]` part of the configuration.
//!
//! Promises: an unknown key is refused, every default is a named constant, and every complaint names the key and what
//! to write instead. Does not promise that the store agrees; `check` asks it.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

mod magento;
mod shopify;
mod store_api;

pub use magento::*;
pub use shopify::*;
pub use store_api::*;

use super::Secret;
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
    /// The access token itself. Better: `token_env` or `token_file`.
    #[serde(default)]
    pub token: Option<Secret>,
    /// The environment variable that holds the token.
    #[serde(default)]
    pub token_env: Option<String>,
    /// The file that holds the token.
    #[serde(default)]
    pub token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust besides the usual ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The proxy to go through (it may hold a password, so it is not shown); unset: `HTTPS_PROXY` and `NO_PROXY` of
    /// the environment count.
    #[serde(default)]
    pub proxy: Option<Secret>,
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
    /// What only a Magento store has.
    #[serde(default)]
    pub magento: Option<MagentoSettings>,
    /// What only our own store API has.
    #[serde(default)]
    pub store_api: Option<StoreApiSettings>,
    /// What only a Shopify store has.
    #[serde(default)]
    pub shopify: Option<ShopifySettings>,
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
    /// The token is not where the settings say.
    #[error("store.{key}: the token cannot be read from {place}")]
    Token {
        /// `token_env` or `token_file`.
        key: &'static str,
        /// The variable or the file.
        place: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
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
            magento: None,
            store_api: None,
            shopify: None,
        }
    }

    /// Do the settings make sense, as far as can be said without asking the store?
    ///
    /// # Errors
    /// The first key that does not, and what to write instead.
    pub fn validate(&self) -> Result<(), SettingsError> {
        self.validate_url()?;
        let tokens = [self.token.is_some(), self.token_env.is_some(), self.token_file.is_some()];
        match tokens.into_iter().filter(|given| *given).count() {
            1 => {}
            0 => return Err(senseless("token", "is missing; give one of `token_env`, `token_file` or `token`")),
            _ => return Err(senseless("token", "give only one of `token_env`, `token_file` and `token`")),
        }
        within("batch", self.batch, LARGEST_BATCH)?;
        within("page", self.page, LARGEST_PAGE)?;
        positive("connect_timeout", self.connect_timeout)?;
        positive("timeout", self.timeout)?;
        self.only_its_own()?;
        match self.kind {
            StoreKind::Magento => self.magento.as_ref().map_or(Ok(()), MagentoSettings::validate),
            StoreKind::StoreApi => self.store_api.as_ref().map_or(Ok(()), StoreApiSettings::validate),
            StoreKind::Shopify => self.shopify.clone().unwrap_or_default().validate(),
        }
    }

    /// What another make of store has would be without effect.
    fn only_its_own(&self) -> Result<(), SettingsError> {
        for (kind, word, given) in [
            (StoreKind::Magento, "magento", self.magento.is_some()),
            (StoreKind::StoreApi, "store_api", self.store_api.is_some()),
            (StoreKind::Shopify, "shopify", self.shopify.is_some()),
        ] {
            if given && kind != self.kind {
                return Err(senseless(word, format!("belongs to `kind = {word:?}`; this store is another")));
            }
        }
        Ok(())
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
        if self.kind == StoreKind::Shopify && !path.is_empty() {
            return Err(senseless("url", "is the shop's address only: https://NAME.myshopify.com"));
        }
        Ok(())
    }

    /// The token, from wherever the settings say it is.
    ///
    /// # Errors
    /// When it is not there, or empty.
    pub fn read_token(&self) -> Result<Secret, SettingsError> {
        let unreadable = |key, place: String, source| SettingsError::Token { key, place, source };
        let (key, token) = match (&self.token, &self.token_env, &self.token_file) {
            (Some(token), _, _) => ("token", Secret::new(token.reveal())),
            (None, Some(name), _) => {
                let text = std::env::var(name)
                    .map_err(|why| unreadable("token_env", format!("the environment variable {name}"), why.into()))?;
                ("token_env", Secret::new(&text))
            }
            (None, None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|why| unreadable("token_file", path.display().to_string(), why.into()))?;
                ("token_file", Secret::new(&text))
            }
            (None, None, None) => return Err(senseless("token", "is missing")),
        };
        if token.is_empty() {
            return Err(senseless(key, "the token is empty"));
        }
        Ok(token)
    }
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
