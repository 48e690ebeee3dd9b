//! A file's bytes: as they are read now, and as they would be found after a crash.
//!
//! Both are maps of pages that share what is equal; a page that is absent is zeros. What was written and not synced is dirty, and
//! at a crash each dirty sector of 512 bytes is kept or lost as the seed says.

use crate::simulated::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const PAGE_BYTES: usize = 4096;
/// The unit that a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

type Page = Arc<[u8; PAGE_BYTES]>;

#[derive(Clone, Default)]
struct Bytes {
    pages: BTreeMap<u64, Page>,
    len: u64,
}

#[derive(Clone, Default)]
pub(super) struct Content {
    now: Bytes,
    durable: Bytes,
    dirty: BTreeSet<u64>,
    /// Pages whose sync failed. The kernel takes them for clean, so no later sync writes them.
    given_up: BTreeSet<u64>,
}

impl Content {
    pub(super) fn len(&self) -> u64 {
        self.now.len
    }

    pub(super) fn read(&self, buf: &mut [u8], offset: u64) -> usize {
        let left = usize::try_from(self.now.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let len = buf.len().min(left);
        for (page, within, part) in pieces(offset, len) {
            match self.now.pages.get(&page) {
                Some(bytes) => buf[part.clone()].copy_from_slice(&bytes[within..within + part.len()]),
                None => buf[part].fill(0),
            }
        }
        len
    }

    pub(super) fn write(&mut self, bytes: &[u8], offset: u64) {
        for (page, within, part) in pieces(offset, bytes.len()) {
            self.page_mut(page)[within..within + part.len()].copy_from_slice(&bytes[part]);
        }
        self.now.len = self.now.len.max(offset + bytes.len() as u64);
    }

    pub(super) fn set_len(&mut self, len: u64) {
        if len < self.now.len {
            let (first_gone, within) = split(len);
            if within > 0 && self.now.pages.contains_key(&first_gone) {
                // What lies behind the end must read as zeros if the file grows again.
                self.page_mut(first_gone)[within..].fill(0);
            }
            let whole_from = if within > 0 { first_gone + 1 } else { first_gone };
            self.dirty.extend(self.now.pages.split_off(&whole_from).into_keys());
        }
        self.now.len = len;
    }

    pub(super) fn sync(&mut self) {
        for page in std::mem::take(&mut self.dirty) {
            self.given_up.remove(&page);
            match self.now.pages.get(&page) {
                Some(bytes) => self.durable.pages.insert(page, bytes.clone()),
                None => self.durable.pages.remove(&page),
            };
        }
        self.durable.len = self.now.len;
    }

    pub(super) fn fail_sync(&mut self) {
        self.given_up.append(&mut self.dirty);
    }

    /// Leaves what the disk holds after a crash.
    pub(super) fn crash(&mut self, random: &mut Random) {
        let fate = Fate::draw(random, self.dirty.len());
        let mut found = self.durable.clone();
        for (index, page) in self.dirty.iter().enumerate() {
            let mut bytes = found.pages.get(page).map_or([0; PAGE_BYTES], |page| **page);
            let written = self.now.pages.get(page).map_or([0; PAGE_BYTES], |page| **page);
            for sector in (0..PAGE_BYTES).step_by(SECTOR_BYTES) {
                if fate.keeps(index * (PAGE_BYTES / SECTOR_BYTES) + sector / SECTOR_BYTES, random) {
                    bytes[sector..sector + SECTOR_BYTES].copy_from_slice(&written[sector..sector + SECTOR_BYTES]);
                }
            }
            found.pages.insert(*page, Arc::new(bytes));
        }
        found.len = fate.len(self.durable.len, self.now.len, random);
        *self = Self { now: found.clone(), durable: found, ..Self::default() };
        // Sectors beyond the end are not there, and must not come back when the file grows.
        let len = self.now.len;
        self.now.len = u64::MAX;
        self.set_len(len);
        self.sync();
    }

    /// Turns one bit, as a bad disk would, without anybody noticing.
    pub(super) fn flip_bit(&mut self, offset: u64, bit: u8) {
        let (page, within) = split(offset);
        for bytes in [&mut self.now, &mut self.durable] {
            if offset < bytes.len {
                Arc::make_mut(bytes.pages.entry(page).or_insert_with(zeros))[within] ^= 1 << (bit % 8);
            }
        }
    }

    fn page_mut(&mut self, page: u64) -> &mut [u8; PAGE_BYTES] {
        self.dirty.insert(page);
        Arc::make_mut(self.now.pages.entry(page).or_insert_with(zeros))
    }
}

/// What happens to the unsynced sectors of one file.
enum Fate {
    AllLost,
    AllKept,
    /// Kept up to a point, as a log that was cut while it was written.
    KeptUpTo(usize),
    /// Each by itself: the disk wrote them in an order of its own.
    Each,
}

impl Fate {
    fn draw(random: &mut Random, dirty_pages: usize) -> Self {
        match random.below(4) {
            0 => Self::AllLost,
            1 => Self::AllKept,
            2 => Self::KeptUpTo(random.index(dirty_pages * (PAGE_BYTES / SECTOR_BYTES) + 1)),
            _ => Self::Each,
        }
    }

