//! `[tenants.NAME]`: who sends, with which templates, under which signatures.

use super::document::Section;
use super::gates;
use super::place::Resolver;
use crate::input::{Input, is_shipped_map};
use crate::openpgp::{OpenPgpFiles, Passphrase};
use crate::settings::TenantGates;
use intake::{GroupBy, MemberSettings};
use model::{Destination, Mailbox};
use render::Identity;
use seal::config::{DkimConfig, KeyFile};
use std::path::PathBuf;

/// Characters of a tenant's name.
const NAME_CHARACTERS_MAX: usize = 64;
/// RFC 6376 section 3.1: octets of a selector we accept.
const SELECTOR_BYTES_MAX: usize = 63;
/// The number of the relay service in the United States.
const TTY_DEFAULT: &str = "711";

/// One tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Its name: lower-case letters, digits, `-`, `_`.
    pub name: String,
    /// What recipients see of it.
    pub identity: Identity,
    /// The folder of its templates; `None` takes those that are shipped.
    pub templates: Option<PathBuf>,
    /// Whether templates are activated by another person than the one who imported them.
    pub templates_need_second_person: bool,
    /// Its contact file, for jobs that bring no recipient.
    pub members: Option<PathBuf>,
    /// How its statements find their readers.
    pub member_settings: MemberSettings,
    /// Which statements of a file go in one message.
    pub group_by: GroupBy,
    /// How its files are read.
    pub input: Input,
    /// Its signing keys.
    pub dkim: DkimConfig,
    /// The key that files may come encrypted to.
    pub openpgp: Option<OpenPgpFiles>,
    /// What must hold before the first message of its batches.
    pub gates: TenantGates,
}

/// All tenants, in the order of their names.
pub(super) fn tenants(top: &Section<'_>, places: &Resolver<'_>) -> Vec<Tenant> {
    let sections = top.named_sections("tenants");
    if sections.is_empty() {
        top.wrong("tenants", "there is none; add a table such as [tenants.lakeside] that says who sends");
    }
    sections.into_iter().filter_map(|(name, section)| tenant(name, section, places)).collect()
}

