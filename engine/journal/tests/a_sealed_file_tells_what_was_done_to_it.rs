//! A file sealed under a tenant's key opens whole, for what it was sealed for, or says what was done to it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use journal::sealed::{CHUNK_BYTES, SealedError, SealedFor, SealedReader, SealedWriter, label, open_bytes, seal_bytes};
use journal::{KeyRing, KeySource, Rotation, new_key_file};
use model::TenantId;
use proptest::prelude::*;
use std::io::{Read, Write};
use std::path::PathBuf;
use world::World;

const HEADER: usize = 128;
const SEALED_CHUNK: usize = CHUNK_BYTES + 16;

struct Place {
    dir: tempfile::TempDir,
    keys: KeyRing,
    tenant: TenantId,
}

impl Place {
    fn new() -> Self {
        let (dir, world) = (tempfile::tempdir().unwrap(), World::real());
        let kek = dir.path().join("kek");
        new_key_file(&world, &kek).unwrap();
        let keys = KeyRing::open(&world, &dir.path().join("ring"), &KeySource::File(kek)).unwrap();
        let tenant = keys.tenant("acme").unwrap();
        Self { dir, keys, tenant }
    }
    fn path(&self) -> PathBuf {
        self.dir.path().join("file.sealed")
    }
    fn what(&self) -> SealedFor<'static> {
        SealedFor { tenant: self.tenant, purpose: "contacts", name: "contacts.csv" }
    }
    fn seal(&self, bytes: &[u8]) -> Vec<u8> {
        seal_bytes(&self.keys, &self.path(), self.what(), bytes).unwrap();
        std::fs::read(self.path()).unwrap()
    }
    fn open(&self) -> Result<Vec<u8>, SealedError> {
        open_bytes(&self.keys, &self.path(), self.what(), usize::MAX).map(|bytes| bytes.to_vec())
    }
    fn open_changed(&self, bytes: &[u8]) -> Result<Vec<u8>, SealedError> {
        std::fs::write(self.path(), bytes).unwrap();
        self.open()
    }
}

fn invented(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn what_was_sealed_comes_back_at_every_border() {
    let place = Place::new();
    for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, 3 * CHUNK_BYTES + 7] {
        let plain = invented(length);
        let sealed = place.seal(&plain);
        assert_eq!(place.open().unwrap(), plain, "{length}");
        assert_eq!(sealed.len(), HEADER + length + 16 * length.div_ceil(CHUNK_BYTES).max(1));
        assert!(length < 64 || !sealed.windows(32).any(|window| window == &plain[..32]), "nothing readable");
    }
    let label = label(&place.keys, &place.path()).unwrap().unwrap();
    assert_eq!((label.tenant, label.purpose.as_str(), label.bytes), (place.tenant, "contacts", 3 * CHUNK_BYTES as u64 + 7));
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 3, "kek, ring, the file: no temporary stays");
}

#[test]
fn the_same_content_twice_shares_no_byte_of_cipher() {
    let place = Place::new();
    let plain = invented(5000);
    let (one, two) = (place.seal(&plain), place.seal(&plain));
    assert!(one[HEADER..].chunks_exact(16).zip(two[HEADER..].chunks_exact(16)).all(|(a, b)| a != b));
}

#[test]
fn a_cut_is_told_at_every_byte_and_an_addition_too() {
    let place = Place::new();
    let whole = place.seal(&invented(2 * CHUNK_BYTES + 100));
    let cuts =
        (0..HEADER).chain((HEADER..whole.len()).step_by(997)).chain([HEADER + SEALED_CHUNK, HEADER + 2 * SEALED_CHUNK, whole.len() - 1]);
    for cut in cuts {
        let error = place.open_changed(&whole[..cut]).unwrap_err();
        match error {
            SealedError::NotSealed(_) => assert!(cut < HEADER),
            SealedError::Truncated { found, expected, .. } => assert_eq!((found, expected), (cut as u64, whole.len() as u64)),
            other => panic!("cut at {cut}: {other}"),
        }
    }
    let longer = [&whole[..], b"x"].concat();
    assert!(matches!(place.open_changed(&longer), Err(SealedError::Longer { .. })));
}

#[test]
fn chunks_in_another_order_and_chunks_of_other_files_are_told_apart() {
    let place = Place::new();
    let whole = place.seal(&invented(4 * CHUNK_BYTES));
    let chunk = |at: usize| HEADER + at * SEALED_CHUNK..HEADER + (at + 1) * SEALED_CHUNK;
    let mut swapped = whole.clone();
    swapped[chunk(1)].copy_from_slice(&whole[chunk(2)]);
    swapped[chunk(2)].copy_from_slice(&whole[chunk(1)]);
    assert!(matches!(place.open_changed(&swapped), Err(SealedError::Moved { expected: 1, found: 2, .. })));
    // The last chunk in an inner place: it opens nowhere but at the end.
    let mut swapped = whole.clone();
    swapped[chunk(0)].copy_from_slice(&whole[chunk(3)]);
    assert!(matches!(place.open_changed(&swapped), Err(SealedError::Moved { expected: 0, found: 3, .. })));
    let other = place.seal(&invented(4 * CHUNK_BYTES));
    let mut grafted = whole.clone();
    grafted[chunk(2)].copy_from_slice(&other[chunk(2)]);
    assert!(matches!(place.open_changed(&grafted), Err(SealedError::Damaged { chunk: 2, .. })));
    // A header of one file before the chunks of another.
    let grafted = [&other[..HEADER], &whole[HEADER..]].concat();
    assert!(matches!(place.open_changed(&grafted), Err(SealedError::Damaged { chunk: 0, .. })));
}

