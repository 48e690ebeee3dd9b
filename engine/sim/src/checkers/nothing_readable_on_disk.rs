//! Invariant 5: whoever pulls the disk out finds no name, no address, no member id and no claim number on it.

use crate::disk::FoundFile;
use crate::evidence::Finding;
use crate::parcel::Parcel;
use std::collections::BTreeSet;

const NAME: &str = "nothing_readable_on_disk";
/// Bytes of a secret that are looked for; shorter ones would be found by chance.
const PREFIX_BYTES: usize = 8;

/// Everything of the batch that must not be found, by its first bytes.
pub(crate) struct Secrets {
    prefixes: BTreeSet<u64>,
    /// Which first bytes occur: most positions of a disk are passed over by it.
    first: [bool; 256],
}

impl Secrets {
    pub(crate) fn of(parcels: &[Parcel]) -> Self {
        let mut secrets = Self { prefixes: BTreeSet::new(), first: [false; 256] };
        let words = parcels.iter().flat_map(|parcel| &parcel.lines).flat_map(|line| &line.secrets);
        words.for_each(|word| secrets.add(word));
        secrets
    }

    fn add(&mut self, text: &str) {
        let Some(prefix) = text.as_bytes().first_chunk::<PREFIX_BYTES>() else { return };
        self.prefixes.insert(u64::from_le_bytes(*prefix));
        self.first[usize::from(prefix[0])] = true;
    }

    /// Looks through every byte.
    pub(crate) fn check(&self, files: &[FoundFile]) -> Vec<Finding> {
        let readable = files.iter().filter_map(|file| Some((file, self.find(&file.bytes)?)));
        readable.map(|(file, at)| Finding::new(NAME, format!("{} can be read at offset {at}", file.path.display()))).collect()
    }

    fn find(&self, bytes: &[u8]) -> Option<usize> {
        let is_secret = |at: usize| {
            let window = bytes[at..].first_chunk::<PREFIX_BYTES>();
            window.is_some_and(|window| self.prefixes.contains(&u64::from_le_bytes(*window)))
        };
        (0..bytes.len()).find(|at| self.first[usize::from(bytes[*at])] && is_secret(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parcel::Door;
    use std::time::Duration;
    use testkit::Options;

    #[test]
    fn finds_a_name_wherever_it_lies_and_nothing_in_noise() {
        let parcels = [Parcel::new(1, 0, Door::Ndjson, Duration::ZERO, Options { rows: 20, ..Options::default() })];
        let secrets = Secrets::of(&parcels);
        let mut random = testkit::Random::new(1);
        let noise: Vec<u8> = (0..100_000).map(|_| random.next_u64() as u8).collect();
        assert_eq!(secrets.find(&noise), None);
        for secret in [&parcels[0].lines[7].email, &parcels[0].lines[9].key] {
            let mut bytes = noise.clone();
            bytes[70_001..70_001 + secret.len()].copy_from_slice(secret.as_bytes());
            assert_eq!(secrets.find(&bytes), Some(70_001));
        }
    }
}
