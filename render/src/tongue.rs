//! The templates in one language: what renders one part of a message.
//!
//! A part has a [`Program`] where its template allows one; everything else, and every error, is the template engine's.

use crate::datum::{Datum, Kind, Views};
use crate::environment::syntax_config;
use crate::format::AmountWords;
use crate::medium::blanks_before;
use crate::program::{Bounds, Program, Stop};
use crate::quoted_printable::{self, Encoder, Fixed};
use crate::template_set::{BILL_SET, EOB_SET, NOTICE_SET, Part, SetNames};
use crate::text_part::{FixedText, TextPart};
use crate::words::Words;
use crate::{RenderError, TemplateError, compile, text_fold};
use minijinja::{Environment, Error, ErrorKind, Value};
use model::limits::MESSAGE_BYTES_MAX;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Steps of one render. A service takes some ten, so the largest statement (999 services) about 10,000.
pub(crate) const FUEL_MAX: u64 = 2_000_000;
/// The limits of a program's run.
const BOUNDS: Bounds = Bounds { steps: FUEL_MAX, bytes: MESSAGE_BYTES_MAX };

/// What a body template sees.
pub(crate) enum Root<'a> {
    /// Fields that a program finds by their positions.
    Views(Views<'a>),
    /// Values that only the template engine knows.
    Value(Value),
}

/// The programs of one set's templates; `None` where the template engine renders it.
pub(crate) struct Programs {
    html: Option<Program<Fixed>>,
    text: Option<Program<FixedText>>,
    subject: Option<Program<Box<str>>>,
    preheader: Option<Program<Box<str>>>,
}

/// The templates in one language, for one type of claim.
pub(crate) struct Tongue {
    environment: Environment<'static>,
    programs: Vec<Programs>,
    /// Words that data picks.
    pub(crate) words: Arc<Words>,
}

impl Programs {
    /// Of a set, where its templates allow them.
    pub(crate) fn new(sources: &BTreeMap<String, String>, set: &SetNames, amounts: &AmountWords) -> Self {
        let syntax = syntax_config();
        // What a templated message is made of is not known here.
        let root = match set.set.as_str() {
            EOB_SET | BILL_SET => Some(Kind::Statements),
            NOTICE_SET => Some(Kind::Notice),
            _ => None,
        };
        let not_stated = amounts.not_stated.as_str();
        let in_column = format!("{}{not_stated}", blanks_before(not_stated));
        let line = |part| compile::program(sources, set.of(part), Kind::Header, &syntax, &in_column, |text| text.into());
        Self {
            html: root.and_then(|root| compile::program(sources, &set.html, root, &syntax, not_stated, Fixed::new)),
            text: root.and_then(|root| compile::program(sources, &set.text, root, &syntax, &in_column, FixedText::new)),
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
    /// Joins what was compiled; `programs` in the order of the sets.
    pub(crate) fn new(environment: Environment<'static>, programs: Vec<Programs>, words: Words) -> Self {
        Self { environment, programs, words: words.into() }
    }

    /// Whether a set has programs for its header fields, and for its body.
    #[cfg(test)]
    pub(crate) fn has_programs(&self, set: &SetNames) -> (bool, bool) {
        let programs = &self.programs[set.at];
        (programs.subject.is_some() && programs.preheader.is_some(), programs.html.is_some() && programs.text.is_some())
    }

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

    /// Writes a body part, in quoted-printable, behind what is already there. Gives how many octets were quoted.
    ///
    /// # Errors
    /// [`RenderError`] with the template's name and line, and no value.
    pub(crate) fn write(&self, set: &SetNames, part: Part, root: &Root<'_>, out: &mut Vec<u8>) -> Result<usize, RenderError> {
        let start = out.len();
        if let Root::Views(views) = root {
            match self.run(set, part, views, out) {
                Ok(quoted) => return Ok(quoted),
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
            Ok(encoder.finish())
        } else {
            let mut text = TextPart::new(out);
            text.text(&rendered);
            Ok(text.finish())
        }
    }

    fn run(&self, set: &SetNames, part: Part, views: &Views<'_>, out: &mut Vec<u8>) -> Result<usize, Stop> {
        let fields = views.first().ok_or(Stop::Unknown)?;
        let programs = &self.programs[set.at];
        if part == Part::Html {
            let mut encoder = Encoder::new(out);
            programs.html.as_ref().ok_or(Stop::Unknown)?.run(fields, &self.words, BOUNDS, &mut encoder)?;
            Ok(encoder.finish())
        } else {
            let mut text = TextPart::new(out);
            programs.text.as_ref().ok_or(Stop::Unknown)?.run(fields, &self.words, BOUNDS, &mut text)?;
            Ok(text.finish())
        }
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
