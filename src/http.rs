//! The health page's server: `/healthz`, `/readyz`, `/health`, `/metrics`.
//!
//! Promises: reads only; loopback unless told otherwise, and then only with TLS and a bearer token; never says more than
//! the health report (no secrets, no customers).

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::health::{self, Report};
use crate::ledger::Result as LedgerResult;
use crate::tasks::{Shop, chain};

pub mod metrics;

/// Where the health page is by default: loopback, a port that no common service takes.
pub const LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7878));
/// Requests under way get this long at stop.
const GRACE: Duration = Duration::from_secs(2);

/// The `[health]` part of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthSettings {
    /// Address and port; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Certificate chain (PEM); needed when `listen` is not loopback.
    pub tls_certificate: Option<PathBuf>,
    /// Its private key (PEM).
    pub tls_key: Option<PathBuf>,
    /// File with the bearer token that callers must send; needed when `listen` is not loopback.
    pub token_file: Option<PathBuf>,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self { listen: LISTEN, tls_certificate: None, tls_key: None, token_file: None }
    }
}

/// Why the health page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// It would be open to the network without protection.
    #[error(
        "health.listen = \"{listen}\" can be reached from the network, and {missing} is not set; set it, or listen on 127.0.0.1"
    )]
    Unprotected {
        /// The address.
        listen: SocketAddr,
        /// The missing key.
        missing: &'static str,
    },
    /// A file cannot be read.
    #[error("{key}: cannot use {path}")]
    File {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The address cannot be had.
    #[error("the health page cannot listen on {listen}; another program may have that port: change health.listen")]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The token file is empty.
    #[error("health.token_file: {0} is empty; write a long random text into it")]
    EmptyToken(PathBuf),
}

impl HealthSettings {
    /// Refuses what would be open to the network without protection.
    ///
    /// # Errors
    /// The first missing key.
    pub fn validate(&self) -> Result<(), HttpError> {
        if self.listen.ip().is_loopback() {
            return Ok(());
        }
        let needed = [
            ("health.tls_certificate", self.tls_certificate.is_some()),
            ("health.tls_key", self.tls_key.is_some()),
            ("health.token_file", self.token_file.is_some()),
        ];
        match needed.into_iter().find(|(_, given)| !given) {
            Some((missing, _)) => Err(HttpError::Unprotected { listen: self.listen, missing }),
            None => Ok(()),
        }
    }

    fn token_digest(&self) -> Result<Option<[u8; 32]>, HttpError> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let failed = |source| HttpError::File { key: "health.token_file", path: path.clone(), source };
        let token = std::fs::read_to_string(path).map_err(failed)?;
        let token = token.trim();
        if token.is_empty() {
            return Err(HttpError::EmptyToken(path.clone()));
        }
        Ok(Some(Sha256::digest(token.as_bytes()).into()))
    }
}

/// What the pages show.
#[derive(Clone)]
pub struct Shown {
    /// The running shop.
    pub shop: Arc<Shop>,
    /// The till connection's name.
    pub account: String,
    /// Since when the agent runs.
    pub started: Timestamp,
}

impl Shown {
    fn report(&self) -> LedgerResult<Report> {
        let live = Some((self.shop.live(), self.started));
        health::report(&self.shop.ledger, &self.account, live, true, self.shop.clock.now())
    }
}

/// The server under way.
pub struct HealthServer {
    /// Where it really listens.
    pub address: SocketAddr,
    handle: Handle<SocketAddr>,
}

impl HealthServer {
    /// Starts to serve.
    ///
    /// # Errors
    /// [`HttpError`]; nothing is served then.
    pub async fn start(settings: &HealthSettings, shown: Shown) -> Result<Self, HttpError> {
        settings.validate()?;
        let app = router(shown, settings.token_digest()?);
        let bind = |source| HttpError::Bind { listen: settings.listen, source };
        let listener = TcpListener::bind(settings.listen).map_err(bind)?;
        listener.set_nonblocking(true).map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let handle = Handle::new();
        let service = app.into_make_service();
        match (&settings.tls_certificate, &settings.tls_key) {
            (Some(certificate), Some(key)) => {
                let failed =
                    |source| HttpError::File { key: "health.tls_certificate", path: certificate.clone(), source };
                let tls = RustlsConfig::from_pem_file(certificate, key).await.map_err(failed)?;
                let server = axum_server::from_tcp_rustls(listener, tls).map_err(bind)?.handle(handle.clone());
                tokio::spawn(async move { log_end(server.serve(service).await) });
            }
            _ => {
                let server = axum_server::from_tcp(listener).map_err(bind)?.handle(handle.clone());
                tokio::spawn(async move { log_end(server.serve(service).await) });
            }
        }
        Ok(Self { address, handle })
    }

    /// Ends; requests under way get a moment.
    pub fn stop(&self) {
        self.handle.graceful_shutdown(Some(GRACE));
    }
}

fn log_end(ended: std::io::Result<()>) {
    if let Err(error) = ended {
        tracing::error!(error = chain(&error), "the health page ended");
    }
}

fn router(shown: Shown, token: Option<[u8; 32]>) -> Router {
    Router::new()
        .route("/health", get(health_json))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics_text))
        .route_layer(middleware::from_fn_with_state(token, authorise))
        // Liveness says nothing, so it needs no token; a supervisor should not have to know one.
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(shown)
}

async fn authorise(State(token): State<Option<[u8; 32]>>, request: Request, next: Next) -> Response {
    let Some(wanted) = token else { return next.run(request).await };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given =
        given.and_then(|value| value.strip_prefix("Bearer ")).map(|token| Sha256::digest(token.trim().as_bytes()));
    // Digests are compared, so that the time taken says nothing about the token.
    if given.is_some_and(|given| given.as_slice() == wanted) {
        return next.run(request).await;
    }
    let challenge = [(header::WWW_AUTHENTICATE, "Bearer realm=\"tillbridge\"")];
    (StatusCode::UNAUTHORIZED, challenge, "send the token of health.token_file as: Authorization: Bearer …\n")
        .into_response()
}

async fn health_json(State(shown): State<Shown>) -> Response {
    match shown.report() {
        Ok(report) => Json(report).into_response(),
        Err(error) => ledger_failed(&error),
    }
}

async fn ready(State(shown): State<Shown>) -> Response {
    if let Err(error) = shown.report() {
        return ledger_failed(&error);
    }
    let activated = shown.shop.live().activations.len();
    const RECONCILERS: usize = 4;
    if activated < RECONCILERS {
        let body = json!({ "ready": false, "why": format!("{activated} of {RECONCILERS} reconcilers have run since the start") });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    }
    Json(json!({ "ready": true })).into_response()
}

async fn metrics_text(State(shown): State<Shown>) -> Response {
    match shown.report().map(|report| metrics::render(&report)) {
        Ok(text) => {
            let kind = [(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")];
            (kind, text).into_response()
        }
        Err(error) => ledger_failed(&error),
    }
}

fn ledger_failed(error: &crate::ledger::LedgerError) -> Response {
    let body = json!({ "ready": false, "status": "error", "why": chain(error) });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}
