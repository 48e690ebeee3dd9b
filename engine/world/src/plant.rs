//! Planted bugs: deliberate faults behind a switch of the simulator, the proof that its checkers see.
//!
//! A checker that never found anything proves nothing. Each [`Plant`] is a mistake as people make it; a line of production code asks
//! [`World::is_planted`](crate::World::is_planted) and does the wrong thing where the answer is yes. The crate `sim` runs seeds with one
//! plant each and demands a finding; its manual (`engine/sim/PLANTS.md`) keeps the table of what was found where.
//!
//! It promises that no real engine can have one: without the cargo feature `planted` the question is a constant `false`, and the
//! compiler drops the site; with it, only a simulated world on which `Simulation::plant` was called says yes.
//! [`World::real`](crate::World::real) has no way to be told.

/// Makes the enum, its list and its names from one place.
macro_rules! plants {
    ($($(#[doc = $doc:literal])+ $plant:ident = $name:literal,)+) => {
        /// A deliberate fault. Each line says what is broken, then which invariant it breaks, and which checker should see it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Plant {
            $($(#[doc = $doc])+ $plant,)+
        }

        impl Plant {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$plant,)+];

            /// Its name on a command line.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$plant => $name,)+
                }
            }

            /// What is broken, in one sentence.
            pub fn what(self) -> &'static str {
                match self {
                    $(Self::$plant => concat!($($doc),+).trim(),)+
                }
            }
        }
    };
}

plants! {
    /// A row whose key was accepted before is accepted again (2, 3; `every_row_accounted_for`, `nothing_sent_twice_unless_uncertain`).
    DuplicateAdmitted = "duplicate-admitted",
    /// An accepted row is counted and not appended (1, 3; `every_row_accounted_for`, `nothing_lost`).
    RowDropped = "row-dropped",
    /// A rejected row is passed over and counted nowhere; the engine's own balance sees it (3; `a_life_comes_to_its_end`).
    RejectDropped = "reject-dropped",
    /// A batch counts one of its rows twice (3; `every_row_accounted_for`).
    RowCountedTwice = "row-counted-twice",
    /// Jobs forget the money of their row (3; `every_row_accounted_for`).
    MoneyLost = "money-lost",
    /// The statement of row i gets the recipient of the row before it, in the assembly of a batch (13; `right_content_to_right_address`).
    SwappedRecipients = "swapped-recipients",
    /// The keys of a refused batch stay taken: its rows count as duplicates of themselves (2; `every_row_accounted_for`).
    DiscardedKeysCount = "discarded-keys-count",

    /// The record is not synced: what was answered may be gone (1, 10; `nothing_lost`, `nothing_sent_twice_unless_uncertain`).
    SkipRecordSync = "skip-record-sync",
    /// The work log is not synced: a committed job may have no payload (1; `nothing_lost`).
    SkipWorkSync = "skip-work-sync",
    /// A streamed job is answered before its sync (1; `nothing_lost`).
    AckJobBeforeSync = "ack-job-before-sync",
    /// A batch's commit is answered before its sync (1; `nothing_lost`, `nothing_sent_twice_unless_uncertain`).
    AckBatchBeforeSync = "ack-batch-before-sync",
    /// Heads are durable before the payloads that they name (1; `nothing_lost`).
    HeadsBeforePayloads = "heads-before-payloads",
    /// A commit is written together with its heads, not after they are durable (2; `nothing_lost`, `every_row_accounted_for`).
    CommitBeforeHeads = "commit-before-heads",
    /// A failed sync is taken for a good one (1; `nothing_lost`, `a_life_comes_to_its_end`).
    FailedSyncIgnored = "failed-sync-ignored",
    /// A start takes the epoch of the start before it (5; `no_nonce_twice_under_one_key`).
    EpochNotRaised = "epoch-not-raised",
    /// Frames are numbered from 0 again after a segment is full (5; `no_nonce_twice_under_one_key`).
    SequenceRestarted = "sequence-restarted",
    /// The cipher is skipped: payloads lie on the disk as they were encoded (5; `nothing_readable_on_disk`).
    PlaintextPayload = "plaintext-payload",
    /// A locator names the first frame of its segment, and nobody checks whose frame that is: one member gets everybody's messages, which
    /// are all that member's own (13; `nothing_lost`, `nothing_sent_twice_unless_uncertain`).
    LocatorUnchecked = "locator-unchecked",

    /// The content key of a settled batch is not deleted (6; `deleted_keys_are_gone`).
    KeyKept = "key-kept",
    /// A batch's content key is deleted with its commit (6, 10; `nothing_lost`).
    KeyDestroyedEarly = "key-destroyed-early",
    /// A segment is removed while one job in it is live (1, 10; `nothing_lost`).
    LiveSegmentReclaimed = "live-segment-reclaimed",

    /// A moved payload's new place is not recorded: the next start looks for it where it was (1, 10; `nothing_lost`).
    MoveForgotten = "move-forgotten",
    /// An emptied segment goes before the new places of its payloads are durable (1, 10; `nothing_lost`).
    MoveUnsynced = "move-unsynced",
    /// A checkpoint leaves jobs out: a start from it does not know them (1, 10, 12; `nothing_lost`, `every_row_accounted_for`).
    CheckpointForgets = "checkpoint-forgets",
    /// A start does not follow the record for keys: a repeat of what was accepted before it is accepted again
    /// (2; `every_row_accounted_for`, `nothing_sent_twice_unless_uncertain`).
    KeysForgotten = "keys-forgotten",

    /// Recovery passes over intents: what may have been sent is queued as new (10; `nothing_sent_twice_unless_uncertain`).
    IntentForgotten = "intent-forgotten",
    /// Recovery takes held jobs for queued ones (4, 10; `nothing_lost`, `a_life_comes_to_its_end`).
    HeldForgotten = "held-forgotten",
    /// Recovery passes over the last frame of the record (10; `nothing_lost`, `nothing_sent_twice_unless_uncertain`).
    LastFrameDropped = "last-frame-dropped",
    /// Recovery lets the rows of a batch without commit bind (2; `every_row_accounted_for`).
    UncommittedBinds = "uncommitted-binds",
    /// A start sends uncertain jobs again without saying so in the record (10; `nothing_sent_twice_unless_uncertain`).
    ResendUnannounced = "resend-unannounced",
    /// A start forgets that an operator holds a batch (12; `orders_are_obeyed`).
    HoldForgotten = "hold-forgotten",
    /// A start forgets that an operator cancelled a batch (12; `orders_are_obeyed`).
    CancelForgotten = "cancel-forgotten",
    /// A start gives every lane its full burst, whatever was sent before it (8; `limits_hold_at_the_receiver`).
    BucketFullAtStart = "bucket-full-at-start",

    /// Neighbours in a slice get each other's envelope, in the prepare worker (13; `right_content_to_right_address`).
    SwappedEnvelopes = "swapped-envelopes",
    /// A rendered message is kept in a file (4, 5; `nothing_readable_on_disk`).
    RenderedToDisk = "rendered-to-disk",
    /// A resend renders anew, with another date and another hash (4; `nothing_sent_twice_unless_uncertain`).
    FrozenIgnored = "frozen-ignored",

    /// The intent is appended after the final dot (10; `nothing_sent_twice_unless_uncertain`).
    IntentAfterDot = "intent-after-dot",
    /// The final dot does not wait for the intent's sync (10; `nothing_sent_twice_unless_uncertain`).
    DotBeforeSync = "dot-before-sync",
    /// What a receiver answered is not recorded (10, 12; `every_row_accounted_for`, `nothing_lost`).
    OutcomeNotWritten = "outcome-not-written",
    /// A reply that is lost after the final dot counts as not sent (10; `nothing_sent_twice_unless_uncertain`).
    LostReplyNotSent = "lost-reply-not-sent",
    /// A lane sends one message more than its receiver allows in a window (8; `limits_hold_at_the_receiver`).
    OneTooMany = "one-too-many",
    /// A lane opens connections beyond its limit (8; `limits_hold_at_the_receiver`).
    ConnectionLimitIgnored = "connection-limit-ignored",
    /// A message put back is due after half the time that was decided (8; `limits_hold_at_the_receiver`).
    DueIgnored = "due-ignored",
    /// "Try later" counts as "never" (11; `nothing_lost`).
    TemporaryIsPermanent = "temporary-is-permanent",
    /// "Never" counts as "try later" (11; `nothing_lost`).
    PermanentIsTemporary = "permanent-is-temporary",
    /// The ledger misses a record now and then (12; `every_row_accounted_for`).
    RecordMissed = "record-missed",
}

