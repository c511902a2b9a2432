//! How a request says who we are.
//!
//! Promises: what is secret in it is marked sensitive and goes into one header of the request and nowhere else; what
//! has to be new for every sending is.

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
        let unusable = || SettingsError::Senseless {
            key: "token",
            complaint: "the token holds characters that no token has (a line break, an umlaut)".into(),
        };
        Ok(Self::Header(name, sensitive(value).ok_or_else(unusable)?))
    }

    /// The header for this request. Called anew for every sending; none if no header could hold it, which no signature
    /// is.
    pub(crate) fn header_for(&self, method: &Method, url: &Url) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::Header(name, value) => Some((name.clone(), value.clone())),
            Self::OAuth(signer) => Some((AUTHORIZATION, sensitive(&signer.header(method, url))?)),
        }
    }

    /// Does the signature cover the path? Then Magento must understand the path as we do.
    pub(crate) fn signs_the_path(&self) -> bool {
        match self {
            Self::Header(..) => false,
            Self::OAuth(_) => true,
        }
    }

    /// By how many seconds this PC's clock is ahead of the store's, where that matters for signing in.
    pub(crate) fn clock_ahead(&self) -> i64 {
        match self {
            Self::Header(..) => 0,
            Self::OAuth(signer) => signer.ahead(),
        }
    }

    /// Learns from the time that an answer carries.
    pub(crate) fn learn(&self, date: Option<Timestamp>) {
        match self {
            Self::Header(..) => {}
            Self::OAuth(signer) => signer.learn(date),
        }
    }
}

fn sensitive(value: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
