//! The contact data each tenant goes by now: for admission where a batch brings none, and for the look before each attempt.
//!
//! A tenant's data is the file its configuration names (`members`), else the newest version of the contact store. It is read when it is
//! first needed, and again when it is another: after an import, and, for a file, when its size or time differs at the next batch, at
//! the release of one, or within [`LOOK_EVERY`]. A file that cannot be read any more does not unsay what it said: the data of before
//! stays, and the log says so; where there was none, nothing is sent until it can be read.

use crate::contact_store::{ContactStore, ContactStoreError, Label};
use crate::engine::{AcceptError, lock};
use crate::files;
use crate::source::Source;
use intake::gates::ContactsSeen;
use intake::{Contacts, MemberSettings};
use model::{Monotonic, Private, TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use world::World;

/// How often a plaintext file is looked at while messages go out.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What an operator asks of a tenant's contact data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "members", rename_all = "snake_case")]
pub enum MembersAsk {
    /// Make a file the new version.
    Import {
        /// The file; absolute.
        path: PathBuf,
        /// Far fewer rows than before are meant.
        shrunk: bool,
    },
    /// Everything that is known under a member id, readable.
    Show {
        /// The member id.
        id: Private,
    },
    /// Which version is in force, how old and how large it is.
    Standing,
}

/// A tenant as far as its members are concerned.
#[derive(Debug, Clone)]
pub(crate) struct TenantMembers {
    /// Its name, for the log.
    pub(crate) name: String,
    /// The plaintext file that its configuration names.
    pub(crate) file: Option<PathBuf>,
    /// How its statements find their readers.
    pub(crate) settings: Arc<MemberSettings>,
}

/// The contact data of all tenants.
#[derive(Clone)]
pub(crate) struct ContactBook {
    shared: Arc<Shared>,
}

struct Shared {
    world: World,
    store: Option<ContactStore>,
    tenants: BTreeMap<TenantId, TenantPage>,
}

/// A tenant's own lock: reading one tenant's data holds up nobody else's messages.
struct TenantPage {
    members: TenantMembers,
    /// `None` until somebody needs it, and after an import.
    read: Mutex<Option<Page>>,
}

/// Contact data, and how old it is.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    pub(crate) contacts: Arc<Contacts>,
    /// When it was imported, or its file was last written.
    as_of: Option<Timestamp>,
}

impl InForce {
    /// Reads a plaintext file.
    ///
    /// # Errors
    /// It cannot be read, or is none.
    pub(crate) fn of_file(path: &Path) -> Result<Self, AcceptError> {
        // Asked first: a file that is written to meanwhile is older than it seems, never younger.
        let modified = std::fs::metadata(path).and_then(|about| about.modified()).ok();
        let since = modified.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        let as_of = since.and_then(|since| u64::try_from(since.as_millis()).ok()).map(Timestamp);
        Ok(Self { contacts: Arc::new(files::read_contacts(path)?), as_of })
    }

    /// A version of the contact store.
    pub(crate) fn of_store((label, contacts): (Label, Contacts)) -> Self {
        Self { contacts: Arc::new(contacts), as_of: Some(label.imported_at) }
    }

    /// The same, as what one batch brings along.
    pub(crate) fn for_one_batch(self) -> Self {
        let contacts = Arc::try_unwrap(self.contacts).map(|contacts| Arc::new(contacts.for_one_batch()));
        Self { contacts: contacts.unwrap_or_else(|shared| shared), as_of: self.as_of }
    }

    /// What the gates look at.
    pub(crate) fn seen(&self) -> ContactsSeen {
        ContactsSeen { rows: self.contacts.len() as u64, as_of: self.as_of }
    }
}

/// What was read for a tenant.
#[derive(Clone)]
struct Page {
    contacts: Option<InForce>,
    /// Size and time of the file it came from.
    seen: Option<(u64, Option<SystemTime>)>,
    looked_at: Monotonic,
}

impl ContactBook {
    pub(crate) fn new(world: World, store: Option<ContactStore>, tenants: BTreeMap<TenantId, TenantMembers>) -> Self {
        let tenants = tenants.into_iter().map(|(id, members)| (id, TenantPage { members, read: Mutex::default() })).collect();
        Self { shared: Arc::new(Shared { world, store, tenants }) }
    }

    /// How a tenant's statements find their readers.
    pub(crate) fn settings(&self, tenant: TenantId) -> Option<&Arc<MemberSettings>> {
        self.shared.tenants.get(&tenant).map(|page| &page.members.settings)
    }

    /// What a tenant goes by; `None` where it has no contact data at all. Looks whether it is still the newest every now and then.
    ///
    /// # Errors
    /// It cannot be read, and never could.
    pub(crate) fn in_force(&self, tenant: TenantId) -> Result<Option<InForce>, AcceptError> {
        self.look(tenant, LOOK_EVERY)
    }

