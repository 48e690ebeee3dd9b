//! A run: sorted entries in a file that never changes, and how a key is found in it with at most one read.
//!
//! ```text
//! ┌──────────┬──────────┬─────┬─────────┬────────┬─────────┐
//! │ block 0  │ block 1  │  …  │ fences  │ filter │ trailer │
//! └──────────┴──────────┴─────┴─────────┴────────┴─────────┘
//! block, 4096 bytes
//!  0     4       6    8
//! ┌─────┬───────┬────┬──────────────────────────────┬──────┐
//! │ crc │ count │ 0  │ up to 73 entries of 56 bytes │ zero │
//! └─────┴───────┴────┴──────────────────────────────┴──────┘
//! crc      CRC-32C of the bytes behind it, xor the run's number: a block of another run is none here
//! fences   the first eight bytes of each block's first entry, as a little-endian number: held in memory, 0.1 bytes a key
//! filter   see `filter`: held in memory, 1.25 bytes a key
//!
//! trailer, 64 bytes
//!  0       8     10   12      16      24       32       40       48      50      52         56     60    64
//! ┌───────┬─────┬────┬───────┬───────┬────────┬────────┬────────┬───────┬───────┬──────────┬──────┬─────┐
//! │ magic │ ver │ 0  │   0   │number │entries │ blocks │ filter │oldest │newest │ body crc │  0   │ crc │
//! └───────┴─────┴────┴───────┴───────┴────────┴────────┴────────┴───────┴───────┴──────────┴──────┴─────┘
//! magic    "sealkeys"
//! number   the run's, as in its name
//! filter   its length in bytes
//! oldest, newest   days of admission: a run whose newest day is past the horizon goes as a whole
//! body crc CRC-32C of fences and filter
//! ```

use super::entry::{Day, ENTRY_BYTES, KeyEntry, NAME_BYTES, Name};
use super::error::KeyIndexError;
use super::filter::Filter;
use crc_fast::CrcAlgorithm::Crc32Iscsi;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use world::{Disk, DiskFile, OpenMode};

pub(super) const BLOCK_BYTES: usize = 4096;
const BLOCK_HEADER_BYTES: usize = 8;
pub(super) const BLOCK_ENTRIES: usize = (BLOCK_BYTES - BLOCK_HEADER_BYTES) / ENTRY_BYTES;
const TRAILER_BYTES: usize = 64;
const MAGIC: [u8; 8] = *b"sealkeys";
const VERSION: u16 = 3;
/// Blocks written, or read by a merge, at once.
const CHUNK_BLOCKS: usize = 64;
/// Bytes after which a long write is synced, so that the journal's next sync does not wait for all of it.
const SYNC_EVERY_BYTES: u64 = 8 << 20;

const _: () = assert!(BLOCK_ENTRIES == 73);

/// The file of a run.
pub(super) fn path_of(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:08}.keys"))
}

pub(super) fn crc32c(bytes: &[u8]) -> u32 {
    crc_fast::checksum(Crc32Iscsi, bytes) as u32
}

/// An open run.
pub(super) struct Run {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) entries: u64,
    pub(super) newest: Day,
    file: Arc<dyn DiskFile>,
    fences: Vec<u64>,
    filter: Filter,
}

impl std::fmt::Debug for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("number", &self.number).field("entries", &self.entries).finish_non_exhaustive()
    }
}

