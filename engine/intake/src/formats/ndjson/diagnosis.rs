//! What is wrong with a line: the slow way, with words.
//!
//! The shape of a line stands here as data, field by field. A line that could not be read the fast way is walked along it, and the
//! first thing that does not fit is named by its path, with what was expected and, for an unknown field, the name that may have
//! been meant. Never a value. A test holds this shape to `configs/schema/statement.schema.json`.

use super::amounts::Reading;
use crate::{Rounding, reason, validate};
use model::nearest::nearest;
use model::{Cents, LanguageTag, MoneySummary};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) reason: &'static str,
    pub(crate) field: String,
    pub(crate) expected: String,
}

impl Wrong {
    pub(crate) fn new(reason: &'static str, field: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { reason, field: field.into(), expected: expected.into() }
    }
}

/// What a value must be.
pub(super) enum Shape {
    Text,
    /// A text that may be long and have line ends.
    LongText,
    Amount,
    Date,
    Choice(&'static [&'static str]),
    /// A tag of BCP 47.
    Language,
    Position,
    Object(&'static [Field]),
    List(&'static Shape),
    /// An object with any names and long texts.
    Texts,
    /// A note: code or text or both.
    Note(&'static [Field]),
}

/// A field of an object.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) required: bool,
    pub(super) shape: Shape,
}

const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, required: true, shape }
}

const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, required: false, shape }
}

const STATUSES: &[&str] = &[
    "processed_primary",
    "processed_secondary",
    "processed_tertiary",
    "denied",
    "forwarded",
    "reversal",
    "not_our_claim",
    "predetermination",
    "unknown",
];

const AMOUNTS: &[Field] = &[
    optional("billed", Shape::Amount),
    optional("allowed", Shape::Amount),
    optional("discount", Shape::Amount),
    optional("plan_paid", Shape::Amount),
    optional("deductible", Shape::Amount),
    optional("coinsurance", Shape::Amount),
    optional("copay", Shape::Amount),
    optional("not_covered", Shape::Amount),
    optional("other_insurance", Shape::Amount),
    optional("member_owes", Shape::Amount),
];

const RECIPIENT: &[Field] = &[required("email", Shape::Text), optional("name", Shape::Text), optional("language", Shape::Language)];

const CLAIM_TYPES: &[&str] = &["medical", "pharmacy", "dental", "vision"];
const NETWORKS: &[&str] = &["in_network", "out_of_network"];
const PROGRAMS: &[&str] = &["commercial", "medicare_advantage", "medicare_part_d", "original_medicare", "medicaid", "chip"];
const PAID_TO: &[&str] = &["provider", "member"];

const MEMBER: &[Field] = &[
    required("id", Shape::Text),
    required("name", Shape::Text),
    optional("given_name", Shape::Text),
    optional("family_name", Shape::Text),
    optional("birth_date", Shape::Date),
];

const LINE: &[Field] = &[
    optional("service_from", Shape::Date),
    optional("service_to", Shape::Date),
    optional("code", Shape::Text),
    optional("modifiers", Shape::List(&Shape::Text)),
    optional("description", Shape::Text),
    optional("amounts", Shape::Object(AMOUNTS)),
    optional("notes", Shape::List(&Shape::Position)),
];

const NOTE: &[Field] = &[optional("code", Shape::Text), optional("text", Shape::Text)];

const ACCUMULATOR: &[Field] = &[
    required("kind", Shape::Choice(&["deductible", "out_of_pocket_maximum"])),
    required("scope", Shape::Choice(&["individual", "family"])),
    optional("network", Shape::Choice(NETWORKS)),
    optional("limit", Shape::Amount),
    optional("used", Shape::Amount),
    optional("from", Shape::Date),
    optional("to", Shape::Date),
];

const BILL_PART: &[Field] = &[
    optional("account", Shape::Text),
    optional("due_on", Shape::Date),
    optional("previous_balance", Shape::Amount),
    optional("payments", Shape::Amount),
    optional("new_charges", Shape::Amount),
    optional("balance", Shape::Amount),
];

