//! The columns that a map uses: each is noted once, however many fields name it.

use super::table::Table;
use super::{Column, ColumnAt, Header, Layout, Slot, is_same_name};
use model::nearest::nearest;
use std::cell::RefCell;
use toml::de::DeValue;

/// Services of one row.
const REPEAT_MAX: i64 = 200;
/// What stands for the number of a repetition.
const COUNTER: &str = "{n}";

/// The columns met so far, and what decides how they may be named.
pub(super) struct Columns<'l> {
    layout: &'l Layout,
    /// Names that the map itself declares: fixed width, or a header of its own.
    declared: Option<&'l [(String, ColumnAt)]>,
    used: RefCell<Vec<Column>>,
    /// How many services a row holds.
    pub(super) repeat: usize,
}

impl<'l> Columns<'l> {
    pub(super) fn new(layout: &'l Layout, declared: Option<&'l [(String, ColumnAt)]>, top: &Table<'_>) -> Self {
        let line = top.table("line");
        let repeat = line.number("repeat", 1..=REPEAT_MAX).and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
        Self { layout, declared, used: RefCell::default(), repeat }
    }

    /// All that were met.
    pub(super) fn into_used(self) -> Vec<Column> {
        self.used.into_inner()
    }

    /// Whether a value names a column of each repetition.
    pub(super) fn is_counted(value: &DeValue<'_>) -> bool {
        value.as_str().is_some_and(|name| name.contains(COUNTER))
    }

    /// A field that is one column: its name, or a table.
    pub(super) fn slot(&self, table: &Table<'_>, key: &'static str, number: Option<usize>) -> Option<Slot> {
        let value = table.ask(key)?;
        if value.get_ref().as_table().is_none() {
            return self.column(table, key, value, number, false);
        }
        let inner = table.item(key, value);
        let optional = inner.flag("optional").unwrap_or(false);
        let slot = inner.ask("column").and_then(|value| self.column(&inner, "column", value, number, optional));
        inner.finish();
        slot
    }

    /// A column by name, or by number.
    pub(super) fn column(
        &self,
        table: &Table<'_>,
        key: &'static str,
        value: &toml::Spanned<DeValue<'_>>,
        number: Option<usize>,
        optional: bool,
    ) -> Option<Slot> {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(name) => self.named(table, at, key, name, number, optional),
            DeValue::Integer(integer) => {
                let number = usize::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|number| (1..=4_096).contains(number));
                let fits = matches!(self.layout, Layout::Delimited { .. });
                match (number, fits) {
                    (Some(number), true) => Some(self.slot_of(&format!("column {number}"), ColumnAt::Number(number - 1), optional)),
                    _ => {
                        table.wrong_at(at, key, "expected a column's number, from 1 to 4096; a fixed-width file has names in [columns]");
                        None
                    }
                }
            }
            _ => {
                table.wrong_at(at, key, "expected the name of a column in quotes, its number, or a table such as { column = \"NAME\" }");
                None
            }
        }
    }

    /// A column by name; `{n}` in it is `number`.
    pub(super) fn named(
        &self,
        table: &Table<'_>,
        at: usize,
        key: &'static str,
        name: &str,
        number: Option<usize>,
        optional: bool,
    ) -> Option<Slot> {
        let name = &numbered(name, number);
        match (self.declared, self.layout) {
            (Some(declared), _) => {
                if let Some((name, place)) = declared.iter().find(|(declared, _)| is_same_name(declared, name)) {
                    return Some(self.slot_of(name, *place, optional));
                }
                let hint = match nearest(name, declared.iter().map(|(name, _)| name.as_str())) {
                    Some(meant) => format!("did you mean '{meant}'?"),
                    None => "add it there".to_owned(),
                };
                let list = if matches!(self.layout, Layout::Fixed { .. }) { "[columns]" } else { "file.header" };
                table.wrong_at(at, key, &format!("there is no column '{name}' in {list}: {hint}"));
                None
            }
            (None, Layout::Delimited { header: Header::Absent, .. }) => {
                table.wrong_at(at, key, &format!("'{name}' cannot be found without a header line; give its number, from 1"));
                None
            }
            _ if name.trim().is_empty() => {
                table.wrong_at(at, key, "expected the name of a column; found an empty text");
                None
            }
            _ => Some(self.slot_of(name.trim(), ColumnAt::Name, optional)),
        }
    }

    fn slot_of(&self, name: &str, at: ColumnAt, optional: bool) -> Slot {
        let mut columns = self.used.borrow_mut();
        match columns.iter_mut().enumerate().find(|(_, column)| column.at == at && is_same_name(&column.name, name)) {
            Some((slot, column)) => {
                // A column that one field needs is needed.
                column.optional &= optional;
                slot
            }
            None => {
                columns.push(Column { name: name.to_owned(), at, optional });
                columns.len() - 1
            }
        }
    }
}

fn numbered(name: &str, number: Option<usize>) -> String {
    match number {
        Some(number) => name.replace(COUNTER, &number.to_string()),
        None => name.to_owned(),
    }
}
