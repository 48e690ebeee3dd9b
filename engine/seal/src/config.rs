//! What the operator types for this stage, and what it means.
//!
//! ```toml
//! [[dkim]]
//! domain = "plan.example"
//! rsa = { selector = "r2026", key_file = "keys/plan.example.rsa.pem" }
//! ed25519 = { selector = "e2026", key_file = "keys/plan.example.ed25519.pem" }   # may be absent
//!
//! [protection]
//! required = "tls_verified"                                   # the default
//! destinations = { "partner.example" = "tls_verified" }       # can only raise it
//! ```

use crate::protection::{self, Requirements};
use crate::{DkimKeys, KeyError};
use model::{Destination, Protection};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// One `[[dkim]]` table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DkimConfig {
    /// The signing domain: that of the `From` field, or a parent of it.
    pub domain: String,
    /// The RSA key, of 2048 bits or more.
    pub rsa: KeyFile,
    /// The Ed25519 key; without it there is one signature.
    pub ed25519: Option<KeyFile>,
}

/// A key and the selector under which its record is published.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    /// `s=`.
    pub selector: String,
    /// A PEM file.
    pub key_file: PathBuf,
}

impl DkimConfig {
    /// Reads the files with `read` (the caller owns the disk) and checks the keys.
    ///
    /// # Errors
    /// [`KeyError`], with the domain and file in it.
    pub fn load(&self, mut read: impl FnMut(&Path) -> io::Result<Zeroizing<String>>) -> Result<DkimKeys, KeyError> {
        let mut text = |file: &KeyFile| {
            read(&file.key_file).map_err(|error| KeyError::Unreadable {
                domain: self.domain.clone(),
                path: file.key_file.display().to_string(),
                reason: error.to_string(),
            })
        };
        let rsa = text(&self.rsa)?;
        let Some(ed25519) = &self.ed25519 else {
            return DkimKeys::from_rsa_pem(&self.domain, &self.rsa.selector, &rsa);
        };
        DkimKeys::from_pem(&self.domain, &self.rsa.selector, &rsa, &ed25519.selector, &text(ed25519)?)
    }
}

/// The `[protection]` table of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProtectionConfig {
    /// What all its mail requires.
    pub required: Protection,
    /// What some destinations require beyond that.
    pub destinations: BTreeMap<String, Protection>,
}

impl Default for ProtectionConfig {
    fn default() -> Self {
        Self { required: protection::DEFAULT, destinations: BTreeMap::new() }
    }
}

/// A destination in the `[protection]` table is no host name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("[protection] destinations: `{0}` is not a domain; expected a name such as partner.example")]
pub struct NotADestination(pub String);

impl ProtectionConfig {
    /// The checked form.
    ///
    /// # Errors
    /// [`NotADestination`] with the key that is none.
    pub fn check(&self) -> Result<Requirements, NotADestination> {
        let named = self.destinations.iter().map(|(name, level)| match Destination::parse(name) {
            Ok(destination) => Ok((destination, *level)),
            Err(_) => Err(NotADestination(name.clone())),
        });
        Ok(Requirements::new(self.required, named.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_tables() {
        #[derive(Deserialize)]
        struct File {
            dkim: Vec<DkimConfig>,
            protection: ProtectionConfig,
        }
        let text = r#"
            [[dkim]]
            domain = "plan.example"
            rsa = { selector = "r", key_file = "r.pem" }
            ed25519 = { selector = "e", key_file = "e.pem" }
            [protection]
            required = "tls_encrypted"
            destinations = { "Partner.Example" = "tls_verified" }
        "#;
        let file: File = toml::from_str(text).unwrap();
        let new = crate::new_keys("plan.example", "r", "e").unwrap();
        let keys = file.dkim[0].load(|path| Ok(if path == Path::new("r.pem") { new.rsa_pem.clone() } else { new.ed25519_pem.clone() }));
        assert_eq!(keys.unwrap().dns_records(), new.records);
        let requirements = file.protection.check().unwrap();
        assert_eq!(requirements.of(&Destination::parse("partner.example").unwrap(), None), Protection::TlsVerified);
        assert_eq!(requirements.of(&Destination::parse("other.example").unwrap(), None), Protection::TlsEncrypted);
        assert!(toml::from_str::<ProtectionConfig>("requierd = \"tls_verified\"").is_err());
    }

    #[test]
    fn an_unreadable_key_names_domain_and_file() {
        let config =
            DkimConfig { domain: "plan.example".into(), rsa: KeyFile { selector: "r".into(), key_file: "r.pem".into() }, ed25519: None };
        let error = config.load(|_| Err(io::ErrorKind::PermissionDenied.into())).unwrap_err().to_string();
        assert!(error.contains("plan.example") && error.contains("r.pem"), "{error}");
    }
}
