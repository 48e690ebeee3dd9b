//! TLS to receivers: rustls with aws-lc-rs, TLS 1.2 and later, forward secrecy throughout.
//!
//! One configuration per requirement, so that a session of an unverified peer is never resumed where a verified one is
//! required. The provider and the clock are given explicitly; there is no process-wide default.

mod encrypted;

use crate::trouble::{TlsTrouble, Trouble};
use aws_lc_rs::digest;
use encrypted::AnyCertificate;
use model::Protection;
use model::protection::ProtectionProof;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs as aws_lc};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;
use world::{BoxStream, World};

/// Sessions kept for resumption, by host. rustls keeps 256 by default, fewer than a batch has MX hosts.
const SESSIONS_MAX: usize = 4096;
/// A file of roots larger than this is not one.
const CA_FILE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// TLS cannot be set up. The operator acts.
#[derive(Debug, thiserror::Error)]
pub enum TlsContextError {
    /// `ca_file` cannot be read.
    #[error("ca_file {path}: {source}")]
    Unreadable {
        /// The path as given.
        path: String,
        /// What the disk says.
        source: io::Error,
    },
    /// `ca_file` has no usable certificate.
    #[error("ca_file: expected PEM with at least one CA certificate ({reason})")]
    NoRoots {
        /// What rustls says.
        reason: String,
    },
    /// The operating system's roots cannot be loaded.
    #[error("the operating system's trusted roots cannot be loaded ({reason}): install ca-certificates, or give ca_file")]
    NoSystemRoots {
        /// What the verifier says.
        reason: String,
    },
}

/// The TLS configurations of this process. Clone it freely.
#[derive(Clone)]
pub struct TlsContext {
    verified: Arc<ClientConfig>,
    encrypted: Arc<ClientConfig>,
}

impl TlsContext {
    /// Roots from `ca_file` where given, else the operating system's.
    ///
    /// # Errors
    /// [`TlsContextError`].
    pub fn new(world: &World, ca_file: Option<&Path>) -> Result<Self, TlsContextError> {
        match ca_file {
            None => Self::with_system_roots(world),
            Some(path) => {
                let pem = world.disk().read_to_vec(path, CA_FILE_BYTES_MAX);
                let unreadable = |source| TlsContextError::Unreadable { path: path.display().to_string(), source };
                Self::with_roots(world, &pem.map_err(unreadable)?)
            }
        }
    }

    /// Roots from PEM text; the operating system's do not count.
    ///
    /// # Errors
    /// [`TlsContextError::NoRoots`].
    pub fn with_roots(world: &World, pem: &[u8]) -> Result<Self, TlsContextError> {
        let no_roots = |reason: String| TlsContextError::NoRoots { reason };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| no_roots(error.to_string()))?;
            roots.add(certificate).map_err(|error| no_roots(error.to_string()))?;
        }
        let provider = Arc::new(aws_lc::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .map_err(|error| no_roots(error.to_string()))?;
        Ok(Self::with_verifier(world, provider, verifier))
    }

    /// The operating system's roots.
    ///
    /// # Errors
    /// [`TlsContextError::NoSystemRoots`].
    pub fn with_system_roots(world: &World) -> Result<Self, TlsContextError> {
        let provider = Arc::new(aws_lc::default_provider());
        let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))
            .map_err(|error| TlsContextError::NoSystemRoots { reason: error.to_string() })?;
        Ok(Self::with_verifier(world, provider, Arc::new(verifier)))
    }

    fn with_verifier(world: &World, provider: Arc<CryptoProvider>, verifier: Arc<dyn ServerCertVerifier>) -> Self {
        let any = Arc::new(AnyCertificate::new(Arc::clone(&provider)));
        Self { verified: client_config(world, Arc::clone(&provider), verifier), encrypted: client_config(world, provider, any) }
    }

    /// Does the handshake. `host` is sent as SNI, and must stand in the certificate where `protection` is verified.
    pub(crate) async fn handshake(
        &self,
        host: &str,
        protection: Protection,
        stream: BoxStream,
    ) -> Result<(BoxStream, ProtectionProof), Trouble> {
        let config = match protection {
            Protection::TlsVerified => &self.verified,
            Protection::TlsEncrypted => &self.encrypted,
            Protection::PlaintextLoopback => return Err(Trouble::ProtectionUnavailable),
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| Trouble::TlsFailed(TlsTrouble::Certificate))?;
        let connected = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        let stream = connected.map_err(|error| Trouble::TlsFailed(trouble(&error)))?;
        let proof = proof(protection, stream.get_ref().1);
        Ok((Box::new(stream) as BoxStream, proof))
    }
}

fn client_config(world: &World, provider: Arc<CryptoProvider>, verifier: Arc<dyn ServerCertVerifier>) -> Arc<ClientConfig> {
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(WorldTime(world.clone())))
        // NIST SP 800-52r2: TLS 1.2 and 1.3; rustls has nothing older and no suite without forward secrecy.
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("the provider has suites for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
    Arc::new(config)
}

/// What the handshake proved.
fn proof(reached: Protection, connection: &ClientConnection) -> ProtectionProof {
    let certificate = connection.peer_certificates().and_then(<[_]>::first);
    ProtectionProof {
        reached,
        tls_version: connection.protocol_version().map(|version| format!("{version:?}")),
        cipher: connection.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())),
        certificate_sha256: certificate.map(|certificate| {
            let mut sha256 = [0; 32];
            sha256.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
            sha256
        }),
    }
}

/// Which side of TLS failed: the certificate, or the rest.
fn trouble(error: &io::Error) -> TlsTrouble {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => TlsTrouble::Certificate,
        _ => TlsTrouble::Handshake,
    }
}

/// Certificates are judged by the world's clock.
#[derive(Debug)]
struct WorldTime(World);

impl TimeProvider for WorldTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0.wall().as_seconds())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_must_be_roots() {
        let world = World::real();
        for pem in [&b""[..], b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            assert!(matches!(TlsContext::with_roots(&world, pem), Err(TlsContextError::NoRoots { .. })));
        }
        let missing = TlsContext::new(&world, Some(Path::new("/nonexistent/ca.pem")));
        assert!(matches!(missing, Err(TlsContextError::Unreadable { .. })));
    }
}
