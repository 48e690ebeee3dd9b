//! `sealpost check-batch`: everything intake would say about a file, without accepting it.
//!
//! It also predicts: protection, language, detail, paper, denials without words, what the gates would say, and how long it takes at least. With
//! `--config` it goes by the contact data and the templates that the engine would go by now ([`super::check_contacts`]), and knows earlier
//! batches: what is a duplicate, and what corrects or supersedes which ([`super::check_repeats`]). Nothing is written. Without `--config` no key
//! is needed, and repeats inside the file alone are found.

use super::check_repeats::Repeats;
use super::input::{self, InputFlags};
use super::prediction::{self, Prediction};
use super::template::example_identity;
use super::{Exit, Outcome, Trouble, check_contacts, report, statements};
use crate::assembly::{AssemblyError, shipped_bundle, templates_in_use};
use crate::config::{Config, Tenant};
use crate::contacts::InForce;
use crate::files::TenantFingerprints;
use crate::settings::Sources;
use crate::wording::{LANGUAGE_UNMET, WordingFound};
use aws_lc_rs::hmac;
use clap::Args;
use intake::gates::{GateFinding, History, Present, Subject, judge};
use intake::{Admission, AdmissionSettings, Admitted, Binding, Fingerprints, Grouping, Row};
use journal::KeyRing;
use model::record::Intake;
use model::{BatchId, BundleId, Fingerprint, JobId, Protection, Stream, StreamName, TenantId, Timestamp, Transactional};
use render::Wording;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use throttle::Shaping;
use world::World;

/// Say everything intake would say about a file, without accepting it.
#[derive(Debug, Args)]
#[command(
    after_help = "Rejects are printed on standard error, one line of JSON each: file, row, segment or line, field, reason, what was expected, \
                        what to do; never a value of the row.\n\n\
                        The prediction: messages by protection, language and detail, what goes on paper and why, what the gates of a drop folder would say, \
                        and how long it takes at least under today's limits and warm-up ceilings. With --config it is that installation's, last cycles included; \
                        members are found as the engine would find them: in --members, the tenant's `members` file, a contact file that waits in the drop folder, \
                        or the sealed contact store. `contacts` in the answer says which.\n\n\
                        Exit codes: 0 every statement could be sent · 5 something needs a person · 4 the file is no batch.\n\n\
                        Example:\n  sealpost check-batch remittance.835 --members contacts.csv\n  sealpost check-batch remittance.835 --config sealpost.toml --json"
)]
pub(super) struct Arguments {
    /// The batch: an X12 835, FHIR R4, NDJSON, delimited text or fixed width; plain, gzip or zip.
    file: PathBuf,
    /// Contact file (CSV, NDJSON or FHIR) that the batch brings along; without it, with --config, what the engine goes by.
    #[arg(long, value_name = "FILE")]
    members: Option<PathBuf>,
    #[command(flatten)]
    input: InputFlags,
    /// The stream: transactional or marketing.
    #[arg(long, default_value = "transactional", value_parser = super::stream)]
    stream: StreamName,
    /// The configuration: then its limits, its gates with the last cycles, its members and its rules for readers count too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Whose batch it is; not needed where the configuration has one tenant.
    #[arg(long, requires = "config")]
    tenant: Option<String>,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    match arguments.stream {
        StreamName::Transactional => check::<Transactional>(&arguments, json),
        StreamName::Marketing => check::<model::Marketing>(&arguments, json),
    }
}

