//! Grouping: several statements of exactly one member within one batch go in one message (invariant 13).
//!
//! ```text
//! admitted row ─► to be sent by e-mail, not corrected, its member has a whole identity?
//!    no  ─► a job of its own, at once
//!    yes ─► joins the open group of the same member, reader and presentation, or opens one
//! group ─► full ─► a job                     batch read to its end ─► all that are open become jobs
//!          more bytes held than allowed ─► the oldest become jobs
//! ```
//! **Who is one member.** The id *and* the name *and* the birth date, as the join with the contact data reads them (folded, in their
//! order), all three equal. The join may know two spellings for one person; this does not: a second message does less harm than a
//! stranger's claim. A row without name and birth date is nobody's neighbour. One address with two members stays two messages.
//!
//! **What is one message.** The same reader (address, name, language, on whose behalf), protection, detail and reason, kind (a bill never
//! joins an EOB), bundle and time. What is held, goes on paper, or corrects a statement that has gone stays alone.
//!
//! **Bounds.** [`STATEMENTS_PER_MESSAGE_MAX`] and [`GROUP_BYTES_MAX`] for a message, [`GROUPED_BYTES_MAX`] for all that are open;
//! statements are held encoded and wiped when they go (100,000 rows of four lines, five a member: 4 µs of CPU and 880 bytes resident a
//! row). Nothing is put on a disk here. Whatever a bound closes is counted ([`Grouping::reasons`]): the member gets one more message,
//! never another's.
//!
//! **Corrections.** A row that is corrected further down in its file leaves its group while that is open ([`Grouping::take_out`]), and the
//! others stay. A group that is a job already is not taken apart: the correction follows it in a message of its own.

use crate::members;
use model::limits::{GROUP_BYTES_MAX, GROUPED_BYTES_MAX, STATEMENTS_PER_MESSAGE_MAX};
use model::record::{Head, HeadRow};
use model::stage::{Job, JobData, Payload};
use model::statement::StatementKind;
use model::{Fingerprint, JobId, Private, Statement, Stream};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use zeroize::Zeroizing;

/// Rows that travel behind another one in its message.
pub const GROUPED: &str = "grouped";
/// Messages that were full before their member's rows were over.
pub const GROUP_FULL: &str = "group_full";
/// Messages that were closed early because the batch has more open groups than memory is given.
pub const GROUP_CLOSED_EARLY: &str = "group_closed_early";

/// What a group takes beside its statements, in bytes, near enough: head, reader, places in maps.
const GROUP_OVERHEAD_BYTES: usize = 1024;

/// Which statements go in one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GroupBy {
    /// Each goes alone.
    #[default]
    None,
    /// Those of one member within one batch.
    MemberBatch,
}

/// A job that is put together, and its number.
pub type Closed<S> = (JobId, Job<S>);

/// Where a row went.
#[derive(Debug)]
pub struct Placed<S: Stream> {
    /// The job it is a part of, or will be.
    pub id: JobId,
    /// Jobs that are complete now; to be appended.
    pub closed: Vec<Closed<S>>,
}

/// Where a row was that is corrected.
#[derive(Debug)]
pub enum TakenOut<S: Stream> {
    /// In no group: a job of its own.
    Alone,
    /// In an open group, and now a job of its own: to be appended.
    Job(Box<Closed<S>>),
    /// In a group that is a job already.
    InGroup,
}

/// Puts the jobs of one batch together.
#[derive(Debug)]
pub struct Grouping<S: Stream> {
    by: GroupBy,
    bytes_max: usize,
    /// In the order in which they were opened.
    open: BTreeMap<JobId, Group>,
    /// The open groups of each member: one, or some that are presented differently.
    members: BTreeMap<Private, Vec<JobId>>,
    bytes: usize,
    /// Groups of several rows that were closed before the end.
    gone: BTreeSet<JobId>,
    grouped: u64,
    full: u64,
    early: u64,
    stream: PhantomData<S>,
}

/// An open group.
struct Group {
    member: Private,
    kind: StatementKind,
    /// Of its first row.
    head: Head,
    /// Without statements.
    data: JobData,
    rows: Vec<HeadRow>,
    /// Encoded, in the order of `rows`.
    statements: Vec<Zeroizing<Vec<u8>>>,
    bytes: usize,
}