#[test]
fn nothing_is_given_out_of_a_chunk_that_is_damaged() {
    let place = Place::new();
    let plain = invented(3 * CHUNK_BYTES);
    let mut sealed = place.seal(&plain);
    sealed[HEADER + SEALED_CHUNK + 5] ^= 1;
    std::fs::write(place.path(), &sealed).unwrap();
    let mut reader = SealedReader::open(&place.keys, &place.path(), place.what()).unwrap();
    let mut read = Vec::new();
    let error = reader.read_to_end(&mut read).unwrap_err();
    assert!(matches!(SealedError::from_io(error), SealedError::Damaged { chunk: 1, .. }));
    assert_eq!(read, plain[..CHUNK_BYTES]);
}

#[test]
fn another_tenant_purpose_or_name_is_refused_each_in_its_words() {
    let place = Place::new();
    let whole = place.seal(b"members");
    let other = place.keys.tenant("other").unwrap();
    let open = |what| open_bytes(&place.keys, &place.path(), what, 100).map(|_| ()).unwrap_err();
    let what = place.what();
    assert!(matches!(open(SealedFor { tenant: other, ..what }), SealedError::WrongTenant { .. }));
    assert!(matches!(open(SealedFor { purpose: "done", ..what }), SealedError::WrongPurpose { .. }));
    assert!(matches!(open(SealedFor { name: "else.csv", ..what }), SealedError::WrongName(_)));
    assert!(matches!(open_bytes(&place.keys, &place.path(), what, 3), Err(SealedError::TooLarge { bytes: 7, .. })));
    // A header made to say so, with a checksum that fits.
    let mut forged = whole.clone();
    forged[10..12].copy_from_slice(&other.0.to_le_bytes());
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &forged[..124]) as u32;
    forged[124..128].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(place.path(), &forged).unwrap();
    let error = open(SealedFor { tenant: other, ..what });
    assert!(matches!(error, SealedError::KeyDestroyed(_) | SealedError::HeaderForged(_)), "{error}");
    let mut forged = whole;
    forged[16] ^= 1;
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &forged[..124]) as u32;
    forged[124..128].copy_from_slice(&crc.to_le_bytes());
    assert!(matches!(place.open_changed(&forged), Err(SealedError::HeaderForged(_))), "its length");
    let seal = |purpose| seal_bytes(&place.keys, &place.path(), SealedFor { purpose, ..what }, b"");
    assert!(
        matches!(seal(""), Err(SealedError::Purpose)) && matches!(seal("a purpose that is far too long for it"), Err(SealedError::Purpose))
    );
}

#[test]
fn a_rotation_changes_nothing_and_a_destroyed_key_ends_all() {
    let place = Place::new();
    place.seal(b"members");
    place.keys.rotate(&Rotation::InPlace).unwrap();
    assert_eq!(place.open().unwrap(), b"members");
    let other = place.keys.tenant("other").unwrap();
    place.keys.destroy_files(other).unwrap();
    assert_eq!(place.open().unwrap(), b"members");
    place.keys.destroy_files(place.tenant).unwrap();
    assert!(matches!(place.open(), Err(SealedError::KeyDestroyed(_))));
    place.seal(b"new ones");
    assert_eq!(place.open().unwrap(), b"new ones");
}

#[test]
fn what_is_not_finished_is_not_there() {
    let place = Place::new();
    place.seal(b"old");
    let mut writer = SealedWriter::create(&place.keys, &place.path(), place.what()).unwrap();
    writer.write_all(&invented(CHUNK_BYTES * 2)).unwrap();
    assert_eq!(place.open().unwrap(), b"old");
    drop(writer);
    assert_eq!(place.open().unwrap(), b"old");
    assert_eq!(std::fs::read_dir(place.dir.path()).unwrap().count(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_flipped_bit_is_never_read_over(length in 0usize..3 * CHUNK_BYTES, at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let place = Place::new();
        let mut sealed = place.seal(&invented(length));
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        let error = place.open_changed(&sealed).unwrap_err();
        match error {
            SealedError::NotSealed(_) => prop_assert!(at < 8),
            SealedError::HeaderDamaged(_) => prop_assert!((8..HEADER).contains(&at)),
            SealedError::Damaged { chunk, .. } => prop_assert_eq!(chunk as usize, (at - HEADER) / SEALED_CHUNK),
            other => prop_assert!(false, "{} at {}", other, at),
        }
    }

    #[test]
    fn bytes_of_nobody_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let place = Place::new();
        let begun = [&b"sealfile"[..], &bytes].concat();
        prop_assert!(place.open_changed(&bytes).is_err());
        prop_assert!(place.open_changed(&begun).is_err());
    }
}
