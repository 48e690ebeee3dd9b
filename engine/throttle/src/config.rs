//! What was typed in `configs/destinations/*.toml`, and what is meant by it.
//!
//! ```toml
//! dated = "2026-11-22"                    # when the facts were looked up
//! sources = ["the provider's page"]
//! [group.google]                          # a provider family
//! mx_suffixes = ["google.com"]            # an MX host at or below one of these belongs to it
//! connections = 5
//! rates = ["20/1m", "500/1h"]             # all hold at once
//! [site."mx.example.com"]                 # one MX host set
//! [destination."example.com"]             # one receiving domain
//! [default]                               # everyone else
//! ```
//! An unknown key is an error with a suggestion; every value keeps its line.

use crate::error::{ShapingError, from_toml, line_of};
use crate::limits::{Limits, Provenance, Sourced};
use crate::units::{Rate, parse_span};
use model::Protection;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedFile {
    #[serde(default)]
    dated: Option<String>,
    #[serde(default)]
    sources: Vec<String>,
    #[serde(default)]
    default: Option<TypedLimits>,
    #[serde(default)]
    group: BTreeMap<String, TypedLimits>,
    #[serde(default)]
    site: BTreeMap<String, TypedLimits>,
    #[serde(default)]
    destination: BTreeMap<String, TypedLimits>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedLimits {
    #[serde(default)]
    mx_suffixes: Vec<Spanned<String>>,
    connections: Option<Spanned<u32>>,
    messages_per_connection: Option<Spanned<u32>>,
    connect_rate: Option<Spanned<String>>,
    rates: Option<Vec<Spanned<String>>>,
    messages_in_hand: Option<Spanned<u32>>,
    tls: Option<Spanned<String>>,
    ipv6: Option<Spanned<bool>>,
    recovery_divisor: Option<Spanned<u32>>,
    recovery_step: Option<Spanned<String>>,
}

/// What one file means.
#[derive(Debug, Clone, Default)]
pub(crate) struct CheckedFile {
    pub(crate) dated: Option<String>,
    pub(crate) sources: Vec<String>,
    pub(crate) default: CheckedLimits,
    pub(crate) groups: BTreeMap<String, CheckedLimits>,
    pub(crate) sites: BTreeMap<String, CheckedLimits>,
    pub(crate) destinations: BTreeMap<String, CheckedLimits>,
}

/// Limits as far as a rule states them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CheckedLimits {
    pub(crate) mx_suffixes: Vec<Sourced<String>>,
    connections: Option<Sourced<u32>>,
    messages_per_connection: Option<Sourced<u32>>,
    connect_rate: Option<Sourced<Rate>>,
    rates: Option<Vec<Sourced<Rate>>>,
    messages_in_hand: Option<Sourced<u32>>,
    tls: Option<Sourced<Protection>>,
    ipv6: Option<Sourced<bool>>,
    recovery_divisor: Option<Sourced<u32>>,
    recovery_step: Option<Sourced<Duration>>,
}

impl CheckedLimits {
    /// Lays this rule over what holds without it: a value it states wins.
    pub(crate) fn apply_to(&self, limits: &mut Limits) {
        fn set<T: Clone>(target: &mut T, stated: &Option<T>) {
            if let Some(value) = stated {
                *target = value.clone();
            }
        }
        set(&mut limits.connections, &self.connections);
        set(&mut limits.rates, &self.rates);
        set(&mut limits.messages_in_hand, &self.messages_in_hand);
        set(&mut limits.ipv6, &self.ipv6);
        set(&mut limits.recovery_divisor, &self.recovery_divisor);
        set(&mut limits.recovery_step, &self.recovery_step);
        limits.messages_per_connection = self.messages_per_connection.clone().or(limits.messages_per_connection.take());
        limits.connect_rate = self.connect_rate.clone().or(limits.connect_rate.take());
        limits.tls = self.tls.clone().or(limits.tls.take());
    }

    /// Joins a rule of a later file: what that one states wins, its suffixes are added.
    pub(crate) fn overlay(&mut self, later: Self) {
        self.mx_suffixes.extend(later.mx_suffixes);
        self.connections = later.connections.or(self.connections.take());
        self.messages_per_connection = later.messages_per_connection.or(self.messages_per_connection.take());
        self.connect_rate = later.connect_rate.or(self.connect_rate.take());
        self.rates = later.rates.or(self.rates.take());
        self.messages_in_hand = later.messages_in_hand.or(self.messages_in_hand.take());
        self.tls = later.tls.or(self.tls.take());
        self.ipv6 = later.ipv6.or(self.ipv6.take());
        self.recovery_divisor = later.recovery_divisor.or(self.recovery_divisor.take());
        self.recovery_step = later.recovery_step.or(self.recovery_step.take());
    }

