//! The public key of whoever prints: read and judged before anything is written out under it.
//!
//! It promises that a key which must not be used is refused with the reason: a secret key, one that is expired or revoked, one that has no
//! part for encryption. Whose key it is nobody can judge here; the operator compares the fingerprint that is told. What is written under it
//! is OpenPGP (RFC 9580) with integrity protection, AES-256, to the newest part of the key that is for encryption.

use model::{Timestamp, hex};
use pgp::composed::{Deserializable, MessageBuilder, SignedPublicKey, SignedPublicSubKey, SignedSecretKey};
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::KeyDetails;
use rand_core::{CryptoRng, RngCore};
use std::fmt;
use std::io::{Read, Write};
use world::World;

/// Bytes of a key that is sent to a running engine.
pub const PAPER_KEY_BYTES_MAX: usize = 40 * 1024;

/// A key that may be used.
pub struct PaperKey {
    subkey: SignedPublicSubKey,
    fingerprint: String,
}

impl fmt::Debug for PaperKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PaperKey({})", self.fingerprint)
    }
}

impl PaperKey {
    /// Reads a public key, armored or binary, and judges it at a moment.
    ///
    /// # Errors
    /// One sentence: what is wrong with it, and what to do.
    pub fn read(bytes: &[u8], now: Timestamp) -> Result<Self, String> {
        if SignedSecretKey::from_reader_single(bytes).is_ok() {
            return Err(
                "it is a secret key: whoever has it can read everything; give the public one, as `gpg --export` writes it".to_owned()
            );
        }
        let (key, _) = SignedPublicKey::from_reader_single(bytes)
            .map_err(|_| "expected an OpenPGP public key, as `gpg --export --armor` writes it".to_owned())?;
        key.verify_bindings().map_err(|_| "its parts are not bound to each other: ask for the key again".to_owned())?;
        if !key.details.revocation_signatures.is_empty() {
            return Err("it was revoked: ask for the key that took its place".to_owned());
        }
        let fingerprint = hex(key.primary_key.fingerprint().as_bytes()).to_uppercase();
        let own = |signature: &&Signature| signature.issuer_key_id().contains(&&key.primary_key.legacy_key_id());
        let of_users = key.details.users.iter().flat_map(|user| &user.signatures);
        let about_primary = newest(of_users.chain(&key.details.direct_signatures).filter(own));
        if let Some(ended) = ended(&key.primary_key, about_primary, now) {
            return Err(format!("it expired on {}: ask for one that is good, or for the same one with a later date", day(ended)));
        }
        let for_encryption = |subkey: &&SignedPublicSubKey| {
            let flags = newest(bindings(subkey)).map(Signature::key_flags);
            flags.is_some_and(|flags| flags.encrypt_comms() || flags.encrypt_storage())
        };
        let is_revoked = |subkey: &SignedPublicSubKey| {
            subkey.signatures.iter().any(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation))
        };
        let parts: Vec<&SignedPublicSubKey> = key.public_subkeys.iter().filter(for_encryption).collect();
        if parts.is_empty() {
            return Err("it has no subkey for encryption: it can sign, but nothing can be encrypted to it".to_owned());
        }
        let good = parts.into_iter().filter(|subkey| !is_revoked(subkey) && ended(&subkey.key, newest(bindings(subkey)), now).is_none());
        let subkey = good.max_by_key(|subkey| subkey.key.created_at().as_secs());
        let subkey = subkey.ok_or("its subkey for encryption has expired or was revoked: ask for the key again, as it is now")?.clone();
        Ok(Self { subkey, fingerprint })
    }

    /// The fingerprint of the whole key, in hexadecimal: for the operator to compare.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Encrypts what `from` gives into `into`, piece by piece.
    ///
    /// # Errors
    /// What reader or writer say, or that the key's algorithm is not known here.
    pub fn encrypt(&self, world: &World, from: impl Read, into: &mut impl Write) -> Result<(), String> {
        let mut random = Random(world.clone());
        let mut message = MessageBuilder::from_reader("", from).seipd_v1(&mut random, SymmetricKeyAlgorithm::AES256);
        let wrong = |error: pgp::errors::Error| format!("cannot be encrypted: {error}");
        message.encrypt_to_key(&mut random, &self.subkey.key).map_err(wrong)?;
        message.to_writer(&mut random, into).map_err(wrong)
    }
}

fn bindings(subkey: &SignedPublicSubKey) -> impl Iterator<Item = &Signature> {
    subkey.signatures.iter().filter(|signature| signature.typ() == Some(SignatureType::SubkeyBinding))
}

fn newest<'s>(signatures: impl Iterator<Item = &'s Signature>) -> Option<&'s Signature> {
    signatures.max_by_key(|signature| signature.created().map(|at| at.as_secs()))
}

/// When a key ended, where it has, in seconds. RFC 9580 section 5.2.3.13: "The validity period of the key. This is the number of seconds
/// after the key creation time that the key expires."
fn ended(key: &impl KeyDetails, about: Option<&Signature>, now: Timestamp) -> Option<u64> {
    let span = about?.key_expiration_time()?.as_secs();
    let end = u64::from(key.created_at().as_secs()) + u64::from(span);
    (span > 0 && end <= now.0 / 1000).then_some(end)
}

fn day(seconds: u64) -> String {
    Timestamp(seconds * 1000).to_jiff().strftime("%Y-%m-%d").to_string()
}

/// The world's randomness, as the cryptographic library asks for it.
struct Random(World);

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill_random(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill_random(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        self.0.fill_random(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.0.fill_random(bytes);
        Ok(())
    }
}

impl CryptoRng for Random {}
