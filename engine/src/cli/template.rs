//! `sealpost template check | import | list | diff | preview | activate | retire`: how templates come to be used.

use super::input::InputFlags;
use super::output::say;
use super::preview;
use super::send::trouble_of;
use super::{Exit, Outcome, Trouble, connect, operator, statements};
use crate::assembly::{folder_bundle, templates_in_use};
use crate::config::{Config, Tenant};
use crate::control::{self, Answer, Request};
use crate::template_store::{Stored, TemplateStore};
use clap::{Args, Subcommand};
use model::stage::{JobData, Payload};
use model::{LanguageTag, Recipient, Timestamp, hex};
use publish::{Finding, Shown, lint, preview_page};
use render::{Bundle, Identity, Renderer};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use world::World;

/// An identity for a folder that is checked without a configuration.
const EXAMPLE: &str = r#"{"tenant":"example","brand":"Example Health Plan","from":"statements@mail.example.com","reply_to":"service@example.com",
"bounce":"bounce@mail.example.com","message_id_domain":"mail.example.com","phone":"1-800-555-0100","tty":"711","hours":"Monday to Friday",
"portal_url":"https://members.example.com/statements","postal_address":"Example Health Plan, PO Box 100, Springfield, EX 00001",
"consumer_assistance":"Example Office of the Insurance Commissioner, 1-800-555-0199"}"#;

/// Check, import, compare, look at, activate and retire templates.
#[derive(Debug, Args)]
#[command(after_help = "Example: how new templates come to be used\n  \
    sealpost template check templates/                      everything that is wrong with a folder, with file and line\n  \
    sealpost template import templates/ --note \"new logo\"   takes it in under the hash of its content\n  \
    sealpost template diff a1b2c3                           what is different from what is used now\n  \
    sealpost template preview night.835 --bundle a1b2c3 --out page.html   real rows side by side, in a browser\n  \
    sealpost template activate a1b2c3 --from 2026-12-01     by a second person where the tenant asks for one\n\n\
    A job keeps the templates it was accepted with, whatever is activated later. A running engine is told of an \
    activation and takes new jobs in by it at once; one for a later moment takes effect by itself.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say everything that is wrong with a folder of templates.
    Check(Check),
    /// Take a folder of templates in, under the hash of its content.
    Import(Import),
    /// Show what was imported, and what is used.
    List(List),
    /// Show what is different between two bundles, or between one and what is used now.
    Diff(Diff),
    /// Write one page that shows real rows side by side: phone, screen, dark, text, every language.
    Preview(Preview),
    /// Use an imported bundle, now or from a date on.
    Activate(Activate),
    /// Use an imported bundle no more.
    Retire(Retire),
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sealpost template list --config sealpost.toml")]
struct List {
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
struct Whose {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "sealpost.toml")]
    config: PathBuf,
    /// The tenant; not needed where the configuration has one.
    #[arg(long)]
    tenant: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Refused are trackers, remote or inline images, scripts, forms, frames, attachments, List-Unsubscribe, links outside the tenant's domains, \
    attributes without quotation marks, unknown names, values in tags, comments, styles, subjects and preheaders, and what lacks a mandatory part \
    (that it is not a bill, phone and TTY, appeal, paper, language lines, a Reply-To that is read).\n\n\
    Exit codes: 0 it can be used · 5 something is wrong · 2 the folder cannot be read.\n\n\
    Example:\n  sealpost template check configs/templates\n  sealpost template check templates/ --config sealpost.toml --tenant lakeside"
)]
struct Check {
    /// The folder.
    folder: PathBuf,
    /// The configuration whose tenant it is for; without one, an invented plan.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The tenant; not needed where the configuration has one.
    #[arg(long)]
    tenant: Option<String>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Checks it first; what could leak is not taken in. MJML becomes HTML and style sheets are written into the tags here, once.\n\n\
    Example:\n  sealpost template import templates/ --note \"larger type\" --config sealpost.toml"
)]
struct Import {
    /// The folder.
    folder: PathBuf,
    /// What is new in it, for whoever activates it.
    #[arg(long, default_value = "")]
    note: String,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sealpost template diff a1b2c3 d4e5f6 --config sealpost.toml")]
struct Diff {
    /// The beginning of a bundle's name, at least six digits.
    bundle: String,
    /// Another one; without it, what is used now.
    other: Option<String>,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The page is readable personal data: keep it off shared disks and delete it afterwards. It loads nothing and runs nothing.\n\n\
    Example:\n  sealpost template preview night.835 --members contacts.csv --bundle a1b2c3 --out page.html --first 5 --config sealpost.toml"
)]
struct Preview {
    /// The batch whose rows to show: an X12 835, FHIR R4 or NDJSON; plain, gzip or zip.
    file: PathBuf,
    /// Contact file; without one the messages are addressed to the tenant itself.
    #[arg(long, value_name = "FILE")]
    members: Option<PathBuf>,
    /// The bundle to show, by the beginning of its name; without it, what is used now.
    #[arg(long, conflicts_with = "templates")]
    bundle: Option<String>,
    /// A folder of templates to show, not imported yet.
    #[arg(long, value_name = "FOLDER")]
    templates: Option<PathBuf>,
    /// The page.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How many statements.
    #[arg(long, default_value_t = 5)]
    first: usize,
    #[command(flatten)]
    input: InputFlags,
    /// Do not ask: yes, write readable personal data.
    #[arg(long)]
    write_clear_text: bool,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  sealpost template activate a1b2c3 --from 2026-12-01 --config sealpost.toml")]
struct Activate {
    /// The beginning of the bundle's name, at least six digits.
    bundle: String,
    /// From when: a date (midnight UTC) or a moment with its offset, such as 2026-12-01T06:00:00-05:00; without it, at once.
    #[arg(long, value_parser = moment)]
    from: Option<Timestamp>,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
#[command(after_help = "What was activated before it takes its place; jobs that were accepted with it keep it.\n\n\
    Example:\n  sealpost template retire a1b2c3 --reason \"wrong phone number\" --config sealpost.toml")]
