//! The templates of a bundle, compiled once.
//!
//! A *template set* is a folder with `NAME.html`, `NAME.txt`, `subject.txt` and `preheader.txt`; the folder `shared` holds
//! partials for `{% include %}`. All of them are compiled once for each language, and once more for each type of claim for which
//! the language's texts say something otherwise. Undefined names are errors, values in `.html` are escaped, and each render has a
//! limit on its steps and on its output.

use crate::codes::Codes;
use crate::fixed_text::{FixedTexts, Strings};
use crate::format::AmountWords;
use crate::language::{BASE, LanguageLines};
use crate::words::Words;
use crate::{Bundle, RenderError, TemplateError, fuse, lint};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};
use model::limits::MESSAGE_BYTES_MAX;
use model::statement::ClaimType;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

const STRINGS_NAME: &str = "strings.en.toml";
const LANGUAGES_NAME: &str = "languages.toml";
const SHARED: &str = "shared";
/// Steps of one render. A service takes some ten, so the largest statement (999 services) about 10,000.
const FUEL_MAX: u64 = 2_000_000;
/// Columns of an amount in the text part: `$9,999,999.99` and `— not stated` fit.
const AMOUNT_COLUMNS: usize = 13;
/// As many blanks as an amount has columns.
const BLANKS: &str = "             ";
const _: () = assert!(BLANKS.len() == AMOUNT_COLUMNS);

/// The parts of a message a set has a template for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The page.
    Html,
    /// The text part.
    Text,
    /// The `Subject` field.
    Subject,
    /// What an inbox shows beside the subject.
    Preheader,
}

/// How values are escaped in a template: decided by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Escape {
    /// A text.
    None,
    /// A page.
    Html,
}

impl Escape {
    /// Of the template that is being rendered.
    pub(crate) fn of(state: &State<'_, '_>) -> Self {
        if matches!(state.auto_escape(), AutoEscape::None) { Self::None } else { Self::Html }
    }
}

/// Names of one set's templates in the environment.
pub(crate) struct SetNames {
    set: String,
    html: String,
    text: String,
    subject: String,
    preheader: String,
}

impl SetNames {
    fn new(set: &str) -> Self {
        Self {
            set: set.to_owned(),
            html: format!("{set}/{set}.html"),
            text: format!("{set}/{set}.txt"),
            subject: format!("{set}/subject.txt"),
            preheader: format!("{set}/preheader.txt"),
        }
    }

    fn of(&self, part: Part) -> &str {
        match part {
            Part::Html => &self.html,
            Part::Text => &self.text,
            Part::Subject => &self.subject,
            Part::Preheader => &self.preheader,
        }
    }
}

/// All sets of a bundle in all its languages, ready to render.
pub(crate) struct TemplateSets {
    /// By language and type of claim. English in general is always there.
    tongues: BTreeMap<(String, Option<&'static str>), Tongue>,
    sets: Vec<SetNames>,
}

/// The templates in one language, for one type of claim.
pub(crate) struct Tongue {
    environment: Environment<'static>,
    /// Words that data picks.
    pub(crate) words: Words,
}

/// The name of a type of claim, as a table of `strings.LANGUAGE.toml` has it.
fn type_name(claim_type: ClaimType) -> &'static str {
    match claim_type {
        ClaimType::Medical => "medical",
        ClaimType::Pharmacy => "pharmacy",
        ClaimType::Dental => "dental",
        ClaimType::Vision => "vision",
    }
}

impl TemplateSets {
    /// Compiles a bundle's templates.
    ///
    /// # Errors
    /// [`TemplateError`] with file, line and what was expected.
    pub(crate) fn compile(bundle: &Bundle) -> Result<Self, TemplateError> {
        let files = bundle.files();
        if !files.contains_key(STRINGS_NAME) {
            return Err(TemplateError::Missing(STRINGS_NAME.to_owned()));
        }
        let lines = LanguageLines::read(LANGUAGES_NAME, files.get(LANGUAGES_NAME), bundle.identity())?;
        let mut tongues = BTreeMap::new();
        for language in languages(files.keys()) {
            let name = strings_name(language);
            let strings = Strings::read(&name, &files[&name], language, bundle.identity())?;
            let codes = Arc::new(Codes::read(files, language)?);
            for of_type in types_of(&name, &strings)? {
                let texts = strings.for_type(of_type, language, &lines, bundle.identity());
                let words = Words::new(&name, &texts, Arc::clone(&codes))?;
                let tongue = Tongue { environment: environment(files, &texts, &words.amounts)?, words };
                tongues.insert((language.to_owned(), of_type), tongue);
            }
        }
        let sets = sets(files.keys().map(String::as_str))?;
        Ok(Self { tongues, sets })
    }

