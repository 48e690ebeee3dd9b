//! `environment = test | live`: who may be reached at all.
//!
//! In `test` (the default) a message goes to a loopback receiver or to a recipient that is on the allow
//! list; everything else is held as `not_allow_listed`. `live` must be written explicitly.

use model::{Destination, Mailbox};
use std::collections::BTreeSet;

/// Which world the engine delivers into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Environment {
    /// Loopback and the allow list only.
    Test {
        /// Destinations whose every mailbox may be reached.
        destinations: BTreeSet<Destination>,
        /// Single mailboxes, lower-cased.
        mailboxes: BTreeSet<String>,
    },
    /// Real receivers.
    Live,
}

impl Environment {
    /// The word for banners, receipts and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Test { .. } => "test",
            Self::Live => "live",
        }
    }

    /// Whether a message to this recipient may leave for a receiver that is (not) on loopback.
    pub fn allows(&self, recipient: &Mailbox, receiver_on_loopback: bool) -> bool {
        match self {
            Self::Live => true,
            Self::Test { .. } if receiver_on_loopback => true,
            Self::Test { destinations, mailboxes } => {
                destinations.contains(recipient.destination()) || mailboxes.contains(&recipient.reveal().to_ascii_lowercase())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_reaches_loopback_and_the_allow_list_only() {
        let environment = Environment::Test {
            destinations: [Destination::parse("ours.example").unwrap()].into(),
            mailboxes: ["qa@other.example".to_owned()].into(),
        };
        let at = |text: &str| Mailbox::parse(text).unwrap();
        assert!(environment.allows(&at("member@anywhere.example"), true));
        assert!(environment.allows(&at("x@ours.example"), false));
        assert!(environment.allows(&at("QA@other.example"), false));
        assert!(!environment.allows(&at("member@anywhere.example"), false));
        assert!(Environment::Live.allows(&at("member@anywhere.example"), false));
    }
}
