//! The code table: plain words of ours for adjustment and remark codes.
//!
//! The code lists' own descriptions are not ours to ship. `codes.toml` holds our wording for the common codes; a tenant
//! that has a licence replaces the file. What the plan itself says to the member always comes first.

use crate::TemplateError;
use model::statement::{Note, NoteKind};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `codes.toml` as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Codes {
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
    unknown: String,
}

impl Codes {
    /// Reads `codes.toml`.
    ///
    /// # Errors
    /// [`TemplateError::Table`].
    pub(crate) fn read(name: &str, source: &str) -> Result<Self, TemplateError> {
        toml::from_str(source).map_err(|error| TemplateError::Table { name: name.to_owned(), detail: error.to_string() })
    }

    /// What a note says to the member: the plan's words, else ours for the code, else ours for its group.
    pub(crate) fn words<'a>(&'a self, note: &'a Note) -> &'a str {
        if let Some(text) = note.text.as_ref().filter(|text| !text.reveal().trim().is_empty()) {
            return text.reveal();
        }
        let code = note.code.reveal().trim();
        let found = match note.kind {
            NoteKind::Adjustment => self.adjustment_words(code),
            NoteKind::Remark => self.remark.get(code),
            NoteKind::Message => None,
        };
        found.unwrap_or(&self.unknown)
    }

    fn adjustment_words(&self, code: &str) -> Option<&String> {
        let (group, reason) = code.split_once('-').unwrap_or(("", code));
        self.adjustment.get(code).or_else(|| self.adjustment.get(reason)).or_else(|| self.group.get(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(kind: NoteKind, code: &str, text: Option<&str>) -> Note {
        Note { kind, code: code.into(), text: text.map(Into::into) }
    }

    #[test]
    fn the_closest_words_win() {
        let codes = Codes::read(
            "codes.toml",
            "unknown = \"u\"\n[adjustment]\n45 = \"a\"\nPR-45 = \"b\"\n[group]\nCO = \"g\"\n[remark]\nN130 = \"r\"",
        )
        .unwrap();
        for (note, words) in [
            (note(NoteKind::Adjustment, "CO-45", Some("the plan's")), "the plan's"),
            (note(NoteKind::Adjustment, "CO-45", Some(" ")), "a"),
            (note(NoteKind::Adjustment, "PR-45", None), "b"),
            (note(NoteKind::Adjustment, "45", None), "a"),
            (note(NoteKind::Adjustment, "CO-9999", None), "g"),
            (note(NoteKind::Adjustment, "XX-9999", None), "u"),
            (note(NoteKind::Remark, "N130", None), "r"),
            (note(NoteKind::Remark, "45", None), "u"),
            (note(NoteKind::Message, "", None), "u"),
        ] {
            assert_eq!(codes.words(&note), words, "{}", note.code.reveal());
        }
    }
}
