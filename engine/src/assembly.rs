//! From a checked configuration to what the engine runs with: keys, templates and knowledge files are read here.
//!
//! What is shipped (templates, limits of receivers, meanings of replies, warm-up) is compiled in, so that the binary alone is a working
//! installation; a folder in the configuration takes its place, files are read after it and win.

use crate::config::{Config, KeyOrigin, KnowledgeFiles, Pool, Stream, Tenant, Uncertain};
use crate::engine::lock;
use crate::openpgp::OpenPgpKey;
use crate::renderers::CompiledBundles;
use crate::settings::{DeliverySettings, EngineSettings, IdempotencySettings, Places, Sources, TenantSettings, Upcoming};
use crate::shipped::{BOUNCES, DESTINATIONS, TEMPLATES, WARMUP};
use crate::template_store::{Scheduled, TemplateStore};
use egress::{EhloName, Routes, SiteResolver, TlsContext};
use ipreputation::{AddressConfig, PoolConfig, Pools, PoolsConfig, Warmup};
use journal::KeySource;
use model::{StreamName, Timestamp};
use outcome::{RetrySchedule, Rules, UncertainRule};
use render::{Bundle, BundleError, Identity};
use seal::Signer;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use throttle::Shaping;
use world::World;
use zeroize::Zeroizing;

/// Why a configuration that reads well cannot be used: one sentence with the place and what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct AssemblyError(String);

impl From<BundleError> for AssemblyError {
    fn from(error: BundleError) -> Self {
        because(error)
    }
}

fn because(error: impl std::fmt::Display) -> AssemblyError {
    AssemblyError(error.to_string())
}

impl Config {
    /// Reads keys, templates and knowledge files; everything the engine runs with.
    ///
    /// # Errors
    /// The first thing that cannot be used, with its place.
    pub fn into_settings(self, world: &World) -> Result<EngineSettings, AssemblyError> {
        let now = world.wall();
        let compiled = CompiledBundles::default();
        let tenants = self.tenants.iter().map(|one| tenant(one, &self.paths.templates, now, &compiled)).collect::<Result<Vec<_>, _>>()?;
        let routes = Routes::from_config(&self.egress.routes).map_err(because)?;
        let resolver = SiteResolver::from_config(world.clone(), &self.egress, routes).map_err(because)?;
        for tenant in self.undecided_consents() {
            tracing::warn!(target: "sealpost::intake", tenant, "tenants.{tenant}.consent {}", crate::config::CONSENT_UNDECIDED);
        }
        let tls = TlsContext::new(world, self.egress.ca_file.as_deref()).map_err(because)?;
        Ok(EngineSettings {
            node: self.node.id,
            shaping: Arc::new(self.shaping()?),
            rules: Arc::new(self.rules()?),
            key_source: key_source(&self.keys),
            segment_bytes: self.segment_bytes,
            journal: self.journal,
            idempotency: IdempotencySettings { horizon: self.horizon, run_keys: intake::RUN_KEYS_DEFAULT },
            tenants,
            transactional: self.delivery(StreamName::Transactional, &self.transactional)?,
            marketing: self.marketing.as_ref().map(|stream| self.delivery(StreamName::Marketing, stream)).transpose()?,
            resolver: Arc::new(resolver),
            tls: Arc::new(tls),
            compiled,
            places: Places {
                journal: self.paths.journal,
                key_ring: self.paths.key_ring,
                index: self.paths.index,
                ledger: Some(self.paths.ledger),
                results: Some(self.paths.results),
                gates: Some(self.paths.gates),
                contacts: Some(self.paths.contacts),
                sockets: self.paths.sockets,
            },
            environment: self.environment,
        })
    }

    /// What receivers accept.
    ///
    /// # Errors
    /// The first rule that is wrong, with file and line.
    pub fn shaping(&self) -> Result<Shaping, AssemblyError> {
        Shaping::from_files(&knowledge(&self.destinations, DESTINATIONS)?).map_err(because)
    }

    /// What replies mean.
    ///
    /// # Errors
    /// The first rule that is wrong, with file and line.
    pub fn rules(&self) -> Result<Rules, AssemblyError> {
        Rules::from_files(&knowledge(&self.bounces, BOUNCES)?).map_err(because)
    }

    fn delivery(&self, name: StreamName, stream: &Stream) -> Result<DeliverySettings, AssemblyError> {
        let retry: Vec<String> = stream.retry.iter().map(|span| format!("{}s", span.as_secs().max(1))).collect();
        Ok(DeliverySettings {
            workers: stream.workers,
            protection: stream.protection,
            lifetime: stream.deadline,
            retry: retry.join(", ").parse::<RetrySchedule>().map_err(because)?,
            uncertain: match stream.uncertain {
                Uncertain::Resend => UncertainRule::Resend,
                Uncertain::Hold => UncertainRule::Hold,
            },
            timeouts: self.egress.timeouts,
            sources: self.sources(name, stream)?,
            drain: stream.drain,
        })
    }
}

