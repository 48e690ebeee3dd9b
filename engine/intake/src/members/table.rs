//! Contact rows, packed.
//!
//! ```text
//! entry  = birth date: i32 (day number; MIN = none) | five texts: u16 length, bytes | which: u16 | what `which` says      little endian
//! which  = a bit for each thing that is stated beyond that, in the order of the bits: dates as i32, texts as above, words as one byte
//! index  = u64 per row: 24 bits of the id's hash | 40 bits of place (chunk, offset), sorted after loading
//! ```
//! Chunks of 1 MiB instead of one growing vector: nothing is copied while loading, so the peak is the size. A row that says no more than
//! whose address it is costs two bytes for all the rest.

use super::contact::{Authority, Consent, Contact, Kinds, Postal, Representative, Route, Span, Wish};
use jiff::civil::Date;
use model::Protection;
use model::limits::{CONTACT_ROW_BYTES_MAX, CONTACTS_MAX, TEXT_FIELD_BYTES_MAX};
use zeroize::Zeroize;

const CHUNK_BYTES: usize = 1024 * 1024;
const PLACE_BITS: u32 = 40;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

// The largest row has to fit one chunk, and its longest text a u16.
const _: () = assert!(2 * CONTACT_ROW_BYTES_MAX < CHUNK_BYTES && TEXT_FIELD_BYTES_MAX < u16::MAX as usize);
// Rows of the usual size (under 1 KiB) up to the limit stay within the 40 bits of place.
const _: () = assert!((CONTACTS_MAX as u64) * 1024 < PLACE_MASK);

// The bits of `which`, in the order of what follows.
const DECEASED_ON: u16 = 1 << 0;
const CONSENT_KINDS: u16 = 1 << 1;
const CONSENT_GIVEN_ON: u16 = 1 << 2;
const CONSENT_WITHDRAWN_ON: u16 = 1 << 3;
const REPRESENTATIVE: u16 = 1 << 4;
const REPRESENTATIVE_FROM: u16 = 1 << 5;
const REPRESENTATIVE_UNTIL: u16 = 1 << 6;
const SENSITIVE_ROUTE: u16 = 1 << 7;
const ALTERNATIVE_ADDRESS: u16 = 1 << 8;
const EFFECTIVE_FROM: u16 = 1 << 9;
const EFFECTIVE_UNTIL: u16 = 1 << 10;
const LANGUAGE: u16 = 1 << 11;
const FORMAT: u16 = 1 << 12;
const PROTECTION: u16 = 1 << 13;
const DAMAGED: u16 = 1 << 14;
/// A byte follows that says which of the two postal addresses are stated, then six texts for each.
const POSTAL: u16 = 1 << 15;
const ORDINARY: u8 = 1;
const ALTERNATIVE: u8 = 2;

/// The rows.
#[derive(Default)]
pub(super) struct Table {
    chunks: Vec<Vec<u8>>,
    index: Vec<u64>,
    /// Reused for every row.
    packing: Vec<u8>,
}

impl Table {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Adds a row. [`Table::finish`] must follow the last one.
    pub(super) fn add(&mut self, entry: &Contact<'_>) {
        let mut packed = Packer::new(std::mem::take(&mut self.packing));
        packed.contact(entry);
        let bytes = packed.bytes;
        if self.chunks.last().is_none_or(|chunk| chunk.len() + bytes.len() > CHUNK_BYTES) {
            self.chunks.push(Vec::with_capacity(CHUNK_BYTES));
        }
        let chunk_number = self.chunks.len() - 1;
        let chunk = &mut self.chunks[chunk_number];
        let place = (chunk_number * CHUNK_BYTES + chunk.len()) as u64;
        debug_assert!(place <= PLACE_MASK, "more than a terabyte of contacts");
        chunk.extend_from_slice(&bytes);
        self.packing = bytes;
        self.index.push(hash(entry.id) << PLACE_BITS | place);
    }

    /// Sorts the index.
    pub(super) fn finish(&mut self) {
        self.index.shrink_to_fit();
        self.index.sort_unstable();
    }

