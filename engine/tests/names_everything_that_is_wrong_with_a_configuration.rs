//! One look at a broken configuration is enough: every error comes out at once, with its line and what to do.

use sealpost::config::{Config, ConfigErrors, KeyOrigin};
use sealpost::environment::Environment;
use std::path::Path;

const TENANT: &str = r#"
[tenants.lakeside]
brand = "Lakeside Health Plan"
from = "statements@mail.lakeside.example"
phone = "1-800-555-0142"
hours = "Monday to Friday"
portal_url = "https://members.lakeside.example/"
postal_address = "PO Box 100, Springfield, EX 00001"
consumer_assistance = "Example Office, 1-800-555-0199"
dkim = [{ selector = "r", algorithm = "rsa", key_file = "keys/r.pem" }]
"#;

fn read(text: &str) -> Result<Config, ConfigErrors> {
    Config::from_text(text, Path::new("/etc/sealpost/sealpost.toml"), &|_| None)
}

fn with_tenant(text: &str) -> Result<Config, ConfigErrors> {
    read(&format!("{text}\n{TENANT}"))
}

fn errors(text: &str) -> Vec<String> {
    let errors = with_tenant(text).expect_err("it should be refused");
    errors.iter().map(|error| error.to_string().replace("/etc/sealpost/sealpost.toml", "F")).collect()
}

/// The one error that a text leads to.
fn only_error(text: &str) -> String {
    let all = errors(text);
    assert_eq!(all.len(), 1, "{all:#?}");
    all.into_iter().next().unwrap_or_default()
}

#[test]
fn a_small_configuration_is_enough() {
    let config = with_tenant("").unwrap();
    assert_eq!(config.tenants.len(), 1);
    assert_eq!(config.tenants[0].identity.tty, "711");
    assert_eq!(config.keys, KeyOrigin::File("/etc/sealpost/keys/key-encryption.key".into()));
    assert_eq!(config.paths.journal, Path::new("/etc/sealpost/state/journal"));
    assert!(matches!(config.environment, Environment::Test { .. }) && config.marketing.is_none());
}

#[test]
fn all_errors_come_out_at_once_in_the_order_of_the_file() {
    let all = errors(
        "enviroment = \"live\"\n[node]\nid = 70000\n[streams.transactional]\ndeadline = 72\nworker = 4\n[dns]\nservers = [\"127.0.0.1\"]\n",
    );
    assert_eq!(
        all,
        [
            "F:1: unknown key 'enviroment': did you mean 'environment'?",
            "F:3: node.id: expected a whole number from 0 to 32767; found 70000 without quotes",
            "F:5: streams.transactional.deadline: expected a span with its unit, such as \"500ms\", \"30s\", \"5m\", \"72h\" or \"3d\", \
             from 60s to 2592000s; found 72 without quotes",
            "F:6: unknown key 'streams.transactional.worker': did you mean 'workers'?",
            "F:8: dns.servers: expected addresses with ports such as \"127.0.0.1:53\" or \"[::1]:53\"; found \"127.0.0.1\"",
        ]
    );
}

#[test]
fn a_word_that_this_version_does_not_have_is_named() {
    assert!(only_error("[accept]\nafter = \"local+standby\"").starts_with("F:2: accept.after: \"local+standby\" is not in this version"));
    assert!(only_error("[shards]\ncount = 4").starts_with("F:2: shards.count: this version runs one shard a stream"));
}

#[test]
fn plaintext_beyond_loopback_is_refused_with_the_line_of_the_route() {
    let error = only_error("[routes]\n\"*.a.example\" = { to = \"127.0.0.1:25\" }\n\"*\" = { to = \"192.0.2.1:25\", plaintext = true }");
    assert!(error.starts_with("F:3: ") && error.contains("loopback"), "{error}");
}

#[test]
fn live_must_be_complete() {
    let all = errors("environment = \"live\"\nallow_list = [\"a.example\"]");
    assert_eq!(all.len(), 2, "{all:#?}");
    assert!(all.iter().any(|error| error.contains("node.host_name is missing")));
    assert!(all.iter().any(|error| error.contains("allow_list: has no meaning in `live`")));
    assert!(with_tenant("environment = \"live\"\n[node]\nhost_name = \"o1.lakeside.example\"").is_ok());
}

