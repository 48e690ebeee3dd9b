//! What goes wrong with a connection, drawn when it is opened: refused, never answered, slow, reset at a byte, or silent from a byte on.
//!
//! The byte is drawn over orders of magnitude, so that the first bytes of a greeting, the reply to a final dot and the middle of a long
//! conversation are all reached. A reset is learnt by both ends. Silence is learnt by none: what is written is taken and never arrives, as
//! with a dead link or a firewall that forgot the connection; a reply that is lost so leaves a message taken and its sender in doubt.

use super::Weather;
use super::stream::Side;
use crate::simulated::random::Random;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// The last byte towards a server that a cut is drawn at: some fifty messages.
const TO_SERVER_BYTES_MAX: u64 = 1 << 20;
/// The last byte towards a client: the replies to them.
const TO_CLIENT_BYTES_MAX: u64 = 1 << 13;

/// Of 1000 connections, how many meet what. What is left goes well. Unix sockets are spared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkTrouble {
    /// Nobody listens, for once.
    pub refused_per_mille: u32,
    /// The request to connect is never answered.
    pub unanswered_per_mille: u32,
    /// Reset at some byte.
    pub reset_per_mille: u32,
    /// Silent from some byte on, one way or both.
    pub silent_per_mille: u32,
    /// Everything takes as much as `slow_by` longer, drawn for each piece.
    pub slow_per_mille: u32,
    /// How much longer on a slow connection.
    pub slow_by: Duration,
    /// Addresses to which no connection is silent or slow, because what they count would be the network's fault.
    pub prompt: BTreeSet<SocketAddr>,
}

/// What one connection meets.
#[derive(Debug, Default)]
pub(super) struct Fate {
    pub(super) knock: Knock,
    pub(super) cut: Option<Cut>,
    slow_by: Duration,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Knock {
    #[default]
    Answered,
    Refused,
    Unanswered,
}

/// Where a connection ends, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// The side towards which the byte goes.
    pub(super) towards: Side,
    /// The last byte that passes, from 1; 0 lets none pass.
    pub(super) byte: u64,
    pub(super) end: CutEnd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CutEnd {
    Reset,
    Silence,
    SilenceBothWays,
}

impl NetworkTrouble {
    pub(super) fn draw(&self, target: SocketAddr, random: &mut Random) -> Fate {
        let mut drawn = random.below(1000) as u32;
        let mut falls_into = |per_mille: u32| {
            let falls = drawn < per_mille;
            drawn = if falls { u32::MAX } else { drawn - per_mille };
            falls
        };
        let is_prompt = self.prompt.contains(&target);
        if falls_into(self.refused_per_mille) {
            return Fate { knock: Knock::Refused, ..Fate::default() };
        }
        if falls_into(self.unanswered_per_mille) {
            return Fate { knock: Knock::Unanswered, ..Fate::default() };
        }
        if falls_into(self.reset_per_mille) {
            return Fate { cut: Some(Cut::draw(random, CutEnd::Reset)), ..Fate::default() };
        }
        if falls_into(self.silent_per_mille) && !is_prompt {
            let end = if random.chance(50) { CutEnd::Silence } else { CutEnd::SilenceBothWays };
            return Fate { cut: Some(Cut::draw(random, end)), ..Fate::default() };
        }
        let slow = falls_into(self.slow_per_mille) && !is_prompt;
        Fate { slow_by: if slow { self.slow_by } else { Duration::ZERO }, ..Fate::default() }
    }
}

impl Cut {
    fn draw(random: &mut Random, end: CutEnd) -> Self {
        let (towards, bytes_max) =
            if random.chance(50) { (Side::Server, TO_SERVER_BYTES_MAX) } else { (Side::Client, TO_CLIENT_BYTES_MAX) };
        let magnitude = random.below(u64::from(bytes_max.ilog2()) + 1);
        Self { towards, byte: random.below(2 << magnitude), end }
    }
}

impl Fate {
    pub(super) fn slowed(&self, weather: Weather) -> Weather {
        Weather { delay_max: weather.delay_max + self.slow_by, ..weather }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::random::Purpose;

    fn fates(trouble: &NetworkTrouble) -> Vec<Fate> {
        let mut random = Random::new(1, Purpose::Network);
        (0..10_000).map(|_| trouble.draw(SocketAddr::from(([127, 0, 0, 1], 25)), &mut random)).collect()
    }

    #[test]
    fn shares_are_what_they_say() {
        let trouble = NetworkTrouble {
            refused_per_mille: 100,
            unanswered_per_mille: 50,
            reset_per_mille: 200,
            silent_per_mille: 150,
            slow_per_mille: 100,
            slow_by: Duration::from_secs(2),
            prompt: BTreeSet::new(),
        };
        let fates = fates(&trouble);
        let share = |is: &dyn Fn(&Fate) -> bool| fates.iter().filter(|fate| is(fate)).count() / 100;
        assert!((8..12).contains(&share(&|fate| fate.knock == Knock::Refused)));
        assert!((4..6).contains(&share(&|fate| fate.knock == Knock::Unanswered)));
        assert!((18..22).contains(&share(&|fate| fate.cut.is_some_and(|cut| cut.end == CutEnd::Reset))));
        assert!((13..17).contains(&share(&|fate| fate.cut.is_some_and(|cut| cut.end != CutEnd::Reset))));
        assert!((8..12).contains(&share(&|fate| fate.slow_by > Duration::ZERO)));
    }

    #[test]
    fn every_byte_at_which_replies_stand_can_be_the_last() {
        let fates = fates(&NetworkTrouble { reset_per_mille: 1000, ..NetworkTrouble::default() });
        let at =
            |side| fates.iter().filter_map(|fate| fate.cut).filter(|cut| cut.towards == side).map(|cut| cut.byte).collect::<BTreeSet<_>>();
        assert!((0..64).all(|byte| at(Side::Client).contains(&byte)));
        assert!(at(Side::Server).iter().any(|byte| *byte > 1 << 20));
    }

    #[test]
    fn a_prompt_address_is_reset_at_most() {
        let prompt = BTreeSet::from([SocketAddr::from(([127, 0, 0, 1], 25))]);
        let trouble = NetworkTrouble {
            silent_per_mille: 500,
            slow_per_mille: 500,
            slow_by: Duration::from_secs(1),
            prompt,
            ..NetworkTrouble::default()
        };
        assert!(fates(&trouble).iter().all(|fate| fate.cut.is_none() && fate.slow_by == Duration::ZERO));
    }
}
