//! `sealpost members check | import | show`: the contact data of a tenant.

use super::output::say;
use super::send::trouble_of;
use super::{Exit, Outcome, Trouble, absolute, connect, operator, statements};
use crate::assembly::key_source;
use crate::config::{Config, Tenant};
use crate::contact_store::{ContactStore, SHRUNK_PERCENT_MAX};
use crate::contacts::{ContactBook, MembersAsk, TenantMembers};
use crate::control::{Answer, Request};
use clap::{Args, Subcommand};
use intake::AuthoritySettings;
use journal::{KeyError, KeyRing};
use model::Private;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use world::World;

/// Check, import and look up contact data: who may be written to, about what and where.
#[derive(Debug, Args)]
#[command(
    after_help = "A tenant's contact data lies sealed under its own key, version by version ([paths] contacts). `send` and `run` go by the \
                        newest version where no contact file is given. Works beside a running `sealpost run` and without one.\n\n\
                        Exit codes: 0 done · 1 the disk or a key · 2 usage, or an import that lost many rows · 4 no contact file · 5 rows need a person\n\n\
                        Examples:\n  sealpost members check contacts.csv --config sealpost.toml\n  \
                        sealpost members import contacts.csv --config sealpost.toml --tenant lakeside\n  \
                        sealpost members show --id M0042 --config sealpost.toml"
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Say what would be read of a contact file, and what would become of statements today.
    Check(Check),
    /// Make a contact file the version that counts from now on.
    Import(Import),
    /// Show what is known under one member id, on this terminal. The look is noted.
    Show(Show),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Rows that cannot be read are printed on standard error, one line of JSON each: line, column, reason, what was expected; never \
                        a value. With --config the tenant's settings count, and the file is compared with the version in force.\n\n\
                        Exit codes: 0 every row can be read · 5 something needs a person: rows, or far fewer of them · 4 it is no contact file\n\n\
                        Example:\n  sealpost members check contacts.csv"
)]
struct Check {
    /// The contact file (CSV or NDJSON).
    file: PathBuf,
    #[command(flatten)]
    whose: Whose,
}

#[derive(Debug, Args)]
#[command(
    after_help = "The new version counts whole, or the old one stays. The newest five are kept. Statements that wait are looked at again by \
                        it before each attempt.\n\nExample:\n  sealpost members import contacts.csv --config sealpost.toml --tenant lakeside"
)]
struct Import {
    /// The contact file (CSV or NDJSON).
    file: PathBuf,
    #[command(flatten)]
    whose: Whose,
    /// Import it although it has far fewer rows than the version in force.
    #[arg(long)]
    shrunk: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "It is readable, so it is printed on a terminal only.\n\nExample:\n  sealpost members show --id M0042 --config sealpost.toml"
)]
struct Show {
    /// The member id.
    #[arg(long, value_parser = private)]
    id: Private,
    #[command(flatten)]
    whose: Whose,
    /// Print it although standard output is no terminal: it is protected health information in clear text.
    #[arg(long)]
    write_clear_text: bool,
}

#[derive(Debug, Args)]
struct Whose {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The tenant; not needed where the configuration has one.
    #[arg(long)]
    tenant: Option<String>,
}

/// What must not print.
fn private(text: &str) -> Result<Private, Infallible> {
    Ok(Private::from(text))
}

/// The configuration where no other is named.
const CONFIG_DEFAULT: &str = "sealpost.toml";

pub(super) fn run(arguments: Arguments, json: bool) -> Outcome {
    match arguments.verb {
        Verb::Check(check) => self::check(&check, json),
        Verb::Import(import) => self::import(&import, json),
        Verb::Show(show) => self::show(&show, json),
    }
}

fn check(arguments: &Check, json: bool) -> Outcome {
    let contacts = crate::files::read_contacts(&arguments.file).map_err(|error| match error {
        crate::engine::AcceptError::Refused(refusal) => statements::refused(refusal),
        other => Trouble::usage(other),
    })?;
    let config = arguments.whose.config.is_some().then(|| arguments.whose.load()).transpose()?;
    let authority = match &config {
        Some(config) => arguments.whose.tenant(config)?.member_settings.authority,
        None => AuthoritySettings::default(),
    };
    let mut errors = std::io::stderr().lock();
    contacts.rejects().iter().try_for_each(|reject| statements::write_line(&mut errors, reject))?;
    errors.flush().or_else(statements::closed_is_fine)?;
    drop(errors);
    let world = World::real();
    let mut found = json!(contacts.survey(&authority, authority.day_of(world.wall())));
    let rejects = contacts.rejects().iter().map(|reject| format!("{}: {}", reject.place.field.as_deref().unwrap_or("row"), reject.reason));
    found["rejected_by"] = json!(counted(rejects));
    found["columns"] = json!(contacts.columns().read().collect::<Vec<_>>());
    found["columns_passed_over"] = json!(contacts.columns().passed_over());
    let mut needs_a_person = contacts.rejected() > 0;
    if let Some(config) = config {
        let ask = MembersAsk::Standing;
        let current = arguments.whose.ask(config, ask)?;
        let shrunk = shrunk_percent(&current, contacts.len() as u64);
        needs_a_person |= shrunk > SHRUNK_PERCENT_MAX;
        found["current"] = current;
        found["shrunk_percent"] = shrunk.into();
    }
    print(&found, json);
    Ok(if needs_a_person { Exit::NeedsPerson } else { Exit::Done })
}

