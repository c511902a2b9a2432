//! A certificate authority and a server certificate of our own making, for 127.0.0.1 and localhost.
//!
//! Promises: keys live in memory only and are new every time; the server side names its cryptography (ring) itself and
//! needs no process-wide default. Does not promise anything to anybody but this machine.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// Names of the protocols in TLS (RFC 7301).
const HTTP_1: &[u8] = b"http/1.1";
const HTTP_2: &[u8] = b"h2";
/// What the server's certificate is good for.
const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// The server's side of TLS, and what a client has to trust.
#[derive(Clone)]
pub struct Tls {
    /// For the server.
    pub(crate) server: Arc<ServerConfig>,
    /// The authority's certificate, PEM: what the client trusts.
    pub ca_pem: String,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate itself.
    #[error("cannot make a certificate for the simulated store")]
    Certificate(#[from] rcgen::Error),
    /// The server's settings.
    #[error("cannot set up TLS for the simulated store")]
    Settings(#[from] rustls::Error),
}

impl Tls {
    /// Makes a new authority and a certificate signed by it.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new() -> Result<Self, TlsError> {
        let mut authority = CertificateParams::new(Vec::<String>::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "Tillbridge demo authority");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
        params.distinguished_name.push(DnType::CommonName, "Tillbridge demo store");
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &authority)?;
        let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)?;
        server.alpn_protocols = vec![HTTP_1.to_vec()];
        Ok(Self { server: Arc::new(server), ca_pem: authority.pem() })
    }

    /// The same, offering HTTP/2 first.
    pub(crate) fn with_http2(mut self) -> Self {
        let mut server = (*self.server).clone();
        server.alpn_protocols = vec![HTTP_2.to_vec(), HTTP_1.to_vec()];
        self.server = Arc::new(server);
        self
    }
}