struct Retire {
    /// The beginning of the bundle's name, at least six digits.
    bundle: String,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    whose: Whose,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    match arguments.verb {
        Verb::Check(verb) => check(&verb, json),
        Verb::Import(verb) => import(&verb, json),
        Verb::List(verb) => list(&verb.whose, json),
        Verb::Diff(verb) => diff(&verb, json),
        Verb::Preview(verb) => preview(&verb, json),
        Verb::Activate(verb) => activate(&verb, json),
        Verb::Retire(verb) => retire(&verb, json),
    }
}

/// A tenant with its store.
struct Place {
    world: World,
    config: Config,
    at: usize,
    store: TemplateStore,
}

impl Place {
    fn of(whose: &Whose) -> Result<Self, Trouble> {
        let config = super::load(&whose.config)?;
        let name = preview::tenant(&config, whose.tenant.as_deref())?.name.clone();
        let at = config.tenants.iter().position(|tenant| tenant.name == name).expect("it was just found");
        let store = TemplateStore::new(&config.paths.templates, &name);
        Ok(Self { world: World::real(), config, at, store })
    }

    fn tenant(&self) -> &Tenant {
        &self.config.tenants[self.at]
    }

    fn now(&self) -> Timestamp {
        self.world.wall()
    }

    /// What is used now.
    fn in_use(&self) -> Result<Bundle, Trouble> {
        templates_in_use(self.tenant(), &self.config.paths.templates, self.now()).map_err(Trouble::usage)
    }
}

/// An invented plan, where no configuration names one.
pub(super) fn example_identity() -> Identity {
    serde_json::from_str(EXAMPLE).expect("the example is an identity")
}

fn check(verb: &Check, json: bool) -> Outcome {
    let identity: Identity = match &verb.config {
        None => example_identity(),
        Some(config) => preview::tenant(&super::load(config)?, verb.tenant.as_deref())?.identity.clone(),
    };
    let (bundle, strangers) =
        publish::read_folder(&verb.folder, &identity).map_err(|error| Trouble::usage(format!("{}: {error}", verb.folder.display())))?;
    let findings: Vec<Finding> = strangers.into_iter().chain(lint(&bundle)).collect();
    if json {
        say!("{}", serde_json::json!({ "bundle": hex(&bundle.id().0), "findings": findings }));
    } else {
        findings.iter().for_each(|finding| say!("{finding}"));
        match findings.len() {
            0 => say!("{}: can be used; bundle {}", verb.folder.display(), &hex(&bundle.id().0)[..12]),
            found => say!("{}: {found} found", verb.folder.display()),
        }
    }
    Ok(if findings.is_empty() { Exit::Done } else { Exit::NeedsPerson })
}

