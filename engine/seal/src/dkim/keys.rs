//! The keys of a signing domain: read from PEM, made new, published as DNS records.
//!
//! It promises that no key under 2048 bits is used, that decoded key bytes are wiped as soon as the library holds its own
//! copy, and that `Debug` shows names only. RSA keys come as PKCS#8 or PKCS#1, Ed25519 keys as PKCS#8.

use crate::KeyError;
use aws_lc_rs::digest::Digest;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use model::Destination;
use std::fmt;
use zeroize::Zeroizing;

const RSA_FORMS: &str = "`PRIVATE KEY` (PKCS#8) or `RSA PRIVATE KEY` (PKCS#1), not encrypted";
const ED25519_FORMS: &str = "`PRIVATE KEY` (PKCS#8) of Ed25519, not encrypted";
/// RFC 8301 section 3.2: "Signers SHOULD use RSA keys of at least 2048 bits." Here it is a must.
const RSA_SIZES: &str = "an RSA key of 2048 to 8192 bits";
/// RFC 1035 section 3.3.14: one character-string of a TXT record.
const TXT_STRING_BYTES_MAX: usize = 255;
const PEM_LINE_BYTES: usize = 64;

/// The keys of one signing domain (`d=`): RSA always, since every verifier knows it; Ed25519 beside it. Only a proving ground goes
/// without RSA, see [`DkimKeys::ed25519_alone`].
pub struct DkimKeys {
    domain: String,
    rsa: Option<RsaKey>,
    ed25519: Option<Ed25519Key>,
}

struct RsaKey {
    selector: String,
    pair: RsaKeyPair,
}

struct Ed25519Key {
    selector: String,
    pair: Ed25519KeyPair,
}

/// One key of a set, as a signature needs it.
pub(crate) trait SigningKey {
    /// `a=`.
    fn algorithm(&self) -> &'static str;
    /// `s=`.
    fn selector(&self) -> &str;
    /// `b=`, as octets; `None` where the library refuses.
    fn sign(&self, hash: &Digest) -> Option<Vec<u8>>;
}

impl SigningKey for RsaKey {
    fn algorithm(&self) -> &'static str {
        "rsa-sha256"
    }
    fn selector(&self) -> &str {
        &self.selector
    }
    fn sign(&self, hash: &Digest) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign_digest(&RSA_PKCS1_SHA256, hash, &mut signature).ok()?;
        Some(signature)
    }
}

impl SigningKey for Ed25519Key {
    fn algorithm(&self) -> &'static str {
        "ed25519-sha256"
    }
    fn selector(&self) -> &str {
        &self.selector
    }
    fn sign(&self, hash: &Digest) -> Option<Vec<u8>> {
        // RFC 8463 section 3: "the Ed25519-SHA256 signing algorithm ... computes a message hash ... using SHA-256 as the
        // hash algorithm. It then signs the hash with the PureEdDSA variant Ed25519".
        self.pair.try_sign(hash.as_ref()).ok().map(|signature| signature.as_ref().to_vec())
    }
}

impl DkimKeys {
    /// Both keys of a domain.
    ///
    /// # Errors
    /// [`KeyError`] where a name is no DNS name, both selectors are the same, or a key is not as said at the top of this file.
    pub fn from_pem(domain: &str, selector_rsa: &str, rsa_pem: &str, selector_ed25519: &str, ed25519_pem: &str) -> Result<Self, KeyError> {
        let mut keys = Self::from_rsa_pem(domain, selector_rsa, rsa_pem)?;
        let selector = checked_selector(selector_ed25519)?;
        if keys.rsa.as_ref().is_some_and(|rsa| rsa.selector == selector) {
            return Err(KeyError::OneSelector { domain: keys.domain, selector });
        }
        keys.ed25519 = Some(Ed25519Key { selector, pair: ed25519_pair(&keys.domain, ed25519_pem)? });
        Ok(keys)
    }

