//! The one HTTPS client that speaks to the store.
//!
//! Promises: TLS 1.2 or 1.3 against the machine's roots, Mozilla's roots and `ca_file`; an answer is never larger than
//! [`LARGEST_ANSWER`]; redirects are not followed (a POST would silently become a GET); the token goes into one header,
//! marked sensitive, and nowhere else. Does not repeat requests: whoever knows the meaning of a request decides that.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Url};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde::de::DeserializeOwned;

use super::authorize::Authorization;
use super::exchange::Masks;
use super::failure;
use super::oauth::{SLACK, was_seen_before};
use super::settings::{SettingsError, StoreSettings};
use crate::domain::retry::FailureClass;
use crate::ports::StoreError;

/// Largest answer taken, in bytes. A page of 300 orders in full is about 2 MB; more is a fault or an attack.
pub(crate) const LARGEST_ANSWER: usize = 32 * 1024 * 1024;
/// Idle connections are closed after this long; shops' routers forget them sooner or later.
const IDLE_CONNECTION: std::time::Duration = std::time::Duration::from_secs(60);
/// Smaller bodies are sent as they are: they fit into one packet.
const WORTH_COMPRESSING: usize = 1400;
/// Where WordPress tells how many rows there are on all pages.
const TOTAL: HeaderName = HeaderName::from_static("x-wp-total");
/// Which version of its interface a Shopify store answers with.
static API_VERSION: reqwest::header::HeaderName = reqwest::header::HeaderName::from_static("x-shopify-api-version");
/// How we introduce ourselves.
const USER_AGENT: &str = concat!("Tillbridge/", env!("CARGO_PKG_VERSION"));

/// What a store's error answer says, in the dialect of its make.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Explained {
    /// The store's own words.
    pub(crate) message: Option<String>,
    /// What to do about it.
    pub(crate) remedy: Option<String>,
}

/// Reads an error answer: status and body.
pub(crate) type Explain = fn(u16, &[u8]) -> Explained;

/// The client.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    host: String,
    authorization: Authorization,
    explain: Explain,
    masks: Masks,
    /// Are larger bodies sent compressed? Not any more, once the store refused one.
    compresses: AtomicBool,
}

/// One request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// What is being done, for messages (`reading orders`).
    pub(crate) doing: String,
    /// GET, POST or PUT.
    pub(crate) method: Method,
    /// Path and query after the base address, encoded.
    pub(crate) path: String,
    /// JSON.
    pub(crate) body: Option<String>,
    /// Makes a repetition recognisable, where the store knows such keys.
    pub(crate) idempotency_key: Option<String>,
}

impl Call {
    /// A read.
    pub(crate) fn get(doing: impl Into<String>, path: impl Into<String>) -> Self {
        Self { doing: doing.into(), method: Method::GET, path: path.into(), body: None, idempotency_key: None }
    }

    /// A write.
    pub(crate) fn write(method: Method, doing: impl Into<String>, path: impl Into<String>, body: String) -> Self {
        Self { method, body: Some(body), ..Self::get(doing, path) }
    }

    /// Could the store have changed something by it?
    pub(crate) fn changes_something(&self) -> bool {
        self.method != Method::GET
    }
}

/// One answer, whole.
#[derive(Debug)]
pub(crate) struct Reply {
    /// HTTP status.
    pub(crate) status: u16,
    /// The store's clock.
    pub(crate) date: Option<Timestamp>,
    /// The pause it asks for.
    pub(crate) retry_after: Option<SignedDuration>,
    /// Where it sends us.
    pub(crate) location: Option<String>,
    /// Rows in all, on all pages, where the store tells it in a header (WordPress: `X-WP-Total`).
    pub(crate) total: Option<u64>,
    /// Shopify's interface: the version that answered (`X-Shopify-API-Version`).
    pub(crate) api_version: Option<String>,
    /// What it says.
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Did it work, by its status?
    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Is it a web page? (Told by its first character: shops send HTML under every content type.)
    pub(crate) fn is_web_page(&self) -> bool {
        self.body.iter().find(|byte| !byte.is_ascii_whitespace() && !matches!(byte, 0xEF | 0xBB | 0xBF)) == Some(&b'<')
    }
}

impl Client {
    /// Sets the client up.
    ///
    /// # Errors
    /// When `ca_file` or `proxy` cannot be used.
    pub(crate) fn new(
        settings: &StoreSettings,
        authorization: Authorization,
        explain: Explain,
    ) -> Result<Self, SettingsError> {
        let url = Url::parse(&settings.url)
            .map_err(|why| SettingsError::Senseless { key: "url", complaint: why.to_string() })?;
        let mut masks = Masks::default();
        if let Some(proxy) = &settings.proxy {
            masks.hide(&super::settings::secret("proxy", proxy)?);
        }
        Ok(Self {
            http: http_client(settings, &url)?,
            base: settings.url.trim_end_matches('/').to_owned(),
            host: url.host_str().unwrap_or_default().to_owned(),
            authorization,
            explain,
            masks,
            compresses: AtomicBool::new(settings.compress_requests),
        })
    }

