//! Amounts as a map states them: sums of terms, and the conditions on the rows that count.

use super::columns::Columns;
use super::table::Table;
use super::{AMOUNT_NAMES, Amount, AmountFields, Condition, Slot, Term, TermSource};
use crate::amount::Exact;
use toml::de::DeValue;

/// How the plain name of a column is meant where an amount is expected.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    Same,
    Sum,
}

/// `[totals]` or `[line.amounts]`; `keys` are their names in rejects.
pub(super) fn read_amounts(
    columns: &Columns<'_>,
    table: &Table<'_>,
    plain: Plain,
    number: Option<usize>,
    keys: &[&'static str; 10],
) -> AmountFields {
    let mut fields: AmountFields = Default::default();
    for (at, name) in AMOUNT_NAMES.iter().enumerate() {
        let Some(value) = table.ask(name) else { continue };
        let terms = if value.get_ref().as_array().is_some() {
            table.list(name).into_iter().filter_map(|value| Term::read(columns, table, name, value, plain, number)).collect()
        } else {
            Term::read(columns, table, name, value, plain, number).into_iter().collect()
        };
        fields[at] = Some(Amount { key: keys[at], terms });
    }
    fields
}

impl Condition {
    /// `where`.
    pub(super) fn read_all(columns: &Columns<'_>, table: &Table<'_>, number: Option<usize>) -> Vec<Self> {
        let read = |(name, value): (String, &toml::Spanned<DeValue<'_>>)| {
            let slot = columns.named(table, value.span().start, "where", &name, number, false)?;
            let values: Vec<String> = match value.get_ref() {
                DeValue::String(text) if text == "*" => Vec::new(),
                DeValue::String(text) => vec![text.to_string()],
                DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_str()) && !items.is_empty() => {
                    items.iter().filter_map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
                }
                _ => {
                    table.wrong_at(value.span().start, "where", "expected a value in quotes, a list of them, or \"*\" for any");
                    return None;
                }
            };
            Some(Self { slot, values })
        };
        table.pairs("where").into_iter().filter_map(read).collect()
    }
}

impl Term {
    fn read(
        columns: &Columns<'_>,
        table: &Table<'_>,
        key: &'static str,
        value: &toml::Spanned<DeValue<'_>>,
        plain: Plain,
        number: Option<usize>,
    ) -> Option<Self> {
        let bare = |source| Self { source, when: Vec::new(), negate: false, absent_is_zero: false };
        if value.get_ref().as_table().is_none() {
            let slot = columns.column(table, key, value, number, false)?;
            return Some(bare(if plain == Plain::Same { TermSource::Same(slot) } else { TermSource::Sum(vec![slot]) }));
        }
        let term = table.item(key, value);
        let optional = term.flag("optional").unwrap_or(false);
        let constant = term.text("amount").and_then(|text| {
            let exact = Exact::parse(&text).ok();
            if exact.is_none() {
                term.wrong("amount", "expected an exact decimal in quotes, such as \"0.00\"");
            }
            exact
        });
        let same = term.ask("same").and_then(|value| columns.column(&term, "same", value, number, optional));
        let sum = summed(columns, &term, number, optional);
        let source = match (constant, same, sum.as_slice()) {
            (Some(exact), None, []) => Some(TermSource::Constant(exact)),
            (None, Some(slot), []) => Some(TermSource::Same(slot)),
            (None, None, [_, ..]) => Some(TermSource::Sum(sum)),
            _ => {
                if !term.has("amount") || sum.len() + usize::from(same.is_some()) > 0 {
                    term.wrong_here(
                        "expected exactly one of same = \"COLUMN\", sum = \"COLUMN\" or sum = [\"A\", \"B\"], amount = \"0.00\"",
                    );
                }
                None
            }
        };
        if plain == Plain::Sum && same.is_some() {
            term.wrong("same", "a service has one row; name the column, or sum = [\"A\", \"B\"]");
        }
        let when = Condition::read_all(columns, &term, number);
        let negate = term.flag("negate").unwrap_or(false);
        let absent_is_zero = term.word("absent", &[("zero", true), ("not_stated", false)]).unwrap_or(false);
        term.finish();
        Some(Self { source: source?, when, negate, absent_is_zero })
    }
}

/// The columns of `sum`. `{n}` outside of `[line]` stands for all repetitions.
fn summed(columns: &Columns<'_>, term: &Table<'_>, number: Option<usize>, optional: bool) -> Vec<Slot> {
    let Some(value) = term.ask("sum") else { return Vec::new() };
    let values = match value.get_ref().as_array() {
        Some(items) => items.iter().collect(),
        None => vec![value],
    };
    let mut slots = Vec::new();
    for value in values {
        let is_counted = Columns::is_counted(value.get_ref());
        let numbers: Vec<Option<usize>> = match number {
            None if is_counted => (1..=columns.repeat).map(Some).collect(),
            number => vec![number],
        };
        slots.extend(numbers.into_iter().filter_map(|number| columns.column(term, "sum", value, number, optional)));
    }
    slots
}