    /// The rows with this id (blanks around it and the case of ASCII letters do not count), in the order of the file.
    pub(super) fn with_id<'t>(&'t self, id: &str) -> impl Iterator<Item = Contact<'t>> {
        let id = id.trim().to_owned();
        let wanted = hash(&id);
        let start = self.index.partition_point(|slot| slot >> PLACE_BITS < wanted);
        self.index[start..]
            .iter()
            .take_while(move |slot| *slot >> PLACE_BITS == wanted)
            .map(|slot| self.entry(slot & PLACE_MASK))
            .filter(move |entry| entry.id.trim().eq_ignore_ascii_case(&id))
    }

    /// All rows, in no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = Contact<'_>> {
        self.index.iter().map(|slot| self.entry(slot & PLACE_MASK))
    }

    fn entry(&self, place: u64) -> Contact<'_> {
        let place = usize::try_from(place).expect("places are offsets into memory");
        Unpacker { bytes: &self.chunks[place / CHUNK_BYTES][place % CHUNK_BYTES..] }.contact()
    }
}

struct Packer {
    bytes: Vec<u8>,
}

impl Packer {
    fn new(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self { bytes }
    }

    fn contact(&mut self, contact: &Contact<'_>) {
        self.bytes.extend_from_slice(&contact.birth_date.map_or(i32::MIN, day_number).to_le_bytes());
        [contact.id, contact.name, contact.given_name, contact.family_name, contact.email].iter().for_each(|text| self.text(text));
        let at = self.bytes.len();
        self.bytes.extend_from_slice(&[0, 0]);
        let mut which = 0;
        let Contact { consent, representative, effective, .. } = contact;
        self.date(DECEASED_ON, contact.deceased_on, &mut which);
        self.word(CONSENT_KINDS, consent.kinds.map(Kinds::bits), &mut which);
        self.date(CONSENT_GIVEN_ON, consent.given_on, &mut which);
        self.date(CONSENT_WITHDRAWN_ON, consent.withdrawn_on, &mut which);
        if let Some(representative) = representative {
            self.word(REPRESENTATIVE, Some(authority_number(representative.authority)), &mut which);
            self.text(representative.name);
            self.text(representative.email);
            self.date(REPRESENTATIVE_FROM, representative.during.from, &mut which);
            self.date(REPRESENTATIVE_UNTIL, representative.during.until, &mut which);
        }
        self.route(SENSITIVE_ROUTE, contact.sensitive_route, &mut which);
        self.route(ALTERNATIVE_ADDRESS, contact.alternative_address, &mut which);
        self.date(EFFECTIVE_FROM, effective.from, &mut which);
        self.date(EFFECTIVE_UNTIL, effective.until, &mut which);
        if let Some(language) = contact.language {
            which |= LANGUAGE;
            self.text(language);
        }
        self.word(FORMAT, contact.format.map(wish_number), &mut which);
        self.word(PROTECTION, contact.protection.map(protection_number), &mut which);
        which |= if contact.is_damaged { DAMAGED } else { 0 };
        let postal = [(ORDINARY, contact.postal), (ALTERNATIVE, contact.alternative_postal)];
        let stated = postal.iter().filter(|(_, postal)| postal.is_some()).fold(0, |all, (bit, _)| all | bit);
        self.word(POSTAL, (stated != 0).then_some(stated), &mut which);
        postal.iter().filter_map(|(_, postal)| *postal).flat_map(Postal::parts).for_each(|text| self.text(text));
        self.bytes[at..at + 2].copy_from_slice(&u16::to_le_bytes(which));
    }

    fn text(&mut self, text: &str) {
        let length = u16::try_from(text.len()).expect("checked texts are at most 1,000 bytes");
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn date(&mut self, bit: u16, date: Option<Date>, which: &mut u16) {
        if let Some(date) = date {
            *which |= bit;
            self.bytes.extend_from_slice(&day_number(date).to_le_bytes());
        }
    }

    fn word(&mut self, bit: u16, word: Option<u8>, which: &mut u16) {
        if let Some(word) = word {
            *which |= bit;
            self.bytes.push(word);
        }
    }

    /// A text that is empty for paper: no address is.
    fn route(&mut self, bit: u16, route: Option<Route<'_>>, which: &mut u16) {
        if let Some(route) = route {
            *which |= bit;
            self.text(match route {
                Route::Email(address) => address,
                Route::Paper => "",
            });
        }
    }
}

struct Unpacker<'t> {
    bytes: &'t [u8],
}

