//! DKIM signing: RFC 6376 with RFC 8301 (key sizes) and RFC 8463 (Ed25519).
//!
//! ```text
//! body   ── canonical ──► SHA-256 ─────────────► bh=  (once for both signatures)
//! header ── headers: select by h= ── canonical ─► SHA-256 state ─┬─► + field with a=rsa-sha256     ──► b= (RSA)
//!                                                                └─► + field with a=ed25519-sha256 ──► b= (Ed25519)
//! ```

pub mod canonical;
pub mod headers;
pub mod keys;
pub mod signature;