fn import(verb: &Import, json: bool) -> Outcome {
    let place = Place::of(&verb.whose)?;
    let tenant = place.tenant();
    let bundle = folder_bundle(&verb.folder, &tenant.name, &tenant.identity).map_err(Trouble::usage)?;
    crate::assembly::check_templates(&tenant.name, &bundle).map_err(Trouble::usage)?;
    Renderer::new(&bundle).map_err(Trouble::usage)?;
    place.store.import(&bundle, &operator(), &verb.note, place.now()).map_err(Trouble::failed)?;
    if json {
        say!("{}", serde_json::json!({ "bundle": hex(&bundle.id().0), "files": bundle.files().len() }));
    } else {
        say!(
            "imported {} files as {}; look at it with `template diff` and `template preview`, then `template activate`",
            bundle.files().len(),
            &hex(&bundle.id().0)[..12]
        );
    }
    Ok(Exit::Done)
}

fn list(whose: &Whose, json: bool) -> Outcome {
    let place = Place::of(whose)?;
    let all = place.store.list(place.now()).map_err(Trouble::failed)?;
    if json {
        say!("{}", serde_json::json!({ "tenant": place.tenant().name, "bundles": all }));
        return Ok(Exit::Done);
    }
    all.iter().for_each(|stored| say!("{}", line(stored)));
    if !all.iter().any(|stored| stored.active) {
        let used = place.tenant().templates.as_ref().map_or("the shipped templates".to_owned(), |folder| folder.display().to_string());
        say!("none of them is used now; {used} are");
    }
    Ok(Exit::Done)
}

fn line(stored: &Stored) -> String {
    let state = match (stored.retired, stored.active, stored.active_from) {
        (true, ..) => "retired".to_owned(),
        (_, true, _) => "in use".to_owned(),
        (_, _, Some(from)) => format!("activated from {}", from.to_jiff()),
        _ => "imported".to_owned(),
    };
    format!("{}  {:<24}  {} by {}  {}", &stored.bundle[..12], state, stored.imported_at.to_jiff(), stored.imported_by, stored.note)
}

fn diff(verb: &Diff, json: bool) -> Outcome {
    let place = Place::of(&verb.whose)?;
    let new = place.store.open(&verb.bundle, place.now()).map_err(Trouble::usage)?;
    let old = match &verb.other {
        Some(other) => place.store.open(other, place.now()).map_err(Trouble::usage)?,
        None => place.in_use()?,
    };
    let names: BTreeSet<&String> = old.files().keys().chain(new.files().keys()).collect();
    let empty = String::new();
    let mut changed = Vec::new();
    for name in names {
        let (before, after) = (old.files().get(name).unwrap_or(&empty), new.files().get(name).unwrap_or(&empty));
        if before != after {
            changed.push((name.clone(), line_changes(before, after)));
        }
    }
    if json {
        let files: Vec<_> = changed.iter().map(|(name, lines)| serde_json::json!({ "file": name, "lines": lines })).collect();
        say!("{}", serde_json::json!({ "from": hex(&old.id().0), "to": hex(&new.id().0), "files": files }));
        return Ok(Exit::Done);
    }
    say!("from {} to {}: {} files differ", &hex(&old.id().0)[..12], &hex(&new.id().0)[..12], changed.len());
    for (name, lines) in changed {
        say!("{name}");
        lines.iter().for_each(|line| say!("  {line}"));
    }
    Ok(Exit::Done)
}