impl fmt::Debug for Group {
    /// Counts alone: its statements are bytes in the clear.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group")
            .field("kind", &self.kind)
            .field("rows", &self.rows.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl<S: Stream> Grouping<S> {
    /// For one batch.
    pub fn new(by: GroupBy) -> Self {
        Self::with_bytes_max(by, GROUPED_BYTES_MAX)
    }

    fn with_bytes_max(by: GroupBy, bytes_max: usize) -> Self {
        let (open, members, gone) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { by, bytes_max, open, members, bytes: 0, gone, grouped: 0, full: 0, early: 0, stream: PhantomData }
    }

    /// Takes a job of one row. `new_id` gives numbers that ascend.
    pub fn take(&mut self, job: Job<S>, new_id: impl FnOnce() -> JobId) -> Placed<S> {
        let Some((member, kind, statement)) = self.groupable(&job) else {
            let id = new_id();
            return Placed { id, closed: vec![(id, job)] };
        };
        let size = statement.len();
        let mut closed = Vec::new();
        let ids = self.members.get(&member).into_iter().flatten();
        let fitting = ids.copied().find(|id| self.open.get(id).is_some_and(|group| group.is_for(&job, kind)));
        let fitting = match fitting {
            Some(id) if self.open.get(&id).is_some_and(|group| !group.has_room(size)) => {
                self.full += 1;
                closed.extend(self.close_now(id));
                None
            }
            other => other,
        };
        let Job { head, data, .. } = job;
        let row = head.rows().next().expect("a head has a first row");
        let id = match fitting {
            Some(id) => id,
            None => {
                let id = new_id();
                let payload = Payload::Statements(Vec::new());
                let (data, rows, statements) = (JobData { payload, ..data }, Vec::new(), Vec::new());
                let group = Group { member: member.clone(), kind, head, data, rows, statements, bytes: GROUP_OVERHEAD_BYTES };
                self.bytes += group.bytes;
                self.open.insert(id, group);
                self.members.entry(member).or_default().push(id);
                id
            }
        };
        if let Some(group) = self.open.get_mut(&id) {
            self.grouped += u64::from(!group.rows.is_empty());
            group.rows.push(row);
            group.statements.push(statement);
            group.bytes += size;
            self.bytes += size;
        }
        while self.bytes > self.bytes_max
            && let Some(oldest) = self.open.keys().next().copied()
        {
            self.early += 1;
            closed.extend(self.close_now(oldest));
        }
        Placed { id, closed }
    }

    /// Looks for a row that the index knows as a part of this job, and takes it out of its group where that is open.
    pub fn take_out(&mut self, id: JobId, content: &Fingerprint, new_id: impl FnOnce() -> JobId) -> TakenOut<S> {
        let Some(group) = self.open.get_mut(&id) else {
            return if self.gone.contains(&id) { TakenOut::InGroup } else { TakenOut::Alone };
        };
        let Some(at) = group.rows.iter().position(|row| row.content == *content) else { return TakenOut::InGroup };
        if group.rows.len() == 1 {
            return self.close(id).map_or(TakenOut::Alone, |closed| TakenOut::Job(Box::new(closed)));
        }
        let (row, statement) = (group.rows.remove(at), group.statements.remove(at));
        group.bytes -= statement.len();
        self.bytes -= statement.len();
        self.grouped -= 1;
        let job = assemble(group.head.clone(), group.data.clone(), &[row], &[statement]);
        TakenOut::Job(Box::new((new_id(), job)))
    }

    /// The batch is read: the next group becomes a job; `None` when there is none left.
    pub fn close_next(&mut self) -> Option<Closed<S>> {
        let oldest = self.open.keys().next().copied()?;
        self.close(oldest)
    }

    /// What was grouped, by reason: for the counts of the batch. Nothing where nothing was.
    pub fn reasons(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let all = [(GROUPED, self.grouped), (GROUP_FULL, self.full), (GROUP_CLOSED_EARLY, self.early)];
        all.into_iter().filter(|(_, count)| *count > 0)
    }

    /// Member, kind and encoded statement of a job that may share its message.
    fn groupable(&self, job: &Job<S>) -> Option<(Private, StatementKind, Zeroizing<Vec<u8>>)> {
        let Job { head, data, .. } = job;
        if self.by == GroupBy::None || head.held.is_some() || head.presentation.paper.is_some() || data.recipient.is_none() {
            return None;
        }
        let Payload::Statements(statements) = &data.payload else { return None };
        let [statement] = statements.as_slice() else { return None };
        if statement.particulars.correction.is_some() {
            return None;
        }
        let member = members::identity_of(&statement.member)?;
        let bytes = postcard::to_stdvec(statement).ok().map(Zeroizing::new)?;
        (bytes.len() <= GROUP_BYTES_MAX).then_some((member, statement.kind, bytes))
    }

    /// Closes a group while rows may come that correct one of its own.
    fn close_now(&mut self, id: JobId) -> Option<Closed<S>> {
        let closed = self.close(id)?;
        if !closed.1.head.further.is_empty() {
            self.gone.insert(id);
        }
        Some(closed)
    }

    fn close(&mut self, id: JobId) -> Option<Closed<S>> {
        let group = self.open.remove(&id)?;
        self.bytes -= group.bytes;
        if let Some(ids) = self.members.get_mut(&group.member) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.members.remove(&group.member);
            }
        }
        let Group { head, data, rows, statements, .. } = group;
        Some((id, assemble(head, data, &rows, &statements)))
    }
}

