//! Contact rows out of a file: delimited text or NDJSON.
//!
//! A row that does not end (a quote is open) is given up at the limit, and reading goes on at the line after its first: one bad
//! quote costs one row and not the file.

use super::columns::{self, Column, ColumnsSeen, ContactRow, column, rank};
use crate::error::{Undetected, refuse, unreadable};
use crate::formats::without_blanks;
use crate::window::Window;
use crate::{reason, validate};
use jiff::civil::Date;
use memchr::{memchr, memchr2};
use model::limits::CONTACT_ROW_BYTES_MAX;
use model::reject::Refusal;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};

/// A file of contact rows.
pub(super) struct Source<'r> {
    window: Window<'r>,
    layout: Layout,
    columns: ColumnsSeen,
    line: u64,
    taken: usize,
}

enum Layout {
    Delimited { delimiter: u8, columns: Vec<Option<Column>> },
    Objects,
}

/// A row's place, and the row or why it is none (reason, field).
type Found<'a> = (u64, Result<ContactRow<'a>, (&'static str, &'static str)>);

impl<'r> Source<'r> {
    /// Reads the header, or finds that the rows are JSON objects.
    pub(super) fn open(reader: Box<dyn Read + 'r>, file: &str) -> Result<Self, Refusal> {
        let mut source = Self {
            window: Window::new(reader, 2 * CONTACT_ROW_BYTES_MAX),
            layout: Layout::Objects,
            columns: ColumnsSeen::default(),
            line: 0,
            taken: 0,
        };
        source.window.ensure(4).map_err(|error| unreadable(file, &error))?;
        if source.window.bytes().starts_with(&[0xff, 0xfe]) || source.window.bytes().starts_with(&[0xfe, 0xff]) {
            return Err(Undetected::Utf16.refusal(file));
        }
        let bom = if source.window.bytes().starts_with(&[0xef, 0xbb, 0xbf]) { 3 } else { 0 };
        source.window.consume(bom);
        let Some((line, header)) = source.record(b'\0').map_err(|error| unreadable(file, &error))? else {
            return Err(Undetected::Empty.refusal(file));
        };
        let header = header.to_vec();
        if without_blanks(&header).starts_with(b"{") {
            // The first object is the first row: it is read again.
            source.line = line - 1;
            source.taken = 0;
            return Ok(source);
        }
        let delimiter = delimiter_of(&header);
        let columns = columns_of(&header, delimiter, &mut source.columns);
        let has = |column| columns.contains(&Some(column));
        let tells_person = has(Column::Name) || (has(Column::GivenName) && has(Column::FamilyName)) || has(Column::BirthDate);
        if !has(Column::MemberId) || !has(Column::Email) || !tells_person {
            let expected = "expected a header line with member_id, email, and name (or given_name and family_name) or birth_date";
            return Err(refuse(file, reason::COLUMNS_MISSING, expected));
        }
        source.layout = Layout::Delimited { delimiter, columns };
        Ok(source)
    }

    /// The columns or keys seen so far.
    pub(super) fn columns(&self) -> &ColumnsSeen {
        &self.columns
    }

    /// The next row that is not blank.
    pub(super) fn next_row(&mut self) -> io::Result<Option<Found<'_>>> {
        let quote_opens_after = match &self.layout {
            Layout::Delimited { delimiter, .. } => *delimiter,
            Layout::Objects => b'\n',
        };
        let Some((line, length)) = self.record_length(quote_opens_after)? else { return Ok(None) };
        let Some(length) = length else { return Ok(Some((line, Err((reason::ROW_TOO_LONG, "row"))))) };
        let record = without_line_end(&self.window.bytes()[..length]);
        let row = match &self.layout {
            Layout::Delimited { delimiter, columns } => delimited(record, *delimiter, columns),
            Layout::Objects => object(record, &mut self.columns),
        };
        Ok(Some((line, row)))
    }

    fn record(&mut self, delimiter: u8) -> io::Result<Option<(u64, &[u8])>> {
        let Some((line, length)) = self.record_length(delimiter)? else { return Ok(None) };
        Ok(Some((line, without_line_end(&self.window.bytes()[..length.unwrap_or(0)]))))
    }

    /// The line and length of the next record that is not blank; no length where it is beyond the limit.
    fn record_length(&mut self, delimiter: u8) -> io::Result<Option<(u64, Option<usize>)>> {
        loop {
            self.window.consume(self.taken);
            self.taken = 0;
            let first_line = self.line + 1;
            let Some((end, next)) = self.find_end(delimiter)? else {
                if self.window.is_empty() {
                    return Ok(None);
                }
                self.line += 1;
                self.window.pass_over(b'\n')?;
                return Ok(Some((first_line, None)));
            };
            self.line += self.window.bytes()[..next].iter().filter(|byte| **byte == b'\n').count().max(1) as u64;
            self.taken = next;
            if !without_blanks(&self.window.bytes()[..end]).is_empty() {
                return Ok(Some((first_line, Some(end))));
            }
        }
    }

    /// Where the record ends and the next begins; `None` at the end of the file or beyond the limit.
    fn find_end(&mut self, delimiter: u8) -> io::Result<Option<(usize, usize)>> {
        loop {
            let there = self.window.bytes();
            match record_end(there, delimiter) {
                Some(end) if end <= CONTACT_ROW_BYTES_MAX => return Ok(Some((end, end + 1))),
                Some(_) => return Ok(None),
                None if there.len() > CONTACT_ROW_BYTES_MAX => return Ok(None),
                None => {}
            }
            let all = there.len();
            if !self.window.fill()? {
                if all == 0 {
                    return Ok(None);
                }
                // A quote that is open at the end of the file: the record is its first line only.
                let bytes = self.window.bytes();
                let end = memchr(b'\n', bytes).map_or((all, all), |at| (at, at + 1));
                return Ok(Some(end));
            }
        }
    }
}

