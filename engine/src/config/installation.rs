//! What belongs to this machine: whom it may reach, its number, its folders, its key.

use super::document::Section;
use super::place::Resolver;
use crate::environment::Environment;
use crate::settings::{COMMIT_DELAY_MAX_DEFAULT, EVIDENCE_KEPT_DEFAULT, JournalTuning};
use journal::bounds::QUOTA_SEGMENTS_MIN;
use journal::bounds::{CHECKPOINT_EVERY_SEGMENTS_DEFAULT, CHECKPOINT_EVERY_SEGMENTS_MAX};
use model::{Destination, Mailbox};
use std::path::PathBuf;
use std::time::Duration;
use world::CommitMethod;

/// sockaddr_un of Linux: bytes of a socket's path, the final zero not counted; and our longest socket name in it.
const SOCKET_PATH_BYTES_MAX: usize = 107;
const SOCKET_NAME_BYTES_MAX: usize = 24;
/// The highest bit of a node is the stream's (`pipeline::node_of`).
const NODE_MAX: u64 = 32_767;
/// Journal segments: as `journal` accepts them, but for sizes that only tests need.
const SEGMENT_BYTES: std::ops::RangeInclusive<u64> = (1 << 20)..=(1 << 30);
const SEGMENT_BYTES_DEFAULT: u64 = 64 << 20;
/// A key that is forgotten sooner than a sender repeats it sends twice.
const HORIZON: std::ops::RangeInclusive<Duration> = Duration::from_secs(86_400)..=Duration::from_secs(3_660 * 86_400);
/// 24 months.
const HORIZON_DEFAULT: Duration = Duration::from_secs(730 * 86_400);
/// A disk that is kept free beyond this is no journal's.
const RESERVE_BYTES_MAX: u64 = 1 << 44;
/// How long a commit that nobody waits for may be put off, whatever is typed.
const COMMIT_DELAY_MAX: Duration = Duration::from_secs(1);
/// A record that goes sooner proves nothing to anybody.
const EVIDENCE_KEPT: std::ops::RangeInclusive<Duration> = Duration::from_secs(86_400)..=Duration::from_secs(3_660 * 86_400);
/// The ways to write and sync that can be named.
const COMMIT_METHODS: [CommitMethod; 3] = [CommitMethod::IoUring, CommitMethod::Pwritev2, CommitMethod::Pwrite];
/// The name that `keys new` gives the key-encryption key.
const KEY_FILE_DEFAULT: &str = "keys/key-encryption.key";
/// RFC 5321 section 4.1.4 wants a name that resolves; `test` reaches nobody who would check it.
const HOST_NAME_DEFAULT: &str = "localhost.localdomain";

/// `[node]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// This machine's number: the upper 16 bits of its ids, the highest of which says the stream.
    pub id: u16,
    /// The name it greets receivers with, where a pool does not say otherwise.
    pub host_name: Destination,
}

/// `[paths]`, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Journals, one folder a stream.
    pub journal: PathBuf,
    /// The key ring; never inside the journal.
    pub key_ring: PathBuf,
    /// Indexes of idempotency keys, one folder a stream.
    pub index: PathBuf,
    /// Ledger files, one a stream.
    pub ledger: PathBuf,
    /// Reject files and receipts.
    pub results: PathBuf,
    /// What the gates remember, sealed.
    pub gates: PathBuf,
    /// Contact data, sealed, one folder a tenant.
    pub contacts: PathBuf,
    /// Templates that `sealpost template import` took in, one folder a tenant.
    pub templates: PathBuf,
    /// Sockets of `run`.
    pub sockets: PathBuf,
}

/// `[keys] source`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOrigin {
    /// A file of mode 0600 with 32 bytes as base64.
    File(PathBuf),
    /// The name of an environment variable with the same.
    Environment(String),
    /// A program and its arguments, which prints the same.
    Command(Vec<String>),
    /// The name of a systemd credential with the same.
    Credential(String),
}

/// When a job counts as accepted. Another machine's disk is not part of this version, so there is one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcceptAfter {
    /// After the sync of this machine's disk.
    Local,
}

pub(super) fn environment(top: &Section<'_>) -> Environment {
    let is_live = top.word("environment", &[("test", false), ("live", true)]).unwrap_or(false);
    let expected = "expected destinations such as \"ours.example\" or addresses such as \"qa@ours.example\"";
    let allowed = top.list("allow_list", expected, allowed).unwrap_or_default();
    if is_live {
        if !allowed.is_empty() {
            top.wrong(
                "allow_list",
                "has no meaning in `live`, where every recipient is reached; remove it, or write environment = \"test\"",
            );
        }
        return Environment::Live;
    }
    let (mut destinations, mut mailboxes) = Default::default();
    for one in allowed {
        one.add_to(&mut destinations, &mut mailboxes);
    }
    Environment::Test { destinations, mailboxes }
}

pub(super) fn node(section: Section<'_>, environment: &Environment) -> Node {
    let id = section.number("id", 0..=NODE_MAX).and_then(|id| u16::try_from(id).ok()).unwrap_or(1);
    if *environment == Environment::Live {
        section.require("host_name", "receivers check the name in EHLO; write the name that this machine's address resolves to");
    }
    let host_name = section.explained("host_name", Destination::parse);
    section.finish();
    let host_name = host_name.unwrap_or_else(|| Destination::parse(HOST_NAME_DEFAULT).expect("it is a host name"));
    Node { id, host_name }
}

