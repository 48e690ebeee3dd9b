//! `tests/leaks/`: templates that leak, each a change to the shipped ones. All of them are refused, with file, line and rule; the shipped
//! ones are not.
//!
//! A case says which file it changes and how (`after: TEXT` inserts a line behind the first that has the text, `replace: TEXT` replaces
//! every place of it, `instead: everything` the file), and which rule must find it.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use publish::{Rule, lint, strangers};
use render::{Bundle, Identity};
use std::collections::BTreeMap;
use std::path::Path;

fn identity() -> Identity {
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
        consumer_assistance = "Example Office of the Insurance Commissioner, 1-800-555-0199, www.insurance.example"
        languages = ["es", "zh", "tl", "nv"]
        "#,
    )
    .unwrap()
}

fn shipped() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/templates");
    Bundle::from_dir(&folder, &identity()).unwrap().files().clone()
}

struct Leak {
    file: String,
    /// The line that must be named; `None` where a part is missing, which has none.
    line: Option<usize>,
    rule: String,
}

fn apply(case: &str, files: &mut BTreeMap<String, String>) -> Leak {
    let (head, content) = case.split_once("---\n").unwrap();
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(|text| text.trim_start_matches(": ").to_owned());
    let (file, rule) = (field("file").unwrap(), field("rule").unwrap());
    let content = content.strip_suffix('\n').unwrap();
    let text = files.get_mut(&file).unwrap();
    let mut line = None;
    if let Some(after) = field("after") {
        let at = text.lines().position(|line| line.contains(&after)).unwrap_or_else(|| panic!("{after} is not in {file}"));
        let mut lines: Vec<&str> = text.lines().collect();
        lines.insert(at + 1, content);
        line = Some(at + 2);
        *text = lines.join("\n") + "\n";
    } else if let Some(replace) = field("replace") {
        assert!(text.contains(&replace), "{replace} is not in {file}");
        *text = text.replace(&replace, content);
    } else {
        *text = content.to_owned() + "\n";
        line = Some(field("line").map_or_else(|| content.lines().count(), |line| line.parse().unwrap()));
    }
    Leak { file, line, rule }
}

#[test]
fn all_of_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/leaks");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() >= 70, "{}", cases.len());
    let mut missed = Vec::new();
    for case in cases {
        let mut files = shipped();
        let leak = apply(&std::fs::read_to_string(&case).unwrap(), &mut files);
        let findings = lint(&Bundle::from_files(files, &identity()).unwrap());
        let found = findings.iter().any(|finding| {
            finding.rule.as_str() == leak.rule
                && match leak.line {
                    Some(line) => finding.file == leak.file && finding.line == line,
                    // A part that is missing is missed on the finished page of that kind.
                    None => leak.file.ends_with(".toml") || Path::new(&finding.file).extension() == Path::new(&leak.file).extension(),
                }
        });
        if !found {
            missed.push(format!("{}: expected {} at {}:{:?}, found {findings:#?}", case.display(), leak.rule, leak.file, leak.line));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn the_shipped_templates_are_none_of_them() {
    let findings = lint(&Bundle::from_files(shipped(), &identity()).unwrap());
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn a_reply_that_nobody_reads_and_files_that_do_not_belong_are_found() {
    let mut unread = identity();
    unread.reply_to = model::Mailbox::parse("no-reply@lakeside.example").unwrap();
    let findings = lint(&Bundle::from_files(shipped(), &unread).unwrap());
    assert_eq!(findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), [Rule::ReplyTo]);
    let found = strangers(["eob/eob.html", "eob/terms.pdf", "logo.png"]);
    assert_eq!(found.iter().map(|finding| finding.file.as_str()).collect::<Vec<_>>(), ["eob/terms.pdf", "logo.png"]);
    assert!(found[0].to_string().starts_with("eob/terms.pdf:0: [attachment] "), "{}", found[0]);
}

#[test]
fn every_rule_is_tried_and_says_what_to_do() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/leaks");
    let tried: String = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    for rule in Rule::ALL {
        let elsewhere = [Rule::ReplyTo, Rule::Attachment].contains(rule);
        assert!(elsewhere || tried.contains(&format!("\nrule: {}\n", rule.as_str())), "{}", rule.as_str());
        assert!(rule.says().len() > 10);
    }
}
