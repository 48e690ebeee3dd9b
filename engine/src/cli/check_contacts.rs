//! The contact data that a check goes by: what the engine would take, if the file were handed in now.
//!
//! ```text
//! --members FILE  ─► that file, for this batch alone (the tenant's own file, named once more, is the tenant's data)
//! --config        ─► the `members` file of the tenant, else what waits in members/ of its drop folder, else the newest sealed version
//! ```
//! Everything is read; nothing is imported, locked or changed, beside a running engine and without one. A contact file that waits in the
//! drop folder counts where the engine would import it: rows that can be read, and not far fewer than before.

use super::{Trouble, statements};
use crate::config::{Config, Tenant};
use crate::contact_store::{ContactStore, SHRUNK_PERCENT_MAX};
use crate::contacts::InForce;
use crate::drop;
use crate::engine::AcceptError;
use journal::KeyRing;
use model::{StreamName, TenantId};
use serde_json::{Value, json};
use std::path::Path;
use world::World;

/// Contact data, and where it comes from.
pub(super) struct Checked {
    pub(super) contacts: Option<InForce>,
    from: &'static str,
}

impl Checked {
    /// What the answer says about it: nothing of a person.
    pub(super) fn as_json(&self) -> Value {
        let seen = self.contacts.as_ref().map(InForce::seen);
        json!({ "from": self.from, "rows": seen.map(|seen| seen.rows), "as_of": seen.and_then(|seen| seen.as_of) })
    }
}

/// What a batch would go by.
///
/// # Errors
/// A file that is no contact file, or a sealed version that cannot be opened: the engine would refuse the batch.
pub(super) fn contacts(
    world: &World,
    named: Option<&Path>,
    config: Option<(&Config, &Tenant)>,
    known: Option<&(KeyRing, TenantId)>,
    stream: StreamName,
) -> Result<Checked, Trouble> {
    let own = config.and_then(|(_, tenant)| tenant.members.as_deref());
    if let Some(path) = named.filter(|path| own != Some(*path)) {
        let contacts = InForce::of_file(path).map_err(trouble)?.for_one_batch();
        return Ok(Checked { contacts: Some(contacts), from: "file" });
    }
    if let Some(path) = own {
        return Ok(Checked { contacts: Some(InForce::of_file(path).map_err(trouble)?), from: "configured_file" });
    }
    let Some((config, tenant)) = config else { return Ok(Checked { contacts: None, from: "none" }) };
    let stored = known.map(|(keys, id)| stored(world, config, keys, *id)).transpose()?.flatten();
    if let Some(dropped) = dropped(world, config, tenant, stream, stored.as_ref())? {
        return Ok(Checked { contacts: Some(dropped), from: "drop_folder" });
    }
    let from = if stored.is_some() { "contact_store" } else { "none" };
    Ok(Checked { contacts: stored, from })
}

fn stored(world: &World, config: &Config, keys: &KeyRing, tenant: TenantId) -> Result<Option<InForce>, Trouble> {
    let store = ContactStore::new(world.clone(), keys.clone(), config.paths.contacts.clone());
    let loaded = store.load(tenant).map_err(|error| trouble(error.into()))?;
    Ok(loaded.map(InForce::of_store))
}

/// The newest file that waits and would be imported; each is judged against the one before it.
fn dropped(
    world: &World,
    config: &Config,
    tenant: &Tenant,
    stream: StreamName,
    stored: Option<&InForce>,
) -> Result<Option<InForce>, Trouble> {
    let Some(settings) = &config.drop else { return Ok(None) };
    let waiting = drop::waiting_members(settings, &tenant.name, stream, world).map_err(Trouble::failed)?;
    let mut rows = stored.map_or(0, |stored| stored.seen().rows);
    let mut newest = None;
    for path in waiting {
        // One that cannot be read is refused by the engine, and what was in force stays.
        let Ok(read) = InForce::of_file(&path) else { continue };
        let has = read.seen().rows;
        let missing = if rows == 0 { 0 } else { (rows.saturating_sub(has) * 100).div_ceil(rows) };
        if has > 0 && missing <= SHRUNK_PERCENT_MAX {
            (rows, newest) = (has, Some(read));
        }
    }
    Ok(newest)
}

fn trouble(error: AcceptError) -> Trouble {
    match error {
        AcceptError::Refused(refusal) => statements::refused(refusal),
        AcceptError::Contacts(error) => Trouble::failed(error),
        other => Trouble::usage(other),
    }
}