    /// The store's address without path, to show.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Sends one request and reads the answer whole, whatever its status. One that was refused because this PC's clock
    /// is wrong, as the refusal itself tells, was not carried out, and is sent once more with the store's time.
    ///
    /// # Errors
    /// When there was no whole answer.
    pub(crate) async fn send(&self, call: &Call) -> Result<Reply, StoreError> {
        let believed = self.authorization.clock_ahead();
        let mut reply = self.send_once(call, |_| {}).await?;
        self.authorization.learn(reply.date);
        if reply.status == 401 && self.authorization.clock_ahead() - believed > SLACK {
            reply = self.send_once(call, |_| {}).await?;
        }
        // 415 Unsupported Media Type (RFC 9110, 15.5.16; RFC 7694): nothing was carried out.
        if reply.status == 415 && self.is_compressed(call) {
            tracing::warn!(
                "the web store takes no compressed requests, though `store.compress_requests` says so; they are sent plain"
            );
            self.compresses.store(false, Ordering::Relaxed);
            return self.send_once(call, |_| {}).await;
        }
        Ok(reply)
    }

    fn is_compressed(&self, call: &Call) -> bool {
        let is_large = call.body.as_ref().is_some_and(|body| body.len() >= WORTH_COMPRESSING);
        is_large && self.compresses.load(Ordering::Relaxed)
    }

    fn with_body(&self, request: RequestBuilder, call: &Call) -> RequestBuilder {
        let Some(body) = &call.body else { return request };
        let request = request.header(CONTENT_TYPE, "application/json");
        match self.is_compressed(call).then(|| compressed(body)).flatten() {
            Some(bytes) => request.header(CONTENT_ENCODING, "gzip").body(bytes),
            None => request.body(body.clone()),
        }
    }

    /// The failure, with what went over the line.
    fn kept(&self, mut error: StoreError, call: &Call, reply: Option<&Reply>) -> StoreError {
        let (status, body) = reply.map_or((None, [].as_slice()), |reply| (Some(reply.status), &reply.body));
        let mut masks = self.masks.clone();
        self.authorization.secrets().iter().for_each(|secret| masks.hide(secret));
        // A store may repeat what we sent.
        error.what = masks.without_secrets(&error.what);
        error.exchange.get_or_insert_with(|| Box::new(masks.seen(call, status, body)));
        error
    }

    /// Sends one request, signed as if it went to another address: to find out which one the store believes it has.
    ///
    /// # Errors
    /// When there was no whole answer.
    pub(crate) async fn send_signed_as(&self, call: &Call, seen_as: fn(&mut Url)) -> Result<Reply, StoreError> {
        self.send_once(call, seen_as).await
    }

    async fn send_once(&self, call: &Call, seen_as: fn(&mut Url)) -> Result<Reply, StoreError> {
        self.exchange(call, seen_as).await.map_err(|error| self.kept(error, call, None))
    }

    async fn exchange(&self, call: &Call, seen_as: fn(&mut Url)) -> Result<Reply, StoreError> {
        let address = format!("{}{}", self.base, call.path);
        let bug = |why: String| StoreError::new(FailureClass::Bug, format!("{}: {address} {why}", call.doing));
        let url = Url::parse(&address).map_err(|why| bug(format!("is no address ({why})")))?;
        let mut signed = url.clone();
        seen_as(&mut signed);
        let signed_in = self.authorization.header_for(&call.method, &signed);
        let (name, value) = signed_in.ok_or_else(|| bug("cannot be signed".into()))?;
        let mut request =
            self.http.request(call.method.clone(), url).header(name, value).header(ACCEPT, "application/json");
        request = self.with_body(request, call);
        if let Some(key) = &call.idempotency_key {
            request = request.header("Idempotency-Key", key);
        }
        let lost = |why| failure::of_transport(call, &self.host, why);
        let mut response = request.send().await.map_err(lost)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > LARGEST_ANSWER {
                return Err(failure::of_too_large_an_answer(call, &self.host));
            }
            body.extend_from_slice(&chunk);
        }
        let headers = response.headers();
        let (date, retry_after, location) = what_headers_say(headers);
        let total = text(headers, &TOTAL).and_then(|total| total.trim().parse().ok());
        let api_version = text(headers, &API_VERSION);
        Ok(Reply { status: response.status().as_u16(), date, retry_after, location, total, api_version, body })
    }

    /// How it signs in.
    pub(crate) fn authorization(&self) -> &Authorization {
        &self.authorization
    }

    /// Sends one request and reads the answer as JSON.
    ///
    /// # Errors
    /// When there was no answer, or it is a refusal, or not what was asked for.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, call: &Call) -> Result<T, StoreError> {
        let reply = self.send(call).await?;
        self.read(call, &reply)
    }

    /// Reads an answer as JSON.
    ///
    /// # Errors
    /// When it is a refusal, or not what was asked for.
    pub(crate) fn read<T: DeserializeOwned>(&self, call: &Call, reply: &Reply) -> Result<T, StoreError> {
        if !reply.is_success() || reply.is_web_page() {
            return Err(self.refusal(call, reply));
        }
        let odd = |why| failure::of_an_odd_answer(call, &self.host, reply, why);
        serde_json::from_slice(&reply.body).map_err(|why| self.kept(odd(why), call, Some(reply)))
    }

    /// The failure that an answer stands for.
    pub(crate) fn refusal(&self, call: &Call, reply: &Reply) -> StoreError {
        let mut refusal = failure::of_answer(call, &self.host, reply, &(self.explain)(reply.status, &reply.body));
        if was_seen_before(reply) {
            refusal.class = FailureClass::Transient;
            refusal.maybe_done = call.changes_something();
        }
        self.kept(refusal, call, Some(reply))
    }
}