fn check<S: Stream>(arguments: &Arguments, json: bool) -> Outcome {
    let world = World::real();
    let installed = Installed::of(arguments)?;
    let mut rows = statements::open(&arguments.file, &installed.profile(arguments)?)?;
    let of = installed.config.as_ref().zip(installed.tenant.as_ref());
    let checked = check_contacts::contacts(&world, arguments.members.as_deref(), of, installed.known.as_ref(), S::NAME)?;
    let seen = checked.contacts.as_ref().map(InForce::seen);
    let now = world.wall();
    let wording = installed.wording(now)?;
    let mut found = WordingFound::default();
    let contacts = checked.contacts.as_ref().map(|known| Arc::clone(&known.contacts));
    let mut repeats = installed.repeats::<S>(&world, now)?;
    let mut admission = Admission::<S>::new(settings(arguments, &installed, S::NAME, now), contacts).after_cancelled(repeats.cancelled());
    let fingerprints = installed.fingerprints(&world)?;
    let mut prediction = Prediction::default();
    let mut errors = BufWriter::new(std::io::stderr().lock());
    let mut held: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut numbered = 0u64;
    let mut grouping = Grouping::<S>::new(installed.tenant.as_ref().map(|tenant| tenant.group_by).unwrap_or_default());
    for row in rows.by_ref() {
        let row = row.map_err(statements::refused)?;
        let subject = match &row {
            Row::Statement(read) => Some(Subject::of(read, &*fingerprints)),
            _ => None,
        };
        let (admitted, is_of_earlier_row) = repeats.admit(&mut admission, row, &*fingerprints)?;
        match admitted {
            Admitted::Job(mut job) => {
                found.look_at(&mut job, &wording);
                job.head.held.into_iter().for_each(|reason| *held.entry(reason.as_str()).or_default() += 1);
                prediction.pair(subject, Some(&job));
                if is_of_earlier_row {
                    continue;
                }
                numbered += 1;
                grouping.take(*job, || JobId::from_bits(numbered)).closed.iter().for_each(|(_, job)| prediction.add(job));
            }
            Admitted::Not { reject, .. } => {
                prediction.pair::<S>(subject, None);
                statements::write_line(&mut errors, &reject)?;
            }
        }
    }
    while let Some((_, job)) = grouping.close_next() {
        prediction.add(&job);
    }
    for finding in rows.findings() {
        statements::write_line(&mut errors, finding)?;
    }
    errors.flush().or_else(statements::closed_is_fine)?;
    drop(errors);
    let findings = rows.findings_count();
    let mut intake = admission.finish(rows.source_records());
    if found.language_unmet > 0 {
        intake.reasons.insert(LANGUAGE_UNMET.to_owned(), found.language_unmet);
    }
    let grouped = grouping.reasons().map(|(reason, count)| (reason.to_owned(), count));
    let damage = rows.findings().iter().map(|finding| (finding.reason.clone(), 1));
    for (reason, rows) in repeats.reasons().clone().into_iter().chain(grouped).chain(damage) {
        *intake.reasons.entry(reason).or_default() += rows;
    }
    let held_rows: u64 = held.values().sum();
    let present = Present { intake: &intake, file_findings: findings, contacts: seen, pairs: &prediction.pairs, now };
    let findings_of_gates = installed.gates(S::NAME, &present);
    let finish = prediction.finish(&installed.shaping()?, installed.sources(S::NAME)?.as_ref(), S::NAME, now);
    // Without an installation nobody has set the gates: what they say is told, no more.
    let gated = if installed.config.is_some() { findings_of_gates.len() as u64 } else { 0 };
    let needs_a_person = intake.rejected.rows + held_rows + findings + gated;
    let mut check = as_json(&intake, held_rows, &rows.format().to_string());
    check["held_reasons"] = json!(held);
    check["contacts"] = checked.as_json();
    check["prediction"] = prediction.as_json(&findings_of_gates, &finish);
    check["reading"] = input::reading(&rows);
    report::print_check(&check, json);
    Ok(if needs_a_person == 0 { Exit::Done } else { Exit::NeedsPerson })
}

/// The installation that the batch would be handed to, where one is named.
struct Installed {
    config: Option<Config>,
    tenant: Option<Tenant>,
    known: Option<(KeyRing, TenantId)>,
}

impl Installed {
    fn of(arguments: &Arguments) -> Result<Self, Trouble> {
        let Some(path) = &arguments.config else { return Ok(Self { config: None, tenant: None, known: None }) };
        let config = super::load(path)?;
        let tenant = match &arguments.tenant {
            Some(name) => config.tenants.iter().find(|tenant| tenant.name == *name),
            None if config.tenants.len() == 1 => config.tenants.first(),
            None => None,
        };
        let names = || config.tenants.iter().map(|tenant| tenant.name.as_str()).collect::<Vec<_>>().join(", ");
        let tenant = tenant.ok_or_else(|| Trouble::usage(format!("name the tenant with --tenant; configured are: {}", names())))?.clone();
        let known = prediction::known_tenant(&config, &tenant.name)?;
        Ok(Self { config: Some(config), tenant: Some(tenant), known })
    }

