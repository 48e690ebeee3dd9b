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

use super::columns::Columns;
use super::error::{ColumnMapError, ColumnMapErrors};
use super::file_layout::{FileLayout, amount_style, dates};
use super::table::{Found, Table};
use super::terms::{Plain, read_amounts};
use super::{ClaimFields, ClaimRows, ColumnMap, LineFields, MemberFields, RecipientFields};
use toml::de::DeTable;

/// Columns that a map uses.
const COLUMNS_MAX: usize = 2_000;

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
    let map = map(name, &top);
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

fn map(name: &str, top: &Table<'_>) -> Option<ColumnMap> {
    let FileLayout { layout, needs_last_line_end, declared } = FileLayout::read(top);
    let columns = Columns::new(&layout, declared.as_deref(), top);
    let title = top.text("title").unwrap_or_default();
    let claim_table = top.table("claim");
    let rows = claim_table.word("rows", &[("one", ClaimRows::One), ("adjacent", ClaimRows::Adjacent), ("anywhere", ClaimRows::Anywhere)]);
    let claim = ClaimFields::read(&columns, &claim_table);
    claim_table.finish();
    let member = MemberFields::read(&columns, &top.table("member"));
    let recipient = if top.has("recipient") { RecipientFields::read(&columns, &top.table("recipient")) } else { None };
    let totals_table = top.table("totals");
    let totals = read_amounts(&columns, &totals_table, Plain::Same, None, &TOTALS_KEYS);
    if totals.iter().all(Option::is_none) {
        totals_table.wrong_here("expected at least one amount; without any there is nothing to tell a member");
    }
    totals_table.finish();
    let lines = if top.has("line") { LineFields::read_all(&columns, &top.table("line")) } else { Vec::new() };
    let dates = dates(&top.table("dates"));
    let amounts = amount_style(&top.table("amounts"));
    let columns = columns.into_used();
    if columns.len() > COLUMNS_MAX {
        top.wrong_here(&format!("it uses {} columns; at most {COLUMNS_MAX} are read", columns.len()));
    }
    let rows = rows.unwrap_or(ClaimRows::One);
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
