//! The key of a tenant's sealed files. Made on first use, one per tenant; deleting it destroys every file that was sealed under it.

use super::store::Purpose;
use super::{KeyRing, find};
use crate::cipher::KEY_BYTES;
use crate::error::KeyError;
use model::TenantId;
use zeroize::Zeroizing;

/// The key that the keys of a tenant's files are derived from. It encrypts nothing itself.
pub(crate) struct FileKey {
    pub(crate) id: u32,
    pub(crate) secret: Zeroizing<[u8; KEY_BYTES]>,
}

impl KeyRing {
    /// The present key of a tenant's files, made and synced where there is none yet.
    pub(crate) fn file_key(&self, tenant: TenantId) -> Result<FileKey, KeyError> {
        let known = self.read(|state| find(&state.body, tenant.0, Purpose::Files));
        let id = match known {
            Some(id) => id,
            None => self.change(|maker, body| {
                body.tenants.iter().find(|entry| entry.id == tenant.0).ok_or(KeyError::UnknownTenant(tenant.0))?;
                // Another thread may have made it in between.
                match find(body, tenant.0, Purpose::Files) {
                    Some(id) => Ok(id),
                    None => maker.add_key(body, tenant.0, Purpose::Files),
                }
            })?,
        };
        self.file_key_of(tenant, id)?.ok_or(KeyError::Destroyed)
    }

    /// The key with this number, where it is of a tenant's files; `None` where it was deleted.
    pub(crate) fn file_key_of(&self, tenant: TenantId, id: u32) -> Result<Option<FileKey>, KeyError> {
        self.read(|state| {
            let Ok(at) = state.body.keys.binary_search_by_key(&id, |key| key.id) else { return Ok(None) };
            let entry = &state.body.keys[at];
            if entry.tenant != tenant.0 || entry.purpose != Purpose::Files {
                return Ok(None);
            }
            Ok(Some(FileKey { id, secret: state.kek.unwrap(entry.tenant, &entry.wrapped)? }))
        })
    }

    /// Deletes the key of a tenant's sealed files: none of them opens again. What is sealed later has another key.
    ///
    /// # Errors
    /// [`KeyError::UnknownTenant`]; [`KeyError::Disk`], and then the key is still there.
    pub fn destroy_files(&self, tenant: TenantId) -> Result<(), KeyError> {
        self.change(|_, body| {
            body.tenants.iter().find(|entry| entry.id == tenant.0).ok_or(KeyError::UnknownTenant(tenant.0))?;
            body.keys.retain(|key| !(key.tenant == tenant.0 && key.purpose == Purpose::Files));
            Ok(())
        })
    }
}
