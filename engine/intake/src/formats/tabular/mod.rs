//! Rows of delimited and fixed-width files become claims: one row of ours per claim of theirs.
//!
//! ```text
//! delimited ┐
//!           ├─► fields of a row ─► the claim it belongs to ─► judged when its last row is read
//! fixed     ┘
//! ```
//! How the rows of a claim lie is the map's to say ([`crate::column_map`]):
//! * `one`: nothing is remembered;
//! * `adjacent`: a claim ends where the next begins. Should it come back, its first part was incomplete: the file is refused as a whole,
//!   and says which line to look at. Eight bytes a claim are remembered for that;
//! * `anywhere`: claims are held until the end of the file, up to a limit.
//!
//! **Damage.** A row that cannot be read is a rejected record of its own. Whose it was cannot be known, so the claims beside it are
//! rejected too, unless each row is a claim: a statement must not lack a service without anybody knowing.

mod claim;
mod row;

pub(crate) use row::{Fields, Trouble};

use crate::column_map::{ClaimRows, Column, ColumnAt, ColumnMap};
use crate::error::{refuse, unreadable};
use crate::{Rounded, Rounding, reason};
use claim::Claim;
use model::MoneySummary;
use model::limits::HELD_ROWS_BYTES_MAX;
use model::reject::{Place, Refusal, Reject};
use row::Row;
use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::io;
use std::sync::Arc;

/// What a source of rows finds next.
pub(crate) enum Found {
    /// A row; its fields are in [`Records::fields`].
    Row { line: u64, bytes: usize },
    /// Something that is no row.
    Broken(Trouble),
    /// Nothing more.
    End,
}

/// A source of rows.
pub(crate) trait Records {
    fn advance(&mut self) -> io::Result<Found>;
    fn fields(&self) -> &Fields;
}

/// Hashes of claim numbers are compared, never walked through; their keys need not be secret.
type Seen = HashSet<u64, BuildHasherDefault<DefaultHasher>>;

/// The claims of a file.
pub(crate) struct Claims<'r> {
    records: Box<dyn Records + 'r>,
    map: Arc<ColumnMap>,
    places: Vec<Option<usize>>,
    file: String,
    rounding: Rounding,
    /// Claims and broken rows met: the independent count of records.
    count: u64,
    current: Option<Claim>,
    /// The line of a broken row just before this place.
    broken: Option<u64>,
    seen: Seen,
    held: Vec<Claim>,
    held_by_number: BTreeMap<String, usize>,
    held_bytes: usize,
    ready: VecDeque<crate::Row>,
    has_ended: bool,
    rounded: Rounded,
}

/// Where the columns of a map are under a header; `None` for an optional one that is not there.
///
/// # Errors
/// What is missing, or stands twice.
pub(crate) fn places(map: &ColumnMap, header: Option<&[String]>) -> Result<Vec<Option<usize>>, String> {
    let place = |(slot, column): (usize, &Column)| match (column.at, header) {
        (ColumnAt::Number(number), _) => Ok(Some(number)),
        // A fixed-width source gives the fields in the order of the slots.
        (ColumnAt::Bytes { .. }, _) => Ok(Some(slot)),
        (ColumnAt::Name, None) => Err(format!("a header line with the column {}", column.name)),
        (ColumnAt::Name, Some(header)) => {
            let mut found = header.iter().enumerate().filter(|(_, name)| crate::column_map::is_same_name(name, &column.name));
            match (found.next(), found.next()) {
                (Some(_), Some(_)) => Err(format!("the column {} once in the header; it stands there twice", column.name)),
                (Some((at, _)), None) => Ok(Some(at)),
                (None, _) if column.optional => Ok(None),
                (None, _) => Err(format!("the column {} in the header, as column map {} says", column.name, map.name())),
            }
        }
    };
    map.columns.iter().enumerate().map(place).collect()
}

impl<'r> Claims<'r> {
    pub(crate) fn new(
        file: &str,
        records: Box<dyn Records + 'r>,
        map: Arc<ColumnMap>,
        places: Vec<Option<usize>>,
        rounding: Rounding,
    ) -> Self {
        Self {
            records,
            map,
            places,
            file: file.to_owned(),
            rounding,
            count: 0,
            current: None,
            broken: None,
            seen: Seen::default(),
            held: Vec::new(),
            held_by_number: BTreeMap::new(),
            held_bytes: 0,
            ready: VecDeque::new(),
            has_ended: false,
            rounded: Rounded::default(),
        }
    }

    pub(crate) fn source_records(&self) -> u64 {
        self.count
    }

    pub(crate) fn rounded(&self) -> Rounded {
        self.rounded
    }

    /// The map that is used.
    pub(crate) fn map(&self) -> &ColumnMap {
        &self.map
    }

    /// The next claim, or a row that is none.
    pub(crate) fn next_row(&mut self) -> Result<Option<crate::Row>, Refusal> {
        loop {
            if let Some(row) = self.ready.pop_front() {
                return Ok(Some(row));
            }
            if self.has_ended {
                return Ok(None);
            }
            match self.records.advance().map_err(|error| unreadable(&self.file, &error))? {
                Found::Row { line, bytes } => self.take(line, bytes)?,
                Found::Broken(trouble) => self.take_broken(trouble)?,
                Found::End => self.end(),
            }
        }
    }

