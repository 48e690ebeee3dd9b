//! `[drop]`: folders that `sealpost run` takes files from, and which files it expects when.

use super::document::Section;
use super::place::Resolver;
use crate::drop::{Complete, DropSettings, Expected};
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use model::StreamName;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const EVERY_DEFAULT: Duration = Duration::from_secs(2);
const QUIET_DEFAULT: Duration = Duration::from_secs(2);
const STABLE_DEFAULT: Duration = Duration::from_secs(60);
const WEEKDAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// The drop folders; `None` where there is no path.
pub(super) fn drop_folders(section: Section<'_>, places: &Resolver<'_>) -> Option<DropSettings> {
    let path = section.explained("path", |typed| places.resolve(typed));
    let every = section.span("every", Duration::from_millis(100)..=10 * MINUTE).unwrap_or(EVERY_DEFAULT);
    let quiet = section.span("quiet", Duration::ZERO..=60 * MINUTE).unwrap_or(QUIET_DEFAULT);
    let stable = section.span("stable", Duration::from_secs(1)..=24 * 60 * MINUTE).unwrap_or(STABLE_DEFAULT);
    let complete = complete(&section);
    let expected: Vec<Expected> = section.tables("expect").into_iter().filter_map(|expect| expected(&expect)).collect();
    section.finish();
    let Some(path) = path else {
        if !expected.is_empty() {
            section.wrong("expect", "nothing can be expected without folders; write [drop] path");
        }
        return None;
    };
    Some(DropSettings { path, every, quiet, stable, complete, expected })
}

fn complete(section: &Section<'_>) -> Complete {
    let words = ["rename", "marker", "manifest", "size_stable"];
    let expected = "expected one of \"rename\", \"marker\", \"manifest\", \"size_stable\"";
    let Some(typed) = section.list("complete", expected, |text| words.contains(&text).then(|| text.to_owned())) else {
        return Complete::default();
    };
    if typed.is_empty() {
        section.wrong("complete", "expected at least one sign; without any, no file is ever taken");
    }
    let has = |word: &str| typed.iter().any(|one| one == word);
    Complete { rename: has("rename"), marker: has("marker"), manifest: has("manifest"), size_stable: has("size_stable") }
}

fn expected(section: &Section<'_>) -> Option<Expected> {
    section.require("tenant", "whose folder it is");
    section.require("by", "the time of day, such as \"22:30\"");
    section.require("zone", "whose clock that is, such as \"America/Chicago\"");
    let tenant = section.text("tenant");
    let streams = [("transactional", StreamName::Transactional), ("marketing", StreamName::Marketing)];
    let stream = section.word("stream", &streams).unwrap_or(StreamName::Transactional);
    let name = section.text("name").unwrap_or_else(|| "*".to_owned());
    let by = section.parsed("by", "expected a time of day such as \"22:30\"", |text| text.parse::<Time>().ok());
    let zone = section.parsed("zone", "expected a time zone such as \"America/Chicago\" or \"UTC\"", |text| TimeZone::get(text).ok());
    let day = |text: &str| WEEKDAYS.iter().find(|(word, _)| *word == text).map(|(_, day)| *day);
    let days = section.list("days", "expected days such as \"mon\", \"tue\"", day).unwrap_or_else(|| WEEKDAYS.map(|(_, day)| day).to_vec());
    section.finish();
    Some(Expected { tenant: tenant?, stream, name, by: by?, zone: zone?, days })
}