    fn keeps(&self, sector: usize, random: &mut Random) -> bool {
        match self {
            Self::AllLost => false,
            Self::AllKept => true,
            Self::KeptUpTo(first_lost) => sector < *first_lost,
            Self::Each => random.chance(50),
        }
    }

    /// The length is metadata and goes its own way: a file may have grown without its bytes.
    fn len(&self, durable: u64, now: u64, random: &mut Random) -> u64 {
        match self {
            Self::AllLost => durable,
            Self::AllKept => now,
            Self::KeptUpTo(_) | Self::Each => match random.below(3) {
                0 => durable,
                1 => now,
                _ => durable.min(now) + random.below(durable.abs_diff(now) + 1),
            },
        }
    }
}

fn zeros() -> Page {
    Arc::new([0; PAGE_BYTES])
}

fn split(offset: u64) -> (u64, usize) {
    let page_bytes = PAGE_BYTES as u64;
    (offset / page_bytes, usize::try_from(offset % page_bytes).expect("less than a page"))
}

/// A range of the file, page by page: the page, where in it, and which part of the caller's bytes.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        if done == len {
            return None;
        }
        let (page, within) = split(offset + done as u64);
        let part = done..len.min(done + PAGE_BYTES - within);
        done = part.end;
        Some((page, within, part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::random::Purpose;

    fn text(content: &Content) -> Vec<u8> {
        let mut bytes = vec![1; usize::try_from(content.len()).unwrap()];
        assert_eq!(content.read(&mut bytes, 0), bytes.len());
        bytes
    }

    fn after_crashes(content: &Content) -> std::collections::BTreeSet<Vec<u8>> {
        let mut random = Random::new(1, Purpose::Disk);
        (0..200)
            .map(|_| {
                let mut crashed = content.clone();
                crashed.crash(&mut random);
                text(&crashed)
            })
            .collect()
    }

    #[test]
    fn synced_bytes_survive_and_unsynced_sectors_go_either_way() {
        let mut content = Content::default();
        content.write(&[b'a'; 1024], 0);
        content.sync();
        content.write(&[b'b'; 1024], 0);
        let half = |first, second| [[first; 512], [second; 512]].concat();
        let expected = [half(b'a', b'a'), half(b'a', b'b'), half(b'b', b'a'), half(b'b', b'b')];
        assert_eq!(after_crashes(&content), expected.into());
        content.sync();
        assert_eq!(after_crashes(&content), [half(b'b', b'b')].into());
    }

    #[test]
    fn a_file_that_grew_may_be_found_short_or_with_zeros() {
        let mut content = Content::default();
        content.write(b"head", 0);
        content.sync();
        content.write(b"tail", 4);
        let found = after_crashes(&content);
        for expected in [&b"head"[..], b"headtail", b"head\0\0\0\0", b"headta"] {
            assert!(found.contains(expected), "{found:?}");
        }
        assert!(found.iter().all(|bytes| bytes.starts_with(b"head")));
    }

    #[test]
    fn what_was_cut_off_reads_as_zeros_when_the_file_grows() {
        let mut content = Content::default();
        content.write(&[7; 10_000], 0);
        content.set_len(5);
        content.set_len(9_000);
        assert_eq!(text(&content), [vec![7; 5], vec![0; 8_995]].concat());
        content.sync();
        assert_eq!(after_crashes(&content).len(), 1);
    }

    #[test]
    fn pages_of_a_failed_sync_are_lost_even_if_a_later_one_succeeds() {
        let mut content = Content::default();
        content.write(&[b'a'; 4096], 0);
        content.sync();
        content.write(&[b'b'; 4096], 0);
        content.fail_sync();
        content.sync();
        assert_eq!(text(&content), [b'b'; 4096], "the running process still reads them");
        assert_eq!(after_crashes(&content), [vec![b'a'; 4096]].into());
    }
}
