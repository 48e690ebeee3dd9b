//! What a fuzzer throws lines at: the quick reader against `serde_json`, and what is taken against the published schema.
//!
//! Compiled for fuzzing (`engine/intake/fuzz`) and for tests, which run the kept lines through the same function.

use super::plain::Plain;
use super::{Reading, diagnosis, general, plain, read};
use crate::Rounding;
use model::reject::Place;
use serde::Deserialize;
use serde_json::Value;

/// Bytes as a line.
///
/// # Panics
/// Where a promise is broken: what the quick reader takes `serde_json` takes as well, with the same meaning, be it any JSON or a line;
/// a line that is taken is as the schema has it; one that is not has a reason.
pub fn ndjson_line(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        any_json(text);
        [Rounding::Refuse, Rounding::HalfEven].into_iter().for_each(|rounding| same_row(text, rounding));
    }
    match read(bytes, Place::default(), Rounding::Refuse, &mut crate::Rounded::default()) {
        Ok(_) => {
            let text = std::str::from_utf8(bytes).expect("what was taken is text");
            assert_eq!(diagnosis::find(text, Rounding::Refuse), None, "a line was taken that is not of the schema");
        }
        Err((wrong, _)) => assert!(!wrong.reason.is_empty() && !wrong.expected.is_empty()),
    }
}

fn any_json(text: &str) {
    let mut quick = Plain::new(text);
    if let Ok(value) = Value::deserialize(&mut quick)
        && quick.end().is_ok()
    {
        assert_eq!(serde_json::from_str::<Value>(text).ok(), Some(value), "taken with another meaning");
    }
}

fn same_row(text: &str, rounding: Rounding) {
    let (mut quickly, mut thoroughly) = (Reading::new(rounding), Reading::new(rounding));
    let Ok(line) = plain(text, &mut quickly) else { return };
    let thorough = general(text, &mut thoroughly).expect("what was taken is JSON, and a line");
    let place = Place::default();
    assert_eq!(line.into_row(place.clone(), &mut quickly), thorough.into_row(place, &mut thoroughly), "taken with another meaning");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_fuzzers_kept_breaks_no_promise() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/kept/ndjson");
        let kept: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect();
        assert!(kept.len() >= 3);
        for line in kept {
            ndjson_line(&line);
            for at in 0..line.len() {
                ndjson_line(&line[..at]);
                ndjson_line(&[&line[..at], &line[at + 1..]].concat());
            }
        }
    }
}