impl Plant {
    /// The plant of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|plant| plant.name() == name)
    }

    /// Its bit in a set of plants.
    #[cfg(feature = "planted")]
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u8
    }
}

const _: () = assert!(Plant::ALL.len() <= 64, "a set of plants is 64 bits");

impl std::fmt::Display for Plant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::World;
    use std::collections::BTreeSet;

    #[test]
    fn the_real_world_has_no_planted_bug() {
        let world = World::real();
        assert!(Plant::ALL.iter().all(|plant| !world.is_planted(*plant) && !world.host("another").is_planted(*plant)));
    }

    #[cfg(feature = "planted")]
    #[test]
    fn a_simulated_world_has_what_was_planted_on_it_and_no_more() {
        let (sick, sound) = (crate::simulated::Simulation::new(1), crate::simulated::Simulation::new(1));
        sick.plant(Plant::SkipWorkSync);
        assert!(sick.world().is_planted(Plant::SkipWorkSync));
        assert!(!sick.world().is_planted(Plant::SkipRecordSync));
        assert!(Plant::ALL.iter().all(|plant| !sound.world().is_planted(*plant)));
    }

    #[test]
    fn each_has_a_name_of_its_own_and_says_what_it_breaks() {
        let names: BTreeSet<&str> = Plant::ALL.iter().map(|plant| plant.name()).collect();
        assert_eq!(names.len(), Plant::ALL.len());
        for plant in Plant::ALL {
            assert_eq!(Plant::from_name(plant.name()), Some(*plant));
            assert!(plant.what().ends_with(").") && plant.what().contains('`'), "{plant}: {}", plant.what());
        }
        assert_eq!(Plant::from_name("none"), None);
    }
}
