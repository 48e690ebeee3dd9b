//! A rendered message out of text, and mail-auth as the verifier that did not see our code.

use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey;
use mail_auth::hickory_resolver::config::{ResolverConfig, ResolverOpts};
use mail_auth::{AuthenticatedMessage, DkimResult, MessageAuthenticator, Parameters, ResolverCache, Txt};
use seal::dkim::keys::DnsRecord;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// The published records, instead of DNS.
struct Zone(HashMap<Box<str>, Txt>);

impl ResolverCache<Box<str>, Txt> for Zone {
    fn get<Q: Hash + Eq + ?Sized>(&self, name: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        self.0.get(name).cloned()
    }
    fn remove<Q: Hash + Eq + ?Sized>(&self, _: &Q) -> Option<Txt>
    where
        Box<str>: Borrow<Q>,
    {
        None
    }
    fn insert(&self, _: Box<str>, _: Txt, _: std::time::Instant) {}
}

/// What another implementation says of each signature, in the order of the fields: (algorithm, result).
pub(crate) fn verdicts(message: &[u8], records: &[DnsRecord]) -> Vec<(String, DkimResult)> {
    let zone = Zone(
        records
            .iter()
            .map(|record| (format!("{}.", record.name).into(), Txt::DomainKey(Arc::new(DomainKey::parse(record.text.as_bytes()).unwrap()))))
            .collect(),
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let verifier = MessageAuthenticator::new(ResolverConfig::from_parts(None, vec![], vec![]), ResolverOpts::default()).unwrap();
        let parsed = AuthenticatedMessage::parse(message).expect("the oracle reads the message");
        let outputs = verifier.verify_dkim(Parameters::new(&parsed).with_txt_cache(&zone)).await;
        outputs.iter().map(|output| (format!("{:?}", output.signature().map(|s| s.a)), output.result().clone())).collect()
    })
}

/// Where the body begins.
pub(crate) fn body_offset(message: &[u8]) -> usize {
    memchr::memmem::find(message, b"\r\n\r\n").unwrap() + 4
}
