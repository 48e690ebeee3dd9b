//! `sealpost preview`: the exact messages of a file's first statements, as files.
//!
//! They are readable, so it asks first: what lies in the folder afterwards is protected health information in clear text.

use super::input::InputFlags;
use super::output::say;
use super::{Exit, Outcome, Trouble, statements};
use crate::config::{Config, Tenant};
use clap::Args;
use intake::{Addressed, Addressing, Contacts, Row, Rows, addressing};
use model::stage::{JobData, Payload};
use model::{Mailbox, Presentation, Private, Recipient};
use render::Renderer;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use world::World;

/// Write the exact messages of a file's first statements into a folder.
#[derive(Debug, Args)]
#[command(
    after_help = "Writes NNNN.eml, NNNN.html and NNNN.txt for each mailable statement. These files are readable: keep them off shared disks and delete \
                        them afterwards.\n\n\
                        Example:\n  sealpost preview remittance.835 --members contacts.csv --config sealpost.toml --out preview --first 3"
)]
pub(super) struct Arguments {
    /// The batch: an X12 835, FHIR R4 or NDJSON; plain, gzip or zip.
    file: PathBuf,
    /// Contact file (CSV or NDJSON); without one the messages are addressed to the tenant itself.
    #[arg(long, value_name = "FILE")]
    members: Option<PathBuf>,
    /// The configuration: who sends, with which templates.
    #[arg(long, value_name = "FILE", default_value = "sealpost.toml")]
    config: PathBuf,
    /// Whose templates; not needed where the configuration has one tenant.
    #[arg(long)]
    tenant: Option<String>,
    /// Folder for the files; made where it is missing.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// How many statements.
    #[arg(long, default_value_t = 10)]
    first: usize,
    #[command(flatten)]
    input: InputFlags,
    /// Do not ask: yes, write readable personal data.
    #[arg(long)]
    write_clear_text: bool,
}

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    if !arguments.write_clear_text && !agrees(&arguments.out)? {
        return Err(Trouble::usage("nothing was written"));
    }
    let world = World::real();
    let config = super::load(&arguments.config)?;
    let tenant = tenant(&config, arguments.tenant.as_deref())?;
    let contacts = arguments.members.as_deref().map(crate::files::read_contacts).transpose().map_err(Trouble::usage)?;
    let rows = statements::open(&arguments.file, &arguments.input.profile()?)?;
    let request =
        Request { tenant, templates: &config.paths.templates, contacts: contacts.as_ref(), out: &arguments.out, first: arguments.first };
    let written = write_messages(&world, &request, rows)?;
    if json {
        say!("{}", serde_json::json!({ "messages": written, "folder": arguments.out }));
    } else {
        say!("{written} messages in {}: .eml as it would be sent (without signatures), .html, .txt", arguments.out.display());
    }
    Ok(Exit::Done)
}

/// What to write.
pub(super) struct Request<'r> {
    pub(super) tenant: &'r Tenant,
    /// The folder of imported templates.
    pub(super) templates: &'r Path,
    pub(super) contacts: Option<&'r Contacts>,
    pub(super) out: &'r Path,
    pub(super) first: usize,
}

/// Renders the first mailable statements into files; how many.
pub(super) fn write_messages(world: &World, request: &Request<'_>, rows: Rows<'_>) -> Result<usize, Trouble> {
    let in_use = crate::assembly::templates_in_use(request.tenant, request.templates, world.wall()).map_err(Trouble::usage)?;
    let renderer = Renderer::new(&in_use).map_err(Trouble::usage)?;
    world.disk().create_dir_all(request.out).map_err(|error| Trouble::failed(format!("{}: {error}", request.out.display())))?;
    let jobs = first_jobs(world, request, &renderer, rows)?;
    for (row_number, data) in &jobs {
        let preview = renderer.preview(data, world.wall()).map_err(|error| Trouble::failed(format!("row {row_number}: {error}")))?;
        let stem = request.out.join(format!("{row_number:04}"));
        write(&stem.with_extension("eml"), &preview.eml)?;
        write(&stem.with_extension("html"), preview.html.as_bytes())?;
        write(&stem.with_extension("txt"), preview.text.as_bytes())?;
    }
    Ok(jobs.len())
}

/// The first mailable statements as jobs, with their rows.
pub(super) fn first_jobs(
    world: &World,
    request: &Request<'_>,
    renderer: &Renderer,
    rows: Rows<'_>,
) -> Result<Vec<(u64, JobData)>, Trouble> {
    let mut jobs = Vec::new();
    for row in rows {
        if jobs.len() == request.first {
            break;
        }
        let Row::Statement(read) = row.map_err(statements::refused)? else { continue };
        if read.not_mailable.is_some() {
            continue;
        }
        let named = read.recipient.as_ref().and_then(|inline| inline_recipient(inline.email.reveal(), &read.statement.member.name));
        let addressing =
            Addressing { statement: &read.statement, also_known_as: &read.also_known_as, named: named.as_ref(), at: world.wall() };
        let (recipient, presentation) = match addressing::address(&addressing, request.contacts, &request.tenant.member_settings) {
            Addressed::Send { recipient, presentation, .. } => (Some(recipient), presentation),
            Addressed::Paper(_) | Addressed::NoAddress(_) | Addressed::Mismatch => (None, Presentation::default()),
        };
        let data = JobData {
            recipient,
            payload: Payload::Statements(vec![read.statement]),
            bundle: renderer.bundle(),
            protection: model::Protection::TlsVerified,
            presentation,
        };
        jobs.push((read.place.row, data));
    }
    Ok(jobs)
}

/// The tenant that was named, or the only one.
pub(super) fn tenant<'c>(config: &'c Config, name: Option<&str>) -> Result<&'c Tenant, Trouble> {
    match (name, config.tenants.as_slice()) {
        (Some(name), tenants) => {
            let found = tenants.iter().find(|tenant| tenant.name == name);
            found.ok_or_else(|| Trouble::usage(format!("there is no tenant '{name}' in the configuration")))
        }
        (None, [only]) => Ok(only),
        (None, _) => Err(Trouble::usage("name the tenant with --tenant; the configuration has several")),
    }
}

fn inline_recipient(email: &str, name: &Private) -> Option<Recipient> {
    let mailbox = Mailbox::parse(email).ok()?;
    Some(Recipient { mailbox, name: name.clone(), address_version: 0, language: None, on_behalf_of: false })
}

/// Asks on the terminal; without one the answer is no.
pub(super) fn agrees(out: &Path) -> Result<bool, Trouble> {
    if !std::io::stdin().is_terminal() {
        return Err(Trouble::usage("this writes readable personal data; say --write-clear-text where nobody can be asked"));
    }
    let _ = write!(std::io::stderr(), "This writes readable personal data into {}. Go on? [y/N] ", out.display());
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).map_err(Trouble::failed)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Writes a file of mode 0600.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Trouble> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Trouble::failed(format!("{}: {error}", path.display())))?;
    file.write_all(bytes).map_err(|error| Trouble::failed(format!("{}: {error}", path.display())))
}