    /// The RSA key alone.
    ///
    /// # Errors
    /// As [`DkimKeys::from_pem`].
    pub fn from_rsa_pem(domain: &str, selector: &str, pem: &str) -> Result<Self, KeyError> {
        let domain = checked_domain(domain)?;
        let rsa = RsaKey { selector: checked_selector(selector)?, pair: rsa_pair(&domain, pem)? };
        Ok(Self { domain, rsa: Some(rsa), ed25519: None })
    }

    /// An Ed25519 key alone, made of these 32 octets (RFC 8032 section 5.1.5: the private key). For simulators and measurements, which
    /// need a signature that costs microseconds and is the same each time; no configuration leads here,
    /// because many verifiers know RSA only.
    ///
    /// # Errors
    /// [`KeyError::Name`] where a name is no DNS name; [`KeyError::Refused`] where the library takes no such key.
    pub fn ed25519_alone(domain: &str, selector: &str, private: &[u8; 32]) -> Result<Self, KeyError> {
        let domain = checked_domain(domain)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(private).map_err(|reason| KeyError::Refused {
            domain: domain.clone(),
            algorithm: "Ed25519",
            reason: reason.to_string(),
            expected: ED25519_FORMS,
        })?;
        Ok(Self { domain, rsa: None, ed25519: Some(Ed25519Key { selector: checked_selector(selector)?, pair }) })
    }

    /// The signing domain (`d=`), in lower-case A-labels.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The records to publish: name and text, see [`DnsRecord`].
    pub fn dns_records(&self) -> Vec<DnsRecord> {
        let mut records: Vec<_> = self.rsa.iter().map(|key| rsa_record(&self.domain, key)).collect();
        records.extend(self.ed25519.as_ref().map(|key| ed25519_record(&self.domain, key)));
        records
    }

    /// The keys in the order of their signatures: RSA first.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = &dyn SigningKey> {
        let rsa = self.rsa.as_ref().map(|key| key as &dyn SigningKey);
        rsa.into_iter().chain(self.ed25519.as_ref().map(|key| key as &dyn SigningKey))
    }
}

impl fmt::Debug for DkimKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let selectors: Vec<_> = self.in_order().map(SigningKey::selector).collect();
        f.debug_struct("DkimKeys").field("domain", &self.domain).field("selectors", &selectors).finish_non_exhaustive()
    }
}

/// A TXT record of RFC 6376 section 3.6.2. `Display` is a line of a zone file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsRecord {
    /// `<selector>._domainkey.<domain>`, without the last dot.
    pub name: String,
    /// The whole text, as a verifier joins it.
    pub text: String,
}

impl fmt::Display for DnsRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}. IN TXT (", self.name)?;
        // RFC 6376 section 3.6.2.2: "Strings in a TXT RR MUST be concatenated together before use with no intervening whitespace."
        for string in self.text.as_bytes().chunks(TXT_STRING_BYTES_MAX) {
            write!(f, " \"{}\"", String::from_utf8_lossy(string))?;
        }
        f.write_str(" )")
    }
}

/// A fresh pair of keys for a domain, to be written into files of mode 0600.
pub struct NewKeys {
    /// RSA-2048, PKCS#8.
    pub rsa_pem: Zeroizing<String>,
    /// Ed25519, PKCS#8.
    pub ed25519_pem: Zeroizing<String>,
    /// What to publish before the first message: see [`DnsRecord`].
    pub records: Vec<DnsRecord>,
}

impl NewKeys {
    /// The lines for the zone file.
    pub fn dns_record(&self) -> String {
        self.records.iter().map(|record| format!("{record}\n")).collect()
    }
}

impl fmt::Debug for NewKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKeys").field("records", &self.records).finish_non_exhaustive()
    }
}

