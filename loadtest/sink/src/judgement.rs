//! What a site answers: its personality with a memory. No I/O and no clock of its own.

use crate::message_id::{falls_into, hash64};
use crate::personality::{Personality, StormAt};
use model::{Mailbox, Monotonic};
use smtp::Answer;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// First tries that a site remembers; beyond it new ones are taken at once.
const FIRST_TRIES_MAX: usize = 2_000_000;

/// A site's verdict on a final dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FinalVerdict {
    /// 250.
    Accept,
    /// Something else.
    Answer(Answer),
    /// The connection is lost, the message taken or not.
    Drop { accepted: bool },
}

/// One site's judge. `None` as an answer means that it agrees.
pub(crate) struct Judge {
    personality: Personality,
    seed: u64,
    /// When a key was first seen. Only looked up, never walked.
    first_tries: HashMap<u64, Monotonic>,
    /// Message-IDs that met a loss already.
    dropped: HashSet<u64>,
}

impl Judge {
    pub(crate) fn new(personality: Personality, seed: u64) -> Self {
        Self { personality, seed, first_tries: HashMap::new(), dropped: HashSet::new() }
    }

    /// How long a greeting or the answer to a final dot takes.
    pub(crate) fn delay(&self) -> Duration {
        self.personality.delay
    }

    /// At this point of a conversation, where a storm rages.
    pub(crate) fn storm(&self, at: StormAt, now: Monotonic) -> Option<Answer> {
        let storm = self.personality.storm.filter(|storm| storm.at == at)?;
        let (every, lasts) = (storm.every.as_nanos().max(1), storm.lasts.as_nanos());
        if u128::from(now.0) % every >= lasts {
            return None;
        }
        Some(answer(match (at, storm.permanent) {
            (StormAt::Greeting, _) => "421 4.3.2 Not now, try again later",
            (StormAt::Mail, _) => "451 4.3.2 Not now, try again later",
            (StormAt::Recipient, false) => "450 4.2.0 Not now, try again later",
            (StormAt::Recipient, true) => "550 5.1.1 The mailbox does not exist",
            (StormAt::FinalDot, false) => "451 4.3.0 Not now, try again later",
            (StormAt::FinalDot, true) => "554 5.6.0 The content is not taken",
        }))
    }

    /// On a connection, where `open` others from its source are open.
    pub(crate) fn connection(&self, open: u32) -> Option<Answer> {
        let max = self.personality.connections_per_source_max?;
        (open >= max).then(|| answer("421 4.7.0 Too many concurrent connections from your address"))
    }

    /// On MAIL, after `messages` final dots on this connection.
    pub(crate) fn mail(&self, messages: u32) -> Option<Answer> {
        let max = self.personality.messages_per_connection_max?;
        (messages >= max).then(|| answer("421 4.3.2 Too many messages on this connection, closing"))
    }

    /// On RCPT.
    pub(crate) fn recipient(&mut self, sender: Option<&Mailbox>, recipient: &Mailbox, now: Monotonic) -> Option<Answer> {
        let recipient = recipient.reveal().to_ascii_lowercase();
        // Each share is drawn for itself, so that who is full is not who is unknown.
        if self.draws("unknown", &recipient, self.personality.unknown_per_mille) {
            return Some(answer("550 5.1.1 The mailbox does not exist"));
        }
        if let Some(full) = self.personality.full.filter(|full| self.draws("full", &recipient, full.per_mille)) {
            match full.empties_after {
                None => return Some(answer("552 5.2.2 The mailbox is over its quota")),
                Some(span) if self.is_too_early(hash64(&[b"full", recipient.as_bytes()]), span, now) => {
                    return Some(answer("452 4.2.2 The mailbox is full, try again later"));
                }
                Some(_) => {}
            }
        }
        let span = self.personality.greylist?;
        let sender = sender.map(Mailbox::reveal).unwrap_or_default().to_ascii_lowercase();
        self.is_too_early(hash64(&[b"greylist", sender.as_bytes(), recipient.as_bytes()]), span, now)
            .then(|| answer("451 4.7.1 Greylisted, try again later"))
    }

    /// On a final dot: the `in_window`th of its source.
    pub(crate) fn final_dot(&mut self, in_window: u32, message_id: Option<u64>) -> FinalVerdict {
        if let Some(rate) = self.personality.rate.filter(|rate| in_window > rate.messages) {
            return FinalVerdict::Answer(if rate.closes {
                answer("421 4.7.28 Your address sends more mail than we take, try again later")
            } else {
                answer("451 4.7.1 Your address sends more mail than we take, try again later")
            });
        }
        let (Some(drops), Some(id)) = (self.personality.drops, message_id) else { return FinalVerdict::Accept };
        let draw = hash64(&[b"drop", &self.seed.to_le_bytes(), &id.to_le_bytes()]);
        if falls_into(draw, drops.per_mille) && self.dropped.len() < FIRST_TRIES_MAX && self.dropped.insert(id) {
            return FinalVerdict::Drop { accepted: falls_into(draw / 1000, drops.accepted_per_mille) };
        }
        FinalVerdict::Accept
    }

