//! Where a job goes inside the queue: wheel, line, in flight, out; and where a line goes.
//!
//! The one rule to keep: a line has turns in its home group exactly while it has jobs, its destination has a home and
//! is not suspended, and its batch is not held. Everything that changes one of these calls [`Queue::settle_line`].

use super::{GroupId, Queue, Scope};
use crate::batch::Batch;
use crate::entry::{Entry, Place, RING_WAIT};
use crate::line::{Line, RING_BATCH, RING_DESTINATION};
use crate::slab::{Link, List, Node, Slot};
use model::stage::DueDelivery;
use model::{BatchId, Stream, TenantId};

impl<S: Stream> Queue<S> {
    /// Puts a job that is nowhere where its time and its deadline say.
    pub(super) fn place(&mut self, slot: Slot) {
        if self.entries[slot].overdue {
            self.entries[slot].place = Place::Late;
            self.late.push_back(slot);
        } else if self.entries[slot].due > self.now {
            self.entries[slot].place = Place::Scheduled;
            self.due.insert(&mut self.entries, slot);
        } else {
            self.join_line(slot);
        }
    }

    pub(super) fn join_line(&mut self, slot: Slot) {
        let Entry { destination, batch, priority, .. } = self.entries[slot];
        let line = self.line(destination, batch, priority);
        self.entries[slot].place = Place::Waiting;
        let record = &mut self.lines[line];
        record.jobs.push_back(&mut self.entries, RING_WAIT, slot);
        record.length += 1;
        match record.turn_in {
            Some(group) => self.groups[group as usize].ready += 1,
            None => self.settle_line(line),
        }
    }

    pub(super) fn leave_line(&mut self, slot: Slot, line: Slot) {
        let record = &mut self.lines[line];
        record.jobs.remove(&mut self.entries, RING_WAIT, slot);
        record.length -= 1;
        if let Some(group) = record.turn_in {
            self.groups[group as usize].ready -= 1;
        }
        if record.length == 0 {
            self.forget_line(line);
        }
    }

    /// Takes a job that is not in flight out of its wheel or line.
    pub(super) fn detach(&mut self, slot: Slot) {
        let entry = &self.entries[slot];
        match entry.place {
            Place::Scheduled => self.due.remove(&mut self.entries, slot),
            Place::Waiting => {
                let line = self.line_of[&(entry.destination, entry.batch, entry.priority)];
                self.leave_line(slot, line);
            }
            Place::Nowhere | Place::InFlight | Place::Late => {}
        }
        self.entries[slot].place = Place::Late;
    }

    /// Removes a job that is in no line and no due wheel.
    pub(super) fn leave(&mut self, slot: Slot) -> DueDelivery<S> {
        let delivery = self.delivery(slot);
        let Entry { job, batch, overdue, .. } = self.entries[slot];
        if !overdue {
            self.deadlines.remove(&mut self.entries, slot);
        }
        self.index.remove(&self.entries, job);
        self.entries.remove(slot, Entry::husk(batch));
        self.batches[batch].jobs -= 1;
        if self.batches[batch].jobs == 0 {
            let record = self.batches[batch].clone();
            self.batch_of.remove(&record.id);
            self.batches.remove(batch, record);
        }
        delivery
    }

    pub(super) fn delivery(&self, slot: Slot) -> DueDelivery<S> {
        let entry = &self.entries[slot];
        let batch = &self.batches[entry.batch];
        DueDelivery::new(
            entry.job,
            entry.locator,
            entry.message,
            entry.destination,
            batch.tenant,
            batch.id,
            entry.priority,
            entry.attempts,
            entry.deadline,
            entry.frozen,
            slot.number(),
        )
    }

    /// The slot of a delivery that is really out; `None` for one that has left, whose slot may serve another job.
    pub(super) fn in_flight_slot(&self, delivery: &DueDelivery<S>) -> Option<Slot> {
        let slot = Slot::from_number(delivery.slot)?;
        self.entries.get(slot).filter(|entry| entry.job == delivery.job && entry.place == Place::InFlight).map(|_| slot)
    }

