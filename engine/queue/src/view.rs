//! Where a job stands and why: the answer to "why is this message not sent yet?".

use model::{BatchId, Destination, JobId, Timestamp};
use std::fmt;

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its time has not come.
    Scheduled {
        /// Then it comes.
        due: Timestamp,
    },
    /// It waits for a lane of this limit group.
    WaitsForLane {
        /// The group's number.
        group: u32,
        /// Jobs that may go in this group, itself included.
        ready: u64,
    },
    /// The mail exchangers of its destination are not known yet.
    Unresolved,
    /// Its batch is held.
    BatchHeld,
    /// Its destination is suspended.
    DestinationSuspended,
    /// An attempt is under way.
    InFlight,
    /// Its deadline has passed; it is about to expire.
    Late,
}

/// One job as the queue sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Which.
    pub job: JobId,
    /// Its batch.
    pub batch: BatchId,
    /// Where it goes.
    pub destination: Destination,
    /// 0 is the most urgent.
    pub priority: u8,
    /// Attempts that have ended.
    pub attempts: u16,
    /// Expires after this moment.
    pub deadline: Timestamp,
    /// Where it stands.
    pub standing: Standing,
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {} (priority {}, {} attempts): ", self.job, self.destination, self.priority, self.attempts)?;
        match self.standing {
            Standing::Scheduled { due } => write!(f, "due at {}", due.to_jiff()),
            Standing::WaitsForLane { ready, .. } => write!(f, "waits for a lane; {ready} may go in its limit group"),
            Standing::Unresolved => f.write_str("the mail exchangers of its destination are not known yet"),
            Standing::BatchHeld => write!(f, "its batch {} is held", self.batch),
            Standing::DestinationSuspended => f.write_str("its destination is suspended"),
            Standing::InFlight => f.write_str("an attempt is under way"),
            Standing::Late => f.write_str("its deadline has passed"),
        }
    }
}
