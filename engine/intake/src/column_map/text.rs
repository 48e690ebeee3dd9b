//! A text as a map states it: a column's name, or a table of columns, constant and prefix.

use super::columns::Columns;
use super::table::Table;
use super::{Slot, Text};
use toml::de::DeValue;

impl Text {
    /// The text of a key.
    pub(super) fn read(columns: &Columns<'_>, table: &Table<'_>, key: &'static str, number: Option<usize>) -> Option<Self> {
        let value = table.ask(key)?;
        Self::of(columns, table, key, value, number)
    }

    /// The same of a value that was asked for already.
    pub(super) fn of(
        columns: &Columns<'_>,
        table: &Table<'_>,
        key: &'static str,
        value: &toml::Spanned<DeValue<'_>>,
        number: Option<usize>,
    ) -> Option<Self> {
        if value.get_ref().as_table().is_none() {
            let slot = columns.column(table, key, value, number, false)?;
            return Some(Self { first_of: vec![slot], ..Self::default() });
        }
        let inner = table.item(key, value);
        let optional = inner.flag("optional").unwrap_or(false);
        let constant = inner.text("text");
        let prefix = inner.text("prefix").unwrap_or_default();
        let one = inner.ask("column").and_then(|value| columns.column(&inner, "column", value, number, optional));
        let several = inner.list("columns").into_iter().filter_map(|value| columns.column(&inner, "columns", value, number, optional));
        let first_of: Vec<Slot> = one.into_iter().chain(several).collect();
        if first_of.is_empty() && constant.is_none() && !inner.has("column") && !inner.has("columns") {
            inner.wrong_here("expected { column = \"NAME\" }, { columns = [\"NAME\", \"OTHER\"] } or { text = \"always this\" }");
        }
        inner.finish();
        Some(Self { first_of, constant, prefix })
    }
}