/// The fields of a statement of a kind: whether it has to have a status, and what it alone has.
macro_rules! statement {
    ($kind:literal, $status:ident $(, $own:expr)?) => {
        &[
            optional("key", Shape::Text),
            required("kind", Shape::Choice(&[$kind])),
            required("claim_number", Shape::Text),
            required("member", Shape::Object(MEMBER)),
            $status("status", Shape::Choice(STATUSES)),
            optional("payer", Shape::Text),
            optional("provider", Shape::Text),
            optional("service_from", Shape::Date),
            optional("service_to", Shape::Date),
            required("totals", Shape::Object(AMOUNTS)),
            $($own,)?
            optional("lines", Shape::List(&Shape::Object(LINE))),
            optional("notes", Shape::List(&Shape::Note(NOTE))),
            optional("claim_type", Shape::Choice(CLAIM_TYPES)),
            optional("network", Shape::Choice(NETWORKS)),
            optional("program", Shape::Choice(PROGRAMS)),
            optional("paid_to", Shape::Choice(PAID_TO)),
            optional("accumulators", Shape::List(&Shape::Object(ACCUMULATOR))),
            optional("recipient", Shape::Object(RECIPIENT)),
        ]
    };
}

/// An Explanation of Benefits.
pub(super) const EOB: &[Field] = statement!("eob", required);

/// A billing statement.
pub(super) const BILL: &[Field] = statement!("bill", optional, required("bill", Shape::Object(BILL_PART)));

/// A templated message.
pub(super) const TEMPLATED: &[Field] = &[
    optional("key", Shape::Text),
    required("kind", Shape::Choice(&["templated"])),
    required("template", Shape::Text),
    optional("variables", Shape::Texts),
    // Without it the row is read, counted as no_consent, and never sent; so it is not `required` here.
    optional("authorization", Shape::Text),
    required("recipient", Shape::Object(RECIPIENT)),
];

/// Says what is wrong with a line that could not be read.
pub(super) fn of(text: &str, rounding: Rounding) -> Wrong {
    find(text, rounding).unwrap_or_else(|| Wrong::new(reason::WRONG_TYPE, "", "an object as configs/schema/statement.schema.json has it"))
}

/// The first thing that does not fit, where there is one.
pub(super) fn find(text: &str, rounding: Rounding) -> Option<Wrong> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        return Some(Wrong::new(reason::JSON_INVALID, "", format!("valid JSON; it is not at byte {} of the line", error.column())));
    }
    let Some(Entries(entries)) = read::<Entries<'_>>(text) else {
        return Some(Wrong::new(reason::WRONG_TYPE, "", "a JSON object"));
    };
    let kinds: Vec<&RawValue> = entries.iter().filter(|(name, _)| name == "kind").map(|(_, value)| *value).collect();
    let kind = match kinds.as_slice() {
        [] => return Some(Wrong::new(reason::FIELD_MISSING, "kind", "\"eob\", \"bill\" or \"templated\"")),
        [kind] => read::<String>(kind.get()),
        _ => return Some(Wrong::new(reason::FIELD_REPEATED, "kind", "each field once")),
    };
    match kind.as_deref() {
        Some("eob") => object(&entries, EOB, "", rounding),
        Some("bill") => object(&entries, BILL, "", rounding),
        Some("templated") => object(&entries, TEMPLATED, "", rounding),
        Some(_) => Some(Wrong::new(reason::VALUE_UNKNOWN, "kind", "\"eob\", \"bill\" or \"templated\"")),
        None => Some(Wrong::new(reason::WRONG_TYPE, "kind", "\"eob\", \"bill\" or \"templated\"")),
    }
}

fn object(entries: &[(String, &RawValue)], fields: &[Field], path: &str, rounding: Rounding) -> Option<Wrong> {
    for (at, (name, value)) in entries.iter().enumerate() {
        let Some(field) = fields.iter().find(|field| field.name == name) else {
            return Some(unknown_field(name, fields, path));
        };
        let path = join(path, field.name);
        if entries[..at].iter().any(|(earlier, _)| earlier == name) {
            return Some(Wrong::new(reason::FIELD_REPEATED, path, "each field once"));
        }
        let is_null = value.get() == "null";
        if is_null && field.required {
            return Some(Wrong::new(reason::FIELD_MISSING, path, format!("{}, not null", described(&field.shape))));
        }
        if !is_null && let Some(wrong) = check(value.get(), &field.shape, &path, rounding) {
            return Some(wrong);
        }
    }
    let missing = fields.iter().find(|field| field.required && !entries.iter().any(|(name, _)| name == field.name))?;
    Some(Wrong::new(reason::FIELD_MISSING, join(path, missing.name), described(&missing.shape)))
}