#[test]
fn streams_never_share_a_pool_or_an_address() {
    let text = "[pools.a]\naddresses = [\"192.0.2.1\"]\n[pools.b]\naddresses = [\"192.0.2.1\"]\n";
    assert!(only_error(text).contains("192.0.2.1 is in pool 'a' already"));
    let text = "[streams.transactional]\npool = \"a\"\n[streams.marketing]\nenabled = true\npool = \"a\"\n[pools.a]\n";
    assert!(only_error(text).contains("both streams use one pool"));
    assert!(only_error("[streams.transactional]\npool = \"a\"\n").contains("there is no pool 'a'"));
}

#[test]
fn a_retry_schedule_grows() {
    assert!(only_error("[streams.transactional]\nretry = [\"1h\", \"5m\"]").contains("spans that grow"));
    assert!(only_error("[streams.transactional]\nretry = []").contains("at least one span"));
    assert!(only_error("[streams.transactional]\nretry = [\"10ms\"]").contains("a second or more"));
}

#[test]
fn the_key_ring_never_lies_in_the_journal() {
    assert!(only_error("[paths]\njournal = \"j\"\nkey_ring = \"j/keys\"").contains("lies inside the journal"));
    let long = "x".repeat(120);
    assert!(only_error(&format!("[paths]\nsockets = \"/run/{long}\"")).contains("too long for a Unix socket"));
}

#[test]
fn there_is_one_key_and_one_rsa_signature() {
    assert!(only_error("[keys]\nsource = { file = \"a\", environment = \"B\" }").contains("not both"));
    let without_rsa = TENANT.replace("\"rsa\"", "\"ed25519\"");
    assert!(read(&without_rsa).unwrap_err().to_string().contains("exactly one key with algorithm = \"rsa\""));
    let elsewhere = TENANT.replace("key_file = \"keys/r.pem\"", "key_file = \"keys/r.pem\", domain = \"other.example\"");
    assert!(read(&elsewhere).unwrap_err().to_string().contains("DMARC"));
    let parent = TENANT.replace("key_file = \"keys/r.pem\"", "key_file = \"keys/r.pem\", domain = \"lakeside.example\"");
    assert!(read(&parent).is_ok());
}

#[test]
fn nobody_who_sends_is_an_error_and_what_is_missing_of_a_sender_is_named() {
    assert!(read("").unwrap_err().to_string().contains("tenants: there is none"));
    let message = read("[tenants.a]\nbrand = \"A\"\n").unwrap_err().to_string();
    for key in ["from", "phone", "hours", "portal_url", "postal_address", "consumer_assistance", "dkim"] {
        assert!(message.contains(&format!("tenants.a.{key} is missing")), "{message}");
    }
    assert!(read(&TENANT.replace("lakeside]", "Lakeside]")).unwrap_err().to_string().contains("lower-case"));
    assert!(read(&TENANT.replace("https://", "http://")).unwrap_err().to_string().contains("portal_url"));
}

#[test]
fn a_file_that_is_not_there_or_no_toml_is_said_with_its_name() {
    let error = Config::load(Path::new("/nonexistent/sealpost.toml")).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/sealpost.toml: cannot be read"), "{error}");
    assert!(read("[[").unwrap_err().to_string().starts_with("/etc/sealpost/sealpost.toml:1: this is not TOML"));
}

#[test]
fn every_table_refuses_a_key_it_does_not_know() {
    let reference = Config::default_text();
    let mut tables = 0;
    for (at, line) in reference.lines().enumerate().filter(|(_, line)| line.starts_with('[') && !line.starts_with("[\"")) {
        let mut lines: Vec<&str> = reference.lines().collect();
        lines.insert(at + 1, "not_a_key = 1");
        let message = read(&lines.join("\n")).expect_err(line).to_string();
        assert!(message.contains("not_a_key"), "{line}: {message}");
        tables += 1;
    }
    assert!(tables >= 15, "{tables}");
}
