//! `Durable`, `Permit` and `Seal` are minted where what they say is true: in journal, throttle and seal.
//!
//! Otherwise a job that is not on disk could be queued, and an unsigned message sent, with the compiler's blessing.

mod workspace;

use workspace::members;

const OWNERS: [(&str, &str); 3] = [("Durable", "journal"), ("Permit", "throttle"), ("Seal", "seal")];

#[test]
fn only_the_owner_attests() {
    let mut strangers = Vec::new();
    let mut seen = Vec::new();
    for member in members().iter().filter(|member| member.name != "model") {
        for source in member.sources("src") {
            for (line, code) in source.code().filter(|(_, code)| code.contains("attest(")) {
                let owner = OWNERS.iter().find(|(witness, _)| code.contains(&format!("{witness}::attest(")));
                match owner {
                    Some((witness, owner)) if *owner == member.name => seen.push(*witness),
                    _ => strangers.push(format!("{}:{line}: {}", source.path, code.trim())),
                }
            }
        }
    }
    assert!(strangers.is_empty(), "{strangers:#?}");
    for (witness, owner) in OWNERS {
        assert!(seen.contains(&witness), "{owner} attests no {witness}: has it moved? then this story must move too");
    }
}

#[test]
fn nobody_hides_a_witness_behind_another_name() {
    for member in members() {
        for source in member.sources("src") {
            for (line, code) in source.code() {
                let renamed = OWNERS.iter().any(|(witness, _)| code.contains(&format!("{witness} as ")));
                assert!(!renamed, "{}:{line}: {}", source.path, code.trim());
            }
        }
    }
}
