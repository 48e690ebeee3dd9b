//! When a group is committed: at once where anybody waits for it, else when its patience ends.
//!
//! Frames are sealed when they come, whether or not their commit waits. So a commit that somebody waits for has nothing left to do but to
//! write and to sync, however many patient frames it takes along.

use super::{Operation, Writer};
use crate::bounds::GROUP_OPERATIONS_MAX;
use model::Stream;
use world::channel::Receiver;

impl<S: Stream> Writer<S> {
    /// Waits for operations, for what the keeper tells, or for the end of the patience. False once no handle is left.
    pub(super) async fn next(&mut self, inbox: &Receiver<Operation<S>>, operations: &mut Vec<Operation<S>>) -> bool {
        let is_open = match self.due {
            None => self.wait(inbox, operations, GROUP_OPERATIONS_MAX).await,
            Some(due) => {
                let left = due - self.parts.world.monotonic();
                let waiting = self.wait(inbox, operations, GROUP_OPERATIONS_MAX);
                // What has come together with the end of the patience goes along.
                self.parts.world.timeout(left, waiting).await.unwrap_or(true)
            }
        };
        self.patience.came(self.parts.world.monotonic(), operations.len());
        is_open
    }

    /// Whether frames that nobody waits for may go on waiting.
    pub(super) fn may_wait(&mut self) -> bool {
        if self.parts.shared.poison.get().is_some() || self.answers.len() >= GROUP_OPERATIONS_MAX {
            return false;
        }
        let now = self.parts.world.monotonic();
        let span = self.patience.span();
        now < *self.due.get_or_insert_with(|| now + span)
    }
}
