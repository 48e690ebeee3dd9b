//! A message is in the language its reader asked for, whole; or in English, with the line that offers help in that language.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, bundle, delivery, gallery, identity, in_language, job, renderer, statement, usual};
use mail_parser::MessageParser;
use model::{LanguageTag, Protection, Transactional};
use render::{Bundle, LanguageMatch, Renderer};
use std::collections::BTreeSet;
use std::path::Path;
use toml::Table;

fn table(name: &str) -> Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/templates").join(name);
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn keys(table: &Table) -> BTreeSet<String> {
    let inner = |(key, value): (&String, &toml::Value)| match value {
        toml::Value::Table(inner) => inner.keys().map(|inner| format!("{key}.{inner}")).collect(),
        _ => vec![key.clone()],
    };
    table.iter().flat_map(inner).collect()
}

/// The texts of a table, those that are patterns of dates left out.
fn texts(table: &Table) -> Vec<String> {
    let own = |(key, value): (&String, &toml::Value)| match value {
        toml::Value::Table(inner) => texts(inner),
        toml::Value::String(text) if !key.ends_with("_pattern") => vec![text.clone()],
        _ => Vec::new(),
    };
    table.iter().flat_map(own).collect()
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !letter.is_alphabetic()).filter(|word| word.chars().count() > 2).map(str::to_lowercase).collect()
}

/// What a reader hears, without the parts marked as of another language.
fn spoken(html: &str, language: &str) -> String {
    let body = &html[html.find("<body").unwrap()..];
    let (mut out, mut rest) = (String::new(), body);
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        out.push(' ');
        let tag = &rest[start..=start + rest[start..].find('>').unwrap()];
        rest = &rest[start + tag.len()..];
        if tag.contains("lang=\"") && !tag.contains(&format!("lang=\"{language}\"")) {
            let name = tag[1..].split([' ', '>']).next().unwrap();
            rest = &rest[rest.find(&format!("</{name}>")).unwrap()..];
        }
    }
    out.push_str(rest);
    out
}

#[test]
fn both_languages_have_the_same_texts() {
    for (english, spanish) in [("strings.en.toml", "strings.es.toml"), ("codes.toml", "codes.es.toml")] {
        let (english, spanish) = (table(english), table(spanish));
        assert_eq!(keys(&english), keys(&spanish));
        assert!(texts(&spanish).iter().all(|text| !text.trim().is_empty()));
    }
}

#[test]
fn no_english_is_left_in_spanish() {
    let renderer = renderer();
    // Words that only the English texts have. Names and descriptions come from the data; the brand and the postal address are names.
    let english: BTreeSet<String> =
        ["strings.en.toml", "codes.toml"].iter().flat_map(|name| texts(&table(name))).flat_map(|text| words(&text)).collect();
    let spanish: BTreeSet<String> =
        ["strings.es.toml", "codes.es.toml"].iter().flat_map(|name| texts(&table(name))).flat_map(|text| words(&text)).collect();
    let names = words(
        "Lakeside Health Plan Appeals Box Springfield Choice Northshore Family Clinic Imaging Center Lakeview Summit Acupuncture Corner Street Pharmacy Harbor Dental Group Clearwater Optical Ada Example identity brand phone tty",
    );
    let only_english: BTreeSet<&String> = english.iter().filter(|word| !spanish.contains(*word) && !names.contains(*word)).collect();
    assert!(only_english.len() > 300);
    let mut seen = 0;
    for (name, data) in gallery().into_iter().filter(|(name, _)| name.ends_with("-es")) {
        seen += 1;
        let preview = renderer.preview(&data, DATE).unwrap();
        assert!(preview.html.contains("<html lang=\"es\">"));
        let left: Vec<String> = words(&spoken(&preview.html, "es")).into_iter().filter(|word| only_english.contains(word)).collect();
        assert!(left.is_empty(), "{name}: {left:?}");
        // The text part cannot mark a span: the page's English spans, and the office's name, are taken out by hand.
        let mut text = preview.text.split_whitespace().collect::<Vec<_>>().join(" ");
        for foreign in foreign_spans(&preview.html).into_iter().chain([identity().consumer_assistance, identity().portal_url]) {
            text = text.replace(&foreign, "");
        }
        let left: Vec<String> = words(&text).into_iter().filter(|word| only_english.contains(word)).collect();
        assert!(left.is_empty(), "{name}: {left:?}\n{text}");
    }
    assert!(seen >= 8, "{seen}");
}

