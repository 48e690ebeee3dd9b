//! A template is proved when the bundle is compiled; what still fails later is typed and says no value.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, announcement, delivery, identity, job, renderer, statement};
use model::stage::Payload;
use model::{Marketing, Protection, Transactional};
use render::{Bundle, RenderError, Renderer, TemplateError};
use std::collections::BTreeMap;
use std::path::Path;

fn files() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/templates");
    let mut files = BTreeMap::new();
    for folder in [folder.clone()].into_iter().chain(std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path())) {
        for path in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
            let name =
                path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs/templates")).unwrap().to_str().unwrap().to_owned();
            if path.is_file() && !name.ends_with(".md") {
                files.insert(name, std::fs::read_to_string(path).unwrap());
            }
        }
    }
    files
}

fn compile(change: impl FnOnce(&mut BTreeMap<String, String>)) -> Result<Renderer, TemplateError> {
    let mut files = files();
    change(&mut files);
    Renderer::new(&Bundle::from_files(files, &identity()).unwrap())
}

fn with(name: &str, text: &str) -> Result<Renderer, TemplateError> {
    compile(|files| files.insert(name.to_owned(), text.to_owned()).map(drop).unwrap_or_default())
}

#[test]
fn what_it_says_names_file_and_line() {
    for (name, text, line) in [
        ("eob/eob.html", "<p>\n{{ nothing_of_that_name }}", 2),
        ("eob/eob.txt", "{% for s in statements %}\n{{ s.claim_number }}\n{% if true %}{{ s.salary }}{% endif %}{% endfor %}", 3),
        ("eob/eob.txt", "{% for s in statements %}\n\n{{ s.claim_number }} {{ s.salary }}{% endfor %}", 3),
        ("eob/eob.txt", "{% for s in statements %}{{ s.claim_number }}\n{{ s.salary }}{% endfor %}", 2),
        ("eob/subject.txt", "{{ brand }}: {{ statements }}", 1),
        ("eob/subject.txt", "{{ claim_number }}", 1),
        ("eob/preheader.txt", "{{ total_owes }}", 1),
        ("announcement/subject.txt", "{{ vars.headline }}", 1),
        ("eob/eob.html", "\n\n{% if %}", 3),
        ("eob/eob.html", "a\n[[t.no_such_text]]", 2),
        ("eob/eob.html", "a\n<img src=\"https://a.example/{{ claim }}\">", 2),
        ("eob/eob.txt", "{% for s in statements %}{{ s.member_name|money }}{% endfor %}", 1),
        (
            "eob/eob.txt",
            "{% for a in statements %}{% for b in a.lines %}{% for c in a.lines %}{% for d in a.lines %}{% if d.title and false %}{% endif %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}",
            1,
        ),
    ] {
        let error = with(name, text).unwrap_err();
        let message = error.to_string();
        assert!(message.starts_with(&format!("{name}:{line}: ")), "{message}");
    }
    assert!(matches!(with("eob/subject.txt", "\n"), Err(TemplateError::Trial { .. })));
    assert!(matches!(compile(|files| drop(files.remove("eob/eob.txt"))), Err(TemplateError::Missing(name)) if name == "eob/eob.txt"));
    assert!(matches!(compile(|files| drop(files.remove("codes.toml"))), Err(TemplateError::Missing(_))));
    assert!(matches!(with("codes.toml", "[adjustment]"), Err(TemplateError::Table { .. })));
}

#[test]
fn what_fails_at_delivery_is_typed_and_says_no_value() {
    let renderer = renderer();
    let render = |data| renderer.render::<Transactional>(delivery(1), &data, Protection::TlsVerified, DATE).map(drop).unwrap_err();

    let mut nobody = job(vec![statement(1)]);
    nobody.recipient = None;
    assert_eq!(render(nobody), RenderError::NoRecipient);
    assert_eq!(render(job(Vec::new())), RenderError::NoStatement);

    let mut other = job(vec![statement(1)]);
    other.bundle.0[0] ^= 1;
    assert_eq!(render(other), RenderError::OtherBundle);

    let mut unknown = announcement("Secret headline");
    if let Payload::Templated { template, .. } = &mut unknown.payload {
        *template = "../eob".into();
    }
    assert_eq!(render(unknown), RenderError::NoTemplate);

    let mut without = announcement("Secret headline");
    if let Payload::Templated { variables, .. } = &mut without.payload {
        variables.remove("body");
    }
    let error = render(without);
    assert!(matches!(&error, RenderError::Template { name, .. } if name == "announcement/announcement.txt"), "{error}");
    assert!(!format!("{error} {error:?}").contains("Secret"));

    let marketing = renderer.render::<Marketing>(delivery(1), &job(vec![statement(1)]), Protection::TlsVerified, DATE);
    assert_eq!(marketing.unwrap_err(), RenderError::StatementOnMarketing);

    let many = vec![statement(999); 90];
    assert!(matches!(render(job(many)), RenderError::TooLarge(_)));
}

#[test]
fn a_template_that_never_ends_runs_out_of_fuel() {
    let endless = "{% for a in vars.body.split %}{% endfor %}{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(1) }}";
    let renderer = with("announcement/announcement.txt", endless).unwrap();
    let mut data = announcement("x");
    data.bundle = renderer.bundle();
    let error = renderer.render::<Marketing>(delivery(1), &data, Protection::TlsVerified, DATE).unwrap_err();
    assert!(matches!(error, RenderError::OutOfFuel { .. } | RenderError::Template { .. }), "{error}");
}
