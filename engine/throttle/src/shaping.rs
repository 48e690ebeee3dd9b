//! Provider knowledge as data: which limit group a site belongs to, and which limits hold there.
//!
//! Files are read in the order given; a later file's value wins over an earlier one's, so an operator's file goes
//! last. An MX host belongs to the group with the *longest* matching suffix, whatever the order. A value is looked
//! up as destination, then site or group, then `[default]`, then what is built in.

use crate::config::{self, CheckedFile, CheckedLimits};
use crate::error::ShapingError;
use crate::limits::{Limits, Sourced};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The name of a limit group: a provider family such as `google`, else the name of a site.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for GroupName {
    fn from(name: &str) -> Self {
        Self(Arc::from(name))
    }
}

impl fmt::Display for GroupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Something in the files that is no error, and not what its author meant either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// `file:line`.
    pub place: String,
    /// What it is and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// All shaping rules.
#[derive(Debug, Clone, Default)]
pub struct Shaping {
    default: CheckedLimits,
    groups: BTreeMap<String, CheckedLimits>,
    sites: BTreeMap<String, CheckedLimits>,
    destinations: BTreeMap<String, CheckedLimits>,
    /// Suffix → group. The first one to claim a suffix has it.
    suffixes: BTreeMap<String, String>,
    undated: Vec<Finding>,
}

impl Shaping {
    /// Reads rules from `(path, text)` pairs, in this order.
    ///
    /// # Errors
    /// The first thing that is wrong, with file, line and what was expected.
    pub fn from_files<P: AsRef<str>, T: AsRef<str>>(files: &[(P, T)]) -> Result<Self, ShapingError> {
        let mut shaping = Self::default();
        for (path, text) in files {
            let file = config::read(path.as_ref(), text.as_ref())?;
            shaping.join(path.as_ref(), file);
        }
        Ok(shaping)
    }

    fn join(&mut self, path: &str, file: CheckedFile) {
        // Providers change these facts: a group without date and source cannot be checked again.
        if !file.groups.is_empty() && (file.dated.is_none() || file.sources.is_empty()) {
            let message = "states limits of providers without `dated` and `sources`; add both, so that they can be looked up again";
            self.undated.push(Finding { place: format!("{path}:1"), message: message.to_owned() });
        }
        for (name, rule) in &file.groups {
            for suffix in &rule.mx_suffixes {
                self.suffixes.entry(suffix.value.clone()).or_insert_with(|| name.clone());
            }
        }
        self.default.overlay(file.default);
        for (rules, later) in [(&mut self.groups, file.groups), (&mut self.sites, file.sites), (&mut self.destinations, file.destinations)]
        {
            for (name, rule) in later {
                rules.entry(name).or_default().overlay(rule);
            }
        }
    }

    /// The limit group of a site: the family of its first MX host (in order of preference) that a rule knows, else the site itself.
    pub fn limit_group(&self, site: &str, mx_hosts: &[String]) -> GroupName {
        GroupName::from(mx_hosts.iter().find_map(|host| self.family(host)).unwrap_or(site))
    }

    /// The effective limits of a lane of this group. `destination` may be empty: then no destination's own rule applies.
    pub fn limits(&self, group: &str, destination: &str) -> Limits {
        let mut limits = Limits::default();
        self.default.apply_to(&mut limits);
        let of_group = self.groups.get(group).or_else(|| self.sites.get(group));
        for rule in of_group.into_iter().chain(self.destinations.get(destination)) {
            rule.apply_to(&mut limits);
        }
        limits
    }

    /// What can never match or says nothing, and what is not dated: not errors, but not what was meant.
    pub fn validate(&self) -> Vec<Finding> {
        let mut findings = self.undated.clone();
        for (name, rule) in &self.groups {
            let dead: Vec<Finding> =
                rule.mx_suffixes.iter().enumerate().filter_map(|(at, suffix)| self.dead_suffix(name, rule, at, suffix)).collect();
            if dead.len() == rule.mx_suffixes.len() {
                let place = rule.first_line().map_or_else(|| "?".to_owned(), ToString::to_string);
                let message = format!("group '{name}' can never match: it has no MX suffix of its own; remove it or give it one");
                findings.push(Finding { place, message });
            }
            findings.extend(dead);
        }
        for (name, rule) in &self.sites {
            if let (Some(group), Some(line)) = (self.family(name), rule.first_line()) {
                let message = format!("site '{name}' can never match: its hosts belong to group '{group}'; put the limits there");
                findings.push(Finding { place: line.to_string(), message });
            }
        }
        findings
    }

    /// Why a suffix of a group can never decide anything, if so.
    fn dead_suffix(&self, name: &str, rule: &CheckedLimits, at: usize, suffix: &Sourced<String>) -> Option<Finding> {
        let message = if self.suffixes.get(&suffix.value).is_some_and(|owner| owner != name) {
            let owner = &self.suffixes[&suffix.value];
            format!("'{}' can never match here: group '{owner}' already has it; remove one", suffix.value)
        } else if rule.mx_suffixes[..at].iter().any(|earlier| earlier.value == suffix.value) {
            format!("'{}' stands twice in group '{name}'; remove one", suffix.value)
        } else if self.parent_family(&suffix.value) == Some(name) {
            format!("'{}' changes nothing: a shorter suffix of group '{name}' covers it; remove it", suffix.value)
        } else {
            return None;
        };
        Some(Finding { place: suffix.from.to_string(), message })
    }

    /// The group whose suffix is the longest that this host ends in, label by label.
    fn family(&self, host: &str) -> Option<&str> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        suffixes_of(&host).find_map(|suffix| self.suffixes.get(suffix)).map(String::as_str)
    }

    /// The same, for everything above the host itself.
    fn parent_family(&self, host: &str) -> Option<&str> {
        suffixes_of(host).skip(1).find_map(|suffix| self.suffixes.get(suffix)).map(String::as_str)
    }
}

/// `a.b.c`, `b.c`, `c`.
fn suffixes_of(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |rest| rest.split_once('.').map(|(_, tail)| tail))
}
