//! The key ring: tenants, and every key that content is under.
//!
//! One ring per installation, shared by both streams, in a directory of its own outside the journals. It promises: a key is on disk, in
//! two copies, before the first frame under it; a deleted key is in neither copy when the deletion returns, and its number never comes
//! back; nothing here prints a secret. It leaves to the journal when a key may go.
//!
//! Keys per tenant: one for the record of each stream, one for lookup hashes, one for the content of each batch, one for sealed files.
//! Tenant 0 is the installation itself: frames about a job that settled long ago, and bundles, are under its keys.
//!
//! All of them are wrapped under the key-encryption key, which [`KeyRing::rotate`] changes without anybody noticing: nothing
//! but the ring is under it, so nothing but the ring is written again.
//!
//! The ring also remembers, outside the journals, which one is where and its last start ([`home`]), so that a journal that went back in
//! time (a restored copy, a clone) is recognised and never meets a nonce again; and which destroyed keys the record does not
//! know of yet ([`destroyed`]), so that a crash between the two loses no destruction.

mod destroyed;
mod files;
mod home;
mod overview;
mod rotate;
mod source;
mod store;
mod wrap;

pub(crate) use files::FileKey;
pub(crate) use home::FirstNumbers;
pub use overview::{KeysOverview, RingOverview, TenantOverview};
pub use rotate::{Rotated, Rotation};
pub use source::{KeySecret, KeySource, new_key_file};
pub(crate) use store::{DestructionCause, Home};

use crate::bounds::TENANT_NAME_BYTES_MAX;
use crate::cipher::{FrameCipher, KEY_BYTES};
use crate::error::{DiskError, KeyError};
use aws_lc_rs::hmac;
use model::{BatchId, Fingerprint, StreamName, TenantId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use store::{Body, Copy, KeyEntry, Purpose, TenantEntry};
use world::{LockGuard, World};
use wrap::Kek;
use zeroize::Zeroizing;

/// The installation itself, where no tenant is meant.
pub(crate) const INSTALLATION: TenantId = TenantId(0);

/// A key that is ready for use, with its number.
#[derive(Debug, Clone)]
pub(crate) struct KeyHandle {
    pub(crate) id: u32,
    pub(crate) cipher: Arc<FrameCipher>,
}

/// A batch whose content key is in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BatchKey {
    pub(crate) batch: BatchId,
    pub(crate) tenant: TenantId,
    pub(crate) id: u32,
}

/// The key ring, shared by clones. `Debug` shows its directory alone.
#[derive(Clone)]
pub struct KeyRing {
    shared: Arc<Shared>,
}

struct Shared {
    world: World,
    dir: PathBuf,
    ring: [u8; 16],
    /// Held over a change and its writes; readers need `state` alone.
    writing: Mutex<Writing>,
    state: RwLock<State>,
    /// `None` where the ring is only read.
    lock: Option<Box<dyn LockGuard>>,
}

/// What only a writer needs.
struct Writing {
    generation: u64,
    /// Where its key-encryption key comes from.
    source: KeySource,
}

struct State {
    body: Body,
    /// What `body` is wrapped under.
    kek: Arc<Kek>,
    /// Unwrapped on first use.
    ciphers: BTreeMap<u32, Arc<FrameCipher>>,
    index: BTreeMap<u16, hmac::Key>,
    /// Destroyed keys that the record knows of by now: the next change forgets them.
    recorded: BTreeSet<u32>,
}

impl State {
    fn new(body: Body, kek: Arc<Kek>) -> Self {
        Self { body, kek, ciphers: BTreeMap::new(), index: BTreeMap::new(), recorded: BTreeSet::new() }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({})", self.shared.dir.display())
    }
}

