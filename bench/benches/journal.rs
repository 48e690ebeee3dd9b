//! What the journal costs: CPU of a message's four frames in groups of 256, a commit beside a bare write and sync, and a start.
//!
//! ```text
//! journal/append/cpu            payload, head, intent and outcome of one message: CPU of the whole process, AEAD and CRC included,
//!                               from the call to the resolved ticket. What builds the job and what delivers it is not in it
//! journal/commit/N_waiting      N frames wait, sealed; from `sync` to its answer
//! journal/commit/N_at_once      N frames are handed in at once to an idle journal; to the last answer, sealing included
//! journal/commit/N_bare         pwrite + fdatasync of the same bytes on a preallocated file of zeros, taken in turns with the two above
//! journal/recovery/100000_jobs  from `open` to everything known again
//! ```
//!
//! At the end the p50 of each commit stands beside its bare one, as a ratio. A commit is time on the wall, the disk included: see that the
//! folder for temporary files is on the disk you mean (`TMPDIR`), and that nothing else runs.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measurement may panic, says what it found, and sleeps on the real clock"
)]

use bench::{ROWS, bundle, criterion, job_data};
use criterion::{Criterion, SamplingMode};
use journal::{Journal, JournalConfig, KeyRing, KeySource, Opened, new_key_file};
use model::protection::{Protection, ProtectionProof};
use model::record::{AttemptEnd, BatchCommit, BatchOpen, FrameKey, Head, Intake, Intent, Part, Record};
use model::reply::EnhancedCode;
use model::stage::{Job, JobData};
use model::{BatchId, BundleId, JobId, MessageVersion, MoneySummary, State, StreamName, TenantId, Timestamp, Transactional};
use rustix::time::{ClockId, clock_gettime};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use world::{DiskFile, OpenMode, World};

/// The engine's.
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Frames that wait for a commit.
const WAITING: [u64; 2] = [16, 256];
/// What a file is read and written in.
const PAGE_BYTES: usize = 4096;
/// Jobs of the journal that is opened again.
const RECOVERED: u64 = 100_000;

/// A folder with a key; journals are opened in it.
struct Folder {
    world: World,
    path: PathBuf,
    data: Arc<Vec<JobData>>,
}

impl Folder {
    fn new(path: &Path) -> Self {
        let world = World::real();
        new_key_file(&world, &path.join("key")).unwrap();
        let bundle = bundle();
        let data = Arc::new((1..=ROWS).map(|number| job_data(number, &bundle)).collect());
        Self { world, path: path.to_owned(), data }
    }

    async fn open(&self) -> Place {
        let keys = KeyRing::open(&self.world, &self.path.join("ring"), &KeySource::File(self.path.join("key"))).unwrap();
        let tenant = keys.tenant("lakeside").unwrap();
        let config = JournalConfig {
            segment_bytes: SEGMENT_BYTES,
            // Long, so that what waits for a commit waits for ours.
            commit_delay_max: Duration::from_secs(1),
            channel_capacity: 8192,
            ..JournalConfig::new(self.path.join("journal"))
        };
        let opened = journal::open::<Transactional>(self.world.clone(), config, keys.clone()).await.unwrap();
        Place { world: self.world.clone(), keys, tenant, opened, data: Arc::clone(&self.data), row: 0 }
    }
}

/// An open journal.
struct Place {
    world: World,
    keys: KeyRing,
    tenant: TenantId,
    opened: Opened<Transactional>,
    data: Arc<Vec<JobData>>,
    row: u64,
}

impl Place {
    fn journal(&self) -> &Journal<Transactional> {
        &self.opened.journal
    }

    async fn open_batch(&self, rolling: bool) -> BatchId {
        let batch = self.journal().new_batch_id();
        let (stream, format) = (StreamName::Transactional, "ndjson".to_owned());
        let file_sha256 = (!rolling).then_some([3; 32]);
        let open = BatchOpen { batch, tenant: self.tenant, stream, file_sha256, format, at: Timestamp(1), rolling };
        self.journal().open_batch(open).await.unwrap();
        batch
    }

