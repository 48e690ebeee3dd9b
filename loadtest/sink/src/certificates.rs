//! The sandbox's own certificate authority, and a certificate for each host that is asked for.
//!
//! Certificates are made when a name is first asked for (SNI), so that ten thousand sites start at once. All keys are Ed25519: a
//! handshake stays cheap, and its messages have the same length in every run.

use crate::SandboxError;
use crate::map::{Map, Meaning};
use crate::message_id::hash64;
use crate::personality::TlsOffer;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519, SerialNumber};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert, ServerSessionMemoryCache};
use rustls::sign::{CertifiedKey, SigningKey};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_rustls::TlsAcceptor;

/// Sessions that clients may resume, of all sites together.
const SESSIONS_MAX: usize = 16_384;
/// What a site of [`TlsOffer::WrongName`] calls itself.
const WRONG_NAME: &str = "wrong-name.example";

/// The authorities and the key that all hosts share.
pub(crate) struct Certificates {
    trusted: Authority,
    untrusted: Authority,
    host_key: KeyPair,
    host_signer: Arc<dyn SigningKey>,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

impl Authority {
    fn new(name: &str) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate_for(&PKCS_ED25519)?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial(name));
        let certificate = params.self_signed(&key)?;
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }
}

impl Certificates {
    /// Makes two authorities: one that the engine is told to trust, one that it is not.
    pub(crate) fn new() -> Result<Self, SandboxError> {
        let host_key = KeyPair::generate_for(&PKCS_ED25519)?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(host_key.serialize_der()));
        Ok(Self {
            trusted: Authority::new("sandbox authority")?,
            untrusted: Authority::new("stranger")?,
            host_signer: aws_lc_rs::sign::any_supported_type(&der)?,
            host_key,
        })
    }

    /// The authority's certificate, to be trusted by the engine under test.
    pub(crate) fn ca_pem(&self) -> String {
        self.trusted.certificate.pem()
    }

    /// A certificate of `authority` for these names and addresses.
    fn issue(&self, authority: &Authority, names: Vec<String>) -> Result<CertifiedKey, rcgen::Error> {
        let mut params = CertificateParams::new(names.clone())?;
        params.distinguished_name.push(DnType::CommonName, names[0].as_str());
        params.serial_number = Some(serial(&names[0]));
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&self.host_key, &authority.issuer)?;
        Ok(CertifiedKey::new(vec![certificate.der().clone()], self.host_signer.clone()))
    }
}

/// Twenty octets (RFC 5280 section 4.1.2.2 allows no more) that begin with 1, so that no leading zero is dropped.
fn serial(name: &str) -> SerialNumber {
    SerialNumber::from([[1; 12].as_slice(), &hash64(&[b"serial", name.as_bytes()]).to_be_bytes()].concat())
}

/// What accepts TLS at each site; `None` where STARTTLS is not offered.
pub(crate) fn acceptors(certificates: &Arc<Certificates>, map: &Arc<Map>) -> Result<Vec<Option<TlsAcceptor>>, SandboxError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let sessions = ServerSessionMemoryCache::new(SESSIONS_MAX);
    let acceptor = |site: usize| {
        if map.sites[site].personality.tls == TlsOffer::None {
            return Ok(None);
        }
        let mut config = config(provider.clone(), SiteResolver::new(certificates.clone(), map.clone(), site))?;
        config.session_storage = sessions.clone();
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    };
    (0..map.sites.len()).map(acceptor).collect()
}

fn config(provider: Arc<CryptoProvider>, resolver: SiteResolver) -> Result<ServerConfig, SandboxError> {
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_no_client_auth().with_cert_resolver(Arc::new(resolver)))
}

/// Finds or makes the certificate for the name that a client asks a site for.
struct SiteResolver {
    certificates: Arc<Certificates>,
    map: Arc<Map>,
    site: usize,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl SiteResolver {
    fn new(certificates: Arc<Certificates>, map: Arc<Map>, site: usize) -> Self {
        Self { certificates, map, site, made: Mutex::default() }
    }

    /// A name of this site as asked for; else its first MX host, as a real server shows its default certificate.
    fn name_for(&self, asked: Option<&str>) -> String {
        let site = &self.map.sites[self.site];
        if site.personality.tls == TlsOffer::WrongName {
            return WRONG_NAME.to_owned();
        }
        let asked = asked.map(str::to_ascii_lowercase);
        let is_ours = |name: &String| matches!(self.map.meaning(name), Some(Meaning::Destination { site } | Meaning::Host { site, .. }) if site == self.site);
        asked.filter(is_ours).unwrap_or_else(|| site.host(1))
    }

    fn issue(&self, name: &str) -> Result<CertifiedKey, rcgen::Error> {
        let site = &self.map.sites[self.site];
        match site.personality.tls {
            TlsOffer::WrongName => self.certificates.issue(&self.certificates.trusted, vec![name.to_owned()]),
            TlsOffer::Untrusted => self.certificates.issue(&self.certificates.untrusted, vec![name.to_owned(), site.address.to_string()]),
            TlsOffer::Verified | TlsOffer::None => {
                self.certificates.issue(&self.certificates.trusted, vec![name.to_owned(), site.address.to_string()])
            }
        }
    }
}

impl ResolvesServerCert for SiteResolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = self.name_for(hello.server_name());
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = made.get(&name) {
            return Some(key.clone());
        }
        let key = Arc::new(self.issue(&name).ok()?);
        made.insert(name, key.clone());
        Some(key)
    }
}

impl fmt::Debug for SiteResolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteResolver").field("site", &self.site).finish_non_exhaustive()
    }
}
