//! What all runs share and no seed decides: templates, identity, signing keys, rules; and from these the settings of one engine.

use crate::fault::Fault;
use crate::scenario::{CONNECTIONS, RATE_MESSAGES, RATE_WINDOW, Scenario, Setup, SiteKind};
use egress::dns::address::AddressRule;
use egress::dns::resolver::ResolverConfig;
use egress::dns::table::Table;
use egress::dns::{LookupFailure, MxRecord, Resolve};
use egress::{EhloName, RouteConfig, Routes, SiteResolver, Timeouts, TlsContext};
use journal::KeySource;
use model::{Destination, Mailbox, Protection};
use outcome::Rules;
use render::{Bundle, Identity};
use seal::{DkimKeys, Signer};
use sealpost::environment::Environment;
use sealpost::renderers::CompiledBundles;
use sealpost::settings::{DeliverySettings, EngineSettings, GroupBy, IdempotencySettings, Places, Sources, TenantGates, TenantSettings};
use sealpost::shipped::{BOUNCES, TEMPLATES};
use sink::Sandbox;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use throttle::Shaping;
use world::{BoxFuture, World};

pub(crate) const TENANT: &str = "lakeside";
const DOMAIN: &str = "mail.lakeside.example";
/// Everything the engine writes lies below it.
const STATE: &str = "/sealpost";
const KEY_FILE: &str = "/sealpost/secret/key-encryption.key";

/// Why there is nothing to simulate. One sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InstallationError(String);

fn because(error: impl Display) -> InstallationError {
    InstallationError(error.to_string())
}

/// The signing key of all simulations: Ed25519 alone, because RSA would take two fifths of a seed's time.
const SIGNING_KEY: [u8; 32] = [0x5e; 32];

/// What is the same in every run of every process.
pub struct Installation {
    bundle: Arc<Bundle>,
    signer: Arc<Signer>,
    rules: Arc<Rules>,
    /// Each life reads the bundle from its disk; to compile it each time would take half of a seed's time.
    compiled: CompiledBundles,
}

impl Installation {
    /// Assembles what is shipped.
    ///
    /// # Errors
    /// Where what is shipped does not fit together.
    pub fn new() -> Result<Self, InstallationError> {
        let files = TEMPLATES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        let bundle = Bundle::from_files(files, &identity()?).map_err(because)?;
        let keys = DkimKeys::ed25519_alone(DOMAIN, "e1", &SIGNING_KEY).map_err(because)?;
        Ok(Self {
            bundle: Arc::new(bundle),
            signer: Arc::new(Signer::new(vec![keys]).map_err(because)?),
            rules: Arc::new(Rules::from_files(BOUNCES).map_err(because)?),
            compiled: CompiledBundles::default(),
        })
    }

    /// Puts the key-encryption key on a new machine's disk.
    pub(crate) fn prepare(&self, world: &World) -> Result<(), InstallationError> {
        let key_file = Path::new(KEY_FILE);
        let folder = key_file.parent().unwrap_or(Path::new(STATE));
        world.disk().create_dir_all(folder).map_err(because)?;
        journal::new_key_file(world, key_file).map_err(because)
    }

    /// The settings of an engine on this machine, for one life.
    pub(crate) fn settings(
        &self,
        world: &World,
        scenario: &Scenario,
        setup: Setup,
        sandbox: &Sandbox,
    ) -> Result<EngineSettings, InstallationError> {
        let tenant = TenantSettings {
            name: TENANT.to_owned(),
            bundle: Arc::clone(&self.bundle),
            upcoming: Vec::new(),
            templates: None,
            signer: Arc::clone(&self.signer),
            members: None,
            input: sealpost::input::Input::default(),
            member_settings: Arc::default(),
            group_by: if scenario.is_grouping { GroupBy::MemberBatch } else { GroupBy::None },
            openpgp: None,
            gates: Arc::new(TenantGates::open()),
        };
        Ok(EngineSettings {
            node: 1,
            environment: Environment::Test { destinations: BTreeSet::new(), mailboxes: BTreeSet::new() },
            places: places(),
            key_source: key_source(),
            segment_bytes: setup.segment_bytes,
            journal: sealpost::settings::JournalTuning::default(),
            // So few that a batch fills several runs, and merges them.
            idempotency: IdempotencySettings { horizon: Duration::from_secs(730 * 86_400), run_keys: 64 },
            tenants: vec![tenant],
            transactional: delivery(scenario, setup)?,
            marketing: Some(delivery(scenario, setup)?),
            resolver: Arc::new(resolver(world, scenario, sandbox)?),
            tls: Arc::new(TlsContext::with_roots(world, sandbox.ca_pem().as_bytes()).map_err(because)?),
            shaping: Arc::new(shaping(setup, sandbox)?),
            rules: Arc::clone(&self.rules),
            compiled: self.compiled.clone(),
        })
    }
}

/// Where the engine's machine keeps what.
pub(crate) fn places() -> Places {
    let state = PathBuf::from(STATE);
    Places {
        journal: state.join("journal"),
        key_ring: state.join("key_ring"),
        index: state.join("index"),
        ledger: None,
        results: None,
        gates: None,
        contacts: None,
        sockets: state.join("run"),
    }
}

pub(crate) fn key_source() -> KeySource {
    KeySource::File(PathBuf::from(KEY_FILE))
}

