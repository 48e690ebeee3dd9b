//! What is wrong with a resource, and where in it; never a value of it.

use super::elements::BeforeR4;
use crate::reason;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) reason: &'static str,
    pub(super) field: String,
    pub(super) expected: String,
}

impl Wrong {
    pub(super) fn new(reason: &'static str, field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { reason, field: field.into(), expected: expected.into() }
    }
}

/// Why an ExplanationOfBenefit could not be read as one of R4, from the parser's error.
pub(super) fn of(text: &str, error: &serde_json::Error) -> Wrong {
    let at = offset(text, error.line(), error.column());
    if !error.is_data() {
        return Wrong::new(reason::JSON_INVALID, "", format!("valid JSON; it is not at byte {at} of the resource"));
    }
    if let Some(version) = before_r4(text) {
        return version;
    }
    let field = path_at(text, at);
    // The parser names the field only where it is one of ours; a value never stands in this message.
    if error.to_string().starts_with("duplicate field") {
        return Wrong::new(reason::FIELD_REPEATED, field, "each element once");
    }
    Wrong::new(reason::WRONG_TYPE, field, "an element of the type that FHIR R4 gives it")
}

/// A resource of STU3 or DSTU2, where the elements tell.
pub(super) fn before_r4(text: &str) -> Option<Wrong> {
    let keys: BeforeR4 = serde_json::from_str(text).ok()?;
    let old = [
        ("information", keys.information.is_some()),
        ("totalCost", keys.total_cost.is_some()),
        ("totalBenefit", keys.total_benefit.is_some()),
        ("organization", keys.organization.is_some()),
        ("unallocDeductable", keys.unalloc_deductable.is_some()),
        ("hospitalization", keys.hospitalization.is_some()),
    ];
    let found = old.into_iter().find(|(_, is_there)| *is_there).map(|(name, _)| name);
    let is_before = keys.outcome.is_none() && keys.usage.is_none();
    match found {
        Some(name) => Some(Wrong::new(reason::FHIR_NOT_R4, name, format!("FHIR R4, but `{name}` is of STU3 or before"))),
        None if is_before => Some(Wrong::new(
            reason::FHIR_NOT_R4,
            "outcome",
            "FHIR R4, which requires `outcome` and `use`; without them it is STU3 or before",
        )),
        None => None,
    }
}

/// The byte of a line and column, both from 1.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column).min(text.len())
}

/// The path of the element at a byte: `item[2].adjudication[0].amount`. Names as they stand; those above an element that is read are
/// FHIR's own.
fn path_at(text: &str, at: usize) -> String {
    let mut path: Vec<Step> = Vec::new();
    let bytes = text.as_bytes();
    let mut position = 0;
    while position < at.min(bytes.len()) {
        match bytes[position] {
            b'"' => {
                let end = string_end(bytes, position);
                let is_name = bytes[end.min(bytes.len())..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
                if is_name && let Some(Step::Object(name)) = path.last_mut() {
                    *name = text.get(position + 1..end - 1).map(str::to_owned);
                }
                position = end;
                continue;
            }
            b'{' => path.push(Step::Object(None)),
            b'[' => path.push(Step::List(0)),
            b'}' | b']' => {
                path.pop();
            }
            b',' => {
                if let Some(Step::List(index)) = path.last_mut() {
                    *index += 1;
                }
            }
            _ => {}
        }
        position += 1;
    }
    let mut shown = String::new();
    for step in path {
        match step {
            Step::Object(Some(name)) if shown.is_empty() => shown.push_str(&name),
            Step::Object(Some(name)) => {
                shown.push('.');
                shown.push_str(&name);
            }
            Step::Object(None) => {}
            Step::List(index) => shown.push_str(&format!("[{index}]")),
        }
    }
    shown
}

enum Step {
    Object(Option<String>),
    List(usize),
}

/// Where the string that begins at `start` ends.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_leads_to_the_element_and_shows_no_value() {
        let text = r#"{"id":"secret","item":[{"sequence":1},{"adjudication":[{"amount":{"value":1}},{"amount":"secret"}]}]}"#;
        let at = text.rfind("\"secret\"").unwrap() + 3;
        assert_eq!(path_at(text, at), "item[1].adjudication[1].amount");
        assert_eq!(path_at(text, 9), "id");
        for at in 0..=text.len() {
            assert!(!path_at(text, at).contains("secret"), "{at}");
        }
    }
}
