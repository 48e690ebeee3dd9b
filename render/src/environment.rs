//! The template engine, with nothing in it but what statements need.

use crate::fixed_text::FixedTexts;
use crate::format::AmountWords;
use crate::medium::blanks_before;
use crate::tongue::FUEL_MAX;
use crate::{TemplateError, lint};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};
use std::collections::BTreeMap;

/// Compiles all templates with these texts; gives them as they were compiled.
pub(crate) fn environment(
    files: &BTreeMap<String, String>,
    texts: &FixedTexts<'_>,
    amounts: &AmountWords,
) -> Result<(Environment<'static>, BTreeMap<String, String>), TemplateError> {
    let mut environment = empty_environment(amounts);
    let mut sources = BTreeMap::new();
    for (name, source) in files.iter().filter(|(name, _)| !name.ends_with(".toml")) {
        let is_html = name.ends_with(".html");
        let filled = texts.fill_in(name, source, is_html)?;
        let source = if is_html { without_indentation(&filled) } else { filled };
        if is_html {
            lint::check_html(name, &source)?;
        }
        environment.add_template_owned(name.clone(), source.clone()).map_err(|error| syntax(name, &error))?;
        sources.insert(name.clone(), source);
    }
    Ok((environment, sources))
}

/// Blanks around marks, as all templates have them.
pub(crate) fn syntax_config() -> SyntaxConfig {
    SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().expect("the default marks are valid")
}

/// An environment with nothing in it but what statements need: no `debug`, no `safe`, no functions.
fn empty_environment(amounts: &AmountWords) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_debug(false);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL_MAX));
    environment.set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
    environment.set_syntax(syntax_config());
    environment.add_test("none", Value::is_none);
    environment.add_test("nonzero", |amount: &Value| amount.as_i64() != Some(0));
    environment.add_test("paid", |amount: &Value| amount.as_i64().is_some_and(|cents| cents != 0));
    environment.add_filter("money", {
        let amounts = amounts.clone();
        move |amount: &Value| cents_of(amount).map(|cents| Value::from(amounts.text(cents)))
    });
    environment.add_filter("stated", {
        let not_stated = Value::from(amounts.not_stated.as_str());
        move |text: &Value| if text.is_none() { not_stated.clone() } else { text.clone() }
    });
    let amounts = amounts.clone();
    environment.set_formatter(move |output, state, value| write_value(output, state, value, &amounts));
    environment
}

/// Writes what `{{ }}` gives. A number is an amount in cents, and `none` one that is not stated: no template can print
/// bare cents, or an unknown amount as nothing. In the text part both stand right-aligned in their column.
fn write_value(output: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value, amounts: &AmountWords) -> Result<(), Error> {
    if value.is_safe() || !(value.is_none() || value.is_integer()) {
        return minijinja::escape_formatter(output, state, value);
    }
    let said = amounts.text(value.as_i64());
    if matches!(state.auto_escape(), AutoEscape::None) {
        output.write_str(blanks_before(&said))?;
    }
    Ok(output.write_str(&said)?)
}

/// Cents, or none. Anything else in an amount's place is a fault of the template.
fn cents_of(amount: &Value) -> Result<Option<i64>, Error> {
    if amount.is_none() {
        return Ok(None);
    }
    amount.as_i64().map(Some).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, "expected an amount in cents, or none"))
}

/// Indentation is for the author; in a page it is weight. Line numbers stay.
fn without_indentation(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    for line in source.split_inclusive('\n') {
        out.push_str(line.trim_start_matches(' '));
    }
    out
}

fn syntax(name: &str, error: &Error) -> TemplateError {
    TemplateError::Syntax {
        name: name.to_owned(),
        line: error.line().unwrap_or(0),
        detail: error.detail().unwrap_or("does not parse").to_owned(),
    }
}