impl Config {
    /// The addresses of a stream's pool, with the shipped warm-up; the kernel's choice where it has none.
    pub(crate) fn sources(&self, name: StreamName, stream: &Stream) -> Result<Sources, AssemblyError> {
        let pool = stream.pool.as_ref().and_then(|name| self.pools.iter().find(|pool| pool.name == *name));
        let Some(pool) = pool.filter(|pool| !pool.addresses.is_empty()) else {
            let name = pool.map_or(&self.node.host_name, |pool| &pool.ehlo_name);
            return Ok(Sources::kernels_choice(EhloName::parse(name.as_str()).map_err(because)?));
        };
        let (file, text) = WARMUP[0];
        let warmup = Warmup::from_file(file, text).map_err(because)?;
        let pools = Pools::new(&pools_of(name, pool), warmup, self.node.host_name.as_str()).map_err(because)?;
        Sources::from_pools(pools, name).map_err(because)
    }
}

/// A stream sees its own pool alone (invariant 9).
fn pools_of(stream: StreamName, pool: &Pool) -> PoolsConfig {
    let addresses = pool.addresses.iter().map(|address| AddressConfig {
        ip: address.ip.to_string(),
        ehlo: address.ehlo_name.as_str().to_owned(),
        warmup_started: address.warmup_started.map(|day| day.to_string()),
    });
    PoolsConfig::from([(pool.name.clone(), PoolConfig { stream, addresses: addresses.collect() })])
}

/// Where the key-encryption key comes from.
pub(crate) fn key_source(origin: &KeyOrigin) -> KeySource {
    match origin {
        KeyOrigin::File(path) => KeySource::File(path.clone()),
        KeyOrigin::Environment(name) => KeySource::Environment(name.clone()),
        KeyOrigin::Command(words) => KeySource::Command(words.clone()),
        KeyOrigin::Credential(name) => KeySource::Credential(name.clone()),
    }
}

fn tenant(tenant: &Tenant, templates: &Path, now: Timestamp, compiled: &CompiledBundles) -> Result<TenantSettings, AssemblyError> {
    let at = |error: &dyn std::fmt::Display| AssemblyError(format!("tenants.{}: {error}", tenant.name));
    let source = TemplateSource::new(tenant, templates, compiled);
    let seen = source.changed();
    let (bundle, upcoming) = source.read(now)?;
    seen.into_iter().for_each(|seen| source.was_read(seen));
    let keys = tenant.dkim.load(|path| std::fs::read_to_string(path).map(Zeroizing::new)).map_err(|error| at(&error))?;
    let signer = Signer::new(vec![keys]).map_err(|error| at(&error))?;
    Ok(TenantSettings {
        name: tenant.name.clone(),
        bundle,
        upcoming,
        templates: Some(source),
        signer: Arc::new(signer),
        members: tenant.members.clone(),
        member_settings: Arc::new(tenant.member_settings.clone()),
        group_by: tenant.group_by,
        openpgp: tenant.openpgp.as_ref().map(OpenPgpKey::load).transpose().map_err(|error| at(&error))?.map(Arc::new),
        gates: Arc::new(tenant.gates.clone()),
        input: tenant.input.clone(),
    })
}

/// Where a tenant's templates are read: at the start, and again while the engine runs. Clones are one.
#[derive(Clone)]
pub struct TemplateSource(Arc<SharedSource>);

struct SharedSource {
    tenant: Tenant,
    store: TemplateStore,
    compiled: CompiledBundles,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// The history as it was read.
    history: Option<HistoryMark>,
    /// What is used where none is activated, as it was when it was first needed: a folder that is worked on is no activation.
    fallback: Option<Arc<Bundle>>,
}

/// Size and time of a history; `None` where there is none.
pub(crate) type HistoryMark = Option<(u64, Option<SystemTime>)>;

impl TemplateSource {
    fn new(tenant: &Tenant, templates: &Path, compiled: &CompiledBundles) -> Self {
        let store = TemplateStore::new(templates, &tenant.name);
        Self(Arc::new(SharedSource { tenant: tenant.clone(), store, compiled: compiled.clone(), seen: Mutex::default() }))
    }

