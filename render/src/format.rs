//! Amounts and dates as a member reads them, in each language.
//!
//! Dates are civil dates: what the source says, never shifted by a zone. Amounts are dollars, written as the United States
//! write them in every language; the word behind a negative one is the language's.

use jiff::civil::Date;

/// `$92,233,720,368,547,758.08` is the longest.
const MONEY_BYTES_MAX: usize = 28;

/// An amount as text, on the stack: a message has some hundred of them. The sign is not part of it.
pub(crate) struct Money {
    buffer: [u8; MONEY_BYTES_MAX],
    start: usize,
}

impl Money {
    /// `$1,234.56`, without sign.
    pub(crate) fn new(cents: i64) -> Self {
        let mut money = Self { buffer: [0; MONEY_BYTES_MAX], start: MONEY_BYTES_MAX };
        let cents = cents.unsigned_abs();
        money.prepend_pair(cents % 100);
        money.prepend(b'.');
        let mut dollars = cents / 100;
        while dollars >= 1_000 {
            money.prepend_pair(dollars % 100);
            money.prepend(digit(dollars / 100));
            money.prepend(b',');
            dollars /= 1_000;
        }
        if dollars >= 10 {
            money.prepend_pair(dollars % 100);
            dollars /= 100;
            if dollars > 0 {
                money.prepend(digit(dollars));
            }
        } else {
            money.prepend(digit(dollars));
        }
        money.prepend(b'$');
        money
    }

    /// The text, in ASCII.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("only ASCII is put in")
    }

    fn prepend(&mut self, byte: u8) {
        self.start -= 1;
        self.buffer[self.start] = byte;
    }

    fn prepend_pair(&mut self, number: u64) {
        self.prepend(digit(number));
        self.prepend(digit(number / 10));
    }
}

/// The last digit.
const fn digit(number: u64) -> u8 {
    b'0' + (number % 10) as u8
}

/// A count, without a detour over the formatting machinery.
pub(crate) fn push_number(out: &mut String, number: usize) {
    if number >= 10 {
        push_number(out, number / 10);
    }
    out.push(char::from(digit(number as u64)));
}

/// How amounts are said where digits do not say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AmountWords {
    /// An amount that the source does not state.
    pub(crate) not_stated: String,
    /// Behind a negative amount: `credit`.
    pub(crate) credit: String,
}

impl AmountWords {
    /// Writes an amount: `$1,234.56`, `$45.00 credit`, or that it is not stated.
    pub(crate) fn push(&self, out: &mut String, cents: Option<i64>) {
        match cents {
            None => out.push_str(&self.not_stated),
            Some(cents) => {
                out.push_str(Money::new(cents).as_str());
                if cents < 0 {
                    out.push(' ');
                    out.push_str(&self.credit);
                }
            }
        }
    }

    /// An amount as a text of its own.
    pub(crate) fn text(&self, cents: Option<i64>) -> String {
        let mut out = String::with_capacity(16);
        self.push(&mut out, cents);
        out
    }
}

/// One part of a written date.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Year,
    Month,
    Day,
    Text(String),
}

/// How a language writes dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DateWords {
    months: Vec<String>,
    date: Vec<Piece>,
    month: Vec<Piece>,
    joint: String,
}

impl DateWords {
    /// From the texts of a language: twelve months, two patterns of `YEAR`, `MONTH` and `DAY`, the word between two dates.
    /// `None` where they do not fit.
    pub(crate) fn new(months: &str, date: &str, month: &str, joint: &str) -> Option<Self> {
        let months: Vec<String> = months.split_whitespace().map(str::to_owned).collect();
        let (date, month) = (pieces(date), pieces(month));
        let complete = [Piece::Year, Piece::Month, Piece::Day].iter().all(|piece| date.contains(piece));
        (months.len() == 12 && complete && !month.contains(&Piece::Day)).then(|| Self { months, date, month, joint: joint.to_owned() })
    }

    /// `March 4, 2026`, or `March 4, 2026 to March 6, 2026`.
    pub(crate) fn push_days(&self, out: &mut String, from: Date, to: Option<Date>) {
        self.push(out, &self.date, from);
        if let Some(to) = to.filter(|to| *to != from) {
            out.push(' ');
            out.push_str(&self.joint);
            out.push(' ');
            self.push(out, &self.date, to);
        }
    }

    /// `March 2026`.
    pub(crate) fn month(&self, date: Date) -> String {
        let mut out = String::with_capacity(20);
        self.push(&mut out, &self.month, date);
        out
    }

    fn push(&self, out: &mut String, pieces: &[Piece], date: Date) {
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Month => out.push_str(&self.months[(date.month().unsigned_abs() as usize - 1) % 12]),
                Piece::Day => push_number(out, usize::from(date.day().unsigned_abs())),
                // A statement's dates are of our time; a year before the first would be written without its sign.
                Piece::Year => push_number(out, usize::from(date.year().unsigned_abs())),
            }
        }
    }
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while !rest.is_empty() {
        let names = [("YEAR", Piece::Year), ("MONTH", Piece::Month), ("DAY", Piece::Day)];
        let next = names.into_iter().filter_map(|(name, piece)| rest.find(name).map(|at| (at, name, piece))).min_by_key(|found| found.0);
        let Some((at, name, piece)) = next else {
            pieces.push(Piece::Text(rest.to_owned()));
            break;
        };
        if at > 0 {
            pieces.push(Piece::Text(rest[..at].to_owned()));
        }
        pieces.push(piece);
        rest = &rest[at + name.len()..];
    }
    pieces
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use jiff::civil::date as civil;

    fn words() -> AmountWords {
        AmountWords { not_stated: "— not stated".into(), credit: "credit".into() }
    }

    #[test]
    fn writes_money_as_a_person_reads_it() {
        for (cents, text) in [
            (0, "$0.00"),
            (5, "$0.05"),
            (1_230, "$12.30"),
            (99_999, "$999.99"),
            (100_000, "$1,000.00"),
            (123_456, "$1,234.56"),
            (100_000_105, "$1,000,001.05"),
            (-4_500, "$45.00 credit"),
            (i64::MIN, "$92,233,720,368,547,758.08 credit"),
        ] {
            assert_eq!(words().text(Some(cents)), text);
        }
        assert_eq!(words().text(None), "— not stated");
    }

    #[test]
    fn writes_days_without_a_zone() {
        let (first, last) = (civil(2026, 3, 4), civil(2026, 12, 31));
        let months = "January February March April May June July August September October November December";
        let english = DateWords::new(months, "MONTH DAY, YEAR", "MONTH YEAR", "to").unwrap();
        let days = |words: &DateWords, to| {
            let mut out = String::new();
            words.push_days(&mut out, first, to);
            out
        };
        assert_eq!(days(&english, None), "March 4, 2026");
        assert_eq!(days(&english, Some(first)), "March 4, 2026");
        assert_eq!(days(&english, Some(last)), "March 4, 2026 to December 31, 2026");
        assert_eq!(english.month(last), "December 2026");
        let spanish = DateWords::new("1 2 marzo 4 5 6 7 8 9 10 11 12", "DAY de MONTH de YEAR", "MONTH de YEAR", "al").unwrap();
        assert_eq!(days(&spanish, None), "4 de marzo de 2026");
        assert_eq!(DateWords::new("one two", "DAY MONTH YEAR", "MONTH", ""), None);
        assert_eq!(DateWords::new(months, "MONTH YEAR", "MONTH", ""), None);
    }
}
