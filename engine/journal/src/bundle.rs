//! Bundles beside the logs: one sealed file per bundle, named by its id.
//!
//! A file is nonce ‖ ciphertext ‖ tag, AES-256-GCM under the installation's bundle key of the stream, with the id as additional
//! data. The nonce is random: bundles are few, and the key seals nothing else.

use crate::bounds::SEALED_BUNDLE_BYTES_MAX;
use crate::error::{DiskError, JournalError, PayloadError};
use crate::key_ring::KeyHandle;
use model::BundleId;
use model::limits::BUNDLE_BYTES_MAX;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use world::World;

const NONCE_BYTES: usize = 12;

/// The bundles of one stream.
pub(crate) struct Bundles {
    world: World,
    dir: PathBuf,
    key: KeyHandle,
    /// Two writers of one file must not run at once.
    writing: Mutex<()>,
}

impl Bundles {
    pub(crate) fn new(world: World, dir: &Path, key: KeyHandle) -> Self {
        Self { world, dir: dir.join("bundles"), key, writing: Mutex::new(()) }
    }

    pub(crate) fn create_dir(&self) -> Result<(), DiskError> {
        self.world.disk().create_dir_all(&self.dir).map_err(DiskError::new("create", &self.dir))
    }

    fn path(&self, id: BundleId) -> PathBuf {
        self.dir.join(id.to_string())
    }

    /// Stores an archive, synced when it returns; nothing happens where it is there.
    pub(crate) fn store(&self, id: BundleId, archive: &[u8]) -> Result<(), JournalError> {
        if archive.len() > BUNDLE_BYTES_MAX {
            return Err(JournalError::TooLarge { bytes: archive.len(), max: BUNDLE_BYTES_MAX });
        }
        let path = self.path(id);
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if self.world.disk().exists(&path) {
            return Ok(());
        }
        let mut nonce = [0u8; NONCE_BYTES];
        self.world.fill_random(&mut nonce);
        let mut sealed = archive.to_vec();
        self.key.cipher.seal_whole(nonce, &id.0, &mut sealed).map_err(|_| JournalError::Internal("AES-GCM refused a bundle"))?;
        sealed.splice(..0, nonce);
        Ok(self.world.disk().write_atomic(&path, &sealed).map_err(DiskError::new("write", &path))?)
    }

    pub(crate) fn read(&self, id: BundleId) -> Result<Vec<u8>, PayloadError> {
        let path = self.path(id);
        let mut bytes = self.world.disk().read_to_vec(&path, SEALED_BUNDLE_BYTES_MAX).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => PayloadError::NoSuchBundle(id),
            std::io::ErrorKind::FileTooLarge => PayloadError::BundleDamaged(id),
            _ => PayloadError::Disk(DiskError::new("read", &path)(error)),
        })?;
        let (nonce, sealed) = bytes.split_first_chunk_mut::<NONCE_BYTES>().ok_or(PayloadError::BundleDamaged(id))?;
        let plain = self.key.cipher.open_whole(*nonce, &id.0, sealed).map_err(|_| PayloadError::BundleDamaged(id))?;
        Ok(plain.to_vec())
    }
}