    fn profile(&self, arguments: &Arguments) -> Result<intake::InputProfile, Trouble> {
        match &self.tenant {
            Some(tenant) => arguments.input.input()?.or(&tenant.input).profile().map_err(Trouble::usage),
            None => arguments.input.profile(),
        }
    }

    /// The tenant's own, so that what the gates remember is found again; else those of this moment.
    fn fingerprints(&self, world: &World) -> Result<Box<dyn Fingerprints>, Trouble> {
        match &self.known {
            Some((keys, tenant)) => Ok(Box::new(TenantFingerprints::new(keys.clone(), *tenant).map_err(Trouble::failed)?)),
            None => Ok(Box::new(Momentary::new(world))),
        }
    }

    /// Earlier batches: those of the installation.
    fn repeats<S: Stream>(&self, world: &World, now: Timestamp) -> Result<Repeats, Trouble> {
        match (&self.config, &self.known) {
            (Some(config), Some((keys, tenant))) => Repeats::of::<S>(world, config, (keys, *tenant), now),
            _ => Ok(Repeats::none()),
        }
    }

    /// What the tenant's templates can say now; without an installation, the shipped ones.
    fn wording(&self, now: Timestamp) -> Result<Wording, Trouble> {
        let bundle = match (&self.config, &self.tenant) {
            (Some(config), Some(tenant)) => templates_in_use(tenant, &config.paths.templates, now),
            _ => shipped_bundle(&example_identity()).map_err(AssemblyError::from),
        };
        Wording::of(&bundle.map_err(Trouble::usage)?).map_err(Trouble::failed)
    }

    fn shaping(&self) -> Result<Shaping, Trouble> {
        match &self.config {
            Some(config) => config.shaping().map_err(Trouble::usage),
            None => Shaping::from_files(crate::shipped::DESTINATIONS).map_err(Trouble::failed),
        }
    }

    fn sources(&self, stream: StreamName) -> Result<Option<Sources>, Trouble> {
        let Some(config) = &self.config else { return Ok(None) };
        let delivery = match stream {
            StreamName::Transactional => Some(&config.transactional),
            StreamName::Marketing => config.marketing.as_ref(),
        };
        delivery.map(|delivery| config.sources(stream, delivery).map_err(Trouble::usage)).transpose()
    }

    fn gates(&self, stream: StreamName, present: &Present<'_>) -> Vec<GateFinding> {
        let gates = self.tenant.as_ref().map(|tenant| tenant.gates.clone()).unwrap_or_default();
        match (&self.config, &self.known) {
            (Some(config), Some((keys, tenant))) => prediction::gates(config, keys, *tenant, stream, &gates, present),
            // No cycle is remembered: what a first one can tell.
            _ => judge(&gates.dropped, present, &History::default()),
        }
    }
}

fn settings(arguments: &Arguments, installed: &Installed, stream: StreamName, now: Timestamp) -> AdmissionSettings {
    let config = installed.config.as_ref();
    let delivery = config.and_then(|config| match stream {
        StreamName::Transactional => Some(&config.transactional),
        StreamName::Marketing => config.marketing.as_ref(),
    });
    AdmissionSettings {
        tenant: installed.known.as_ref().map_or(TenantId(0), |(_, tenant)| *tenant),
        batch: BatchId::new(0, 0),
        bundle: BundleId([0; 32]),
        protection: delivery.map_or(Protection::TlsVerified, |delivery| delivery.protection),
        lifetime: Duration::from_secs(1),
        now,
        priority: 1,
        file: crate::files::file_name(&arguments.file),
        binding: Binding::WithBatch,
        members: installed.tenant.as_ref().map(|tenant| Arc::new(tenant.member_settings.clone())).unwrap_or_default(),
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
