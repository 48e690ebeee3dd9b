//! The renderers of an engine: a bundle is compiled and tried out once, for whoever needs it.
//!
//! ```text
//! start: the tenants' templates ──┐
//! worker: a job's bundle ─ met before? ─ this stream's? ─ out of the journal ─┴─► compiled here? ─► compile, try out
//! ```

use crate::engine::lock;
use journal::Reader;
use model::BundleId;
use model::state::HoldReason;
use render::{Bundle, Renderer, TemplateError, Wording};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// What is compiled so far. Cheap to clone; clones are one.
#[derive(Clone, Default)]
pub struct CompiledBundles(Arc<Mutex<BTreeMap<BundleId, Arc<Renderer>>>>);

impl fmt::Debug for CompiledBundles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(lock(&self.0).keys()).finish()
    }
}

impl CompiledBundles {
    /// The renderer of a bundle. The lock is held while it is made: whoever wants the same one would only make it again.
    ///
    /// # Errors
    /// [`TemplateError`] with file, line and what was expected.
    pub fn renderer(&self, bundle: &Bundle) -> Result<Arc<Renderer>, TemplateError> {
        let mut compiled = lock(&self.0);
        if let Some(renderer) = compiled.get(&bundle.id()) {
            return Ok(Arc::clone(renderer));
        }
        let renderer = Arc::new(Renderer::new(bundle)?);
        compiled.insert(bundle.id(), Arc::clone(&renderer));
        Ok(renderer)
    }
}

/// What the workers of a stream share: bundles as its journal has them. The lock is only taken where a worker meets one for the first time.
pub(crate) struct StreamRenderers {
    reader: Reader,
    compiled: CompiledBundles,
    read: Mutex<BTreeMap<BundleId, Arc<Ready>>>,
}

/// A bundle, ready to be used.
pub(crate) struct Ready {
    pub(crate) renderer: Arc<Renderer>,
    /// What it can say.
    pub(crate) wording: Wording,
}

impl StreamRenderers {
    pub(crate) fn new(reader: Reader, compiled: CompiledBundles) -> Self {
        Self { reader, compiled, read: Mutex::default() }
    }

    fn get(&self, id: BundleId) -> Result<Arc<Ready>, HoldReason> {
        let mut read = lock(&self.read);
        if let Some(ready) = read.get(&id) {
            return Ok(Arc::clone(ready));
        }
        let ready = self.load(id).map_err(|error| {
            tracing::error!(target: "sealpost::render", bundle = %id, error, "bundle cannot be used; its jobs are held");
            HoldReason::Unrenderable
        })?;
        read.insert(id, Arc::clone(&ready));
        Ok(ready)
    }

    fn load(&self, id: BundleId) -> Result<Arc<Ready>, String> {
        let archive = self.reader.bundle(id).map_err(|error| error.to_string())?;
        let bundle = Bundle::from_archive(&archive).map_err(|error| error.to_string())?;
        // Asserted in a pair with `store_bundle`: what comes back is what its name says.
        if bundle.id() != id {
            return Err("its content does not give its name".to_owned());
        }
        let renderer = self.compiled.renderer(&bundle).map_err(|error| error.to_string())?;
        Ok(Arc::new(Ready { renderer, wording: Wording::of(&bundle).map_err(|error| error.to_string())? }))
    }
}

/// What one worker goes by.
pub(crate) struct Renderers {
    shared: Arc<StreamRenderers>,
    met: BTreeMap<BundleId, Arc<Ready>>,
}

impl Renderers {
    pub(crate) fn new(shared: Arc<StreamRenderers>) -> Self {
        Self { shared, met: BTreeMap::new() }
    }

    /// A bundle, ready to be used.
    ///
    /// # Errors
    /// Why its jobs are held: the bundle cannot be read, or is not what its name says.
    pub(crate) fn get(&mut self, id: BundleId) -> Result<Arc<Ready>, HoldReason> {
        if let Some(ready) = self.met.get(&id) {
            return Ok(Arc::clone(ready));
        }
        let ready = self.shared.get(id)?;
        self.met.insert(id, Arc::clone(&ready));
        Ok(ready)
    }
}
