//! What is written is what a reader gets: MIME that parses, short lines, the parts to the letter.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, announcement, delivery, denied, job, nothing_to_pay, renderer, statement, unknown_amounts, very_long};
use mail_parser::MessageParser;
use model::stage::JobData;
use model::{Marketing, Protection, Transactional};
use std::io::Write as _;
use std::process::{Command, Stdio};

fn jobs() -> Vec<JobData> {
    let mut foreign = job(vec![{
        let mut statement = statement(2);
        statement.member.name = "Жозефина Ñandú 李小龍".into();
        statement.provider = Some("Клиника \"Север\" ".repeat(40).into());
        statement
    }]);
    foreign.recipient = Some(invented::recipient("Жозефина Ñandú 李小龍"));
    vec![
        job(vec![statement(15)]),
        job(vec![denied()]),
        job(vec![nothing_to_pay(), denied(), unknown_amounts()]),
        job(vec![very_long()]),
        foreign,
        job(vec![statement(0)]),
        job(vec![statement(300)]),
        job(vec![hostile_amounts()]),
    ]
    .into_iter()
    .chain(invented::gallery().into_iter().filter(|(name, _)| *name != "announcement").map(|(_, data)| data))
    .collect()
}

/// Amounts at the ends of what a number holds, in every place.
fn hostile_amounts() -> model::Statement {
    let mut statement = invented::with_progress(statement(4));
    let ends = [i64::MIN, i64::MAX, -1, i64::MAX - 1];
    for (amounts, end) in statement.lines.iter_mut().map(|line| &mut line.amounts).zip(ends) {
        let end = Some(model::Cents(end));
        *amounts = model::statement::Amounts {
            billed: end,
            allowed: end,
            discount: end,
            plan_paid: end,
            deductible: end,
            coinsurance: end,
            copay: end,
            not_covered: end,
            other_insurance: end,
            member_owes: end,
        };
    }
    statement.totals = statement.lines[0].amounts;
    for accumulator in &mut statement.particulars.accumulators {
        (accumulator.limit, accumulator.used) = (Some(model::Cents(i64::MAX)), Some(model::Cents(i64::MIN)));
    }
    statement
}

fn messages() -> Vec<(Vec<u8>, JobData)> {
    let renderer = renderer();
    let news = announcement("A new clinic");
    let marketing = renderer.render::<Marketing>(delivery(9), &news, Protection::TlsVerified, DATE).unwrap();
    let statements = jobs().into_iter().map(|data| {
        let message = renderer.render::<Transactional>(delivery(1), &data, Protection::TlsVerified, DATE).unwrap();
        (message.bytes.to_vec(), data)
    });
    statements.chain([(marketing.bytes.to_vec(), news.clone())]).collect()
}

#[test]
fn lines_are_short_and_end_in_crlf() {
    for (bytes, _) in messages() {
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.ends_with("\r\n") && !text.replace("\r\n", "").contains(['\r', '\n']));
        let body = text.split_once("\r\n\r\n").unwrap().1;
        // RFC 2045 section 6.7 (5): encoded lines of at most 76 characters.
        assert!(body.split("\r\n").all(|line| line.len() <= 76), "{:?}", body.split("\r\n").find(|line| line.len() > 76));
        assert!(text.is_ascii());
        // Quoted-printable keeps a mail readable; base64 is only for a part that is mostly outside ASCII.
        assert!(!text.contains("base64") || text.contains("=?utf-8?"), "{text}");
    }
}

#[test]
fn both_parts_come_back_to_the_letter() {
    let renderer = renderer();
    for (bytes, data) in messages() {
        let preview = renderer.preview(&data, DATE).unwrap();
        let parsed = MessageParser::default().parse(&bytes[..]).unwrap();
        assert_eq!((parsed.text_body_count(), parsed.html_body_count()), (1, 1));
        assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), preview.text.trim_end());
        assert_eq!(parsed.body_html(0).unwrap().replace("\r\n", "\n").trim_end(), preview.html.trim_end());
        assert!(preview.text.lines().all(|line| line.chars().count() <= 76));
    }
}

#[test]
fn a_text_part_says_all_that_the_page_says() {
    let preview = renderer().preview(&job(vec![statement(15)]), DATE).unwrap();
    for part in [&preview.html, &preview.text].map(|part| part.split_whitespace().collect::<Vec<_>>().join(" ")) {
        for words in [
            "THIS IS NOT A BILL",
            "Ada Q. Example",
            "LHP 4410 2231",
            "2026-0417-88812",
            "March 4, 2026 to March 6, 2026",
            "Northshore Family Clinic",
            "Lakeside Choice PPO",
            "November 22, 2026",
            "$745.45",
            "99214-25",
            "[CO-45]",
            "[N130]",
            "180",
            "502(a)",
            "1-800-555-0142",
            "711",
            "paper",
            "codes",
            "Insurance Commissioner",
            "Español",
        ] {
            assert!(part.contains(words), "{words}");
        }
    }
    assert!(preview.text.find("THIS IS NOT A BILL").unwrap() < preview.text.find("Ada Q.").unwrap());
    assert!(preview.text.find("2026-0417").unwrap() < preview.text.find("You may owe").unwrap());
}

#[test]
fn a_page_of_fifteen_services_is_light_and_a_huge_one_is_not_cut_off() {
    let renderer = renderer();
    let usual = renderer.preview(&job(vec![statement(15)]), DATE).unwrap();
    assert!(usual.html.len() < 20_000 && usual.eml.len() < 29_500, "{}", usual.eml.len());
    let mut all = statement(999);
    for line in &mut all.lines {
        line.description = Some("Computed tomography of the abdomen, with contrast ".repeat(18).into());
    }
    let huge = renderer.preview(&job(vec![all]), DATE).unwrap();
    assert!(huge.html.len() < 90_000, "{}", huge.html.len());
    assert!(huge.html.contains("more services, added together"));
    assert!(huge.text.contains("\n999. Computed tomography"));
}

#[test]
fn python_reads_it_without_a_defect() {
    const SCRIPT: &str = "
import sys, email, email.policy
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.strict)
assert [p.get_content_type() for p in m.walk()] == ['multipart/alternative', 'text/plain', 'text/html']
assert len(m['to'].addresses) == 1 and len(m['from'].addresses) == 1 and m['date'].datetime is not None
[p.get_content() for p in m.iter_parts()]
";
    for (bytes, _) in messages() {
        let python = Command::new("python3").args(["-c", SCRIPT]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let Ok(mut python) = python else {
            println!("skipped: python3 is not installed");
            return;
        };
        python.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = python.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn marketing_says_how_to_leave() {
    let mut identity = invented::identity();
    identity.unsubscribe_url = Some("https://members.lakeside.example/leave?l=en".into());
    let files = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/templates");
    let bundle = render::Bundle::from_dir(&files, &identity).unwrap();
    let mut data = announcement("News");
    data.bundle = bundle.id();
    let message = render::Renderer::new(&bundle).unwrap().render::<Marketing>(delivery(1), &data, Protection::TlsVerified, DATE).unwrap();
    let header = std::str::from_utf8(&message.bytes[..message.body_offset]).unwrap().replace("\r\n ", " ");
    assert!(header.contains("List-Unsubscribe: <https://members.lakeside.example/leave?l=en&m="), "{header}");
    assert!(header.contains("<mailto:service@lakeside.example?subject=unsubscribe%20"), "{header}");
    assert!(header.contains("\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), "{header}");
}
