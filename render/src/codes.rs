//! The code tables: plain words for adjustment and remark codes, in the member's language.
//!
//! The code lists' own descriptions are not ours to ship. `codes.toml` (and `codes.LANGUAGE.toml`) holds our wording for the
//! common codes; `reasons.LANGUAGE.toml`, where a tenant has one, its own, which wins.
//!
//! **Order.** In English: what the plan itself says to the member in the note, the tenant's table, ours for the code, ours for its
//! group. In another language: the tenant's table and ours in that language, then what the plan says (it came in English), then the
//! tenant's English words.

use crate::TemplateError;
use crate::language::BASE;
use model::statement::{Note, NoteKind};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A table as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Words for a claim adjustment reason, by `GROUP-CODE` or by the code alone.
    #[serde(default)]
    adjustment: BTreeMap<String, String>,
    /// Words for a group, where the reason is not known: `CO`, `PR`, `OA`, `PI`.
    #[serde(default)]
    group: BTreeMap<String, String>,
    /// Words for a remark code.
    #[serde(default)]
    remark: BTreeMap<String, String>,
    /// Words where nothing else fits.
    unknown: Option<String>,
}

/// What a note says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Worded<'a> {
    /// The words.
    pub(crate) text: &'a str,
    /// They are English in a message that is not.
    pub(crate) foreign: bool,
    /// They say something about this very code, not about its group.
    pub(crate) specific: bool,
}

/// The tables of one language.
#[derive(Debug, Default)]
pub(crate) struct Codes {
    /// The tenant's own.
    own: Table,
    /// The tenant's own in English, for another language.
    own_english: Table,
    /// Ours.
    shipped: Table,
    unknown: String,
    is_english: bool,
    /// The shipped words are English though the language is not.
    is_shipped_foreign: bool,
}

impl Codes {
    /// Reads the tables of a language among the files of a bundle.
    ///
    /// # Errors
    /// [`TemplateError::Table`], or [`TemplateError::Missing`] where there is no `codes.toml`.
    pub(crate) fn read(files: &BTreeMap<String, String>, language: &str) -> Result<Self, TemplateError> {
        let table = |name: &str| files.get(name).map(|source| read_table(name, source)).transpose();
        let shipped_name = format!("codes.{language}.toml");
        let (name, shipped) = match table(&shipped_name)? {
            Some(shipped) => (shipped_name.as_str(), shipped),
            None => ("codes.toml", table("codes.toml")?.ok_or_else(|| TemplateError::Missing("codes.toml".to_owned()))?),
        };
        let unknown = shipped.unknown.clone();
        let detail = "unknown: is missing; it is said where nothing else fits".to_owned();
        Ok(Self {
            own: table(&format!("reasons.{language}.toml"))?.unwrap_or_default(),
            own_english: table(&format!("reasons.{BASE}.toml"))?.unwrap_or_default(),
            is_english: language == BASE,
            is_shipped_foreign: language != BASE && name == "codes.toml",
            unknown: unknown.ok_or_else(|| TemplateError::Table { name: name.to_owned(), detail })?,
            shipped,
        })
    }

    /// What a note says to the member.
    pub(crate) fn words<'a>(&'a self, note: &'a Note) -> Worded<'a> {
        let say = |text: &'a str, foreign| Worded { text, foreign, specific: true };
        let of_plan = note.text.as_ref().map(|text| text.reveal()).filter(|text| !text.trim().is_empty());
        let of_plan = of_plan.map(|text| say(text, !self.is_english));
        let of_tables = || {
            let own = self.own.exact(note).map(|text| say(text, false));
            own.or_else(|| self.shipped.exact(note).map(|text| say(text, self.is_shipped_foreign)))
        };
        let found = if self.is_english { of_plan.or_else(of_tables) } else { of_tables().or(of_plan) };
        found.or_else(|| self.own_english.exact(note).map(|text| say(text, !self.is_english))).unwrap_or_else(|| {
            let text = self.own.of_group(note).or_else(|| self.shipped.of_group(note)).unwrap_or(&self.unknown);
            Worded { text, foreign: self.is_shipped_foreign, specific: false }
        })
    }
}

