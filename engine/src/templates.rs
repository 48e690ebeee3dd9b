//! The templates that each tenant's jobs are accepted with: now, and from later moments on.
//!
//! Read when the engine starts, and again while it runs when the tenant's history changed ([`crate::template_store`]): told by
//! `sealpost template activate`, or found within [`LOOK_EVERY`]. A bundle is checked, compiled and in the journals before the first job can
//! name it. What cannot be used changes nothing: the templates of before stay, and the log says so.
//!
//! Jobs keep the bundle they were accepted with. One exception: a denial that its own bundle has no words for goes out with the templates
//! in force where those have them ([`crate::prepare`]); the first intent freezes which.

use crate::assembly::{AssemblyError, TemplateSource};
use crate::engine::{Engine, lock};
use journal::JournalError;
use model::{BundleId, TenantId, Timestamp, hex};
use render::{Bundle, TemplateError, Wording};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use world::channel::Signal;

/// How often a running engine looks whether a history changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The templates that jobs of a moment are accepted with.
#[derive(Clone)]
pub(crate) struct Templates {
    pub(crate) bundle: BundleId,
    /// What they can say.
    pub(crate) wording: Arc<Wording>,
}

/// By the moment from which they are taken, in the order of those; the first from the beginning.
type Schedule = Vec<(Timestamp, Templates)>;

/// The templates of one tenant. Clones are one.
#[derive(Clone)]
pub(crate) struct TemplateShelf(Arc<Mutex<Schedule>>);

/// The shelves of all tenants, for the workers.
pub(crate) type TemplateShelves = Arc<BTreeMap<TenantId, TemplateShelf>>;

impl TemplateShelf {
    /// Reads what the bundles can say: the one of now, and those of later moments.
    ///
    /// # Errors
    /// A table that does not read.
    pub(crate) fn new(now: &Arc<Bundle>, upcoming: &[(Timestamp, Arc<Bundle>)]) -> Result<Self, TemplateError> {
        Ok(Self(Arc::new(Mutex::new(schedule(now, upcoming)?))))
    }

    /// The templates of a moment.
    pub(crate) fn at(&self, now: Timestamp) -> Templates {
        let schedule = lock(&self.0);
        let taken = schedule.iter().rev().find(|(from, _)| *from <= now).or(schedule.first());
        taken.map(|(_, templates)| templates.clone()).expect("the first one is there from the beginning")
    }

    fn replace(&self, schedule: Schedule) {
        *lock(&self.0) = schedule;
    }

    fn is_as(&self, schedule: &Schedule, now: Timestamp) -> bool {
        let later = |schedule: &Schedule| -> Vec<(Timestamp, BundleId)> {
            schedule.iter().filter(|(from, _)| *from > now).map(|(from, templates)| (*from, templates.bundle)).collect()
        };
        let first = schedule.first().map(|(_, templates)| templates.bundle);
        first == Some(self.at(now).bundle) && later(&lock(&self.0)) == later(schedule)
    }
}

fn schedule(now: &Arc<Bundle>, upcoming: &[(Timestamp, Arc<Bundle>)]) -> Result<Schedule, TemplateError> {
    let first = std::iter::once((Timestamp(0), now));
    let all = first.chain(upcoming.iter().map(|(from, bundle)| (*from, bundle)));
    all.map(|(from, bundle)| Ok((from, Templates { bundle: bundle.id(), wording: Arc::new(Wording::of(bundle)?) }))).collect()
}

/// Why the templates of before stay.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TemplateTrouble {
    /// They cannot be used.
    #[error(transparent)]
    Unfit(#[from] AssemblyError),
    /// A table does not read.
    #[error(transparent)]
    Table(#[from] TemplateError),
    /// They cannot be put into a journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl Engine {
    /// Takes over what was activated or retired since the last look. Without `tenant` of all tenants.
    ///
    /// # Errors
    /// [`TemplateTrouble`]; that tenant's templates stay as they were.
    pub(crate) async fn look_at_templates(&self, of: Option<TenantId>) -> Result<(), TemplateTrouble> {
        for tenant in self.tenants().values().filter(|tenant| of.is_none_or(|of| of == tenant.id)) {
            if let Some(source) = &tenant.settings.templates {
                self.take_over(source, &tenant.shelf, &tenant.settings.name).await?;
            }
        }
        Ok(())
    }

    async fn take_over(&self, source: &TemplateSource, shelf: &TemplateShelf, tenant: &str) -> Result<(), TemplateTrouble> {
        let Some(seen) = source.changed() else { return Ok(()) };
        let now = self.world().wall();
        let (current, upcoming) = source.read(now)?;
        let planned = schedule(&current, &upcoming)?;
        if !shelf.is_as(&planned, now) {
            for bundle in upcoming.iter().map(|(_, bundle)| bundle).chain([&current]) {
                self.store_bundle(bundle).await?;
            }
            shelf.replace(planned);
            tracing::info!(target: "sealpost::render", tenant, bundle = %&hex(&current.id().0)[..12], upcoming = upcoming.len(), "templates taken over");
        }
        source.was_read(seen);
        Ok(())
    }
}

/// Looks every now and then, until `stop`.
pub(crate) async fn follow(engine: &Engine, stop: &Signal) {
    while !stop.is_set() {
        let waiting = std::pin::pin!(stop.wait());
        futures_util::future::select(waiting, engine.world().sleep(LOOK_EVERY)).await;
        if stop.is_set() || engine.is_stopping() {
            return;
        }
        if let Err(error) = engine.look_at_templates(None).await {
            tracing::error!(target: "sealpost::render", %error, "templates that were activated cannot be used; those of before stay");
        }
    }
}
