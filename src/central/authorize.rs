//! How a request says who we are.
//!
//! Promises: what is secret in it is marked sensitive and goes into one header of the request and nowhere else.

use std::sync::{Arc, PoisonError, RwLock};

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::Secret;
use super::settings::SettingsError;

/// Signs requests in.
#[derive(Debug)]
pub(crate) enum Authorization {
    /// The same header for every request.
    Header(HeaderName, HeaderValue),
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

    /// This header, with a value that is secret.
    ///
    /// # Errors
    /// When the value holds characters that no header can hold.
    pub(crate) fn header(name: HeaderName, value: &str) -> Result<Self, SettingsError> {
        Ok(Self::Header(name, secret_value(value)?))
    }

    /// The header for this request. Called anew for every sending.
    pub(crate) fn header_for(&self, method: &Method, url: &Url) -> (HeaderName, HeaderValue) {
        // A header that is the same for all looks at neither.
        let _any = (method, url);
        match self {
            Self::Header(name, value) => (name.clone(), value.clone()),
            Self::Renewable(Renewable { name, value }) => {
                (name.clone(), value.read().unwrap_or_else(PoisonError::into_inner).clone())
            }
        }
    }
}
