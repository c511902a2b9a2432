//! Signing in to the simulated Magento: by token, by signature, and all the ways in which that fails.
//!
//! Promises: the refusals of a running 2.4.7-p6, in the order in which Magento looks (its Oauth.php, read): the consumer's
//! key, the time (600 s ahead at most; any time behind), the nonce (once per consumer, and noted before the signature is
//! looked at), the token, the signature. What is signed is put together as Magento does it, from the request as it
//! came and not from RFC 5849's words: parameters without exactly one `=` are left out, of two with one name the
//! last counts, and names are sorted with their numbers as numbers (strnatcmp). So it is a second opinion on the agent's
//! own. Does not promise to be hard to guess: it compares texts.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use axum::http::header;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::json;
use sha2::Sha256;

use super::Refusal;
use crate::demo::http::{Request, decoded};

/// How far ahead a signature's time may be, in seconds (observed: 590 passes, 700 does not).
const AHEAD: i64 = 600;

/// The four values of an integration, for signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// Consumer Key.
    pub consumer_key: String,
    /// Consumer Secret.
    pub consumer_secret: String,
    /// Access Token.
    pub access_token: String,
    /// Access Token Secret.
    pub access_token_secret: String,
}

impl Integration {
    /// An integration that opens nothing else.
    pub fn of_the_demo() -> Self {
        Self {
            consumer_key: "demoConsumerKeyThatOpensNothing1".into(),
            consumer_secret: "demoConsumerSecretOfNothing+/=&2".into(),
            access_token: "demoAccessTokenThatOpensNothing3".into(),
            access_token_secret: "demoTokenSecretThatOpensNothing4".into(),
        }
    }
}

/// Who is let in, and what stands between the shop and its callers.
#[derive(Debug, Clone, Default)]
pub struct SignIn {
    /// Is a token refused that comes without a signature? Magento's default; off here, for hand play.
    pub refuses_bearer: bool,
    /// Whose signatures are taken.
    pub integration: Option<Integration>,
    /// Rights that whoever is let in lacks.
    pub rights_missing: BTreeSet<String>,
    /// A proxy in front hides that the shop was called over HTTPS.
    pub hides_https: bool,
    /// The web server hides the port (observed with Debian's nginx).
    pub hides_port: bool,
    /// `%2F`, `%26` and others in a path are decoded before the signature is checked, as 2.4.6 does (magento2#37830).
    pub decodes_paths: bool,
    nonces: BTreeSet<(String, String)>,
    signed: u64,
}

impl SignIn {
    /// How many signed requests were let in.
    pub fn signed(&self) -> u64 {
        self.signed
    }

    /// Lets the request in, or says why not. `right` is what its route needs.
    pub(super) fn admit(&mut self, token: &str, request: &Request, right: &str, now: Timestamp) -> Result<(), Refusal> {
        let no_right = || {
            let text = "The consumer isn't authorized to access %resources.";
            Refusal::with(401, text, json!({ "resources": right }))
        };
        match request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()) {
            Some(value) if value.starts_with("OAuth ") => {
                self.verify(&protocol(value), request, now)?;
                self.signed += 1;
            }
            _ if request.bearer() != Some(token) || self.refuses_bearer => return Err(no_right()),
            _ => {}
        }
        if self.rights_missing.contains(right) { Err(no_right()) } else { Ok(()) }
    }

    fn verify(&mut self, given: &BTreeMap<String, String>, request: &Request, now: Timestamp) -> Result<(), Refusal> {
        let value = |name: &str| given.get(name).map(String::as_str).unwrap_or_default();
        let refused = |text: &str| Err(Refusal::new(401, text));
        let method = value("oauth_signature_method");
        if method != "HMAC-SHA256" {
            return Err(Refusal::with(400, "Signature method %1 is not supported", json!([method])));
        }
        let Some(integration) = self.integration.clone().filter(|one| one.consumer_key == value("oauth_consumer_key"))
        else {
            return refused("A consumer having the specified key does not exist");
        };
        let timestamp: i64 = value("oauth_timestamp").parse().unwrap_or_default();
        if timestamp <= 0 || timestamp > now.as_second() + AHEAD {
            return refused("An error occurred validating the nonce");
        }
        if !self.nonces.insert((integration.consumer_key.clone(), value("oauth_nonce").to_owned())) {
            let text = "The nonce is already being used by the consumer with ID %1";
            return Err(Refusal::with(401, text, json!(["1"])));
        }
        if value("oauth_token") != integration.access_token {
            return refused("Specified token does not exist");
        }
        if value("oauth_signature") != self.signature(&integration, given, request) {
            return refused("The signature is invalid. Verify and try again.");
        }
        Ok(())
    }

    fn signature(&self, own: &Integration, given: &BTreeMap<String, String>, request: &Request) -> String {
        let mut parameters: Vec<(String, String)> = query_parameters(request.query_as_sent())
            .into_iter()
            .chain(given.iter().filter(|(name, _)| *name != "oauth_signature").map(|(a, b)| (a.clone(), b.clone())))
            .map(|(name, value)| (encode(&name), encode(&value)))
            .collect();
        parameters.sort_by(|(a, _), (b, _)| natural(a, b));
        let joined: Vec<String> = parameters.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let text = format!("{}&{}&{}", request.method, encode(&self.address(request)), encode(&joined.join("&")));
        let key = format!("{}&{}", encode(&own.consumer_secret), encode(&own.access_token_secret));
        let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map(|mac| mac.chain_update(text).finalize());
        mac.map(|mac| STANDARD.encode(mac.into_bytes())).unwrap_or_default()
    }

    /// The address by which Magento believes it was called.
    fn address(&self, request: &Request) -> String {
        let scheme = if self.hides_https { "http" } else { "https" };
        let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let host = if self.hides_port { host.split(':').next().unwrap_or_default() } else { host };
        let own_port = if self.hides_https { ":80" } else { ":443" };
        let path = request.path_as_sent();
        let path = if self.decodes_paths { half_decoded(path) } else { path.to_owned() };
        format!("{scheme}://{}{path}", host.strip_suffix(own_port).unwrap_or(host).to_lowercase())
    }
}

