//! What a seed means: the batch, the receivers and their temper, the weather, and how the engine is set up.

use model::State;
use outcome::UncertainRule;
use sink::{Mx, Personality, SandboxConfig, SiteConfig, TlsOffer};
use std::time::Duration;
use testkit::{Options, Random};
use world::simulated::Weather;

const SORT_SCENARIO: u64 = 100;
/// Destinations of a scenario: enough that each site has some.
const DESTINATIONS: usize = 40;
/// Where all sites listen.
const PORT: u16 = 2525;
/// The receivers that have a rate limit allow this many messages in any [`RATE_WINDOW`].
pub(crate) const RATE_MESSAGES: u32 = 4;
/// The engine is told the same; the network squeezes what it sends evenly, and the throttle's guard must make up for that.
pub(crate) const RATE_WINDOW: Duration = Duration::from_secs(10);
/// The receivers that have a connection limit allow this many at once; the engine is told half, because a receiver learns later
/// than we do that a connection has ended.
pub(crate) const CONNECTIONS: u32 = 4;

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
    /// Takes no mail at all (RFC 7505).
    NullMx,
    /// Does not exist.
    Missing,
    /// Its name servers fail.
    Failing,
}

impl SiteKind {
    /// All kinds.
    pub const ALL: [Self; 13] = [
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
            Self::NullMx => "null-mx",
            Self::Missing => "missing",
            Self::Failing => "failing",
        }
    }

    /// Where a statement to this kind of receiver may end, crashes or not. What may be left uncertain is said by the scenario.
    pub const fn may_end(self, state: State) -> bool {
        match self {
            Self::Refusing | Self::FullForGood => matches!(state, State::Delivered | State::Bounced),
            Self::NullMx | Self::Missing => matches!(state, State::Bounced),
            Self::Failing => matches!(state, State::Expired),
            _ => matches!(state, State::Delivered),
        }
    }

    fn config(self) -> SiteConfig {
        let (personality, mx, weight) = match self {
            Self::Quick => (Personality::quick(), Mx::One, 8),
            Self::Slow => (Personality::slow(Duration::from_millis(700)), Mx::One, 2),
            Self::Greylisting => (Personality::greylisting(Duration::from_secs(5)), Mx::One, 2),
            Self::Refusing => (Personality::refusing(300), Mx::One, 2),
            Self::RateLimited => (Personality::rate_limited(RATE_MESSAGES, RATE_WINDOW), Mx::One, 6),
            Self::ConnectionLimited => (Personality::connection_limited(CONNECTIONS), Mx::One, 2),
            Self::Closing => (Personality::closing(3), Mx::One, 2),
            Self::FullForNow => (Personality::full(500, Some(Duration::from_secs(10))), Mx::One, 2),
            Self::FullForGood => (Personality::full(400, None), Mx::One, 1),
            Self::Dropping => (Personality::dropping(400), Mx::One, 3),
            Self::NullMx => (Personality::quick(), Mx::Null, 1),
            Self::Missing => (Personality::quick(), Mx::Missing, 1),
            Self::Failing => (Personality::quick(), Mx::Failing, 1),
        };
        // Plaintext: TLS draws from the cryptographic library's own generator.
        let personality = Personality { tls: TlsOffer::None, ..personality };
        SiteConfig::new(self.name(), personality, weight).published(mx)
    }
}

/// How a batch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    X12835,
    Ndjson,
}

/// One run's world, as far as it is decided before it begins.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What all else follows from.
    pub seed: u64,
    /// What is done with a message that may have been sent.
    pub uncertain: UncertainRule,
    /// How long a job lives.
    pub lifetime: Duration,
    pub(crate) format: Format,
    pub(crate) options: Options,
    pub(crate) sandbox: SandboxConfig,
    pub(crate) weather: Weather,
    pub(crate) workers: usize,
    pub(crate) segment_bytes: u64,
    /// Connections are reset now and then, this far apart.
    pub(crate) resets_every: Option<Duration>,
}

impl Scenario {
    /// What this seed means for a batch of so many rows.
    pub fn new(seed: u64, statements: u64) -> Self {
        let mut random = Random::of(seed, SORT_SCENARIO, 0);
        let mut sandbox = SandboxConfig::new(DESTINATIONS, SiteKind::ALL.map(SiteKind::config).to_vec());
        (sandbox.port, sandbox.dns_port, sandbox.seed) = (PORT, 53, seed);
        let destinations = (1..=DESTINATIONS).map(|number| format!("d{number:05}.example")).collect();
        let options = Options {
            seed,
            rows: statements,
            lines: 1..=4,
            destinations,
            claims_per_transaction: 20,
            without_contact_per_mille: 30,
            mismatched_per_mille: 20,
            duplicate_per_mille: 50,
            unbalanced_per_mille: 30,
            reversal_per_mille: 20,
            ..Options::default()
        };
        Self {
            seed,
            uncertain: *random.pick(&[UncertainRule::Resend, UncertainRule::Resend, UncertainRule::Hold]),
            // The receiver with a rate limit needs some seconds for each of its statements.
            lifetime: Duration::from_secs(600 + 2 * statements),
            format: *random.pick(&[Format::X12835, Format::Ndjson]),
            options,
            sandbox,
            weather: weather(&mut random),
            workers: random.between(1, 3) as usize,
            segment_bytes: *random.pick(&[64 << 10, 256 << 10, 4 << 20]),
            resets_every: random.chance(400).then(|| Duration::from_millis(random.between(50, 3_000))),
        }
    }
}

/// From a machine room to a bad line.
fn weather(random: &mut Random) -> Weather {
    let delay_max = Duration::from_micros(*random.pick(&[200, 5_000, 20_000, 400_000]));
    Weather { delay_min: Duration::from_micros(50), delay_max, ..Weather::default() }
}