    pub(super) fn batch(&mut self, id: BatchId, tenant: TenantId) -> Slot {
        if let Some(slot) = self.batch_of.get(&id) {
            return *slot;
        }
        let held = self.held.contains(&id);
        let slot =
            self.batches.insert(Batch { links: [Link::default()], id, tenant, lines: List::default(), jobs: 0, held, cancelled: false });
        self.batch_of.insert(id, slot);
        slot
    }

    pub(super) fn line(&mut self, destination: u32, batch: Slot, priority: u8) -> Slot {
        if let Some(line) = self.line_of.get(&(destination, batch, priority)) {
            return *line;
        }
        let line = self.lines.insert(Line::new(destination, batch, priority, self.batches[batch].tenant));
        self.line_of.insert((destination, batch, priority), line);
        self.batches[batch].lines.push_back(&mut self.lines, RING_BATCH, line);
        self.destinations[destination as usize].lines.push_back(&mut self.lines, RING_DESTINATION, line);
        line
    }

    pub(super) fn forget_line(&mut self, line: Slot) {
        self.unlink_line(line);
        let husk = self.lines[line].clone();
        self.line_of.remove(&husk.key());
        self.batches[husk.batch].lines.remove(&mut self.lines, RING_BATCH, line);
        self.destinations[husk.destination as usize].lines.remove(&mut self.lines, RING_DESTINATION, line);
        self.lines.remove(line, husk);
    }

    pub(super) fn unlink_line(&mut self, line: Slot) {
        if let Some(group) = self.lines[line].turn_in.take() {
            self.groups[group as usize].unlink(&mut self.lines, line);
        }
    }

    /// Gives a line its turns in the group where it belongs now, or takes them away.
    pub(super) fn settle_line(&mut self, line: Slot) {
        let Line { destination, batch, turn_in, .. } = self.lines[line];
        let record = &mut self.destinations[destination as usize];
        let stopped = record.suspended || self.batches[batch].held;
        if record.home.is_none() && !record.asked && !stopped {
            record.asked = true;
            self.unresolved.push_back(destination);
        }
        let belongs = record.home.filter(|_| !stopped);
        if belongs == turn_in {
            return;
        }
        self.unlink_line(line);
        if let Some(group) = belongs {
            let record = &mut self.groups[group as usize];
            if !std::mem::replace(&mut record.announced, true) {
                self.awakened.push(GroupId(group));
            }
            record.link(&mut self.lines, line);
            self.lines[line].turn_in = Some(group);
        }
    }

    pub(super) fn settle_lines_of_destination(&mut self, destination: u32) {
        let mut next = self.destinations[destination as usize].lines.front();
        while let Some(line) = next {
            next = self.lines[line].link(RING_DESTINATION).next;
            self.settle_line(line);
        }
    }

    pub(super) fn set_stopped(&mut self, scope: Scope, stopped: bool) {
        match scope {
            Scope::Destination(destination) => {
                if let Some(record) = self.destinations.get_mut(destination as usize) {
                    record.suspended = stopped;
                    self.settle_lines_of_destination(destination);
                }
            }
            Scope::Batch(batch) => {
                if stopped {
                    self.held.insert(batch)
                } else {
                    self.held.remove(&batch)
                };
                let Some(slot) = self.batch_of.get(&batch).copied() else { return };
                self.batches[slot].held = stopped;
                let mut next = self.batches[slot].lines.front();
                while let Some(line) = next {
                    next = self.lines[line].link(RING_BATCH).next;
                    self.settle_line(line);
                }
            }
        }
    }

    pub(super) fn ask_again_by_now(&mut self) {
        while let Some((at, destination)) = self.ask_again.pop_first() {
            if at > self.now {
                self.ask_again.insert((at, destination));
                return;
            }
            let record = &mut self.destinations[destination as usize];
            if record.home.is_none() {
                // With jobs it is named again at once, else with its next job.
                record.asked = false;
                self.settle_lines_of_destination(destination);
            }
        }
    }
}
