//! How the file itself is written, as a column map's `[file]`, `[columns]`, `[dates]` and `[amounts]` say: header, byte ranges, forms of
//! dates and amounts. What the columns mean is said in `sections.rs`.

use super::table::Table;
use super::values::{AmountStyle, DATE_FORMS, DateForm, DateStyle};
use super::{ColumnAt, Header, Layout};
use toml::de::DeValue;

/// How the file itself is written.
pub(super) struct FileLayout {
    pub(super) layout: Layout,
    pub(super) needs_last_line_end: bool,
    /// Names that the map itself declares: fixed width, or a header of its own.
    pub(super) declared: Option<Vec<(String, ColumnAt)>>,
}

impl FileLayout {
    /// `[file]` and `[columns]`.
    pub(super) fn read(top: &Table<'_>) -> Self {
        let file = top.table("file");
        let is_fixed = file.word("layout", &[("delimited", false), ("fixed", true)]).unwrap_or(false);
        let delimiter = file.text("delimiter").and_then(|text| {
            let delimiter = match text.as_bytes() {
                [byte @ (b',' | b';' | b'|' | b'\t' | b'^' | b'~' | b':')] => Some(*byte),
                _ if text.eq_ignore_ascii_case("tab") => Some(b'\t'),
                _ => None,
            };
            if delimiter.is_none() {
                file.wrong("delimiter", "expected one of \",\" \";\" \"|\" \"\\t\" \"^\" \"~\" \":\"");
            }
            delimiter
        });
        let header = header(&file);
        let record_bytes = file.number("record_bytes", 1..=1_000_000).and_then(|count| usize::try_from(count).ok());
        let trimmed = file.flag("trimmed").unwrap_or(false);
        let needs_last_line_end = file.word("last_line_end", &[("required", true), ("optional", false)]).unwrap_or(true);
        let ranges = ranges(top, is_fixed);
        for (key, belongs) in [("delimiter", !is_fixed), ("header", !is_fixed), ("record_bytes", is_fixed), ("trimmed", is_fixed)] {
            if file.has(key) && !belongs {
                file.wrong(key, if is_fixed { "says nothing where layout = \"fixed\"" } else { "needs layout = \"fixed\"" });
            }
        }
        file.finish();
        let declared = match &header {
            _ if is_fixed => Some(ranges),
            Header::Named(names) => Some(names.iter().enumerate().map(|(number, name)| (name.clone(), ColumnAt::Number(number))).collect()),
            _ => None,
        };
        let layout = if is_fixed { Layout::Fixed { record_bytes, trimmed } } else { Layout::Delimited { delimiter, header } };
        Self { layout, needs_last_line_end, declared }
    }
}

fn header(file: &Table<'_>) -> Header {
    let Some(value) = file.ask("header") else { return Header::InFile };
    match value.get_ref() {
        DeValue::Boolean(true) => Header::InFile,
        DeValue::Boolean(false) => Header::Absent,
        DeValue::Array(items) if items.iter().all(|item| item.get_ref().is_str()) && !items.is_empty() => {
            Header::Named(items.iter().filter_map(|item| item.get_ref().as_str().map(str::to_owned)).collect())
        }
        _ => {
            file.wrong("header", "expected true, false, or the list of the columns' names");
            Header::InFile
        }
    }
}

/// `[columns]`: byte ranges of a fixed-width file.
fn ranges(top: &Table<'_>, is_fixed: bool) -> Vec<(String, ColumnAt)> {
    let pairs = top.pairs("columns");
    if !is_fixed && !pairs.is_empty() {
        top.wrong("columns", "needs layout = \"fixed\" in [file]");
        return Vec::new();
    }
    if is_fixed && pairs.is_empty() {
        top.wrong_here("layout = \"fixed\" needs [columns] with ranges such as CLAIM = \"1-13\"");
    }
    let read = |(name, value): (String, &toml::Spanned<DeValue<'_>>)| {
        let range = value.get_ref().as_str().and_then(|text| {
            let (from, to) = text.split_once('-')?;
            let (from, to) = (from.trim().parse::<usize>().ok()?, to.trim().parse::<usize>().ok()?);
            (from >= 1 && from <= to && to <= 1_000_000).then_some(ColumnAt::Bytes { from: from - 1, to })
        });
        if range.is_none() {
            let expected = "expected the first and the last byte, from 1, such as \"1-13\"";
            top.wrong_at(value.span().start, &format!("columns.{name}"), expected);
        }
        range.map(|range| (name, range))
    };
    pairs.into_iter().filter_map(read).collect()
}

pub(super) fn dates(table: &Table<'_>) -> DateStyle {
    let names = || DATE_FORMS.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    let mut forms: Vec<DateForm> = Vec::new();
    for value in table.list("formats") {
        match DATE_FORMS.iter().find(|(name, _)| value.get_ref().as_str() == Some(name)) {
            Some((_, form)) => forms.push(*form),
            None => table.wrong_at(value.span().start, "formats", &format!("expected some of {}", names())),
        }
    }
    let american = [DateForm::American, DateForm::AmericanDashes];
    if forms.contains(&DateForm::DayMonthName) && forms.contains(&american[1]) {
        table.wrong("formats", "DD-MON-YYYY and MM-DD-YYYY in one file: the sender has two ways; ask for one");
    }
    if forms.is_empty() {
        forms = vec![DateForm::Iso, DateForm::Compact];
    }
    let none = table.list("none").into_iter().filter_map(|value| value.get_ref().as_str().map(str::to_owned)).collect();
    table.finish();
    DateStyle { forms, none }
}

pub(super) fn amount_style(table: &Table<'_>) -> AmountStyle {
    let flag = |key| table.flag(key).unwrap_or(false);
    let style = AmountStyle {
        implied_decimals: table.number("implied_decimals", 0..=6).and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        thousands: flag("thousands"),
        parentheses: flag("parentheses"),
        trailing_minus: flag("trailing_minus"),
        dollar_sign: flag("dollar_sign"),
    };
    table.finish();
    style
}
