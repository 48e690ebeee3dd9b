//! Fixed texts: `[[t.key]]`, `[[identity.field]]` and `[[language.lines]]` in a template, filled in when the bundle is compiled.
//!
//! A text of `strings.LANGUAGE.toml` may itself name fields of the identity. A table in that file (`[pharmacy]`) holds what is
//! said otherwise for that type of claim: the templates are compiled once more with it. `[[t.key:24]]` fills a text up to 24
//! columns, for the columns of a text part. In a `.html` template the texts are escaped; a text that would read as template
//! language is refused, so that filling in cannot change what a template does.

use crate::language::{BASE, LanguageLines};
use crate::{Identity, TemplateError};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Columns that a text can be filled up to.
const COLUMNS_MAX: usize = 60;

/// An entry of the file: a text, or a table of texts for one type of claim.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Text(String),
    Table(BTreeMap<String, String>),
}

/// `strings.LANGUAGE.toml`, checked, with the identity filled in.
pub(crate) struct Strings {
    texts: BTreeMap<String, String>,
    /// By type of claim.
    types: BTreeMap<String, BTreeMap<String, String>>,
}

impl Strings {
    /// Reads the file.
    ///
    /// # Errors
    /// [`TemplateError::Table`] or [`TemplateError::UnknownText`].
    pub(crate) fn read(name: &str, source: &str, language: &str, identity: &Identity) -> Result<Self, TemplateError> {
        let table = |detail: String| TemplateError::Table { name: name.to_owned(), detail };
        let raw: BTreeMap<String, Entry> = toml::from_str(source).map_err(|error| table(error.to_string()))?;
        let fill = |key: &str, text: &str| fill_text(name, key, text, language, identity);
        let (mut texts, mut types) = (BTreeMap::new(), BTreeMap::new());
        for (key, entry) in raw {
            match entry {
                Entry::Text(text) => drop(texts.insert(key.clone(), fill(&key, &text)?)),
                Entry::Table(of_type) => {
                    let filled: Result<BTreeMap<_, _>, _> = of_type.iter().map(|(key, text)| Ok((key.clone(), fill(key, text)?))).collect();
                    types.insert(key, filled?);
                }
            }
        }
        for (of_type, own) in &types {
            if let Some(key) = own.keys().find(|key| !texts.contains_key(*key)) {
                return Err(table(format!(
                    "[{of_type}] {key}: says otherwise what is not said above; add {key} to the texts before the tables"
                )));
            }
        }
        Ok(Self { texts, types })
    }

    /// The types of claims that have a table.
    pub(crate) fn types(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// The texts for one type of claim; `None` for claims in general.
    pub(crate) fn for_type<'a>(
        &'a self,
        of_type: Option<&str>,
        language: &'a str,
        lines: &'a LanguageLines,
        identity: &'a Identity,
    ) -> FixedTexts<'a> {
        FixedTexts { texts: &self.texts, own: of_type.and_then(|of_type| self.types.get(of_type)), language, lines, identity }
    }
}

/// A text that may name the identity and nothing else.
///
/// # Errors
/// [`TemplateError::Table`] or [`TemplateError::UnknownText`].
pub(crate) fn fill_text(name: &str, key: &str, text: &str, language: &str, identity: &Identity) -> Result<String, TemplateError> {
    if text.contains('\n') || ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
        let detail = format!("{key}: must be one line without {{{{, {{% or {{#");
        return Err(TemplateError::Table { name: name.to_owned(), detail });
    }
    let (texts, lines) = (BTreeMap::new(), LanguageLines::default());
    FixedTexts { texts: &texts, own: None, language, lines: &lines, identity }.fill_in(name, text, false)
}

/// The fixed texts of one language and type of claim, and the identity they may name.
pub(crate) struct FixedTexts<'a> {
    texts: &'a BTreeMap<String, String>,
    own: Option<&'a BTreeMap<String, String>>,
    language: &'a str,
    lines: &'a LanguageLines,
    identity: &'a Identity,
}