    fn job(&mut self, batch: BatchId) -> Job<Transactional> {
        self.row += 1;
        let data = self.data[(self.row % ROWS) as usize].clone();
        let fingerprint = |label: &str| self.keys.fingerprint(self.tenant, label, &[&self.row.to_le_bytes()]).unwrap();
        let head = Head {
            batch,
            tenant: self.tenant,
            row: self.row,
            key: fingerprint("key"),
            content: fingerprint("content"),
            recipient: Some(fingerprint("address")),
            destination: data.recipient.as_ref().map(|recipient| recipient.mailbox.destination().clone()),
            bundle: data.bundle,
            protection: data.protection,
            priority: 1,
            due: Timestamp(10),
            deadline: Timestamp(u64::MAX),
            statements: 1,
            money: MoneySummary::default(),
            held: None,
            presentation: model::Presentation::default(),
            supersedes: None,
            further: Vec::new(),
            language_unmet: false,
        };
        Job::new(head, data)
    }

    /// Appends jobs to a rolling batch and waits for their commit.
    async fn append(&self, jobs: Vec<Job<Transactional>>) -> Vec<JobId> {
        let mut tickets = Vec::with_capacity(jobs.len());
        for job in jobs {
            tickets.push(self.journal().append_rolling(job).await.unwrap());
        }
        let mut ids = Vec::with_capacity(tickets.len());
        for ticket in tickets {
            ids.push(ticket.await.unwrap().id);
        }
        ids
    }

    /// Records of these jobs, and a wait for their commit.
    async fn record(&self, ids: &[JobId], record: impl Fn() -> Record) {
        let mut tickets = Vec::with_capacity(ids.len());
        for id in ids {
            tickets.push(self.journal().record(key(*id), record()).await.unwrap());
        }
        self.journal().sync().await.unwrap();
        for ticket in tickets {
            ticket.await.unwrap();
        }
    }

    async fn close(self) {
        let Opened { journal, reader, tail, writer, .. } = self.opened;
        journal.close().await;
        writer.join().await.unwrap();
        drop((journal, reader, tail));
    }
}

const fn key(job: JobId) -> FrameKey {
    FrameKey { job: Some(job), message: MessageVersion(0), attempt: 1 }
}

fn address(last: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(198, 51, 100, last))
}

fn intent() -> Record {
    let (source, peer) = (Some(address(1)), address(25));
    Record::Intent(Intent {
        bundle: BundleId([1; 32]),
        address_version: 0,
        date: Timestamp(1_795_000_000_000),
        sha256: [2; 32],
        source,
        peer,
    })
}

/// Delivered at the first attempt, with all evidence.
fn outcome() -> Record {
    let proof = ProtectionProof {
        reached: Protection::TlsVerified,
        tls_version: Some("TLSv1_3".to_owned()),
        cipher: Some("TLS13_AES_256_GCM_SHA384".to_owned()),
        certificate_sha256: Some([3; 32]),
    };
    Record::Outcome(AttemptEnd {
        at: Timestamp(1_795_000_000_900),
        state: State::Delivered,
        held: None,
        due: None,
        code: Some(250),
        enhanced: Some(EnhancedCode { class: 2, subject: 0, detail: 0 }),
        cause: "accepted".to_owned(),
        source: Some(address(1)),
        peer: Some(address(25)),
        proof: Some(proof),
    })
}

/// What the threads that make segments ahead of need have spent on a core (`schedstat`: nanoseconds first).
fn cpu_of_keepers() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let keepers = tasks.filter(|task| read(task.path().join("comm")).starts_with("keeper"));
    let spent = keepers.filter_map(|task| read(task.path().join("schedstat")).split(' ').next()?.parse::<u64>().ok());
    Duration::from_nanos(spent.sum())
}

/// What all threads of this process have spent on a core.
fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

fn main() {
    let mut criterion = criterion();
    append(&mut criterion);
    commit(&mut criterion);
    recovery(&mut criterion);
    criterion.final_summary();
}

