//! What a message requires on its way (invariant 7: never downgraded).

use serde::{Deserialize, Serialize};

/// The protection a message requires. Stronger ones join here when they exist (S/MIME, PGP, pickup).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protection {
    /// No encryption on the way. Possible to loopback only, and only where a static route says so.
    PlaintextLoopback,
    /// TLS 1.2 or later with forward secrecy; the receiver's certificate is not checked.
    TlsEncrypted,
    /// TLS whose certificate chains to a trusted root and names the MX host (RFC 6125). The default.
    TlsVerified,
}

/// How an attempt was in fact protected: evidence in the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectionProof {
    /// The level that was reached.
    pub reached: Protection,
    /// TLS version, such as `TLSv1_3`; `None` without TLS.
    pub tls_version: Option<String>,
    /// Cipher suite; `None` without TLS.
    pub cipher: Option<String>,
    /// SHA-256 of the certificate presented; `None` without TLS.
    pub certificate_sha256: Option<[u8; 32]>,
}
