//! Contact rows, packed.
//!
//! ```text
//! entry  = birth date: i32 (day number; MIN = none) | five texts: u16 length, bytes        little endian
//! index  = u64 per row: 24 bits of the id's hash | 40 bits of place (chunk, offset), sorted after loading
//! ```
//! Chunks of 1 MiB instead of one growing vector: nothing is copied while loading, so the peak is the size.

use jiff::civil::Date;
use model::limits::{CONTACT_ROW_BYTES_MAX, CONTACTS_MAX, TEXT_FIELD_BYTES_MAX};
use zeroize::Zeroize;

const CHUNK_BYTES: usize = 1024 * 1024;
const PLACE_BITS: u32 = 40;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

// The largest row has to fit one chunk, and its longest text a u16.
const _: () = assert!(2 * CONTACT_ROW_BYTES_MAX < CHUNK_BYTES && TEXT_FIELD_BYTES_MAX < u16::MAX as usize);
// Rows of the usual size (under 1 KiB) up to the limit stay within the 40 bits of place.
const _: () = assert!((CONTACTS_MAX as u64) * 1024 < PLACE_MASK);

/// One contact row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry<'t> {
    pub(super) id: &'t str,
    pub(super) name: &'t str,
    pub(super) given_name: &'t str,
    pub(super) family_name: &'t str,
    pub(super) email: &'t str,
    pub(super) birth_date: Option<Date>,
}

/// The rows.
#[derive(Default)]
pub(super) struct Table {
    chunks: Vec<Vec<u8>>,
    index: Vec<u64>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Adds a row. [`Table::finish`] must follow the last one.
    pub(super) fn add(&mut self, entry: &Entry<'_>) {
        let texts = [entry.id, entry.name, entry.given_name, entry.family_name, entry.email];
        let size = 4 + texts.iter().map(|text| 2 + text.len()).sum::<usize>();
        if self.chunks.last().is_none_or(|chunk| chunk.len() + size > CHUNK_BYTES) {
            self.chunks.push(Vec::with_capacity(CHUNK_BYTES));
        }
        let chunk_number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[chunk_number];
        let place = (chunk_number * CHUNK_BYTES + chunk.len()) as u64;
        debug_assert!(place <= PLACE_MASK, "more than a terabyte of contacts");
        let day = entry.birth_date.map_or(i32::MIN, day_number);
        chunk.extend_from_slice(&day.to_le_bytes());
        for text in texts {
            let length = u16::try_from(text.len()).expect("checked texts are at most 1,000 bytes");
            chunk.extend_from_slice(&length.to_le_bytes());
            chunk.extend_from_slice(text.as_bytes());
        }
        self.index.push(hash(entry.id) << PLACE_BITS | place);
    }

    /// Sorts the index.
    pub(super) fn finish(&mut self) {
        self.index.shrink_to_fit();
        self.index.sort_unstable();
    }

    /// The rows with this id (blanks around it and the case of ASCII letters do not count), in the order of the file.
    pub(super) fn with_id<'t>(&'t self, id: &str) -> impl Iterator<Item = Entry<'t>> {
        let id = id.trim().to_owned();
        let wanted = hash(&id);
        let start = self.index.partition_point(|slot| slot >> PLACE_BITS < wanted);
        self.index[start..]
            .iter()
            .take_while(move |slot| *slot >> PLACE_BITS == wanted)
            .map(|slot| self.entry(slot & PLACE_MASK))
            .filter(move |entry| entry.id.trim().eq_ignore_ascii_case(&id))
    }

    fn entry(&self, place: u64) -> Entry<'_> {
        let place = usize::try_from(place).expect("places are offsets into memory");
        let mut bytes = &self.chunks[place / CHUNK_BYTES][place % CHUNK_BYTES..];
        let (day, rest) = bytes.split_first_chunk::<4>().expect("an entry begins with its date");
        bytes = rest;
        let mut text = || {
            let (length, rest) = bytes.split_first_chunk::<2>().expect("each text begins with its length");
            let (text, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)));
            bytes = rest;
            std::str::from_utf8(text).expect("texts were stored as UTF-8")
        };
        let (id, name, given_name, family_name, email) = (text(), text(), text(), text(), text());
        Entry { id, name, given_name, family_name, email, birth_date: date_of(i32::from_le_bytes(*day)) }
    }
}

/// The rows are personal data.
impl Drop for Table {
    fn drop(&mut self) {
        self.chunks.iter_mut().for_each(Zeroize::zeroize);
    }
}

/// Year, month and day in one number; only equality matters.
fn day_number(date: Date) -> i32 {
    i32::from(date.year()) * 10_000 + i32::from(date.month()) * 100 + i32::from(date.day())
}

fn date_of(number: i32) -> Option<Date> {
    if number == i32::MIN {
        return None;
    }
    let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
    Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// 24 bits of FNV-1a over the trimmed id in lower case. Collisions cost a comparison, no more.
fn hash(id: &str) -> u64 {
    let folded = id.trim().bytes().map(|byte| byte.to_ascii_lowercase());
    let hash = folded.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ (hash >> 32)) & 0x00ff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_row_among_many() {
        let mut table = Table::default();
        let ids: Vec<String> = (0..60_000).map(|number| format!("M{:07}", number / 2)).collect();
        for (at, id) in ids.iter().enumerate() {
            let birth_date = (at % 3 > 0).then(|| Date::constant(1950, 2, 3));
            table.add(&Entry { id, name: "Ada", given_name: "", family_name: "", email: &format!("a{at}@mail.example"), birth_date });
        }
        table.finish();
        assert_eq!(table.len(), 60_000);
        assert!(table.chunks.len() > 1);
        for at in (0..60_000).step_by(7) {
            let found: Vec<_> = table.with_id(&ids[at].to_lowercase()).collect();
            assert_eq!(found.len(), 2);
            let own = found[at % 2];
            assert_eq!((own.email, own.birth_date.is_some()), (format!("a{at}@mail.example").as_str(), at % 3 > 0));
        }
        assert_eq!(table.with_id("M9999999").count(), 0);
    }
}
