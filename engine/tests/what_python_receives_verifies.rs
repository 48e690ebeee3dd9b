//! Another implementation's eyes on what was sent: aiosmtpd receives, dkimpy verifies both signatures with the DNS records that
//! `keys new` printed, Python's strict mail parser finds no defect, and no header says anything of a statement.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use support::{Installation, number, python};
use testkit::{Batch, Options};

const RECEIVER: &str = r#"
import asyncio, json, os, sys
from aiosmtpd.smtp import SMTP
folder, port = sys.argv[1], int(sys.argv[2])
count = 0
class Keep:
    async def handle_DATA(self, server, session, envelope):
        global count
        count += 1
        name = os.path.join(folder, "%06d" % count)
        with open(name + ".eml", "wb") as file: file.write(envelope.original_content)
        with open(name + ".json", "w") as file: json.dump({"from": envelope.mail_from, "to": envelope.rcpt_tos}, file)
        return "250 2.0.0 kept"
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Keep(), hostname="receiver.example"), "127.0.0.1", port)
    await server.serve_forever()
asyncio.run(main())
"#;

const VERIFIER: &str = r#"
import email, email.policy, glob, json, sys
import dkim
folder, facts_path = sys.argv[1], sys.argv[2]
facts = json.load(open(facts_path))
records = {record["name"] + ".": record["txt"].encode() for record in facts["dns_records"]}
people = facts["people"]
asked = set()
def dnsfunc(name, timeout=5):
    name = name.decode() if isinstance(name, bytes) else name
    asked.add(name)
    return records.get(name)
