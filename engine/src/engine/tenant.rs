//! A tenant as the doors use it: its settings, and the templates of each moment.

use crate::settings::TenantSettings;
use model::{BundleId, TenantId, Timestamp};
use render::{TemplateError, Wording};
use std::sync::Arc;

/// A tenant as the doors use it.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) settings: TenantSettings,
    /// Its templates by the moment from which they are taken, in the order of those; the first from the beginning.
    templates: Vec<(Timestamp, Templates)>,
}

/// The templates that jobs of a moment are accepted with.
#[derive(Clone)]
pub(crate) struct Templates {
    pub(crate) bundle: BundleId,
    /// What they can say.
    pub(crate) wording: Arc<Wording>,
}

impl Tenant {
    /// Reads what its templates can say.
    pub(super) fn new(id: TenantId, settings: TenantSettings) -> Result<Self, TemplateError> {
        let first = [(Timestamp(0), Arc::clone(&settings.bundle))];
        let all = first.into_iter().chain(settings.upcoming.iter().cloned());
        let templates = all.map(|(from, bundle)| Ok((from, Templates { bundle: bundle.id(), wording: Arc::new(Wording::of(&bundle)?) })));
        Ok(Self { id, templates: templates.collect::<Result<_, TemplateError>>()?, settings })
    }

    /// The templates of a moment.
    pub(crate) fn templates_at(&self, now: Timestamp) -> &Templates {
        let taken = self.templates.iter().rev().find(|(from, _)| *from <= now).or(self.templates.first());
        taken.map(|(_, templates)| templates).expect("the first one is there from the beginning")
    }
}
