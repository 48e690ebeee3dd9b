//! A column map: which column of a delimited or fixed-width file is which field of a statement.
//!
//! ```text
//! configs/columns/NAME.toml ─► config (what was typed, checked) ─► ColumnMap ─► formats::delimited, formats::fixed_width
//! ```
//!
//! A map is data: the drawing of what may stand in it is the head of `config.rs`. It promises that whatever a map gets wrong is
//! said with its line, all at once.
//!
//! The one surprise: a column that a map names and does not call `optional` must be in the file. That is also how a file finds its
//! map: the one whose columns are all in the header ([`fitting`]).

mod columns;
mod config;
mod error;
mod file_layout;
mod sections;
mod shipped;
mod table;
mod terms;
mod text;
mod values;
mod words;

pub use error::{ColumnMapError, ColumnMapErrors};
pub use shipped::SHIPPED_MAPS;
pub(crate) use values::{AmountStyle, DateStyle};

use crate::amount::Exact;
use model::statement::{ClaimStatus, ClaimType, Network, PaidTo, Program};

/// The fields of `[totals]` and `[line.amounts]`, in the order of [`model::statement::Amounts`].
pub(crate) const AMOUNT_NAMES: [&str; 10] =
    ["billed", "allowed", "discount", "plan_paid", "deductible", "coinsurance", "copay", "not_covered", "other_insurance", "member_owes"];

/// A checked column map.
#[derive(Debug, Clone)]
pub struct ColumnMap {
    name: String,
    title: String,
    pub(crate) layout: Layout,
    /// The last row must end in a line end too: else nobody can tell it from one that is cut.
    pub(crate) needs_last_line_end: bool,
    pub(crate) rows: ClaimRows,
    pub(crate) columns: Vec<Column>,
    pub(crate) claim: ClaimFields,
    pub(crate) member: MemberFields,
    pub(crate) recipient: Option<RecipientFields>,
    pub(crate) totals: AmountFields,
    /// The lines that a row may hold; empty where the map has none.
    pub(crate) lines: Vec<LineFields>,
    pub(crate) dates: DateStyle,
    pub(crate) amounts: AmountStyle,
}

impl ColumnMap {
    /// Reads a map. `name` is what refusals and the record call it: the file's name without `.toml`.
    ///
    /// # Errors
    /// Everything that is wrong, each with its line.
    pub fn parse(name: &str, file: &str, text: &str) -> Result<Self, ColumnMapErrors> {
        config::read(name, file, text)
    }

    /// A shipped map, by its name.
    pub fn shipped(name: &str) -> Option<Self> {
        SHIPPED_MAPS.iter().find(|(path, _)| shipped::name_of(path) == name).map(|(path, text)| shipped::read(path, text))
    }

    /// All shipped maps.
    pub fn all_shipped() -> Vec<Self> {
        SHIPPED_MAPS.iter().map(|(path, text)| shipped::read(path, text)).collect()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for, in a line.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Whether it is for files of fixed width.
    pub fn is_fixed_width(&self) -> bool {
        matches!(self.layout, Layout::Fixed { .. })
    }

    /// Whether files that belong to it can tell so by their header.
    pub(crate) fn is_found_by_header(&self) -> bool {
        matches!(self.layout, Layout::Delimited { header: Header::InFile, .. })
    }

    /// The columns that a header lacks. Names are compared without regard to case and blanks around them.
    pub(crate) fn missing_in<'s>(&'s self, header: &[String]) -> Vec<&'s str> {
        let is_there = |column: &Column| match &column.at {
            ColumnAt::Name => header.iter().any(|name| is_same_name(name, &column.name)),
            ColumnAt::Number(number) => *number < header.len(),
            ColumnAt::Bytes { .. } => false,
        };
        self.columns.iter().filter(|column| !column.optional && !is_there(column)).map(|column| column.name.as_str()).collect()
    }
}

impl ColumnMap {
    /// A name of a header that no field uses, and the optional column that it was probably meant to be: one letter is another.
    pub(crate) fn slip_in<'s>(&'s self, header: &'s [String]) -> Option<(&'s str, &'s str)> {
        let absent = self
            .columns
            .iter()
            .filter(|column| column.optional && column.at == ColumnAt::Name && !header.iter().any(|name| is_same_name(name, &column.name)));
        let is_used = |name: &str| self.columns.iter().any(|column| is_same_name(&column.name, name));
        absent.into_iter().find_map(|column| {
            let slip = header.iter().find(|name| !is_used(name) && is_one_letter_off(name, &column.name))?;
            Some((slip.as_str(), column.name.as_str()))
        })
    }
}

/// Columns that are counted differ in a digit; that is no slip.
fn is_one_letter_off(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    let digits = |text: &str| text.bytes().filter(u8::is_ascii_digit).collect::<Vec<_>>();
    digits(&one) == digits(&other) && model::nearest::distance(&one, &other) == 1
}

pub(crate) fn is_same_name(one: &str, other: &str) -> bool {
    one.trim().eq_ignore_ascii_case(other.trim())
}

/// How a file is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `None`: the delimiter is found.
    Delimited { delimiter: Option<u8>, header: Header },
    /// Lines whose columns are byte ranges. `record_bytes`: what each line must have. `trimmed`: blanks at the end may be missing.
    Fixed { record_bytes: Option<usize>, trimmed: bool },
}

/// Where the names of columns come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Header {
    /// The file's first line.
    InFile,
    /// There are none; columns are numbered.
    Absent,
    /// The map lists them.
    Named(Vec<String>),
}

