//! The templates of a bundle, compiled once.
//!
//! A *template set* is a folder with `NAME.html`, `NAME.txt`, `subject.txt` and `preheader.txt`; the folder `shared` holds
//! partials for `{% include %}`. All of them are compiled once for each language, and once more for each type of claim for which
//! the language's texts say something otherwise. Undefined names are errors, values in `.html` are escaped, and each render has a
//! limit on its steps and on its output.

use crate::codes::Codes;
use crate::datum::{Datum, Kind, Views};
use crate::fixed_text::{FixedTexts, Strings};
use crate::format::AmountWords;
use crate::language::{BASE, LanguageLines};
use crate::medium::blanks_before;
use crate::program::{Bounds, Program, Stop};
use crate::quoted_printable::{self, Encoder, Fixed};
use crate::text_part::{FixedText, TextPart};
use crate::words::Words;
use crate::{Bundle, RenderError, TemplateError, compile, lint, text_fold};
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior, Value};
use model::limits::MESSAGE_BYTES_MAX;
use model::statement::ClaimType;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

const STRINGS_NAME: &str = "strings.en.toml";
const LANGUAGES_NAME: &str = "languages.toml";
const SHARED: &str = "shared";
/// The template set of Explanations of Benefits.
pub(crate) const EOB_SET: &str = "eob";
/// The template set of billing statements.
pub(crate) const BILL_SET: &str = "bill";
/// The template set of notices.
pub(crate) const NOTICE_SET: &str = "notice";
/// Steps of one render. A service takes some ten, so the largest statement (999 services) about 10,000.
const FUEL_MAX: u64 = 2_000_000;
/// The limits of a program's run.
const BOUNDS: Bounds = Bounds { steps: FUEL_MAX, bytes: MESSAGE_BYTES_MAX };

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

/// What a body template sees.
pub(crate) enum Root<'a> {
    /// Fields that a program finds by their positions.
    Views(Views<'a>),
    /// Values that only the template engine knows.
    Value(Value),
}

/// Names of one set's templates in the environment.
pub(crate) struct SetNames {
    set: String,
    /// Where it stands among the sets, and in each language its programs.
    at: usize,
    html: String,
    text: String,
    subject: String,
    preheader: String,
}

impl SetNames {
    fn new(set: &str, at: usize) -> Self {
        Self {
            set: set.to_owned(),
            at,
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

/// The programs of one set's templates; `None` where the template engine renders it.
struct Programs {
    html: Option<Program<Fixed>>,
    text: Option<Program<FixedText>>,
    subject: Option<Program<Box<str>>>,
    preheader: Option<Program<Box<str>>>,
}

/// All sets of a bundle in all its languages, ready to render.
pub(crate) struct TemplateSets {
    /// By language and type of claim. English in general is always there.
    tongues: BTreeMap<String, BTreeMap<Option<&'static str>, Tongue>>,
    sets: Vec<SetNames>,
}

/// The templates in one language, for one type of claim.
pub(crate) struct Tongue {
    environment: Environment<'static>,
    programs: Vec<Programs>,
    /// Words that data picks.
    pub(crate) words: Arc<Words>,
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
        let mut tongues = BTreeMap::<_, BTreeMap<_, _>>::new();
        let sets = sets(files.keys().map(String::as_str));
        for language in languages(files.keys()) {
            let name = strings_name(language);
            let strings = Strings::read(&name, &files[&name], language, bundle.identity())?;
            let codes = Arc::new(Codes::read(files, language)?);
            for of_type in types_of(&name, &strings)? {
                let texts = strings.for_type(of_type, language, &lines, bundle.identity());
                let words = Words::new(&name, &texts, Arc::clone(&codes))?;
                let (environment, sources) = environment(files, &texts, &words.amounts)?;
                let programs = sets.iter().flatten().map(|set| Programs::new(&sources, set)).collect();
                tongues.entry(language.to_owned()).or_default().insert(of_type, Tongue { environment, programs, words: words.into() });
            }
        }
        Ok(Self { tongues, sets: sets? })
    }

    /// The templates in a language that the bundle has, for a type of claim.
    pub(crate) fn tongue(&self, language: &str, claim_type: Option<ClaimType>) -> &Tongue {
        let find = |language: &str, of_type| self.tongues.get(language)?.get(&of_type);
        let of_type = claim_type.and_then(|claim_type| find(language, Some(type_name(claim_type))));
        of_type.or_else(|| find(language, None)).or_else(|| find(BASE, None)).expect("English is compiled, or nothing is")
    }

    /// Each language, for claims in general.
    pub(crate) fn languages(&self) -> impl Iterator<Item = (&str, &Tongue)> {
        self.tongues.iter().filter_map(|(language, types)| Some((language.as_str(), types.get(&None)?)))
    }

    /// All sets, and all languages and types of claim, for the trial.
    pub(crate) fn for_trial(&mut self) -> (&[SetNames], impl Iterator<Item = &mut Tongue>) {
        (&self.sets, self.tongues.values_mut().flat_map(BTreeMap::values_mut))
    }

    /// The set of this name.
    pub(crate) fn set(&self, name: &str) -> Option<&SetNames> {
        self.sets.iter().find(|set| set.set == name)
    }
}

impl SetNames {
    /// Whether it is the set of this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.set == name
    }
}

impl Programs {
    fn new(sources: &BTreeMap<String, String>, set: &SetNames) -> Self {
        let syntax = syntax_config();
        // What a templated message is made of is not known here.
        let root = match set.set.as_str() {
            EOB_SET | BILL_SET => Some(Kind::Statements),
            NOTICE_SET => Some(Kind::Notice),
            _ => None,
        };
        let line = |part| compile::program(sources, set.of(part), Kind::Header, &syntax, |text| text.into());
        Self {
            html: root.and_then(|root| compile::program(sources, &set.html, root, &syntax, Fixed::new)),
            text: root.and_then(|root| compile::program(sources, &set.text, root, &syntax, FixedText::new)),
            subject: line(Part::Subject),
            preheader: line(Part::Preheader),
        }
    }

