//! What may stand in a column map, and what is meant by it.
//!
//! ```toml
//! title = "Claims of our core system, one row a service"
//!
//! [file]
//! delimiter = "|"                  # default: found among , ; | and TAB
//! header = true                    # false: columns are numbers, from 1; ["A", "B"]: the names of a file without a header line
//! last_line_end = "optional"       # default: required, because a last row without one may be cut
//! layout = "fixed"                 # columns are byte ranges; with record_bytes = 363, or trimmed = true where blanks at the end are cut
//!
//! [columns]                        # fixed width only: first and last byte, from 1
//! CLAIM = "1-13"
//!
//! [claim]
//! rows = "adjacent"                # one: a row is a claim · adjacent: its rows follow each other · anywhere: the file is held in memory
//! number = "CLAIM_ID"
//! status = [{ column = "ADJ", values = { R = "reversal" } }, { column = "ST", values = { D = "denied" }, otherwise = "processed_primary" }]   # "*": any
//! payer = { text = "Example Plan" }
//! provider = { columns = ["RENDERING", "BILLING"], optional = true }     # the first that is not blank
//! service_from = "FROM"
//! service_to = "TO"
//! currency = "CUR"                 # anything but USD or blank is rejected
//! key = "JOB_KEY"                  # the sender's own key
//! claim_type, network, program, paid_to = { value = "pharmacy" }   # or { column, values, otherwise }
//! notes = [{ code = "CARC", prefix = "CO-" }, { text = "MESSAGE" }]
//!
//! [member]
//! id = "MEMBER"
//! name = "NAME"                    # or given_name, middle_name, family_name, suffix
//! birth_date = "DOB"
//!
//! [recipient]
//! email = "EMAIL"
//! name = "CONTACT"
//! language = "LANG"                # BCP 47, such as es or es-MX
//!
//! [totals]                         # a plain column is the claim's: the same in each of its rows
//! billed = "TOTAL"
//! plan_paid = { sum = "PAID", where = { TYPE = "PAYMENT", METHOD = ["CHECK", "EFT"], NOTE = "*" }, negate = true, absent = "zero" }
//! copay = { amount = "0.00" }      # a fact of the programme that no column states
//! member_owes = [{ sum = ["DEDUCTIBLE", "COINSURANCE"] }, { same = "NOT_COVERED" }]
//!
//! [line]
//! where = { TYPE = "CHARGE" }      # which rows are services; default: all
//! repeat = 13                      # a row holds up to so many services; {n} in a column's name counts them
//! service_from, service_to, code, description, notes; modifiers = ["MOD1", "MOD2"]
//! [line.amounts]                   # a plain column is the row's own
//! billed = "CHARGE"
//!
//! [dates]
//! formats = ["YYYY-MM-DD", "DD-MON-YYYY"]
//! none = ["1000-01-01"]
//! [amounts]
//! implied_decimals, thousands, parentheses, trailing_minus, dollar_sign
//! ```
//!
//! A column is named in quotes, or is a number. Where a table stands for a column, `optional = true` says that a file may lack it.
//! An unknown key is an error with a suggestion; all errors come out at once.

use super::error::{ColumnMapError, ColumnMapErrors};
use super::file_layout::{amount_style, dates, header, ranges};
use super::table::{Found, Table};
use super::words::{CLAIM_TYPES, NETWORKS, PAID_TO, PROGRAMS, STATUSES};
use super::{
    AMOUNT_NAMES, Amount, AmountFields, ClaimFields, ClaimRows, Column, ColumnAt, ColumnMap, Condition, Header, Layout, LineFields,
    MemberFields, NoteFields, RecipientFields, Slot, Term, TermSource, Text, Word, is_same_name,
};
use crate::amount::Exact;
use model::nearest::nearest;
use std::cell::RefCell;
use toml::de::{DeTable, DeValue};

/// Services of one row.
const REPEAT_MAX: i64 = 200;
/// Columns that a map uses.
const COLUMNS_MAX: usize = 2_000;
/// What stands for the number of a repetition.
const COUNTER: &str = "{n}";

/// The keys of `[totals]` and of `[line.amounts]` as rejects name them.
const TOTALS_KEYS: [&str; 10] = [
    "totals.billed",
    "totals.allowed",
    "totals.discount",
    "totals.plan_paid",
    "totals.deductible",
    "totals.coinsurance",
    "totals.copay",
    "totals.not_covered",
    "totals.other_insurance",
    "totals.member_owes",
];