fn check(raw: &str, shape: &Shape, path: &str, rounding: Rounding) -> Option<Wrong> {
    let wrong = |reason| Some(Wrong::new(reason, path, described(shape)));
    match shape {
        Shape::Text => match read::<String>(raw) {
            None => wrong(reason::WRONG_TYPE),
            Some(text) => validate::check_text(&text).err().and_then(wrong),
        },
        Shape::LongText => read::<String>(raw).is_none().then(|| wrong(reason::WRONG_TYPE)).flatten(),
        Shape::Amount if !raw.starts_with(['"', '-']) && !raw.starts_with(|c: char| c.is_ascii_digit()) => wrong(reason::WRONG_TYPE),
        Shape::Amount => {
            let error = Reading::new(rounding).amount(raw).err()?;
            Some(Wrong::new(error.reason(), path, error.to_string()))
        }
        Shape::Date => match read::<String>(raw) {
            None => wrong(reason::WRONG_TYPE),
            Some(text) if validate::iso_date(text.as_bytes()).is_none() => wrong(reason::DATE_MALFORMED),
            Some(_) => None,
        },
        Shape::Choice(choices) => match read::<String>(raw) {
            None => wrong(reason::WRONG_TYPE),
            Some(text) if !choices.contains(&text.as_str()) => wrong(reason::VALUE_UNKNOWN),
            Some(_) => None,
        },
        Shape::Language => match read::<String>(raw) {
            None => wrong(reason::WRONG_TYPE),
            Some(text) => LanguageTag::parse(&text).is_err().then(|| wrong(reason::VALUE_UNKNOWN)).flatten(),
        },
        Shape::Position => read::<u16>(raw).is_none().then(|| wrong(reason::WRONG_TYPE)).flatten(),
        Shape::Object(fields) => match read::<Entries<'_>>(raw) {
            None => wrong(reason::WRONG_TYPE),
            Some(Entries(entries)) => object(&entries, fields, path, rounding),
        },
        Shape::Note(fields) => match read::<Entries<'_>>(raw) {
            None => wrong(reason::WRONG_TYPE),
            Some(Entries(entries)) => object(&entries, fields, path, rounding).or_else(|| {
                let says = |value: &RawValue| !matches!(value.get(), "null" | "\"\"");
                let is_empty = !entries.iter().any(|(_, value)| says(value));
                is_empty.then(|| Wrong::new(reason::FIELD_MISSING, path, described(shape)))
            }),
        },
        Shape::List(item) => match read::<Vec<&RawValue>>(raw) {
            None => wrong(reason::WRONG_TYPE),
            Some(items) => items.iter().enumerate().find_map(|(at, value)| check(value.get(), item, &format!("{path}[{at}]"), rounding)),
        },
        Shape::Texts => match read::<Entries<'_>>(raw) {
            None => wrong(reason::WRONG_TYPE),
            // The names of variables are the sender's own: the place says `variables`, not which.
            Some(Entries(entries)) => entries.iter().find_map(|(_, value)| check(value.get(), &Shape::LongText, path, rounding)),
        },
    }
}

/// The sender's own spelling is not repeated: it could be a value that slipped out of its place.
fn unknown_field(name: &str, fields: &[Field], path: &str) -> Wrong {
    let place = if path.is_empty() { "the line".to_owned() } else { path.to_owned() };
    let is_name = name.len() <= 40 && name.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-'));
    let (field, expected) = match nearest(name, fields.iter().map(|field| field.name)) {
        Some(nearest) => (name.to_owned(), format!("only fields of the schema in {place}; did you mean {nearest}?")),
        _ if is_name => (name.to_owned(), format!("only fields of the schema in {place}")),
        _ => ("(unknown)".to_owned(), format!("only fields of the schema in {place}; its name is none that the schema could have")),
    };
    Wrong::new(reason::FIELD_UNKNOWN, join(path, &field), expected)
}

