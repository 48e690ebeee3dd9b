//! Names in template language: those that a kind of message has, and no others.
//!
//! The engine refuses an unknown name when it meets one; here every branch is read, also one that no trial reaches.

use crate::source::{expressions, is_header, line_of};
use crate::{Files, Finding, Rule};
use std::collections::BTreeSet;

/// What subject and preheader see.
const HEADER: [&str; 3] = ["brand", "kind", "month"];
/// What a notice sees.
const NOTICE: [&str; 3] = ["preheader", "recipient", "unmet"];
/// What statements and bills have at their root.
const ROOT: [&str; 20] = [
    "preheader",
    "date",
    "recipient",
    "on_behalf",
    "unmet",
    "member",
    "statements",
    "statements_listed",
    "statements_shown",
    "statements_rest_count",
    "count",
    "several",
    "corrected",
    "total_headline",
    "total_owes",
    "progress",
    "appeal_last",
    "vars",
    "s",
    "loop",
];
/// All fields of all views.
const FIELDS: [&str; 53] = [
    "number",
    "claim_number",
    "member_name",
    "member_id",
    "payer",
    "provider",
    "network",
    "status",
    "denied",
    "days",
    "headline",
    "totals",
    "lines",
    "lines_shown",
    "rest",
    "rest_count",
    "notes",
    "notes_shown",
    "notes_rest_count",
    "changes",
    "paid_to_member",
    "pharmacy",
    "appeal_first",
    "bill",
    "bill_headline",
    "billed",
    "allowed",
    "discount",
    "plan_paid",
    "deductible",
    "coinsurance",
    "copay",
    "not_covered",
    "other_insurance",
    "member_owes",
    "title",
    "details",
    "text",
    "code",
    "foreign",
    "label",
    "before",
    "after",
    "account",
    "due_on",
    "previous_balance",
    "payments",
    "new_charges",
    "balance",
    "sentence",
    "filled",
    "empty",
    "split",
];

/// Checks the names of all templates.
pub(crate) fn check(files: &Files) -> Vec<Finding> {
    files
        .iter()
        .filter(|(name, _)| name.ends_with(".html") || name.ends_with(".txt"))
        .flat_map(|(name, text)| check_file(name, text))
        .collect()
}

fn check_file(name: &str, text: &str) -> Vec<Finding> {
    let (allowed, rule): (&[&str], _) = if is_header(name) {
        (&HEADER, Rule::HeaderVariable)
    } else if name.starts_with("notice/") {
        (&NOTICE, Rule::NoticeVariable)
    } else {
        (&ROOT, Rule::UnknownVariable)
    };
    let own: BTreeSet<String> = expressions(text).flat_map(|(_, expression)| defined(expression)).collect();
    let mut findings = Vec::new();
    for (at, expression) in expressions(text) {
        let line = line_of(text, at);
        for (owner, word) in names(expression) {
            // What stands behind `vars.` is the sender's to choose.
            let known = match owner.as_deref() {
                None => own.contains(&word) || allowed.contains(&word.as_str()),
                Some("vars" | "loop") => true,
                Some(_) => rule == Rule::UnknownVariable && FIELDS.contains(&word.as_str()),
            };
            if !known {
                findings.push(Finding::new(name, line, rule, &format!("{word} in {expression}")));
            }
        }
    }
    findings
}

/// Names that an expression defines: `{% set x = %}`, `{% for x, y in %}`, `{% macro x(y) %}`.
fn defined(expression: &str) -> Vec<String> {
    let inner = expression.trim_start_matches(['{', '%', '-', ' ']);
    let listed = |text: &str| words(text).map(str::to_owned).collect();
    match inner.split_once(char::is_whitespace) {
        Some(("set", rest)) => listed(rest.split('=').next().unwrap_or_default()),
        Some(("for", rest)) => listed(rest.split(" in ").next().unwrap_or_default()),
        Some(("macro", rest)) => listed(rest),
        _ => Vec::new(),
    }
}

/// Words of the language itself, its tests and filters.
const LANGUAGE: [&str; 30] = [
    "if",
    "elif",
    "else",
    "endif",
    "for",
    "endfor",
    "in",
    "set",
    "endset",
    "include",
    "not",
    "and",
    "or",
    "is",
    "none",
    "true",
    "false",
    "nonzero",
    "paid",
    "money",
    "stated",
    "recursive",
    "ignore",
    "missing",
    "with",
    "endwith",
    "macro",
    "endmacro",
    "block",
    "endblock",
];

/// The names an expression uses; for `a.b` the owner is `a`.
fn names(expression: &str) -> Vec<(Option<String>, String)> {
    if expression.starts_with("{#") {
        return Vec::new();
    }
    let plain = without_texts(expression);
    let mut found = Vec::new();
    let mut before: Option<(String, usize)> = None;
    for word in words(&plain) {
        let at = word.as_ptr() as usize - plain.as_ptr() as usize;
        let left = plain[..at].trim_end();
        let owner = before.take().filter(|_| left.ends_with('.')).map(|(name, _)| name);
        let is_filter = left.ends_with('|');
        if owner.is_some() || !(LANGUAGE.contains(&word) || (is_filter && LANGUAGE.contains(&word))) {
            found.push((owner.clone(), word.to_owned()));
        }
        // Of `vars.a.b` and `loop.x.y` all is the owner's.
        let root = owner.filter(|owner| owner == "vars" || owner == "loop").unwrap_or_else(|| word.to_owned());
        before = Some((root, at));
    }
    found
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
        .filter(|word| word.starts_with(|letter: char| letter.is_alphabetic() || letter == '_'))
}

/// Texts in quotation marks become blanks.
fn without_texts(expression: &str) -> String {
    let mut quote = None;
    let blank = |letter: char| match quote {
        Some(open) if letter == open => {
            quote = None;
            ' '
        }
        Some(_) => ' ',
        None if letter == '"' || letter == '\'' => {
            quote = Some(letter);
            ' '
        }
        None => letter,
    };
    expression.chars().map(blank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, text: &str) -> Vec<String> {
        check_file(name, text).into_iter().map(|finding| finding.found.split(' ').next().unwrap().to_owned()).collect()
    }

    #[test]
    fn reads_every_branch() {
        let text = "{% for s in statements %}{% set sum = s.totals %}{% if false %}{{ s.salary }}{% elif sum.billed is nonzero %}{{ sum.billed|money }}{% endif %}{% endfor %}{{ user }}";
        assert_eq!(found("eob/eob.html", text), ["salary", "user"]);
        assert_eq!(
            found("eob/eob.html", "{{ vars.anything.at_all }}{% if s.headline == \"statements.secret\" %}{# x.y #}{% endif %}"),
            [""; 0]
        );
    }

    #[test]
    fn headers_and_notices_see_little() {
        assert_eq!(found("eob/subject.txt", "{{ kind }} {{ brand }} {{ statements }}{{ vars.x }}"), ["statements", "vars"]);
        assert_eq!(found("notice/notice.txt", "{{ recipient }}{{ date }}"), ["date"]);
    }
}
