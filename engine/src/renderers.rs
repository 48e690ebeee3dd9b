//! The renderers of a stream's workers: a bundle is read, compiled and tried out by the worker that meets it first, for all of them.

use crate::engine::lock;
use journal::Reader;
use model::BundleId;
use model::state::HoldReason;
use render::{Bundle, Renderer};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What workers share: a lock that is only taken where a worker meets a bundle for the first time.
pub(crate) struct SharedRenderers {
    reader: Reader,
    made: Mutex<BTreeMap<BundleId, Arc<Renderer>>>,
}

impl SharedRenderers {
    pub(crate) fn new(reader: Reader) -> Self {
        Self { reader, made: Mutex::default() }
    }

    /// The lock is held while a renderer is made: whoever wants the same one would only make it again.
    fn get(&self, id: BundleId) -> Result<Arc<Renderer>, HoldReason> {
        let mut made = lock(&self.made);
        if let Some(renderer) = made.get(&id) {
            return Ok(Arc::clone(renderer));
        }
        let renderer = self.load(id).map_err(|error| {
            tracing::error!(target: "sealpost::render", bundle = %id, error, "bundle cannot be used; its jobs are held");
            HoldReason::Unrenderable
        })?;
        made.insert(id, Arc::clone(&renderer));
        Ok(renderer)
    }

    fn load(&self, id: BundleId) -> Result<Arc<Renderer>, String> {
        let archive = self.reader.bundle(id).map_err(|error| error.to_string())?;
        let bundle = Bundle::from_archive(&archive).map_err(|error| error.to_string())?;
        // Asserted in a pair with `store_bundle`: what comes back is what its name says.
        if bundle.id() != id {
            return Err("its content does not give its name".to_owned());
        }
        Renderer::new(&bundle).map(Arc::new).map_err(|error| error.to_string())
    }
}

/// What one worker goes by.
pub(crate) struct Renderers {
    shared: Arc<SharedRenderers>,
    met: BTreeMap<BundleId, Arc<Renderer>>,
}

impl Renderers {
    pub(crate) fn new(shared: Arc<SharedRenderers>) -> Self {
        Self { shared, met: BTreeMap::new() }
    }

    /// The renderer of a bundle.
    ///
    /// # Errors
    /// Why its jobs are held: the bundle cannot be read, or is not what its name says.
    pub(crate) fn get(&mut self, id: BundleId) -> Result<Arc<Renderer>, HoldReason> {
        if let Some(renderer) = self.met.get(&id) {
            return Ok(Arc::clone(renderer));
        }
        let renderer = self.shared.get(id)?;
        self.met.insert(id, Arc::clone(&renderer));
        Ok(renderer)
    }
}
