//! How a request says who we are.
//!
//! Promises: what is secret in it is marked sensitive and goes into one header of the request and nowhere else.

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use super::Secret;
use super::settings::SettingsError;

/// Signs requests in.
#[derive(Debug)]
pub(crate) enum Authorization {
    /// The same header for every request.
    Header(HeaderName, HeaderValue),
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
        let unusable = || SettingsError::Senseless {
            key: "token",
            complaint: "the token holds characters that no token has (a line break, an umlaut)".into(),
        };
        let mut value = HeaderValue::from_str(value).map_err(|_| unusable())?;
        value.set_sensitive(true);
        Ok(Self::Header(name, value))
    }

    /// The header for this request. Called anew for every sending.
    pub(crate) fn header_for(&self, method: &Method, url: &Url) -> (HeaderName, HeaderValue) {
        // A header that is the same for all looks at neither.
        let _any = (method, url);
        match self {
            Self::Header(name, value) => (name.clone(), value.clone()),
        }
    }
}
