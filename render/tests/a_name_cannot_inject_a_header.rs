//! Names come from files we did not write. None of them makes a header field, hides, or runs as markup.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, delivery, job, recipient, renderer, statement};
use mail_parser::MessageParser;
use model::{Protection, Transactional};

const NAMES: [&str; 12] = [
    "Ada\r\nBcc: eve@evil.example",
    "Ada\nSubject: You won",
    "Ada\r\n\r\n<script>alert(1)</script>",
    "Ada\u{0}\u{8}\u{1b}[31m",
    "Ada \u{202e}elpmaxE\u{2066}",
    "A\u{200b}d\u{200d}a\u{feff}",
    "=?utf-8?q?=0d=0aBcc:_eve@evil.example?=",
    "\"Ada\" <eve@evil.example>, Bob",
    "Ada, Bob; (comment) \\ \"",
    "Жозефина Ñandú 李小龍 🙂",
    "   ",
    "{{ 7 * 7 }} {% raw %} &amp; <b>",
];

#[test]
fn the_header_has_one_recipient_and_no_new_field() {
    let renderer = renderer();
    let long = "Wolfeschlegelsteinhausenbergerdorff ".repeat(28);
    let unbroken = "é".repeat(1_000);
    for name in NAMES.into_iter().chain([long.as_str(), unbroken.as_str()]) {
        let mut data = job(vec![statement(1)]);
        data.recipient = Some(recipient(name));
        let message = renderer.render::<Transactional>(delivery(1), &data, Protection::TlsVerified, DATE).unwrap();
        let header = std::str::from_utf8(&message.bytes[..message.body_offset]).unwrap();
        assert!(header.is_ascii(), "{name:?}");
        assert!(header.lines().all(|line| line.len() <= 78), "{name:?}\n{header}");
        let parsed = MessageParser::default().parse(&message.bytes[..]).unwrap();
        let recipients: Vec<_> = parsed.to().unwrap().iter().collect();
        assert_eq!(recipients.len(), 1, "{name:?}");
        assert_eq!(recipients[0].address(), Some("ada@inbox.example"), "{name:?}");
        assert!(parsed.bcc().is_none() && parsed.cc().is_none(), "{name:?}");
        assert_eq!(parsed.headers_raw().filter(|(field, _)| field.eq_ignore_ascii_case("subject")).count(), 1);
        assert_eq!(parsed.headers().iter().filter(|field| field.name().eq_ignore_ascii_case("to")).count(), 1);
        let shown = recipients[0].name().unwrap_or("");
        assert!(
            !shown.chars().any(|letter| letter.is_control() || "\u{200b}\u{200d}\u{202e}\u{2066}\u{feff}".contains(letter)),
            "{shown:?}"
        );
        assert!(shown.chars().count() <= 101);
    }
}

#[test]
fn honest_names_arrive_as_they_are() {
    let renderer = renderer();
    for name in ["Ada Q. Example", "Жозефина Ñandú 李小龍 🙂", "O'Neil, Seán \"Jack\"", "a\\b"] {
        let mut data = job(vec![statement(1)]);
        data.recipient = Some(recipient(name));
        let message = renderer.render::<Transactional>(delivery(1), &data, Protection::TlsVerified, DATE).unwrap();
        let parsed = MessageParser::default().parse(&message.bytes[..]).unwrap();
        assert_eq!(parsed.to().unwrap().first().unwrap().name(), Some(name));
    }
}

#[test]
fn the_page_shows_them_as_text() {
    let renderer = renderer();
    for name in NAMES {
        let mut marked = statement(1);
        marked.member.name = name.into();
        marked.provider = Some(name.into());
        marked.lines[0].description = Some(name.into());
        marked.notes[0].text = Some(name.into());
        let preview = renderer.preview(&job(vec![marked]), DATE).unwrap();
        assert!(!preview.html.contains("<script>") && !preview.html.contains("<b> "), "{name:?}");
        for part in [&preview.html, &preview.text] {
            assert!(
                !part.chars().any(|letter| letter != '\n' && (letter.is_control() || "\u{200b}\u{202e}\u{2066}\u{feff}".contains(letter)))
            );
            assert!(!part.contains("49"), "{name:?}");
        }
    }
}
