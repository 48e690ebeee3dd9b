//! Why a job is not taken into the queue. Both are mistakes of ours, not of a peer.

use model::JobId;

/// A job the queue does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// It is in the queue already.
    #[error("{0} is in the queue already; settle it before it is pushed again")]
    AlreadyQueued(JobId),
    /// It has no destination, so it is held: it must not be pushed before a person found its recipient.
    #[error("{0} has no destination; it is held until it has one")]
    NoDestination(JobId),
}
