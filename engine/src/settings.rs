//! What the engine runs with, after the configuration was read and checked: nothing here can be invalid.
//!
//! Built by `config` from files, or by the simulator directly.

use crate::assembly::TemplateSource;
use crate::environment::Environment;
use crate::openpgp::OpenPgpKey;
use crate::renderers::CompiledBundles;
use egress::{EhloName, SiteResolver, Timeouts, TlsContext};
pub use intake::GroupBy;
use intake::MemberSettings;
use intake::gates::GateSettings;
use ipreputation::Pools;
use journal::KeySource;
use model::{Protection, StreamName, Timestamp};
use outcome::{RetrySchedule, Rules, UncertainRule};
use render::Bundle;
use seal::Signer;
use smtp::EhloNameError;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use throttle::Shaping;
use world::CommitMethod;

/// Six years, as 45 CFR 164.316(b)(2)(i) asks, leap days included.
pub const EVIDENCE_KEPT_DEFAULT: Duration = Duration::from_secs(2_192 * 86_400);
/// How long a commit that nobody waits for may be put off.
pub(crate) const COMMIT_DELAY_MAX_DEFAULT: Duration = Duration::from_millis(2);

/// Everything the engine needs to start.
pub struct EngineSettings {
    /// This machine's number in ids.
    pub node: u16,
    /// Whom the engine may reach.
    pub environment: Environment,
    /// Folders and files.
    pub places: Places,
    /// Where the key-encryption key comes from.
    pub key_source: KeySource,
    /// Size of a journal segment, in bytes.
    pub segment_bytes: u64,
    /// How the journals commit, and what of the disk is theirs.
    pub journal: JournalTuning,
    /// How repeats are told apart.
    pub idempotency: IdempotencySettings,
    /// Who sends.
    pub tenants: Vec<TenantSettings>,
    /// How statements are delivered.
    pub transactional: DeliverySettings,
    /// How marketing is delivered, where this installation has it.
    pub marketing: Option<DeliverySettings>,
    /// Destination → site.
    pub resolver: Arc<SiteResolver>,
    /// TLS towards receivers.
    pub tls: Arc<TlsContext>,
    /// What receivers accept.
    pub shaping: Arc<Shaping>,
    /// What replies mean.
    pub rules: Arc<Rules>,
    /// Templates that are compiled already.
    pub compiled: CompiledBundles,
}

/// What is remembered of idempotency keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdempotencySettings {
    /// How long a key is remembered.
    pub horizon: Duration,
    /// Keys in memory before they go to disk: [`intake::RUN_KEYS_DEFAULT`], fewer in the simulator.
    pub run_keys: usize,
}

/// How each stream's journal commits, and what of the disk is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalTuning {
    /// Bytes that are kept free for settling; `None` is [`journal::bounds::RESERVE_SEGMENTS`] segments.
    pub reserve_bytes: Option<u64>,
    /// Bytes that the journal of a stream may have; `None` is the disk.
    pub quota_bytes: Option<u64>,
    /// The way to write and sync; `None` measures at each start.
    pub commit_method: Option<CommitMethod>,
    /// How long a commit that nobody waits for may be put off.
    pub commit_delay_max: Duration,
    /// Closed record segments that make the next checkpoint due.
    pub checkpoint_every_segments: u32,
    /// How long the segments of the record are kept.
    pub evidence_kept: Duration,
}

impl Default for JournalTuning {
    fn default() -> Self {
        Self {
            reserve_bytes: None,
            quota_bytes: None,
            commit_method: None,
            commit_delay_max: COMMIT_DELAY_MAX_DEFAULT,
            checkpoint_every_segments: journal::bounds::CHECKPOINT_EVERY_SEGMENTS_DEFAULT,
            evidence_kept: EVIDENCE_KEPT_DEFAULT,
        }
    }
}

/// Where things lie on disk.
#[derive(Debug, Clone)]
pub struct Places {
    /// Journals, one folder a stream.
    pub journal: PathBuf,
    /// The key ring; outside the journal.
    pub key_ring: PathBuf,
    /// Indexes of idempotency keys, one folder a stream.
    pub index: PathBuf,
    /// Ledger files, one a stream; `None` keeps them in memory.
    pub ledger: Option<PathBuf>,
    /// Reject files and receipts; `None` writes none.
    pub results: Option<PathBuf>,
    /// What the gates remember, sealed; `None` remembers nothing.
    pub gates: Option<PathBuf>,
    /// Contact data, sealed, one folder a tenant; `None` keeps none.
    pub contacts: Option<PathBuf>,
    /// Sockets of `run`.
    pub sockets: PathBuf,
}