impl FixedTexts<'_> {
    /// The template with all `[[...]]` filled in. Line numbers stay, but behind the language lines.
    ///
    /// # Errors
    /// [`TemplateError::UnknownText`].
    pub(crate) fn fill_in(&self, name: &str, source: &str, escape: bool) -> Result<String, TemplateError> {
        let mut out = String::with_capacity(source.len() * 2);
        let mut rest = source;
        while let Some((before, after)) = rest.split_once("[[") {
            out.push_str(before);
            let (key, tail) = after.split_once("]]").unwrap_or((after, ""));
            let Some(text) = self.markup(key, escape).filter(|_| key.len() < after.len()) else {
                let line = source[..source.len() - after.len()].matches('\n').count() + 1;
                let key = key.chars().take(60).collect();
                return Err(TemplateError::UnknownText { name: name.to_owned(), line, key });
            };
            out.push_str(&text);
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }

    /// A text by its key, for what is not a template.
    ///
    /// # Errors
    /// [`TemplateError::Table`] where the file lacks it.
    pub(crate) fn required(&self, name: &str, key: &str) -> Result<String, TemplateError> {
        let detail = || format!("{key}: is missing");
        self.plain(key).map(str::to_owned).ok_or_else(|| TemplateError::Table { name: name.to_owned(), detail: detail() })
    }

    /// A text by its key, or another where the file, written for an earlier version, lacks it.
    pub(crate) fn or(&self, key: &str, other: &str) -> String {
        self.plain(key).unwrap_or(other).to_owned()
    }

    fn plain(&self, key: &str) -> Option<&str> {
        self.own.and_then(|own| own.get(key)).or_else(|| self.texts.get(key)).map(String::as_str)
    }

    /// What stands in a template in the place of `[[key]]`.
    fn markup(&self, key: &str, escape: bool) -> Option<String> {
        if key == "language.lines" {
            return Some(self.lines.template(self.language, escape));
        }
        let (key, columns) = key.split_once(':').map_or((key, 0), |(key, columns)| (key, columns.parse().unwrap_or(COLUMNS_MAX + 1)));
        if columns > COLUMNS_MAX {
            return None;
        }
        let text = self.text(key)?;
        let mut out = String::with_capacity(text.len() + 16);
        if !escape {
            out.push_str(&text);
            out.extend(std::iter::repeat_n(' ', columns.saturating_sub(text.chars().count())));
        } else if key == "identity.consumer_assistance"
            && self.language != BASE
            && !self.identity.consumer_assistance_in.contains_key(self.language)
        {
            // An office's name stays what it is; a screen reader must know that it is English.
            out.push_str("<span lang=\"en\">");
            push_escaped(&mut out, &text);
            out.push_str("</span>");
        } else {
            push_escaped(&mut out, &text);
        }
        Some(out)
    }

    fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        match key.split_once('.')? {
            ("t", key) => self.plain(key).map(Cow::Borrowed),
            ("identity", field) => self.identity.text(field, self.language).map(Cow::Owned),
            _ => None,
        }
    }
}

/// Escapes for a page.
pub(crate) fn push_escaped(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::invented;

    fn filled(strings: &str, of_type: Option<&str>, source: &str, escape: bool) -> Result<String, TemplateError> {
        let identity = Identity { brand: "Smith & <Sons>".into(), ..invented() };
        let strings = Strings::read("s", strings, "en", &identity)?;
        strings.for_type(of_type, "en", &LanguageLines::default(), &identity).fill_in("x.html", source, escape)
    }

    #[test]
    fn fills_in_escapes_and_fills_up() {
        let strings = "call = \"Call [[identity.phone]]\"\nhi = \"[[identity.brand]]\"\n[pharmacy]\nhi = \"Pharmacy\"";
        assert_eq!(filled(strings, None, "[[t.call]]! {{ a }}", false).unwrap(), "Call 1-800-555-0142! {{ a }}");
        assert_eq!(filled(strings, None, "<b>[[t.hi]]</b>", true).unwrap(), "<b>Smith &amp; &lt;Sons&gt;</b>");
        assert_eq!(filled(strings, Some("pharmacy"), "[[t.hi:10]]|", false).unwrap(), "Pharmacy  |");
        assert_eq!(filled(strings, Some("dental"), "[[t.hi]]", false).unwrap(), "Smith & <Sons>");
    }

    #[test]
    fn names_the_line_of_an_unknown_text() {
        for source in ["one\ntwo [[t.nope]]", "one\n[[identity.nope]]", "one\n[[t.a", "one\n[[bare]]", "one\n[[t.a:999]]"] {
            match filled("a = \"A\"", None, source, true) {
                Err(TemplateError::UnknownText { name, line: 2, .. }) => assert_eq!(name, "x.html"),
                other => panic!("{source}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_text_cannot_be_template_language() {
        for source in ["a = \"{{ x }}\"", "a = \"x {% if %}\"", "a = \"\"\"x\ny\"\"\"", "[a]\nb = \"c\"", "[a.b]\nc = \"d\""] {
            assert!(filled(source, None, "", false).is_err(), "{source}");
        }
    }
}
