//! What fuzzers throw bytes at: the decoders of everything that is read back from disk, and a whole start on a damaged directory.
//!
//! Compiled for fuzzing (`engine/journal/fuzz`) and for tests, which run the kept inputs and many invented ones through the same functions.
//! Each function panics where a promise is broken: nothing panics by itself, nothing decodes to something else than it was, damage is told.

use crate::cipher::FrameCipher;
use crate::format::{FrameKind, HeaderRead, JournalId, SegmentHeader, crc32c};
use crate::payload::PayloadDecoder;
use crate::record::Decoded;
use crate::{Finding, JournalConfig, JournalError, KeyRing, KeySource, Opened, adopt, frame, open, record};
use model::{StreamName, Transactional};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use world::simulated::Simulation;
use world::{OpenMode, World};

const JOURNAL: JournalId = JournalId([7; 16]);
const KEY: [u8; 32] = [9; 32];

/// Bytes as a frame: as they are, and again with length and checksum made right, so that what lies behind them is reached.
///
/// # Panics
/// Where a promise is broken.
pub fn frame(bytes: &[u8]) {
    let Some((salt, bytes)) = bytes.split_first_chunk::<4>() else { return };
    let salt = u32::from_le_bytes(*salt);
    let _ = frame::parse(bytes, salt);
    let mut whole = bytes.to_vec();
    if whole.len() < crate::bounds::FRAME_BYTES_MIN || whole.len() > crate::bounds::FRAME_BYTES_MAX {
        return;
    }
    let length = (whole.len() as u32).to_le_bytes();
    whole[4..8].copy_from_slice(&length);
    let crc = crc32c(&whole[4..]) ^ salt;
    whole[..4].copy_from_slice(&crc.to_le_bytes());
    let Ok(parsed) = frame::parse(&whole, salt) else { return };
    assert_eq!(parsed.length, whole.len());
    assert_eq!(parsed.header.encode()[8..], whole[8..crate::bounds::FRAME_HEADER_BYTES], "a header reads back as it was written");
    let cipher = FrameCipher::new(&KEY).expect("the key has the length of a key");
    // Nobody without the key makes a frame that opens: 2^-128.
    assert!(frame::open_in_place(&mut whole, JOURNAL, &cipher).is_err(), "a forged frame opened");
}

/// Bytes as a segment's header, a record and a payload: the first two bytes say which.
///
/// # Panics
/// Where a promise is broken.
pub fn content(bytes: &[u8]) {
    let [which, encoding, rest @ ..] = bytes else { return };
    if let Some(header) = rest.first_chunk()
        && let HeaderRead::Valid(read) = SegmentHeader::decode(header)
    {
        assert_eq!(SegmentHeader::decode(&read.encode()), HeaderRead::Valid(read), "a header that is written again says the same");
    }
    let kinds = FrameKind::ALL;
    let kind = kinds[usize::from(*which) % kinds.len()];
    if let Ok(decoded) = record::decode(kind, *encoding, rest) {
        let mut again = Vec::new();
        let written = match &decoded {
            Decoded::Head(locator, head) => record::encode_head(*locator, head, &mut again),
            Decoded::Moved(moved) => record::encode_move(*moved, &mut again),
            Decoded::Record(record) => record::encode(record, &mut again),
            Decoded::Lost(_) => unreachable!("recovery's own word, which no frame has"),
        };
        written.expect("what was decoded can be encoded");
        assert_eq!(record::decode(kind, record::ENCODING, &again).as_ref(), Ok(&decoded), "a record that is written again says the same");
    }
    let _ = PayloadDecoder::default().decode(*encoding, rest);
}

/// A journal on a simulated disk, as it was committed to the repository.
#[derive(Debug, Clone)]
pub struct Image {
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// What a start says of the undamaged one: jobs with their state, and each payload's debug-free shape.
    says: Option<Said>,
    /// Segments say with which frame the one before ended, so that nothing can go from the middle unnoticed: from format 2 on.
    tells_what_is_gone: bool,
}

