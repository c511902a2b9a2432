//! How a request says who we are.
//!
//! Promises: what is secret in it is marked sensitive and goes into one header of the request and nowhere else; what
//! has to be new for every sending is.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::Secret;
use super::oauth::Signer;
use super::settings::{OAuthSettings, SettingsError};

/// Signs requests in.
#[derive(Debug)]
pub(crate) enum Authorization {
    /// The same header for every request.
    Header(HeaderName, HeaderValue),
    /// A signature of each sending.
    OAuth(Box<Signer>),
    /// A header whose value is fetched, and changes.
    Renewable(Renewable),
}

/// A header whose value somebody else renews. Empty, and so refused by the store, until the first time.
#[derive(Debug, Clone)]
pub(crate) struct Renewable {
    name: HeaderName,
    value: Arc<RwLock<HeaderValue>>,
}

impl Renewable {
    /// This header, without a value yet.
    pub(crate) fn new(name: HeaderName) -> Self {
        Self { name, value: Arc::new(RwLock::new(HeaderValue::from_static(""))) }
    }

    /// From now on requests carry this value.
    ///
    /// # Errors
    /// When the value holds characters that no header can hold.
    pub(crate) fn renew(&self, value: &str) -> Result<(), SettingsError> {
        *self.value.write().unwrap_or_else(PoisonError::into_inner) = secret_value(value)?;
        Ok(())
    }
}

fn secret_value(value: &str) -> Result<HeaderValue, SettingsError> {
    let unusable = |_| SettingsError::Senseless {
        key: "token",
        complaint: "the token holds characters that no token has (a line break, an umlaut)".into(),
    };
    let mut value = HeaderValue::from_str(value).map_err(unusable)?;
    value.set_sensitive(true);
    Ok(value)
}

impl Authorization {
    /// `Authorization: Bearer …` (RFC 6750).
    ///
    /// # Errors
    /// When the token holds characters that no header can hold.
    pub(crate) fn bearer(token: &Secret) -> Result<Self, SettingsError> {
        Self::header(AUTHORIZATION, &format!("Bearer {}", token.reveal()))
    }

    /// `Authorization: OAuth …` (RFC 5849).
    ///
    /// # Errors
    /// When a secret cannot be read.
    pub(crate) fn oauth(settings: &OAuthSettings) -> Result<Self, SettingsError> {
        Ok(Self::OAuth(Box::new(Signer::new(settings)?)))
    }

    /// This header, with a value that is secret.
    ///
    /// # Errors
    /// When the value holds characters that no header can hold.
    pub(crate) fn header(name: HeaderName, value: &str) -> Result<Self, SettingsError> {
        Ok(Self::Header(name, secret_value(value)?))
    }

    /// What goes over the line in clear and must not stand in any record of a request.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::Header(_, value) => {
                let text = value.to_str().unwrap_or_default();
                match text.split_once(' ') {
                    Some(("Bearer", token)) => vec![Secret::new(token)],
                    Some(("Basic", pair)) => of_pair(pair),
                    Some(_) | None => vec![Secret::new(text)],
                }
            }
            Self::OAuth(signer) => signer.secrets(),
            Self::Renewable(Renewable { value, .. }) => {
                let value = value.read().unwrap_or_else(PoisonError::into_inner);
                value.to_str().ok().map(Secret::new).into_iter().collect()
            }
        }
    }

    /// The header for this request. Called anew for every sending; none if no header could hold it, which no signature
    /// is.
    pub(crate) fn header_for(&self, method: &Method, url: &Url) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Header(name, value) => Some((name.clone(), value.clone())),
            Self::Renewable(Renewable { name, value }) => {
                Some((name.clone(), value.read().unwrap_or_else(PoisonError::into_inner).clone()))
            }
            Self::OAuth(signer) => Some((AUTHORIZATION, sensitive(&signer.header(method, url))?)),
        }
    }

    /// Does the signature cover the path? Then Magento must understand the path as we do.
    pub(crate) fn signs_the_path(&self) -> bool {
        match self {
            Self::Header(..) | Self::Renewable(_) => false,
            Self::OAuth(_) => true,
        }
    }

    /// By how many seconds this PC's clock is ahead of the store's, where that matters for signing in.
    pub(crate) fn clock_ahead(&self) -> i64 {
        match self {
            Self::Header(..) | Self::Renewable(_) => 0,
            Self::OAuth(signer) => signer.ahead(),
        }
    }

    /// Learns from the time that an answer carries.
    pub(crate) fn learn(&self, date: Option<Timestamp>) {
        match self {
            Self::Header(..) | Self::Renewable(_) => {}
            Self::OAuth(signer) => signer.learn(date),
        }
    }
}

/// `Basic` is name and password, joined and written in another alphabet (RFC 7617).
fn of_pair(pair: &str) -> Vec<Secret> {
    let plain = STANDARD.decode(pair).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    std::iter::once(pair).chain(plain.split(':')).map(Secret::new).collect()
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
