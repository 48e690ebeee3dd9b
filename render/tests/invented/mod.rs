//! Invented people, providers and claims for tests, the preview and measurements.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test file takes what it needs")]

use model::stage::{DueDelivery, JobData, Locator, Payload, Permit, PermittedDelivery};
use model::statement::{
    Accumulator, AccumulatorKind, AccumulatorScope, AmountChange, Amounts, Bill, ChangedAmount, ClaimStatus, ClaimType, Correction,
    LiabilityRule, Member, Network, Note, NoteKind, PaidTo, ServiceLine, StatementKind,
};
use model::{
    BatchId, Cents, Date, JobId, LanguageTag, Mailbox, MessageVersion, Private, Protection, Recipient, Statement, Stream, TenantId,
    Timestamp,
};
use render::{Bundle, Identity, Renderer};
use std::path::Path;

/// Sunday, 22 November 2026, 02:45:07 UTC.
pub const DATE: Timestamp = Timestamp::from_seconds(1_795_315_507);

pub fn identity() -> Identity {
    toml::from_str(
        r#"
        tenant = "lakeside"
        brand = "Lakeside Health Plan"
        from = "statements@mail.lakeside.example"
        reply_to = "service@lakeside.example"
        bounce = "bounce@mail.lakeside.example"
        message_id_domain = "mail.lakeside.example"
        phone = "1-800-555-0142"
        tty = "711"
        hours = "Monday to Friday, 8 a.m. to 8 p.m."
        portal_url = "https://members.lakeside.example/statements"
        postal_address = "Lakeside Health Plan, Appeals, PO Box 100, Springfield, EX 00001"
        consumer_assistance = "Example Office of the Insurance Commissioner, 1-800-555-0199"
        languages = ["es", "zh", "tl", "nv"]
        hours_in = { es = "De lunes a viernes, de 8 a.m. a 8 p.m." }
        "#,
    )
    .unwrap()
}

pub fn bundle() -> Bundle {
    Bundle::from_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/templates"), &identity()).unwrap()
}

pub fn renderer() -> Renderer {
    Renderer::new(&bundle()).unwrap()
}

pub fn recipient(name: &str) -> Recipient {
    Recipient {
        mailbox: Mailbox::parse("ada@inbox.example").unwrap(),
        name: name.into(),
        address_version: 3,
        language: None,
        on_behalf_of: false,
    }
}

pub fn job(statements: Vec<Statement>) -> JobData {
    job_data(Payload::Statements(statements))
}

fn job_data(payload: Payload) -> JobData {
    JobData {
        recipient: Some(recipient("Ada Q. Example")),
        payload,
        bundle: bundle().id(),
        protection: Protection::TlsVerified,
        presentation: model::Presentation::default(),
    }
}

pub fn announcement(headline: &str) -> JobData {
    let variables = [("headline", headline), ("body", "The new clinic on Lake Street opens on Monday. You are welcome to look around.")]
        .map(|(name, value)| (name.to_owned(), Private::from(value)))
        .into();
    job_data(Payload::Templated { template: "announcement".into(), variables, authorization: "A-1".into() })
}

pub fn delivery<S: Stream>(job: u64) -> PermittedDelivery<S> {
    let due = DueDelivery::new(
        JobId::new(1, job),
        Locator { segment: 0, offset: 0 },
        MessageVersion(0),
        0,
        TenantId(1),
        BatchId::new(1, 1),
        0,
        0,
        Timestamp(u64::MAX),
        false,
        0,
    );
    PermittedDelivery::new(due, Permit::attest())
}

const SERVICES: [(&str, &str); 8] = [
    ("HC:99214", "Office visit, established patient"),
    ("HC:80053", "Blood test, comprehensive metabolic panel"),
    ("HC:71046", "Chest X-ray, two views"),
    ("HC:93000", "Electrocardiogram with report"),
    ("HC:36415", "Blood draw"),
    ("HC:90471", "Vaccine administration"),
    ("HC:97110", "Physical therapy exercises, 15 minutes"),
    ("HC:J1885", "Injection, pain relief, 15 mg"),
];

