//! What was looked at and found good: the text of every kind of message, and the pages of some, held to the byte.
//!
//! After a change that is meant: `SEALPOST_ACCEPT=1 cargo test -p render --test reviewed_snapshots`, look at the difference in git and at
//! the pages (`cargo run -p render --example preview -- FOLDER`), then commit it.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, gallery, renderer};
use std::path::Path;

/// Pages kept as a whole; of the others the text part is enough.
const PAGES: [&str; 6] = ["eob", "denied-es", "month", "corrected", "bill", "notice"];

#[test]
fn messages_are_as_they_were_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let accept = std::env::var_os("SEALPOST_ACCEPT").is_some();
    let renderer = renderer();
    let mut different = Vec::new();
    for (name, data) in gallery().into_iter().filter(|(name, _)| *name != "huge") {
        let preview = renderer.preview(&data, DATE).unwrap();
        let page = PAGES.contains(&name).then_some(("html", preview.html));
        for (ending, now) in [("txt", preview.text)].into_iter().chain(page) {
            let path = folder.join(format!("{name}.{ending}"));
            if accept {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &now).unwrap();
            }
            let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
            if let Some(line) = first_difference(&reviewed, &now) {
                different.push(format!("{name}.{ending}:{line}"));
            }
        }
    }
    assert!(different.is_empty(), "not as reviewed: {different:?}; see the head of this test");
}

fn first_difference(reviewed: &str, now: &str) -> Option<usize> {
    (reviewed != now).then(|| reviewed.lines().zip(now.lines()).take_while(|(one, other)| one == other).count() + 1)
}
