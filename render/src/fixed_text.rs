//! Fixed texts: `[[t.key]]` and `[[identity.field]]` in a template, filled in when the bundle is compiled.
//!
//! A text of `strings.en.toml` may itself name fields of the identity. In a `.html` template the texts are escaped; a
//! text that would read as template language is refused, so that filling in cannot change what a template does.

use crate::{Identity, TemplateError};
use std::collections::BTreeMap;

/// The fixed texts of one language, and the identity they may name.
pub(crate) struct FixedTexts<'a> {
    texts: BTreeMap<String, String>,
    identity: &'a Identity,
}

impl<'a> FixedTexts<'a> {
    /// Reads `strings.en.toml`: keys and one-line texts, no tables.
    ///
    /// # Errors
    /// [`TemplateError::Table`] or [`TemplateError::UnknownText`].
    pub(crate) fn read(name: &str, source: &str, identity: &'a Identity) -> Result<Self, TemplateError> {
        let table = |detail: String| TemplateError::Table { name: name.to_owned(), detail };
        let raw: BTreeMap<String, String> = toml::from_str(source).map_err(|error| table(error.to_string()))?;
        let mut texts = BTreeMap::new();
        let of_identity = FixedTexts { texts: BTreeMap::new(), identity };
        for (key, text) in raw {
            if text.contains('\n') || ["{{", "{%", "{#"].iter().any(|mark| text.contains(mark)) {
                return Err(table(format!("{key}: must be one line without {{{{, {{% or {{#")));
            }
            texts.insert(key, of_identity.fill_in(name, &text, false)?);
        }
        Ok(Self { texts, identity })
    }

    /// The template with all `[[...]]` filled in. Line numbers stay.
    ///
    /// # Errors
    /// [`TemplateError::UnknownText`].
    pub(crate) fn fill_in(&self, name: &str, source: &str, escape: bool) -> Result<String, TemplateError> {
        let mut out = String::with_capacity(source.len() * 2);
        let mut rest = source;
        while let Some((before, after)) = rest.split_once("[[") {
            out.push_str(before);
            let (key, tail) = after.split_once("]]").unwrap_or((after, ""));
            let Some(text) = self.text(key).filter(|_| key.len() < after.len()) else {
                let line = source[..source.len() - after.len()].matches('\n').count() + 1;
                let key = key.chars().take(60).collect();
                return Err(TemplateError::UnknownText { name: name.to_owned(), line, key });
            };
            if escape {
                push_escaped(&mut out, &text)
            } else {
                out.push_str(&text)
            }
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
        self.texts.get(key).cloned().ok_or_else(|| TemplateError::Table { name: name.to_owned(), detail: detail() })
    }

    fn text(&self, key: &str) -> Option<String> {
        match key.split_once('.')? {
            ("t", key) => self.texts.get(key).cloned(),
            ("identity", field) => self.identity.text(field),
            _ => None,
        }
    }
}

fn push_escaped(out: &mut String, text: &str) {
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

    #[test]
    fn fills_in_and_escapes() {
        let identity = Identity { brand: "Smith & <Sons>".into(), ..invented() };
        let texts = FixedTexts::read("s", "call = \"Call [[identity.phone]]\"\nhi = \"[[identity.brand]]\"", &identity).unwrap();
        assert_eq!(texts.fill_in("x", "[[t.call]]! {{ a }}", false).unwrap(), "Call 1-800-555-0142! {{ a }}");
        assert_eq!(texts.fill_in("x", "<b>[[t.hi]]</b>", true).unwrap(), "<b>Smith &amp; &lt;Sons&gt;</b>");
    }

    #[test]
    fn names_the_line_of_an_unknown_text() {
        let identity = invented();
        let texts = FixedTexts::read("s", "a = \"A\"", &identity).unwrap();
        for source in ["one\ntwo [[t.nope]]", "one\n[[identity.nope]]", "one\n[[t.a", "one\n[[bare]]"] {
            match texts.fill_in("x.html", source, true) {
                Err(TemplateError::UnknownText { name, line: 2, .. }) => assert_eq!(name, "x.html"),
                other => panic!("{source}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_text_cannot_be_template_language() {
        let identity = invented();
        for source in ["a = \"{{ x }}\"", "a = \"x {% if %}\"", "a = \"\"\"x\ny\"\"\"", "[a]\nb = \"c\""] {
            assert!(FixedTexts::read("s", source, &identity).is_err(), "{source}");
        }
    }
}
