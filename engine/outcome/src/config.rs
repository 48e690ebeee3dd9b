//! What was typed in `configs/bounces/*.toml`, and what is meant by it.
//!
//! ```toml
//! dated = "2026-11-22"
//! sources = ["the provider's page"]
//! mx_suffixes = ["yahoodns.net"]      # rules of this file are for hosts at or below these; none = for everyone
//! [[rule]]                            # all that is stated must match; lists match by any of theirs
//! phases = ["greeting", "mail"]
//! codes = ["421", "5yz"]
//! enhanced = ["4.7.28", "x.7.x", "5.7.606-649"]
//! text = ["TSS04"]                    # part of the reply's text, whatever its case
//! trouble = ["timeout"]               # instead of codes, enhanced and text
//! cause = "rate_limited"
//! scope = "lane"                      # else the usual one of the cause
//! severity = "temporary"              # else what the codes say
//! suspend = "2h"                      # or: slow = 4, messages = "1/1m", connections = 1, each for `span`
//! after_text = true                   # an enhanced code that receivers use for anything: ask texts first
//! close = true                        # this connection is of no more use
//! page = true                         # an operator must look
//! ```

use crate::cause::{Cause, Scope, Severity};
use crate::classify::matching::{CodePattern, EnhancedPattern, Matching};
use crate::classify::rule::Rule;
use crate::decision::Action;
use crate::error::{RulesError, from_toml, line_of, unknown};
use crate::evidence::{Phase, Trouble};
use crate::units::{parse_rate, parse_span};
use serde::Deserialize;
use std::ops::Range;
use std::sync::Arc;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedFile {
    #[serde(default)]
    dated: Option<String>,
    #[serde(default)]
    sources: Vec<String>,
    #[serde(default)]
    mx_suffixes: Vec<String>,
    #[serde(default)]
    rule: Vec<Spanned<TypedRule>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TypedRule {
    #[serde(default)]
    phases: Vec<Spanned<String>>,
    #[serde(default)]
    codes: Vec<Spanned<String>>,
    #[serde(default)]
    enhanced: Vec<Spanned<String>>,
    #[serde(default)]
    text: Vec<Spanned<String>>,
    #[serde(default)]
    trouble: Vec<Spanned<String>>,
    cause: Option<Spanned<String>>,
    scope: Option<Spanned<String>>,
    severity: Option<Spanned<String>>,
    suspend: Option<Spanned<String>>,
    slow: Option<Spanned<u32>>,
    messages: Option<Spanned<String>>,
    connections: Option<Spanned<u32>>,
    span: Option<Spanned<String>>,
    #[serde(default)]
    after_text: bool,
    #[serde(default)]
    close: bool,
    #[serde(default)]
    page: bool,
}

/// What one file means.
pub(crate) struct CheckedFile {
    pub(crate) rules: Vec<Rule>,
    /// It states a provider's facts without saying since when and from where.
    pub(crate) is_undated: bool,
}

/// Reads one file.
pub(crate) fn read(file: &str, text: &str) -> Result<CheckedFile, RulesError> {
    let reader = FileReader { file: Arc::from(file), text };
    let typed: TypedFile = toml::from_str(text).map_err(|error| from_toml(&reader.file, text, &error))?;
    let suffixes: Vec<String> = typed.mx_suffixes.iter().map(|suffix| suffix.trim_matches('.').to_ascii_lowercase()).collect();
    let is_undated = !suffixes.is_empty() && (typed.dated.is_none() || typed.sources.is_empty());
    let rules = typed.rule.into_iter().map(|rule| reader.rule(rule, &suffixes)).collect::<Result<_, _>>()?;
    Ok(CheckedFile { rules, is_undated })
}

/// One file and its text: turns spans into lines.
struct FileReader<'a> {
    file: Arc<str>,
    text: &'a str,
}