fn identity() -> Result<Identity, InstallationError> {
    let mailbox = |name: &str| Mailbox::parse(&format!("{name}@{DOMAIN}")).map_err(because);
    Ok(Identity {
        tenant: TENANT.to_owned(),
        brand: "Lakeside Health Plan".to_owned(),
        from: mailbox("statements")?,
        reply_to: mailbox("service")?,
        bounce: mailbox("bounce")?,
        message_id_domain: Destination::parse(DOMAIN).map_err(because)?,
        phone: "1-800-555-0142".to_owned(),
        tty: "711".to_owned(),
        hours: "Monday to Friday, 8 a.m. to 8 p.m.".to_owned(),
        portal_url: "https://members.lakeside.example/statements".to_owned(),
        postal_address: "Lakeside Health Plan, Appeals, PO Box 100, Springfield, EX 00001".to_owned(),
        consumer_assistance: "Example Office of the Insurance Commissioner, 1-800-555-0199".to_owned(),
        unsubscribe_url: None,
        languages: Vec::new(),
        language_lines: BTreeMap::new(),
        hours_in: BTreeMap::new(),
        consumer_assistance_in: BTreeMap::new(),
        pay_url: None,
        payment_address: None,
        link_domains: Vec::new(),
    })
}

fn delivery(scenario: &Scenario, setup: Setup) -> Result<DeliverySettings, InstallationError> {
    let ehlo_name = EhloName::parse(DOMAIN).map_err(because)?;
    Ok(DeliverySettings {
        workers: setup.workers,
        protection: Protection::PlaintextLoopback,
        lifetime: scenario.lifetime,
        retry: "1s, 2s, 4s, 8s, 30s".parse().map_err(because)?,
        uncertain: scenario.uncertain,
        timeouts: Timeouts::all(Duration::from_secs(30)),
        sources: Sources::kernels_choice(ehlo_name),
        drain: Duration::from_secs(5),
    })
}

/// Sites with a host are reached by routes, because only a route may say plaintext; the others by a table of DNS answers.
fn resolver(world: &World, scenario: &Scenario, sandbox: &Sandbox) -> Result<SiteResolver, InstallationError> {
    let mut routes = BTreeMap::new();
    let mut table = Table::new();
    for kind in SiteKind::ALL {
        for destination in sandbox.destinations_at(kind.name()) {
            match kind {
                SiteKind::NullMx => table = table.with_mx(&destination, 0, ""),
                SiteKind::Missing => {}
                SiteKind::Failing => table = table.with_failure(&destination, LookupFailure::Unavailable),
                _ => {
                    routes.insert(destination, RouteConfig { to: address(sandbox, kind)?, plaintext: true, tls_name: None, tls: None });
                }
            }
        }
    }
    let routes = Routes::from_config(&routes).map_err(because)?;
    let addresses = AddressRule { allow_loopback: true, allow_private: false };
    let config = ResolverConfig { port: sandbox.smtp_port(), addresses, routes };
    let answers: Arc<dyn Resolve> = match scenario.has(Fault::NameServersFail) {
        true => Arc::new(Unsteady { table, world: world.clone() }),
        false => Arc::new(table),
    };
    Ok(SiteResolver::new(world.clone(), config, answers))
}

/// Name servers that do not answer for a minute of every five.
struct Unsteady {
    table: Table,
    world: World,
}

impl Unsteady {
    fn is_down(&self) -> bool {
        self.world.monotonic().0 / 1_000_000_000 % 300 < 60
    }
}

impl Resolve for Unsteady {
    fn mail_exchangers<'a>(&'a self, domain: &'a str) -> BoxFuture<'a, Result<Vec<MxRecord>, LookupFailure>> {
        if self.is_down() { Box::pin(std::future::ready(Err(LookupFailure::Unavailable))) } else { self.table.mail_exchangers(domain) }
    }

    fn addresses<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFailure>> {
        if self.is_down() { Box::pin(std::future::ready(Err(LookupFailure::Unavailable))) } else { self.table.addresses(host) }
    }
}

/// What the engine knows of its receivers' limits: the very rate they hold it to, and fewer connections, see [`CONNECTIONS`].
fn shaping(setup: Setup, sandbox: &Sandbox) -> Result<Shaping, InstallationError> {
    let limits = format!(
        "[default]\nconnections = {}\nconnect_rate = \"200/s\"\nmessages_per_connection = {}\nrates = [\"50/s\"]\n\
         [site.\"{}\"]\nrates = [\"{}/{}s burst {}\"]\n[site.\"{}\"]\nconnections = {}\n",
        setup.connections,
        setup.messages_per_connection,
        address(sandbox, SiteKind::RateLimited)?,
        RATE_MESSAGES,
        RATE_WINDOW.as_secs(),
        setup.rate_burst,
        address(sandbox, SiteKind::ConnectionLimited)?,
        CONNECTIONS / 2,
    );
    Shaping::from_files(&[("limits.toml", limits)]).map_err(because)
}

pub(crate) fn address(sandbox: &Sandbox, kind: SiteKind) -> Result<String, InstallationError> {
    let address = sandbox.address_of(kind.name()).ok_or_else(|| InstallationError(format!("the sandbox has no site {}", kind.name())))?;
    Ok(address.to_string())
}
