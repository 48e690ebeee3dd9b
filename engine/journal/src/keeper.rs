//! The thread beside the writer: what takes long and no commit may wait for.
//!
//! It makes segments ahead of need, cuts finished ones to their length and indexes them, reads what is to be moved out of old ones
//! ([`crate::moving`]), removes those without live jobs, and makes and
//! deletes batch keys. The writer asks it only for things whose reason is durable already.
//!
//! While a [`Hold`] lives (a backup reads the directory) it takes nothing away and replaces nothing: such errands are set aside and
//! served when the last hold is gone.

use crate::error::{DiskError, JournalError};
use crate::footer::{self, Entry, Trailer, index_of};
use crate::format::{JournalId, LogKind, SegmentName};
use crate::key_ring::{DestructionCause, KeyHandle, KeyRing};
use crate::moving::News;
use crate::notices::{Destroyed, Notices};
use crate::reader::OpenFiles;
use crate::segment;
use crate::space::Space;
use crate::writer::Shared;
use model::{BatchId, StreamName, TenantId};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use world::channel::{OneSender, Receiver, Sender};
use world::{DiskFile, OpenMode, ThreadHandle, World};

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
    /// The segment is full and durable: what lies behind its last frame can go, and an index comes there.
    Cut {
        name: SegmentName,
        file: Arc<dyn DiskFile>,
        bytes: u64,
    },
    /// No job of the work segment is live.
    Remove {
        number: u32,
    },
    /// What lies in a closed work segment?
    List {
        segment: u32,
    },
    /// The frames of these jobs, as they lie.
    Fetch {
        segment: u32,
        entries: Vec<Entry>,
    },
    /// How many jobs are in a work segment that has no index?
    Count {
        segment: u32,
    },
    MakeKey {
        tenant: TenantId,
        batch: BatchId,
        answer: Answer<KeyHandle>,
    },
    DestroyKey {
        batch: BatchId,
        cause: DestructionCause,
        /// Answered when the record says it.
        answer: Option<Answer<()>>,
    },
    /// The holds have changed.
    Look {
        answer: Option<OneSender<()>>,
    },
    /// The writer has ended.
    End,
}

impl Errand {
    /// Whether it takes away or replaces what a reader of the directory may be about to read. Nobody's write waits for it.
    fn waits_for_holds(&self) -> bool {
        match self {
            Self::Cut { .. } | Self::Remove { .. } | Self::DestroyKey { .. } => true,
            Self::Prepare { .. } | Self::List { .. } | Self::Fetch { .. } | Self::Count { .. } => false,
            Self::MakeKey { .. } | Self::Look { .. } | Self::End => false,
        }
    }
}

/// While it lives, no segment is removed, cut or replaced and no key is destroyed. It does not outlive the process: what was set aside and
/// not served is done by the next start.
pub struct Hold {
    shared: Arc<Shared>,
    keeper: Sender<Errand>,
}

impl std::fmt::Debug for Hold {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hold")
    }
}

impl Hold {
    /// Returns when what the keeper was at is done.
    pub(crate) async fn take(shared: Arc<Shared>, keeper: Sender<Errand>) -> Result<Self, JournalError> {
        shared.holds.fetch_add(1, Ordering::AcqRel);
        // What is being exchanged at this moment is done when this returns.
        drop(shared.replacing.lock().unwrap_or_else(PoisonError::into_inner));
        let hold = Self { shared, keeper };
        let (answer, looked) = world::channel::oneshot();
        hold.keeper.send(Errand::Look { answer: Some(answer) }).await.map_err(|_| JournalError::Closed)?;
        looked.await.ok_or(JournalError::Closed)?;
        Ok(hold)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.shared.holds.fetch_sub(1, Ordering::AcqRel);
        // Where it has no room it is awake and looks by itself; where it is gone there is nothing to serve.
        let _ = self.keeper.try_send(Errand::Look { answer: None });
    }
}