    /// The templates in a language that the bundle has, for a type of claim.
    pub(crate) fn tongue(&self, language: &str, claim_type: Option<ClaimType>) -> &Tongue {
        let find = |language: &str, of_type| self.tongues.get(&(language.to_owned(), of_type));
        let of_type = claim_type.and_then(|claim_type| find(language, Some(type_name(claim_type))));
        of_type.or_else(|| find(language, None)).or_else(|| find(BASE, None)).expect("English is compiled, or nothing is")
    }

    /// Each language, for claims in general.
    pub(crate) fn languages(&self) -> impl Iterator<Item = (&str, &Tongue)> {
        self.tongues.iter().filter(|((_, of_type), _)| of_type.is_none()).map(|((language, _), tongue)| (language.as_str(), tongue))
    }

    /// All languages and types of claim, for the trial.
    pub(crate) fn tongues(&self) -> impl Iterator<Item = &Tongue> {
        self.tongues.values()
    }

    /// The set of this name.
    pub(crate) fn set(&self, name: &str) -> Option<&SetNames> {
        self.sets.iter().find(|set| set.set == name)
    }

    /// All sets.
    pub(crate) fn all(&self) -> &[SetNames] {
        &self.sets
    }
}

impl Tongue {
    /// Renders one part.
    ///
    /// # Errors
    /// [`RenderError`] with the template's name and line, and no value.
    pub(crate) fn render(&self, set: &SetNames, part: Part, context: Value) -> Result<String, RenderError> {
        self.render_raw(set, part, context).map_err(|failed| match failed {
            Failed::TooLarge => RenderError::TooLarge(MESSAGE_BYTES_MAX),
            Failed::Template(error) => typed(set.of(part), &error),
        })
    }

    /// As [`Tongue::render`], for the trial job: its error may say what the template engine said.
    pub(crate) fn try_out(&self, set: &SetNames, part: Part, context: Value) -> Result<String, TemplateError> {
        let trial = |line, detail| TemplateError::Trial { name: set.of(part).to_owned(), line, detail };
        let rendered = self.render_raw(set, part, context);
        if rendered.as_ref().is_ok_and(|text| text.trim().is_empty()) {
            return Err(trial(1, "it is empty".to_owned()));
        }
        rendered.map_err(|failed| match failed {
            Failed::TooLarge => trial(0, "the message is too large".to_owned()),
            Failed::Template(error) => {
                // Of an invented job: nothing in it is anybody's.
                let detail = format!("{}: {}", error.kind(), error.detail().unwrap_or("no detail"));
                TemplateError::Trial { name: error.name().unwrap_or(set.of(part)).to_owned(), line: error.line().unwrap_or(0), detail }
            }
        })
    }

    fn render_raw(&self, set: &SetNames, part: Part, context: Value) -> Result<String, Failed> {
        let template = self.environment.get_template(set.of(part)).map_err(Failed::Template)?;
        let capacity = template.source().len() * 2;
        let mut output = Bounded { bytes: Vec::with_capacity(capacity), overflowed: false };
        match template.render_captured_to(context, &mut output) {
            Ok(_) => Ok(String::from_utf8(output.bytes).expect("the template engine writes str only")),
            Err(_) if output.overflowed => Err(Failed::TooLarge),
            Err(error) => Err(Failed::Template(error)),
        }
    }
}

enum Failed {
    TooLarge,
    Template(Error),
}

/// Output that ends at the limit of a message.
struct Bounded {
    bytes: Vec<u8>,
    overflowed: bool,
}