/// A statement whose amounts add up: `lines` services, each a little different.
pub fn statement(lines: usize) -> Statement {
    let services: Vec<ServiceLine> = (0..lines).map(line).collect();
    let total = |field: fn(&Amounts) -> Option<Cents>| Some(services.iter().filter_map(|line| field(&line.amounts)).sum());
    Statement {
        kind: StatementKind::Eob,
        claim_number: "2026-0417-88812".into(),
        member: Member { id: "LHP 4410 2231".into(), name: "Ada Q. Example".into(), ..Member::default() },
        status: ClaimStatus::ProcessedPrimary,
        payer: Some("Lakeside Choice PPO".into()),
        provider: Some("Northshore Family Clinic".into()),
        service_from: Some(Date::constant(2026, 3, 4)),
        service_to: Some(Date::constant(2026, 3, 6)),
        totals: Amounts {
            billed: total(|amounts| amounts.billed),
            allowed: total(|amounts| amounts.allowed),
            discount: total(|amounts| amounts.discount),
            plan_paid: total(|amounts| amounts.plan_paid),
            deductible: total(|amounts| amounts.deductible),
            coinsurance: total(|amounts| amounts.coinsurance),
            copay: total(|amounts| amounts.copay),
            not_covered: total(|amounts| amounts.not_covered),
            other_insurance: None,
            member_owes: total(|amounts| amounts.member_owes),
        },
        liability_rule: LiabilityRule::Stated,
        lines: services,
        notes: vec![
            note(NoteKind::Adjustment, "CO-45"),
            note(NoteKind::Adjustment, "PR-1"),
            note(NoteKind::Adjustment, "PR-2"),
            note(NoteKind::Remark, "N130"),
        ],
        particulars: model::statement::Particulars::default(),
    }
}

fn line(at: usize) -> ServiceLine {
    let (code, description) = SERVICES[at % SERVICES.len()];
    let step = i64::try_from(at).unwrap();
    let billed = 12_050 + step * 3_175;
    let discount = billed / 3;
    let allowed = billed - discount;
    let deductible = if at < 3 { 2_500 } else { 0 };
    let coinsurance = (allowed - deductible) / 5;
    let cents = |cents| Some(Cents(cents));
    ServiceLine {
        service_from: Some(Date::constant(2026, 3, 4)),
        service_to: None,
        code: Some(code.into()),
        modifiers: if at.is_multiple_of(4) { vec!["25".into()] } else { Vec::new() },
        description: Some(description.into()),
        amounts: Amounts {
            billed: cents(billed),
            allowed: cents(allowed),
            discount: cents(discount),
            plan_paid: cents(allowed - deductible - coinsurance),
            deductible: cents(deductible),
            coinsurance: cents(coinsurance),
            copay: cents(0),
            not_covered: cents(0),
            other_insurance: None,
            member_owes: cents(deductible + coinsurance),
        },
        notes: if at < 3 { vec![0, 1, 2] } else { vec![0, 2] },
    }
}

pub fn note(kind: NoteKind, code: &str) -> Note {
    Note { kind, code: code.into(), text: None }
}

/// The plan paid nothing.
pub fn denied() -> Statement {
    let mut statement = statement(1);
    let billed = statement.lines[0].amounts.billed;
    let nothing = Some(Cents::ZERO);
    let amounts = Amounts {
        billed,
        allowed: nothing,
        discount: nothing,
        plan_paid: nothing,
        deductible: nothing,
        coinsurance: nothing,
        copay: nothing,
        not_covered: billed,
        other_insurance: None,
        member_owes: billed,
    };
    statement.status = ClaimStatus::Denied;
    statement.totals = amounts;
    statement.lines[0].amounts = amounts;
    statement.lines[0].notes = vec![0, 1];
    statement.notes = vec![note(NoteKind::Adjustment, "PR-204"), note(NoteKind::Remark, "N130")];
    statement
}

/// The plan paid all that is allowed.
pub fn nothing_to_pay() -> Statement {
    let mut statement = statement(2);
    for amounts in statement.lines.iter_mut().map(|line| &mut line.amounts).chain([&mut statement.totals]) {
        (amounts.deductible, amounts.coinsurance, amounts.member_owes) = (Some(Cents::ZERO), Some(Cents::ZERO), Some(Cents::ZERO));
        amounts.plan_paid = amounts.allowed;
    }
    statement.lines.iter_mut().for_each(|line| line.notes = vec![0]);
    statement.notes.truncate(1);
    statement
}

