//! Every bound of the journal, in one file, with the relations between them.
//!
//! All sizes are in bytes. A bound that another one leans on is asserted at compile time, with the reason.

use model::limits::{BUNDLE_BYTES_MAX, PAYLOAD_BYTES_MAX};

/// The header of a segment file.
pub const SEGMENT_HEADER_BYTES: usize = 64;
/// The header of a frame.
pub const FRAME_HEADER_BYTES: usize = 40;
/// The end of a full segment.
pub const FOOTER_TRAILER_BYTES: usize = 64;
/// One frame in the index of a full segment.
pub const FOOTER_ENTRY_BYTES: usize = 16;
/// The tag of AES-256-GCM.
pub const TAG_BYTES: usize = 16;
/// Frames begin at multiples of this, so that a search for the next valid frame need not look at each byte.
pub const FRAME_ALIGN_BYTES: usize = 8;
/// What is in a frame, before encryption. A payload, or a record that may be a little larger than any payload.
pub const FRAME_PLAIN_BYTES_MAX: usize = PAYLOAD_BYTES_MAX + 64 * 1024;
/// A whole frame without its padding.
pub const FRAME_BYTES_MAX: usize = FRAME_HEADER_BYTES + FRAME_PLAIN_BYTES_MAX + TAG_BYTES;
/// The smallest possible frame: nothing in it but its tag.
pub const FRAME_BYTES_MIN: usize = FRAME_HEADER_BYTES + TAG_BYTES;

/// A segment, unless the configuration says otherwise.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;
/// The smallest segment a configuration may ask for. Only tests go that low: a large job needs a larger one.
pub const SEGMENT_BYTES_MIN: u64 = 4 * 1024;
/// The largest segment a configuration may ask for.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Segments that are kept free for settling, unless the configuration says otherwise.
pub const RESERVE_SEGMENTS: u64 = 4;
/// The smallest quota, in segments: each log writes one and has one ahead of need, and one more must fit.
pub const QUOTA_SEGMENTS_MIN: u64 = 5;

/// Operations that one group commit takes at most.
pub const GROUP_OPERATIONS_MAX: usize = 1024;
/// Bytes that wait in a log's buffer before they are written, synced or not.
pub const BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of lazily written frames that may wait for a sync, so that the next commit is not held up by a large one.
pub const UNSYNCED_BYTES_MAX: u64 = 8 * 1024 * 1024;
/// What a start writes again of a log's end: all that a process may have written since its last sync,
/// the frame that filled the buffer included.
pub const RENEWED_BYTES: u64 = UNSYNCED_BYTES_MAX + BUFFER_BYTES_MAX as u64 + FRAME_BYTES_MAX as u64;
/// What a scan reads at once.
pub const SCAN_WINDOW_BYTES: usize = 1024 * 1024;
/// What a payload read takes at first; most frames fit, so that one pread is enough.
pub const READ_AHEAD_BYTES: usize = 8 * 1024;

/// Bits of a position that count the frames of one start.
pub const POSITION_SEQUENCE_BITS: u32 = 40;
/// The first sequence number that is not given any more.
pub const SEQUENCE_END: u64 = 1 << POSITION_SEQUENCE_BITS;
/// Starts a journal can see. 23 bits keep a position positive as `i64`, which is what SQLite stores.
pub const EPOCH_MAX: u32 = (1 << 23) - 1;

/// The sequence of a start's first block; those below are the writer's, which counts from 0.
pub const BLOCK_SEQUENCE_FIRST: u64 = SEQUENCE_END / 2;
/// Records in a block.
pub const BLOCK_RECORDS_MAX: usize = 1024;
/// Bytes of records after which a block is full. A record that is larger has a block of its own.
pub const BLOCK_PLAIN_BYTES: usize = 1024 * 1024;
/// Bytes of records in a block, with what is stored beside them. No reader unpacks more.
pub const BLOCK_RECORDS_BYTES_MAX: usize = FRAME_PLAIN_BYTES_MAX + BLOCK_PLAIN_BYTES;
/// Records after which a window ends: a reader has that many in memory.
pub const WINDOW_RECORDS: usize = 8 * BLOCK_RECORDS_MAX;
/// Bytes of records after which a window ends.
pub const WINDOW_BYTES: usize = 8 * 1024 * 1024;