/// `CCYY-MM-DD`, `CCYYMMDD` or, as American exports write it, `MM/DD/CCYY`.
pub(super) fn civil_date(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    validate::iso_date(bytes).or_else(|| validate::compact_date(bytes)).or_else(|| {
        let mut parts = bytes.split(|byte| *byte == b'/');
        let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
        let fits = parts.next().is_none() && (1..=2).contains(&month.len()) && (1..=2).contains(&day.len()) && year.len() == 4;
        if fits { validate::date(year, month, day) } else { None }
    })
}

/// The line feed that ends a record: the first one outside of quotes. A quote opens only at the start of a field.
fn record_end(bytes: &[u8], delimiter: u8) -> Option<usize> {
    let mut from = 0;
    let mut quoted = false;
    let mut after_closing = None;
    loop {
        if quoted {
            from += memchr(b'"', &bytes[from..])? + 1;
            quoted = false;
            after_closing = Some(from);
            continue;
        }
        let at = from + memchr2(b'\n', b'"', &bytes[from..])?;
        if bytes[at] == b'\n' {
            return Some(at);
        }
        // `""` within quotes closes and opens again.
        quoted = at == 0 || bytes[at - 1] == delimiter || after_closing == Some(at);
        from = at + 1;
    }
}

/// Without its line end. Blanks stay: a tab may be an empty first field.
fn without_line_end(record: &[u8]) -> &[u8] {
    let length = record.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | 0x1a)).map_or(0, |last| last + 1);
    &record[..length]
}

/// The one of comma, semicolon, tab and bar that parts the most columns we know.
fn delimiter_of(header: &[u8]) -> u8 {
    let known = |delimiter: u8| {
        let columns = fields(header, delimiter).into_iter().filter(|name| name.as_ref().is_ok_and(|name| column(name).is_some()));
        columns.count()
    };
    // The last of equals wins in max_by_key, so the commonest stands last.
    *b"|\t;,".iter().max_by_key(|delimiter| known(**delimiter)).expect("there are four to choose from")
}

/// The columns of a header. Where two names mean the same column (`id` and `member_id`), the plainer one is it.
fn columns_of(header: &[u8], delimiter: u8, seen: &mut ColumnsSeen) -> Vec<Option<Column>> {
    let names = fields(header, delimiter);
    let ranks: Vec<Option<usize>> = names.iter().map(|name| rank(name.as_ref().ok()?)).collect();
    let is_best = |rank: usize| !ranks.iter().flatten().any(|other| *other < rank && columns::of_rank(*other) == columns::of_rank(rank));
    let columns: Vec<Option<Column>> = ranks.iter().map(|rank| rank.filter(|rank| is_best(*rank)).map(columns::of_rank)).collect();
    for (name, column) in names.iter().zip(&columns) {
        match column {
            Some(column) => seen.note(*column),
            None => seen.pass_over(name.as_deref().unwrap_or("?")),
        }
    }
    columns
}

/// The fields of a record, unquoted and trimmed (RFC 4180 section 2).
fn fields(record: &[u8], delimiter: u8) -> Vec<Result<Cow<'_, str>, std::str::Utf8Error>> {
    let mut fields = Vec::with_capacity(8);
    let mut rest = record;
    loop {
        let (field, after) = match rest.first() {
            Some(b'"') => quoted_field(rest, delimiter),
            _ => {
                let end = memchr(delimiter, rest).unwrap_or(rest.len());
                (Cow::Borrowed(&rest[..end]), &rest[end..])
            }
        };
        fields.push(match field {
            Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(|text| Cow::Borrowed(text.trim())),
            Cow::Owned(bytes) => {
                String::from_utf8(bytes).map(|text| Cow::Owned(text.trim().to_owned())).map_err(|error| error.utf8_error())
            }
        });
        match after.split_first() {
            Some((_, after)) => rest = after,
            None => return fields,
        }
    }
}

