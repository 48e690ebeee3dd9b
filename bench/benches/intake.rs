//! A row from bytes to job: one claim of 15 lines in an 835, one NDJSON job; read, admitted, and encoded as the journal takes it.
//!
//! Files of 256 rows are read to their end; the figure is that of one row, its share of the envelope included. Admission joins the
//! contact file (835) or takes the row's own recipient (NDJSON), under the fingerprints of a real key ring. Figures are the CPU time of this
//! thread, so that whatever else the machine does is not in them.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a measurement on the real clock")]

use bench::{ROWS, batch, bundle, criterion, now};
use criterion::Criterion;
use intake::{Admission, AdmissionSettings, Admitted, Binding, Contacts, Fingerprints, Format, KeyIndex, Rows};
use journal::{KeyRing, KeySource, PayloadMeter, new_key_file};
use model::{BatchId, BundleId, Fingerprint, Protection, TenantId, Transactional};
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;
use world::World;

/// The engine's: a statement of 15 lines is about a hundred small pieces of memory.
#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

struct Ring {
    keys: KeyRing,
    tenant: TenantId,
}

impl Fingerprints for Ring {
    fn fingerprint(&self, label: &str, parts: &[&[u8]]) -> Fingerprint {
        self.keys.fingerprint(self.tenant, label, parts).unwrap()
    }
}

/// A file, and what its rows are joined with.
struct File {
    name: &'static str,
    format: Format,
    bytes: Vec<u8>,
    contacts: Option<Arc<Contacts>>,
}

fn files() -> [File; 2] {
    let (mut x12, mut ndjson, mut contacts) = (Vec::new(), Vec::new(), Vec::new());
    batch().write_x12_835(&mut x12).unwrap();
    batch().write_ndjson_with_recipients(&mut ndjson).unwrap();
    batch().write_contacts(&mut contacts).unwrap();
    let contacts = Arc::new(Contacts::read(Cursor::new(contacts), "contacts.csv").unwrap());
    [
        File { name: "835_claim", format: Format::X12_835, bytes: x12, contacts: Some(contacts) },
        File { name: "ndjson_job", format: Format::Ndjson, bytes: ndjson, contacts: None },
    ]
}

fn open(file: &File) -> Rows<'_> {
    intake::open(&file.format.into(), "batch", Box::new(file.bytes.as_slice())).unwrap()
}

fn settings(bundle: BundleId) -> AdmissionSettings {
    AdmissionSettings {
        tenant: TenantId(1),
        batch: BatchId::new(1, 1),
        bundle,
        protection: Protection::TlsVerified,
        lifetime: Duration::from_secs(3_600),
        now: now(),
        priority: 1,
        file: "batch".to_owned(),
        binding: Binding::WithBatch,
        members: Arc::default(),
    }
}

/// What this thread has spent on a core.
fn cpu() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

/// The CPU time of `rows` rows, file after file.
fn timed(rows: u64, mut file: impl FnMut(usize)) -> Duration {
    let start = cpu();
    let mut left = rows;
    while left > 0 {
        let these = left.min(ROWS);
        file(these as usize);
        left -= these;
    }
    cpu() - start
}

fn main() {
    let mut criterion = criterion();
    parse(&mut criterion);
    admit(&mut criterion, "intake/admit", false);
    admit(&mut criterion, "intake/encode", true);
    criterion.final_summary();
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("intake/parse");
    for file in files() {
        assert_eq!(open(&file).map(Result::unwrap).count() as u64, ROWS);
        group.bench_function(file.name, |bencher| {
            bencher.iter_custom(|rows| timed(rows, |these| open(&file).take(these).for_each(|row| drop(black_box(row.unwrap())))));
        });
    }
    group.finish();
}

/// Bytes to jobs; with their payloads as the journal encodes them, where `encodes`.
fn admit(criterion: &mut Criterion, name: &str, encodes: bool) {
    let folder = tempfile::tempdir().unwrap();
    let world = World::real();
    let key = folder.path().join("key");
    new_key_file(&world, &key).unwrap();
    let keys = KeyRing::open(&world, &folder.path().join("ring"), &KeySource::File(key)).unwrap();
    let tenant = keys.tenant("lakeside").unwrap();
    let ring = Ring { keys, tenant };
    let bundle = bundle().id();
    let meter = PayloadMeter::default();
    let mut group = criterion.benchmark_group(name);
    for file in files() {
        group.bench_function(file.name, |bencher| {
            bencher.iter_custom(|rows| {
                timed(rows, |these| {
                    // A fresh index for each file: otherwise every row but the first file's is a duplicate.
                    let mut index = KeyIndex::in_memory();
                    let mut admission = Admission::<Transactional>::new(settings(bundle), file.contacts.clone());
                    for row in open(&file).take(these) {
                        let admitted = admission.admit(row.unwrap(), &mut index, &ring).unwrap();
                        let Admitted::Job(job) = black_box(admitted) else { panic!("every row is a job") };
                        if encodes {
                            black_box(meter.bytes(&job.data).unwrap());
                        }
                    }
                })
            });
        });
    }
    group.finish();
}