    /// The same, looked at now.
    ///
    /// # Errors
    /// It cannot be read, and never could.
    pub(crate) fn newest(&self, tenant: TenantId) -> Result<Option<InForce>, AcceptError> {
        self.look(tenant, Duration::ZERO)
    }

    /// Does what an operator asks. Each import and each look at a member is noted beside the store, without a value.
    ///
    /// # Errors
    /// [`AcceptError`]; then the tenant goes by what it went by before.
    pub(crate) fn carry_out(&self, tenant: TenantId, ask: &MembersAsk, by: String) -> Result<Value, AcceptError> {
        let store = self.store()?;
        match ask {
            MembersAsk::Import { path, shrunk } => self.import(tenant, &Source::open(path)?, by, *shrunk),
            MembersAsk::Show { id } => {
                store.note(tenant, &by, "show", None)?;
                let contacts = self.newest(tenant)?;
                let rows = contacts.iter().flat_map(|known| known.contacts.with_id(id.reveal())).map(|row| row.reveal());
                Ok(json!({ "rows": rows.collect::<Vec<_>>() }))
            }
            MembersAsk::Standing => Ok(store.current(tenant)?.map_or(Value::Null, |label| label.as_json())),
        }
    }

    /// Makes an open file the tenant's new version; nobody follows its name again.
    ///
    /// # Errors
    /// As [`Self::carry_out`].
    pub(crate) fn import(&self, tenant: TenantId, source: &Source, by: String, shrunk: bool) -> Result<Value, AcceptError> {
        let store = self.store()?;
        let named = self.shared.tenants.get(&tenant).and_then(|page| page.members.file.as_deref());
        if named.is_some() {
            let message = "its `members` names a plaintext file, which goes before the contact store; remove that key first";
            return Err(AcceptError::Unknown(message.to_owned()));
        }
        let label = store.import(tenant, source, by.clone(), shrunk)?;
        if let Some(page) = self.shared.tenants.get(&tenant) {
            *lock(&page.read) = None;
        }
        store.note(tenant, &by, "import", Some(label.number))?;
        Ok(label.as_json())
    }

    fn store(&self) -> Result<&ContactStore, AcceptError> {
        self.shared.store.as_ref().ok_or_else(|| AcceptError::Unknown("this installation has no contact store".to_owned()))
    }

    fn look(&self, tenant: TenantId, every: Duration) -> Result<Option<InForce>, AcceptError> {
        let Some(TenantPage { members, read: page }) = self.shared.tenants.get(&tenant) else { return Ok(None) };
        let now = self.shared.world.monotonic();
        // Held while it is read: whoever else needs it waits for the one reading.
        let mut page = lock(page);
        let known = page.clone();
        if let Some(page) = known.as_ref().filter(|page| members.file.is_none() || now.since(page.looked_at) < every) {
            return Ok(page.contacts.clone());
        }
        let seen = members.file.as_deref().and_then(seen);
        if let Some(page) = page.as_mut().filter(|page| page.seen == seen) {
            page.looked_at = now;
            return Ok(page.contacts.clone());
        }
        let read = match &members.file {
            Some(file) => InForce::of_file(file).map(Some),
            None => self.load(tenant),
        };
        let contacts = match (read, known) {
            (Ok(contacts), _) => contacts,
            (Err(error), Some(page)) => {
                tracing::error!(target: "sealpost::intake", tenant = %members.name, %error, "contact data cannot be read again; what was read before stays");
                page.contacts
            }
            (Err(error), None) => return Err(error),
        };
        *page = Some(Page { contacts: contacts.clone(), seen, looked_at: now });
        Ok(contacts)
    }

    fn load(&self, tenant: TenantId) -> Result<Option<InForce>, AcceptError> {
        let Some(store) = &self.shared.store else { return Ok(None) };
        Ok(store.load(tenant)?.map(InForce::of_store))
    }
}

fn seen(file: &Path) -> Option<(u64, Option<SystemTime>)> {
    let found = std::fs::metadata(file).ok()?;
    Some((found.len(), found.modified().ok()))
}

impl From<ContactStoreError> for AcceptError {
    fn from(error: ContactStoreError) -> Self {
        match error {
            ContactStoreError::Refused(refusal) => Self::Refused(refusal),
            // The file is at fault, or the word that it is meant is missing.
            ContactStoreError::Empty { .. } | ContactStoreError::Shrunk { .. } | ContactStoreError::Changed { .. } => {
                Self::Unknown(error.to_string())
            }
            other => Self::Contacts(Box::new(other)),
        }
    }
}