/// The source states what was billed and paid, and nothing else.
pub fn unknown_amounts() -> Statement {
    let mut statement = statement(3);
    for amounts in statement.lines.iter_mut().map(|line| &mut line.amounts).chain([&mut statement.totals]) {
        *amounts = Amounts { billed: amounts.billed, plan_paid: amounts.plan_paid, ..Amounts::default() };
    }
    statement.liability_rule = LiabilityRule::Unknown;
    statement.provider = None;
    for line in &mut statement.lines {
        (line.description, line.service_from) = (None, None);
        line.notes.clear();
    }
    statement.notes.clear();
    statement
}

/// Names as long as a file may have them, and amounts of millions.
pub fn very_long() -> Statement {
    let mut statement = statement(3);
    statement.member.name = "Maximiliana-Theodora Wolfeschlegelsteinhausenbergerdorff ".repeat(4).into();
    statement.provider = Some("Northwestern_Memorial_Rehabilitation_and_Orthopaedic_Associates_".repeat(6).into());
    statement.claim_number = "9".repeat(80).into();
    statement.lines[1].description = Some("Computed tomography, abdomen and pelvis, with contrast material ".repeat(8).into());
    for amounts in statement.lines.iter_mut().map(|line| &mut line.amounts).chain([&mut statement.totals]) {
        amounts.billed = Some(Cents(1_234_567_890));
        amounts.member_owes = Some(Cents(987_654_321));
        amounts.discount = Some(Cents(-4_200));
    }
    statement.notes[3].text =
        Some("Your plan says: please look at page 12 of your benefit booklet for this kind of service. ".repeat(5).into());
    statement
}

/// The same job for a person who asked for a language.
pub fn in_language(mut data: JobData, tag: &str) -> JobData {
    if let Some(recipient) = &mut data.recipient {
        recipient.language = Some(LanguageTag::parse(tag).unwrap());
    }
    data
}

/// The same job as a notice.
pub fn as_notice(mut data: JobData) -> JobData {
    data.presentation.detail = model::Detail::Notice;
    data
}

/// With the limits of the plan year.
pub fn with_progress(mut statement: Statement) -> Statement {
    let accumulator = |kind, scope, limit: Option<i64>, used: Option<i64>| Accumulator {
        kind,
        scope,
        network: Some(Network::InNetwork),
        limit: limit.map(Cents),
        used: used.map(Cents),
        from: None,
        to: None,
    };
    statement.particulars.network = Some(Network::InNetwork);
    statement.particulars.accumulators = vec![
        accumulator(AccumulatorKind::Deductible, AccumulatorScope::Individual, Some(150_000), Some(112_550)),
        accumulator(AccumulatorKind::Deductible, AccumulatorScope::Family, Some(300_000), Some(300_000)),
        accumulator(AccumulatorKind::OutOfPocketMaximum, AccumulatorScope::Individual, Some(600_000), Some(148_795)),
    ];
    statement
}

/// A usual claim of three services.
pub fn usual() -> Statement {
    with_progress(statement(3))
}

/// A pharmacy's, in which nothing is said of a discount.
pub fn pharmacy() -> Statement {
    let mut statement = of_type(ClaimType::Pharmacy, "Corner Street Pharmacy", &[("NDC:00093-7424-56", "Atorvastatin 20 mg, 30 tablets")]);
    for amounts in statement.lines.iter_mut().map(|line| &mut line.amounts).chain([&mut statement.totals]) {
        *amounts = Amounts {
            billed: Some(Cents(8_640)),
            allowed: Some(Cents(2_315)),
            plan_paid: Some(Cents(1_315)),
            copay: Some(Cents(1_000)),
            deductible: Some(Cents::ZERO),
            coinsurance: Some(Cents::ZERO),
            not_covered: Some(Cents::ZERO),
            member_owes: Some(Cents(1_000)),
            discount: None,
            other_insurance: None,
        };
        amounts.discount = Some(Cents(6_325));
    }
    statement
}

/// A dentist's.
pub fn dental() -> Statement {
    of_type(
        ClaimType::Dental,
        "Harbor Dental Group",
        &[("AD:D1110", "Cleaning, adult"), ("AD:D0274", "X-rays, four bitewings"), ("AD:D2392", "Filling, two surfaces")],
    )
}