/// Reads and checks a map.
pub(super) fn read(name: &str, file: &str, text: &str) -> Result<ColumnMap, ColumnMapErrors> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let found = Found::new(file, text);
    for error in errors {
        let at = error.span().map_or(0, |span| span.start);
        found.error(at, format!("this is not TOML: {}", error.message().trim().replace('\n', " ")));
    }
    if let Some(errors) = found.take() {
        return Err(errors);
    }
    let table = table.into_inner();
    let top = Table::top(&found, &table);
    let map = Reader::new(&top).map(name, &top);
    top.finish();
    match (found.take(), map) {
        (None, Some(map)) => Ok(map),
        (Some(errors), _) => Err(errors),
        (None, None) => {
            let message = "expected [claim] with number and status, [member] with id, and [totals]".to_owned();
            let error = ColumnMapError { file: file.to_owned(), line: 1, message };
            Err(ColumnMapErrors::from_found(vec![error]).expect("one error is there"))
        }
    }
}

/// How the plain name of a column is meant where an amount is expected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plain {
    Same,
    Sum,
}

struct Reader {
    layout: Layout,
    needs_last_line_end: bool,
    /// Names that the map itself declares: fixed width, or a header of its own.
    declared: Option<Vec<(String, ColumnAt)>>,
    columns: RefCell<Vec<Column>>,
    repeat: usize,
}

impl Reader {
    fn new(top: &Table<'_>) -> Self {
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
        let line = top.table("line");
        let repeat = line.number("repeat", 1..=REPEAT_MAX).and_then(|count| usize::try_from(count).ok()).unwrap_or(1);
        Self { layout, needs_last_line_end, declared, columns: RefCell::default(), repeat }
    }

    fn map(self, name: &str, top: &Table<'_>) -> Option<ColumnMap> {
        let title = top.text("title").unwrap_or_default();
        let claim_table = top.table("claim");
        let rows =
            claim_table.word("rows", &[("one", ClaimRows::One), ("adjacent", ClaimRows::Adjacent), ("anywhere", ClaimRows::Anywhere)]);
        let claim = self.claim(&claim_table);
        claim_table.finish();
        let member = self.member(&top.table("member"));
        let recipient = if top.has("recipient") { self.recipient(&top.table("recipient")) } else { None };
        let totals_table = top.table("totals");
        let totals = self.amounts(&totals_table, Plain::Same, None, &TOTALS_KEYS);
        if totals.iter().all(Option::is_none) {
            totals_table.wrong_here("expected at least one amount; without any there is nothing to tell a member");
        }
        totals_table.finish();
        let lines = if top.has("line") { self.lines(&top.table("line")) } else { Vec::new() };
        let dates = dates(&top.table("dates"));
        let amounts = amount_style(&top.table("amounts"));
        let columns = self.columns.into_inner();
        if columns.len() > COLUMNS_MAX {
            top.wrong_here(&format!("it uses {} columns; at most {COLUMNS_MAX} are read", columns.len()));
        }
        let rows = rows.unwrap_or(ClaimRows::One);
        let (layout, needs_last_line_end) = (self.layout, self.needs_last_line_end);
        Some(ColumnMap {
            name: name.to_owned(),
            title,
            layout,
            needs_last_line_end,
            rows,
            columns,
            claim: claim?,
            member: member?,
            recipient,
            totals,
            lines,
            dates,
            amounts,
        })
    }

    fn claim(&self, claim: &Table<'_>) -> Option<ClaimFields> {
        let number = self.text(claim, "number", None);
        let status = self.word(claim, "status", &STATUSES);
        for (key, why) in [("number", "which rows are one claim"), ("status", "a denied claim and a paid one are told differently")] {
            if !claim.has(key) {
                claim.wrong_here(&format!("{key} is missing: {why}"));
            }
        }
        let fields = ClaimFields {
            number: number.unwrap_or_default(),
            status: status.unwrap_or(Word { rules: Vec::new(), otherwise: None }),
            payer: self.text(claim, "payer", None),
            provider: self.text(claim, "provider", None),
            service_from: self.slot(claim, "service_from", None),
            service_to: self.slot(claim, "service_to", None),
            currency: self.slot(claim, "currency", None),
            key: self.text(claim, "key", None),
            claim_type: self.word(claim, "claim_type", &CLAIM_TYPES),
            network: self.word(claim, "network", &NETWORKS),
            program: self.word(claim, "program", &PROGRAMS),
            paid_to: self.word(claim, "paid_to", &PAID_TO),
            notes: self.notes(claim, None),
        };
        (claim.has("number") && claim.has("status")).then_some(fields)
    }

    fn member(&self, member: &Table<'_>) -> Option<MemberFields> {
        let id = self.text(member, "id", None);
        if !member.has("id") {
            member.wrong_here("id is missing: the plan's member id, which the contact file has too");
        }
        let fields = MemberFields {
            id: id?,
            name: self.text(member, "name", None),
            given_name: self.text(member, "given_name", None),
            middle_name: self.text(member, "middle_name", None),
            family_name: self.text(member, "family_name", None),
            suffix: self.text(member, "suffix", None),
            birth_date: self.slot(member, "birth_date", None),
        };
        member.finish();
        Some(fields)
    }