/// A field that begins with a quote, and what follows it (a delimiter first, or nothing).
fn quoted_field(bytes: &[u8], delimiter: u8) -> (Cow<'_, [u8]>, &[u8]) {
    let mut text = Vec::new();
    let mut rest = &bytes[1..];
    loop {
        let Some(at) = memchr(b'"', rest) else {
            text.extend_from_slice(rest);
            return (Cow::Owned(text), &[]);
        };
        text.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if rest.first() == Some(&b'"') {
            text.push(b'"');
            rest = &rest[1..];
            continue;
        }
        let end = memchr(delimiter, rest).unwrap_or(rest.len());
        text.extend_from_slice(&rest[..end]);
        return (Cow::Owned(text), &rest[end..]);
    }
}

fn delimited<'a>(record: &'a [u8], delimiter: u8, columns: &[Option<Column>]) -> Result<ContactRow<'a>, (&'static str, &'static str)> {
    let mut row = ContactRow::default();
    let fields = fields(record, delimiter);
    // A delimiter too many (an unquoted "Family, Given") would shift every field after it.
    if fields.iter().skip(columns.len()).any(|field| field.as_ref().is_ok_and(|field| !field.is_empty())) {
        return Err((reason::COLUMN_COUNT_DIFFERS, "row"));
    }
    for (field, column) in fields.into_iter().zip(columns) {
        let Some(column) = column else { continue };
        row.set(*column, field.map_err(|_| (reason::TEXT_NOT_UTF8, column.name()))?);
    }
    Ok(row)
}

fn object(record: &[u8], seen: &mut ColumnsSeen) -> Result<ContactRow<'static>, (&'static str, &'static str)> {
    let text = std::str::from_utf8(record).map_err(|_| (reason::TEXT_NOT_UTF8, "row"))?;
    let values: BTreeMap<String, Value> = serde_json::from_str(text).map_err(|_| (reason::JSON_INVALID, "row"))?;
    let mut known = Vec::new();
    for (name, value) in values {
        match (rank(&name), value) {
            // `"consent": {"given_on": …}` is `consent_given_on`.
            (_, Value::Object(parts)) => {
                for (part, value) in parts {
                    let name = format!("{name}_{part}");
                    match rank(&name) {
                        Some(rank) => known.push((rank, value)),
                        None => seen.pass_over(&name),
                    }
                }
            }
            (Some(rank), value) => known.push((rank, value)),
            (None, _) => seen.pass_over(&name),
        }
    }
    // The plainest name of a column last, so that it stays.
    known.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    let mut row = ContactRow::default();
    for (rank, value) in known {
        let column = columns::of_rank(rank);
        seen.note(column);
        match value {
            Value::Null => {}
            Value::String(text) => row.set(column, Cow::Owned(text.trim().to_owned())),
            Value::Bool(yes) if column == Column::ConsentKinds => row.set(column, Cow::Borrowed(if yes { "yes" } else { "no" })),
            Value::Array(words) if column == Column::ConsentKinds => row.set(column, Cow::Owned(list(&words)?)),
            _ => return Err((reason::JSON_INVALID, column.name())),
        }
    }
    Ok(row)
}