impl FileReader<'_> {
    fn rule(&self, typed: Spanned<TypedRule>, suffixes: &[String]) -> Result<Rule, RulesError> {
        let span = typed.span();
        let typed = typed.into_inner();
        let cause = typed.cause.as_ref().ok_or_else(|| self.error(span.clone(), "a rule needs a cause".to_owned()))?;
        let by_reply = !(typed.codes.is_empty() && typed.enhanced.is_empty() && typed.text.is_empty());
        if by_reply != typed.trouble.is_empty() {
            let message = "a rule needs either codes, enhanced or text, or else trouble; state one of the two".to_owned();
            return Err(self.error(span, message));
        }
        let action = self.action(&typed)?;
        Ok(Rule {
            matching: Matching {
                mx_suffixes: suffixes.to_vec(),
                phases: self.all(&typed.phases, |word| pick(word, "phase", Phase::ALL, Phase::as_str))?,
                codes: self.all(&typed.codes, CodePattern::parse)?,
                enhanced: self.all(&typed.enhanced, EnhancedPattern::parse)?,
                texts: typed.text.iter().map(|text| text.get_ref().to_ascii_lowercase()).collect(),
                after_text: typed.after_text,
                troubles: self.all(&typed.trouble, |word| pick(word, "trouble", Trouble::ALL, Trouble::as_str))?,
            },
            cause: self.parsed(cause, |word| pick(word, "cause", Cause::ALL.iter().copied(), Cause::as_str))?,
            scope: typed.scope.map(|scope| self.parsed(&scope, |word| pick(word, "scope", Scope::ALL, Scope::as_str))).transpose()?,
            severity: typed
                .severity
                .map(|word| self.parsed(&word, |word| pick(word, "severity", Severity::ALL, Severity::as_str)))
                .transpose()?,
            action,
            close_connection: typed.close,
            page: typed.page,
            file: Arc::clone(&self.file),
            line: line_of(self.text, span.start),
        })
    }

    fn action(&self, typed: &TypedRule) -> Result<Option<Action>, RulesError> {
        let span = typed.span.as_ref().map(|span| self.parsed(span, |text| parse_span(text).map_err(str::to_owned))).transpose()?;
        let span_for = |at: Range<usize>| span.ok_or_else(|| self.error(at, "state for how long: span = \"30m\"".to_owned()));
        let messages = typed.messages.as_ref().map(|rate| self.parsed(rate, |text| parse_rate(text).map_err(str::to_owned))).transpose()?;
        let zero = [&typed.slow, &typed.connections].into_iter().flatten().find(|number| *number.get_ref() == 0);
        if let Some(zero) = zero {
            return Err(self.error(zero.span(), "expected at least 1; to stop altogether use suspend".to_owned()));
        }
        let capped_at = typed.messages.as_ref().map(Spanned::span).or(typed.connections.as_ref().map(Spanned::span));
        match (&typed.suspend, &typed.slow, capped_at) {
            (Some(suspend), None, None) => Ok(Some(Action::Suspend(self.parsed(suspend, |text| parse_span(text).map_err(str::to_owned))?))),
            (None, Some(slow), None) => Ok(Some(Action::Slow { factor: *slow.get_ref(), span: span_for(slow.span())? })),
            (None, None, Some(at)) => {
                let connections = typed.connections.as_ref().map(|number| *number.get_ref());
                Ok(Some(Action::Cap { messages, connections, span: span_for(at)? }))
            }
            (None, None, None) => Ok(None),
            (suspend, slow, _) => {
                let at = suspend.as_ref().map(Spanned::span).or(slow.as_ref().map(Spanned::span)).unwrap_or_default();
                Err(self.error(at, "state one of suspend, slow, or messages with connections".to_owned()))
            }
        }
    }

    fn all<T>(&self, typed: &[Spanned<String>], parse: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, RulesError> {
        typed.iter().map(|word| self.parsed(word, &parse)).collect()
    }

    fn parsed<T>(&self, typed: &Spanned<String>, parse: impl Fn(&str) -> Result<T, String>) -> Result<T, RulesError> {
        parse(typed.get_ref()).map_err(|message| self.error(typed.span(), message))
    }

    fn error(&self, span: Range<usize>, message: String) -> RulesError {
        RulesError { file: Arc::clone(&self.file), line: line_of(self.text, span.start), message }
    }
}

/// The value with this word, or an error that names the nearest one.
fn pick<T: Copy>(word: &str, what: &str, all: impl IntoIterator<Item = T> + Clone, name: fn(T) -> &'static str) -> Result<T, String> {
    let mut values = all.clone().into_iter();
    values.find(|value| name(*value) == word).ok_or_else(|| unknown(what, word, all.into_iter().map(name)))
}