impl<'t> Unpacker<'t> {
    fn contact(mut self) -> Contact<'t> {
        let birth_date = date_of(self.number());
        let [id, name, given_name, family_name, email] = std::array::from_fn(|_| self.text());
        let which = u16::from_le_bytes(self.take());
        let is = |bit: u16| which & bit != 0;
        Contact {
            id,
            name,
            given_name,
            family_name,
            email,
            birth_date,
            deceased_on: self.date(is(DECEASED_ON)),
            consent: Consent {
                kinds: self.word(is(CONSENT_KINDS)).map(Kinds::from_bits),
                given_on: self.date(is(CONSENT_GIVEN_ON)),
                withdrawn_on: self.date(is(CONSENT_WITHDRAWN_ON)),
            },
            representative: is(REPRESENTATIVE).then(|| Representative {
                authority: authority_of(self.take::<1>()[0]),
                name: self.text(),
                email: self.text(),
                during: Span { from: self.date(is(REPRESENTATIVE_FROM)), until: self.date(is(REPRESENTATIVE_UNTIL)) },
            }),
            sensitive_route: self.route(is(SENSITIVE_ROUTE)),
            alternative_address: self.route(is(ALTERNATIVE_ADDRESS)),
            effective: Span { from: self.date(is(EFFECTIVE_FROM)), until: self.date(is(EFFECTIVE_UNTIL)) },
            language: is(LANGUAGE).then(|| self.text()),
            format: self.word(is(FORMAT)).map(wish_of),
            protection: self.word(is(PROTECTION)).map(protection_of),
            is_damaged: is(DAMAGED),
            ..self.postal(is(POSTAL))
        }
    }

    /// What is left of an entry: read last, as it was written.
    fn postal(&mut self, is_there: bool) -> Contact<'t> {
        let stated = self.word(is_there).unwrap_or(0);
        let mut address = |bit: u8| (stated & bit != 0).then(|| Postal::of(std::array::from_fn(|_| self.text()))).flatten();
        Contact { postal: address(ORDINARY), alternative_postal: address(ALTERNATIVE), ..Contact::default() }
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.bytes.split_first_chunk::<N>().expect("an entry has what its bits say");
        self.bytes = rest;
        *taken
    }

    fn number(&mut self) -> i32 {
        i32::from_le_bytes(self.take())
    }

    fn text(&mut self) -> &'t str {
        let (text, rest) = {
            let length = u16::from_le_bytes(self.take());
            self.bytes.split_at(usize::from(length))
        };
        self.bytes = rest;
        std::str::from_utf8(text).expect("texts were stored as UTF-8")
    }

    fn date(&mut self, is_there: bool) -> Option<Date> {
        is_there.then(|| self.number()).and_then(date_of)
    }

    fn word(&mut self, is_there: bool) -> Option<u8> {
        is_there.then(|| self.take::<1>()[0])
    }

    fn route(&mut self, is_there: bool) -> Option<Route<'t>> {
        is_there.then(|| self.text()).map(|text| if text.is_empty() { Route::Paper } else { Route::Email(text) })
    }
}

const fn authority_number(authority: Option<Authority>) -> u8 {
    match authority {
        None => 0,
        Some(Authority::Parent) => 1,
        Some(Authority::Guardian) => 2,
        Some(Authority::PowerOfAttorney) => 3,
        Some(Authority::Executor) => 4,
    }
}

const fn authority_of(number: u8) -> Option<Authority> {
    match number {
        1 => Some(Authority::Parent),
        2 => Some(Authority::Guardian),
        3 => Some(Authority::PowerOfAttorney),
        4 => Some(Authority::Executor),
        _ => None,
    }
}

