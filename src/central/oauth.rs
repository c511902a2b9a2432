//! OAuth 1.0a signatures (RFC 5849) with HMAC-SHA256, the only method that Magento takes since 2.4.4.
//!
//! Promises: every sending is signed afresh, with a nonce of 128 random bits and a time of its own; the signature covers
//! the method, the address as it is sent and the decoded query, and no JSON body (RFC 5849, 3.4.1.3.1: only a form's is
//! covered). Where this PC's clock is ahead of the store's, the store's counts: Magento refuses what is signed more than
//! 600 s ahead and takes any time behind (observed), so the earlier of the two clocks is always right.
//! Does not promise to be right for names that hold numbers of two digits: Magento sorts those as numbers (strnatcmp,
//! read in laminas-oauth), the RFC as bytes. Whoever asks keeps its filters below ten.
//!
//! Why no crate: oauth1-request, the best kept of them, brings HMAC-SHA1 only and wants its parameters sorted by type.

use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::{Method, Url};
use sha2::Sha256;

use super::client::{Reply, encoded, local_time};
use super::settings::{OAuthSettings, SettingsError, secret};

/// Clocks that are no further apart than this are left alone, in seconds; a slow answer looks like a slow clock.
pub(crate) const SLACK: i64 = 60;
/// Random bytes of a nonce: 32 hexadecimal digits, which is what Magento's table of nonces holds.
const NONCE: usize = 16;

/// Signs requests.
pub(crate) struct Signer {
    consumer_key: String,
    token: super::Secret,
    /// Keyed with both secrets, which are kept nowhere else.
    mac: Hmac<Sha256>,
    /// By how many seconds this PC's clock is ahead of the store's; 0 when it is not.
    ahead: AtomicI64,
    now: fn() -> Timestamp,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("ahead", &self.ahead).finish_non_exhaustive()
    }
}

impl Signer {
    /// Reads the four values.
    ///
    /// # Errors
    /// When a secret cannot be read.
    pub(crate) fn new(settings: &OAuthSettings) -> Result<Self, SettingsError> {
        let consumer = secret("magento.oauth.consumer_secret", &settings.consumer_secret)?;
        let token = secret("magento.oauth.access_token", &settings.access_token)?;
        let token_secret = secret("magento.oauth.access_token_secret", &settings.access_token_secret)?;
        let key = format!("{}&{}", encoded(consumer.reveal()), encoded(token_secret.reveal()));
        let mac = Hmac::new_from_slice(key.as_bytes()).map_err(|why| SettingsError::Client(why.to_string().into()))?;
        let consumer_key = settings.consumer_key.trim().to_owned();
        Ok(Self { consumer_key, token, mac, ahead: AtomicI64::new(0), now: local_time })
    }

    /// The header for one sending of this request.
    pub(crate) fn header(&self, method: &Method, url: &Url) -> String {
        self.header_at(method, url, &nonce(), (self.now)().as_second() - self.ahead())
    }

    /// The header with this nonce and at this time (Unix seconds).
    fn header_at(&self, method: &Method, url: &Url, nonce: &str, timestamp: i64) -> String {
        let timestamp = timestamp.to_string();
        let protocol = [
            ("oauth_consumer_key", self.consumer_key.as_str()),
            ("oauth_nonce", nonce),
            ("oauth_signature_method", "HMAC-SHA256"),
            ("oauth_timestamp", &timestamp),
            ("oauth_token", self.token.reveal()),
            ("oauth_version", "1.0"),
        ];
        let signature = self.signature(&base_string(method, url, &protocol));
        let all = protocol.into_iter().chain([("oauth_signature", signature.as_str())]);
        let shown: Vec<String> = all.map(|(name, value)| format!("{name}=\"{}\"", encoded(value))).collect();
        format!("OAuth {}", shown.join(", "))
    }

    fn signature(&self, text: &str) -> String {
        STANDARD.encode(self.mac.clone().chain_update(text.as_bytes()).finalize().into_bytes())
    }

    /// By how many seconds this PC's clock is ahead of the store's, as far as that matters.
    pub(crate) fn ahead(&self) -> i64 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// Learns from the time that an answer carries.
    pub(crate) fn learn(&self, date: Option<Timestamp>) {
        let Some(date) = date else { return };
        let apart = (self.now)().as_second() - date.as_second();
        let ahead = if apart > SLACK { apart } else { 0 };
        let before = self.ahead.swap(ahead, Ordering::Relaxed);
        if (ahead > 0) != (before > 0) {
            match ahead {
                0 => tracing::info!("this PC's clock and the store's agree again"),
                _ => tracing::warn!(
                    clock.ahead_seconds = ahead,
                    "this PC's clock is ahead of the store's; requests are signed with the store's time until it is set right"
                ),
            }
        }
    }
}

/// Was this very sending known to the store already? Then something on the way sent it twice, and the first may have
/// been carried out.
pub(crate) fn was_seen_before(reply: &Reply) -> bool {
    reply.status == 401 && String::from_utf8_lossy(&reply.body).contains("nonce is already being used")
}

fn nonce() -> String {
    let mut bytes = [0; NONCE];
    if getrandom::fill(&mut bytes).is_err() {
        // Without the system's randomness; a nonce need not be secret, only new.
        fastrand::fill(&mut bytes);
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What is signed (RFC 5849, 3.4.1.1).
fn base_string(method: &Method, url: &Url, protocol: &[(&str, &str)]) -> String {
    let query = url.query_pairs().map(|(name, value)| (encoded(&name), encoded(&value)));
    let protocol = protocol.iter().map(|(name, value)| (encoded(name), encoded(value)));
    let mut parameters: Vec<(String, String)> = query.chain(protocol).collect();
    parameters.sort();
    let parameters: Vec<String> = parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{method}&{}&{}", encoded(&base_address(url)), encoded(&parameters.join("&")))
}

/// Scheme, host, port unless it is the scheme's own, and path (RFC 5849, 3.4.1.2), as they are sent.
fn base_address(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

#[cfg(test)]
#[path = "oauth_tests.rs"]
mod tests;
