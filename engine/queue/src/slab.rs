//! Nodes in chunks, addressed by a small number, and lists threaded through them.
//!
//! Chunks never move: growing costs one allocation, never a copy of millions of nodes. A freed slot is used again, the
//! latest first. Lists are doubly linked through fields of the nodes, so taking one out of the middle is constant.

use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};

const CHUNK_BITS: u32 = 10;
const CHUNK_NODES: usize = 1 << CHUNK_BITS;

/// Where a node lies. `Option<Slot>` is 4 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(NonZeroU32);

impl Slot {
    /// The slot as a plain number, from 0.
    pub(crate) fn number(self) -> u32 {
        self.0.get() - 1
    }

    /// The slot with this number; `None` for the one number that does not exist.
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        number.checked_add(1).and_then(NonZeroU32::new).map(Self)
    }
}

/// The neighbours of a node in one list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) prev: Option<Slot>,
    pub(crate) next: Option<Slot>,
}

/// A node that can be in several lists at once: one per ring.
pub(crate) trait Node {
    /// Its neighbours in a ring.
    fn link(&self, ring: usize) -> &Link;
    /// The same, to be changed.
    fn link_mut(&mut self, ring: usize) -> &mut Link;
}

/// All nodes of a kind.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    chunks: Vec<Vec<T>>,
    /// Freed slots, linked through ring 0.
    free: Option<Slot>,
    used: usize,
}

impl<T: Node> Slab<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Vec::new(), free: None, used: 0 }
    }

    pub(crate) fn insert(&mut self, node: T) -> Slot {
        self.used += 1;
        if let Some(slot) = self.free {
            self.free = self[slot].link(0).next;
            self[slot] = node;
            return slot;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK_NODES) {
            self.chunks.push(Vec::with_capacity(CHUNK_NODES));
        }
        let before = (self.chunks.len() - 1) << CHUNK_BITS;
        let chunk = self.chunks.last_mut().expect("a chunk with room was just made sure of");
        chunk.push(node);
        let number = u32::try_from(before + chunk.len() - 1).expect("four billion entries do not fit this machine");
        Slot::from_number(number).expect("the last number is never reached")
    }

    /// Frees a slot. `husk` takes its place until it is used again.
    pub(crate) fn remove(&mut self, slot: Slot, mut husk: T) {
        *husk.link_mut(0) = Link { prev: None, next: self.free };
        self[slot] = husk;
        self.free = Some(slot);
        self.used -= 1;
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&T> {
        let number = slot.number() as usize;
        self.chunks.get(number >> CHUNK_BITS)?.get(number & (CHUNK_NODES - 1))
    }

    /// Every slot there is, freed ones too, in order.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> + use<T> {
        let count = self.chunks.len().saturating_sub(1) * CHUNK_NODES + self.chunks.last().map_or(0, Vec::len);
        (0..u32::try_from(count).expect("slots are u32")).filter_map(Slot::from_number)
    }

    pub(crate) fn used(&self) -> usize {
        self.used
    }

    /// Bytes held, by capacity.
    pub(crate) fn memory_bytes(&self) -> usize {
        let nodes: usize = self.chunks.iter().map(Vec::capacity).sum();
        nodes * size_of::<T>() + self.chunks.capacity() * size_of::<Vec<T>>()
    }
}

impl<T: Node> Index<Slot> for Slab<T> {
    type Output = T;
    fn index(&self, slot: Slot) -> &T {
        let number = slot.number() as usize;
        &self.chunks[number >> CHUNK_BITS][number & (CHUNK_NODES - 1)]
    }
}

impl<T: Node> IndexMut<Slot> for Slab<T> {
    fn index_mut(&mut self, slot: Slot) -> &mut T {
        let number = slot.number() as usize;
        &mut self.chunks[number >> CHUNK_BITS][number & (CHUNK_NODES - 1)]
    }
}

/// A list through one ring of the nodes of a slab.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct List {
    head: Option<Slot>,
    tail: Option<Slot>,
}

impl List {
    pub(crate) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    pub(crate) fn front(&self) -> Option<Slot> {
        self.head
    }

    pub(crate) fn push_back<T: Node>(&mut self, slab: &mut Slab<T>, ring: usize, slot: Slot) {
        *slab[slot].link_mut(ring) = Link { prev: self.tail, next: None };
        match self.tail {
            Some(tail) => slab[tail].link_mut(ring).next = Some(slot),
            None => self.head = Some(slot),
        }
        self.tail = Some(slot);
    }

    pub(crate) fn pop_front<T: Node>(&mut self, slab: &mut Slab<T>, ring: usize) -> Option<Slot> {
        let slot = self.head?;
        self.remove(slab, ring, slot);
        Some(slot)
    }

    /// Takes out a node that is in this list.
    pub(crate) fn remove<T: Node>(&mut self, slab: &mut Slab<T>, ring: usize, slot: Slot) {
        let Link { prev, next } = std::mem::take(slab[slot].link_mut(ring));
        match prev {
            Some(prev) => slab[prev].link_mut(ring).next = next,
            None => self.head = next,
        }
        match next {
            Some(next) => slab[next].link_mut(ring).prev = prev,
            None => self.tail = prev,
        }
    }
}