impl Group {
    fn is_for<S: Stream>(&self, job: &Job<S>, kind: StatementKind) -> bool {
        let (ours, theirs) = (&self.head, &job.head);
        let of_head = |head: &Head| (head.bundle, head.protection, head.priority, head.due, head.deadline, head.presentation);
        let of_data = |data: &JobData| (data.bundle, data.protection, data.presentation);
        self.kind == kind
            && of_head(ours) == of_head(theirs)
            && ours.recipient == theirs.recipient
            && self.data.recipient == job.data.recipient
            && of_data(&self.data) == of_data(&job.data)
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.rows.len() < STATEMENTS_PER_MESSAGE_MAX && self.bytes - GROUP_OVERHEAD_BYTES + bytes <= GROUP_BYTES_MAX
    }
}

/// The job of these rows; not empty.
fn assemble<S: Stream>(mut head: Head, mut data: JobData, rows: &[HeadRow], encoded: &[Zeroizing<Vec<u8>>]) -> Job<S> {
    if let Some((first, further)) = rows.split_first() {
        let HeadRow { row, key, content, money, supersedes } = *first;
        head = Head { row, key, content, money, supersedes, statements: 1, further: Vec::with_capacity(further.len()), ..head };
        further.iter().for_each(|row| head.add_row(*row));
    }
    let statement = |bytes: &Zeroizing<Vec<u8>>| postcard::from_bytes::<Statement>(bytes).expect("what was encoded here is read back");
    data.payload = Payload::Statements(encoded.iter().map(statement).collect());
    Job::new(head, data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::record::Part;
    use model::{
        BatchId, BundleId, Destination, Mailbox, MoneySummary, Presentation, Protection, Recipient, TenantId, Timestamp, Transactional,
    };

    fn job(row: u64, member: u64) -> Job<Transactional> {
        let statement = testkit::Batch::new(testkit::Options { lines: 1..=3, ..testkit::Options::default() }).row(member).statement;
        let (mailbox, money) = (Mailbox::parse("a@mail.example").expect("an address"), statement.money());
        let recipient = Recipient { mailbox, name: Private::default(), address_version: 1, language: None, on_behalf_of: false };
        let (bundle, protection, presentation) = (BundleId([0; 32]), Protection::TlsVerified, Presentation::default());
        let head = Head {
            batch: BatchId::new(1, 1),
            tenant: TenantId(1),
            row,
            key: Fingerprint([row as u8; 16]),
            content: Fingerprint([row as u8; 16]),
            recipient: Some(Fingerprint([1; 16])),
            destination: Destination::parse("mail.example").ok(),
            bundle,
            protection,
            priority: 1,
            due: Timestamp(1),
            deadline: Timestamp(2),
            statements: 1,
            money,
            held: None,
            presentation,
            supersedes: None,
            further: Vec::new(),
            language_unmet: false,
        };
        let payload = Payload::Statements(vec![statement]);
        Job::new(head, JobData { recipient: Some(recipient), payload, bundle, protection, presentation })
    }

    #[test]
    fn memory_is_bounded_and_what_it_costs_is_counted() {
        let mut grouping = Grouping::<Transactional>::with_bytes_max(GroupBy::MemberBatch, 20_000);
        let (mut seen, mut expected, mut number) = (Part::default(), Part::default(), 0);
        let mut ids = BTreeSet::new();
        let mut see = |(id, job): Closed<Transactional>| {
            assert!(ids.insert(id), "no number twice");
            job.head.rows().for_each(|row| seen.add(row.money));
        };
        for row in 1..=200u64 {
            let job = job(row, 1 + row % 40);
            expected.add(job.head.money);
            let placed = grouping.take(job, || {
                number += 1;
                JobId::new(1, number)
            });
            placed.closed.into_iter().for_each(&mut see);
            assert!(grouping.bytes <= 20_000, "{} bytes are held", grouping.bytes);
        }
        std::iter::from_fn(|| grouping.close_next()).for_each(&mut see);
        assert_eq!((grouping.bytes, grouping.members.len()), (0, 0));
        assert_eq!(seen, expected, "each row once, to the cent");
        assert!(expected.money != MoneySummary::default());
        let reasons: BTreeMap<_, _> = grouping.reasons().collect();
        assert!(reasons[GROUP_CLOSED_EARLY] > 100, "{reasons:?}");
    }

    #[test]
    fn what_waits_does_not_print() {
        let mut grouping = Grouping::<Transactional>::new(GroupBy::MemberBatch);
        let placed = grouping.take(job(1, 1), || JobId::new(1, 1));
        assert!(placed.closed.is_empty(), "it waits");
        let group = grouping.open.values().next().expect("one group is open");
        let bytes: Vec<String> = group.statements[0].iter().map(u8::to_string).collect();
        assert!(!format!("{grouping:?}").contains(&bytes[..8].join(", ")));
    }
}