pub(crate) struct Keeper {
    pub(crate) world: World,
    pub(crate) dir: PathBuf,
    pub(crate) stream: StreamName,
    pub(crate) segment_bytes: u64,
    pub(crate) keys: KeyRing,
    pub(crate) files: Arc<OpenFiles>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) notices: Notices,
    pub(crate) journal: JournalId,
    /// Who sums the record up, and its thread; `None` where nothing that a start found may be replaced.
    pub(crate) archivist: Option<(Sender<u32>, ThreadHandle)>,
    pub(crate) space: Arc<Space>,
}

impl Keeper {
    pub(crate) async fn run(mut self, errands: Receiver<Errand>) {
        self.serve_all(errands).await;
        self.shared.ending.store(true, Ordering::Release);
        if let Some((news, thread)) = self.archivist.take() {
            drop(news);
            if let Err(error) = thread.join().await {
                tracing::error!(%error, "the journal's archivist ended before its time");
            }
        }
    }

    async fn serve_all(&self, errands: Receiver<Errand>) {
        let (mut taken, mut aside) = (Vec::new(), Vec::new());
        while errands.recv_many(&mut taken, ERRANDS_MAX).await > 0 {
            self.heed_holds(&mut taken, &mut aside);
            self.destroy_keys(&mut taken);
            for errand in taken.drain(..) {
                if matches!(errand, Errand::End) {
                    return;
                }
                self.serve(errand);
            }
        }
    }

    fn heed_holds(&self, taken: &mut Vec<Errand>, aside: &mut Vec<Errand>) {
        if self.shared.holds.load(Ordering::Acquire) > 0 {
            aside.extend(taken.extract_if(.., |errand| errand.waits_for_holds()));
        } else if !aside.is_empty() {
            aside.append(taken);
            std::mem::swap(taken, aside);
        }
    }

    /// One write of the ring for all keys that go.
    fn destroy_keys(&self, errands: &mut Vec<Errand>) {
        let mut batches = Vec::new();
        let mut answers = Vec::new();
        for errand in errands.extract_if(.., |errand| matches!(errand, Errand::DestroyKey { .. })) {
            if let Errand::DestroyKey { batch, cause, answer } = errand {
                batches.push((batch, cause));
                answers.extend(answer.map(|answer| (batch, answer)));
            }
        }
        if batches.is_empty() {
            return;
        }
        let result = self.keys.destroy_batch_keys(self.stream, &batches).map_err(JournalError::from);
        if let Err(error) = &result {
            tracing::error!(%error, "keys of settled batches could not be destroyed; the next start tries again");
        }
        let gone = result.as_ref().map_or(&[][..], |gone| &gone[..]);
        let mut told: Vec<Destroyed> =
            gone.iter().map(|destruction| Destroyed { destruction: destruction.clone(), answers: Vec::new() }).collect();
        for (batch, answer) in answers {
            match told.iter_mut().find(|destroyed| destroyed.destruction.batch == batch) {
                Some(destroyed) => destroyed.answers.push(answer),
                // Whoever asked may have gone.
                None => drop(answer.send(result.clone().map(drop))),
            }
        }
        self.notices.tell(told);
    }