/// `["eob", "bill"]` as a list of words.
fn list(words: &[Value]) -> Result<String, (&'static str, &'static str)> {
    let texts: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
    let texts = texts.ok_or((reason::JSON_INVALID, Column::ConsentKinds.name()))?;
    // An empty list is a word: nothing was consented to.
    Ok(if texts.is_empty() { "none".to_owned() } else { texts.join(" ") })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = Vec<(u64, Result<[String; 3], &'static str>)>;

    fn rows(text: &str) -> Result<Rows, &'static str> {
        let mut source = Source::open(Box::new(text.as_bytes()), "c.csv").map_err(|refusal| refusal.reason)?;
        let mut rows = Vec::new();
        while let Some((line, row)) = source.next_row().unwrap() {
            let row = row.map(|row| [row.member_id.into_owned(), row.name.into_owned(), row.email.into_owned()]);
            rows.push((line, row.map_err(|(reason, _)| reason)));
        }
        Ok(rows)
    }

    fn plain(rows: &[(u64, [&str; 3])]) -> Rows {
        rows.iter().map(|(line, row)| (*line, Ok(row.map(str::to_owned)))).collect()
    }

    #[test]
    fn reads_the_delimiters_and_headers_of_real_exports() {
        let expected = plain(&[(2, ["M1", "Ada Example", "ada@mail.example"]), (4, ["M2", "Sample, \"Ben\"", "b@mail.example"])]);
        for (delimiter, header) in [
            (",", "member_id,name,email"),
            (";", "Member ID;Full Name;E-Mail"),
            ("\t", "MEMBERID\tname\tmail"),
            ("|", "id|NAME|email_address"),
        ] {
            let text = format!(
                "\u{feff}{header}\r\nM1{delimiter}Ada Example{delimiter} ada@mail.example\r\n\r\nM2{delimiter}\"Sample, \"\"Ben\"\"\"{delimiter}b@mail.example"
            );
            assert_eq!(rows(&text).unwrap(), expected, "{header}");
        }
    }

    #[test]
    fn the_plainest_of_two_names_for_a_column_is_it() {
        let expected = plain(&[(2, ["M1", "Ada", "a@b.example"])]);
        for header in ["id,member_id,full_name,e-mail", "ID,Member ID,Name,Email"] {
            assert_eq!(rows(&format!("{header}\n77,M1,Ada,a@b.example\n")).unwrap(), expected);
        }
        assert_eq!(rows("member_id,id,name,email\nM1,77,Ada,a@b.example\n").unwrap(), expected);
    }

    #[test]
    fn reads_objects() {
        let text = "{\"member_id\":\"M1\",\"name\":\"Ada\",\"email\":\"a@b.example\",\"plan\":7}\n\n{\"member_id\":1}\nnot json\n";
        let found = rows(text).unwrap();
        assert_eq!(found[0], (1, Ok(["M1".to_owned(), "Ada".to_owned(), "a@b.example".to_owned()])));
        assert_eq!(found[1..], [(3, Err(reason::JSON_INVALID)), (4, Err(reason::JSON_INVALID))]);
    }

    #[test]
    fn a_quote_left_open_costs_one_row() {
        let filler = "Mx,Somebody,s@mail.example\n".repeat(10_000);
        let text = format!("member_id,name,email\nM1,\"open,a@mail.example\n{filler}M2,Ben,b@mail.example\n");
        let found = rows(&text).unwrap();
        assert_eq!(found.len(), 10_002);
        assert_eq!(found[0], (2, Err(reason::ROW_TOO_LONG)));
        assert_eq!(found[1].0, 3);
        assert_eq!(found.last().unwrap().0, 10_003);
        let at_end = rows("member_id,name,email\nM1,\"open,a@mail.example\nM2,Ben,b@mail.example\n").unwrap();
        assert_eq!(at_end.len(), 2);
        assert_eq!(at_end[1].1.as_ref().unwrap()[0], "M2");
    }

    #[test]
    fn a_line_end_within_quotes_is_part_of_the_field() {
        let found = rows("member_id,name,email\nM1,\"Ada\nExample\",a@mail.example\nM2,B,b@mail.example\n").unwrap();
        assert_eq!((found[0].0, found[1].0), (2, 4));
        assert_eq!(found[0].1.as_ref().unwrap()[1], "Ada\nExample");
    }

    #[test]
    fn refuses_files_without_what_it_needs() {
        assert_eq!(rows("").unwrap_err(), reason::EMPTY_FILE);
        assert_eq!(rows("\u{feff}\r\n\r\n").unwrap_err(), reason::EMPTY_FILE);
        for header in ["member_id,email", "name,email", "member_id,name", "a,b,c", "member_id,given_name,email"] {
            assert_eq!(rows(&format!("{header}\nx,y,z\n")).unwrap_err(), reason::COLUMNS_MISSING, "{header}");
        }
    }

    #[test]
    fn birth_dates_in_three_forms() {
        for text in ["1990-02-28", "19900228", "02/28/1990", "2/28/1990"] {
            assert_eq!(civil_date(text), Some(Date::constant(1990, 2, 28)), "{text}");
        }
        for text in ["28/02/1990", "02/30/1990", "2/28/90", "1990", "02/28/1990/1"] {
            assert_eq!(civil_date(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_the_csv_crate(table in proptest::collection::vec(
            [r#"[a-zM0-9,"; ]{1,8}"#, r#"[A-Z ,"é\n]{1,12}"#, r#"[a-z@.]{1,9}"#], 1..8
        )) {
            let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            writer.write_record(["member_id", "name", "email"]).unwrap();
            for row in &table {
                writer.write_record(row).unwrap();
            }
            let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let found: Vec<_> = rows(&text).unwrap().into_iter().map(|(_, row)| row.unwrap()).collect();
            let expected: Vec<[String; 3]> = table.iter().map(|row| row.clone().map(|field| field.trim().to_owned())).collect();
            proptest::prop_assert_eq!(found, expected);
        }

        #[test]
        fn no_bytes_make_it_panic_or_lose_lines(text in "[A-Za-z0-9,;\"\n\r|\t]{0,300}") {
            let _ = rows(&format!("member_id,name,email\n{text}"));
        }
    }
}
