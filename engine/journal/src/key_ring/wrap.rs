//! Keys under the key-encryption key: derivation by HKDF-SHA-256, wrapping by AES-KW (RFC 3394).
//!
//! The key-encryption key itself wraps nothing. From it and the ring's id come one wrapping key per tenant and the key of the ring's
//! MAC, each under its own label, so that a tenant's keys can be handed out or rotated apart.

use super::store::Wrapped;
use crate::cipher::KEY_BYTES;
use crate::error::KeyError;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use aws_lc_rs::hmac;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use std::fmt;
use zeroize::Zeroizing;

/// Label of the derivation; the number is its version.
const TENANT_LABEL: &[u8] = b"sealpost key ring 1: tenant ";
const MAC_LABEL: &[u8] = b"sealpost key ring 1: mac";

struct KeyLength;

impl KeyType for KeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

/// The key-encryption key of one ring. `Debug` shows nothing.
pub(super) struct Kek {
    root: Prk,
    mac: hmac::Key,
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kek")
    }
}

impl Kek {
    pub(super) fn new(secret: &[u8; KEY_BYTES], ring: [u8; 16]) -> Result<Self, KeyError> {
        let root = Salt::new(HKDF_SHA256, &ring).extract(secret);
        let mac = hmac::Key::new(hmac::HMAC_SHA256, &expand(&root, &[MAC_LABEL])?[..]);
        Ok(Self { root, mac })
    }

    pub(super) fn mac(&self, head: &[u8], body: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.mac);
        context.update(head);
        context.update(body);
        context.sign()
    }

    pub(super) fn is_mac(&self, head: &[u8], body: &[u8], mac: &[u8]) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.mac(head, body).as_ref(), mac).is_ok()
    }

    /// Whether both come from one key.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.is_mac(b"same", b"", other.mac(b"same", b"").as_ref())
    }

    pub(super) fn wrap(&self, tenant: u16, key: &[u8; KEY_BYTES]) -> Result<Wrapped, KeyError> {
        let mut out = [0u8; KEY_BYTES + 8];
        self.tenant_kek(tenant)?.wrap(key, &mut out).map_err(|_| KeyError::Internal("a key could not be wrapped"))?;
        let (first, last) = out.split_at(32);
        let mut wrapped = Wrapped([0; 32], [0; 8]);
        wrapped.0.copy_from_slice(first);
        wrapped.1.copy_from_slice(last);
        Ok(wrapped)
    }

    pub(super) fn unwrap(&self, tenant: u16, wrapped: &Wrapped) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
        let mut bytes = [0u8; KEY_BYTES + 8];
        bytes[..32].copy_from_slice(&wrapped.0);
        bytes[32..].copy_from_slice(&wrapped.1);
        // AES-KW asks for eight bytes of room beyond the key.
        let mut room = Zeroizing::new([0u8; KEY_BYTES + 8]);
        let key =
            self.tenant_kek(tenant)?.unwrap(&bytes, &mut room[..]).map_err(|_| KeyError::Internal("a wrapped key is not authentic"))?;
        <[u8; KEY_BYTES]>::try_from(&*key).map(Zeroizing::new).map_err(|_| KeyError::Internal("a wrapped key has another length"))
    }

    fn tenant_kek(&self, tenant: u16) -> Result<AesKek, KeyError> {
        // Fixed width after the label: no two tenants share an info string.
        let key = expand(&self.root, &[TENANT_LABEL, &tenant.to_le_bytes()])?;
        AesKek::new(&AES_256, &key[..]).map_err(|_| KeyError::Internal("AES-KW refused a derived key"))
    }
}

fn expand(root: &Prk, info: &[&[u8]]) -> Result<Zeroizing<[u8; KEY_BYTES]>, KeyError> {
    let mut key = Zeroizing::new([0u8; KEY_BYTES]);
    let filled = root.expand(info, KeyLength).and_then(|material| material.fill(&mut key[..]));
    filled.map(|()| key).map_err(|_| KeyError::Internal("HKDF refused a derivation"))
}