fn tenant(name: String, section: Section<'_>, places: &Resolver<'_>) -> Option<Tenant> {
    let name_fits = (1..=NAME_CHARACTERS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    if !name_fits {
        section.wrong_here("a tenant's name has up to 64 lower-case letters, digits, '-' and '_'; it stays the same for good");
    }
    let identity = identity(&name, &section);
    let templates = section.explained("templates", |typed| places.resolve(typed));
    let templates_need_second_person = section.flag("templates_need_second_person").unwrap_or(false);
    let members = section.explained("members", |typed| places.resolve(typed));
    let member_settings = super::members::members(&section);
    let group_by = section.word("group_by", &[("none", GroupBy::None), ("member_batch", GroupBy::MemberBatch)]).unwrap_or_default();
    let input = input(&section.section("input"), places);
    let dkim = dkim(&section, places, identity.as_ref().map(|identity| identity.from.destination()));
    let openpgp = openpgp(section.section("openpgp"), places);
    let gates = gates::gates(section.section("gates"));
    section.finish();
    Some(Tenant {
        name,
        identity: identity?,
        templates,
        templates_need_second_person,
        members,
        member_settings,
        group_by,
        input,
        dkim: dkim?,
        openpgp,
        gates,
    })
}

/// `[tenants.NAME.input]`. A map is read here, so that what is wrong with it is told with the rest.
fn input(section: &Section<'_>, places: &Resolver<'_>) -> Input {
    let columns = section.explained("columns", |typed| {
        let is_name = is_shipped_map(typed) || !(typed.contains('/') || typed.contains('.'));
        let named = if is_name { typed.to_owned() } else { places.resolve(typed)?.display().to_string() };
        Input { columns: Some(named.clone()), ..Input::default() }.profile().map(|_| named)
    });
    let format = section.explained("format", |typed| typed.parse::<intake::Format>().map(|format| format.to_string()));
    let rounding = section.explained("rounding", |typed| typed.parse::<intake::Rounding>().map(|rounding| rounding.to_string()));
    if format.as_deref() == Some("fixed_width") && columns.is_none() {
        section.wrong("format", "fixed_width needs columns: nothing in such a file tells what is where");
    }
    section.finish();
    Input { format, columns, rounding: Some(rounding.unwrap_or_else(|| intake::Rounding::Refuse.to_string())) }
}

/// `openpgp = { key_file, passphrase_file | passphrase_environment }`.
fn openpgp(section: Section<'_>, places: &Resolver<'_>) -> Option<OpenPgpFiles> {
    let key_file = section.explained("key_file", |typed| places.resolve(typed));
    let file = section.explained("passphrase_file", |typed| places.resolve(typed));
    let environment = section.text("passphrase_environment");
    if file.is_some() && environment.is_some() {
        section.wrong("passphrase_environment", "there is one passphrase: write a file or a variable, not both");
    }
    if key_file.is_none() && (file.is_some() || environment.is_some()) {
        section.require("key_file", "the passphrase of no key opens nothing");
    }
    section.finish();
    let passphrase = file.map(Passphrase::File).or(environment.map(Passphrase::Environment));
    Some(OpenPgpFiles { key_file: key_file?, passphrase })
}

fn identity(name: &str, section: &Section<'_>) -> Option<Identity> {
    for (key, why) in [
        ("brand", "the name that members know; it stands in From and on the page"),
        ("from", "the address in From"),
        ("phone", "the number of member services; every message shows it"),
        ("hours", "when the phone is answered"),
        ("portal_url", "where a member signs in; an https URL"),
        ("postal_address", "where letters and appeals go, on one line"),
        ("consumer_assistance", "the office that helps consumers, with its contact, on one line"),
    ] {
        section.require(key, why);
    }
    let mailbox = |key| section.explained(key, Mailbox::parse);
    let (from, reply_to, bounce) = (mailbox("from"), mailbox("reply_to"), mailbox("bounce"));
    let message_id_domain = section.explained("message_id_domain", Destination::parse);
    let (brand, phone, hours) = (section.text("brand"), section.text("phone"), section.text("hours"));
    let (portal_url, unsubscribe_url) = (section.text("portal_url"), section.text("unsubscribe_url"));
    let (postal_address, consumer_assistance) = (section.text("postal_address"), section.text("consumer_assistance"));
    let tty = section.text("tty").unwrap_or_else(|| TTY_DEFAULT.to_owned());
    let (pay_url, payment_address) = (section.text("pay_url"), section.text("payment_address"));
    let names = |key, expected| section.list(key, expected, |text| Some(text.to_owned())).unwrap_or_default();
    let (languages, link_domains) =
        (names("languages", "expected language tags such as \"es\""), names("link_domains", "expected host names"));
    let (language_lines, hours_in) = (section.texts_by_name("language_lines"), section.texts_by_name("hours_in"));
    let consumer_assistance_in = section.texts_by_name("consumer_assistance_in");
    let from = from?;
    let identity = Identity {
        tenant: name.to_owned(),
        brand: brand?,
        reply_to: reply_to.unwrap_or_else(|| from.clone()),
        bounce: bounce.unwrap_or_else(|| from.clone()),
        message_id_domain: message_id_domain.unwrap_or_else(|| from.destination().clone()),
        from,
        phone: phone?,
        tty,
        hours: hours?,
        portal_url: portal_url?,
        postal_address: postal_address?,
        consumer_assistance: consumer_assistance?,
        unsubscribe_url,
        languages,
        language_lines,
        hours_in,
        consumer_assistance_in,
        pay_url,
        payment_address,
        link_domains,
    };
    if let Err(error) = identity.check() {
        section.wrong_here(&error.to_string());
    }
    Some(identity)
}

/// `dkim = [{ selector, algorithm, key_file, domain }]`: one RSA key, and perhaps one Ed25519 key, for one domain.
fn dkim(section: &Section<'_>, places: &Resolver<'_>, from: Option<&Destination>) -> Option<DkimConfig> {
    section.require("dkim", "every message is signed; make keys with `sealpost keys new --dir keys --domain DOMAIN`");
    let mut domains = Vec::new();
    let (mut rsa, mut ed25519) = (Vec::new(), Vec::new());
    for key in section.tables("dkim") {
        key.require("selector", "the name under which the key's record is published");
        key.require("key_file", "a PEM file");
        let algorithm = key.word("algorithm", &[("rsa", false), ("ed25519", true)]).unwrap_or(false);
        let selector = key.parsed("selector", "expected a DNS name such as \"r2026\"", |text| is_selector(text).then(|| text.to_owned()));
        let key_file = key.explained("key_file", |typed| places.resolve(typed));
        let domain = key.explained("domain", Destination::parse).or_else(|| from.cloned());
        if let (Some(domain), Some(from)) = (&domain, from)
            && !covers(domain, from)
        {
            key.wrong("domain", &format!("signs for {domain}, which is neither {from} nor a parent of it: DMARC would not count it"));
        }
        key.finish();
        domains.extend(domain);
        if let (Some(selector), Some(key_file)) = (selector, key_file) {
            if algorithm { &mut ed25519 } else { &mut rsa }.push(KeyFile { selector, key_file });
        }
    }
    let refuse = |message: &str| section.wrong("dkim", message);
    if section.has("dkim") && rsa.len() != 1 {
        refuse("expected exactly one key with algorithm = \"rsa\": receivers that know no Ed25519 need it");
    }
    if ed25519.len() > 1 {
        refuse("expected at most one key with algorithm = \"ed25519\"");
    }
    domains.dedup();
    if domains.len() > 1 {
        refuse("expected one signing domain for all keys");
    }
    Some(DkimConfig { domain: domains.first()?.as_str().to_owned(), rsa: rsa.pop()?, ed25519: ed25519.pop() })
}

/// DMARC's relaxed alignment, without asking for the organizational domain: the same name or a parent of it.
fn covers(domain: &Destination, from: &Destination) -> bool {
    from == domain || from.as_str().strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'))
}

fn is_selector(text: &str) -> bool {
    let label = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    text.len() <= SELECTOR_BYTES_MAX && text.split('.').all(label)
}