/// Makes both keys of a domain. Draws from the cryptographic library's generator, not from `world`: it serves
/// the command line, and no run of the engine makes a signing key.
///
/// # Errors
/// [`KeyError::Name`], [`KeyError::OneSelector`], or [`KeyError::NotMade`] where the system has no entropy.
pub fn new_keys(domain: &str, selector_rsa: &str, selector_ed25519: &str) -> Result<NewKeys, KeyError> {
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::NotMade)?;
    let rsa_der = AsDer::<Pkcs8V1Der<'_>>::as_der(&rsa).map_err(|_| KeyError::NotMade)?;
    let ed25519 = Ed25519KeyPair::generate().map_err(|_| KeyError::NotMade)?;
    // Version 1 of PKCS#8: what `openssl` and older readers take.
    let ed25519_der = ed25519.to_pkcs8v1().map_err(|_| KeyError::NotMade)?;
    let (rsa_pem, ed25519_pem) = (to_pem(rsa_der.as_ref()), to_pem(ed25519_der.as_ref()));
    // Read back before anybody publishes a record for them.
    let keys = DkimKeys::from_pem(domain, selector_rsa, &rsa_pem, selector_ed25519, &ed25519_pem)?;
    Ok(NewKeys { records: keys.dns_records(), rsa_pem, ed25519_pem })
}

fn rsa_record(domain: &str, key: &RsaKey) -> DnsRecord {
    let public: PublicKeyX509Der<'_> = key.pair.public_key().as_der().expect("a key that was parsed can be written");
    record(domain, &key.selector, "rsa", public.as_ref())
}

fn ed25519_record(domain: &str, key: &Ed25519Key) -> DnsRecord {
    // RFC 8463 section 4: the 32 octets of the key itself, without ASN.1 around them.
    record(domain, &key.selector, "ed25519", key.pair.public_key().as_ref())
}

fn record(domain: &str, selector: &str, kind: &str, public: &[u8]) -> DnsRecord {
    DnsRecord { name: format!("{selector}._domainkey.{domain}"), text: format!("v=DKIM1; k={kind}; p={}", STANDARD.encode(public)) }
}

fn checked_domain(domain: &str) -> Result<String, KeyError> {
    let checked = Destination::parse(domain).map_err(|_| KeyError::Name { what: "domain", name: domain.to_owned() })?;
    Ok(checked.as_str().to_owned())
}

/// RFC 6376 section 3.1: `selector = sub-domain *( "." sub-domain )`; underscores are met in practice.
fn checked_selector(selector: &str) -> Result<String, KeyError> {
    let fits = selector.split('.').all(|label| {
        (1..=63).contains(&label.len()) && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
    });
    if fits { Ok(selector.to_ascii_lowercase()) } else { Err(KeyError::Name { what: "selector", name: selector.to_owned() }) }
}

fn rsa_pair(domain: &str, pem: &str) -> Result<RsaKeyPair, KeyError> {
    let not_pem = || KeyError::NotPem { domain: domain.to_owned(), algorithm: "RSA", expected: RSA_FORMS };
    let (label, der) = from_pem(pem).ok_or_else(not_pem)?;
    let pair = match label {
        "PRIVATE KEY" => RsaKeyPair::from_pkcs8(&der),
        "RSA PRIVATE KEY" => RsaKeyPair::from_der(&der),
        _ => return Err(not_pem()),
    };
    pair.map_err(|reason| KeyError::Refused {
        domain: domain.to_owned(),
        algorithm: "RSA",
        reason: reason.to_string(),
        expected: RSA_SIZES,
    })
}

fn ed25519_pair(domain: &str, pem: &str) -> Result<Ed25519KeyPair, KeyError> {
    let not_pem = || KeyError::NotPem { domain: domain.to_owned(), algorithm: "Ed25519", expected: ED25519_FORMS };
    let (label, der) = from_pem(pem).ok_or_else(not_pem)?;
    if label != "PRIVATE KEY" {
        return Err(not_pem());
    }
    Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der).map_err(|reason| KeyError::Refused {
        domain: domain.to_owned(),
        algorithm: "Ed25519",
        reason: reason.to_string(),
        expected: ED25519_FORMS,
    })
}