const fn wish_number(wish: Wish) -> u8 {
    match wish {
        Wish::Full => 0,
        Wish::Notice => 1,
        Wish::Paper => 2,
    }
}

const fn wish_of(number: u8) -> Wish {
    match number {
        0 => Wish::Full,
        1 => Wish::Notice,
        _ => Wish::Paper,
    }
}

const fn protection_number(protection: Protection) -> u8 {
    match protection {
        Protection::PlaintextLoopback => 0,
        Protection::TlsEncrypted => 1,
        Protection::TlsVerified => 2,
    }
}

const fn protection_of(number: u8) -> Protection {
    match number {
        0 => Protection::PlaintextLoopback,
        1 => Protection::TlsEncrypted,
        _ => Protection::TlsVerified,
    }
}

/// The rows are personal data.
impl Drop for Table {
    fn drop(&mut self) {
        self.chunks.iter_mut().for_each(Zeroize::zeroize);
        self.packing.zeroize();
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
            let email = format!("a{at}@mail.example");
            table.add(&Contact { id, name: "Ada", email: &email, birth_date, ..Contact::default() });
        }
        table.finish();
        assert_eq!(table.len(), 60_000);
        assert!(table.chunks.len() > 1);
        for at in (0..60_000).step_by(7) {
            let found: Vec<_> = table.with_id(&ids[at].to_lowercase()).collect();
            assert_eq!(found.len(), 2);
            let own = &found[at % 2];
            assert_eq!((own.email, own.birth_date.is_some()), (format!("a{at}@mail.example").as_str(), at % 3 > 0));
        }
        assert_eq!(table.with_id("M9999999").count(), 0);
    }

    #[test]
    fn everything_comes_back_as_it_was() {
        let span = |first, last| Span { from: Some(Date::constant(2026, 1, first)), until: Some(Date::constant(2026, 2, last)) };
        let whole = Contact {
            id: "M1",
            name: "Ada Example",
            given_name: "Ada",
            family_name: "Example",
            email: "ada@mail.example",
            birth_date: Some(Date::constant(1950, 2, 3)),
            deceased_on: Some(Date::constant(2026, 1, 9)),
            consent: Consent {
                kinds: Some(Kinds::EOB.with(Kinds::NOTICE)),
                given_on: Some(Date::constant(2025, 5, 6)),
                withdrawn_on: Some(Date::constant(2026, 7, 8)),
            },
            representative: Some(Representative {
                name: "Bo Example",
                email: "bo@mail.example",
                authority: Some(Authority::Executor),
                during: span(1, 2),
            }),
            sensitive_route: Some(Route::Email("private@mail.example")),
            alternative_address: Some(Route::Paper),
            effective: span(3, 4),
            language: Some("es"),
            format: Some(Wish::Notice),
            protection: Some(Protection::TlsVerified),
            postal: Postal::of(["1 Main St", "Apt 2", "Springfield", "EX", "00001", ""]),
            alternative_postal: Postal::of(["PO Box 9", "", "Shelby", "EX", "00002", "US"]),
            is_damaged: true,
        };
        // Each part alone, then without it, then all: what is absent must not shift what follows.
        let parts: [fn(&mut Contact<'_>); 13] = [
            |c| c.deceased_on = None,
            |c| c.consent = Consent::default(),
            |c| c.consent.kinds = None,
            |c| c.representative = None,
            |c| c.sensitive_route = None,
            |c| c.alternative_address = None,
            |c| c.effective = Span::default(),
            |c| c.language = None,
            |c| c.format = None,
            |c| c.protection = None,
            |c| c.is_damaged = false,
            |c| c.postal = None,
            |c| c.alternative_postal = None,
        ];
        let mut contacts = vec![whole];
        for part in parts {
            let mut one = contacts[0].clone();
            part(&mut one);
            contacts.push(one);
            let mut less = contacts.last().unwrap().clone();
            parts.iter().step_by(2).for_each(|part| part(&mut less));
            contacts.push(less);
        }
        let mut table = Table::default();
        contacts.iter().for_each(|contact| table.add(contact));
        table.finish();
        assert_eq!(table.with_id("m1").collect::<Vec<_>>(), contacts);
    }
}
