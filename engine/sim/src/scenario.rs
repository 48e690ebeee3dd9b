//! What a seed means: the parcels, the receivers and their temper, the faults, the weather, and how the engine is set up.

use crate::crash::magnitude;
use crate::fault::{self, Fault};
use crate::orders::{self, PlannedOrder};
use crate::parcel::{Door, Parcel};
use model::State;
use outcome::UncertainRule;
use sink::{Mx, Personality, SandboxConfig, SiteConfig, Storm, StormAt, TlsOffer};
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::{Options, Random};
use world::simulated::{NetworkTrouble, Weather};

const SORT_SCENARIO: u64 = 100;
const SORT_LIFE: u64 = 102;
/// Destinations of a scenario: enough that each site has some.
const DESTINATIONS: usize = 56;
/// Claims of a member, where they are grouped.
pub(crate) const CLAIMS_PER_MEMBER_MAX: u64 = 4;
/// Scenarios in which statements are grouped.
const GROUPING_PER_MILLE: u32 = 300;
/// Where all sites listen.
const PORT: u16 = 2525;
/// The receivers that have a rate limit allow this many messages in any [`RATE_WINDOW`].
pub(crate) const RATE_MESSAGES: u32 = 4;
/// The engine is told the same; the network squeezes what it sends evenly, and the throttle's guard must make up for that.
pub(crate) const RATE_WINDOW: Duration = Duration::from_secs(10);
/// The receivers that have a connection limit allow this many at once; the engine is told half, because a receiver learns later
/// than we do that a connection has ended.
pub(crate) const CONNECTIONS: u32 = 4;
/// A jump of the wall clock, at most. A job lives longer than all of them.
const JUMP_MAX: Duration = Duration::from_secs(600);
const JUMPS_MAX: u32 = 8;

/// The kind of a receiver, and so where its mail may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SiteKind {
    /// Takes everything.
    Quick,
    /// Takes everything, after a while.
    Slow,
    /// Takes everything, not at the first try.
    Greylisting,
    /// Does not know some recipients.
    Refusing,
    /// Counts messages in a window.
    RateLimited,
    /// Counts connections.
    ConnectionLimited,
    /// Closes a connection after a few messages.
    Closing,
    /// Some mailboxes are full for a while.
    FullForNow,
    /// Some mailboxes are full for good.
    FullForGood,
    /// Loses connections after the final dot.
    Dropping,
    /// Refuses everybody for now and then.
    Storming,
    /// Refuses everybody for good now and then.
    Rejecting,
    /// Takes no mail at all (RFC 7505).
    NullMx,
    /// Does not exist.
    Missing,
    /// Its name servers fail.
    Failing,
}

impl SiteKind {
    /// All kinds.
    pub const ALL: [Self; 15] = [
        Self::Quick,
        Self::Slow,
        Self::Greylisting,
        Self::Refusing,
        Self::RateLimited,
        Self::ConnectionLimited,
        Self::Closing,
        Self::FullForNow,
        Self::FullForGood,
        Self::Dropping,
        Self::Storming,
        Self::Rejecting,
        Self::NullMx,
        Self::Missing,
        Self::Failing,
    ];

    /// The site's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Slow => "slow",
            Self::Greylisting => "greylisting",
            Self::Refusing => "refusing",
            Self::RateLimited => "rate-limited",
            Self::ConnectionLimited => "connection-limited",
            Self::Closing => "closing",
            Self::FullForNow => "full-for-now",
            Self::FullForGood => "full-for-good",
            Self::Dropping => "dropping",
            Self::Storming => "storming",
            Self::Rejecting => "rejecting",
            Self::NullMx => "null-mx",
            Self::Missing => "missing",
            Self::Failing => "failing",
        }
    }

    /// Where a statement to this kind of receiver may end, crashes or not. What may be left uncertain, and what an operator cancelled,
    /// is said elsewhere.
    pub const fn may_end(self, state: State) -> bool {
        match self {
            Self::Refusing | Self::FullForGood | Self::Rejecting => matches!(state, State::Delivered | State::Bounced),
            Self::NullMx | Self::Missing => matches!(state, State::Bounced),
            Self::Failing => matches!(state, State::Expired),
            _ => matches!(state, State::Delivered),
        }
    }

    /// Whether it counts something that the engine must keep to.
    pub const fn is_counting(self) -> bool {
        matches!(self, Self::RateLimited | Self::ConnectionLimited)
    }

    fn config(self, faults: &BTreeSet<Fault>, random: &mut Random) -> SiteConfig {
        let (personality, mx, weight) = match self {
            Self::Quick => (Personality::quick(), Mx::One, 10),
            Self::Slow => (Personality::slow(Duration::from_millis(700)), Mx::One, 2),
            Self::Greylisting => (Personality::greylisting(Duration::from_secs(5)), Mx::One, 2),
            Self::Refusing => (Personality::refusing(300), Mx::One, 2),
            Self::RateLimited => (Personality::rate_limited(RATE_MESSAGES, RATE_WINDOW), Mx::One, 6),
            Self::ConnectionLimited => (Personality::connection_limited(CONNECTIONS), Mx::One, 2),
            Self::Closing => (Personality::closing(3), Mx::One, 2),
            Self::FullForNow => (Personality::full(500, Some(Duration::from_secs(10))), Mx::One, 2),
            Self::FullForGood => (Personality::full(400, None), Mx::One, 1),
            Self::Dropping => (Personality::dropping(400), Mx::One, 3),
            Self::Storming => (storming(faults.contains(&Fault::TemporaryStorms), false, random), Mx::One, 2),
            Self::Rejecting => (storming(faults.contains(&Fault::PermanentStorms), true, random), Mx::One, 2),
            Self::NullMx => (Personality::quick(), Mx::Null, 1),
            Self::Missing => (Personality::quick(), Mx::Missing, 1),
            Self::Failing => (Personality::quick(), Mx::Failing, 1),
        };
        // Plaintext: TLS draws from the cryptographic library's own generator.
        let personality = Personality { tls: TlsOffer::None, ..personality };
        SiteConfig::new(self.name(), personality, weight).published(mx)
    }
}