type Said = BTreeMap<u64, (String, Option<Vec<u8>>)>;

impl Image {
    /// Reads a fixture of `tests/fixtures`.
    ///
    /// # Panics
    /// Where it is not there, or does not open.
    pub fn of_fixture(version: &str) -> Self {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(version);
        let mut image = Self { files: BTreeMap::new(), says: None, tells_what_is_gone: version != "v1" };
        image.add(&from, &from);
        let key = b"c2VhbHBvc3QgZml4dHVyZSBrZXkgb2Ygbm8gc2VjcmU=\n".to_vec();
        image.files.insert(PathBuf::from("kek"), key);
        let (said, findings) = image.start().expect("the undamaged fixture opens");
        assert!(findings.is_empty(), "{findings:?}");
        assert!(said.len() > 10, "the fixture says something");
        image.says = Some(said);
        image
    }

    fn add(&mut self, root: &Path, folder: &Path) {
        let entries = World::real().disk().read_dir(folder).expect("the fixture is there");
        for path in entries {
            if path.is_dir() {
                self.add(root, &path);
                continue;
            }
            let bytes = World::real().disk().read_to_vec(&path, 1 << 20).expect("a fixture can be read");
            self.files.insert(path.strip_prefix(root).expect("it lies below").to_owned(), bytes);
        }
    }

    /// Starts on a fresh simulated disk that has these files: what the start says of jobs and payloads.
    fn start(&self) -> Result<(Said, Vec<Finding>), String> {
        let simulation = Simulation::new(1);
        let world = simulation.world();
        let dir = PathBuf::from("/simulated/sealpost");
        for (name, bytes) in &self.files {
            let path = dir.join(name);
            let parent = path.parent().expect("it lies in a folder");
            world.disk().create_dir_all(parent).expect("the simulated disk is well");
            let file = world.disk().open(&path, OpenMode::Create).expect("the simulated disk is well");
            file.write_all_at(bytes, 0).expect("the simulated disk is well");
            file.sync_all().expect("the simulated disk is well");
            world.disk().sync_dir(parent).expect("the simulated disk is well");
        }
        simulation.run(async {
            let keys = KeyRing::open(&world, &dir.join("ring"), &KeySource::File(dir.join("kek"))).map_err(|error| error.to_string())?;
            // A fixture comes out of the repository as a copy.
            adopt(&world, &dir.join("journal"), StreamName::Transactional, &keys).map_err(|error| error.to_string())?;
            let config =
                JournalConfig { segment_bytes: 8 * 1024, commit_delay_max: Duration::ZERO, ..JournalConfig::new(dir.join("journal")) };
            let opened = open::<Transactional>(world.clone(), config, keys).await.map_err(|error: JournalError| error.to_string())?;
            let said = say(&opened);
            let Opened { journal, writer, mut tail, recovered, .. } = opened;
            while !tail.next(64).map_err(|error| error.to_string())?.is_empty() {}
            journal.close().await;
            drop(journal);
            writer.join().await.map_err(|error| error.to_string())?;
            Ok((said, recovered.findings))
        })
    }

