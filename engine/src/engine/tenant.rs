//! A tenant as the doors use it: its settings, and the templates of each moment.

use crate::settings::TenantSettings;
use crate::templates::{TemplateShelf, Templates};
use model::{TenantId, Timestamp};
use render::TemplateError;

/// A tenant as the doors use it.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) settings: TenantSettings,
    pub(crate) shelf: TemplateShelf,
}

impl Tenant {
    /// Reads what its templates can say.
    pub(super) fn new(id: TenantId, settings: TenantSettings) -> Result<Self, TemplateError> {
        Ok(Self { id, shelf: TemplateShelf::new(&settings.bundle, &settings.upcoming)?, settings })
    }

    /// The templates of a moment.
    pub(crate) fn templates_at(&self, now: Timestamp) -> Templates {
        self.shelf.at(now)
    }
}
