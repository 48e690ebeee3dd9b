//! A notice names no claim, provider, amount or date; it points to the portal and the phone. Its subject does not even say of what.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, as_notice, bill, delivery, in_language, job, month, renderer, usual};
use mail_parser::MessageParser;
use model::{Detail, Protection, Transactional};
use render::RenderError;

#[test]
fn whatever_the_statements_are_the_notice_is_the_same_to_the_byte() {
    let renderer = renderer();
    let render = |statements| {
        renderer.render::<Transactional>(delivery(1), &as_notice(job(statements)), Protection::TlsVerified, DATE).unwrap().bytes
    };
    let first = render(vec![usual()]);
    assert_eq!(render(month()), first);
    assert_eq!(render(vec![bill()]), first);
    assert_eq!(render(vec![invented::denied()]), first);
}

#[test]
fn it_points_to_the_portal_and_the_phone_and_says_no_more() {
    let renderer = renderer();
    for language in ["en", "es"] {
        let data = in_language(as_notice(job(vec![usual()])), language);
        let message = renderer.render::<Transactional>(delivery(1), &data, Protection::TlsVerified, DATE).unwrap();
        let parsed = MessageParser::default().parse(&message.bytes[..]).unwrap();
        let parts = [parsed.body_html(0).unwrap(), parsed.body_text(0).unwrap(), parsed.subject().unwrap().into()];
        for part in &parts {
            let visible = part.find("<body").map_or(&part[..], |start| &part[start..]);
            for word in [
                "$",
                "2026-0417",
                "LHP 4410",
                "Northshore",
                "2026",
                "March",
                "marzo",
                "November",
                "noviembre",
                "Explanation",
                "Explicación",
                "claim",
                "reclamación",
            ] {
                assert!(!visible.contains(word), "{language}: {word} in {visible}");
            }
        }
        for part in &parts[..2] {
            assert!(
                part.contains("https://members.lakeside.example/statements") && part.contains("1-800-555-0142") && part.contains("711")
            );
            assert!(part.contains("Ada Q. Example"));
        }
    }
}

#[test]
fn what_is_to_go_on_paper_is_not_rendered() {
    let mut data = job(vec![usual()]);
    data.presentation.detail = Detail::Paper;
    let error = renderer().render::<Transactional>(delivery(1), &data, Protection::TlsVerified, DATE).map(drop).unwrap_err();
    assert_eq!(error, RenderError::PaperOnly);
    let mixed = job(vec![usual(), bill()]);
    let error = renderer().render::<Transactional>(delivery(1), &mixed, Protection::TlsVerified, DATE).map(drop).unwrap_err();
    assert_eq!(error, RenderError::MixedKinds);
}
