//! Files that are expected: an alert where tonight's is not there.
//!
//! What came before a restart is known from the sealed files in `done/` and `refused/`: so a file that came is not missed again, and a deadline
//! that passed while no engine ran is looked at when one does. Where nothing of the name ever came, the first deadline after the start counts.

use super::folder::{DropFolders, Folder};
use super::ready::Dropped;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{ToSpan, Zoned};
use model::{StreamName, Timestamp};
use serde_json::json;
use world::World;

/// How the names of alerts in results/ begin.
const ALERT: &str = "ALERT.";

const EIGHT_DAYS_MS: u64 = 8 * 24 * 60 * 60 * 1000;

/// A file that a folder gets on some days, by some time of day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Whose folder.
    pub tenant: String,
    /// Which stream's.
    pub stream: StreamName,
    /// The name; `*` stands for anything.
    pub name: String,
    /// The time of day.
    pub by: Time,
    /// Whose clock that is.
    pub zone: TimeZone,
    /// On which days.
    pub days: Vec<Weekday>,
}

/// What was expected and what came.
pub(crate) struct Watch {
    expected: Vec<Watched>,
}

struct Watched {
    expected: Expected,
    /// The deadline that comes next; what comes before it counts for it.
    next: Option<Timestamp>,
    /// When one came last.
    last: Option<Timestamp>,
    /// The deadline before `next`.
    before: Timestamp,
}

impl Expected {
    /// The first deadline after a moment. A time of day that a change of clocks skips is taken as the moment after it (RFC 5545).
    fn deadline_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let start: Zoned = moment.to_jiff().to_zoned(self.zone.clone());
        (0..=8).find_map(|days| {
            let day = start.date().checked_add(days.days()).ok()?;
            if !self.days.contains(&day.weekday()) {
                return None;
            }
            let at = day.to_datetime(self.by).to_zoned(self.zone.clone()).ok()?.timestamp();
            let at = Timestamp(u64::try_from(at.as_millisecond()).ok()?);
            (at > moment).then_some(at)
        })
    }

    /// The last deadline that is not after a moment.
    fn deadline_before(&self, moment: Timestamp) -> Option<Timestamp> {
        // A week and a day back there is one, and perhaps several.
        let mut before = self.deadline_after(Timestamp(moment.0.saturating_sub(EIGHT_DAYS_MS)))?;
        while let Some(next) = self.deadline_after(before).filter(|next| *next <= moment) {
            before = next;
        }
        Some(before).filter(|before| *before <= moment)
    }

    fn is_for(&self, folder: &Folder, name: &str) -> bool {
        self.tenant == folder.tenant && self.stream == folder.stream && matches(&self.name, name)
    }
}

impl Watch {
    pub(super) fn new(folders: &DropFolders, now: Timestamp) -> Self {
        let came = |expected: &Expected| folders.all().filter_map(|folder| came_last(folder, expected)).max();
        let watched = |expected: &Expected| Watched::new(expected.clone(), came(expected), now);
        Self { expected: folders.settings().expected.iter().map(watched).collect() }
    }

    /// A file came.
    pub(super) fn arrived(&mut self, folder: &Folder, dropped: &Dropped, now: Timestamp) {
        if dropped.is_members {
            return;
        }
        let name = crate::source::file_name(&dropped.path);
        for watched in self.expected.iter_mut().filter(|watched| watched.expected.is_for(folder, &name)) {
            watched.last = Some(now);
            clear(folder, &watched.expected);
        }
    }

    /// Alerts where a deadline passed without a file.
    pub(super) fn look(&mut self, folders: &DropFolders, world: &World) {
        let now = world.wall();
        for watched in &mut self.expected {
            let Some(deadline) = watched.next.filter(|deadline| *deadline <= now) else { continue };
            if watched.last.is_none_or(|last| last <= watched.before) {
                alert(folders, &watched.expected, deadline, world);
            }
            watched.before = deadline;
            watched.next = watched.expected.deadline_after(now);
        }
    }
}

impl Watched {
    /// `last`: when one came last, as far as anything tells.
    fn new(expected: Expected, last: Option<Timestamp>, now: Timestamp) -> Self {
        let passed = last.and_then(|_| expected.deadline_before(now));
        match passed.and_then(|passed| Some((expected.deadline_before(Timestamp(passed.0.checked_sub(1)?))?, passed))) {
            Some((before, passed)) => Self { next: Some(passed), last, before, expected },
            None => Self { next: expected.deadline_after(now), last, before: now, expected },
        }
    }
}

/// When the last file of this name was sealed away.
fn came_last(folder: &Folder, expected: &Expected) -> Option<Timestamp> {
    let sealed = [folder.done(), folder.refused()].into_iter().flat_map(|dir| std::fs::read_dir(dir).into_iter().flatten().flatten());
    let came = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        // NAME.BATCH.sealed and NAME.HASH.sealed; contact files stand in between as NAME.contacts.HASH.sealed.
        let (name, _) = name.strip_suffix(".sealed")?.rsplit_once('.')?;
        if name.ends_with(".contacts") || !expected.is_for(folder, name) {
            return None;
        }
        let at = entry.metadata().ok()?.modified().ok()?.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
        Some(Timestamp(u64::try_from(at.as_millis()).ok()?))
    };
    sealed.filter_map(came).max()
}

