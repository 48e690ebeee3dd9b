//! The thread beside the writer: what takes long and no commit may wait for.
//!
//! It makes segments ahead of need, cuts finished ones to their length, removes those without live jobs, and makes and
//! deletes batch keys. The writer asks it only for things whose reason is durable already.

use crate::error::{DiskError, JournalError};
use crate::format::LogKind;
use crate::key_ring::{KeyHandle, KeyRing};
use crate::reader::OpenFiles;
use crate::segment;
use model::{BatchId, StreamName, TenantId};
use std::path::PathBuf;
use std::sync::Arc;
use world::channel::{OneSender, Receiver};
use world::{DiskFile, World};

/// Errands that wait for the keeper at most.
pub(crate) const ERRANDS_MAX: usize = 256;

pub(crate) type Answer<T> = OneSender<Result<T, JournalError>>;

/// What the keeper is asked for.
pub(crate) enum Errand {
    Prepare {
        log: LogKind,
        number: u32,
        answer: Answer<Arc<dyn DiskFile>>,
    },
    /// The segment is full: what lies behind its last frame can go.
    Cut {
        file: Arc<dyn DiskFile>,
        bytes: u64,
    },
    /// No job of the work segment is live.
    Remove {
        number: u32,
    },
    MakeKey {
        tenant: TenantId,
        batch: BatchId,
        answer: Answer<KeyHandle>,
    },
    DestroyKey {
        batch: BatchId,
        answer: Option<Answer<()>>,
    },
    /// The writer has ended.
    End,
}

pub(crate) struct Keeper {
    pub(crate) world: World,
    pub(crate) dir: PathBuf,
    pub(crate) stream: StreamName,
    pub(crate) segment_bytes: u64,
    pub(crate) keys: KeyRing,
    pub(crate) files: Arc<OpenFiles>,
}

impl Keeper {
    pub(crate) async fn run(self, errands: Receiver<Errand>) {
        let mut taken = Vec::new();
        while errands.recv_many(&mut taken, ERRANDS_MAX).await > 0 {
            self.destroy_keys(&mut taken);
            for errand in taken.drain(..) {
                if matches!(errand, Errand::End) {
                    return;
                }
                self.serve(errand);
            }
        }
    }

    /// One write of the ring for all keys that go.
    fn destroy_keys(&self, errands: &mut Vec<Errand>) {
        let mut batches = Vec::new();
        let mut answers = Vec::new();
        for errand in errands.extract_if(.., |errand| matches!(errand, Errand::DestroyKey { .. })) {
            if let Errand::DestroyKey { batch, answer } = errand {
                batches.push(batch);
                answers.extend(answer);
            }
        }
        if batches.is_empty() {
            return;
        }
        let result = self.keys.destroy_batch_keys(self.stream, &batches).map_err(JournalError::from);
        if let Err(error) = &result {
            tracing::error!(%error, "keys of settled batches could not be destroyed; the next start tries again");
        }
        for answer in answers {
            // Whoever asked may have gone.
            let _ = answer.send(result.clone());
        }
    }

    fn serve(&self, errand: Errand) {
        match errand {
            Errand::Prepare { log, number, answer } => {
                let made = segment::prepare(self.world.disk(), &self.dir.join(log.as_str()), number, self.segment_bytes);
                // The writer may have ended.
                let _ = answer.send(made.map_err(JournalError::from));
            }
            Errand::Cut { file, bytes } => {
                if let Err(error) = file.set_len(bytes) {
                    tracing::warn!(%error, "a full segment could not be cut to its length; it keeps its zeros");
                }
            }
            Errand::Remove { number } => {
                if let Err(error) = self.remove(number) {
                    tracing::warn!(%error, "a settled work segment could not be removed; the next start tries again");
                }
            }
            Errand::MakeKey { tenant, batch, answer } => {
                // The writer may have ended.
                let _ = answer.send(self.keys.batch_key(self.stream, tenant, batch).map_err(JournalError::from));
            }
            Errand::DestroyKey { .. } | Errand::End => unreachable!("taken out before"),
        }
    }

    fn remove(&self, number: u32) -> Result<(), DiskError> {
        let dir = self.dir.join(LogKind::Work.as_str());
        let path = segment::path_of(&dir, number);
        self.files.forget(number);
        match self.world.disk().remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(DiskError::new("remove", &path)(error)),
            _ => self.world.disk().sync_dir(&dir).map_err(DiskError::new("sync", &dir)),
        }
    }
}