    fn recipient(&self, recipient: &Table<'_>) -> Option<RecipientFields> {
        let (email, name) = (self.text(recipient, "email", None), self.text(recipient, "name", None));
        let language = self.text(recipient, "language", None);
        if !recipient.has("email") {
            recipient.wrong_here("email is missing; leave [recipient] out where the contact file has the addresses");
        }
        recipient.finish();
        Some(RecipientFields { email: email?, name, language })
    }

    fn lines(&self, line: &Table<'_>) -> Vec<LineFields> {
        let amounts = line.table("amounts");
        let lines = (1..=self.repeat).map(|number| self.line(line, &amounts, number)).collect();
        line.ask("repeat");
        amounts.finish();
        line.finish();
        lines
    }

    fn line(&self, line: &Table<'_>, amounts: &Table<'_>, number: usize) -> LineFields {
        let number = Some(number);
        LineFields {
            when: self.conditions(line, number),
            service_from: self.slot(line, "service_from", number),
            service_to: self.slot(line, "service_to", number),
            code: self.text(line, "code", number),
            modifiers: line.list("modifiers").into_iter().filter_map(|value| self.text_of(line, "modifiers", value, number)).collect(),
            description: self.text(line, "description", number),
            notes: self.notes(line, number),
            amounts: self.amounts(amounts, Plain::Sum, number, &AMOUNT_NAMES),
        }
    }