fn alert(folders: &DropFolders, expected: &Expected, deadline: Timestamp, world: &World) {
    let (tenant, stream, by) = (&expected.tenant, expected.stream, deadline.to_jiff().to_zoned(expected.zone.clone()));
    tracing::error!(target: "sealpost::drop", alert = "expected_file_absent", tenant, %stream, name = expected.name, by = %by, "the file that is expected by now is not there");
    let Some(folder) = folders.all().find(|folder| folder.tenant == *tenant && folder.stream == stream) else { return };
    let about = json!({
        "alert": "expected_file_absent",
        "tenant": tenant,
        "stream": stream.as_str(),
        "name": expected.name,
        "expected_by": by.to_string(),
        "action": "ask the sender; the alert goes when the file comes",
    });
    if let Err(error) = world.disk().write_atomic(&path(folder, expected), format!("{about:#}\n").as_bytes()) {
        tracing::error!(target: "sealpost::drop", %error, "the alert cannot be written into results/");
    }
}

/// The alerts that stand, a sentence each.
pub(crate) fn alerts(path: &std::path::Path) -> Vec<String> {
    let folders = |path: &std::path::Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = folders(path)
        .flat_map(|tenant| folders(&tenant).collect::<Vec<_>>())
        .flat_map(|stream| folders(&stream.join("results")).collect::<Vec<_>>())
        .filter(|path| crate::source::file_name(path).starts_with(ALERT))
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).ok()?).ok();
    let word = |about: &serde_json::Value, key: &str| about[key].as_str().unwrap_or("-").to_owned();
    let sentence = |about: serde_json::Value| {
        let [tenant, stream, name, by] = ["tenant", "stream", "name", "expected_by"].map(|key| word(&about, key));
        format!("ALERT: {tenant}/{stream}: no file '{name}' came by {by}; ask the sender")
    };
    files.iter().filter_map(read).map(sentence).collect()
}

/// The alert is over.
fn clear(folder: &Folder, expected: &Expected) {
    // Absent is as good as removed.
    let _ = std::fs::remove_file(path(folder, expected));
}

fn path(folder: &Folder, expected: &Expected) -> std::path::PathBuf {
    let name: String = expected.name.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect();
    folder.results().join(format!("{ALERT}{name}.{}.json", expected.by.strftime("%H%M")))
}

/// `*` stands for any run of characters.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, inner)) = parts.split_last() else { return rest.is_empty() };
    for part in inner {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(by: &str, zone: &str, days: &[Weekday]) -> Expected {
        Expected {
            tenant: "a".to_owned(),
            stream: StreamName::Transactional,
            name: "*.835".to_owned(),
            by: by.parse().unwrap(),
            zone: TimeZone::get(zone).unwrap(),
            days: days.to_vec(),
        }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(u64::try_from(text.parse::<jiff::Timestamp>().unwrap().as_millisecond()).unwrap())
    }

    #[test]
    fn deadlines_follow_the_clock_of_their_zone() {
        use Weekday::{Friday, Monday};
        let nightly = expected("22:30", "America/Chicago", &[Monday, Friday]);
        // Friday 20 November 2026; Chicago is at -06:00.
        assert_eq!(nightly.deadline_after(at("2026-11-20T12:00:00Z")), Some(at("2026-11-21T04:30:00Z")));
        assert_eq!(nightly.deadline_after(at("2026-11-21T04:30:00Z")), Some(at("2026-11-24T04:30:00Z")), "then Monday's");
        // The clocks change on Sunday 14 March 2027: the same time of day is an hour earlier in UTC.
        assert_eq!(nightly.deadline_after(at("2027-03-13T05:00:00Z")), Some(at("2027-03-16T03:30:00Z")));
        // 02:30 does not exist that night.
        let skipped = expected("02:30", "America/Chicago", &[Weekday::Sunday]);
        assert_eq!(skipped.deadline_after(at("2027-03-14T00:00:00Z")), Some(at("2027-03-14T08:30:00Z")));
    }

    #[test]
    fn a_restart_forgets_neither_what_came_nor_what_did_not() {
        use Weekday::{Friday, Monday};
        let nightly = expected("22:30", "America/Chicago", &[Monday, Friday]);
        let (friday, monday) = (at("2026-11-21T04:30:00Z"), at("2026-11-24T04:30:00Z"));
        assert_eq!(nightly.deadline_before(monday), Some(monday));
        assert_eq!(nightly.deadline_before(at("2026-11-24T04:29:59Z")), Some(friday));
        // Started on Tuesday. What would be alerted of at the first look?
        let now = at("2026-11-24T12:00:00Z");
        let is_missed = |last: Option<&str>| {
            let watched = Watched::new(nightly.clone(), last.map(at), now);
            watched.next.is_some_and(|next| next <= now) && watched.last.is_none_or(|last| last <= watched.before)
        };
        assert!(!is_missed(Some("2026-11-23T20:00:00Z")), "it came in time");
        assert!(is_missed(Some("2026-11-20T20:00:00Z")), "Friday's came, Monday's did not, and nobody was there to say so");
        assert!(!is_missed(Some("2026-11-24T11:00:00Z")), "late, but there");
        assert!(!is_missed(None), "nothing ever came: the next deadline tells");
    }

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, name, expected) in [
            ("*", "a.835", true),
            ("*.835", "a.835", true),
            ("*.835", "a.835.gz", false),
            ("claims-*-final.*", "claims-2026-final.csv", true),
            ("claims-*", "Claims-1", false),
            ("a.835", "a.835", true),
            ("a.835", "aa.835", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