    /// The first line that states something; `None` for a rule that states nothing.
    pub(crate) fn first_line(&self) -> Option<&Provenance> {
        let suffix = self.mx_suffixes.first().map(|value| &value.from);
        let rate = self.rates.as_ref().and_then(|rates| rates.first()).map(|value| &value.from);
        [
            suffix,
            self.connections.as_ref().map(|value| &value.from),
            self.messages_per_connection.as_ref().map(|value| &value.from),
            self.connect_rate.as_ref().map(|value| &value.from),
            rate,
            self.messages_in_hand.as_ref().map(|value| &value.from),
            self.tls.as_ref().map(|value| &value.from),
            self.ipv6.as_ref().map(|value| &value.from),
            self.recovery_divisor.as_ref().map(|value| &value.from),
            self.recovery_step.as_ref().map(|value| &value.from),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|from| from.place.as_ref().map(|(_, line)| *line))
    }
}

/// Reads one file.
///
/// # Errors
/// The first thing that is wrong, with its line.
pub(crate) fn read(file: &str, text: &str) -> Result<CheckedFile, ShapingError> {
    let reader = FileReader { file: Arc::from(file), text };
    let typed: TypedFile = toml::from_str(text).map_err(|error| from_toml(&reader.file, text, &error))?;
    let check_all = |rules: BTreeMap<String, TypedLimits>, takes_suffixes: bool| {
        rules
            .into_iter()
            .map(|(name, typed)| Ok((name.to_ascii_lowercase(), reader.check(typed, takes_suffixes)?)))
            .collect::<Result<BTreeMap<_, _>, ShapingError>>()
    };
    Ok(CheckedFile {
        dated: typed.dated,
        sources: typed.sources,
        default: typed.default.map(|typed| reader.check(typed, false)).transpose()?.unwrap_or_default(),
        groups: check_all(typed.group, true)?,
        sites: check_all(typed.site, false)?,
        destinations: check_all(typed.destination, false)?,
    })
}

/// One file and its text: turns spans into lines.
struct FileReader<'a> {
    file: Arc<str>,
    text: &'a str,
}

impl FileReader<'_> {
    fn check(&self, typed: TypedLimits, takes_suffixes: bool) -> Result<CheckedLimits, ShapingError> {
        if let (false, Some(suffix)) = (takes_suffixes, typed.mx_suffixes.first()) {
            return Err(self.error(suffix.span(), "mx_suffixes stands in [group.NAME] alone; put it there"));
        }
        Ok(CheckedLimits {
            mx_suffixes: typed.mx_suffixes.into_iter().map(|suffix| self.suffix(suffix)).collect::<Result<_, _>>()?,
            connections: self.at_least_one(typed.connections)?,
            messages_per_connection: self.at_least_one(typed.messages_per_connection)?,
            connect_rate: typed.connect_rate.map(|rate| self.parsed(rate, |text| text.parse::<Rate>())).transpose()?,
            rates: typed
                .rates
                .map(|rates| rates.into_iter().map(|rate| self.parsed(rate, |text| text.parse::<Rate>())).collect::<Result<Vec<_>, _>>())
                .transpose()?,
            messages_in_hand: self.at_least_one(typed.messages_in_hand)?,
            tls: typed.tls.map(|tls| self.parsed(tls, tls_word)).transpose()?,
            ipv6: typed.ipv6.map(|ipv6| self.sourced(ipv6.span(), ipv6.into_inner())),
            recovery_divisor: self.at_least_one(typed.recovery_divisor)?,
            recovery_step: typed.recovery_step.map(|step| self.parsed(step, parse_span)).transpose()?,
        })
    }

    fn suffix(&self, typed: Spanned<String>) -> Result<Sourced<String>, ShapingError> {
        let span = typed.span();
        let suffix = typed.into_inner().trim_matches('.').to_ascii_lowercase();
        let is_name = !suffix.is_empty() && suffix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        // A static route to an address has the address for its host.
        let is_address = suffix.parse::<std::net::IpAddr>().is_ok();
        if is_name || is_address {
            Ok(self.sourced(span, suffix))
        } else {
            Err(self.error(span, "expected a host name such as \"mail.example.net\""))
        }
    }

    fn at_least_one(&self, typed: Option<Spanned<u32>>) -> Result<Option<Sourced<u32>>, ShapingError> {
        match typed {
            Some(zero) if *zero.get_ref() == 0 => {
                Err(self.error(zero.span(), "expected at least 1; to stop sending, suspend the destination instead"))
            }
            other => Ok(other.map(|value| self.sourced(value.span(), value.into_inner()))),
        }
    }

    fn parsed<T, E: std::fmt::Display>(
        &self,
        typed: Spanned<String>,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Sourced<T>, ShapingError> {
        match parse(typed.get_ref()) {
            Ok(value) => Ok(self.sourced(typed.span(), value)),
            Err(error) => Err(self.error(typed.span(), &format!("'{}': {error}", typed.get_ref()))),
        }
    }

    fn sourced<T>(&self, span: Range<usize>, value: T) -> Sourced<T> {
        Sourced { value, from: Provenance::line(&self.file, line_of(self.text, span.start)) }
    }

    fn error(&self, span: Range<usize>, message: &str) -> ShapingError {
        ShapingError { file: Arc::clone(&self.file), line: line_of(self.text, span.start), message: message.to_owned() }
    }
}

fn tls_word(text: &str) -> Result<Protection, &'static str> {
    match text {
        "encrypted" => Ok(Protection::TlsEncrypted),
        "verified" => Ok(Protection::TlsVerified),
        _ => Err("expected \"encrypted\" or \"verified\""),
    }
}
