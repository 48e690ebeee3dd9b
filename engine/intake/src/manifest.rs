//! The manifest: what the sender says a batch file must come to, beside the file.
//!
//! ```toml
//! # NAME.manifest.toml (or the same names in NAME.manifest.json)
//! rows = 412307                                  # records of the file
//! totals = { billed_cents = 913400112, plan_paid_cents = 700120009, member_owes_cents = 91340011 }
//! sha256 = "…"                                   # of the bytes as they are handed in, packed or encrypted where they are
//! kind = "eob"                                   # or "bill"
//! not_before = "2026-11-23T06:00:00-05:00"       # nothing leaves before
//! expires = "2026-11-25T18:00:00-05:00"          # nothing leaves after
//! ```
//!
//! Each is optional, not all at once; what is stated must hold, or the whole batch is refused before its first message. A moment needs its
//! offset from UTC: an insurer in one zone and a machine in another must not mean two moments by one text.

use crate::error::refuse;
use crate::reason;
use jiff::Timestamp as Moment;
use model::record::Intake;
use model::reject::Refusal;
use model::statement::StatementKind;
use model::{Cents, MoneySummary, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The largest manifest, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 64 * 1024;

/// What a file must come to. `Default` expects nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// Records of the file, whether understood or not.
    pub rows: Option<u64>,
    /// What its statements add up to.
    pub totals: Totals,
    /// SHA-256 of its bytes.
    pub sha256: Option<[u8; 32]>,
    /// What each of its statements is.
    pub kind: Option<StatementKind>,
    /// Nothing leaves before.
    pub not_before: Option<Timestamp>,
    /// Nothing leaves after.
    pub expires: Option<Timestamp>,
}

/// Control totals; those that are absent are not compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Billed by providers.
    pub billed: Option<Cents>,
    /// Paid by the plan.
    pub plan_paid: Option<Cents>,
    /// Owed by members.
    pub member_owes: Option<Cents>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    rows: Option<u64>,
    #[serde(default)]
    totals: TypedTotals,
    sha256: Option<String>,
    kind: Option<String>,
    not_before: Option<String>,
    expires: Option<String>,
    /// The file's name: for people; the manifest belongs to the file it is named after.
    #[serde(rename = "file")]
    _file: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TypedTotals {
    billed_cents: Option<i64>,
    plan_paid_cents: Option<i64>,
    member_owes_cents: Option<i64>,
}