/// The text, compressed; nothing if that could not be done (there is nothing that a vector could refuse).
fn compressed(text: &str) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).ok()
}

/// A client for this address, with the settings' certificates, proxy and times.
pub(super) fn http_client(settings: &StoreSettings, url: &Url) -> Result<reqwest::Client, SettingsError> {
    let client = |why: reqwest::Error| SettingsError::Client(Box::new(why.without_url()));
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(settings)?)
        .user_agent(USER_AGENT)
        .gzip(true)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(settings.connect_timeout.duration())
        .timeout(settings.timeout.duration())
        .pool_idle_timeout(IDLE_CONNECTION);
    if let Some(proxy) = &settings.proxy {
        // The reason is left out: it may repeat the address, and that may hold a password.
        let unusable = |_| SettingsError::Senseless {
            key: "proxy",
            complaint: "is no address of a proxy; write it like http://proxy.example:3128".into(),
        };
        let proxy = super::settings::secret("proxy", proxy)?;
        builder = builder.proxy(reqwest::Proxy::all(proxy.reveal()).map_err(unusable)?);
    } else if url.host_str().is_some_and(is_this_machine) {
        builder = builder.no_proxy();
    }
    builder.build().map_err(client)
}

/// No proxy leads to this machine itself.
pub(super) fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tls(settings: &StoreSettings) -> Result<rustls::ClientConfig, SettingsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|why| SettingsError::Client(Box::new(why)))?
        .with_root_certificates(roots(settings)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The machine's roots, Mozilla's (an unattended PC's own may be ten years old), and the shop's.
fn roots(settings: &StoreSettings) -> Result<rustls::RootCertStore, SettingsError> {
    let mut roots = rustls::RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let native = rustls_native_certs::load_native_certs();
    for why in &native.errors {
        tracing::debug!(error = %why, "some of this machine's certificates cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    let Some(path) = &settings.ca_file else { return Ok(roots) };
    let unusable = |source| SettingsError::Certificates { path: path.clone(), source };
    let pem = std::fs::read(path).map_err(|why| unusable(why.into()))?;
    let certificates: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|why| unusable(why.into()))?;
    if certificates.is_empty() {
        return Err(unusable("no BEGIN CERTIFICATE in it".into()));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|why| unusable(why.into()))?;
    }
    Ok(roots)
}

/// This machine's clock, to be compared with the store's.
#[expect(clippy::disallowed_methods, reason = "the check compares the store's clock with this machine's own")]
pub(crate) fn local_time() -> Timestamp {
    Timestamp::now()
}

/// The answer's date, the pause that it asks for, and where it sends us.
pub(super) fn what_headers_say(headers: &HeaderMap) -> (Option<Timestamp>, Option<SignedDuration>, Option<String>) {
    let date = text(headers, &DATE).and_then(|date| http_date(&date));
    let retry_after = text(headers, &RETRY_AFTER).and_then(|wait| pause_asked_for(&wait, date));
    (date, retry_after, text(headers, &LOCATION))
}

fn text(headers: &HeaderMap, name: &reqwest::header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Reads `Mon, 23 Nov 2026 16:31:24 GMT`.
fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

/// Reads `Retry-After`: seconds, or a date, which counts from the answer's own date (RFC 9110, 10.2.3).
fn pause_asked_for(text: &str, now: Option<Timestamp>) -> Option<SignedDuration> {
    if let Ok(seconds) = text.trim().parse::<u32>() {
        return Some(SignedDuration::from_secs(i64::from(seconds)));
    }
    let pause = http_date(text)?.duration_since(now?);
    Some(pause.max(SignedDuration::ZERO))
}

/// Writes one part of a path or a query: everything but letters, digits, `-`, `.`, `_` and `~` is encoded.
///
/// Magento finds `AB%2F12` and answers 404 to a raw slash (observed).
pub(crate) fn encoded(part: &str) -> String {
    let mut written = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            written.push(char::from(byte));
        } else {
            written.push_str(&format!("%{byte:02X}"));
        }
    }
    written
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "client_wire_tests.rs"]
mod wire_tests;