pub(super) fn paths(section: Section<'_>, places: &Resolver<'_>) -> Paths {
    let state = places.state_folder();
    let path = |key, default: PathBuf| section.explained(key, |typed| places.resolve(typed)).unwrap_or(default);
    let paths = Paths {
        journal: path("journal", state.join("journal")),
        key_ring: path("key_ring", state.join("key_ring")),
        index: path("index", state.join("index")),
        ledger: path("ledger", state.join("ledger")),
        results: path("results", state.join("results")),
        gates: path("gates", state.join("gates")),
        contacts: path("contacts", state.join("contacts")),
        templates: path("templates", state.join("templates")),
        sockets: path("sockets", places.socket_folder()),
    };
    if paths.key_ring.starts_with(&paths.journal) {
        section.wrong("key_ring", "lies inside the journal; destroying a key must not depend on segments, give it a folder of its own");
    }
    if paths.sockets.as_os_str().len() + SOCKET_NAME_BYTES_MAX > SOCKET_PATH_BYTES_MAX {
        section.wrong(
            "sockets",
            "is too long for a Unix socket (107 bytes with the socket's name); write a shorter path, such as /run/sealpost",
        );
    }
    section.finish();
    paths
}

pub(super) fn keys(section: Section<'_>, places: &Resolver<'_>) -> KeyOrigin {
    let source = section.section("source");
    let file = source.explained("file", |typed| places.resolve(typed));
    let environment = source.text("environment");
    let command = source.list("command", "expected a program and its arguments", |word| Some(word.to_owned()));
    let credential = source.text("credential");
    if command.as_ref().is_some_and(Vec::is_empty) {
        source.wrong(
            "command",
            "is empty; write a program and its arguments, such as [\"vault\", \"kv\", \"get\", \"-field=key\", \"secret/sealpost\"]",
        );
    }
    if credential.as_ref().is_some_and(|name| name.is_empty() || name.contains('/')) {
        source.wrong("credential", "is no name of a credential; write the name that LoadCredentialEncrypted= gives it");
    }
    let mut written = ["file", "environment", "command", "credential"].into_iter().filter(|key| source.has(key));
    if let (Some(one), Some(other)) = (written.next(), written.next()) {
        source.wrong(other, &format!("there is one key-encryption key: write `{one}` or `{other}`, not both"));
    }
    source.finish();
    section.finish();
    let others = environment.map(KeyOrigin::Environment).or(command.map(KeyOrigin::Command)).or(credential.map(KeyOrigin::Credential));
    let in_a_file = || KeyOrigin::File(file.unwrap_or_else(|| places.folder().join(KEY_FILE_DEFAULT)));
    others.unwrap_or_else(in_a_file)
}

/// `[journal]`: the size of a segment, and the rest.
pub(super) fn journal(section: Section<'_>) -> (u64, JournalTuning) {
    let segment = section.bytes("segment", SEGMENT_BYTES).unwrap_or(SEGMENT_BYTES_DEFAULT);
    let ways = COMMIT_METHODS.map(|method| (method.as_str(), Some(method)));
    let words: Vec<(&str, Option<CommitMethod>)> = std::iter::once(("auto", None)).chain(ways).collect();
    let tuning = JournalTuning {
        reserve_bytes: section.bytes("reserve", 1..=RESERVE_BYTES_MAX),
        quota_bytes: section.bytes("quota", QUOTA_SEGMENTS_MIN * segment..=u64::MAX),
        commit_method: section.word("commit_method", &words).flatten(),
        commit_delay_max: section.span("commit_delay", Duration::from_millis(1)..=COMMIT_DELAY_MAX).unwrap_or(COMMIT_DELAY_MAX_DEFAULT),
        checkpoint_every_segments: section
            .number("checkpoint_every", 1..=u64::from(CHECKPOINT_EVERY_SEGMENTS_MAX))
            .map_or(CHECKPOINT_EVERY_SEGMENTS_DEFAULT, |typed| typed as u32),
        evidence_kept: section.span("evidence_kept", EVIDENCE_KEPT).unwrap_or(EVIDENCE_KEPT_DEFAULT),
    };
    section.finish();
    (segment, tuning)
}

/// How long an idempotency key is remembered.
pub(super) fn horizon(section: Section<'_>) -> Duration {
    let horizon = section.span("horizon", HORIZON).unwrap_or(HORIZON_DEFAULT);
    section.finish();
    horizon
}

pub(super) fn accept(section: Section<'_>) -> AcceptAfter {
    if section.word("after", &[("local", false), ("local+standby", true)]) == Some(true) {
        section.wrong("after", "\"local+standby\" is not in this version: there is no standby to wait for; write \"local\"");
    }
    section.finish();
    AcceptAfter::Local
}

pub(super) fn shards(section: Section<'_>) -> u16 {
    if section.number("count", 1..=1024).is_some_and(|count| count > 1) {
        section.wrong("count", "this version runs one shard a stream; write 1 or remove it");
    }
    section.finish();
    1
}

/// One entry of the allow list.
enum Allowed {
    Destination(Destination),
    Mailbox(String),
}

fn allowed(text: &str) -> Option<Allowed> {
    if text.contains('@') {
        let mailbox = Mailbox::parse(text).ok()?;
        return Some(Allowed::Mailbox(mailbox.reveal().to_ascii_lowercase()));
    }
    Destination::parse(text).ok().map(Allowed::Destination)
}

impl Allowed {
    fn add_to(self, destinations: &mut std::collections::BTreeSet<Destination>, mailboxes: &mut std::collections::BTreeSet<String>) {
        match self {
            Self::Destination(destination) => {
                destinations.insert(destination);
            }
            Self::Mailbox(mailbox) => {
                mailboxes.insert(mailbox);
            }
        }
    }
}