    /// How the history stands, where that is not as it was read.
    pub(crate) fn changed(&self) -> Option<HistoryMark> {
        let mark = self.0.store.history_mark();
        (lock(&self.0.seen).history != Some(mark)).then_some(mark)
    }

    /// It was read, and taken over.
    pub(crate) fn was_read(&self, mark: HistoryMark) {
        lock(&self.0.seen).history = Some(mark);
    }

    /// The bundle of now and those from later moments on: checked, and compiled once, so that a broken template is found before anything
    /// is accepted with it.
    pub(crate) fn read(&self, now: Timestamp) -> Result<(Arc<Bundle>, Upcoming), AssemblyError> {
        let SharedSource { tenant, store, compiled, seen } = &*self.0;
        let at = |error: &dyn std::fmt::Display| AssemblyError(format!("tenants.{}: {error}", tenant.name));
        let Scheduled { current, upcoming } = store.in_use(&tenant.identity, now).map_err(|error| at(&error))?;
        let current = match current {
            Some(bundle) => Arc::new(bundle),
            None => {
                let mut seen = lock(seen);
                let kept = seen.fallback.take().map_or_else(|| bundle(tenant).map(Arc::new), Ok)?;
                Arc::clone(seen.fallback.insert(kept))
            }
        };
        let upcoming: Upcoming = upcoming.into_iter().map(|(from, bundle)| (from, Arc::new(bundle))).collect();
        for bundle in upcoming.iter().map(|(_, bundle)| bundle).chain([&current]) {
            check_templates(&tenant.name, bundle)?;
            compiled.renderer(bundle).map_err(|error| at(&error))?;
        }
        Ok((current, upcoming))
    }
}

/// What was activated in the store below `templates`, else the tenant's folder, else what is shipped.
pub(crate) fn templates_in_use(tenant: &Tenant, templates: &Path, now: Timestamp) -> Result<Bundle, AssemblyError> {
    let store = TemplateStore::new(templates, &tenant.name);
    let scheduled = store.in_use(&tenant.identity, now).map_err(|error| AssemblyError(format!("tenants.{}: {error}", tenant.name)))?;
    scheduled.current.map_or_else(|| bundle(tenant), Ok)
}

/// The templates of a tenant that has activated none: its folder, or what is shipped.
pub(crate) fn bundle(tenant: &Tenant) -> Result<Bundle, AssemblyError> {
    match &tenant.templates {
        Some(folder) => folder_bundle(folder, &tenant.name, &tenant.identity),
        None => shipped_bundle(&tenant.identity).map_err(|error| AssemblyError(format!("tenants.{}: {error}", tenant.name))),
    }
}

/// What is shipped, for an identity.
pub(crate) fn shipped_bundle(identity: &Identity) -> Result<Bundle, BundleError> {
    Bundle::from_files(TEMPLATES.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())), identity)
}

/// A folder's templates, if they hold nothing that does not belong there.
pub(crate) fn folder_bundle(folder: &Path, tenant: &str, identity: &Identity) -> Result<Bundle, AssemblyError> {
    let (bundle, strangers) = publish::read_folder(folder, identity)
        .map_err(|error| AssemblyError(format!("tenants.{tenant}: {}: {error}", folder.display())))?;
    said(tenant, &strangers)?;
    Ok(bundle)
}

/// Refuses templates that could leak, or lack what must be said.
pub(crate) fn check_templates(tenant: &str, bundle: &Bundle) -> Result<(), AssemblyError> {
    said(tenant, &publish::lint(bundle))
}

fn said(tenant: &str, findings: &[publish::Finding]) -> Result<(), AssemblyError> {
    if findings.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = findings.iter().map(|finding| format!("\n  {finding}")).collect();
    Err(AssemblyError(format!("tenants.{tenant}: the templates cannot be used:{}", lines.concat())))
}

/// Shipped files, or a folder's in the order of their names; then the operator's own, which win.
fn knowledge(files: &KnowledgeFiles, shipped: &[(&str, &str)]) -> Result<Vec<(String, String)>, AssemblyError> {
    let mut texts: Vec<(String, String)> = match &files.dir {
        None => shipped.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        Some(folder) => toml_files(folder)?.iter().map(|path| read(path)).collect::<Result<_, _>>()?,
    };
    for path in &files.files {
        texts.push(read(path)?);
    }
    Ok(texts)
}

fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, AssemblyError> {
    let entries = std::fs::read_dir(folder).map_err(|error| AssemblyError(format!("{}: {error}", folder.display())))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<(String, String), AssemblyError> {
    let text = std::fs::read_to_string(path).map_err(|error| AssemblyError(format!("{}: {error}", path.display())))?;
    Ok((path.display().to_string(), text))
}