fn foreign_spans(html: &str) -> Vec<String> {
    html.split("<span lang=\"en\">")
        .skip(1)
        .map(|rest| rest.split("</span>").next().unwrap().replace("&#x27;", "'").replace("&amp;", "&"))
        .collect()
}

#[test]
fn the_header_and_the_document_say_which_language_it_is() {
    let renderer = renderer();
    for (tag, language, subject) in [
        ("es-MX", "es", "Su Explicación de Beneficios de Lakeside Health Plan, noviembre de 2026"),
        ("spa", "es", "Su Explicación de Beneficios de Lakeside Health Plan, noviembre de 2026"),
        ("en-GB", "en", "Your Explanation of Benefits from Lakeside Health Plan, November 2026"),
        ("vi", "en", "Your Explanation of Benefits from Lakeside Health Plan, November 2026"),
    ] {
        let data = in_language(job(vec![usual()]), tag);
        let message = renderer.render::<Transactional>(delivery(1), &data, Protection::TlsVerified, DATE).unwrap();
        let parsed = MessageParser::default().parse(&message.bytes[..]).unwrap();
        assert_eq!(parsed.header_raw("Content-Language").map(str::trim), Some(language));
        assert_eq!(parsed.subject(), Some(subject));
        let html = parsed.body_html(0).unwrap();
        assert!(html.contains(&format!("<html lang=\"{language}\">")) && html.contains("<p lang=\"zh\">中文: "), "{tag}");
    }
}

#[test]
fn a_language_that_is_not_there_is_said_to_be_unmet() {
    let renderer = renderer();
    let asked = |tag: &str| {
        let data = in_language(job(vec![usual()]), tag);
        renderer.language(&data.recipient.unwrap())
    };
    assert_eq!(asked("es"), LanguageMatch::Met("es".into()));
    assert_eq!(asked("zh-Hant"), LanguageMatch::Unmet("zh".into()));
    assert_eq!(asked("vi").written(), "en");
    assert_eq!(renderer.language(&invented::recipient("Ada")), LanguageMatch::NotAsked);
}

#[test]
fn whoever_asked_in_vain_gets_the_line_of_their_language() {
    let mut identity = identity();
    identity.languages.clear();
    identity
        .language_lines
        .insert("sm".into(), "Invented Samoan sentence [[identity.phone]]".replace("[[identity.phone]]", "1-800-555-0142"));
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/templates");
    let bundle = Bundle::from_dir(&files, &identity).unwrap();
    let renderer = Renderer::new(&bundle).unwrap();
    let page = |tag: Option<&str>| {
        let mut data = job(vec![statement(1)]);
        data.bundle = bundle.id();
        data.recipient.as_mut().unwrap().language = tag.map(|tag| LanguageTag::parse(tag).unwrap());
        let preview = renderer.preview(&data, DATE).unwrap();
        [preview.html, preview.text].map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    for (tag, sentence) in
        [("zh", "如果需要中文的帮助"), ("sm", "Invented Samoan sentence"), ("pdc", "Ruf selli Nummer uff: 1-800-555-0142")]
    {
        assert!(page(Some(tag)).iter().all(|part| part.contains(sentence)), "{tag}");
        assert!(page(None).iter().all(|part| !part.contains(sentence)), "{tag}");
    }
}

#[test]
fn dates_and_credits_are_said_as_the_language_says_them() {
    let mut back = usual();
    back.totals.member_owes = Some(model::Cents(-1_250));
    let preview = renderer().preview(&in_language(job(vec![back]), "es"), DATE).unwrap();
    for part in [&preview.html, &preview.text] {
        assert!(part.contains("4 de marzo de 2026 al 6 de marzo de 2026") && part.contains("$12.50 a favor"), "{part}");
        assert!(part.contains("De lunes a viernes, de 8 a.m. a 8 p.m."));
    }
    assert_eq!(bundle().identity().hours_in.len(), 1);
}
