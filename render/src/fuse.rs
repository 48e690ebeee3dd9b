//! Fusing: `{{ x.a }} text {{ x.b }}` becomes one step of the template engine instead of eight.
//!
//! A service is a dozen fields of one variable with fixed text between them, and a message has two parts of fifteen of them:
//! measured, the engine's steps cost more than all writing. So a run of plain fields of one variable is replaced, when a
//! bundle is compiled, by `{{ x|fused(N) }}`, and the filter writes the whole run. What comes out is the same to the byte
//! (a test renders both ways), line numbers stay, and authors need not know.

use crate::template_set::{Escape, push_value};
use minijinja::{Error, ErrorKind, State, Value};

/// Fields from which on a run is worth a call.
const FIELDS_MIN: usize = 2;

/// A run of fields of one variable: text, field, text, field.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Run {
    /// The text before each field, and the field's name.
    fields: Vec<(String, String)>,
}

impl Run {
    /// Writes the run for one object.
    ///
    /// # Errors
    /// An undefined field, as the template engine would say it.
    pub(crate) fn write(&self, object: &Value, escape: Escape, not_stated: &str) -> Result<String, Error> {
        let view = object.as_object().ok_or_else(|| Error::from(ErrorKind::UndefinedError))?;
        let mut out = String::with_capacity(self.fields.len() * 40);
        for (text, field) in &self.fields {
            out.push_str(text);
            let value = view.get_value_by_str(field).filter(|value| !value.is_undefined()).ok_or_else(|| undefined(field))?;
            push_value(&mut out, &value, escape, not_stated);
        }
        Ok(out)
    }
}

/// The line of the error is that of the run's start; so the field is named.
fn undefined(field: &str) -> Error {
    Error::new(ErrorKind::UndefinedError, format!("there is no field {field}"))
}

/// The filter behind `{{ x|fused(N) }}`.
pub(crate) fn filter(runs: &[Run], state: &State<'_, '_>, object: &Value, run: usize, not_stated: &str) -> Result<Value, Error> {
    let run = runs.get(run).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "no such run"))?;
    run.write(object, Escape::of(state), not_stated).map(Value::from_safe_string)
}

/// Replaces the runs of a template; appends them to `runs`.
pub(crate) fn fuse(source: &str, runs: &mut Vec<Run>) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find('{') {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        if let Some((variable, run, length)) = leading_run(tag) {
            out.push_str(&format!("{{{{ {variable}|fused({}){} }}}}", runs.len(), "\n".repeat(tag[..length].matches('\n').count())));
            runs.push(run);
            rest = &tag[length..];
        } else {
            let length = tag_length(tag);
            out.push_str(&tag[..length]);
            rest = &tag[length..];
        }
    }
    out.push_str(rest);
    out
}

/// The run that the text begins with: its variable, its fields, its length.
fn leading_run(text: &str) -> Option<(&str, Run, usize)> {
    let (variable, _, _) = leading_field(text)?;
    let mut run = Run::default();
    let (mut at, mut length) = (0, 0);
    let mut between = "";
    while let Some((_, field, field_length)) = leading_field(&text[at..]).filter(|(of, _, _)| *of == variable) {
        run.fields.push((between.to_owned(), field.to_owned()));
        length = at + field_length;
        let Some(next) = text[length..].find('{') else { break };
        between = &text[length..length + next];
        at = length + next;
    }
    (run.fields.len() >= FIELDS_MIN).then_some((variable, run, length))
}

/// `{{ variable.field }}` at the start of the text: both names, and the tag's length.
fn leading_field(text: &str) -> Option<(&str, &str, usize)> {
    let inner = text.strip_prefix("{{")?;
    let end = inner.find("}}")?;
    let (variable, field) = inner[..end].trim().split_once('.')?;
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    (is_name(variable) && is_name(field)).then_some((variable, field, end + 4))
}

/// The length of the tag, or of the brace, that the text begins with.
fn tag_length(text: &str) -> usize {
    [("{{", "}}"), ("{%", "%}"), ("{#", "#}")]
        .iter()
        .find(|(open, _)| text.starts_with(open))
        .and_then(|(_, close)| text.find(close))
        .map_or(1, |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(fields: &[(&str, &str)]) -> Run {
        Run { fields: fields.iter().map(|(text, field)| ((*text).to_owned(), (*field).to_owned())).collect() }
    }

    #[test]
    fn joins_neighbours_of_one_variable_and_keeps_line_numbers() {
        let mut runs = Vec::new();
        let source = "a{b}\n{{ x.one }}<td>\n{{ x.two }}\n{% if y %}{{ x.three }}{% endif %}{{ y.a }}{{ x.b }} {{x.c}}";
        let fused = fuse(source, &mut runs);
        assert_eq!(fused, "a{b}\n{{ x|fused(0)\n }}\n{% if y %}{{ x.three }}{% endif %}{{ y.a }}{{ x|fused(1) }}");
        assert_eq!(runs, [run(&[("", "one"), ("<td>\n", "two")]), run(&[("", "b"), (" ", "c")])]);
    }

    #[test]
    fn leaves_everything_else_alone() {
        for source in
            ["{{ x.a|money }}{{ x.b }}", "{{- x.a }}{{ x.b -}}", "{# {{ x.a }}{{ x.b }} #}", "{{ x }}{{ x.a.b }}", "{{ x.a", "}}{"]
        {
            let mut runs = Vec::new();
            assert_eq!(fuse(source, &mut runs), source);
            assert!(runs.is_empty(), "{source}");
        }
    }
}
