//! `sealpost check-batch`: everything intake would say about a file, without accepting it.
//!
//! Nothing is written and no key is needed: repeats inside the file are found, repeats of earlier batches are not (only the
//! engine's own index knows them).

use super::input::{self, InputFlags};
use super::{Exit, Outcome, Trouble, report, statements};
use aws_lc_rs::hmac;
use clap::Args;
use intake::{Admission, AdmissionSettings, Admitted, Binding, Fingerprints, KeyIndex};
use model::record::Intake;
use model::state::HoldReason;
use model::{BatchId, BundleId, Fingerprint, Protection, Stream, StreamName, TenantId, Timestamp, Transactional};
use serde_json::{Value, json};
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use world::World;

/// Say everything intake would say about a file, without accepting it.
#[derive(Debug, Args)]
#[command(
    after_help = "Rejects are printed on standard error, one line of JSON each: file, row, segment or line, field, reason, what was expected, \
                        what to do; never a value of the row.\n\n\
                        Exit codes: 0 every statement could be sent · 5 something needs a person · 4 the file is no batch.\n\n\
                        Example:\n  sealpost check-batch remittance.835 --members contacts.csv"
)]
pub(super) struct Arguments {
    /// The batch: an X12 835, FHIR R4, NDJSON, delimited text or fixed width; plain, gzip or zip.
    file: PathBuf,
    /// Contact file (CSV or NDJSON).
    #[arg(long, value_name = "FILE")]
    members: Option<PathBuf>,
    #[command(flatten)]
    input: InputFlags,
    /// The stream: transactional or marketing.
    #[arg(long, default_value = "transactional", value_parser = super::stream)]
    stream: StreamName,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    match arguments.stream {
        StreamName::Transactional => check::<Transactional>(&arguments, json),
        StreamName::Marketing => check::<model::Marketing>(&arguments, json),
    }
}

fn check<S: Stream>(arguments: &Arguments, json: bool) -> Outcome {
    let world = World::real();
    let mut rows = statements::open(&arguments.file, &arguments.input.profile()?)?;
    let contacts = arguments.members.as_deref().map(crate::files::read_contacts).transpose().map_err(|error| match error {
        crate::engine::AcceptError::Refused(refusal) => statements::refused(refusal),
        other => Trouble::usage(other),
    })?;
    let mut admission = Admission::<S>::new(settings(arguments, world.wall()), contacts.map(Arc::new));
    let fingerprints = Momentary::new(&world);
    let mut keys = KeyIndex::in_memory();
    let mut errors = BufWriter::new(std::io::stderr().lock());
    let mut held = 0u64;
    for row in rows.by_ref() {
        match admission.admit(row.map_err(statements::refused)?, &mut keys, &fingerprints).map_err(Trouble::failed)? {
            Admitted::Job(job) if job.head.held == Some(HoldReason::MemberMismatch) => held += 1,
            Admitted::Job(_) => {}
            Admitted::Not { reject, .. } => statements::write_line(&mut errors, &reject)?,
        }
    }
    for finding in rows.findings() {
        statements::write_line(&mut errors, finding)?;
    }
    errors.flush().or_else(statements::closed_is_fine)?;
    drop(errors);
    let findings = rows.findings_count();
    let intake = admission.finish(rows.source_records());
    let needs_a_person = intake.rejected.rows + held + findings;
    let mut check = as_json(&intake, held, &rows.format().to_string());
    check["reading"] = input::reading(&rows);
    report::print_check(&check, json);
    Ok(if needs_a_person == 0 { Exit::Done } else { Exit::NeedsPerson })
}

fn settings(arguments: &Arguments, now: Timestamp) -> AdmissionSettings {
    AdmissionSettings {
        tenant: TenantId(0),
        batch: BatchId::new(0, 0),
        bundle: BundleId([0; 32]),
        protection: Protection::TlsVerified,
        lifetime: Duration::from_secs(1),
        now,
        priority: 1,
        file: crate::files::file_name(&arguments.file),
        binding: Binding::WithBatch,
        members: Arc::default(),
    }
}

/// The parts of the intake as `send` reports them.
fn as_json(intake: &Intake, held: u64, format: &str) -> Value {
    let parts = [
        ("read", intake.read),
        ("rejected", intake.rejected),
        ("duplicate", intake.duplicate),
        ("merged", intake.merged),
        ("not_mailable", intake.not_mailable),
        ("no_address", intake.no_address),
        ("no_consent", intake.no_consent),
        ("accepted", intake.accepted),
    ];
    let column = |value: fn(&model::record::Part) -> i64| -> Value {
        Value::Object(parts.iter().map(|(name, part)| ((*name).to_owned(), value(part).into())).collect())
    };
    json!({
        "format": format,
        "source_records": intake.source_records,
        "statements": column(|part| i64::try_from(part.rows).unwrap_or(i64::MAX)),
        "held": held,
        "reasons": intake.reasons,
        "money_cents": {
            "billed": column(|part| part.money.billed.0),
            "plan_paid": column(|part| part.money.plan_paid.0),
            "member_owes": column(|part| part.money.member_owes.0),
        },
        "balanced": intake.is_balanced(),
    })
}

/// Fingerprints under a key of this moment: enough to find repeats inside one file, worth nothing afterwards.
struct Momentary(hmac::Key);

impl Momentary {
    fn new(world: &World) -> Self {
        let mut key = [0; 32];
        world.fill_random(&mut key);
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }
}

impl Fingerprints for Momentary {
    fn fingerprint(&self, label: &str, parts: &[&[u8]]) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.0);
        for part in std::iter::once(label.as_bytes()).chain(parts.iter().copied()) {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let tag = context.sign();
        Fingerprint(tag.as_ref()[..16].try_into().expect("HMAC-SHA-256 has 32 bytes"))
    }
}