impl Manifest {
    /// Reads a manifest; `name` ends in `.json` or `.toml`.
    ///
    /// # Errors
    /// [`Refusal`] with what is wrong.
    pub fn parse(bytes: &[u8], name: &str) -> Result<Self, Refusal> {
        let malformed = |what: String| refuse(name, reason::MANIFEST_MALFORMED, what);
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(malformed(format!("expected a manifest of at most {MANIFEST_BYTES_MAX} bytes")));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("expected UTF-8".to_owned()))?;
        let value = if name.to_ascii_lowercase().ends_with(".json") {
            serde_json::from_str::<Value>(text).map_err(|error| malformed(format!("expected JSON: {error}")))?
        } else {
            let table: toml::Table =
                text.parse().map_err(|error: toml::de::Error| malformed(format!("expected TOML: {}", error.message())))?;
            from_toml(toml::Value::Table(table))
        };
        let typed: Typed = serde_json::from_value(value).map_err(|error| malformed(format!("expected the keys of a manifest: {error}")))?;
        let moment = |key: &str, text: &Option<String>| text.as_deref().map(|text| moment(name, key, text)).transpose();
        let manifest = Self {
            rows: typed.rows,
            totals: Totals {
                billed: typed.totals.billed_cents.map(Cents),
                plan_paid: typed.totals.plan_paid_cents.map(Cents),
                member_owes: typed.totals.member_owes_cents.map(Cents),
            },
            sha256: typed
                .sha256
                .map(|text| sha256(&text).ok_or_else(|| malformed("sha256: expected 64 hexadecimal digits".to_owned())))
                .transpose()?,
            kind: typed
                .kind
                .map(|word| kind(&word).ok_or_else(|| malformed("kind: expected \"eob\" or \"bill\"".to_owned())))
                .transpose()?,
            not_before: moment("not_before", &typed.not_before)?,
            expires: moment("expires", &typed.expires)?,
        };
        // Half of one that is being written, or a name without content: whoever sends a manifest means something by it.
        if manifest == Self::default() {
            return Err(malformed("expected it to state something: rows, totals, sha256, kind, not_before or expires".to_owned()));
        }
        match (manifest.not_before, manifest.expires) {
            (Some(from), Some(until)) if from >= until => Err(malformed("expires: expected a moment after not_before".to_owned())),
            _ => Ok(manifest),
        }
    }

    /// Compares what is known before a row is read.
    ///
    /// # Errors
    /// [`Refusal`]: other bytes, or too late.
    pub fn check_before(&self, file: &str, found: &[u8; 32], now: Timestamp) -> Result<(), Refusal> {
        if self.sha256.is_some_and(|expected| expected != *found) {
            return Err(refuse(
                file,
                reason::MANIFEST_SHA256,
                "expected the bytes whose SHA-256 the manifest states; the file has another one".to_owned(),
            ));
        }
        match self.expires {
            Some(expires) if expires <= now => {
                Err(refuse(file, reason::MANIFEST_EXPIRED, format!("expected to be handed in before {}", expires.to_jiff())))
            }
            _ => Ok(()),
        }
    }

    /// Compares the counts and sums of the whole file.
    ///
    /// # Errors
    /// [`Refusal`] that names each total with what was stated and what was found.
    pub fn check_totals(&self, file: &str, intake: &Intake) -> Result<(), Refusal> {
        let mut wrong = Vec::new();
        if let Some(rows) = self.rows.filter(|rows| *rows != intake.source_records) {
            wrong.push(format!("rows {rows}, found {}", intake.source_records));
        }
        let money = |name: &str, stated: Option<Cents>, found: Cents| {
            stated.filter(|stated| *stated != found).map(|stated| format!("{name} {stated}, found {found} (difference {})", found - stated))
        };
        let MoneySummary { billed, plan_paid, member_owes, .. } = intake.read.money;
        wrong.extend(money("billed", self.totals.billed, billed));
        wrong.extend(money("plan paid", self.totals.plan_paid, plan_paid));
        wrong.extend(money("member owes", self.totals.member_owes, member_owes));
        if wrong.is_empty() {
            return Ok(());
        }
        let mut expected = format!("expected, as the manifest states: {}", wrong.join("; "));
        if intake.rejected.rows > 0 {
            expected
                .push_str(&format!("; {} rows were rejected, and what could not be read of them is not in the sums", intake.rejected.rows));
        }
        Err(refuse(file, reason::MANIFEST_TOTALS, expected))
    }

    /// Compares a statement's kind; the reason where it is another one.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check_kind(&self, file: &str, row: u64, found: StatementKind) -> Result<(), Refusal> {
        match self.kind {
            Some(kind) if kind != found => Err(refuse(
                file,
                reason::MANIFEST_KIND,
                format!("expected statements of one kind, as the manifest states; row {row} is of the other"),
            )),
            _ => Ok(()),
        }
    }
}