impl Run {
    /// Opens a run and reads what is held in memory of it.
    pub(super) fn open(disk: &dyn Disk, folder: &Path, number: u64) -> Result<Self, KeyIndexError> {
        let path = path_of(folder, number);
        let damaged = |what| KeyIndexError::damaged(&path, what);
        let file = match disk.open(&path, OpenMode::Read) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(damaged("the file is missing")),
            Err(error) => return Err(KeyIndexError::disk("open", &path)(error)),
        };
        let len = file.len().map_err(KeyIndexError::disk("measure", &path))?;
        let mut bytes = [0; TRAILER_BYTES];
        let at = len.checked_sub(TRAILER_BYTES as u64).ok_or_else(|| damaged("shorter than a trailer"))?;
        read(&*file, &path, &mut bytes, at)?;
        let trailer = Trailer::decode(&bytes).ok_or_else(|| damaged("the trailer does not fit its checksum"))?;
        let fences_at = trailer.blocks * BLOCK_BYTES as u64;
        if trailer.number != number || len != fences_at + trailer.blocks * 8 + trailer.filter_bytes + TRAILER_BYTES as u64 {
            return Err(damaged("name or length does not fit the trailer"));
        }
        let mut body = vec![0; usize::try_from(at - fences_at).map_err(|_| damaged("too long"))?];
        read(&*file, &path, &mut body, fences_at)?;
        if crc32c(&body) != trailer.body_crc {
            return Err(damaged("fences and filter do not fit their checksum"));
        }
        let (fences, filter) = body.split_at(trailer.blocks as usize * 8);
        let fences = fences.as_chunks::<8>().0.iter().map(|fence| u64::from_le_bytes(*fence)).collect();
        let filter = Filter::decode(filter).ok_or_else(|| damaged("the filter has no whole lines"))?;
        Ok(Self { number, entries: trailer.entries, newest: trailer.newest, path, file, fences, filter })
    }

    /// The entry of a name, where the run has it.
    pub(super) fn find(&self, name: &Name) -> Result<Option<KeyEntry>, KeyIndexError> {
        if !self.filter.may_hold(name) {
            return Ok(None);
        }
        let prefix = name.prefix();
        // Blocks that begin with the same eight bytes may all hold it, and so may the one before them.
        let first = self.fences.partition_point(|fence| *fence < prefix).saturating_sub(1);
        let mut block = [0; BLOCK_BYTES];
        for number in (first..self.fences.len()).take_while(|number| self.fences[*number] <= prefix) {
            read(&*self.file, &self.path, &mut block, (number * BLOCK_BYTES) as u64)?;
            let entries = self.entries_of(&block)?;
            if let Ok(at) = entries.binary_search_by(|entry| entry[..NAME_BYTES].cmp(&name.0)) {
                return Ok(Some(KeyEntry::decode(&entries[at])));
            }
        }
        Ok(None)
    }

    /// Bytes held in memory.
    pub(super) fn memory_bytes(&self) -> usize {
        self.fences.capacity() * 8 + self.filter.memory_bytes() + size_of::<Self>() + self.path.capacity()
    }

    fn entries_of<'b>(&self, block: &'b [u8]) -> Result<&'b [[u8; ENTRY_BYTES]], KeyIndexError> {
        let crc = u32::from_le_bytes([block[0], block[1], block[2], block[3]]);
        let count = usize::from(u16::from_le_bytes([block[4], block[5]]));
        if crc != crc32c(&block[4..]) ^ self.number as u32 || count > BLOCK_ENTRIES {
            return Err(KeyIndexError::damaged(&self.path, "a block does not fit its checksum"));
        }
        let bytes = &block[BLOCK_HEADER_BYTES..BLOCK_HEADER_BYTES + count * ENTRY_BYTES];
        Ok(bytes.as_chunks::<ENTRY_BYTES>().0)
    }
}

fn read(file: &dyn DiskFile, path: &Path, into: &mut [u8], at: u64) -> Result<(), KeyIndexError> {
    match file.read_exact_at(into, at) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(KeyIndexError::damaged(path, "the file ends too early")),
        Err(error) => Err(KeyIndexError::disk("read", path)(error)),
    }
}

/// All entries of a run in order, a chunk of blocks at a time.
pub(super) struct Cursor {
    run: Arc<Run>,
    next_block: usize,
    chunk: Vec<u8>,
    /// Entries of the chunk that were not given yet, last first.
    waiting: Vec<KeyEntry>,
}

impl Cursor {
    pub(super) fn new(run: Arc<Run>) -> Self {
        Self { run, next_block: 0, chunk: Vec::new(), waiting: Vec::new() }
    }

    pub(super) fn next(&mut self) -> Result<Option<KeyEntry>, KeyIndexError> {
        if self.waiting.is_empty() && self.next_block < self.run.fences.len() {
            let blocks = CHUNK_BLOCKS.min(self.run.fences.len() - self.next_block);
            self.chunk.resize(blocks * BLOCK_BYTES, 0);
            read(&*self.run.file, &self.run.path, &mut self.chunk, (self.next_block * BLOCK_BYTES) as u64)?;
            for block in self.chunk.chunks_exact(BLOCK_BYTES) {
                self.waiting.extend(self.run.entries_of(block)?.iter().map(KeyEntry::decode));
            }
            self.waiting.reverse();
            self.next_block += blocks;
        }
        Ok(self.waiting.pop())
    }
}

