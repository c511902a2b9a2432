//! The `[store.after_push]` part of the configuration.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{SettingsError, positive, secret, senseless};
use crate::central::{Secret, SecretFrom};
use crate::units::Span;

/// What was pushed is collected for this long: rebuilding an index is dear.
pub const AT_MOST_EVERY: Span = Span::seconds(60);
/// Longest that whoever listens may take.
pub const LISTENING: Span = Span::seconds(60);
/// Most that `timeout` may be, seconds.
const LONGEST_LISTENING: Span = Span::seconds(600);

/// Whom to tell after quantities were stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AfterPushSettings {
    /// An address that gets a POST.
    pub url: Option<String>,
    /// The bearer token for it.
    pub token: Option<SecretFrom>,
    /// A program and its arguments; no shell reads them.
    pub command: Option<Vec<String>>,
    /// Told at most this often ([`AT_MOST_EVERY`]).
    pub at_most_every: Span,
    /// Longest that it may take ([`LISTENING`]).
    pub timeout: Span,
}

impl Default for AfterPushSettings {
    fn default() -> Self {
        Self { url: None, token: None, command: None, at_most_every: AT_MOST_EVERY, timeout: LISTENING }
    }
}

impl AfterPushSettings {
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        match (&self.url, &self.command) {
            (Some(url), None) => validate_url(url)?,
            (None, Some(command)) => validate_command(command)?,
            (None, None) | (Some(_), Some(_)) => {
                return Err(senseless("after_push", "needs either `url` or `command`"));
            }
        }
        if self.token.is_some() && self.url.is_none() {
            return Err(senseless("after_push.token", "belongs to `after_push.url`; a command gets no token"));
        }
        positive("after_push.at_most_every", self.at_most_every)?;
        positive("after_push.timeout", self.timeout)?;
        if self.timeout > LONGEST_LISTENING {
            return Err(senseless("after_push.timeout", format!("is longer than {LONGEST_LISTENING}")));
        }
        Ok(())
    }

    /// The bearer token, read anew each time, so that it can be replaced.
    ///
    /// # Errors
    /// When it is not there, or empty, or open to others.
    pub(crate) fn read_token(&self) -> Result<Option<Secret>, SettingsError> {
        self.token.as_ref().map(|token| secret("after_push.token", token)).transpose()
    }
}

fn validate_url(text: &str) -> Result<(), SettingsError> {
    let key = "after_push.url";
    let url = reqwest::Url::parse(text)
        .map_err(|why| senseless(key, format!("is no address ({why}); write https://shop.example/…")))?;
    let is_here = url.host_str().is_some_and(crate::central::client::is_this_machine);
    if url.scheme() != "https" && !(url.scheme() == "http" && is_here) {
        return Err(senseless(key, "must begin with https:// (http:// only for this PC itself)"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(senseless(key, "must not hold a name or a password; a token belongs in `after_push.token`"));
    }
    Ok(())
}

fn validate_command(command: &[String]) -> Result<(), SettingsError> {
    let key = "after_push.command";
    let Some(program) = command.first().filter(|program| !program.trim().is_empty()) else {
        return Err(senseless(key, "is empty; write it like [\"/usr/local/bin/reindex\", \"--stock\"]"));
    };
    if program.contains(['/', '\\']) && !Path::new(program).is_absolute() {
        return Err(senseless(key, format!("{program:?}: write the whole path")));
    }
    if command.iter().any(|word| word.contains('\0')) {
        return Err(senseless(key, "holds a character that no argument can have"));
    }
    Ok(())
}