/// The header of a checkpoint.
pub const CHECKPOINT_HEADER_BYTES: usize = 64;
/// The header of a chunk of a checkpoint.
pub const CHUNK_HEADER_BYTES: usize = 16;
/// A chunk of a checkpoint, header and tag included.
pub const CHECKPOINT_CHUNK_BYTES_MAX: usize = 1024 * 1024;
/// What is in a chunk, before it is compressed and encrypted. What does not shrink grows a little.
pub const CHECKPOINT_CHUNK_PLAIN_BYTES: usize = CHECKPOINT_CHUNK_BYTES_MAX - 16 * 1024;
/// Numbers that are set aside for the chunks of one checkpoint: a chunk's number is a u32.
pub const CHUNK_NUMBERS: u64 = 1 << 32;
/// Checkpoints that are kept.
pub const CHECKPOINTS_KEPT: usize = 2;
/// Closed record segments behind a checkpoint that make the next one due, unless the configuration says otherwise.
pub const CHECKPOINT_EVERY_SEGMENTS_DEFAULT: u32 = 4;
/// The most that a configuration may ask for: they are read at each start, and what happened in them is in memory while they are summed up.
pub const CHECKPOINT_EVERY_SEGMENTS_MAX: u32 = 1024;

/// Starts that a restored journal leaves out, at least, and by chance: an original that was lost may have made starts after the copy, under
/// the same keys, and a copy may be restored twice.
pub const EPOCHS_SKIPPED_MIN: u32 = 4096;
/// See [`EPOCHS_SKIPPED_MIN`].
pub const EPOCHS_SKIPPED_SPREAD: u32 = 4096;
/// Numbers of jobs that a restored journal leaves out: more than any installation accepts between a backup and the loss of the disk.
pub const JOBS_SKIPPED: u64 = 1 << 32;
/// The same for batches.
pub const BATCHES_SKIPPED: u64 = 1 << 24;

/// The key ring's file.
pub const RING_BYTES_MAX: usize = 256 * 1024 * 1024;
/// A tenant's name.
pub const TENANT_NAME_BYTES_MAX: usize = 200;
/// A sealed bundle: its bytes, nonce and tag.
pub const SEALED_BUNDLE_BYTES_MAX: usize = BUNDLE_BYTES_MAX + 1024 * 1024;

// A locator's offset is a u32.
const _: () = assert!(SEGMENT_BYTES_MAX <= u32::MAX as u64);
// Any job that intake lets in fits a default segment.
const _: () = assert!((SEGMENT_HEADER_BYTES + FRAME_BYTES_MAX + FRAME_ALIGN_BYTES) as u64 <= SEGMENT_BYTES_DEFAULT);
const _: () = assert!(SEGMENT_BYTES_MIN <= SEGMENT_BYTES_DEFAULT && SEGMENT_BYTES_DEFAULT <= SEGMENT_BYTES_MAX);
// The blocks of a window are counted by a u16, and each tenant may have one that is not full.
const _: () = assert!(WINDOW_RECORDS <= u16::MAX as usize);
// A full block has room for what is stored beside each record.
const _: () = assert!(BLOCK_PLAIN_BYTES + 64 * BLOCK_RECORDS_MAX <= BLOCK_RECORDS_BYTES_MAX);
// A chunk that does not shrink at all still fits: zstd adds at most 1/256 and some bytes.
const _: () = assert!(
    CHUNK_HEADER_BYTES + CHECKPOINT_CHUNK_PLAIN_BYTES + CHECKPOINT_CHUNK_PLAIN_BYTES / 256 + 128 + TAG_BYTES <= CHECKPOINT_CHUNK_BYTES_MAX
);
// The first frame is aligned too.
const _: () = assert!(SEGMENT_HEADER_BYTES.is_multiple_of(FRAME_ALIGN_BYTES));
// A position is the epoch above the sequence, without overlap, and never negative as i64.
const _: () = assert!((EPOCH_MAX as u64) << POSITION_SEQUENCE_BITS <= i64::MAX as u64);
// A trailer counts frames and entries in a u32, and the index of the smallest frames is smaller than they are.
const _: () = assert!(SEGMENT_BYTES_MAX / FRAME_BYTES_MIN as u64 <= u32::MAX as u64);
const _: () = assert!(FOOTER_ENTRY_BYTES < FRAME_BYTES_MIN);
// Entries and trailer are aligned as frames are.
const _: () = assert!(FOOTER_ENTRY_BYTES.is_multiple_of(FRAME_ALIGN_BYTES) && FOOTER_TRAILER_BYTES.is_multiple_of(FRAME_ALIGN_BYTES));
// A hundred restorations leave most starts and most numbers (48 bits) to give.
const _: () = assert!(100 * (EPOCHS_SKIPPED_MIN + EPOCHS_SKIPPED_SPREAD) < EPOCH_MAX / 8);
const _: () = assert!(100 * JOBS_SKIPPED < 1 << 40 && 100 * BATCHES_SKIPPED < 1 << 40);
// A frame's length is a u32.
const _: () = assert!(FRAME_BYTES_MAX <= u32::MAX as usize);
