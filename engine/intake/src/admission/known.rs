//! What a row is known by, and what the key index knows of it: nothing, the same, or another version.

use super::{Admission, Stopped, conflict, duplicate};
use crate::again::Cancelled;
use crate::correction::{self, Standing};
use crate::duplicates::{KeyEntry, KeyIndex, KeyIndexError, Known, Repeat};
use crate::row::InlineRecipient;
use crate::{Fingerprints, Row, content};
use model::statement::StatementKind;
use model::{BatchId, Fingerprint, JobId, Private, Statement, Stream};
use std::collections::BTreeSet;

/// What tells a row from all others.
#[derive(Clone, Copy)]
pub(super) enum Named {
    /// Its claim, which may come in versions.
    Claim(Fingerprint),
    /// One key: stated, or of its content. Statements with a key of their own, bills and marketing messages have no versions.
    Key(Fingerprint),
}

impl<S: Stream> Admission<S> {
    /// Batches of the tenant that were cancelled: what never left of them may come again.
    pub fn after_cancelled(mut self, batches: BTreeSet<BatchId>) -> Self {
        self.cancelled = Cancelled::new(batches);
        self
    }

    /// The job that a row repeats, where that one's batch was cancelled and nobody has said yet whether it left: to be asked, and answered with
    /// [`Self::judge`], until there is none; before the row is admitted.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub fn in_doubt(&mut self, row: &Row, keys: &mut KeyIndex, fingerprints: &dyn Fingerprints) -> Result<Option<JobId>, KeyIndexError> {
        if self.cancelled.is_empty() {
            return Ok(None);
        }
        let found = match row {
            Row::Rejected { .. } => return Ok(None),
            Row::Statement(read) => {
                content::of_statement(&read.statement, self.cleared());
                let of = self.named(&read.statement, read.key.as_ref(), fingerprints);
                self.known(of, self.content(fingerprints), keys, fingerprints)?
            }
            Row::Templated(read) => {
                content::of_templated(&read.template, &read.variables, &read.authorization, self.cleared());
                let content = self.content(fingerprints);
                let of = Named::Key(templated_key(&read.recipient, read.key.as_ref(), &content, fingerprints));
                self.known(of, content, keys, fingerprints)?
            }
        };
        Ok(if let Standing::Repeat(known) = found { self.cancelled.in_doubt(&known) } else { None })
    }

    /// Says of a job of a cancelled batch whether anything of it may have left.
    pub fn judge(&mut self, job: JobId, may_have_left: bool) {
        self.cancelled.judge(job, may_have_left);
    }

    /// What a statement is known by, whose canonical bytes stand in `bytes`.
    pub(super) fn named(&self, statement: &Statement, stated: Option<&Private>, fingerprints: &dyn Fingerprints) -> Named {
        match (stated, statement.kind) {
            (Some(key), _) => Named::Key(stated_key(key, fingerprints)),
            (None, StatementKind::Eob) => Named::Claim(correction::claim_of(statement, fingerprints)),
            (None, _) => {
                let content = self.content(fingerprints);
                Named::Key(fingerprints.fingerprint("key.content", &[statement.claim_number.reveal().as_bytes(), &content.0]))
            }
        }
    }

    fn known(
        &self,
        of: Named,
        content: Fingerprint,
        keys: &mut KeyIndex,
        fingerprints: &dyn Fingerprints,
    ) -> Result<Standing, KeyIndexError> {
        let candidate = |key| self.entry(key, content);
        match of {
            Named::Claim(claim) => correction::standing(&claim, &candidate, &self.cancelled, keys, fingerprints),
            Named::Key(key) => Ok(match self.cancelled.look_up(key, &candidate, keys, fingerprints)? {
                (key, None) => Standing::New(key, None),
                (_, Some(Repeat::Same(known))) => Standing::Repeat(known),
                (_, Some(Repeat::Conflict(known))) => Standing::Conflict(known),
            }),
        }
    }

    /// The key of a row that is new, and the version before it; else the row is no job.
    pub(super) fn new_key(
        &self,
        of: Named,
        content: Fingerprint,
        keys: &mut KeyIndex,
        fingerprints: &dyn Fingerprints,
    ) -> Result<(KeyEntry, Option<Known>), Stopped> {
        match self.known(of, content, keys, fingerprints).map_err(Stopped::Unknown)? {
            Standing::Repeat(known) => Err(duplicate(known).into()),
            Standing::Conflict(known) => Err(conflict(known).into()),
            Standing::New(key, known) => Ok((self.entry(key, content), known)),
        }
    }

    /// For the canonical bytes of the next row.
    pub(super) fn cleared(&mut self) -> &mut Vec<u8> {
        self.bytes.clear();
        &mut self.bytes
    }

    pub(super) fn content(&self, fingerprints: &dyn Fingerprints) -> Fingerprint {
        fingerprints.fingerprint("content", &[&self.bytes])
    }
}

/// One text goes to many: without a key of its own, a message is the same only if it goes to the same address.
pub(super) fn templated_key(
    recipient: &InlineRecipient,
    stated: Option<&Private>,
    content: &Fingerprint,
    fingerprints: &dyn Fingerprints,
) -> Fingerprint {
    let own = || fingerprints.fingerprint("key.address", &[recipient.email.reveal().trim().as_bytes(), &content.0]);
    stated.map_or_else(own, |key| stated_key(key, fingerprints))
}

fn stated_key(key: &Private, fingerprints: &dyn Fingerprints) -> Fingerprint {
    fingerprints.fingerprint("key.stated", &[key.reveal().as_bytes()])
}