    fn line(&mut self, part: Part) -> Option<&mut Option<Program<Box<str>>>> {
        match part {
            Part::Subject => Some(&mut self.subject),
            Part::Preheader => Some(&mut self.preheader),
            Part::Html | Part::Text => None,
        }
    }
}

impl Tongue {
    /// What a header template says.
    ///
    /// # Errors
    /// [`RenderError`] with the template's name and line, and no value.
    pub(crate) fn line(&self, set: &SetNames, part: Part, fields: &[Datum<'_>]) -> Result<String, RenderError> {
        let program = match part {
            Part::Subject => &self.programs[set.at].subject,
            _ => &self.programs[set.at].preheader,
        };
        let mut out = String::with_capacity(128);
        if let Some(program) = program
            && program.run(fields, &self.words, BOUNDS, &mut out).is_ok()
        {
            return Ok(out);
        }
        self.render(set, part, Kind::Header.to_value(fields, &self.words))
    }

    /// Writes a body part, in quoted-printable, behind what is already there.
    ///
    /// # Errors
    /// [`RenderError`] with the template's name and line, and no value.
    pub(crate) fn write(&self, set: &SetNames, part: Part, root: &Root<'_>, out: &mut Vec<u8>) -> Result<(), RenderError> {
        let start = out.len();
        if let Root::Views(views) = root {
            match self.run(set, part, views, out) {
                Ok(()) => return Ok(()),
                Err(Stop::TooLarge) => return Err(RenderError::TooLarge(MESSAGE_BYTES_MAX)),
                Err(Stop::Unknown) => out.truncate(start),
            }
        }
        let value = match root {
            Root::Views(views) => views.to_value(&self.words),
            Root::Value(value) => value.clone(),
        };
        let rendered = self.render(set, part, value)?;
        if part == Part::Html {
            let mut encoder = Encoder::new(out);
            encoder.plain(&rendered);
            encoder.finish();
        } else {
            let mut text = TextPart::new(out);
            text.text(&rendered);
            text.finish();
        }
        Ok(())
    }

    fn run(&self, set: &SetNames, part: Part, views: &Views<'_>, out: &mut Vec<u8>) -> Result<(), Stop> {
        let fields = views.first().ok_or(Stop::Unknown)?;
        let programs = &self.programs[set.at];
        if part == Part::Html {
            let mut encoder = Encoder::new(out);
            programs.html.as_ref().ok_or(Stop::Unknown)?.run(fields, &self.words, BOUNDS, &mut encoder)?;
            encoder.finish();
        } else {
            let mut text = TextPart::new(out);
            programs.text.as_ref().ok_or(Stop::Unknown)?.run(fields, &self.words, BOUNDS, &mut text)?;
            text.finish();
        }
        Ok(())
    }

    /// Renders one part by the template engine.
    ///
    /// # Errors
    /// [`RenderError`] with the template's name and line, and no value.
    fn render(&self, set: &SetNames, part: Part, context: Value) -> Result<String, RenderError> {
        self.render_raw(set, part, context).map_err(|failed| match failed {
            Failed::TooLarge => RenderError::TooLarge(MESSAGE_BYTES_MAX),
            Failed::Template(error) => typed(set.of(part), &error),
        })
    }

    /// Tries a header template. A program that says something else is not used.
    ///
    /// # Errors
    /// [`TemplateError::Trial`].
    pub(crate) fn try_line(&mut self, set: &SetNames, part: Part, fields: &[Datum<'_>]) -> Result<(), TemplateError> {
        let said = self.try_out(set, part, Kind::Header.to_value(fields, &self.words))?;
        let Some(kept) = self.programs[set.at].line(part) else { return Ok(()) };
        let program = kept.take();
        let mut line = String::new();
        let says_the_same =
            program.as_ref().is_some_and(|program| program.run(fields, &self.words, BOUNDS, &mut line).is_ok() && line == said);
        if says_the_same && let Some(kept) = self.programs[set.at].line(part) {
            *kept = program;
        }
        Ok(())
    }

    /// Tries a body template. A program that says something else is not used.
    ///
    /// # Errors
    /// [`TemplateError::Trial`].
    pub(crate) fn try_body(&mut self, set: &SetNames, part: Part, views: &Views<'_>) -> Result<(), TemplateError> {
        let said = self.try_out(set, part, views.to_value(&self.words))?;
        let mut out = Vec::with_capacity(said.len() * 2);
        let ended = self.run(set, part, views, &mut out);
        let programs = &mut self.programs[set.at];
        if part == Part::Html {
            let says_the_same = ended.is_ok() && quoted_printable::decode(&out) == said;
            programs.html.take_if(|_| !says_the_same);
        } else {
            let says_the_same = ended.is_ok() && quoted_printable::decode(&out) == text_fold::fold(&said);
            programs.text.take_if(|_| !says_the_same);
        }
        Ok(())
    }

    /// Renders one part of an invented job by the template engine: its error may say what the engine said.
    ///
    /// # Errors
    /// [`TemplateError::Trial`].
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

/// Compiles all templates with these texts; gives them as they were compiled.
fn environment(
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

fn syntax_config() -> SyntaxConfig {
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

/// The sets: folders that are not `shared`, each with its four templates.
fn sets<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<SetNames>, TemplateError> {
    let names: Vec<&str> = names.collect();
    let mut folders: Vec<&str> = names.iter().filter_map(|name| name.split_once('/')).map(|(folder, _)| folder).collect();
    folders.dedup();
    let mut sets = Vec::new();
    for folder in folders.into_iter().filter(|folder| *folder != SHARED) {
        let set = SetNames::new(folder, sets.len());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Renderer;
    use crate::identity::tests::invented;
    use std::path::Path;

    #[test]
    fn what_is_shipped_has_programs_that_say_what_the_template_engine_says() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/templates");
        let bundle = Bundle::from_dir(&folder, &invented()).unwrap();
        // The trial takes away those that say something else.
        let mut renderer = Renderer::new(&bundle).unwrap();
        let (sets, tongues) = renderer.sets_mut().for_trial();
        for tongue in tongues {
            for set in sets {
                let programs = &tongue.programs[set.at];
                assert!(programs.subject.is_some() && programs.preheader.is_some(), "{}", set.set);
                let is_known = ["eob", "bill", "notice"].contains(&set.set.as_str());
                assert_eq!((programs.html.is_some(), programs.text.is_some()), (is_known, is_known), "{}", set.set);
            }
        }
    }
}
