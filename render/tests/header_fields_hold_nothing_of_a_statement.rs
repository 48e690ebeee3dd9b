//! A subject is read on lock screens, a header by every server on the way: nothing of a statement stands there.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, delivery, job, renderer, statement};
use mail_parser::MessageParser;
use model::statement::{Amounts, ClaimStatus, LiabilityRule, NoteKind};
use model::{Cents, Date, Protection, Statement, Transactional};

/// A statement in which every field is a word or an amount of its own.
fn marked(seed: i64) -> Statement {
    let mut next = seed;
    let mut mark = move || {
        next += 1;
        next
    };
    let mut statement = statement(3);
    statement.claim_number = format!("CLAIM{}", mark()).into();
    statement.member.id = format!("MEMBER{}", mark()).into();
    statement.member.name = format!("Person{}", mark()).into();
    statement.payer = Some(format!("Plan{}", mark()).into());
    statement.provider = Some(format!("Clinic{}", mark()).into());
    statement.service_from = Some(Date::constant(2019, 7, 13));
    statement.status = if seed % 2 == 0 { ClaimStatus::Denied } else { ClaimStatus::ProcessedPrimary };
    statement.liability_rule = if seed % 3 == 0 { LiabilityRule::Unknown } else { LiabilityRule::Stated };
    let mut amount = || Some(Cents(mark() * 101));
    statement.totals = Amounts { billed: amount(), allowed: amount(), plan_paid: amount(), member_owes: amount(), ..Amounts::default() };
    for line in &mut statement.lines {
        line.code = Some(format!("HC:{seed}X").into());
        line.description = Some(format!("Service{seed}").into());
        line.amounts.billed = amount();
    }
    statement.notes[0].kind = NoteKind::Message;
    statement.notes[0].text = Some(format!("Remark{seed}").into());
    statement
}

#[test]
fn the_header_is_the_same_to_the_byte_whatever_the_statements_say() {
    let renderer = renderer();
    let header = |statements: Vec<Statement>| {
        let message = renderer.render::<Transactional>(delivery(1), &job(statements), Protection::TlsVerified, DATE).unwrap();
        message.bytes[..message.body_offset].to_vec()
    };
    let plain = header(vec![statement(1)]);
    for seed in (1_000..1_200).step_by(7) {
        assert_eq!(header(vec![marked(seed)]), plain, "seed {seed}");
        assert_eq!(header(vec![marked(seed), marked(seed + 1)]), plain, "seed {seed}");
    }
}

/// Every text and amount of the statement that a reader could recognise.
fn data_of(statement: &Statement) -> Vec<String> {
    let cents = |cents: Option<Cents>| cents.map(|Cents(cents)| format!("{}.{:02}", cents / 100, cents % 100));
    let texts = [&statement.claim_number, &statement.member.id, &statement.member.name].map(|text| text.reveal().to_owned());
    let optional =
        [&statement.payer, &statement.provider, &statement.lines[0].description, &statement.lines[0].code, &statement.notes[0].text];
    let amounts = [statement.totals.billed, statement.totals.allowed, statement.totals.plan_paid, statement.totals.member_owes];
    let dates = ["2019", "July", "julio", "13"].map(str::to_owned);
    let optional = optional.into_iter().flatten().map(|text| text.reveal().to_owned());
    texts.into_iter().chain(optional).chain(amounts.into_iter().filter_map(cents)).chain(dates).collect()
}

