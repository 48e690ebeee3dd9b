//! Gzip and zip files are read as what is in them; what is not whole, not one file or not reasonable is refused, saying so.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use intake::{InputProfile, Row, Wrapping, WrappingLimits};
use std::io::{Read, Write};

const BATCH: &str = "{\"kind\":\"eob\",\"claim_number\":\"C1\",\"member\":{\"id\":\"M1\",\"name\":\"Ada Example\"},\"status\":\"denied\",\
                     \"totals\":{\"billed\":\"10.00\",\"member_owes\":\"0.00\"}}\n";

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// A member of a zip file: name, content, stored or deflated, lengths before or after the data.
struct Member<'a> {
    name: &'a str,
    content: &'a [u8],
    deflated: bool,
    descriptor: bool,
}

const fn member<'a>(name: &'a str, content: &'a [u8]) -> Member<'a> {
    Member { name, content, deflated: true, descriptor: false }
}

fn zip(members: &[Member<'_>]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(member.content).unwrap();
        let packed = if member.deflated { encoder.finish().unwrap() } else { member.content.to_vec() };
        let mut crc = flate2::Crc::new();
        crc.update(member.content);
        let lengths: Vec<u8> =
            [crc.sum(), packed.len() as u32, member.content.len() as u32].iter().flat_map(|word| word.to_le_bytes()).collect();
        let flags: u16 = if member.descriptor { 8 } else { 0 };
        let method: u16 = if member.deflated { 8 } else { 0 };
        let mut shared = vec![20, 0];
        shared.extend(flags.to_le_bytes());
        shared.extend(method.to_le_bytes());
        shared.extend([0; 4]);
        let name_length = (member.name.len() as u16).to_le_bytes();
        let offset = (file.len() as u32).to_le_bytes();
        file.extend(b"PK\x03\x04");
        file.extend(&shared);
        file.extend(if member.descriptor { vec![0; 12] } else { lengths.clone() });
        file.extend(name_length);
        file.extend([0, 0]);
        file.extend(member.name.as_bytes());
        file.extend(&packed);
        if member.descriptor {
            file.extend(b"PK\x07\x08");
            file.extend(&lengths);
        }
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&shared);
        directory.extend(&lengths);
        directory.extend(name_length);
        directory.extend([0; 12]);
        directory.extend(offset);
        directory.extend(member.name.as_bytes());
    }
    let count = (members.len() as u16).to_le_bytes();
    let (start, length) = (file.len() as u32, directory.len() as u32);
    file.extend(directory);
    file.extend(b"PK\x05\x06\0\0\0\0");
    file.extend(count);
    file.extend(count);
    file.extend(length.to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

/// The number of statements, or the reason of the refusal, wherever in the file it was found.
fn statements(file: &[u8]) -> Result<usize, &'static str> {
    let mut rows = intake::open(&InputProfile::default(), "batch", Box::new(file)).map_err(|refusal| refusal.reason)?;
    let mut count = 0;
    for row in rows.by_ref() {
        match row.map_err(|refusal| refusal.reason)? {
            Row::Statement(_) => count += 1,
            other => panic!("{other:?}"),
        }
    }
    Ok(count)
}

#[test]
fn gzip_is_known_by_its_bytes_and_read_member_after_member() {
    let two = [gzip(BATCH.as_bytes()), gzip(b""), gzip(BATCH.as_bytes())].concat();
    assert_eq!(statements(&two), Ok(2));
    let rows = intake::open(&InputProfile::default(), "named.835", Box::new(two.as_slice())).unwrap();
    assert_eq!(rows.wrapping(), Wrapping::Gzip);
    let halves = [gzip(&BATCH.as_bytes()[..40]), gzip(&BATCH.as_bytes()[40..])].concat();
    assert_eq!(statements(&halves), Ok(1), "a record may go across members");
}