fn sha256(text: &str) -> Option<[u8; 32]> {
    let text = text.trim();
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

fn kind(word: &str) -> Option<StatementKind> {
    match word {
        "eob" => Some(StatementKind::Eob),
        "bill" => Some(StatementKind::Bill),
        _ => None,
    }
}

/// RFC 3339 section 5.6: a `date-time` ends with `Z` or a numeric offset.
fn moment(name: &str, key: &str, text: &str) -> Result<Timestamp, Refusal> {
    let has_offset = text.parse::<jiff::civil::DateTime>().is_err() || text.ends_with(['Z', 'z']) || has_numeric_offset(text);
    match text.parse::<Moment>() {
        Ok(moment) if has_offset && !text.contains('[') => Ok(Timestamp(u64::try_from(moment.as_millisecond()).unwrap_or(0))),
        _ if !has_offset => Err(refuse(
            name,
            reason::MANIFEST_OFFSET,
            format!(
                "{key}: expected a moment with its offset from UTC, such as 2026-11-23T06:00:00-05:00; this one has none, so it would be another moment in each zone"
            ),
        )),
        _ => {
            Err(refuse(name, reason::MANIFEST_MALFORMED, format!("{key}: expected a moment such as 2026-11-23T06:00:00-05:00 (RFC 3339)")))
        }
    }
}

fn has_numeric_offset(text: &str) -> bool {
    text.split_once(['T', 't', ' ']).is_some_and(|(_, time)| time.contains(['+', '-']))
}

/// TOML has moments of its own, with and without an offset: as text they are judged alike.
fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(flag) => flag.into(),
        toml::Value::Datetime(moment) => Value::String(moment.to_string()),
        toml::Value::Array(items) => items.into_iter().map(from_toml).collect(),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(key, value)| (key, from_toml(value))).collect::<Map<_, _>>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::record::Part;

    fn parse(text: &str) -> Result<Manifest, String> {
        Manifest::parse(text.as_bytes(), "a.835.manifest.toml").map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn both_spellings_say_the_same() {
        let sha = "0f".repeat(32);
        let toml = format!(
            "rows = 3\ntotals = {{ billed_cents = 100, member_owes_cents = -5 }}\nsha256 = \"{sha}\"\nkind = \"eob\"\n\
             not_before = 2026-11-23T06:00:00-05:00\nexpires = \"2026-11-23T12:00:00Z\"\n"
        );
        let json = format!(
            r#"{{"rows": 3, "totals": {{"billed_cents": 100, "member_owes_cents": -5}}, "sha256": "{sha}", "kind": "eob",
                "not_before": "2026-11-23T11:00:00+00:00", "expires": "2026-11-23T12:00:00Z"}}"#
        );
        let manifest = parse(&toml).unwrap();
        assert_eq!(manifest, Manifest::parse(json.as_bytes(), "A.MANIFEST.JSON").unwrap());
        assert_eq!((manifest.rows, manifest.totals.billed, manifest.totals.plan_paid), (Some(3), Some(Cents(100)), None));
        assert_eq!((manifest.sha256, manifest.kind), (Some([15; 32]), Some(StatementKind::Eob)));
        assert_eq!(manifest.not_before.unwrap().to_jiff().to_string(), "2026-11-23T11:00:00Z");
        for nothing in ["", "# totals follow\n", "totals = {}", "file = \"a.835\""] {
            assert!(parse(nothing).unwrap_err().contains("state something"), "{nothing}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, said) in [
            ("expires = \"2026-11-23T12:00:00\"", "expires: expected a moment with its offset"),
            ("expires = 2026-11-23T12:00:00", "expires: expected a moment with its offset"),
            ("not_before = \"2026-11-23\"", "not_before: expected a moment with its offset"),
            ("expires = \"soon\"", "expires: expected a moment such as"),
            ("row = 3", "unknown field `row`"),
            ("rows = -3", "expected the keys of a manifest"),
            ("sha256 = \"abc\"", "64 hexadecimal digits"),
            ("kind = \"invoice\"", "\"eob\" or \"bill\""),
            ("totals = { billed_cents = 1.5 }", "expected the keys of a manifest"),
            ("rows = = 3", "expected TOML"),
            ("not_before = \"2026-11-23T12:00:00Z\"\nexpires = \"2026-11-23T12:00:00Z\"", "after not_before"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn totals_are_compared_to_the_cent() {
        let manifest = parse("rows = 2\ntotals = { billed_cents = 300, plan_paid_cents = 7 }").unwrap();
        let money = MoneySummary { billed: Cents(300), plan_paid: Cents(7), ..MoneySummary::default() };
        let mut intake = Intake { source_records: 2, read: Part { rows: 2, money }, ..Intake::default() };
        assert!(manifest.check_totals("a.835", &intake).is_ok());
        intake.read.money.billed = Cents(299);
        intake.source_records = 1;
        let error = manifest.check_totals("a.835", &intake).unwrap_err().to_string();
        assert!(error.contains("rows 2, found 1; billed 3.00, found 2.99 (difference -0.01)"), "{error}");
        assert!(manifest.check_before("a.835", &[0; 32], Timestamp(0)).is_ok());
        let late = Manifest { expires: Some(Timestamp(5)), sha256: Some([1; 32]), ..Manifest::default() };
        assert_eq!(late.check_before("a", &[0; 32], Timestamp(0)).unwrap_err().reason, reason::MANIFEST_SHA256);
        assert_eq!(late.check_before("a", &[1; 32], Timestamp(5)).unwrap_err().reason, reason::MANIFEST_EXPIRED);
    }
}