/// Lines that went (`-`) and came (`+`), with their numbers: a longest common subsequence of what lies between the equal ends.
fn line_changes(before: &str, after: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let head = old.iter().zip(&new).take_while(|(one, other)| one == other).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(one, other)| one == other).count();
    let (old, new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    let width = new.len() + 1;
    let mut common = vec![0_u32; (old.len() + 1) * width];
    for at in (0..old.len()).rev() {
        for to in (0..new.len()).rev() {
            common[at * width + to] = if old[at] == new[to] {
                common[(at + 1) * width + to + 1] + 1
            } else {
                common[(at + 1) * width + to].max(common[at * width + to + 1])
            };
        }
    }
    let (mut at, mut to, mut out) = (0, 0, Vec::new());
    while at < old.len() || to < new.len() {
        if at < old.len() && to < new.len() && old[at] == new[to] {
            (at, to) = (at + 1, to + 1);
        } else if to == new.len() || (at < old.len() && common[(at + 1) * width + to] >= common[at * width + to + 1]) {
            out.push(format!("-{}: {}", head + at + 1, old[at]));
            at += 1;
        } else {
            out.push(format!("+{}: {}", head + to + 1, new[to]));
            to += 1;
        }
    }
    out
}

fn preview(verb: &Preview, json: bool) -> Outcome {
    if !verb.write_clear_text && !preview::agrees(&verb.out)? {
        return Err(Trouble::usage("nothing was written"));
    }
    let place = Place::of(&verb.whose)?;
    let bundle = shown_bundle(verb, &place)?;
    let renderer = Renderer::new(&bundle).map_err(Trouble::usage)?;
    let contacts = verb.members.as_deref().map(crate::files::read_contacts).transpose().map_err(Trouble::usage)?;
    let rows = statements::open(&verb.file, &verb.input.profile()?)?;
    let folder = verb.out.parent().unwrap_or(Path::new("."));
    let templates = &place.config.paths.templates;
    let request = preview::Request { tenant: place.tenant(), templates, contacts: contacts.as_ref(), out: folder, first: verb.first };
    let mut messages = Vec::new();
    for (row, mut data) in preview::first_jobs(&place.world, &request, &renderer, rows)? {
        let mailbox = place.tenant().identity.reply_to.clone();
        data.recipient.get_or_insert(Recipient { mailbox, name: "".into(), address_version: 0, language: None, on_behalf_of: false });
        messages.extend(shown(&renderer, row, &data, place.now())?);
    }
    let title = format!("{} · bundle {}", place.tenant().identity.brand, &hex(&bundle.id().0)[..12]);
    preview::write(&verb.out, preview_page(&title, &messages).as_bytes())?;
    if json {
        say!("{}", serde_json::json!({ "messages": messages.len(), "page": verb.out, "bundle": hex(&bundle.id().0) }));
    } else {
        say!("{} messages in {}: open it in a browser, and delete it afterwards", messages.len(), verb.out.display());
    }
    Ok(Exit::Done)
}

fn shown_bundle(verb: &Preview, place: &Place) -> Result<Bundle, Trouble> {
    let tenant = place.tenant();
    match (&verb.bundle, &verb.templates) {
        (Some(prefix), _) => {
            let stored = place.store.open(prefix, place.now()).map_err(Trouble::usage)?;
            Bundle::from_files(stored.files().clone(), &tenant.identity).map_err(Trouble::usage)
        }
        (None, Some(folder)) => folder_bundle(folder, &tenant.name, &tenant.identity).map_err(Trouble::usage),
        (None, None) => place.in_use(),
    }
}

/// A row as it would be sent, and in every other language; and as the notice it would be at a shared address.
fn shown(renderer: &Renderer, row: u64, data: &JobData, now: Timestamp) -> Result<Vec<Shown>, Trouble> {
    let mut all = Vec::new();
    let mut add = |title: String, data: &JobData| -> Result<(), Trouble> {
        let preview = renderer.preview(data, now).map_err(|error| Trouble::failed(format!("row {row}: {error}")))?;
        all.push(Shown { title, subject: preview.subject, html: preview.html, text: preview.text });
        Ok(())
    };
    let sent = data.recipient.as_ref().map(|recipient| renderer.language(recipient).written().to_owned());
    add(format!("row {row}, {}, as it would be sent", data.presentation.detail), data)?;
    for language in renderer.languages().into_iter().filter(|language| sent.as_deref().unwrap_or("en") != *language) {
        let mut other = data.clone();
        if let (Some(recipient), Ok(tag)) = (&mut other.recipient, LanguageTag::parse(language)) {
            recipient.language = Some(tag);
            add(format!("row {row}, {}, in language {language}", data.presentation.detail), &other)?;
        }
    }
    if matches!(data.payload, Payload::Statements(_)) && data.presentation.detail == model::Detail::Full {
        let mut notice = data.clone();
        notice.presentation.detail = model::Detail::Notice;
        add(format!("row {row}, as a notice"), &notice)?;
    }
    Ok(all)
}

