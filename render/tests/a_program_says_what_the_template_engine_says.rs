//! A message written by programs reads, part by part, as the template engine says it, whatever a sender puts in; and it is sound MIME.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, delivery, identity, job, statement};
use mail_parser::MessageParser;
use model::stage::{JobData, Payload};
use model::statement::{Note, NoteKind};
use model::{Cents, Protection, Transactional};
use proptest::prelude::*;
use render::{Bundle, Renderer};
use std::sync::LazyLock;

/// The shipped templates, which have programs.
static PROGRAMS: LazyLock<Renderer> = LazyLock::new(invented::renderer);
/// The same with an expression in front that says nothing and that no program can have.
static ENGINE: LazyLock<Renderer> = LazyLock::new(|| {
    let mut files = invented::bundle().files().clone();
    for (_, text) in files.iter_mut().filter(|(name, _)| ["eob/", "bill/", "notice/"].iter().any(|set| name.starts_with(set))) {
        *text = format!("{{{{ '' }}}}{text}");
    }
    Renderer::new(&Bundle::from_files(files, &identity()).unwrap()).unwrap()
});

fn check(data: &JobData) -> Result<(), TestCaseError> {
    let (one, other) = (PROGRAMS.preview(data, DATE).unwrap(), ENGINE.preview(data, DATE).unwrap());
    prop_assert_eq!(&one.subject, &other.subject);
    prop_assert_eq!(&one.text, &other.text);
    prop_assert_eq!(&one.html, &other.html);
    let message = PROGRAMS.render::<Transactional>(delivery(1), data, Protection::TlsVerified, DATE).unwrap();
    let text = std::str::from_utf8(&message.bytes).unwrap();
    prop_assert!(text.is_ascii() && !text.replace("\r\n", "").contains(['\r', '\n']));
    // RFC 2045 section 6.7 (5): encoded lines of at most 76 characters; (3): no blank at the end of one.
    for line in text[message.body_offset..].split("\r\n") {
        prop_assert!(line.len() <= 76 && !line.ends_with([' ', '\t']), "{line:?}");
    }
    let parsed = MessageParser::default().parse(&message.bytes[..]).unwrap();
    let read = |body: Option<std::borrow::Cow<'_, str>>| body.unwrap().replace("\r\n", "\n").trim_end().to_owned();
    prop_assert_eq!(read(parsed.body_text(0)), one.text.trim_end());
    prop_assert_eq!(read(parsed.body_html(0)), one.html.trim_end());
    Ok(())
}

#[test]
fn of_every_kind_of_message() {
    for (name, data) in invented::gallery() {
        let mut data = data;
        data.bundle = PROGRAMS.bundle();
        check(&data).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// What a sender may put where a name belongs.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z .'-]{0,40}",
        "\\PC{0,60}",
        "(.|\r\n|\n|\r|\t| |=\\?utf-8\\?|=|=3D|\u{202e}|\u{200b}|\u{2066}|<b>|&amp;|/|'|\"|\\{\\{ x \\}\\}){0,30}",
        "[a-z =<]{1000}",
        Just("אבגד محمد".repeat(60)),
        Just("李\u{1f600}é=".repeat(250)),
        Just("\u{200b}\u{202e}\u{feff}".to_owned()),
        Just("x".repeat(1_000)),
    ]
}

fn amount() -> impl Strategy<Value = Option<Cents>> {
    prop_oneof![
        Just(None),
        Just(Some(Cents(0))),
        any::<i64>().prop_map(|cents| Some(Cents(cents))),
        (0_i64..1_000_000).prop_map(|cents| Some(Cents(cents)))
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn of_whatever_a_sender_puts_in(texts in proptest::collection::vec(value(), 9), amounts in proptest::collection::vec(amount(), 10), denied: bool) {
        let mut statement = if denied { invented::denied() } else { statement(2) };
        let private = |at: usize| texts[at].as_str().into();
        (statement.claim_number, statement.member.name, statement.member.id) = (private(0), private(1), private(2));
        (statement.payer, statement.provider) = (Some(private(3)), Some(private(4)));
        if let Some(line) = statement.lines.first_mut() {
            (line.description, line.code) = (Some(private(5)), Some(private(6)));
            let [billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered, other_insurance, member_owes] = amounts[..] else {
                panic!("there are ten")
            };
            line.amounts = model::statement::Amounts {
                billed, allowed, discount, plan_paid, deductible, coinsurance, copay, not_covered, other_insurance, member_owes,
            };
        }
        statement.totals.member_owes = amounts[0];
        statement.notes.push(Note { kind: NoteKind::Remark, code: private(7), text: Some(private(8)) });
        let mut data = job(vec![statement]);
        data.recipient.as_mut().unwrap().name = private(1);
        check(&data)?;
    }
}

#[test]
fn of_a_templated_message_the_engine_writes_the_same_mime() {
    let mut data = invented::announcement("=?utf-8?q?x?= \u{202e} <b>");
    let Payload::Templated { variables, .. } = &mut data.payload else { panic!("it is templated") };
    variables.insert("body".into(), format!("{}\r\nBcc: a@b.example", "é=".repeat(500)).as_str().into());
    check_parts(&data);
}

fn check_parts(data: &JobData) {
    let preview = PROGRAMS.preview(data, DATE).unwrap();
    let text = std::str::from_utf8(&preview.eml).unwrap();
    let (_, body) = text.split_once("\r\n\r\n").unwrap();
    assert!(body.is_ascii() && body.split("\r\n").all(|line| line.len() <= 76 && !line.ends_with(' ')));
    let parsed = MessageParser::default().parse(&preview.eml[..]).unwrap();
    assert_eq!(parsed.body_text(0).unwrap().replace("\r\n", "\n").trim_end(), preview.text.trim_end());
    assert_eq!(parsed.body_html(0).unwrap().replace("\r\n", "\n").trim_end(), preview.html.trim_end());
}
