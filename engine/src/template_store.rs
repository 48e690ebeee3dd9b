//! Templates by the hash of their content, and who took in, activated and retired which: one folder a tenant.
//!
//! ```text
//! templates/TENANT/
//!   HASH.bundle       the archive, as it was imported; its SHA-256 is its name
//!   history.ndjson    one event a line, appended and synced: imported, activated (from when), retired
//! ```
//!
//! What is stored is the author's work. The tenant's identity comes from the configuration each time, so that a new phone number needs no
//! import. The engine reads it when it starts, and again when it changed ([`crate::templates`]): an activation for a later moment takes
//! effect by itself. Jobs keep the bundle they were accepted with; the journal has a copy of its own.

use model::{BundleId, Timestamp, hex};
use render::{Bundle, BundleError, Identity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Bytes of a history: some hundred thousand events.
const HISTORY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Hex digits of a name that tell a bundle from the others.
const PREFIX_DIGITS_MIN: usize = 6;

/// Why the store cannot do what was asked. The operator must act.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk.
    #[error("{path}: {error}")]
    Disk {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A line of the history is none.
    #[error("{path}:{line}: is no event; restore the file from a backup, or take the line out if it is the last one and cut short")]
    History {
        /// The history.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A bundle does not read, or is not what its name says.
    #[error("{path}: {error}")]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: BundleError,
    },
    /// The content does not give the name.
    #[error("{0}: its content does not give its name; import the templates again")]
    Changed(PathBuf),
    /// No bundle of that name.
    #[error("no bundle begins with '{0}'; `sealpost template list` shows them, and at least six digits tell one from another")]
    Unknown(String),
    /// It was retired.
    #[error("{0} is retired; import the templates again to use them")]
    Retired(BundleId),
    /// The person who imported it asked for it.
    #[error("{0} was imported by {1}; another person must look at it and activate it (templates_need_second_person)")]
    SamePerson(BundleId, String),
}

/// What happened to a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Who, by login name.
    pub by: String,
    /// The bundle's name in hex digits.
    pub bundle: String,
    /// What.
    #[serde(flatten)]
    pub change: Change,
}

/// Each kind of event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "event")]
pub enum Change {
    /// Taken in.
    Imported {
        /// What the author says of it.
        note: String,
    },
    /// To be used from a moment on.
    Activated {
        /// From when.
        from: Timestamp,
    },
    /// Not to be used again.
    Retired {
        /// Why.
        reason: String,
    },
}

/// One bundle of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stored {
    /// Its name in hex digits.
    pub bundle: String,
    /// Who took it in, and when, and what they said of it.
    pub imported_by: String,
    /// When.
    pub imported_at: Timestamp,
    /// The author's note.
    pub note: String,
    /// From when it is used; the latest where there are several.
    pub active_from: Option<Timestamp>,
    /// Who activated it.
    pub activated_by: Option<String>,
    /// Whether it was retired.
    pub retired: bool,
    /// Whether it is used now.
    pub active: bool,
}

/// The bundles that are activated.
#[derive(Debug)]
pub struct Scheduled {
    /// The one that is used now; `None` where none was activated.
    pub current: Option<Bundle>,
    /// Those from later moments on, in the order of those.
    pub upcoming: Vec<(Timestamp, Bundle)>,
}

/// The templates of one tenant.
#[derive(Debug, Clone)]
pub struct TemplateStore {
    folder: PathBuf,
}

impl TemplateStore {
    /// The store of a tenant below the folder of all.
    pub fn new(templates: &Path, tenant: &str) -> Self {
        Self { folder: templates.join(tenant) }
    }