fn activate(verb: &Activate, json: bool) -> Outcome {
    let place = Place::of(&verb.whose)?;
    let (now, tenant) = (place.now(), place.tenant());
    // What was right for the identity of then may not be for that of now.
    let stored = place.store.open(&verb.bundle, now).map_err(Trouble::usage)?;
    let bundle = Bundle::from_files(stored.files().clone(), &tenant.identity).map_err(Trouble::usage)?;
    crate::assembly::check_templates(&tenant.name, &bundle).map_err(Trouble::usage)?;
    let from = verb.from.unwrap_or(now);
    let stored = place.store.activate(&verb.bundle, from, &operator(), tenant.templates_need_second_person, now).map_err(Trouble::usage)?;
    tell(&place, &stored, json)
}

fn retire(verb: &Retire, json: bool) -> Outcome {
    let place = Place::of(&verb.whose)?;
    let stored = place.store.retire(&verb.bundle, &verb.reason, &operator(), place.now()).map_err(Trouble::usage)?;
    tell(&place, &stored, json)
}

/// What stands in the history now, and whether an engine that runs goes by it.
fn tell(place: &Place, stored: &Stored, json: bool) -> Outcome {
    let request = Request::Templates { tenant: Some(place.tenant().name.clone()) };
    let socket = control::socket_path(place.config.sockets());
    let told = world::block_on(connect::running(&place.world, &socket, &request));
    let engine = match &told {
        Some(Answer::TemplatesTaken) => "told",
        Some(_) => "refused",
        None => "not_running",
    };
    if json {
        let mut about = serde_json::json!(stored);
        about["engine"] = engine.into();
        say!("{about}");
    } else {
        say!("{}", line(stored));
        if engine == "told" {
            say!("the running engine goes by it; held statements that lacked words go with `sealpost batch release`");
        }
    }
    match told {
        None | Some(Answer::TemplatesTaken) => Ok(Exit::Done),
        Some(other) => Err(trouble_of(other)),
    }
}

/// A date, or a moment with its offset.
fn moment(text: &str) -> Result<Timestamp, String> {
    let expected = "expected a date such as 2026-12-01, or a moment with its offset such as 2026-12-01T06:00:00-05:00";
    let midnight = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let moment: jiff::Timestamp = midnight.parse().map_err(|_| expected.to_owned())?;
    u64::try_from(moment.as_millisecond()).map(Timestamp).map_err(|_| expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::assembly::shipped_bundle;

    #[test]
    fn the_example_passes_its_own_check() {
        let bundle = shipped_bundle(&example_identity()).expect("the shipped templates fit every identity");
        assert_eq!(lint(&bundle), []);
    }

    #[test]
    fn lines_that_went_and_came() {
        assert_eq!(line_changes("a\nb\nc\nd", "a\nx\nc\ny\nd"), ["-2: b", "+2: x", "+4: y"]);
        assert_eq!(line_changes("a", "a"), [""; 0]);
        assert_eq!(line_changes("", "a\nb"), ["+1: a", "+2: b"]);
    }

    #[test]
    fn a_date_is_midnight_utc() {
        assert_eq!(moment("2026-12-01").map(|at| at.to_jiff().to_string()), Ok("2026-12-01T00:00:00Z".into()));
        assert_eq!(moment("2026-12-01T06:00:00-05:00").map(|at| at.to_jiff().to_string()), Ok("2026-12-01T11:00:00Z".into()));
        assert!(moment("tomorrow").is_err() && moment("2026-12-01T06:00:00").is_err());
    }
}
