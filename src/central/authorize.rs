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

    /// What must not stand in any record of a request.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        match self {
            // `Bearer` and `Basic` are none.
            Self::Header(_, value) => {
                let text = value.to_str().unwrap_or_default();
                text.split_whitespace().filter(|part| !matches!(*part, "Bearer" | "Basic")).map(Secret::new).collect()
            }
        }
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