    /// Takes a bundle in; the same content again is the same bundle.
    ///
    /// # Errors
    /// [`StoreError::Disk`].
    pub fn import(&self, bundle: &Bundle, by: &str, note: &str, at: Timestamp) -> Result<BundleId, StoreError> {
        let id = bundle.id();
        self.make_folder()?;
        let path = self.path(&hex(&id.0));
        let part = path.with_extension("part");
        let disk = |error| StoreError::Disk { path: path.clone(), error };
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&part).map_err(disk)?;
        file.write_all(&bundle.to_archive()).and_then(|()| file.sync_all()).map_err(disk)?;
        fs::rename(&part, &path).and_then(|()| File::open(&self.folder)?.sync_all()).map_err(disk)?;
        self.append(&Event { at, by: by.to_owned(), bundle: hex(&id.0), change: Change::Imported { note: note.to_owned() } })?;
        Ok(id)
    }

    /// Uses a bundle from a moment on.
    ///
    /// # Errors
    /// [`StoreError`]: it is unknown or retired, or the person who imported it asks where a second one must.
    pub fn activate(&self, prefix: &str, from: Timestamp, by: &str, second_person: bool, at: Timestamp) -> Result<Stored, StoreError> {
        let stored = self.find(prefix, at)?;
        if stored.retired {
            return Err(StoreError::Retired(self.load(&stored.bundle)?.id()));
        }
        let bundle = self.load(&stored.bundle)?;
        if second_person && stored.imported_by == by {
            return Err(StoreError::SamePerson(bundle.id(), by.to_owned()));
        }
        self.append(&Event { at, by: by.to_owned(), bundle: stored.bundle.clone(), change: Change::Activated { from } })?;
        self.find(&stored.bundle, at)
    }

    /// Uses a bundle no more. What was activated before it takes its place.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn retire(&self, prefix: &str, reason: &str, by: &str, at: Timestamp) -> Result<Stored, StoreError> {
        let stored = self.find(prefix, at)?;
        let change = Change::Retired { reason: reason.to_owned() };
        self.append(&Event { at, by: by.to_owned(), bundle: stored.bundle.clone(), change })?;
        self.find(&stored.bundle, at)
    }

    /// All bundles, in the order in which they came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn list(&self, now: Timestamp) -> Result<Vec<Stored>, StoreError> {
        let events = self.history()?;
        let active = schedule(&events, now).0;
        let mut order: Vec<String> = Vec::new();
        let mut all: BTreeMap<String, Stored> = BTreeMap::new();
        for event in events {
            match event.change {
                Change::Imported { note } => {
                    let is_active = active.as_deref() == Some(event.bundle.as_str());
                    order.retain(|bundle| *bundle != event.bundle);
                    order.push(event.bundle.clone());
                    let kept = all.remove(&event.bundle).filter(|stored| !stored.retired);
                    let stored = Stored {
                        bundle: event.bundle.clone(),
                        imported_by: event.by,
                        imported_at: event.at,
                        note,
                        active_from: kept.as_ref().and_then(|kept| kept.active_from),
                        activated_by: kept.and_then(|kept| kept.activated_by),
                        retired: false,
                        active: is_active,
                    };
                    all.insert(event.bundle, stored);
                }
                Change::Activated { from } => {
                    if let Some(stored) = all.get_mut(&event.bundle) {
                        (stored.active_from, stored.activated_by) = (Some(from), Some(event.by));
                    }
                }
                Change::Retired { .. } => {
                    if let Some(stored) = all.get_mut(&event.bundle) {
                        (stored.retired, stored.active_from) = (true, None);
                    }
                }
            }
        }
        Ok(order.into_iter().filter_map(|bundle| all.remove(&bundle)).collect())
    }

    /// The bundle by the beginning of its name.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(&self, prefix: &str, now: Timestamp) -> Result<Bundle, StoreError> {
        self.load(&self.find(prefix, now)?.bundle)
    }

    /// The bundle that is used now, and those from later moments on, with the tenant's identity of today.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn in_use(&self, identity: &Identity, now: Timestamp) -> Result<Scheduled, StoreError> {
        let (current, upcoming) = schedule(&self.history()?, now);
        let with_identity = |bundle: &String| {
            let stored = self.load(bundle)?;
            Bundle::from_files(stored.files().clone(), identity).map_err(|error| StoreError::Bundle { path: self.path(bundle), error })
        };
        let current = current.as_ref().map(with_identity).transpose()?;
        let upcoming = upcoming.iter().map(|(from, bundle)| Ok((*from, with_identity(bundle)?))).collect::<Result<_, StoreError>>()?;
        Ok(Scheduled { current, upcoming })
    }

    /// Size and time of the history: another one where something was activated or retired since. `None` where there is none.
    pub(crate) fn history_mark(&self) -> Option<(u64, Option<SystemTime>)> {
        let about = fs::metadata(self.history_path()).ok()?;
        Some((about.len(), about.modified().ok()))
    }

    fn find(&self, prefix: &str, now: Timestamp) -> Result<Stored, StoreError> {
        let unknown = || StoreError::Unknown(prefix.chars().take(64).collect());
        if prefix.len() < PREFIX_DIGITS_MIN {
            return Err(unknown());
        }
        let mut found = self.list(now)?.into_iter().filter(|stored| stored.bundle.starts_with(prefix));
        let first = found.next().ok_or_else(unknown)?;
        if found.next().is_some() { Err(unknown()) } else { Ok(first) }
    }

    fn load(&self, bundle: &str) -> Result<Bundle, StoreError> {
        let path = self.path(bundle);
        let bytes = fs::read(&path).map_err(|error| StoreError::Disk { path: path.clone(), error })?;
        let loaded = Bundle::from_archive(&bytes).map_err(|error| StoreError::Bundle { path: path.clone(), error })?;
        // Asserted in a pair with `import`: what comes back is what its name says.
        if hex(&loaded.id().0) != bundle {
            return Err(StoreError::Changed(path));
        }
        Ok(loaded)
    }

    fn path(&self, bundle: &str) -> PathBuf {
        self.folder.join(format!("{bundle}.bundle"))
    }

    fn history_path(&self) -> PathBuf {
        self.folder.join("history.ndjson")
    }

    fn history(&self) -> Result<Vec<Event>, StoreError> {
        let path = self.history_path();
        let disk = |error| StoreError::Disk { path: path.clone(), error };
        let text = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(disk(error)),
            Ok(about) if about.len() > HISTORY_BYTES_MAX => return Err(disk(io::Error::other("is larger than a history is"))),
            Ok(_) => fs::read_to_string(&path).map_err(disk)?,
        };
        let event =
            |(at, line): (usize, &str)| serde_json::from_str(line).map_err(|_| StoreError::History { path: path.clone(), line: at + 1 });
        text.lines().enumerate().map(event).collect()
    }

    fn append(&self, event: &Event) -> Result<(), StoreError> {
        let path = self.history_path();
        let mut line = serde_json::to_string(event).expect("an event serializes");
        line.push('\n');
        let written = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).and_then(|mut file| {
            file.write_all(line.as_bytes())?;
            file.sync_all()
        });
        written.map_err(|error| StoreError::Disk { path, error })
    }

    fn make_folder(&self) -> Result<(), StoreError> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|error| StoreError::Disk { path: self.folder.clone(), error })
    }
}