impl KeyRing {
    /// Opens the ring in `dir`, or makes one on first use. It stays locked against other processes until the last clone is dropped. What a
    /// crash in a change or in a rotation left half done is finished here.
    ///
    /// # Errors
    /// [`KeyError`]: no or an unfit key-encryption key, a damaged ring, another process, the disk.
    pub fn open(world: &World, dir: &Path, source: &KeySource) -> Result<Self, KeyError> {
        let disk = world.disk();
        let secrets = rotate::secrets_of(world, source)?;
        disk.create_dir_all(dir).map_err(DiskError::new("create", dir))?;
        let lock = disk.lock_exclusive(&dir.join("lock")).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => KeyError::Locked(dir.to_owned()),
            _ => KeyError::Disk(DiskError::new("lock", dir)(error)),
        })?;
        let found = store::read(disk, dir, &secrets.all)?;
        let is_new = found.is_none();
        let (copy, kek) = match found {
            Some(found) => rotate::settle(disk, dir, source, &secrets, found)?,
            None => {
                let mut ring = [0u8; 16];
                world.fill_random(&mut ring);
                let body = Body { next_key: 1, wrapped_at: Some(world.wall()), ..Body::default() };
                (Copy { generation: 0, ring, body }, Kek::new(secrets.current().bytes(), ring)?)
            }
        };
        let ring = Self::of(world, dir, source, copy, kek, Some(lock));
        if is_new {
            ring.change(|maker, body| maker.add_tenant(body, INSTALLATION.0, String::new()))?;
        }
        Ok(ring)
    }

    /// Opens the ring in `dir` to read keys alone: takes no lock, makes nothing and changes nothing, so that an engine that has it goes on.
    ///
    /// # Errors
    /// [`KeyError::NoRing`]; as [`KeyRing::open`], but for another process.
    pub fn open_to_read(world: &World, dir: &Path, source: &KeySource) -> Result<Self, KeyError> {
        let secrets = rotate::secrets_of(world, source)?;
        let found = store::read(world.disk(), dir, &secrets.all)?;
        let found = found.ok_or_else(|| KeyError::NoRing(dir.to_owned()))?;
        Ok(Self::of(world, dir, source, found.copy, found.kek, None))
    }

    /// Reads the ring again, for one that was opened to read: the engine that has it makes, destroys and wraps keys.
    ///
    /// # Errors
    /// As [`KeyRing::open_to_read`].
    pub fn refresh(&self, source: &KeySource) -> Result<(), KeyError> {
        let newer = Self::open_to_read(&self.shared.world, &self.shared.dir, source)?;
        let newer = newer.read(|state| State::new(state.body.clone(), state.kek.clone()));
        *self.write_state() = newer;
        Ok(())
    }

    fn of(world: &World, dir: &Path, source: &KeySource, copy: Copy, kek: Kek, lock: Option<Box<dyn LockGuard>>) -> Self {
        let shared = Shared {
            world: world.clone(),
            dir: dir.to_owned(),
            ring: copy.ring,
            writing: Mutex::new(Writing { generation: copy.generation, source: source.clone() }),
            state: RwLock::new(State::new(copy.body, Arc::new(kek))),
            lock,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The number of a tenant: stable, made and synced on first sight.
    ///
    /// # Errors
    /// [`KeyError::TenantName`] where the name is empty, too long or has control characters; [`KeyError::Disk`].
    pub fn tenant(&self, name: &str) -> Result<TenantId, KeyError> {
        if name.is_empty() || name.len() > TENANT_NAME_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(KeyError::TenantName);
        }
        let known = |body: &Body| body.tenants.iter().find(|tenant| tenant.name == name).map(|tenant| TenantId(tenant.id));
        if let Some(id) = self.read(|state| known(&state.body)) {
            return Ok(id);
        }
        self.change(|maker, body| {
            // Another thread may have made it in between.
            if let Some(id) = known(body) {
                return Ok(id);
            }
            let last = body.tenants.iter().map(|tenant| tenant.id).max().unwrap_or(INSTALLATION.0);
            let id = last.checked_add(1).ok_or(KeyError::Exhausted("another tenant"))?;
            maker.add_tenant(body, id, name.to_owned())?;
            Ok(TenantId(id))
        })
    }

    /// The number of a tenant that is known; nothing is made.
    pub fn known_tenant(&self, name: &str) -> Option<TenantId> {
        self.read(|state| {
            state.body.tenants.iter().find(|tenant| tenant.name == name && tenant.id != INSTALLATION.0).map(|tenant| TenantId(tenant.id))
        })
    }

    /// The name behind a number.
    pub fn tenant_name(&self, id: TenantId) -> Option<String> {
        self.read(|state| {
            state.body.tenants.iter().find(|tenant| tenant.id == id.0 && id != INSTALLATION).map(|tenant| tenant.name.clone())
        })
    }

    /// Whether the content of a batch can still be read: its key is here.
    pub fn has_content_key(&self, stream: StreamName, batch: BatchId) -> bool {
        self.read(|state| state.body.keys.iter().any(|key| key.purpose == Purpose::Batch(stream, batch)))
    }

    /// A keyed hash of a lookup value: 128 bits of HMAC-SHA-256 under the tenant's index key. Each part goes in with its length, so that
    /// no two lists of parts collide; `label` keeps kinds of values apart.
    ///
    /// # Errors
    /// [`KeyError::UnknownTenant`], [`KeyError::Destroyed`] after [`KeyRing::destroy_index`].
    pub fn fingerprint(&self, tenant: TenantId, label: &str, parts: &[&[u8]]) -> Result<Fingerprint, KeyError> {
        if let Some(hash) = self.read(|state| state.index.get(&tenant.0).map(|key| keyed_hash(key, label, parts))) {
            return Ok(hash);
        }
        let key = self.index_key(tenant)?;
        Ok(keyed_hash(&key, label, parts))
    }

    /// Deletes a tenant's index key: its lookup hashes never match anything again. For the end of a contract.
    ///
    /// # Errors
    /// [`KeyError::UnknownTenant`]; [`KeyError::Disk`], and then the key is still there.
    pub fn destroy_index(&self, tenant: TenantId) -> Result<(), KeyError> {
        self.change(|_, body| {
            body.tenants.iter().find(|entry| entry.id == tenant.0).ok_or(KeyError::UnknownTenant(tenant.0))?;
            body.keys.retain(|key| !(key.tenant == tenant.0 && key.purpose == Purpose::Index));
            Ok(())
        })?;
        self.write_state().index.remove(&tenant.0);
        Ok(())
    }

    /// The key of a tenant's record frames in a stream.
    pub(crate) fn record_key(&self, tenant: TenantId, stream: StreamName) -> Result<KeyHandle, KeyError> {
        self.standing_key(tenant, Purpose::Record(stream))
    }

    /// The key of a stream's bundles.
    pub(crate) fn bundle_key(&self, stream: StreamName) -> Result<KeyHandle, KeyError> {
        self.standing_key(INSTALLATION, Purpose::Bundles(stream))
    }

    /// The key of a stream's checkpoints, made and synced where there is none yet.
    pub(crate) fn checkpoint_key(&self, stream: StreamName) -> Result<KeyHandle, KeyError> {
        let purpose = Purpose::Checkpoint(stream);
        if self.read(|state| find(&state.body, INSTALLATION.0, purpose)).is_none() {
            self.change(|shared, body| shared.add_key(body, INSTALLATION.0, purpose))?;
        }
        self.standing_key(INSTALLATION, purpose)
    }

    /// The key of a batch's content, made and synced where there is none yet.
    pub(crate) fn batch_key(&self, stream: StreamName, tenant: TenantId, batch: BatchId) -> Result<KeyHandle, KeyError> {
        let purpose = Purpose::Batch(stream, batch);
        let known = self.read(|state| find(&state.body, tenant.0, purpose));
        let id = match known {
            Some(id) => id,
            None => self.change(|maker, body| {
                body.tenants.iter().find(|entry| entry.id == tenant.0).ok_or(KeyError::UnknownTenant(tenant.0))?;
                maker.add_key(body, tenant.0, purpose)
            })?,
        };
        Ok(KeyHandle { id, cipher: self.cipher(id)?.ok_or(KeyError::Destroyed)? })
    }

    /// The key with this number; `None` where it was deleted.
    pub(crate) fn cipher(&self, id: u32) -> Result<Option<Arc<FrameCipher>>, KeyError> {
        if let Some(cipher) = self.read(|state| state.ciphers.get(&id).cloned()) {
            return Ok(Some(cipher));
        }
        let mut state = self.write_state();
        let Ok(at) = state.body.keys.binary_search_by_key(&id, |key| key.id) else { return Ok(None) };
        let entry = &state.body.keys[at];
        let key = state.kek.unwrap(entry.tenant, &entry.wrapped)?;
        let cipher = FrameCipher::new(&key).map_err(|_| KeyError::Internal("AES-GCM refused a key"))?;
        let cipher = Arc::new(cipher);
        state.ciphers.insert(id, cipher.clone());
        Ok(Some(cipher))
    }

    /// The batches of a stream whose content key is here.
    pub(crate) fn batch_keys(&self, stream: StreamName) -> Vec<BatchKey> {
        self.read(|state| {
            let keys = state.body.keys.iter();
            keys.filter_map(|key| match key.purpose {
                Purpose::Batch(of, batch) if of == stream => Some(BatchKey { batch, tenant: TenantId(key.tenant), id: key.id }),
                _ => None,
            })
            .collect()
        })
    }

    fn standing_key(&self, tenant: TenantId, purpose: Purpose) -> Result<KeyHandle, KeyError> {
        let known = self.read(|state| find(&state.body, tenant.0, purpose));
        let id = known.ok_or(KeyError::UnknownTenant(tenant.0))?;
        Ok(KeyHandle { id, cipher: self.cipher(id)?.ok_or(KeyError::Destroyed)? })
    }

    fn index_key(&self, tenant: TenantId) -> Result<hmac::Key, KeyError> {
        let mut state = self.write_state();
        let body = &state.body;
        body.tenants.iter().find(|entry| entry.id == tenant.0).ok_or(KeyError::UnknownTenant(tenant.0))?;
        let entry = body.keys.iter().find(|key| key.tenant == tenant.0 && key.purpose == Purpose::Index).ok_or(KeyError::Destroyed)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &state.kek.unwrap(tenant.0, &entry.wrapped)?[..]);
        state.index.insert(tenant.0, key.clone());
        Ok(key)
    }

    pub(crate) fn world(&self) -> &World {
        &self.shared.world
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.shared.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write_state(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.shared.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> std::sync::MutexGuard<'_, Writing> {
        self.shared.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_change(&self) -> Result<(), KeyError> {
        match self.shared.lock {
            Some(_) => Ok(()),
            None => Err(KeyError::Internal("a key ring that was opened to read cannot be changed")),
        }
    }

    /// Changes a copy of the body, writes it, and only then shows it: nobody uses a key that is not on disk.
    fn change<T>(&self, change: impl FnOnce(&Maker<'_>, &mut Body) -> Result<T, KeyError>) -> Result<T, KeyError> {
        let mut writing = self.writing();
        let (body, kek) = self.read(|state| (state.body.clone(), state.kek.clone()));
        self.write(&mut writing, body, kek, change)
    }

    /// Writes a body, changed, under a key-encryption key, and shows both.
    fn write<T>(
        &self,
        writing: &mut Writing,
        mut body: Body,
        kek: Arc<Kek>,
        change: impl FnOnce(&Maker<'_>, &mut Body) -> Result<T, KeyError>,
    ) -> Result<T, KeyError> {
        self.may_change()?;
        let recorded = self.read(|state| state.recorded.clone());
        body.destroyed.retain(|gone| !recorded.contains(&gone.key));
        let value = change(&Maker { world: &self.shared.world, kek: &kek }, &mut body)?;
        // Raised also where the write fails: the copy that may have been written must not tie with the next one.
        writing.generation += 1;
        let copy = Copy { generation: writing.generation, ring: self.shared.ring, body };
        store::write(self.shared.world.disk(), &self.shared.dir, &kek, &copy)?;
        let mut state = self.write_state();
        state.recorded.retain(|key| !recorded.contains(key));
        (state.body, state.kek) = (copy.body, kek);
        Ok(value)
    }
}

/// Makes keys for a body that is being changed.
struct Maker<'a> {
    world: &'a World,
    kek: &'a Kek,
}

impl Maker<'_> {
    fn add_key(&self, body: &mut Body, tenant: u16, purpose: Purpose) -> Result<u32, KeyError> {
        let id = body.next_key;
        body.next_key = id.checked_add(1).ok_or(KeyError::Exhausted("another key"))?;
        let mut key = Zeroizing::new([0u8; KEY_BYTES]);
        self.world.fill_random(&mut key[..]);
        let wrapped = self.kek.wrap(tenant, &key)?;
        body.keys.push(KeyEntry { id, tenant, purpose, wrapped, made: Some(self.world.wall()) });
        Ok(id)
    }

    fn add_tenant(&self, body: &mut Body, id: u16, name: String) -> Result<(), KeyError> {
        body.tenants.push(TenantEntry { id, name });
        self.add_key(body, id, Purpose::Index)?;
        for stream in [StreamName::Transactional, StreamName::Marketing] {
            self.add_key(body, id, Purpose::Record(stream))?;
            if id == INSTALLATION.0 {
                self.add_key(body, id, Purpose::Bundles(stream))?;
            }
        }
        Ok(())
    }
}

fn find(body: &Body, tenant: u16, purpose: Purpose) -> Option<u32> {
    body.keys.iter().find(|key| key.tenant == tenant && key.purpose == purpose).map(|key| key.id)
}

fn keyed_hash(key: &hmac::Key, label: &str, parts: &[&[u8]]) -> Fingerprint {
    let mut context = hmac::Context::with_key(key);
    for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
        context.update(&(part.len() as u64).to_le_bytes());
        context.update(part);
    }
    let tag = context.sign();
    let mut hash = [0u8; 16];
    hash.copy_from_slice(&tag.as_ref()[..16]);
    Fingerprint(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Place {
        dir: tempfile::TempDir,
        world: World,
    }

    impl Place {
        fn new() -> Self {
            let place = Self { dir: tempfile::tempdir().unwrap(), world: World::real() };
            new_key_file(&place.world, &place.kek()).unwrap();
            place
        }
        fn kek(&self) -> PathBuf {
            self.dir.path().join("kek")
        }
        fn ring(&self) -> PathBuf {
            self.dir.path().join("ring")
        }
        fn open(&self) -> Result<KeyRing, KeyError> {
            KeyRing::open(&self.world, &self.ring(), &KeySource::File(self.kek()))
        }
    }

    const STREAM: StreamName = StreamName::Transactional;

    #[test]
    fn tenants_and_keys_survive_a_restart() {
        let place = Place::new();
        let ring = place.open().unwrap();
        let (a, b) = (ring.tenant("a").unwrap(), ring.tenant("b").unwrap());
        assert_ne!(a, b);
        let hash = ring.fingerprint(a, "row", &[b"x", b"y"]).unwrap();
        let key = ring.batch_key(STREAM, a, BatchId::new(1, 1)).unwrap().id;
        let home = Home { journal: crate::format::JournalId([1; 16]), directory: 9 };
        ring.remember_start(STREAM, 7, home, home::FirstNumbers { job: 5, batch: 2 }).unwrap();
        assert!(matches!(place.open(), Err(KeyError::Locked(_))));
        drop(ring);
        let ring = place.open().unwrap();
        assert_eq!(ring.tenant("b").unwrap(), b);
        assert_eq!(ring.tenant_name(a).as_deref(), Some("a"));
        assert_eq!(ring.fingerprint(a, "row", &[b"x", b"y"]).unwrap(), hash);
        assert_eq!(ring.batch_key(STREAM, a, BatchId::new(1, 1)).unwrap().id, key);
        assert_eq!((ring.epoch(STREAM), ring.epoch(StreamName::Marketing)), (7, 0));
        ring.remember_start(STREAM, 8, home, home::FirstNumbers::default()).unwrap();
        let entry = store::JournalEntry { stream: STREAM, epoch: 8, home: Some(home), first_job: 5, first_batch: 2 };
        assert_eq!(ring.journal(STREAM), Some(entry), "numbers never go back");
        assert!(matches!(ring.batch_key(STREAM, TenantId(99), BatchId::new(1, 2)), Err(KeyError::UnknownTenant(99))));
    }

    #[test]
    fn fingerprints_differ_by_tenant_label_and_cut() {
        let place = Place::new();
        let ring = place.open().unwrap();
        let (a, b) = (ring.tenant("a").unwrap(), ring.tenant("b").unwrap());
        let all = [
            ring.fingerprint(a, "row", &[b"xy"]).unwrap(),
            ring.fingerprint(a, "row", &[b"x", b"y"]).unwrap(),
            ring.fingerprint(a, "rowx", &[b"y"]).unwrap(),
            ring.fingerprint(b, "row", &[b"xy"]).unwrap(),
        ];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        ring.destroy_index(a).unwrap();
        assert!(matches!(ring.fingerprint(a, "row", &[b"xy"]), Err(KeyError::Destroyed)));
        assert!(ring.fingerprint(b, "row", &[b"xy"]).is_ok());
    }

    #[test]
    fn one_damaged_copy_is_survived_and_two_are_told() {
        let place = Place::new();
        let ring = place.open().unwrap();
        let a = ring.tenant("a").unwrap();
        drop(ring);
        for copy in ["ring.a", "ring.b"] {
            let path = place.ring().join(copy);
            let whole = std::fs::read(&path).unwrap();
            for damage in [&whole[..whole.len() / 2], &[][..]] {
                std::fs::write(&path, damage).unwrap();
                assert_eq!(place.open().unwrap().tenant_name(a).as_deref(), Some("a"));
            }
            std::fs::write(&path, whole).unwrap();
        }
        for copy in ["ring.a", "ring.b"] {
            let path = place.ring().join(copy);
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[80] ^= 1;
            std::fs::write(&path, bytes).unwrap();
        }
        assert!(matches!(place.open(), Err(KeyError::Damaged(_))));
    }

    #[test]
    fn the_newer_whole_copy_wins() {
        let place = Place::new();
        let ring = place.open().unwrap();
        ring.tenant("a").unwrap();
        let old = std::fs::read(place.ring().join("ring.b")).unwrap();
        let b = ring.tenant("b").unwrap();
        drop(ring);
        // A crash between the two writes leaves the second copy one change behind.
        std::fs::write(place.ring().join("ring.b"), old).unwrap();
        assert_eq!(place.open().unwrap().tenant_name(b).as_deref(), Some("b"));
    }

    #[test]
    fn the_wrong_key_and_a_changed_ring_are_told_apart_from_damage() {
        let place = Place::new();
        drop(place.open().unwrap());
        let other = place.dir.path().join("other");
        new_key_file(&place.world, &other).unwrap();
        let opened = KeyRing::open(&place.world, &place.ring(), &KeySource::File(other));
        assert!(matches!(opened, Err(KeyError::WrongKey(_))));
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let place = Place::new();
        std::fs::set_permissions(place.kek(), std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = place.open().unwrap_err();
        assert!(matches!(error, KeyError::ReadableByOthers { mode: 0o640, .. }), "{error}");
        std::fs::set_permissions(place.kek(), std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(place.kek(), "c2hvcnQ=\n").unwrap();
        assert!(matches!(place.open(), Err(KeyError::NotAKey(_))));
        std::fs::remove_file(place.kek()).unwrap();
        assert!(matches!(place.open(), Err(KeyError::NoSource(_))));
        assert!(new_key_file(&place.world, &place.kek()).is_ok() && new_key_file(&place.world, &place.kek()).is_err(), "never replaced");
    }

    #[test]
    fn a_destroyed_key_is_gone_from_memory_and_from_both_copies() {
        let place = Place::new();
        let ring = place.open().unwrap();
        let a = ring.tenant("a").unwrap();
        let (one, two) = (BatchId::new(1, 1), BatchId::new(1, 2));
        let gone = ring.batch_key(STREAM, a, one).unwrap().id;
        ring.batch_key(STREAM, a, two).unwrap();
        let wrapped = ring.read(|state| state.body.keys.iter().find(|key| key.id == gone).map(|key| key.wrapped.0).unwrap());
        let holds = |copy: &str| std::fs::read(place.ring().join(copy)).unwrap().windows(32).any(|window| window == wrapped);
        assert!(holds("ring.a") && holds("ring.b"));
        let destroyed = ring.destroy_batch_keys(STREAM, &[(one, DestructionCause::Settled)]).unwrap();
        assert_eq!(destroyed.iter().map(|gone| (gone.batch, gone.key, gone.cause.as_str())).collect::<Vec<_>>(), [(one, gone, "settled")]);
        assert!(!holds("ring.a") && !holds("ring.b"));
        assert!(ring.cipher(gone).unwrap().is_none());
        assert_eq!(ring.batch_keys(STREAM).iter().map(|key| key.batch).collect::<Vec<_>>(), [two]);
        assert_ne!(ring.batch_key(STREAM, a, one).unwrap().id, gone, "a number never comes back");
    }

    #[test]
    fn a_destruction_is_remembered_until_the_record_has_it() {
        let place = Place::new();
        let ring = place.open().unwrap();
        let a = ring.tenant("a").unwrap();
        let batch = BatchId::new(1, 1);
        ring.batch_key(STREAM, a, batch).unwrap();
        let gone = ring.destroy_batch_keys(STREAM, &[(batch, DestructionCause::Operator)]).unwrap();
        assert!(ring.destroy_batch_keys(STREAM, &[(batch, DestructionCause::Operator)]).unwrap().is_empty(), "once");
        drop(ring);
        let ring = place.open().unwrap();
        assert_eq!(ring.unrecorded_destructions(STREAM), gone);
        assert!(ring.unrecorded_destructions(StreamName::Marketing).is_empty());
        ring.destructions_are_recorded([gone[0].key]);
        assert!(ring.unrecorded_destructions(STREAM).is_empty());
        assert_eq!(ring.overview().destructions_to_record, 0);
        ring.tenant("b").unwrap();
        drop(ring);
        assert!(place.open().unwrap().unrecorded_destructions(STREAM).is_empty());
    }

    #[test]
    fn nothing_secret_is_in_the_ring_or_in_debug() {
        let place = Place::new();
        let ring = place.open().unwrap();
        let kek = std::fs::read_to_string(place.kek()).unwrap();
        let shown = format!("{ring:?} {:?} {:?}", ring.record_key(INSTALLATION, STREAM).unwrap(), KeySource::File(place.kek()));
        assert!(!shown.contains(kek.trim()));
        let secret = ring.read(|state| state.kek.unwrap(0, &state.body.keys[0].wrapped)).unwrap();
        let bytes = std::fs::read(place.ring().join("ring.a")).unwrap();
        assert!(!bytes.windows(32).any(|window| window == &secret[..]));
    }
}
