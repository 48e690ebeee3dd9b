//! The configuration: what was typed becomes what is meant, once.
//!
//! [`Config::load`] reads a TOML file, names *everything* that is wrong with it (file, line, what was expected, what to do; an unknown key
//! with the one that was probably meant), and gives checked values: spans as `Duration`, sizes in bytes, paths resolved against
//! the folder of the file, addresses parsed. Below it nothing can be invalid.
//!
//! Sections are named like the stages they configure. Every key and its default stands in `configs/sealpost.reference.toml`;
//! tests hold that file to this code in both directions.
//!
//! It opens nothing but the file itself; keys, templates and knowledge files are read when the settings are built.

mod document;
mod drop;
mod error;
mod gates;
mod installation;
mod members;
mod place;
mod pool;
mod receivers;
mod stream;
mod tenant;
pub(crate) mod units;

pub use error::{ConfigError, ConfigErrors};
pub use installation::{AcceptAfter, KeyOrigin, Node, Paths};
pub use pool::{Pool, PoolAddress};
pub use receivers::KnowledgeFiles;
pub use stream::{Stream, Uncertain};
pub use tenant::Tenant;

use crate::drop::DropSettings;
use crate::environment::Environment;
use crate::settings::JournalTuning;
use document::{Notes, Section};
use egress::config::EgressConfig;
use model::limits::CONFIG_BYTES_MAX;
use place::{Resolver, Variables};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// A checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whom the engine may reach.
    pub environment: Environment,
    /// This machine.
    pub node: Node,
    /// Folders.
    pub paths: Paths,
    /// Where the key-encryption key comes from.
    pub keys: KeyOrigin,
    /// Size of a journal segment, in bytes.
    pub segment_bytes: u64,
    /// How the journals commit, and what of the disk is theirs.
    pub journal: JournalTuning,
    /// How long an idempotency key is remembered.
    pub horizon: Duration,
    /// When a job counts as accepted.
    pub accept_after: AcceptAfter,
    /// Shards of each stream.
    pub shards: u16,
    /// Who sends. Never empty.
    pub tenants: Vec<Tenant>,
    /// How statements are delivered.
    pub transactional: Stream,
    /// How marketing is delivered, where it is switched on.
    pub marketing: Option<Stream>,
    /// Routes, DNS, roots of trust, timeouts.
    pub egress: EgressConfig,
    /// What receivers accept.
    pub destinations: KnowledgeFiles,
    /// What their replies mean.
    pub bounces: KnowledgeFiles,
    /// Our addresses.
    pub pools: Vec<Pool>,
    /// Where files are dropped; `None` where there are no such folders.
    pub drop: Option<DropSettings>,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let name = path.display().to_string();
        let unreadable = |error: std::io::Error| ConfigErrors::about_file(&name, format!("cannot be read: {error}"));
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut text = String::new();
        file.take(CONFIG_BYTES_MAX as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
        if text.len() > CONFIG_BYTES_MAX {
            return Err(ConfigErrors::about_file(&name, format!("is larger than {CONFIG_BYTES_MAX} bytes: is it a configuration?")));
        }
        Self::from_text(&text, path, &|name| std::env::var(name).ok())
    }

    /// Checks a text as if it stood in `path`; `variables` answers for the environment.
    ///
    /// # Errors
    /// [`ConfigErrors`] with everything that is wrong.
    pub fn from_text(text: &str, path: &Path, variables: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigErrors> {
        Self::read(text, path, variables).0
    }

    /// The reference configuration: every key with its default and what it is for.
    pub fn default_text() -> &'static str {
        include_str!("../../../configs/sealpost.reference.toml")
    }

    /// Every key there is, with `NAME` for names that the operator chooses: `tenants.NAME.brand`.
    pub fn known_keys() -> BTreeSet<String> {
        Self::read(ONE_OF_EACH, Path::new("-"), &|_| None).1
    }

    /// Tenants in `live` for whom nobody decided whether a consent must be on file.
    pub(crate) fn undecided_consents(&self) -> impl Iterator<Item = &str> {
        let is_live = self.environment == Environment::Live;
        let undecided = move |tenant: &&Tenant| is_live && tenant.member_settings.authority.consent == intake::ConsentRule::WhereStated;
        self.tenants.iter().filter(undecided).map(|tenant| tenant.name.as_str())
    }

    /// The folder of the sockets of `run`.
    pub fn sockets(&self) -> &Path {
        &self.paths.sockets
    }

    fn read(text: &str, path: &Path, variables: Variables<'_>) -> (Result<Self, ConfigErrors>, BTreeSet<String>) {
        let name = path.display().to_string();
        let table = match document::parse(&name, text) {
            Ok(table) => table,
            Err(errors) => return (Err(errors), BTreeSet::new()),
        };
        let notes = Notes::new(&name, text);
        let config = check(&Section::top(&notes, &table), &Resolver::new(path, variables));
        let (errors, known) = notes.into_found();
        (errors.map_or(Ok(config), Err), known)
    }
}

/// What to do about [`Config::undecided_consents`].
pub(crate) const CONSENT_UNDECIDED: &str = "is \"where_stated\": contact data without a column of consents counts as consented; write \"required\" or \"not_required\" (29 CFR 2520.104b-1(c))";

/// A text in which each kind of table with a chosen name stands once, so that all its keys are asked for.
const ONE_OF_EACH: &str = "[tenants.x]\ndkim = [{}]\n[routes.x]\n[pools.x]\naddresses = [{}]\n[drop]\nexpect = [{}]\n";

fn check(top: &Section<'_>, places: &Resolver<'_>) -> Config {
    let environment = installation::environment(top);
    let node = installation::node(top.section("node"), &environment);
    let tls = top.section("tls");
    let (transactional, marketing) = stream::streams(top.section("streams"), receivers::requirement(&tls));
    let pools = pool::pools(top, &node.host_name);
    pool::check_streams(top, &pools, &transactional, marketing.as_ref());
    let (segment_bytes, journal) = installation::journal(top.section("journal"));
    let config = Config {
        paths: installation::paths(top.section("paths"), places),
        keys: installation::keys(top.section("keys"), places),
        segment_bytes,
        journal,
        horizon: installation::horizon(top.section("idempotency")),
        accept_after: installation::accept(top.section("accept")),
        shards: installation::shards(top.section("shards")),
        tenants: tenant::tenants(top, places),
        egress: receivers::egress(top, &tls, places),
        destinations: receivers::knowledge(top.section("destinations"), places),
        bounces: receivers::knowledge(top.section("bounces"), places),
        drop: drop::drop_folders(top.section("drop"), places),
        environment,
        node,
        transactional,
        marketing,
        pools,
    };
    tls.finish();
    top.finish();
    config
}