/// The bundle that is used at a moment, and those from later moments on. Of two from one moment, the one activated later.
fn schedule(events: &[Event], now: Timestamp) -> (Option<String>, Vec<(Timestamp, String)>) {
    let mut plan: BTreeMap<Timestamp, String> = BTreeMap::new();
    for event in events {
        match &event.change {
            Change::Imported { .. } => {}
            Change::Activated { from } => drop(plan.insert(*from, event.bundle.clone())),
            Change::Retired { .. } => plan.retain(|_, bundle| *bundle != event.bundle),
        }
    }
    let current = plan.iter().rev().find(|(from, _)| **from <= now).map(|(_, bundle)| bundle.clone());
    (current, plan.into_iter().filter(|(from, _)| *from > now).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn event(at: u64, bundle: &str, change: Change) -> Event {
        Event { at: Timestamp(at), by: "ada".into(), bundle: bundle.into(), change }
    }

    #[test]
    fn the_latest_activation_that_has_begun_is_used() {
        let on = |at, bundle: &str, from| event(at, bundle, Change::Activated { from: Timestamp(from) });
        let mut events = vec![on(1, "a", 10), on(2, "b", 20), on(3, "c", 20), on(4, "d", 30)];
        let now = |events: &[Event], now| schedule(events, Timestamp(now));
        assert_eq!(now(&events, 5).0, None);
        assert_eq!(now(&events, 15).0.as_deref(), Some("a"));
        assert_eq!(now(&events, 25), (Some("c".into()), vec![(Timestamp(30), "d".into())]));
        events.push(event(5, "c", Change::Retired { reason: "typo".into() }));
        assert_eq!(now(&events, 25).0.as_deref(), Some("a"));
    }
}
