//! A simulated store behind HTTPS on this machine.
//!
//! Promises: a certificate of its own authority, whose PEM it tells; a port of its own choice unless one is wished;
//! after a stop nobody listens there, and a restart takes the same port with the same certificate.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use tokio::task::JoinHandle;

use super::faults::{Faults, in_front_of};
use super::line::FaultyAcceptor;
use super::tls::{Tls, TlsError};

/// How long requests under way may take to end when the store stops.
const GRACE: Duration = Duration::from_secs(2);

/// Why a simulated store does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The port is taken, or there is none.
    #[error("cannot listen on 127.0.0.1 port {port}")]
    Listen {
        /// The port wished for; 0 for any.
        port: u16,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
}

struct Running {
    handle: Handle<SocketAddr>,
    task: JoinHandle<io::Result<()>>,
}

/// A simulated store that runs.
pub struct StoreServer {
    /// `https://127.0.0.1:PORT`, without a slash at the end.
    pub url: String,
    /// The certificate of its authority, PEM.
    pub ca_pem: String,
    /// The bearer token that it takes.
    pub token: String,
    /// What goes wrong on the line, and how many requests came.
    pub faults: Faults,
    router: Router,
    tls: Tls,
    http2: bool,
    port: u16,
    running: Option<Running>,
}

impl std::fmt::Debug for StoreServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token stays out of logs, even this one.
        f.debug_struct("StoreServer").field("url", &self.url).field("running", &self.running.is_some()).finish()
    }
}

impl StoreServer {
    /// Starts a store on a free port. `token` is what `router` takes.
    ///
    /// # Errors
    /// When there is no certificate or no port.
    pub fn start(router: Router, token: &str) -> Result<Self, ServerError> {
        Self::start_on(0, router, token)
    }

    /// Starts a store on this port; 0 is any free one. Has to be called inside a tokio runtime.
    ///
    /// # Errors
    /// When there is no certificate, or the port is taken.
    pub fn start_on(port: u16, router: Router, token: &str) -> Result<Self, ServerError> {
        Self::with(port, router, token, false)
    }

    /// Starts a store that offers HTTP/2 besides HTTP/1.1.
    ///
    /// # Errors
    /// When there is no certificate or no port.
    pub fn start_with_http2(router: Router, token: &str) -> Result<Self, ServerError> {
        Self::with(0, router, token, true)
    }

    fn with(port: u16, router: Router, token: &str, http2: bool) -> Result<Self, ServerError> {
        let (tls, faults) = (Tls::new()?, Faults::default());
        let tls = if http2 { tls.with_http2() } else { tls };
        let mut store = Self {
            url: String::new(),
            ca_pem: tls.ca_pem.clone(),
            token: token.to_owned(),
            router: in_front_of(router, faults.clone()),
            faults,
            tls,
            http2,
            port,
            running: None,
        };
        store.restart()?;
        Ok(store)
    }

    /// Listens again on the same port, after [`StoreServer::stop`]. Does nothing while it runs.
    ///
    /// # Errors
    /// When somebody else took the port meanwhile.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        if self.running.is_some() {
            return Ok(());
        }
        let failed = |source| ServerError::Listen { port: self.port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).map_err(failed)?;
        self.port = listener.local_addr().map_err(failed)?.port();
        self.url = format!("https://127.0.0.1:{}", self.port);
        let failed = |source| ServerError::Listen { port: self.port, source };
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let handle = Handle::new();
        let acceptor = RustlsAcceptor::new(RustlsConfig::from_config(self.tls.server.clone()));
        let server = axum_server::Server::<SocketAddr>::from_listener(listener)
            .acceptor(FaultyAcceptor::new(acceptor, self.faults.clone()))
            .handle(handle.clone());
        let server = if self.http2 { server } else { server.http1_only() };
        let service = self.router.clone().into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(server.serve(service));
        self.running = Some(Running { handle, task });
        Ok(())
    }

    /// Stops listening, lets requests under way end, and closes every connection.
    pub async fn stop(&mut self) {
        let Some(running) = self.running.take() else { return };
        running.handle.graceful_shutdown(Some(GRACE));
        if let Ok(Err(why)) = running.task.await {
            tracing::warn!(error = %why, "the simulated store ended badly");
        }
    }

    /// The port that it has, running or not.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for StoreServer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.handle.shutdown();
            running.task.abort();
        }
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