fn described(shape: &Shape) -> String {
    match shape {
        Shape::Text => "a text of at most 1,000 bytes without control characters".to_owned(),
        Shape::LongText => "a text".to_owned(),
        Shape::Texts => "an object of texts".to_owned(),
        Shape::Amount => "an exact decimal with at most two decimals, as a string or a number".to_owned(),
        Shape::Date => "a date CCYY-MM-DD that exists".to_owned(),
        Shape::Choice(choices) => format!("one of {}", choices.join(", ")),
        Shape::Language => "a language tag such as es or zh-Hant (BCP 47)".to_owned(),
        Shape::Position => "a position in notes, from 0".to_owned(),
        Shape::Object(_) => "an object".to_owned(),
        Shape::List(_) => "a list".to_owned(),
        Shape::Note(_) => "an object with code, text or both".to_owned(),
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What the totals of a rejected line say, as far as they can be read; else nothing.
pub(super) fn money_of(text: &str, rounding: Rounding) -> MoneySummary {
    let totals = entry(text, "totals").map(RawValue::get).unwrap_or_default();
    let mut amounts = Reading::new(rounding);
    let mut cents = |name| -> Cents { entry(totals, name).and_then(|raw| amounts.amount(raw.get()).ok()).unwrap_or_default() };
    MoneySummary { billed: cents("billed"), plan_paid: cents("plan_paid"), member_owes: cents("member_owes") }
}

fn entry<'a>(text: &'a str, wanted: &str) -> Option<&'a RawValue> {
    let Entries(entries) = read(text)?;
    entries.into_iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// The fields of an object in order, repeats included.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Walk;
        impl<'de> Visitor<'de> for Walk {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        from.deserialize_map(Walk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rounded, Row};
    use serde_json::Value;

    fn read_line(line: &[u8]) -> Result<Row, (Wrong, MoneySummary)> {
        super::super::read(line, model::reject::Place::default(), Rounding::Refuse, &mut Rounded::default())
    }

    fn schema() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/schema/statement.schema.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// What a schema says once its references are followed.
    fn resolved<'s>(schema: &'s Value, node: &'s Value) -> &'s Value {
        if let Some(alternatives) = node["anyOf"].as_array()
            && alternatives[0].get("$ref").is_some()
        {
            return resolved(schema, &alternatives[0]);
        }
        match node["$ref"].as_str() {
            Some(reference) => schema.pointer(reference.trim_start_matches('#')).unwrap(),
            None => node,
        }
    }

    fn compare(schema: &Value, node: &Value, shape: &Shape, path: &str) {
        match shape {
            Shape::Object(fields) | Shape::Note(fields) => compare_fields(schema, resolved(schema, node), fields, path),
            Shape::List(item) => compare(schema, &resolved(schema, node)["items"], item, &format!("{path}[]")),
            Shape::Choice(choices) => {
                let node = resolved(schema, node);
                let values = node["enum"].as_array().cloned().unwrap_or_else(|| vec![node["const"].clone()]);
                assert_eq!(values, choices.to_vec(), "{path}");
            }
            Shape::Amount => assert_eq!(resolved(schema, node)["title"], "Exact decimal", "{path}"),
            Shape::Date => assert_eq!(resolved(schema, node)["format"], "date", "{path}"),
            Shape::Text => assert_eq!(resolved(schema, node)["maxLength"], model::limits::TEXT_FIELD_BYTES_MAX, "{path}"),
            Shape::Language => assert_eq!(resolved(schema, node)["maxLength"], 35, "{path}"),
            Shape::Texts => assert_eq!(node["additionalProperties"]["type"], "string", "{path}"),
            Shape::Position => assert_eq!(node["maximum"], u16::MAX, "{path}"),
            Shape::LongText => {}
        }
    }

    fn compare_fields(schema: &Value, node: &Value, fields: &[Field], path: &str) {
        assert_eq!(node["additionalProperties"], false, "{path}");
        let properties = node["properties"].as_object().unwrap();
        let mut names: Vec<&str> = properties.keys().map(String::as_str).collect();
        let mut ours: Vec<&str> = fields.iter().map(|field| field.name).collect();
        names.sort_unstable();
        ours.sort_unstable();
        assert_eq!(names, ours, "{path}");
        let required: Vec<&str> = node["required"].as_array().map_or(Vec::new(), |names| names.iter().filter_map(Value::as_str).collect());
        for field in fields {
            assert_eq!(required.contains(&field.name), field.required, "{path}.{}", field.name);
            compare(schema, &properties[field.name], &field.shape, &format!("{path}.{}", field.name));
        }
    }

    #[test]
    fn the_shape_is_the_published_schema() {
        let schema = schema();
        compare_fields(&schema, &schema["$defs"]["eob"], EOB, "eob");
        compare_fields(&schema, &schema["$defs"]["bill"], BILL, "bill");
        compare_fields(&schema, &schema["$defs"]["templated"], TEMPLATED, "templated");
        assert_eq!(schema.pointer("/$defs/eob/properties/lines/maxItems").unwrap(), model::limits::SERVICE_LINES_MAX);
        assert_eq!(schema.pointer("/$defs/eob/properties/notes/maxItems").unwrap(), model::limits::NOTES_MAX);
    }

    #[test]
    fn the_examples_of_the_schema_are_read() {
        for example in schema()["examples"].as_array().unwrap() {
            let line = example.to_string();
            let row = read_line(line.as_bytes());
            assert!(row.is_ok(), "{row:?}");
        }
    }

    const GOOD: &str = r#"{"kind":"eob","claim_number":"C1","member":{"id":"M1","name":"Ada Example"},"status":"denied","totals":{"billed":"10.00","plan_paid":0,"deductible":1.5,"coinsurance":null},"lines":[{"code":"HC:1","notes":[0],"amounts":{"billed":10}}],"notes":[{"code":"N1"}]}"#;

    fn wrong(from: &str, to: &str) -> (&'static str, String, String) {
        let line = GOOD.replacen(from, to, 1);
        assert_ne!(line, GOOD, "{from}");
        let (wrong, _) = read_line(line.as_bytes()).unwrap_err();
        for secret in ["Ada", "M1", "C1", "SECRET"] {
            assert!(!wrong.expected.contains(secret) && !wrong.field.contains(secret), "{wrong:?}");
        }
        (wrong.reason, wrong.field, wrong.expected)
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        assert!(read_line(GOOD.as_bytes()).is_ok());
        for (from, to, reason, field) in [
            ("\"claim_number\"", "\"claim_numer\"", reason::FIELD_UNKNOWN, "claim_numer"),
            ("\"plan_paid\"", "\"paid\"", reason::FIELD_UNKNOWN, "totals.paid"),
            ("\"plan_paid\"", "\"123 SECRET\"", reason::FIELD_UNKNOWN, "totals.(unknown)"),
            ("\"code\":\"HC:1\"", "\"cod\":1", reason::FIELD_UNKNOWN, "lines[0].cod"),
            ("\"10.00\"", "\"10.005\"", reason::AMOUNT_SUB_CENT, "totals.billed"),
            ("\"10.00\"", "10.005", reason::AMOUNT_SUB_CENT, "totals.billed"),
            ("\"10.00\"", "1e1", reason::AMOUNT_MALFORMED, "totals.billed"),
            ("\"10.00\"", "\"SECRET\"", reason::AMOUNT_MALFORMED, "totals.billed"),
            ("\"10.00\"", "\"\"", reason::AMOUNT_MALFORMED, "totals.billed"),
            ("\"10.00\"", "true", reason::WRONG_TYPE, "totals.billed"),
            ("\"10.00\"", "[1]", reason::WRONG_TYPE, "totals.billed"),
            ("\"billed\":10}", "\"billed\":11}", reason::CLAIM_UNBALANCED, "totals.billed"),
            ("\"denied\"", "\"SECRET\"", reason::VALUE_UNKNOWN, "status"),
            ("\"denied\"", "null", reason::FIELD_MISSING, "status"),
            (",\"status\":\"denied\"", "", reason::FIELD_MISSING, "status"),
            (",\"name\":\"Ada Example\"", "", reason::FIELD_MISSING, "member.name"),
            ("\"Ada Example\"", "\"\"", reason::MEMBER_MISSING, "member.name"),
            ("\"Ada Example\"", "7", reason::WRONG_TYPE, "member.name"),
            ("\"Ada Example\"", "\"Ada\\nBcc: x\"", reason::TEXT_CONTROL_CHARACTER, "member.name"),
            ("\"Ada Example\"", "\"A\",\"birth_date\":\"2024-02-30\"", reason::DATE_MALFORMED, "member.birth_date"),
            ("\"C1\"", "\"\"", reason::CLAIM_NUMBER_MISSING, "claim_number"),
            ("\"kind\":\"eob\"", "\"kind\":\"receipt\"", reason::VALUE_UNKNOWN, "kind"),
            ("\"kind\":\"eob\"", "\"kind\":\"bill\"", reason::FIELD_MISSING, "bill"),
            ("\"kind\":\"eob\"", "\"kind\":\"bill\",\"bill\":{\"balance\":\"x\"}", reason::AMOUNT_MALFORMED, "bill.balance"),
            (
                "\"kind\":\"eob\"",
                "\"kind\":\"bill\",\"bill\":{\"balance\":9,\"previous_balance\":1,\"payments\":1,\"new_charges\":10}",
                reason::CLAIM_UNBALANCED,
                "bill.balance",
            ),
            ("\"kind\":\"eob\"", "\"kind\":\"eob\",\"bill\":{}", reason::FIELD_UNKNOWN, "bill"),
            ("\"kind\":\"eob\"", "\"kind\":\"eob\",\"program\":\"SECRET\"", reason::VALUE_UNKNOWN, "program"),
            (
                "\"kind\":\"eob\"",
                "\"kind\":\"eob\",\"accumulators\":[{\"kind\":\"deductible\"}]",
                reason::FIELD_MISSING,
                "accumulators[0].scope",
            ),
            (
                "\"kind\":\"eob\"",
                "\"kind\":\"eob\",\"recipient\":{\"email\":\"a@b.example\",\"language\":\"SECRET!\"}",
                reason::VALUE_UNKNOWN,
                "recipient.language",
            ),
            ("\"kind\":\"eob\",", "", reason::FIELD_MISSING, "kind"),
            ("\"kind\":\"eob\"", "\"kind\":\"eob\",\"kind\":\"eob\"", reason::FIELD_REPEATED, "kind"),
            ("\"id\":\"M1\"", "\"id\":\"M1\",\"id\":\"M1\"", reason::FIELD_REPEATED, "member.id"),
            ("\"kind\":\"eob\"", "\"kind\":\"eob\",\"template\":\"t\"", reason::FIELD_UNKNOWN, "template"),
            ("[0]", "[1]", reason::NOTE_UNKNOWN, "lines[0].notes"),
            ("[0]", "[-1]", reason::WRONG_TYPE, "lines[0].notes[0]"),
            ("{\"code\":\"N1\"}", "{}", reason::FIELD_MISSING, "notes[0]"),
            ("\"lines\":[", "\"lines\":[3,", reason::WRONG_TYPE, "lines[0]"),
            ("]}", "]", reason::JSON_INVALID, ""),
        ] {
            let (found, place, _) = wrong(from, to);
            assert_eq!((found, place.as_str()), (reason, field), "{from} -> {to}");
        }
        assert!(wrong("\"claim_number\"", "\"claimNumber\"").2.contains("did you mean claim_number?"));
    }

    #[test]
    fn a_rejected_line_still_brings_its_money() {
        let line = GOOD.replacen("\"denied\"", "\"x\"", 1);
        let (_, money) = read_line(line.as_bytes()).unwrap_err();
        assert_eq!((money.billed, money.member_owes), (Cents(1_000), Cents(0)));
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(3_000))]

        /// Wherever the fast way fails, the slow way finds a reason of its own; and where it does not, the line is as the schema has it.
        #[test]
        fn the_slow_way_always_finds_what_the_fast_way_does_not_take(at in 0..GOOD.len(), byte in 0x20u8..0x7f, cut in proptest::bool::ANY) {
            let mut line = GOOD.as_bytes().to_vec();
            if cut {
                line.remove(at);
            } else {
                line[at] = byte;
            }
            let text = std::str::from_utf8(&line).unwrap();
            match read_line(&line) {
                Ok(_) => proptest::prop_assert_eq!(find(text, Rounding::Refuse), None, "{}", text),
                Err((wrong, _)) => {
                    let judged = [reason::CLAIM_UNBALANCED, reason::NOTE_UNKNOWN, reason::MEMBER_MISSING, reason::CLAIM_NUMBER_MISSING];
                    proptest::prop_assert!(judged.contains(&wrong.reason) || find(text, Rounding::Refuse).is_some(), "{wrong:?} {text}");
                }
            }
        }
    }
}