fn storming(rages: bool, permanent: bool, random: &mut Random) -> Personality {
    let at = if permanent {
        *random.pick(&[StormAt::Recipient, StormAt::FinalDot])
    } else {
        *random.pick(&[StormAt::Greeting, StormAt::Mail, StormAt::Recipient, StormAt::FinalDot])
    };
    let storm = Storm { every: Duration::from_secs(40), lasts: Duration::from_secs(random.between(5, 25)), at, permanent };
    if rages { Personality::storming(storm) } else { Personality::quick() }
}

/// One run's world, as far as it is decided before it begins.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What all else follows from.
    pub seed: u64,
    /// The kinds of fault it meets.
    pub faults: BTreeSet<Fault>,
    /// What is handed in.
    pub parcels: Vec<Parcel>,
    /// What is done with a message that may have been sent.
    pub uncertain: UncertainRule,
    /// How long a job lives.
    pub lifetime: Duration,
    /// The statements of a member within one file go in one message; members have several, which lie far apart.
    pub is_grouping: bool,
    pub(crate) sandbox: SandboxConfig,
    pub(crate) weather: Weather,
    /// The longest the disk is busy before a group of writes.
    pub(crate) disk_busy_max: Duration,
    pub(crate) orders: Vec<PlannedOrder>,
    /// Connections are reset now and then, this far apart.
    pub(crate) resets_every: Option<Duration>,
}

/// How the engine is set up in one life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Setup {
    pub(crate) workers: usize,
    pub(crate) segment_bytes: u64,
    /// Connections to a receiver that counts none.
    pub(crate) connections: u32,
    pub(crate) messages_per_connection: u32,
    /// Messages that may go at once to the receivers that have a rate limit. What was spent stays spent over a crash.
    pub(crate) rate_burst: u32,
}

impl Scenario {
    /// What this seed means for so many rows.
    pub fn new(seed: u64, rows: u64) -> Self {
        let mut random = Random::of(seed, SORT_SCENARIO, 0);
        let faults = fault::draw(seed);
        let sites = SiteKind::ALL.map(|kind| kind.config(&faults, &mut random)).to_vec();
        let mut sandbox = SandboxConfig::new(DESTINATIONS, sites);
        (sandbox.port, sandbox.dns_port, sandbox.seed) = (PORT, 53, seed);
        sandbox.idle_max = Duration::from_secs(60);
        let is_grouping = Random::of(seed, SORT_SCENARIO, 2).chance(GROUPING_PER_MILLE);
        let parcels = parcels(seed, rows, &sandbox, is_grouping, &mut random);
        let has = |fault| faults.contains(&fault);
        Self {
            seed,
            is_grouping,
            uncertain: *random.pick(&[UncertainRule::Resend, UncertainRule::Resend, UncertainRule::Hold]),
            // The receiver with a rate limit needs some seconds for each of its statements; clocks may jump, batches may be held.
            lifetime: Duration::from_secs(3_000 + 2 * rows) + if has(Fault::ClockJumps) { JUMP_MAX * JUMPS_MAX } else { Duration::ZERO },
            orders: if has(Fault::Operator) { orders::plan(seed, &parcels) } else { Vec::new() },
            parcels,
            sandbox,
            weather: weather(&mut random),
            disk_busy_max: Duration::from_micros(if has(Fault::BusyDisk) { magnitude(&mut random, 500_000) } else { 0 }),
            resets_every: has(Fault::ConnectionsTorn).then(|| Duration::from_millis(random.between(50, 3_000))),
            faults,
        }
    }

