//! Languages: which a bundle can write in, and the line that offers help in one it cannot.
//!
//! A bundle writes in each language that has a `strings.LANGUAGE.toml`; English is always there and is what is written where a
//! person asked for another (45 CFR 147.136(e): then with the lines). `languages.toml` holds the lines' sentences; the tenant's
//! configuration says which of them stand in each message, and may bring its own sentences.

use crate::fixed_text::fill_text;
use crate::{Identity, TemplateError};
use model::LanguageTag;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The language that is always there.
pub(crate) const BASE: &str = "en";
/// Languages that are written from right to left.
const RIGHT_TO_LEFT: [&str; 7] = ["ar", "dv", "fa", "he", "ps", "ur", "yi"];

/// What became of the language that a person asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LanguageMatch {
    /// Nobody asked: English.
    NotAsked,
    /// The message is in that language.
    Met(String),
    /// The templates lack that language: English, with the language lines. Reported as `language_unmet`.
    Unmet(String),
}

impl LanguageMatch {
    /// The language of the message.
    pub fn written(&self) -> &str {
        if let Self::Met(language) = self { language } else { BASE }
    }
}

/// The language in lower case, by its two-letter code where it was named by three (ISO 639-2, as claims systems do).
pub(crate) fn primary(tag: &LanguageTag) -> String {
    let primary = tag.primary();
    let short = match primary.as_str() {
        "eng" => "en",
        "spa" => "es",
        "zho" | "chi" | "cmn" | "yue" => "zh",
        "tgl" | "fil" => "tl",
        "nav" => "nv",
        "smo" => "sm",
        "cha" => "ch",
        _ => return primary,
    };
    short.to_owned()
}

/// One language of `languages.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    name: String,
    sentence: String,
}

/// The sentences, ready for a tenant.
#[derive(Debug, Default)]
pub(crate) struct LanguageLines {
    /// By tag: the language's own name, where it is known, and its sentence, with the identity still to be filled in.
    lines: BTreeMap<String, (String, String)>,
    /// Those that stand in each message, in this order.
    always: Vec<String>,
}

impl LanguageLines {
    /// Reads `languages.toml`, where there is one, and adds what the tenant says.
    ///
    /// # Errors
    /// [`TemplateError::Table`] where it does not parse, or a language of the tenant has no sentence.
    pub(crate) fn read(name: &str, source: Option<&String>, identity: &Identity) -> Result<Self, TemplateError> {
        let table = |detail: String| TemplateError::Table { name: name.to_owned(), detail };
        let shipped: BTreeMap<String, Line> =
            source.map_or(Ok(BTreeMap::new()), |source| toml::from_str(source)).map_err(|error| table(error.to_string()))?;
        let mut lines: BTreeMap<_, _> = shipped.into_iter().map(|(tag, line)| (tag, (line.name, line.sentence))).collect();
        for (tag, sentence) in &identity.language_lines {
            lines.entry(tag.clone()).or_default().1 = sentence.clone();
        }
        if let Some(tag) = identity.languages.iter().find(|tag| !lines.contains_key(*tag)) {
            return Err(table(format!(
                "the tenant's languages name \"{tag}\", for which there is no sentence; add one to the tenant's language_lines, from a speaker"
            )));
        }
        for (tag, (_, sentence)) in &mut lines {
            *sentence = fill_text(name, tag, sentence, tag, identity)?;
        }
        Ok(Self { lines, always: identity.languages.clone() })
    }

    /// The lines as they stand in a template of a message in `language`: those of the tenant, and behind a condition that of the
    /// language a person asked for in vain.
    pub(crate) fn template(&self, language: &str, is_html: bool) -> String {
        let mut out = String::new();
        for (tag, (name, sentence)) in &self.lines {
            if tag == language {
                continue;
            }
            let line = line(tag, name, sentence, is_html);
            if self.always.contains(tag) {
                out.push_str(&line);
            } else if language == BASE {
                out.push_str(&format!("{{% if unmet == \"{tag}\" %}}{line}{{% endif %}}"));
            }
        }
        out.truncate(out.trim_end_matches('\n').len());
        out
    }
}

fn line(tag: &str, name: &str, sentence: &str, is_html: bool) -> String {
    let start = if name.is_empty() { String::new() } else { format!("{name}: ") };
    if !is_html {
        return format!("{start}{sentence}\n");
    }
    let mut text = String::new();
    crate::fixed_text::push_escaped(&mut text, &format!("{start}{sentence}"));
    let primary = tag.split('-').next().unwrap_or(tag);
    let direction = if RIGHT_TO_LEFT.contains(&primary) { " dir=\"rtl\"" } else { "" };
    format!("<p lang=\"{tag}\"{direction}>{text}</p>\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::invented;

    const SHIPPED: &str = "[es]\nname = \"Español\"\nsentence = \"Llame.\"\n[zh]\nname = \"中文\"\nsentence = \"拨打 & <b>\"";

    fn lines(languages: &[&str], own: &[(&str, &str)]) -> Result<LanguageLines, TemplateError> {
        let mut identity = invented();
        identity.languages = languages.iter().map(|tag| (*tag).to_owned()).collect();
        identity.language_lines = own.iter().map(|(tag, text)| ((*tag).to_owned(), (*text).to_owned())).collect();
        LanguageLines::read("languages.toml", Some(&SHIPPED.to_owned()), &identity)
    }

    #[test]
    fn the_tenants_lines_always_stand_there_and_a_persons_own_where_it_is_asked_for() {
        let lines = lines(&["zh", "ar"], &[("ar", "اتصل")]).unwrap();
        let html = lines.template("en", true);
        assert!(html.contains("<p lang=\"zh\">中文: 拨打 &amp; &lt;b&gt;</p>"), "{html}");
        assert!(html.contains("<p lang=\"ar\" dir=\"rtl\">اتصل</p>"), "{html}");
        assert!(html.contains("{% if unmet == \"es\" %}<p lang=\"es\">Español: Llame.</p>\n{% endif %}"), "{html}");
        assert!(lines.template("en", false).contains("中文: 拨打 & <b>"));
        assert!(!lines.template("es", true).contains("Español"));
    }

    #[test]
    fn a_language_without_a_sentence_is_refused_by_name() {
        let error = lines(&["sm"], &[]).unwrap_err().to_string();
        assert!(error.contains("\"sm\"") && error.contains("language_lines"), "{error}");
    }

    #[test]
    fn languages_have_one_name() {
        for (tag, name) in [("spa", "es"), ("ES-mx", "es"), ("zh-Hant", "zh"), ("fil", "tl"), ("vi", "vi")] {
            assert_eq!(primary(&LanguageTag::parse(tag).unwrap()), name);
        }
    }
}