/// Bundles by the moment from which they are taken, in the order of those.
pub type Upcoming = Vec<(Timestamp, Arc<Bundle>)>;

/// One tenant.
#[derive(Clone)]
pub struct TenantSettings {
    /// Its name in the configuration.
    pub name: String,
    /// What decides the bytes of its messages.
    pub bundle: Arc<Bundle>,
    /// Bundles that take its place from a moment on, in the order of those.
    pub upcoming: Upcoming,
    /// Where they are read again while the engine runs; `None` keeps these.
    pub templates: Option<TemplateSource>,
    /// Its DKIM keys.
    pub signer: Arc<Signer>,
    /// Its contact file, for jobs that bring no recipient.
    pub members: Option<PathBuf>,
    /// How its statements find their readers.
    pub member_settings: Arc<MemberSettings>,
    /// Which statements of a file go in one message.
    pub group_by: GroupBy,
    /// Opens files that come encrypted to it.
    pub openpgp: Option<Arc<OpenPgpKey>>,
    /// What must hold before the first message of its batches.
    pub gates: Arc<TenantGates>,
    /// How its files are read, where a request says nothing else.
    pub input: crate::input::Input,
}

/// The gates of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantGates {
    /// For files of a drop folder, where nobody stands by.
    pub dropped: GateSettings,
    /// For `sealpost send`.
    pub sent: GateSettings,
    /// Who lets a batch go where no gate speaks against it.
    pub release: ReleaseRule,
    /// The first so many messages of a batch go, the rest waits for a release.
    pub canary: Option<u64>,
}

impl Default for TenantGates {
    /// Every gate before a drop folder; before `send`, where an operator reads the report, the one against record-shear.
    fn default() -> Self {
        let (dropped, sent) = (GateSettings::default(), GateSettings::shear_alone());
        Self { dropped, sent, release: ReleaseRule::Auto, canary: None }
    }
}

impl TenantGates {
    /// Nothing is held.
    pub fn open() -> Self {
        Self { dropped: GateSettings::open(), sent: GateSettings::open(), release: ReleaseRule::Auto, canary: None }
    }
}

/// Who lets a batch go where no gate speaks against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseRule {
    /// It goes by itself.
    Auto,
    /// A person, after looking at rendered rows.
    AfterProof,
}

/// One of our addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceAddress {
    /// The address; `None` lets the kernel choose.
    pub ip: Option<IpAddr>,
    /// The name it greets with.
    pub ehlo_name: EhloName,
}

/// Where the connections of a stream come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Never empty.
    addresses: Vec<SourceAddress>,
    pools: Option<Pools>,
}

impl Sources {
    /// The kernel chooses the address, and there is no ceiling: loopback and development.
    pub fn kernels_choice(ehlo_name: EhloName) -> Self {
        Self { addresses: vec![SourceAddress { ip: None, ehlo_name }], pools: None }
    }

    /// The addresses of a stream's pools, each with what it may send a day.
    ///
    /// # Errors
    /// A name that cannot stand in EHLO.
    pub fn from_pools(pools: Pools, stream: StreamName) -> Result<Self, EhloNameError> {
        let address = |source: ipreputation::SourceAddress| {
            EhloName::parse(&source.ehlo_name).map(|ehlo_name| SourceAddress { ip: source.ip, ehlo_name })
        };
        let addresses = pools.addresses(stream).into_iter().map(address).collect::<Result<_, _>>()?;
        Ok(Self { addresses, pools: Some(pools) })
    }

    /// All of them, in the order of the configuration. Never empty.
    pub fn addresses(&self) -> &[SourceAddress] {
        &self.addresses
    }

    /// What each may send; `None` where the kernel chooses.
    pub fn pools(&self) -> Option<&Pools> {
        self.pools.as_ref()
    }
}

/// How a stream delivers.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// Prepare workers.
    pub workers: usize,
    /// What its messages require on their way.
    pub protection: Protection,
    /// How long a job lives.
    pub lifetime: Duration,
    /// When a deferred message is tried again.
    pub retry: RetrySchedule,
    /// What is done with a message that may have been sent.
    pub uncertain: UncertainRule,
    /// RFC 5321 section 4.5.3.2.
    pub timeouts: Timeouts,
    /// Our addresses, and what each may send.
    pub sources: Sources,
    /// How long draining may take before what is under way is left `uncertain`.
    pub drain: Duration,
}