    /// Whether it meets this fault.
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// How the engine is set up in life `number`, from 0.
    pub(crate) fn setup(&self, number: usize) -> Setup {
        let number = if self.has(Fault::Reload) { number as u64 } else { 0 };
        let mut random = Random::of(self.seed, SORT_LIFE, number);
        Setup {
            workers: random.between(1, 3) as usize,
            segment_bytes: *random.pick(&[16 << 10, 32 << 10, 64 << 10, 256 << 10]),
            connections: random.between(1, 6) as u32,
            messages_per_connection: *random.pick(&[3, 20, 50, 100]),
            rate_burst: *random.pick(&[1, 2, 3]),
        }
    }

    /// What connections meet.
    pub(crate) fn network_trouble(&self, prompt: BTreeSet<std::net::SocketAddr>) -> NetworkTrouble {
        let share = |fault, per_mille| if self.has(fault) { per_mille } else { 0 };
        NetworkTrouble {
            refused_per_mille: share(Fault::ConnectionsRefused, 80),
            unanswered_per_mille: share(Fault::ConnectionsUnanswered, 40),
            reset_per_mille: share(Fault::ConnectionsReset, 200),
            silent_per_mille: share(Fault::ConnectionsSilent, 100),
            slow_per_mille: share(Fault::ConnectionsSlow, 100),
            slow_by: Duration::from_secs(4),
            prompt,
        }
    }

    /// By how much the wall clock jumps after life `number`; forwards where true.
    pub(crate) fn clock_jump(&self, number: usize) -> Option<(bool, Duration)> {
        let mut random = Random::of(self.seed, SORT_LIFE, 1_000 + number as u64);
        let forwards = random.chance(500);
        self.has(Fault::ClockJumps).then(|| (forwards, Duration::from_millis(magnitude(&mut random, JUMP_MAX.as_millis() as u64))))
    }
}

/// Two files of statements, a stream of single jobs, and marketing, whose members lie where nobody counts: it shares its source address
/// with the statements here, which it never does in life.
fn parcels(seed: u64, rows: u64, sandbox: &SandboxConfig, is_grouping: bool, random: &mut Random) -> Vec<Parcel> {
    let destinations: Vec<String> = (1..=DESTINATIONS).map(|number| format!("d{number:05}.example")).collect();
    let counting = SiteKind::ALL.into_iter().filter(|kind| kind.is_counting());
    let counted: BTreeSet<String> = counting.flat_map(|kind| sandbox.destinations_at(kind.name())).collect();
    let uncounted: Vec<String> = destinations.iter().filter(|name| !counted.contains(*name)).cloned().collect();
    let options = Options {
        lines: 1..=3,
        destinations,
        claims_per_transaction: 20,
        without_contact_per_mille: 30,
        mismatched_per_mille: 20,
        duplicate_per_mille: 50,
        unbalanced_per_mille: 30,
        reversal_per_mille: 20,
        without_authorization_per_mille: 100,
        ..Options::default()
    };
    // Where nobody waits for a person, content keys and segments go before the end.
    let mut more = Random::of(seed, SORT_SCENARIO, 1);
    let mismatched_per_mille = if more.chance(500) { 0 } else { options.mismatched_per_mille };
    let growing = more.chance(300);
    let claims_per_member = if is_grouping { more.between(2, CLAIMS_PER_MEMBER_MAX) } else { 1 };
    let options = Options { mismatched_per_mille, claims_per_member, scattered: is_grouping, ..options };
    let (second, socket, marketing) = (rows * random.between(15, 35) / 100, rows * random.between(10, 30) / 100, rows / 10);
    let first = rows - second - socket - marketing;
    let doors = [(Door::X12835, first), (Door::Ndjson, second), (Door::Socket, socket), (Door::Marketing, marketing)];
    let parcel = |(number, (door, rows)): (u64, (Door, u64))| {
        let after = Duration::from_millis(if number == 0 { 0 } else { magnitude(random, 20_000) });
        let destinations = if door == Door::Marketing { uncounted.clone() } else { options.destinations.clone() };
        let mut parcel = Parcel::new(seed, number, door, after, Options { rows: rows.max(1), destinations, ..options.clone() });
        parcel.is_growing = growing && number == 0;
        parcel
    };
    (0..).zip(doors).map(parcel).collect()
}

/// From a machine room to a bad line.
fn weather(random: &mut Random) -> Weather {
    let delay_max = Duration::from_micros(*random.pick(&[200, 5_000, 20_000, 400_000]));
    Weather { delay_min: Duration::from_micros(50), delay_max, ..Weather::default() }
}