impl io::Write for &mut Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes).map(|()| bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.bytes.len() + bytes.len() > MESSAGE_BYTES_MAX {
            self.overflowed = true;
            return Err(io::Error::other("too large"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compiles all templates with these texts.
fn environment(
    files: &BTreeMap<String, String>,
    texts: &FixedTexts<'_>,
    amounts: &AmountWords,
) -> Result<Environment<'static>, TemplateError> {
    let mut environment = empty_environment(amounts);
    let mut runs = Vec::new();
    for (name, source) in files.iter().filter(|(name, _)| !name.ends_with(".toml")) {
        let is_html = name.ends_with(".html");
        let filled = texts.fill_in(name, source, is_html)?;
        let source = if is_html { without_indentation(&filled) } else { filled };
        if is_html {
            lint::check_html(name, &source)?;
        }
        let source = fuse::fuse(&source, &mut runs);
        environment.add_template_owned(name.clone(), source).map_err(|error| syntax(name, &error))?;
    }
    let amounts = amounts.clone();
    environment
        .add_filter("fused", move |state: &State<'_, '_>, object: &Value, run: usize| fuse::filter(&runs, state, object, run, &amounts));
    Ok(environment)
}

/// The languages of a bundle: those that have texts.
pub(crate) fn languages<'a>(names: impl Iterator<Item = &'a String>) -> impl Iterator<Item = &'a str> {
    names.filter_map(|name| name.strip_prefix("strings.")?.strip_suffix(".toml"))
}

fn strings_name(language: &str) -> String {
    format!("strings.{language}.toml")
}

/// Claims in general, and the types of claims that have a table.
fn types_of(name: &str, strings: &Strings) -> Result<Vec<Option<&'static str>>, TemplateError> {
    let known = [ClaimType::Medical, ClaimType::Pharmacy, ClaimType::Dental, ClaimType::Vision].map(type_name);
    let mut types = vec![None];
    for found in strings.types() {
        let Some(known) = known.iter().find(|known| **known == found) else {
            let detail = format!("[{found}]: is no type of claim; there are medical, pharmacy, dental and vision");
            return Err(TemplateError::Table { name: name.to_owned(), detail });
        };
        types.push(Some(*known));
    }
    Ok(types)
}

/// An environment with nothing in it but what statements need: no `debug`, no `safe`, no functions.
fn empty_environment(amounts: &AmountWords) -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_debug(false);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(FUEL_MAX));
    environment.set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
    environment.set_syntax(
        minijinja::syntax::SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build().expect("the default marks are valid"),
    );
    environment.add_test("none", Value::is_none);
    environment.add_test("nonzero", |amount: &Value| fuse::Shown::Nonzero.holds(amount));
    environment.add_test("paid", |amount: &Value| fuse::Shown::Paid.holds(amount));
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
    let mut text = String::new();
    push_value(&mut text, value, Escape::of(state), amounts);
    Ok(output.write_str(&text)?)
}

/// As [`write_value`], for a value of a view: text, cents or none.
pub(crate) fn push_value(out: &mut String, value: &Value, escape: Escape, amounts: &AmountWords) {
    if let Some(text) = value.as_str() {
        return match escape {
            Escape::Html => push_escaped(out, text),
            Escape::None => out.push_str(text),
        };
    }
    let cents = value.as_i64();
    if escape == Escape::None {
        out.push_str(&BLANKS[amounts.columns(cents).min(AMOUNT_COLUMNS)..]);
    }
    amounts.push(out, cents);
}

/// Escapes as the template engine does.
fn push_escaped(out: &mut String, text: &str) {
    let mut plain = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escaped = match byte {
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'&' => "&amp;",
            b'"' => "&quot;",
            b'\'' => "&#x27;",
            b'/' => "&#x2f;",
            _ => continue,
        };
        out.push_str(&text[plain..at]);
        out.push_str(escaped);
        plain = at + 1;
    }
    out.push_str(&text[plain..]);
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

/// The sets: folders that are not `shared`, each with its four templates.
fn sets<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<SetNames>, TemplateError> {
    let names: Vec<&str> = names.collect();
    let mut folders: Vec<&str> = names.iter().filter_map(|name| name.split_once('/')).map(|(folder, _)| folder).collect();
    folders.dedup();
    let mut sets = Vec::new();
    for folder in folders.into_iter().filter(|folder| *folder != SHARED) {
        let set = SetNames::new(folder);
        for part in [Part::Html, Part::Text, Part::Subject, Part::Preheader] {
            if !names.contains(&set.of(part)) {
                return Err(TemplateError::Missing(set.of(part).to_owned()));
            }
        }
        sets.push(set);
    }
    Ok(sets)
}

fn syntax(name: &str, error: &Error) -> TemplateError {
    TemplateError::Syntax {
        name: name.to_owned(),
        line: error.line().unwrap_or(0),
        detail: error.detail().unwrap_or("does not parse").to_owned(),
    }
}

/// The error without its detail, which may quote a value.
fn typed(name: &str, error: &Error) -> RenderError {
    let name = error.name().unwrap_or(name).to_owned();
    let problem = match error.kind() {
        ErrorKind::OutOfFuel => return RenderError::OutOfFuel { name },
        ErrorKind::UndefinedError => "names something that this kind of message does not have",
        ErrorKind::UnknownFilter | ErrorKind::UnknownTest | ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => {
            "uses a filter, test or function that does not exist"
        }
        ErrorKind::TemplateNotFound => "includes a template that does not exist",
        _ => "does something with a value that its type does not allow",
    };
    RenderError::Template { name, line: error.line().unwrap_or(0), problem }
}