fn append(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let (mut place, batch) = world::block_on(async {
        let place = Folder::new(folder.path()).open().await;
        let batch = place.open_batch(true).await;
        (place, batch)
    });
    // The keeper makes the next segments; that is not what is measured.
    wait(&place.world);
    let mut group = criterion.benchmark_group("journal/append");
    // Few samples of many groups: a sample of one job would be a commit of one job.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let (mut bytes, mut messages, mut ahead) = (0, 0, Duration::ZERO);
    group.bench_function("cpu", |bencher| {
        bencher.iter_custom(|iterations| {
            let groups = iterations.div_ceil(ROWS);
            let mut spent = Duration::ZERO;
            for _ in 0..groups {
                // Jobs are built before the clock runs: intake has its own figure.
                let jobs = (0..ROWS).map(|_| place.job(batch)).collect();
                let (before, written, keepers) = (cpu(), place.journal().bytes_written(), cpu_of_keepers());
                world::block_on(async {
                    let ids = place.append(jobs).await;
                    place.record(&ids, intent).await;
                    place.record(&ids, outcome).await;
                });
                spent += cpu() - before;
                ahead += cpu_of_keepers() - keepers;
                bytes += place.journal().bytes_written() - written;
                messages += ROWS;
            }
            spent.mul_f64(iterations as f64 / (groups * ROWS) as f64)
        });
    });
    group.finish();
    println!("journal bytes of a message, four frames: {}", bytes.checked_div(messages).unwrap_or(0));
    let messages = u32::try_from(messages).unwrap_or(u32::MAX).max(1);
    println!("of its CPU, segments written with zeros ahead of need: {:?}", ahead / messages);
    world::block_on(place.close());
}

fn commit(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let place = world::block_on(Folder::new(folder.path()).open());
    wait(&place.world);
    let bare = RefCell::new(bare_segment(&place.world, folder.path()));
    let ways = Ways { place, folder: folder.path().to_owned(), bare, written: Cell::new(0), spans: RefCell::default() };
    let mut group = criterion.benchmark_group("journal/commit");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for count in WAITING {
        for way in ["waiting", "at_once", "bare"] {
            group.bench_function(format!("{count}_{way}"), |bencher| {
                bencher.iter_custom(|rounds| world::block_on(ways.go(way, count, rounds)))
            });
        }
    }
    group.finish();
    ways.tell();
    world::block_on(ways.place.close());
}

/// A file as the journal makes its segments.
fn bare_segment(world: &World, folder: &Path) -> Arc<dyn DiskFile> {
    let path = folder.join("bare");
    let _ = world.disk().remove_file(&path);
    let bare = world.disk().open(&path, OpenMode::CreateNew).unwrap();
    bare.preallocate_zeroed(SEGMENT_BYTES).unwrap();
    bare
}

/// The three ways to make bytes durable, in turns.
struct Ways {
    place: Place,
    folder: PathBuf,
    bare: RefCell<Arc<dyn DiskFile>>,
    /// Where the bare file is written next.
    written: Cell<u64>,
    /// By frames and way.
    spans: RefCell<BTreeMap<(u64, &'static str), Vec<Duration>>>,
}

impl Ways {
    /// All three ways `rounds` times, one after the other, so that they meet the same disk. Gives what `wanted` took.
    async fn go(&self, wanted: &str, count: u64, rounds: u64) -> Duration {
        let mut sum = Duration::ZERO;
        let mut bytes = Vec::new();
        for _ in 0..rounds {
            for way in ["waiting", "at_once", "bare"] {
                let span = match way {
                    "waiting" => self.waiting(count, &mut bytes).await,
                    "at_once" => self.at_once(count).await,
                    _ => self.bare(&bytes),
                };
                self.spans.borrow_mut().entry((count, way)).or_default().push(span);
                if way == wanted {
                    sum += span;
                }
            }
        }
        sum
    }

    async fn waiting(&self, count: u64, bytes: &mut Vec<u8>) -> Duration {
        let before = self.place.journal().bytes_written();
        let mut tickets = Vec::new();
        for sequence in 1..=count {
            // Of a job that settled long ago; an outcome is as large as that of any.
            tickets.push(self.place.journal().record(key(JobId::new(9, sequence)), outcome()).await.unwrap());
        }
        // Time for the writer to take and seal them, and less than its patience (four syncs), after which it would commit them by itself. Asleep,
        // as whoever waits for an answer is: spinning would keep the core that the writer runs on, and have it wake another one.
        std::thread::sleep(Duration::from_micros(count));
        let start = self.place.world.monotonic();
        self.place.journal().sync().await.unwrap();
        let span = self.place.world.monotonic() - start;
        for ticket in tickets {
            ticket.await.unwrap();
        }
        bytes.resize((self.place.journal().bytes_written() - before) as usize, 7);
        span
    }

