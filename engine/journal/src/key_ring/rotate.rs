//! Another key-encryption key, without downtime: every wrapped key is wrapped anew, in memory nothing changes.
//!
//! The order, for a key in a file (any other source is the operator's to fill, and has the middle step alone):
//!
//! ```text
//! 1  FILE.next is written          the ring is under FILE
//! 2  ring.a, then ring.b           between the two: one copy under each key, both complete
//! 3  FILE.next is renamed to FILE  the ring is under FILE
//! ```
//!
//! A crash anywhere leaves a ring that opens with what is there: opening tries both keys on both copies, takes the newest copy that opens,
//! makes the other one equal, and then finishes step 3, or takes step 1 back.

use super::source::{self, KeySecret, KeySource};
use super::store::{self, Body, Copy, Found};
use super::wrap::Kek;
use super::{KeyRing, Maker};
use crate::error::KeyError;
use model::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;
use world::{Disk, World};

/// Where the next key-encryption key comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// A new one, in the file that holds the present one.
    InPlace,
    /// The key in another source, read by this process. A file that does not exist is made.
    To(KeySource),
    /// The key in another source, read already by somebody who can: the environment of a running process does not change.
    Given {
        /// Where the next start finds it.
        source: KeySource,
        /// The key.
        secret: KeySecret,
    },
}

/// A rotation that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rotated {
    /// How many keys were wrapped anew.
    pub keys: u64,
    /// The generation of the ring.
    pub generation: u64,
    /// When.
    pub at: Timestamp,
    /// What the ring is under now; the configuration must name it.
    pub source: KeySource,
    /// Whether the configuration names it already.
    pub in_place: bool,
}

impl KeyRing {
    /// Puts the ring under another key-encryption key: both copies are written when it returns, and the old key opens neither. Content,
    /// lookups and everybody who uses keys meanwhile go on.
    ///
    /// # Errors
    /// [`KeyError::NotInPlace`], [`KeyError::SameKey`], what a source says, the disk. Then the ring goes on under the old key; where the
    /// disk failed in the middle, the next change or start decides.
    pub fn rotate(&self, rotation: &Rotation) -> Result<Rotated, KeyError> {
        self.may_change()?;
        let world = &self.shared.world;
        let mut writing = self.writing();
        let present = writing.source.clone();
        let (secret, source) = match rotation {
            Rotation::Given { source, secret } => (secret.clone(), source.clone()),
            Rotation::To(source) => (read_or_make(world, source)?, source.clone()),
            Rotation::InPlace => match &present {
                KeySource::File(path) => {
                    let secret = KeySecret::random(world);
                    source::write_next(world.disk(), path, &secret)?;
                    (secret, present.clone())
                }
                other => return Err(KeyError::NotInPlace(other.to_string())),
            },
        };
        let kek = Arc::new(Kek::new(secret.bytes(), self.shared.ring)?);
        let (body, old) = self.read(|state| (state.body.clone(), state.kek.clone()));
        if old.is_same(&kek) {
            return Err(KeyError::SameKey(source.to_string()));
        }
        let at = world.wall();
        let keys = self.write(&mut writing, body, kek, |maker, body| rewrap(&old, maker, body, at))?;
        if let (Rotation::InPlace, KeySource::File(path)) = (rotation, &source) {
            source::take_next(world.disk(), path)?;
        }
        writing.source = source.clone();
        Ok(Rotated { keys, generation: writing.generation, at, in_place: source == present, source })
    }
}

fn read_or_make(world: &World, source: &KeySource) -> Result<KeySecret, KeyError> {
    if let KeySource::File(path) = source
        && !world.disk().exists(path)
    {
        source::new_key_file(world, path)?;
    }
    KeySecret::read(world, source)
}

fn rewrap(old: &Kek, maker: &Maker<'_>, body: &mut Body, at: Timestamp) -> Result<u64, KeyError> {
    for entry in &mut body.keys {
        entry.wrapped = maker.kek.wrap(entry.tenant, &*old.unwrap(entry.tenant, &entry.wrapped)?)?;
    }
    body.wrapped_at = Some(at);
    Ok(body.keys.len() as u64)
}

/// The keys that a ring may be under: the present one, and for a file the one beside it that a rotation left.
pub(super) struct Secrets {
    pub(super) all: Vec<KeySecret>,
    /// Whether the last one is the one beside the file.
    has_next: bool,
}

impl Secrets {
    pub(super) fn current(&self) -> &KeySecret {
        &self.all[0]
    }
}

pub(super) fn secrets_of(world: &World, source: &KeySource) -> Result<Secrets, KeyError> {
    let mut all = vec![KeySecret::read(world, source)?];
    let next = match source {
        KeySource::File(path) => Some(source::next_of(path)).filter(|next| world.disk().exists(next)),
        _ => None,
    };
    // One that cannot be read was cut short by a crash, and then nothing is under it.
    let next = next.and_then(|next| KeySecret::read(world, &KeySource::File(next)).ok());
    let has_next = next.is_some();
    all.extend(next);
    Ok(Secrets { all, has_next })
}

/// Finishes what a crash left half done: first both copies are one, then the key has its place.
pub(super) fn settle(disk: &dyn Disk, dir: &Path, source: &KeySource, secrets: &Secrets, found: Found) -> Result<(Copy, Kek), KeyError> {
    let Found { mut copy, kek, under, is_uneven } = found;
    if is_uneven {
        tracing::warn!(ring = %dir.display(), "the two copies of the key ring differed, as a crash or a damaged disk leaves them; they are made equal");
        copy.generation += 1;
        store::write(disk, dir, &kek, &copy)?;
    }
    if let KeySource::File(path) = source
        && secrets.has_next
    {
        match under {
            0 => source::drop_next(disk, path)?,
            _ => source::take_next(disk, path)?,
        }
    }
    Ok((copy, kek))
}
