//! What a rule looks for. Everything it states must match; within a list, any.

use crate::evidence::{Evidence, Phase, Trouble};
use model::EnhancedCode;

/// `421`, `4yz` or `5yz`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CodePattern {
    Exactly(u16),
    Class(u16),
}

impl CodePattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "4yz" => Ok(Self::Class(4)),
            "5yz" => Ok(Self::Class(5)),
            _ => match text.parse::<u16>() {
                Ok(code) if (400..600).contains(&code) && text.len() == 3 => Ok(Self::Exactly(code)),
                _ => Err(format!("'{text}': expected a reply code from \"400\" to \"599\", or \"4yz\", or \"5yz\"")),
            },
        }
    }

    fn matches(self, code: u16) -> bool {
        match self {
            Self::Exactly(exactly) => code == exactly,
            Self::Class(class) => code / 100 == class,
        }
    }

    fn covers(self, other: Self) -> bool {
        match other {
            Self::Exactly(code) => self.matches(code),
            Self::Class(_) => self == other,
        }
    }
}

/// `4.7.28`, `x.1.1`, `5.7.x`, `5.7.606-649`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EnhancedPattern {
    class: Option<u8>,
    subject: u16,
    details: (u16, u16),
}

impl EnhancedPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        Self::read(text).ok_or_else(|| format!("'{text}': expected an enhanced code such as 4.7.28, x.1.1, 5.7.x or 5.7.606-649"))
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let (class, subject, detail) = (parts.next()?, parts.next()?, parts.next()?);
        let number = |part: &str| part.parse::<u16>().ok().filter(|number| *number <= 999);
        let class = match class {
            "x" => None,
            "4" => Some(4),
            "5" => Some(5),
            _ => return None,
        };
        let details = match (detail, detail.split_once('-')) {
            ("x", _) => (0, 999),
            (_, Some((from, to))) => (number(from)?, number(to)?),
            (one, None) => (number(one)?, number(one)?),
        };
        (parts.next().is_none() && details.0 <= details.1).then_some(Self { class, subject: number(subject)?, details })
    }

    fn matches(self, code: EnhancedCode) -> bool {
        self.class.is_none_or(|class| class == code.class)
            && self.subject == code.subject
            && (self.details.0..=self.details.1).contains(&code.detail)
    }

    fn covers(self, other: Self) -> bool {
        (self.class.is_none() || self.class == other.class)
            && self.subject == other.subject
            && self.details.0 <= other.details.0
            && other.details.1 <= self.details.1
    }
}

/// What a rule looks for; an empty list asks for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Matching {
    pub(crate) mx_suffixes: Vec<String>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) codes: Vec<CodePattern>,
    pub(crate) enhanced: Vec<EnhancedPattern>,
    /// In lower case.
    pub(crate) texts: Vec<String>,
    pub(crate) troubles: Vec<Trouble>,
    /// Its enhanced codes are used for anything: texts know more.
    pub(crate) after_text: bool,
}

impl Matching {
    /// Whether it fits. `text` is the reply's text in lower case.
    pub(crate) fn matches(&self, evidence: &Evidence<'_>, text: &str) -> bool {
        let of_provider = any(&self.mx_suffixes, |suffix| evidence.mx_hosts.iter().any(|host| is_below(host, suffix)));
        if !of_provider || !any(&self.phases, |phase| *phase == evidence.phase) {
            return false;
        }
        match evidence.reply {
            Some(reply) => {
                self.troubles.is_empty()
                    && any(&self.codes, |pattern| pattern.matches(reply.code))
                    && any(&self.enhanced, |pattern| reply.enhanced.is_some_and(|code| pattern.matches(code)))
                    && any(&self.texts, |part| text.contains(part.as_str()))
            }
            None => !self.troubles.is_empty() && evidence.trouble.is_some_and(|trouble| self.troubles.contains(&trouble)),
        }
    }

    /// The more telling rules are asked first: a provider's own, then enhanced codes, then texts, then enhanced codes that
    /// are used for anything, then codes alone.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self { mx_suffixes, .. } if !mx_suffixes.is_empty() => 0,
            Self { enhanced, after_text: false, .. } if !enhanced.is_empty() => 1,
            Self { texts, .. } if !texts.is_empty() => 2,
            Self { enhanced, .. } if !enhanced.is_empty() => 3,
            _ => 4,
        }
    }

    /// Whether everything the other one matches is matched by this one too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        all_covered(&self.mx_suffixes, &other.mx_suffixes, |wide, narrow| is_below(narrow, wide))
            && all_covered(&self.phases, &other.phases, |wide, narrow| wide == narrow)
            && all_covered(&self.codes, &other.codes, |wide, narrow| wide.covers(*narrow))
            && all_covered(&self.enhanced, &other.enhanced, |wide, narrow| wide.covers(*narrow))
            && all_covered(&self.texts, &other.texts, |wide, narrow| narrow.contains(wide.as_str()))
            && all_covered(&self.troubles, &other.troubles, |wide, narrow| wide == narrow)
            && self.troubles.is_empty() == other.troubles.is_empty()
    }
}

/// An empty list asks for nothing.
fn any<T>(list: &[T], test: impl Fn(&T) -> bool) -> bool {
    list.is_empty() || list.iter().any(test)
}

fn all_covered<T>(wide: &[T], narrow: &[T], covers: impl Fn(&T, &T) -> bool) -> bool {
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|one| wide.iter().any(|other| covers(other, one))))
}

/// Whether a host is the suffix or lies below it, label by label.
fn is_below(host: &str, suffix: &str) -> bool {
    let host = host.trim_end_matches('.');
    let Some(start) = host.len().checked_sub(suffix.len()) else { return false };
    let (Some(head), Some(tail)) = (host.get(..start), host.get(start..)) else { return false };
    tail.eq_ignore_ascii_case(suffix) && (head.is_empty() || head.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_match_label_by_label() {
        assert!(is_below("ASPMX.L.Google.com.", "google.com") && is_below("google.com", "google.com"));
        assert!(!is_below("notgoogle.com", "google.com") && !is_below("com", "google.com"));
    }

    #[test]
    fn enhanced_patterns_match_ranges_and_any() {
        let matches = |pattern: &str, code: &str| EnhancedPattern::parse(pattern).unwrap().matches(EnhancedCode::parse(code).unwrap());
        assert!(matches("5.7.606-649", "5.7.606") && matches("5.7.606-649", "5.7.649") && !matches("5.7.606-649", "5.7.650"));
        assert!(matches("x.1.1", "4.1.1") && matches("5.7.x", "5.7.999") && !matches("5.7.x", "4.7.1"));
        for pattern in ["5", "5.7", "2.1.1", "x.x.x", "5.7.9-1", "5.7.1.1", "5.1000.1"] {
            assert!(EnhancedPattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