/// RFC 7468: the first block of the text, as its label and its octets. Text around the block is allowed (section 2).
fn from_pem(text: &str) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (content, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let mut base64 = Zeroizing::new(String::with_capacity(content.len()));
    base64.extend(content.chars().filter(|character| !character.is_ascii_whitespace()));
    // Sized beforehand, so that no smaller buffer is left behind unwiped.
    let mut der = Zeroizing::new(vec![0; base64.len()]);
    let length = STANDARD.decode_slice(base64.as_bytes(), &mut der).ok()?;
    der.truncate(length);
    Some((label, der))
}

fn to_pem(der: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(STANDARD.encode(der));
    let mut pem = Zeroizing::new(String::with_capacity(base64.len() * 2 + 64));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in base64.as_bytes().chunks(PEM_LINE_BYTES) {
        pem.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        pem.push('\n');
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_keys_read_back_and_their_records_fit_txt_strings() {
        let new = new_keys("Plan.Example", "r2026", "e2026").unwrap();
        let keys = DkimKeys::from_pem("plan.example", "r2026", &new.rsa_pem, "e2026", &new.ed25519_pem).unwrap();
        assert_eq!(keys.dns_records(), new.records);
        assert_eq!(new.records[0].name, "r2026._domainkey.plan.example");
        let zone = new.dns_record();
        let strings: Vec<&str> = zone.lines().next().unwrap().split('"').skip(1).step_by(2).collect();
        assert!(strings.len() == 2 && strings.iter().all(|string| string.len() <= 255), "{zone}");
        assert_eq!(strings.concat(), new.records[0].text);
        assert!(new.records[1].text.starts_with("v=DKIM1; k=ed25519; p=") && new.records[1].text.len() == 22 + 44);
    }

    #[test]
    fn debug_shows_names_and_no_key() {
        let new = new_keys("plan.example", "r", "e").unwrap();
        let keys = DkimKeys::from_pem("plan.example", "r", &new.rsa_pem, "e", &new.ed25519_pem).unwrap();
        assert_eq!(format!("{keys:?}"), "DkimKeys { domain: \"plan.example\", selectors: [\"r\", \"e\"], .. }");
        assert!(!format!("{new:?}").contains("PRIVATE"));
    }

    #[test]
    fn ed25519_alone_is_the_key_of_its_octets() {
        let keys = DkimKeys::ed25519_alone("plan.example", "e", &[7; 32]).unwrap();
        assert_eq!(keys.dns_records(), DkimKeys::ed25519_alone("plan.example", "e", &[7; 32]).unwrap().dns_records());
        assert_eq!(keys.dns_records().len(), 1);
        assert_ne!(keys.dns_records(), DkimKeys::ed25519_alone("plan.example", "e", &[8; 32]).unwrap().dns_records());
    }

    #[test]
    fn refuses_what_is_no_key_and_says_what_is_expected() {
        let new = new_keys("plan.example", "r", "e").unwrap();
        let swapped = DkimKeys::from_pem("plan.example", "r", &new.ed25519_pem, "e", &new.rsa_pem).unwrap_err();
        assert!(swapped.to_string().contains("2048"), "{swapped}");
        let swapped = DkimKeys::from_pem("plan.example", "r", &new.rsa_pem, "e", &new.rsa_pem).unwrap_err();
        assert!(swapped.to_string().contains("Ed25519"), "{swapped}");
        for text in ["", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n!!\n-----END PRIVATE KEY-----\n"] {
            assert!(matches!(DkimKeys::from_rsa_pem("plan.example", "r", text), Err(KeyError::NotPem { .. })), "{text}");
        }
        let cut = new.rsa_pem.replacen("MII", "", 1);
        assert!(DkimKeys::from_rsa_pem("plan.example", "r", &cut).is_err());
    }

    #[test]
    fn refuses_one_selector_for_both_and_names_that_are_none() {
        assert!(matches!(new_keys("plan.example", "s", "S"), Err(KeyError::OneSelector { .. })));
        assert!(matches!(new_keys("plan example", "r", "e"), Err(KeyError::Name { what: "domain", .. })));
        for selector in ["", "a..b", "a;b", "a b", "ä"] {
            assert!(matches!(new_keys("plan.example", selector, "e"), Err(KeyError::Name { what: "selector", .. })), "{selector}");
        }
    }
}