/// How the rows of one claim lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClaimRows {
    /// One row is one claim.
    One,
    /// One after the other.
    Adjacent,
    /// Anywhere: the file is held in memory, up to a limit.
    Anywhere,
}

/// Position in [`ColumnMap::columns`].
pub(crate) type Slot = usize;

/// A column that the map uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) at: ColumnAt,
    pub(crate) optional: bool,
}

/// Where a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ColumnAt {
    /// Where the header has its name.
    Name,
    /// From 0.
    Number(usize),
    /// From 0, without `to`.
    Bytes { from: usize, to: usize },
}

/// A text: the first of the columns that is not blank, else the constant; with a prefix where there is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) first_of: Vec<Slot>,
    pub(crate) constant: Option<String>,
    pub(crate) prefix: String,
}

/// A word of ours for what stands in columns: the first rule that knows its column's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Word<T> {
    pub(crate) rules: Vec<(Slot, Vec<(String, T)>)>,
    pub(crate) otherwise: Option<T>,
}

/// What a row must have to count: the column has one of these values, or any where there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) slot: Slot,
    pub(crate) values: Vec<String>,
}

/// An amount: the sum of its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Amount {
    /// The key, for rejects: `totals.billed`.
    pub(crate) key: &'static str,
    pub(crate) terms: Vec<Term>,
}

/// A part of an amount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) source: TermSource,
    pub(crate) when: Vec<Condition>,
    pub(crate) negate: bool,
    /// What is not there counts as nothing. Else the amount is not stated.
    pub(crate) absent_is_zero: bool,
}

/// Where a part of an amount comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TermSource {
    /// Stands in the map.
    Constant(Exact),
    /// The same in each row of the claim.
    Same(Slot),
    /// Added over columns and rows.
    Sum(Vec<Slot>),
}

/// Ten amounts, by position in [`AMOUNT_NAMES`].
pub(crate) type AmountFields = [Option<Amount>; 10];

/// A reason, remark or sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoteFields {
    pub(crate) code: Option<Text>,
    pub(crate) text: Option<Text>,
}

/// `[claim]`.
#[derive(Debug, Clone)]
pub(crate) struct ClaimFields {
    pub(crate) number: Text,
    pub(crate) status: Word<ClaimStatus>,
    pub(crate) payer: Option<Text>,
    pub(crate) provider: Option<Text>,
    pub(crate) service_from: Option<Slot>,
    pub(crate) service_to: Option<Slot>,
    pub(crate) currency: Option<Slot>,
    pub(crate) key: Option<Text>,
    pub(crate) claim_type: Option<Word<ClaimType>>,
    pub(crate) network: Option<Word<Network>>,
    pub(crate) program: Option<Word<Program>>,
    pub(crate) paid_to: Option<Word<PaidTo>>,
    pub(crate) notes: Vec<NoteFields>,
}

/// `[member]`.
#[derive(Debug, Clone)]
pub(crate) struct MemberFields {
    pub(crate) id: Text,
    pub(crate) name: Option<Text>,
    pub(crate) given_name: Option<Text>,
    pub(crate) middle_name: Option<Text>,
    pub(crate) family_name: Option<Text>,
    pub(crate) suffix: Option<Text>,
    pub(crate) birth_date: Option<Slot>,
}

/// `[recipient]`.
#[derive(Debug, Clone)]
pub(crate) struct RecipientFields {
    pub(crate) email: Text,
    pub(crate) name: Option<Text>,
    pub(crate) language: Option<Text>,
}

/// `[line]`, once for each repetition.
#[derive(Debug, Clone)]
pub(crate) struct LineFields {
    pub(crate) when: Vec<Condition>,
    pub(crate) service_from: Option<Slot>,
    pub(crate) service_to: Option<Slot>,
    pub(crate) code: Option<Text>,
    pub(crate) modifiers: Vec<Text>,
    pub(crate) description: Option<Text>,
    pub(crate) notes: Vec<NoteFields>,
    pub(crate) amounts: AmountFields,
}

/// What the maps say about a header.
pub(crate) enum Fit {
    /// Position of the one that fits.
    One(usize),
    /// Several fit: none is taken.
    Several(Vec<String>),
    /// The map that lacks the fewest columns, and which.
    None { nearest: String, missing: Vec<String> },
}

/// Which of `maps` fits a header.
pub(crate) fn fitting(maps: &[ColumnMap], header: &[String]) -> Fit {
    let candidates = maps.iter().enumerate().filter(|(_, map)| map.is_found_by_header());
    let lacks: Vec<(usize, Vec<&str>)> = candidates.map(|(at, map)| (at, map.missing_in(header))).collect();
    let fit: Vec<usize> = lacks.iter().filter(|(_, missing)| missing.is_empty()).map(|(at, _)| *at).collect();
    match fit.as_slice() {
        [one] => Fit::One(*one),
        [] => {
            // By the share of what it needs that is missing: a small map is not near because it asks for little.
            let needed = |map: &ColumnMap| map.columns.iter().filter(|column| !column.optional).count().max(1);
            let share = |(at, missing): &&(usize, Vec<&str>)| missing.len() * 1_000 / needed(&maps[*at]);
            let nearest = lacks.iter().min_by_key(share);
            Fit::None {
                nearest: nearest.map(|(at, _)| maps[*at].name.clone()).unwrap_or_default(),
                missing: nearest.map(|(_, missing)| missing.iter().map(|name| (*name).to_owned()).collect()).unwrap_or_default(),
            }
        }
        several => Fit::Several(several.iter().map(|at| maps[*at].name.clone()).collect()),
    }
}