/// Writes a run. What a crash leaves of it is named by no manifest and removed at the next start.
pub(super) struct RunWriter {
    number: u64,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    buffer: Vec<u8>,
    /// Entries in the block that is being filled.
    in_block: usize,
    written: u64,
    synced: u64,
    fences: Vec<u64>,
    filter: Filter,
    entries: u64,
    oldest: Day,
    newest: Day,
}

impl RunWriter {
    /// Begins a run of at most `entries_max` entries.
    pub(super) fn new(disk: &dyn Disk, folder: &Path, number: u64, entries_max: u64) -> Result<Self, KeyIndexError> {
        let path = path_of(folder, number);
        let file = disk.open(&path, OpenMode::Create).map_err(KeyIndexError::disk("create", &path))?;
        // One that could not be finished before must not lend its tail to this one.
        file.set_len(0).map_err(KeyIndexError::disk("cut", &path))?;
        Ok(Self {
            number,
            path,
            file,
            buffer: Vec::with_capacity(CHUNK_BLOCKS * BLOCK_BYTES),
            in_block: 0,
            written: 0,
            synced: 0,
            fences: Vec::new(),
            filter: Filter::new(entries_max),
            entries: 0,
            oldest: Day(u16::MAX),
            newest: Day(0),
        })
    }

    /// Adds an entry; they must come in order, each name once.
    pub(super) fn push(&mut self, entry: &KeyEntry) -> Result<(), KeyIndexError> {
        let name = entry.name();
        if self.in_block == BLOCK_ENTRIES {
            self.close_block()?;
        }
        if self.in_block == 0 {
            self.fences.push(name.prefix());
            self.buffer.extend_from_slice(&[0; BLOCK_HEADER_BYTES]);
        }
        self.buffer.extend_from_slice(&entry.encode());
        self.filter.insert(&name);
        self.in_block += 1;
        self.entries += 1;
        (self.oldest, self.newest) = (self.oldest.min(entry.day), self.newest.max(entry.day));
        Ok(())
    }

    /// Ends the run; durable, with its name, when this returns.
    pub(super) fn finish(mut self, disk: &dyn Disk, folder: &Path) -> Result<Run, KeyIndexError> {
        if self.in_block > 0 {
            self.close_block()?;
        }
        let mut body = Vec::with_capacity(self.fences.len() * 8 + self.filter.memory_bytes());
        self.fences.iter().for_each(|fence| body.extend_from_slice(&fence.to_le_bytes()));
        let blocks = self.fences.len() as u64;
        self.filter.encode(&mut body);
        let trailer = Trailer {
            number: self.number,
            entries: self.entries,
            blocks,
            filter_bytes: body.len() as u64 - blocks * 8,
            oldest: self.oldest,
            newest: self.newest,
            body_crc: crc32c(&body),
        };
        self.buffer.append(&mut body);
        self.buffer.extend_from_slice(&trailer.encode());
        self.write_out()?;
        self.file.sync_all().map_err(KeyIndexError::disk("sync", &self.path))?;
        disk.sync_dir(folder).map_err(KeyIndexError::disk("sync", folder))?;
        self.fences.shrink_to_fit();
        let Self { number, path, file, fences, filter, entries, newest, .. } = self;
        Ok(Run { number, path, entries, newest, file, fences, filter })
    }

    fn close_block(&mut self) -> Result<(), KeyIndexError> {
        let start = self.buffer.len() - BLOCK_HEADER_BYTES - self.in_block * ENTRY_BYTES;
        self.buffer.resize(start + BLOCK_BYTES, 0);
        let count = self.in_block as u16;
        let block = &mut self.buffer[start..];
        block[4..6].copy_from_slice(&count.to_le_bytes());
        let crc = crc32c(&block[4..]) ^ self.number as u32;
        block[..4].copy_from_slice(&crc.to_le_bytes());
        self.in_block = 0;
        if self.buffer.len() >= CHUNK_BLOCKS * BLOCK_BYTES { self.write_out() } else { Ok(()) }
    }