    async fn at_once(&self, count: u64) -> Duration {
        let start = self.place.world.monotonic();
        let mut tickets = Vec::new();
        for sequence in 1..=count {
            tickets.push(self.place.journal().record(key(JobId::new(9, sequence)), intent()).await.unwrap());
        }
        for ticket in tickets {
            ticket.await.unwrap();
        }
        self.place.world.monotonic() - start
    }

    /// One after the other, as frames lie in a segment: within what is allocated, in pages that nobody has read, from where the last one ended to
    /// the end of a page, which would have to be read first. A full file is followed by a new one.
    fn bare(&self, bytes: &[u8]) -> Duration {
        if self.written.get() + (bytes.len() + PAGE_BYTES) as u64 > SEGMENT_BYTES {
            self.bare.replace(bare_segment(&self.place.world, &self.folder));
            self.written.set(0);
        }
        let at = self.written.get();
        let end = at + bytes.len() as u64;
        self.written.set(end);
        let mut bytes = bytes.to_vec();
        bytes.resize((end.next_multiple_of(PAGE_BYTES as u64) - at) as usize, 0);
        let bare = self.bare.borrow();
        let start = self.place.world.monotonic();
        bare.write_all_at(&bytes, at).unwrap();
        bare.sync_data().unwrap();
        self.place.world.monotonic() - start
    }

    fn tell(&self) {
        let spans = self.spans.borrow();
        let p50 = |count, way| {
            let mut sorted: Vec<Duration> = spans.get(&(count, way)).cloned().unwrap_or_default();
            sorted.sort_unstable();
            sorted.get(sorted.len() / 2).copied().unwrap_or_default()
        };
        for count in WAITING {
            let bare = p50(count, "bare");
            for way in ["waiting", "at_once"] {
                let took = p50(count, way);
                let ratio = took.as_secs_f64() / bare.as_secs_f64().max(f64::MIN_POSITIVE);
                println!("commit of {count} frames, {way}: p50 {took:?}, bare {bare:?}, ratio {ratio:.2}");
            }
        }
    }
}

fn recovery(criterion: &mut Criterion) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::new(temporary.path());
    let mut group = criterion.benchmark_group("journal/recovery");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    let mut is_filled = false;
    group.bench_function(format!("{RECOVERED}_jobs"), |bencher| {
        bencher.iter_custom(|rounds| {
            world::block_on(async {
                if !std::mem::replace(&mut is_filled, true) {
                    fill(&folder).await;
                }
                let mut span = Duration::ZERO;
                for _ in 0..rounds {
                    let start = folder.world.monotonic();
                    let place = folder.open().await;
                    span += folder.world.monotonic() - start;
                    assert_eq!(place.opened.recovered.jobs.len() as u64, RECOVERED);
                    place.close().await;
                }
                span
            })
        });
    });
    group.finish();
}

/// A file batch, committed and not sent.
async fn fill(folder: &Folder) {
    let mut place = folder.open().await;
    let batch = place.open_batch(false).await;
    for _ in 0..RECOVERED {
        let job = place.job(batch);
        place.journal().append(job).await.unwrap();
    }
    let part = Part { rows: RECOVERED, money: MoneySummary::default() };
    let intake = Intake { source_records: RECOVERED, read: part, accepted: part, ..Intake::default() };
    let jobs = place.journal().commit_batch(BatchCommit { batch, at: Timestamp(2), intake, held: false }).await.unwrap();
    assert_eq!(jobs.len() as u64, RECOVERED);
    place.close().await;
}

/// The keeper is done with what a start asks of it.
fn wait(world: &World) {
    world::block_on(world.sleep(Duration::from_millis(500)));
}