    fn serve(&self, errand: Errand) {
        match errand {
            Errand::Prepare { log, number, answer } => {
                let made = self.prepare(log, number);
                self.space.count(&self.world);
                // The writer may have ended.
                let _ = answer.send(made);
            }
            Errand::Cut { name, file, bytes } => {
                match finish(&file, name, bytes) {
                    Ok(trailer) if name.log == LogKind::Work => self.tell_closed(name.number, &trailer),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a full segment could not be cut to its length and indexed; the next start tries again");
                    }
                }
                if let (LogKind::Record, Some((news, _))) = (name.log, &self.archivist) {
                    // Where it has no room it has enough to do; the next one tells it too.
                    let _ = news.try_send(name.number);
                }
                self.space.count(&self.world);
            }
            Errand::Remove { number } => {
                if let Err(error) = self.remove(number) {
                    tracing::warn!(%error, "a settled work segment could not be removed; the next start tries again");
                }
                self.space.count(&self.world);
            }
            Errand::List { segment } => {
                let listed = self.open(segment).and_then(|(file, name)| index_of(&file, name).map_err(self.error("read", segment)));
                self.notices.tell_news(News::Listed { segment, entries: listed.map(|index| index.entries) });
            }
            Errand::Fetch { segment, entries } => {
                let frames = match self.open(segment) {
                    Ok((file, _)) => fetch(&*file, entries),
                    Err(_) => Vec::new(),
                };
                self.notices.tell_news(News::Fetched { segment, frames });
            }
            Errand::Count { segment } => {
                // Removed meanwhile, or unreadable: then nothing is moved out of it.
                if let Ok((file, name)) = self.open(segment)
                    && let Ok(index) = index_of(&file, name)
                {
                    self.tell_closed(segment, &index.trailer);
                }
            }
            Errand::MakeKey { tenant, batch, answer } => {
                // The writer may have ended.
                let _ = answer.send(self.keys.batch_key(self.stream, tenant, batch).map_err(JournalError::from));
            }
            // Whoever asked may have gone.
            Errand::Look { answer } => drop(answer.map(|answer| answer.send(()))),
            Errand::DestroyKey { .. } | Errand::End => unreachable!("taken out before"),
        }
    }

    fn open(&self, number: u32) -> Result<(Arc<dyn DiskFile>, SegmentName), DiskError> {
        let path = segment::path_of(&self.work_dir(), number);
        let file = self.world.disk().open(&path, OpenMode::Read).map_err(self.error("open", number))?;
        Ok((file, SegmentName { journal: self.journal, stream: self.stream, log: LogKind::Work, number }))
    }

    fn error(&self, action: &'static str, number: u32) -> impl FnOnce(std::io::Error) -> DiskError {
        let path = segment::path_of(&self.work_dir(), number);
        move |error| DiskError::new(action, &path)(error)
    }

    fn work_dir(&self) -> PathBuf {
        self.dir.join(LogKind::Work.as_str())
    }

    fn tell_closed(&self, segment: u32, trailer: &Trailer) {
        let bytes = u64::from(trailer.end) + trailer.footer_bytes();
        self.notices.tell_news(News::Closed { segment, jobs: u64::from(trailer.entries), bytes });
    }

    /// Where there is room for it.
    fn prepare(&self, log: LogKind, number: u32) -> Result<Arc<dyn DiskFile>, JournalError> {
        self.space.may_prepare(&self.world, log)?;
        Ok(segment::prepare(self.world.disk(), &self.dir.join(log.as_str()), number, self.segment_bytes)?)
    }

    fn remove(&self, number: u32) -> Result<(), DiskError> {
        let dir = self.work_dir();
        let path = segment::path_of(&dir, number);
        let removed = self.world.disk().remove_file(&path);
        // Behind the removal: a reader may have opened it in between.
        self.files.forget(number);
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(DiskError::new("remove", &path)(error)),
            _ => self.world.disk().sync_dir(&dir).map_err(DiskError::new("sync", &dir)),
        }
    }
}

/// Cuts a full segment behind its last frame and writes its index there.
fn finish(file: &Arc<dyn DiskFile>, name: SegmentName, bytes: u64) -> std::io::Result<Trailer> {
    file.set_len(bytes)?;
    let index = footer::scan(file, name)?;
    if u64::from(index.trailer.end) != bytes {
        return Err(std::io::Error::other("its frames do not end where they were written: the disk changed them"));
    }
    footer::write(&**file, name, &index)?;
    Ok(index.trailer)
}

/// The frames at these places. One that cannot be read is left out: its job stays where it is.
fn fetch(file: &dyn DiskFile, entries: Vec<Entry>) -> Vec<(Entry, Vec<u8>)> {
    let read = |entry: Entry| {
        let mut bytes = vec![0; entry.length as usize];
        file.read_exact_at(&mut bytes, u64::from(entry.offset)).ok().map(|()| (entry, bytes))
    };
    entries.into_iter().filter_map(read).collect()
}
