//! What may be told of a ring: how many keys of which purpose, and how old. Nothing secret.

use super::store::{KeyEntry, Purpose};
use super::{INSTALLATION, KeyRing};
use model::{StreamName, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RingOverview {
    /// Its directory.
    pub directory: PathBuf,
    /// Where its key-encryption key comes from, such as `file:keys/key-encryption.key`.
    pub source: String,
    /// How often it was written.
    pub generation: u64,
    /// When it came under its key-encryption key; `None` where it is older than this was noted.
    pub wrapped_at: Option<Timestamp>,
    /// The moment of this overview.
    pub now: Timestamp,
    /// All of its keys.
    pub keys: u64,
    /// By tenant, the installation itself first.
    pub tenants: Vec<TenantOverview>,
    /// Destroyed keys whose frame in the record is still to come.
    pub destructions_to_record: u64,
}

/// The keys of a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantOverview {
    /// Its number.
    pub id: u16,
    /// Its name; `None` for the installation itself.
    pub name: Option<String>,
    /// By purpose and stream.
    pub keys: Vec<KeysOverview>,
}

/// The keys of one purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeysOverview {
    /// `record`, `lookup`, `content` (of one batch each), `bundles`, `checkpoints`, `files` (sealed ones).
    pub purpose: String,
    /// The stream, where the purpose has one.
    pub stream: Option<StreamName>,
    /// How many.
    pub count: u64,
    /// When the oldest was made; `None` where one of them is older than this was noted.
    pub oldest: Option<Timestamp>,
}

impl KeyRing {
    /// What may be told of it.
    pub fn overview(&self) -> RingOverview {
        let (generation, source) = {
            let writing = self.writing();
            (writing.generation, writing.source.to_string())
        };
        self.read(|state| {
            let body = &state.body;
            let tenant = |id: u16, name: &str| TenantOverview {
                id,
                name: (id != INSTALLATION.0).then(|| name.to_owned()),
                keys: by_purpose(body.keys.iter().filter(|key| key.tenant == id)),
            };
            RingOverview {
                directory: self.shared.dir.clone(),
                source,
                generation,
                wrapped_at: body.wrapped_at,
                now: self.shared.world.wall(),
                keys: body.keys.len() as u64,
                tenants: body.tenants.iter().map(|entry| tenant(entry.id, &entry.name)).collect(),
                destructions_to_record: body.destroyed.iter().filter(|gone| !state.recorded.contains(&gone.key)).count() as u64,
            }
        })
    }
}

fn by_purpose<'a>(keys: impl Iterator<Item = &'a KeyEntry>) -> Vec<KeysOverview> {
    let mut purposes: BTreeMap<(&str, Option<StreamName>), Vec<Option<Timestamp>>> = BTreeMap::new();
    for key in keys {
        purposes.entry(name_of(key.purpose)).or_default().push(key.made);
    }
    let overview = |((purpose, stream), made): ((&str, Option<StreamName>), Vec<Option<Timestamp>>)| KeysOverview {
        purpose: purpose.to_owned(),
        stream,
        count: made.len() as u64,
        // `None` is less than any moment.
        oldest: made.into_iter().min().flatten(),
    };
    purposes.into_iter().map(overview).collect()
}

fn name_of(purpose: Purpose) -> (&'static str, Option<StreamName>) {
    match purpose {
        Purpose::Record(stream) => ("record", Some(stream)),
        Purpose::Index => ("lookup", None),
        Purpose::Batch(stream, _) => ("content", Some(stream)),
        Purpose::Bundles(stream) => ("bundles", Some(stream)),
        Purpose::Checkpoint(stream) => ("checkpoints", Some(stream)),
        Purpose::Files => ("files", None),
    }
}