    fn write_out(&mut self) -> Result<(), KeyIndexError> {
        self.file.write_all_at(&self.buffer, self.written).map_err(KeyIndexError::disk("write", &self.path))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        if self.written - self.synced >= SYNC_EVERY_BYTES {
            self.file.sync_data().map_err(KeyIndexError::disk("sync", &self.path))?;
            self.synced = self.written;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trailer {
    number: u64,
    entries: u64,
    blocks: u64,
    filter_bytes: u64,
    oldest: Day,
    newest: Day,
    body_crc: u32,
}

impl Trailer {
    fn encode(&self) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.number.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.entries.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.blocks.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.filter_bytes.to_le_bytes());
        bytes[48..50].copy_from_slice(&self.oldest.0.to_le_bytes());
        bytes[50..52].copy_from_slice(&self.newest.0.to_le_bytes());
        bytes[52..56].copy_from_slice(&self.body_crc.to_le_bytes());
        let crc = crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; TRAILER_BYTES]) -> Option<Self> {
        let word = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("the layout leaves 8 bytes"));
        let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let trailer = Self {
            number: word(16),
            entries: word(24),
            blocks: word(32),
            filter_bytes: word(40),
            oldest: Day(short(48)),
            newest: Day(short(50)),
            body_crc: word(52) as u32,
        };
        // Lengths that no file has would overflow what is computed from them; everything else must come out the same again.
        let is_sane = trailer.blocks < 1 << 40 && trailer.filter_bytes < 1 << 40;
        (is_sane && trailer.encode() == *bytes).then_some(trailer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{BatchId, Fingerprint, TenantId};
    use world::World;
    use world::simulated::Simulation;

    fn entry(number: u32) -> KeyEntry {
        let mut key = [7; 16];
        // Many share their first eight bytes: fences alone do not tell them apart.
        key[..4].copy_from_slice(&(number / 300).to_be_bytes());
        key[12..].copy_from_slice(&number.to_be_bytes());
        let day = Day(100 + (number % 50) as u16);
        KeyEntry {
            tenant: TenantId(1),
            key: Fingerprint(key),
            content: Fingerprint([9; 16]),
            batch: BatchId::new(1, u64::from(number)),
            day,
            job: Some(model::JobId::new(1, u64::from(number) + 1)),
            row: Some(number + 1),
        }
    }

    fn run(world: &World, count: u32) -> Run {
        let folder = Path::new("/keys");
        world.disk().create_dir_all(folder).unwrap();
        let mut writer = RunWriter::new(world.disk(), folder, 5, u64::from(count)).unwrap();
        (0..count).for_each(|number| writer.push(&entry(number * 2)).unwrap());
        writer.finish(world.disk(), folder).unwrap();
        Run::open(world.disk(), folder, 5).unwrap()
    }

    #[test]
    fn finds_what_was_written_and_nothing_else() {
        let simulation = Simulation::new(1);
        for count in [1, 72, 73, 74, 5_000] {
            let run = run(&simulation.world(), count);
            assert_eq!((run.entries, run.fences.len()), (u64::from(count), (count as usize).div_ceil(BLOCK_ENTRIES)));
            for number in 0..count * 2 + 2 {
                let expected = (number % 2 == 0 && number / 2 < count).then(|| entry(number));
                assert_eq!(run.find(&entry(number).name()).unwrap(), expected, "{number} of {count}");
            }
            let mut cursor = Cursor::new(Arc::new(run));
            (0..count).for_each(|number| assert_eq!(cursor.next().unwrap(), Some(entry(number * 2))));
            assert_eq!(cursor.next().unwrap(), None);
        }
    }

    #[test]
    fn any_flipped_bit_is_noticed_where_it_matters() {
        let simulation = Simulation::new(2);
        let world = simulation.world();
        let len = {
            run(&world, 300);
            world.disk().open(&path_of(Path::new("/keys"), 5), OpenMode::Read).unwrap().len().unwrap()
        };
        for offset in (0..len).step_by(61) {
            let whole = run(&world, 300);
            assert_eq!(whole.entries, 300);
            simulation.flip_bit("engine", &path_of(Path::new("/keys"), 5), offset, 3).unwrap();
            let read = || -> Result<u64, KeyIndexError> {
                let mut cursor = Cursor::new(Arc::new(Run::open(world.disk(), Path::new("/keys"), 5)?));
                let mut count = 0;
                while cursor.next()?.is_some() {
                    count += 1;
                }
                Ok(count)
            };
            assert!(matches!(read(), Err(KeyIndexError::Damaged { .. })), "at {offset} of {len}");
        }
    }

    /// DESIGN asks for an index of two years; what stays in memory of it is at most two bytes a key.
    #[test]
    fn a_key_on_disk_costs_at_most_two_bytes_of_memory() {
        let simulation = Simulation::new(3);
        let run = run(&simulation.world(), 50_000);
        assert!(run.memory_bytes() <= 2 * 50_000, "{}", run.memory_bytes());
    }
}
