//! Every bound on what comes from outside, in one file, with the relations between them.

/// One line of an NDJSON batch, in bytes. A statement of 500 lines is about 150 KB.
pub const NDJSON_LINE_BYTES_MAX: usize = 1024 * 1024;
/// One X12 segment, in bytes. The longest real ones (NTE, CAS with six triplets) stay under 1 KB.
pub const X12_SEGMENT_BYTES_MAX: usize = 64 * 1024;
/// Segments of one claim loop (2100 with its 2110s).
pub const X12_CLAIM_SEGMENTS_MAX: usize = 20_000;
/// Service lines of one statement. 005010X221A1 allows 999 per claim.
pub const SERVICE_LINES_MAX: usize = 999;
/// Notes (reason and remark codes) of one statement.
pub const NOTES_MAX: usize = 2_000;
/// Accumulators of one statement: two kinds, two scopes, two networks, and some that overlap.
pub const ACCUMULATORS_MAX: usize = 32;
/// A name or other text field of a statement, in bytes.
pub const TEXT_FIELD_BYTES_MAX: usize = 1_000;
/// One row of a contact file, in bytes.
pub const CONTACT_ROW_BYTES_MAX: usize = 64 * 1024;
/// One row of a delimited or fixed-width batch, in bytes.
pub const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// Columns of a delimited batch.
pub const COLUMNS_MAX: usize = 4_096;
/// Rows of one claim: services, and the other entries of a ledger.
pub const CLAIM_ROWS_MAX: usize = 20_000;
/// Rows of claims that lie anywhere in a file and are held until its end, in bytes.
pub const HELD_ROWS_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Rows of a contact file held in memory for the join.
pub const CONTACTS_MAX: usize = 20_000_000;
/// Encoded payload of one job, in bytes, before compression.
pub const PAYLOAD_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Statements of one member in one message.
pub const STATEMENTS_PER_MESSAGE_MAX: usize = 50;
/// Encoded statements of one message that holds several, in bytes. A larger one goes alone.
pub const GROUP_BYTES_MAX: usize = 512 * 1024;
/// Encoded statements of one batch that wait for others of their members, in bytes: some 300,000 of 15 service lines.
pub const GROUPED_BYTES_MAX: usize = 512 * 1024 * 1024;
/// A rendered message before it is sealed, in bytes.
pub const MESSAGE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Text kept of a receiver's reply, in bytes.
pub const REPLY_TEXT_BYTES_MAX: usize = 2 * 1024;
/// One line of a receiver's reply, in bytes. RFC 5321 section 4.5.3.1.5 asks for 512; real ones go beyond.
pub const REPLY_LINE_BYTES_MAX: usize = 4 * 1024;
/// Lines of one reply.
pub const REPLY_LINES_MAX: usize = 128;
/// Bytes of a template bundle, all files together.
pub const BUNDLE_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The rejects of one batch as they are written down, in bytes: about a million rows. A small file that unpacks to rows which are none could fill
/// the disk beside the journal with what is to be said of them.
pub const REJECTS_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// A configuration file, in bytes.
pub const CONFIG_BYTES_MAX: usize = 4 * 1024 * 1024;

// A row that intake accepts must fit the payload it becomes, and a claim must fit one statement.
const _: () = assert!(NDJSON_LINE_BYTES_MAX < PAYLOAD_BYTES_MAX);
const _: () = assert!(RECORD_BYTES_MAX < PAYLOAD_BYTES_MAX);
const _: () = assert!(X12_SEGMENT_BYTES_MAX < NDJSON_LINE_BYTES_MAX);
// Rendered, a statement takes up to ten times its encoding; and the greatest group is a small part of what may wait.
const _: () = assert!(GROUP_BYTES_MAX * 10 < MESSAGE_BYTES_MAX && GROUP_BYTES_MAX < PAYLOAD_BYTES_MAX);
const _: () = assert!(GROUP_BYTES_MAX * 100 < GROUPED_BYTES_MAX);
const _: () = assert!(SERVICE_LINES_MAX * 10 <= X12_CLAIM_SEGMENTS_MAX);