    /// Applies what the bytes say: flips, cuts, copies of ranges, files that are gone. Gives whether a start must notice it, if it changes
    /// anything: where segments of the logs are damaged, and not the last one of the record, whose end a crash may have torn. Of format 1
    /// only where nothing but bytes flipped: its segments do not know with which frame the one before ended, so one that is cut between two
    /// frames, or zero from there on, looks like one that was never written further.
    fn damage(&mut self, bytes: &[u8]) -> bool {
        let names: Vec<PathBuf> = self.files.keys().cloned().collect();
        let last = names.iter().rfind(|name| name.parent().is_some_and(|parent| parent.ends_with("record"))).cloned();
        let mut is_told = true;
        for change in bytes.chunks_exact(8).take(6) {
            let name = &names[usize::from(change[0]) % names.len()];
            let flips = change[1] % 6 <= 1;
            is_told &= (flips || self.tells_what_is_gone)
                && name.extension().is_some_and(|extension| extension == "seg")
                && Some(name) != last.as_ref();
            let Some(file) = self.files.get_mut(name) else { continue };
            let at = usize::from(u16::from_le_bytes([change[2], change[3]])) % file.len().max(1);
            let length = usize::from(u16::from_le_bytes([change[4], change[5]])) % 512;
            match change[1] % 6 {
                0 | 1 => file[at..].iter_mut().take(1).for_each(|byte| *byte ^= change[6].max(1)),
                2 => file.truncate(at),
                3 => file[at..].iter_mut().take(length).for_each(|byte| *byte = change[6]),
                4 => {
                    // Bytes of another place, or of another file, lie here.
                    let from = self.files.get(&names[usize::from(change[6]) % names.len()]).cloned().unwrap_or_default();
                    let start = usize::from(change[7]) * 32 % from.len().max(1);
                    let piece: Vec<u8> = from[start..].iter().copied().take(length).collect();
                    let file = self.files.get_mut(name).expect("looked up above");
                    for (place, byte) in file[at..].iter_mut().zip(piece) {
                        *place = byte;
                    }
                }
                _ => drop(self.files.remove(name)),
            }
        }
        is_told
    }
}

fn say(opened: &Opened<Transactional>) -> Said {
    let payload = |job: &crate::RecoveredJob<Transactional>| match opened.reader.payload(job.job.id, job.job.locator) {
        Ok(data) => Some(postcard::to_stdvec(&data).expect("a payload can be encoded")),
        Err(_) => None,
    };
    opened.recovered.jobs.iter().map(|job| (job.job.id.to_bits(), (job.state.to_string(), payload(job)))).collect()
}

/// A start on a damaged directory: it ends, with an error or with findings; a payload that reads is the one that was written.
///
/// # Panics
/// Where a promise is broken.
pub fn recovery(image: &Image, bytes: &[u8]) {
    let mut damaged = image.clone();
    let is_told = damaged.damage(bytes);
    // A refusal is an answer, too.
    let Ok((said, findings)) = damaged.start() else { return };
    let honest = image.says.as_ref().expect("an image knows what it says");
    if is_told && findings.is_empty() {
        let states = |said: &Said| said.iter().map(|(job, (state, _))| (*job, state.clone())).collect::<Vec<_>>();
        assert_eq!(states(&said), states(honest), "damage changed a job's state, and nothing was said");
    }
    for (job, (_, payload)) in &said {
        if let (Some(found), Some((_, Some(written)))) = (payload, honest.get(job)) {
            assert_eq!(found, written, "a job reads another payload than its own");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Inputs that fuzzers found worth keeping, and those that once failed.
    fn kept(target: &str) -> Vec<Vec<u8>> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/kept").join(target);
        let paths = World::real().disk().read_dir(&dir).unwrap_or_default();
        paths.iter().map(|path| World::real().disk().read_to_vec(path, 1 << 20).unwrap()).collect()
    }

    fn images() -> [Image; 2] {
        ["v1", "v2_grouped"].map(Image::of_fixture)
    }

    #[test]
    fn what_fuzzers_kept_breaks_no_promise() {
        kept("frame").iter().for_each(|bytes| frame(bytes));
        kept("content").iter().for_each(|bytes| content(bytes));
        for image in images() {
            kept("recovery").iter().for_each(|bytes| recovery(&image, bytes));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn frames_and_contents_of_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            frame(&bytes);
            content(&bytes);
        }
    }

    #[test]
    fn starts_on_damaged_directories() {
        for image in images() {
            let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(600) };
            let mut runner = proptest::test_runner::TestRunner::new(config);
            let damage = prop::collection::vec(any::<u8>(), 8..48);
            let start = |bytes: Vec<u8>| {
                recovery(&image, &bytes);
                Ok(())
            };
            runner.run(&damage, start).unwrap();
        }
    }
}