    fn notes(&self, table: &Table<'_>, number: Option<usize>) -> Vec<NoteFields> {
        let read = |value: &toml::Spanned<DeValue<'_>>| {
            if value.get_ref().as_table().is_none() {
                return self.text_of(table, "notes", value, number).map(|code| NoteFields { code: Some(code), text: None });
            }
            let note = table.item("notes", value);
            let mut code = self.text(&note, "code", number);
            let text = self.text(&note, "text", number);
            if let (Some(code), Some(prefix)) = (&mut code, note.text("prefix")) {
                code.prefix = prefix;
            }
            if code.is_none() && text.is_none() {
                note.wrong_here("expected code, text or both");
            }
            note.finish();
            Some(NoteFields { code, text })
        };
        table.list("notes").into_iter().filter_map(read).collect()
    }

    /// A text: a column's name, or a table.
    fn text(&self, table: &Table<'_>, key: &'static str, number: Option<usize>) -> Option<Text> {
        let value = table.ask(key)?;
        self.text_of(table, key, value, number)
    }

    fn text_of(&self, table: &Table<'_>, key: &'static str, value: &toml::Spanned<DeValue<'_>>, number: Option<usize>) -> Option<Text> {
        if value.get_ref().as_table().is_none() {
            let slot = self.column(table, key, value, number, false)?;
            return Some(Text { first_of: vec![slot], ..Text::default() });
        }
        let inner = table.item(key, value);
        let optional = inner.flag("optional").unwrap_or(false);
        let constant = inner.text("text");
        let prefix = inner.text("prefix").unwrap_or_default();
        let one = inner.ask("column").and_then(|value| self.column(&inner, "column", value, number, optional));
        let several = inner.list("columns").into_iter().filter_map(|value| self.column(&inner, "columns", value, number, optional));
        let first_of: Vec<Slot> = one.into_iter().chain(several).collect();
        if first_of.is_empty() && constant.is_none() && !inner.has("column") && !inner.has("columns") {
            inner.wrong_here("expected { column = \"NAME\" }, { columns = [\"NAME\", \"OTHER\"] } or { text = \"always this\" }");
        }
        inner.finish();
        Some(Text { first_of, constant, prefix })
    }

    fn slot(&self, table: &Table<'_>, key: &'static str, number: Option<usize>) -> Option<Slot> {
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

    fn word<T: Copy>(&self, table: &Table<'_>, key: &'static str, words: &[(&str, T)]) -> Option<Word<T>> {
        let value = table.ask(key)?;
        let mut word = Word { rules: Vec::new(), otherwise: None };
        if value.get_ref().as_array().is_some() {
            table.list(key).into_iter().for_each(|value| self.rule(table, key, value, words, &mut word));
        } else {
            self.rule(table, key, value, words, &mut word);
        }
        Some(word)
    }

    fn rule<T: Copy>(
        &self,
        table: &Table<'_>,
        key: &'static str,
        value: &toml::Spanned<DeValue<'_>>,
        words: &[(&str, T)],
        word: &mut Word<T>,
    ) {
        let names = || words.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        if value.get_ref().as_table().is_none() {
            let expected = "expected { value = \"WORD\" } or { column = \"NAME\", values = { CODE = \"WORD\" }, otherwise = \"WORD\" }";
            table.wrong(key, &format!("{expected}; the words are {}", names()));
            return;
        }
        let rule = table.item(key, value);
        let known = |text: &str| words.iter().find(|(name, _)| *name == text).map(|(_, meaning)| *meaning);
        let fixed = rule.word("value", words);
        let otherwise = rule.word("otherwise", words);
        word.otherwise = word.otherwise.or(fixed).or(otherwise);
        let optional = rule.flag("optional").unwrap_or(false);
        let slot = rule.ask("column").and_then(|value| self.column(&rule, "column", value, None, optional));
        let values: Vec<(String, T)> = rule
            .pairs("values")
            .into_iter()
            .filter_map(|(code, value)| {
                let meaning = value.get_ref().as_str().and_then(known);
                if meaning.is_none() {
                    rule.wrong_at(value.span().start, &format!("values.{code}"), &format!("expected one of {}", names()));
                }
                Some((code, meaning?))
            })
            .collect();
        if !rule.has("value") && (!rule.has("column") || !rule.has("values")) {
            rule.wrong_here("expected a value, or a column with values = { CODE = \"WORD\" }");
        }
        rule.finish();
        if let Some(slot) = slot {
            word.rules.push((slot, values));
        }
    }

    fn conditions(&self, table: &Table<'_>, number: Option<usize>) -> Vec<Condition> {
        let read = |(name, value): (String, &toml::Spanned<DeValue<'_>>)| {
            let slot = self.named(table, value.span().start, "where", &numbered(&name, number), false)?;
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
            Some(Condition { slot, values })
        };
        table.pairs("where").into_iter().filter_map(read).collect()
    }

    fn amounts(&self, table: &Table<'_>, plain: Plain, number: Option<usize>, keys: &[&'static str; 10]) -> AmountFields {
        let mut fields: AmountFields = Default::default();
        for (at, name) in AMOUNT_NAMES.iter().enumerate() {
            let Some(value) = table.ask(name) else { continue };
            let terms = if value.get_ref().as_array().is_some() {
                table.list(name).into_iter().filter_map(|value| self.term(table, name, value, plain, number)).collect()
            } else {
                self.term(table, name, value, plain, number).into_iter().collect()
            };
            fields[at] = Some(Amount { key: keys[at], terms });
        }
        fields
    }

    fn term(
        &self,
        table: &Table<'_>,
        key: &'static str,
        value: &toml::Spanned<DeValue<'_>>,
        plain: Plain,
        number: Option<usize>,
    ) -> Option<Term> {
        let bare = |source| Term { source, when: Vec::new(), negate: false, absent_is_zero: false };
        if value.get_ref().as_table().is_none() {
            let slot = self.column(table, key, value, number, false)?;
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
        let same = term.ask("same").and_then(|value| self.column(&term, "same", value, number, optional));
        let sum = self.summed(&term, number, optional);
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
        let when = self.conditions(&term, number);
        let negate = term.flag("negate").unwrap_or(false);
        let absent_is_zero = term.word("absent", &[("zero", true), ("not_stated", false)]).unwrap_or(false);
        term.finish();
        Some(Term { source: source?, when, negate, absent_is_zero })
    }

    /// The columns of `sum`. `{n}` outside of `[line]` stands for all repetitions.
    fn summed(&self, term: &Table<'_>, number: Option<usize>, optional: bool) -> Vec<Slot> {
        let Some(value) = term.ask("sum") else { return Vec::new() };
        let values = match value.get_ref().as_array() {
            Some(items) => items.iter().collect(),
            None => vec![value],
        };
        let mut slots = Vec::new();
        for value in values {
            let is_counted = value.get_ref().as_str().is_some_and(|name| name.contains(COUNTER));
            let numbers: Vec<Option<usize>> = match number {
                None if is_counted => (1..=self.repeat).map(Some).collect(),
                number => vec![number],
            };
            slots.extend(numbers.into_iter().filter_map(|number| self.column(term, "sum", value, number, optional)));
        }
        slots
    }

    /// A column by name, or by number.
    fn column(
        &self,
        table: &Table<'_>,
        key: &'static str,
        value: &toml::Spanned<DeValue<'_>>,
        number: Option<usize>,
        optional: bool,
    ) -> Option<Slot> {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::String(name) => self.named(table, at, key, &numbered(name, number), optional),
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

    fn named(&self, table: &Table<'_>, at: usize, key: &'static str, name: &str, optional: bool) -> Option<Slot> {
        match (&self.declared, &self.layout) {
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
        let mut columns = self.columns.borrow_mut();
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