#[test]
fn ten_thousand_headers_hold_no_datum_of_their_statements() {
    let renderer = renderer();
    let mut plain = std::collections::BTreeMap::new();
    for seed in 0..10_000_i64 {
        let mut statement = marked(20_000 + seed);
        let variant = seed % 7;
        if variant == 1 {
            statement.kind = model::statement::StatementKind::Bill;
            statement.particulars.bill = invented::bill().particulars.bill;
        }
        statement.particulars.correction = (variant == 2).then(|| invented::corrected().particulars.correction.unwrap());
        let data = data_of(&statement);
        let mut message = job(if variant == 3 { vec![statement.clone(), statement] } else { vec![statement] });
        if variant == 4 {
            message = invented::as_notice(message);
        }
        if seed % 2 == 0 {
            message = invented::in_language(message, "es");
        }
        let rendered = renderer.render::<Transactional>(delivery(1), &message, Protection::TlsVerified, DATE).unwrap();
        let header = rendered.bytes[..rendered.body_offset].to_vec();
        let text = std::str::from_utf8(&header).unwrap();
        for field in ["Auto-Submitted: auto-generated\r\n", "X-Auto-Response-Suppress: All\r\n"] {
            assert_eq!(text.matches(field).count(), 1);
        }
        // The date of sending and the message's own tokens are no data; what is left must not be either.
        let parsed = MessageParser::default().parse(&header[..]).unwrap();
        let shown = format!(
            "{} {} {:?} {:?}",
            parsed.subject().unwrap(),
            parsed.header_raw("Content-Language").unwrap(),
            parsed.from(),
            parsed.to()
        );
        assert!(data.iter().all(|datum| !shown.contains(datum.as_str())), "seed {seed}: {shown}");
        assert!(data[..8].iter().all(|datum| !text.contains(datum.as_str())), "seed {seed}");
        // Stronger: nothing of it changes a single byte.
        let first =
            plain.entry((variant.clamp(0, 5).min(if variant > 4 { 0 } else { variant }), seed % 2)).or_insert_with(|| header.clone());
        assert_eq!(*first, header, "seed {seed}");
    }
}

#[test]
fn the_preheader_comes_before_all_of_it_and_is_neutral() {
    let renderer = renderer();
    let preview = renderer.preview(&job(vec![marked(5_001)]), DATE).unwrap();
    let body = &preview.html[preview.html.find("<body").unwrap()..];
    let head = &body[..body.find("THIS IS NOT A BILL").unwrap()];
    assert!(head.contains("Your Explanation of Benefits for November 2026 is inside."), "{head}");
    for word in ["$", "Person", "CLAIM", "MEMBER", "Clinic", "2019"] {
        assert!(!head.contains(word), "{word}");
    }
    // What an inbox can show beside the subject ends before the first thing of the statement.
    let visible: String = body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect();
    assert!(visible.find("Person").unwrap() > 200);
}

#[test]
fn links_are_the_same_whatever_the_statements_say() {
    let renderer = renderer();
    let links = |statement| {
        let preview = renderer.preview(&job(vec![statement]), DATE).unwrap();
        preview.html.split("href=").skip(1).map(|rest| rest.split('>').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(links(marked(1)), links(statement(2)));
    assert!(!links(marked(1)).is_empty());
}

#[test]
fn the_fields_say_what_they_should() {
    let message = renderer().render::<Transactional>(delivery(1), &job(vec![statement(2)]), Protection::TlsVerified, DATE).unwrap();
    let parsed = MessageParser::default().parse(&message.bytes[..]).unwrap();
    assert_eq!(parsed.subject(), Some("Your Explanation of Benefits from Lakeside Health Plan, November 2026"));
    assert_eq!(parsed.from().unwrap().first().unwrap().name(), Some("Lakeside Health Plan"));
    assert_eq!(parsed.to().unwrap().first().unwrap().address(), Some("ada@inbox.example"));
    assert_eq!(parsed.reply_to().unwrap().first().unwrap().address(), Some("service@lakeside.example"));
    let id = parsed.message_id().unwrap();
    assert!(id.ends_with("@mail.lakeside.example") && id.len() == 32 + 22, "{id}");
    for (name, value) in [
        ("Date", "Sun, 22 Nov 2026 02:45:07 +0000"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Auto-Response-Suppress", "All"),
        ("Content-Language", "en"),
        ("MIME-Version", "1.0"),
    ] {
        assert_eq!(parsed.header_raw(name).map(str::trim), Some(value), "{name}");
    }
    assert!(parsed.header_raw("List-Unsubscribe").is_none());
}