/// An eye care provider's; the plan pays the member.
pub fn vision() -> Statement {
    let mut statement = of_type(ClaimType::Vision, "Clearwater Optical", &[("HC:92014", "Eye exam"), ("HC:V2020", "Frames")]);
    statement.particulars.network = Some(Network::OutOfNetwork);
    statement.particulars.paid_to = Some(PaidTo::Member);
    statement
}

fn of_type(claim_type: ClaimType, provider: &str, services: &[(&str, &str)]) -> Statement {
    let mut statement = statement(services.len());
    statement.particulars.claim_type = Some(claim_type);
    statement.particulars.network = Some(Network::InNetwork);
    statement.provider = Some(provider.into());
    for (line, (code, description)) in statement.lines.iter_mut().zip(services) {
        (line.code, line.description) = (Some((*code).into()), Some((*description).into()));
        line.modifiers.clear();
    }
    statement
}

/// One that corrects what was sent before.
pub fn corrected() -> Statement {
    let mut statement = usual();
    let owes = statement.totals.member_owes.unwrap();
    let paid = statement.totals.plan_paid.unwrap();
    statement.particulars.correction = Some(Correction {
        changes: vec![
            AmountChange { which: ChangedAmount::PlanPaid, before: Cents(paid.0 - 4_000), after: paid },
            AmountChange { which: ChangedAmount::MemberOwes, before: Cents(owes.0 + 4_000), after: owes },
        ],
    });
    statement
}

/// A month of claims of one member.
pub fn month() -> Vec<Statement> {
    let mut second = nothing_to_pay();
    second.claim_number = "2026-0423-90117".into();
    second.provider = Some("Lakeview Imaging Center".into());
    (second.service_from, second.service_to) = (Some(Date::constant(2026, 3, 11)), None);
    let mut third = denied();
    third.claim_number = "2026-0430-11804".into();
    third.provider = Some("Summit Acupuncture".into());
    (third.service_from, third.service_to) = (Some(Date::constant(2026, 3, 19)), None);
    vec![usual(), second, third]
}

/// A bill.
pub fn bill() -> Statement {
    let mut statement = statement(2);
    statement.kind = StatementKind::Bill;
    statement.notes.clear();
    statement.lines.iter_mut().for_each(|line| line.notes.clear());
    let owes = statement.totals.member_owes.unwrap();
    statement.particulars.bill = Some(Bill {
        account: Some("778-2201".into()),
        due_on: Some(Date::constant(2026, 12, 15)),
        previous_balance: Some(Cents(6_000)),
        payments: Some(Cents(-6_000)),
        new_charges: Some(owes),
        balance: Some(owes),
    });
    statement
}

/// Every kind of message that the shipped templates make, under its name.
pub fn gallery() -> Vec<(&'static str, JobData)> {
    let one = |statement| job(vec![statement]);
    let on_behalf = |mut data: JobData| {
        data.recipient.as_mut().unwrap().on_behalf_of = true;
        data
    };
    vec![
        ("eob", one(usual())),
        ("eob-es", in_language(one(usual()), "es-MX")),
        ("eob-vi", in_language(one(usual()), "vi")),
        ("fifteen", one(with_progress(statement(15)))),
        ("denied", on_behalf(one(denied()))),
        ("denied-es", in_language(one(denied()), "es")),
        ("nothing", one(nothing_to_pay())),
        ("unknown", one(unknown_amounts())),
        ("long", one(very_long())),
        ("pharmacy", one(pharmacy())),
        ("pharmacy-es", in_language(one(pharmacy()), "es")),
        ("dental", one(dental())),
        ("dental-es", in_language(one(dental()), "es")),
        ("vision", one(vision())),
        ("vision-es", in_language(one(vision()), "es")),
        ("corrected", one(corrected())),
        ("corrected-es", in_language(one(corrected()), "es")),
        ("month", job(month())),
        ("month-es", in_language(job(month()), "es")),
        ("bill", one(bill())),
        ("bill-es", in_language(one(bill()), "es")),
        ("notice", as_notice(one(usual()))),
        ("notice-es", in_language(as_notice(one(usual())), "es")),
        ("huge", one(statement(999))),
        ("announcement", announcement("A new clinic near you")),
    ]
}