    fn draws(&self, what: &str, recipient: &str, per_mille: u16) -> bool {
        per_mille > 0 && falls_into(hash64(&[what.as_bytes(), &self.seed.to_le_bytes(), recipient.as_bytes()]), per_mille)
    }

    fn is_too_early(&mut self, key: u64, span: Duration, now: Monotonic) -> bool {
        if self.first_tries.len() >= FIRST_TRIES_MAX && !self.first_tries.contains_key(&key) {
            return false;
        }
        now.since(*self.first_tries.entry(key).or_insert(now)) < span
    }
}

/// An answer that is written in this crate.
pub(crate) fn answer(line: &'static str) -> Answer {
    Answer::parse(line).expect("an answer written in this crate is well-formed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personality::{Drops, RateLimit, Storm};

    fn mailbox(number: u32) -> Mailbox {
        Mailbox::parse(&format!("m{number}@d00001.example")).unwrap()
    }

    fn code(answer: Option<Answer>) -> u16 {
        answer.map_or(250, |answer| answer.code())
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn greylisting_waits_for_each_pair_of_sender_and_recipient() {
        let mut judge = Judge::new(Personality::greylisting(SECOND), 1);
        let (sender, start) = (mailbox(99), Monotonic(5));
        assert_eq!(code(judge.recipient(Some(&sender), &mailbox(1), start)), 451);
        assert_eq!(code(judge.recipient(Some(&sender), &mailbox(1), start + SECOND / 2)), 451);
        assert_eq!(code(judge.recipient(None, &mailbox(1), start + SECOND)), 451, "another sender");
        assert_eq!(code(judge.recipient(Some(&sender), &mailbox(1), start + SECOND)), 250);
    }

    #[test]
    fn unknown_and_full_are_shares_that_the_seed_decides() {
        let refused = |seed| {
            let mut judge = Judge::new(Personality::refusing(250), seed);
            (0..1000).filter(|number| code(judge.recipient(None, &mailbox(*number), Monotonic(0))) == 550).collect::<Vec<_>>()
        };
        assert!((200..300).contains(&refused(1).len()));
        assert_eq!(refused(1), refused(1));
        assert_ne!(refused(1), refused(2));
        let mut full = Judge::new(Personality::full(1000, Some(SECOND)), 1);
        assert_eq!(code(full.recipient(None, &mailbox(1), Monotonic(0))), 452);
        assert_eq!(code(full.recipient(None, &mailbox(1), Monotonic(0) + SECOND)), 250);
        let mut for_good = Judge::new(Personality::full(1000, None), 1);
        assert_eq!(code(for_good.recipient(None, &mailbox(1), Monotonic(u64::MAX))), 552);
    }

    #[test]
    fn limits_begin_behind_their_number() {
        assert_eq!(code(Judge::new(Personality::connection_limited(2), 1).connection(1)), 250);
        assert_eq!(code(Judge::new(Personality::connection_limited(2), 1).connection(2)), 421);
        assert_eq!(code(Judge::new(Personality::closing(3), 1).mail(2)), 250);
        assert_eq!(code(Judge::new(Personality::closing(3), 1).mail(3)), 421);
        let mut limited = Judge::new(Personality::rate_limited(3, SECOND), 1);
        assert_eq!(limited.final_dot(3, None), FinalVerdict::Accept);
        assert!(matches!(limited.final_dot(4, None), FinalVerdict::Answer(answer) if answer.code() == 421));
        let open = Personality { rate: Some(RateLimit { messages: 3, window: SECOND, closes: false }), ..Personality::default() };
        assert!(matches!(Judge::new(open, 1).final_dot(4, None), FinalVerdict::Answer(answer) if answer.code() == 451));
    }

    #[test]
    fn a_storm_comes_and_goes_at_its_point() {
        let storm = Storm { every: SECOND * 10, lasts: SECOND * 3, at: StormAt::Recipient, permanent: false };
        let judge = Judge::new(Personality::storming(storm), 1);
        let at = |seconds: u32| code(judge.storm(StormAt::Recipient, Monotonic(0) + SECOND * seconds));
        assert_eq!([at(0), at(2), at(3), at(9), at(10), at(13)], [450, 450, 250, 250, 450, 250]);
        assert_eq!(code(judge.storm(StormAt::FinalDot, Monotonic(0))), 250);
        let for_good = Judge::new(Personality::storming(Storm { at: StormAt::FinalDot, permanent: true, ..storm }), 1);
        assert_eq!(code(for_good.storm(StormAt::FinalDot, Monotonic(0))), 554);
    }

    #[test]
    fn a_message_is_lost_at_most_once() {
        let drops = Drops { per_mille: 500, accepted_per_mille: 500 };
        let mut judge = Judge::new(Personality { drops: Some(drops), ..Personality::default() }, 1);
        let first: Vec<_> = (0..1000).map(|id| judge.final_dot(1, Some(id))).collect();
        let of = |accepted| first.iter().filter(|verdict| **verdict == FinalVerdict::Drop { accepted }).count();
        assert!((200..300).contains(&of(true)) && (200..300).contains(&of(false)), "{} {}", of(true), of(false));
        assert!((0..1000).all(|id| judge.final_dot(1, Some(id)) == FinalVerdict::Accept));
    }
}