    fn take(&mut self, line: u64, bytes: usize) -> Result<(), Refusal> {
        let map = Arc::clone(&self.map);
        let row = Row { fields: self.records.fields(), places: &self.places, map: &map, line };
        let number = row.text(&map.claim.number).and_then(|number| {
            let slot = map.claim.number.first_of.first().copied().unwrap_or_default();
            if number.is_empty() { Err(row.trouble(reason::CLAIM_NUMBER_MISSING, slot, "a claim number")) } else { Ok(number) }
        });
        let number = match number {
            Ok(number) => number,
            Err(trouble) => return self.take_broken(trouble),
        };
        match map.rows {
            ClaimRows::One => {
                self.count += 1;
                let mut claim = Claim::begin(number, self.count, line, &map, self.rounding);
                claim.take(&row, bytes);
                self.give(claim);
            }
            ClaimRows::Adjacent => self.take_adjacent(number, line, bytes)?,
            ClaimRows::Anywhere => self.take_anywhere(number, line, bytes)?,
        }
        Ok(())
    }

    fn take_adjacent(&mut self, number: String, line: u64, bytes: usize) -> Result<(), Refusal> {
        let is_same = self.current.as_ref().is_some_and(|claim| claim.number == number);
        if !is_same {
            self.close_current();
            let mut hasher = DefaultHasher::new();
            number.hash(&mut hasher);
            if !self.seen.insert(hasher.finish()) {
                let expected =
                    format!("expected the rows of a claim one after the other, but line {line} belongs to a claim that ended before");
                return Err(refuse(&self.file, reason::CLAIM_ROWS_APART, expected));
            }
            self.count += 1;
            let mut claim = Claim::begin(number, self.count, line, &self.map, self.rounding);
            if let Some(broken) = self.broken.take() {
                claim.is_beside_a_broken_row(broken);
            }
            self.current = Some(claim);
        }
        let row = Row { fields: self.records.fields(), places: &self.places, map: &self.map, line };
        if let Some(claim) = &mut self.current {
            claim.take(&row, bytes);
            if let Some(broken) = self.broken.take() {
                claim.is_beside_a_broken_row(broken);
            }
        }
        Ok(())
    }

    fn take_anywhere(&mut self, number: String, line: u64, bytes: usize) -> Result<(), Refusal> {
        let at = match self.held_by_number.get(&number) {
            Some(at) => *at,
            None => {
                self.count += 1;
                self.held.push(Claim::begin(number.clone(), self.count, line, &self.map, self.rounding));
                self.held_by_number.insert(number, self.held.len() - 1);
                self.held_bytes += 512;
                self.held.len() - 1
            }
        };
        let row = Row { fields: self.records.fields(), places: &self.places, map: &self.map, line };
        let claim = &mut self.held[at];
        let before = claim.bytes();
        claim.take(&row, bytes);
        self.held_bytes += claim.bytes() - before;
        if self.held_bytes > HELD_ROWS_BYTES_MAX {
            let expected = "expected at most 256 MiB of rows, because claims that lie anywhere are held until the end of the file";
            return Err(refuse(&self.file, reason::TOO_MANY_ROWS, expected));
        }
        Ok(())
    }

    /// A row that cannot be read: a record of its own, and a doubt about its neighbours.
    fn take_broken(&mut self, trouble: Trouble) -> Result<(), Refusal> {
        match self.map.rows {
            ClaimRows::One => {}
            ClaimRows::Adjacent => {
                // It stays open: the rows that follow may be its own, and then it was not taken apart.
                if let Some(claim) = &mut self.current {
                    claim.is_beside_a_broken_row(trouble.line);
                }
                self.broken = Some(trouble.line);
            }
            ClaimRows::Anywhere => {
                let expected =
                    format!("expected every row to be readable where claims lie anywhere, but line {}: {}", trouble.line, trouble.expected);
                return Err(refuse(&self.file, trouble.reason, expected));
            }
        }
        self.count += 1;
        let field = Some(trouble.field).filter(|field| !field.is_empty());
        let place = Place { row: self.count, line: Some(trouble.line), segment: None, field };
        let action = reason::action(trouble.reason).to_owned();
        let reject = Reject { file: self.file.clone(), place, reason: trouble.reason.to_owned(), expected: trouble.expected, action };
        self.ready.push_back(crate::Row::Rejected { reject, money: MoneySummary::default() });
        Ok(())
    }

    fn end(&mut self) {
        self.has_ended = true;
        self.close_current();
        self.held_by_number.clear();
        for claim in std::mem::take(&mut self.held) {
            self.give(claim);
        }
    }

    fn close_current(&mut self) {
        if let Some(claim) = self.current.take() {
            self.give(claim);
        }
    }

    fn give(&mut self, claim: Claim) {
        let (row, rounded) = claim.finish(&self.map, &self.file);
        self.rounded += rounded;
        self.ready.push_back(row);
    }
}
