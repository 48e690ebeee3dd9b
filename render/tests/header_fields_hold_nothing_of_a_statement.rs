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