#[test]
fn a_gzip_or_zip_file_cut_at_any_byte_is_refused_and_never_a_shorter_batch() {
    let content = BATCH.repeat(3);
    let gzipped = [gzip(content.as_bytes()), gzip(content.as_bytes())].concat();
    let one_member = gzip(content.as_bytes()).len();
    for end in 1..gzipped.len() {
        match statements(&gzipped[..end]) {
            // Between two members nothing tells that one is missing: RFC 1952 has no count of members.
            Ok(count) => assert_eq!((end, count), (one_member, 3)),
            Err(reason) => assert!(["wrapping_truncated", "format_unknown"].contains(&reason), "{end}: {reason}"),
        }
    }
    for deflated in [true, false] {
        for descriptor in [true, false].into_iter().filter(|descriptor| deflated || !descriptor) {
            let zipped = zip(&[Member { name: "b.ndjson", content: content.as_bytes(), deflated, descriptor }]);
            assert_eq!(statements(&zipped), Ok(3));
            for end in 4..zipped.len() {
                assert_eq!(statements(&zipped[..end]), Err("wrapping_truncated"), "{end} of {}", zipped.len());
            }
        }
    }
}

#[test]
fn a_flipped_bit_never_makes_another_batch() {
    let content = BATCH.repeat(2);
    for whole in [gzip(content.as_bytes()), zip(&[member("b.ndjson", content.as_bytes())])] {
        for at in 4..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            match statements(&damaged) {
                // Times, flags and names of the header do not belong to the content.
                Ok(count) => assert_eq!(count, 2, "{at}"),
                Err(reason) => {
                    assert!(reason.starts_with("wrapping_") || reason == "format_unknown" || reason == "empty_file", "{at}: {reason}")
                }
            }
        }
    }
}

#[test]
fn a_zip_file_holds_one_file_and_what_systems_add_beside_it_is_none() {
    let batch = BATCH.as_bytes();
    let beside = [member("folder/", b""), member("folder/batch.ndjson", batch), member("__MACOSX/._batch.ndjson", b"\0\x05\x16\x07")];
    assert_eq!(statements(&zip(&beside)), Ok(1));
    assert_eq!(statements(&zip(&[member("a", batch), member("b", batch)])), Err("wrapping_members"));
    assert_eq!(statements(&zip(&[member("a/", b"")])), Err("wrapping_members"));
    assert_eq!(statements(&zip(&[])), Err("wrapping_members"));
    let mut encrypted = zip(&[member("a", batch)]);
    encrypted[6] |= 1;
    assert_eq!(statements(&encrypted), Err("wrapping_unreadable"));
    // A directory that names another file than the one that was read: two programs would see two files.
    let mut other = zip(&[member("a", batch)]);
    let at = other.windows(4).position(|window| window == b"PK\x01\x02").unwrap() + 46;
    other[at] = b'b';
    assert_eq!(statements(&other), Err("wrapping_damaged"));
    let followed = [zip(&[member("a", batch)]), zip(&[member("b", batch)])].concat();
    assert_eq!(statements(&followed), Err("wrapping_damaged"));
    assert_eq!(statements(&[gzip(batch), b"more".to_vec()].concat()), Err("wrapping_damaged"));
    assert_eq!(statements(&gzip(&gzip(batch))), Err("format_unknown"), "one wrapping only");
}

#[test]
fn bombs_stop_at_their_limit_and_say_so() {
    let mut zeros = GzEncoder::new(Vec::new(), Compression::best());
    zeros.write_all(BATCH.as_bytes()).unwrap();
    std::io::copy(&mut std::io::repeat(b'\n').take(300 << 20), &mut zeros).unwrap();
    let bomb = zeros.finish().unwrap();
    assert!(bomb.len() < 1 << 20);
    assert_eq!(statements(&bomb), Err("wrapping_too_large"));
    let limits = WrappingLimits { bytes_max: 1_000, ..WrappingLimits::default() };
    let profile = InputProfile { wrapping: limits, ..InputProfile::default() };
    let large = gzip(BATCH.repeat(20).as_bytes());
    let refusal =
        intake::open(&profile, "b.gz", Box::new(large.as_slice())).and_then(|rows| rows.collect::<Result<Vec<_>, _>>()).unwrap_err();
    assert_eq!((refusal.reason, refusal.expected.as_str()), ("wrapping_too_large", "expected at most 1000 bytes when unwrapped"));
}