seen, ids, algorithms = {}, set(), {}
for path in sorted(glob.glob(folder + "/*.eml")):
    raw = open(path, "rb").read()
    envelope = json.load(open(path[:-4] + ".json"))
    def fail(text): sys.exit(path + ": " + text)
    if envelope["from"] != "bounce@mail.lakeside.example": fail("envelope sender")
    if len(envelope["to"]) != 1 or envelope["to"][0] not in people: fail("envelope recipient")
    to = envelope["to"][0]
    if b"\n" in raw.replace(b"\r\n", b"") or b"\r" in raw.replace(b"\r\n", b""): fail("a bare CR or LF")
    if max(len(line) for line in raw.split(b"\r\n")) > 998: fail("a line longer than 998 octets")
    # Signatures: each header field by itself.
    signatures = [line for line in raw.split(b"\r\n\r\n")[0].split(b"\r\n") if line.lower().startswith(b"dkim-signature:")]
    if len(signatures) != 2: fail("%d signatures" % len(signatures))
    for index in range(2):
        check = dkim.DKIM(raw)
        if not check.verify(idx=index, dnsfunc=dnsfunc): fail("signature %d does not verify" % index)
        if check.domain != b"mail.lakeside.example": fail("signing domain")
        for field in (b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type"):
            if field not in [name.lower() for name in check.include_headers]: fail("%r is not signed" % field)
        algorithm = check.signature_fields[b"a"].decode()
        algorithms[algorithm] = algorithms.get(algorithm, 0) + 1
    # A changed body must not verify: the check can fail.
    try:
        if dkim.DKIM(raw[:-4] + b"X\r\n").verify(idx=0, dnsfunc=dnsfunc): fail("a changed body verifies")
    except dkim.ValidationError: pass
    # Strict parsing raises at the first defect.
    message = email.message_from_bytes(raw, policy=email.policy.strict)
    texts = []
    for part in message.walk():
        if part.defects: fail("defects %r" % part.defects)
        for name, value in part.items():
            if getattr(value, "defects", ()): fail("%s: defects %r" % (name, value.defects))
        if part.get_content_maintype() == "text": texts.append(part.get_content())
    if message.get_content_type() != "multipart/alternative": fail("type " + message.get_content_type())
    if len(texts) != 2: fail("%d text parts" % len(texts))
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Auto-Submitted"):
        if len(message.get_all(name, [])) != 1: fail("%s stands %d times" % (name, len(message.get_all(name, []))))
    if message["Auto-Submitted"] != "auto-generated": fail("Auto-Submitted: " + message["Auto-Submitted"])
    if not message["Message-ID"].strip().endswith("@mail.lakeside.example>"): fail("Message-ID")
    if message["Message-ID"] in ids: fail("a Message-ID stands twice")
    ids.add(message["Message-ID"])
    addresses = message["To"].addresses
    if len(addresses) != 1 or addresses[0].addr_spec != to: fail("To is not the recipient")
    # The recipient's own statements, and nobody else's, stand in the text; none of it in a header.
    mine = people[to]
    text = texts[0] + texts[1]
    claim = [number for number in mine["claims"] if number in texts[0] and number in texts[1]]
    if len(claim) != 1: fail("%d of its claims in the text" % len(claim))
    for other, theirs in people.items():
        if other != to and any(number in text for number in theirs["claims"]): fail("somebody else's claim")
    seen.setdefault(to, []).append(claim[0])
    headers = []
    for part in message.walk():
        headers += [name + ": " + str(value) for name, value in part.items() if name.lower() != "to"]
    top = raw.split(b"\r\n\r\n")[0].decode("ascii")
    unfolded = top.replace("\r\n ", " ").replace("\r\n\t", " ")
    headers += [line for line in unfolded.split("\r\n") if not line.lower().startswith("to:")]
    for header in headers:
        for word in mine["claims"] + [mine["member_id"], mine["given"], mine["family"], mine["birth_date"], to, to.split("@")[0]]:
            if word in header: fail("a header other than To names the member or the statement: " + header.split(":")[0])
for to, person in people.items():
    if sorted(seen.get(to, [])) != sorted(person["claims"]): sys.exit("not exactly its own claims at one of the recipients")
print(json.dumps({"messages": len(ids), "algorithms": algorithms, "asked": sorted(asked)}))
"#;

#[test]
fn signatures_mime_and_headers() {
    if !python::has(&[("aiosmtpd", "python3-aiosmtpd"), ("dkim", "python3-dkim"), ("nacl", "python3-nacl")]) {
        return;
    }
    let port = support::free_port();
    let installation = Installation::towards_port(port);
    let kept = installation.path("kept");
    std::fs::create_dir(&kept).unwrap();
    let kept_text = kept.to_str().unwrap();
    let mut receiver = python::script(&installation, "receiver.py", RECEIVER, &[kept_text, &port.to_string()]);
    let _receiver = installation.start(&mut receiver);
    support::wait_for_listener(port);

    // Long pages, several claims a member, and claims of which the plan pays nothing.
    let batch = Batch::new(Options {
        seed: 3,
        rows: 120,
        lines: 1..=25,
        claims_per_member: 2,
        destinations: vec!["one.example".to_owned(), "two.example".to_owned()],
        denied_per_mille: 100,
        ..Options::default()
    });
    let files = installation.write_835("remittance", &batch);
    let report = installation.send(&files).json_after(0);
    assert_eq!(number(&report, "states/delivered"), 120, "{report}");

    let facts = installation.path("facts.json");
    std::fs::write(&facts, json!({ "dns_records": installation.dns_records, "people": people(&batch) }).to_string()).unwrap();
    let found = python::run(&installation, "verify.py", VERIFIER, &[kept_text, facts.to_str().unwrap()]);
    let found = found.json_after(0);
    assert_eq!(found["messages"], 120);
    assert_eq!(found["algorithms"], json!({ "rsa-sha256": 120, "ed25519-sha256": 120 }));
    assert_eq!(
        found["asked"],
        json!(["sealpost-ed25519._domainkey.mail.lakeside.example.", "sealpost-rsa._domainkey.mail.lakeside.example."])
    );
}

/// Who must receive which claims, by address.
fn people(batch: &Batch) -> Value {
    let mut people = serde_json::Map::new();
    for row in batch.rows() {
        let person = &row.person;
        let entry = people.entry(person.email.reveal()).or_insert_with(|| {
            json!({ "member_id": person.member_id.reveal(), "given": person.given_name.reveal(), "family": person.family_name.reveal(),
                    "birth_date": person.birth_date.to_string(), "claims": [] })
        });
        entry["claims"].as_array_mut().unwrap().push(row.statement.claim_number.reveal().into());
    }
    Value::Object(people)
}