/// The parameters of an `Authorization: OAuth` header.
fn protocol(header: &str) -> BTreeMap<String, String> {
    let pairs = header.trim_start_matches("OAuth ").split(',').filter_map(|part| part.trim().split_once('='));
    pairs.map(|(name, value)| (decoded(name, false), decoded(value.trim_matches('"'), false))).collect()
}

fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let pair = |part: &str| {
        let (name, value) = part.split_once('=')?;
        (!value.contains('=')).then(|| (decoded(name, true), decoded(value, true)))
    };
    query.split('&').filter_map(pair).collect()
}

/// RFC 3986's unreserved characters stay, as PHP's rawurlencode leaves them.
fn encode(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// A path whose reserved characters are no longer encoded (laminas-uri's `normalizePath`, read).
fn half_decoded(path: &str) -> String {
    let reserved = [("%2F", "/"), ("%26", "&"), ("%3A", ":"), ("%40", "@"), ("%3D", "="), ("%2B", "+")];
    let more = [("%24", "$"), ("%2C", ","), ("%3B", ";")];
    reserved.into_iter().chain(more).fold(path.to_owned(), |path, (code, sign)| path.replace(code, sign))
}

/// PHP's strnatcmp, as far as names of parameters go: runs of digits are compared as numbers.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let ((left, a_rest), (right, b_rest)) = (first_part(a), first_part(b));
        let numbers = left.parse::<u64>().ok().zip(right.parse::<u64>().ok());
        let order = numbers.map_or_else(|| left.cmp(right), |(left, right)| left.cmp(&right));
        if order != Ordering::Equal || (a.is_empty() && b.is_empty()) {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
}

/// A run of digits, or one character.
fn first_part(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let length = if digits > 0 { digits } else { text.chars().next().map_or(0, char::len_utf8) };
    text.split_at(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_are_sorted_as_numbers() {
        let mut names = vec!["f[10][b]", "f[2][b]", "f[2][a]", "e", "f[1]", "f"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["e", "f", "f[1]", "f[2][a]", "f[2][b]", "f[10][b]"]);
    }

    #[test]
    fn a_header_is_taken_apart_and_decoded() {
        let given = protocol("OAuth oauth_nonce=\"a%2Bb\", oauth_token=\"c\"");
        assert_eq!((given["oauth_nonce"].as_str(), given["oauth_token"].as_str()), ("a+b", "c"));
    }

    #[test]
    fn parameters_that_are_no_pair_are_not_signed() {
        let found = query_parameters("a=1&b&c=2=3&d=x+y%20z&a=4");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [("a".into(), "4".into()), ("d".into(), "x y z".into())]);
    }
}