fn import(arguments: &Import, json: bool) -> Outcome {
    let ask = MembersAsk::Import { path: absolute(&arguments.file)?, shrunk: arguments.shrunk };
    let found = arguments.whose.ask(arguments.whose.load()?, ask)?;
    let needs_a_person = found["rejected"].as_u64().unwrap_or(0) > 0;
    print(&found, json);
    Ok(if needs_a_person { Exit::NeedsPerson } else { Exit::Done })
}

fn show(arguments: &Show, json: bool) -> Outcome {
    if !std::io::stdout().is_terminal() && !arguments.write_clear_text {
        return Err(Trouble::usage("this prints readable personal data, so standard output must be a terminal; or say --write-clear-text"));
    }
    let found = arguments.whose.ask(arguments.whose.load()?, MembersAsk::Show { id: arguments.id.clone() })?;
    let rows = found["rows"].as_array().cloned().unwrap_or_default();
    if json {
        say!("{found}");
    } else {
        for (at, row) in rows.iter().enumerate() {
            say!("{}row {} of {}", if at == 0 { "" } else { "\n" }, at + 1, rows.len());
            print(row, false);
        }
    }
    if rows.is_empty() { Err(Trouble::usage("nobody has this member id in the contact data in force")) } else { Ok(Exit::Done) }
}

fn print(found: &Value, json: bool) {
    if json {
        say!("{found}");
        return;
    }
    for (name, value) in found.as_object().into_iter().flatten() {
        say!("  {name:<26} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned));
    }
}

fn counted(words: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_default() += 1);
    counts
}

fn shrunk_percent(current: &Value, rows: u64) -> u64 {
    let before = current["rows"].as_u64().unwrap_or(0);
    if before == 0 { 0 } else { (before.saturating_sub(rows) * 100).div_ceil(before) }
}

impl Whose {
    fn load(&self) -> Result<Config, Trouble> {
        super::load(self.config.as_deref().unwrap_or(CONFIG_DEFAULT.as_ref()))
    }

    fn tenant<'c>(&self, config: &'c Config) -> Result<&'c Tenant, Trouble> {
        match (&self.tenant, config.tenants.as_slice()) {
            (Some(name), tenants) => {
                let found = tenants.iter().find(|tenant| tenant.name == *name);
                found.ok_or_else(|| Trouble::usage(format!("there is no tenant '{name}' in the configuration")))
            }
            (None, [only]) => Ok(only),
            (None, _) => Err(Trouble::usage("name the tenant with --tenant; the configuration has several")),
        }
    }

    /// Asks the running engine, else opens the key ring here.
    fn ask(&self, config: Config, ask: MembersAsk) -> Result<Value, Trouble> {
        let world = World::real();
        let tenant = self.tenant(&config)?;
        let socket = crate::control::socket_path(config.sockets());
        let request = Request::Members { tenant: Some(tenant.name.clone()), ask, by: operator() };
        if let Some(answer) = world::block_on(connect::running(&world, &socket, &request)) {
            return match answer {
                Answer::Members { found } => Ok(found),
                other => Err(trouble_of(other)),
            };
        }
        let Request::Members { ask, by, .. } = request else { return Err(Trouble::failed("the request was one about members")) };
        let keys = KeyRing::open(&world, &config.paths.key_ring, &key_source(&config.keys)).map_err(|error| match error {
            KeyError::Locked(_) => Trouble::failed(format!(
                "{error}, and no engine answers on {}: wait for the verb that has it, or look for a `sealpost run` that hangs",
                socket.display()
            )),
            error => Trouble::failed(error),
        })?;
        let id = keys.tenant(&tenant.name).map_err(Trouble::failed)?;
        let members =
            TenantMembers { name: tenant.name.clone(), file: tenant.members.clone(), settings: Arc::new(tenant.member_settings.clone()) };
        let store = ContactStore::new(world.clone(), keys, config.paths.contacts.clone());
        let book = ContactBook::new(world, Some(store), BTreeMap::from([(id, members)]));
        book.carry_out(id, &ask, by).map_err(|error| match error {
            crate::engine::AcceptError::Refused(refusal) => statements::refused(refusal),
            other => Trouble::usage(other),
        })
    }
}