impl Table {
    fn exact(&self, note: &Note) -> Option<&str> {
        let code = note.code.reveal().trim();
        let found = match note.kind {
            NoteKind::Adjustment => {
                let reason = code.split_once('-').map_or(code, |(_, reason)| reason);
                self.adjustment.get(code).or_else(|| self.adjustment.get(reason))
            }
            NoteKind::Remark => self.remark.get(code),
            NoteKind::Message => None,
        };
        found.map(String::as_str)
    }

    fn of_group(&self, note: &Note) -> Option<&String> {
        let code = note.code.reveal().trim();
        if note.kind == NoteKind::Adjustment { self.group.get(code.split_once('-').map_or("", |(group, _)| group)) } else { None }
    }
}

fn read_table(name: &str, source: &str) -> Result<Table, TemplateError> {
    toml::from_str(source).map_err(|error| TemplateError::Table { name: name.to_owned(), detail: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: NoteKind, code: &str, text: Option<&str>) -> Note {
        Note { kind, code: code.into(), text: text.map(Into::into) }
    }

    fn files() -> BTreeMap<String, String> {
        [
            ("codes.toml", "unknown = \"u\"\n[adjustment]\n45 = \"a\"\nPR-45 = \"b\"\n[group]\nCO = \"g\"\n[remark]\nN130 = \"r\""),
            ("codes.es.toml", "unknown = \"du\"\n[adjustment]\n45 = \"da\"\n[group]\nCO = \"dg\""),
            ("reasons.en.toml", "[adjustment]\n50 = \"own\"\n51 = \"only English\""),
            ("reasons.es.toml", "[adjustment]\n50 = \"propio\""),
        ]
        .map(|(name, source)| (name.to_owned(), source.to_owned()))
        .into()
    }

    #[test]
    fn the_closest_words_win() {
        let codes = Codes::read(&files(), "en").unwrap();
        for (note, words, specific) in [
            (note(NoteKind::Adjustment, "CO-45", Some("the plan's")), "the plan's", true),
            (note(NoteKind::Adjustment, "CO-45", Some(" ")), "a", true),
            (note(NoteKind::Adjustment, "PR-45", None), "b", true),
            (note(NoteKind::Adjustment, "45", None), "a", true),
            (note(NoteKind::Adjustment, "CO-50", None), "own", true),
            (note(NoteKind::Adjustment, "CO-9999", None), "g", false),
            (note(NoteKind::Adjustment, "XX-9999", None), "u", false),
            (note(NoteKind::Remark, "N130", None), "r", true),
            (note(NoteKind::Remark, "45", None), "u", false),
            (note(NoteKind::Message, "", None), "u", false),
        ] {
            assert_eq!(codes.words(&note), Worded { text: words, foreign: false, specific }, "{}", note.code.reveal());
        }
    }

    #[test]
    fn another_language_prefers_its_own_tables_and_marks_what_is_english() {
        let codes = Codes::read(&files(), "es").unwrap();
        for (note, text, foreign) in [
            (note(NoteKind::Adjustment, "CO-45", Some("the plan's")), "da", false),
            (note(NoteKind::Adjustment, "CO-50", Some("the plan's")), "propio", false),
            (note(NoteKind::Message, "", Some("the plan's")), "the plan's", true),
            (note(NoteKind::Adjustment, "PR-51", None), "only English", true),
            (note(NoteKind::Adjustment, "CO-9999", None), "dg", false),
        ] {
            let worded = codes.words(&note);
            assert_eq!((worded.text, worded.foreign), (text, foreign));
        }
        let french = Codes::read(&files(), "fr").unwrap();
        assert!(french.words(&note(NoteKind::Adjustment, "CO-45", None)).foreign);
    }
}
