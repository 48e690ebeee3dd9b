//! Says of most keys that are not in a run that they are not, without touching the disk: a Bloom filter whose bits for one key
//! all lie in one cache line.
//!
//! Ten bits a key and seven probes let about one in sixty strangers through; each costs one read of a block. Nearly
//! every look-up of a working day asks for a key that is nowhere.

use super::entry::Name;

/// Bits for each key.
pub(super) const BITS_PER_KEY: u64 = 10;
/// One cache line.
const LINE_BITS: u64 = 512;
const LINE_WORDS: usize = 8;
/// Nine bits of a hash name one of 512; seven times nine fit a word.
const PROBES: u32 = 7;

/// The filter of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter {
    words: Vec<u64>,
}

impl Filter {
    /// Room for this many keys.
    pub(super) fn new(keys: u64) -> Self {
        let lines = (keys * BITS_PER_KEY).div_ceil(LINE_BITS).max(1);
        Self { words: vec![0; usize::try_from(lines).unwrap_or(usize::MAX) * LINE_WORDS] }
    }

    pub(super) fn insert(&mut self, name: &Name) {
        let (line, mut bits) = self.place(name);
        for _ in 0..PROBES {
            self.words[line + ((bits >> 6) & 7) as usize] |= 1 << (bits & 63);
            bits >>= 9;
        }
    }

    /// False only where the key was never inserted.
    pub(super) fn may_hold(&self, name: &Name) -> bool {
        let (line, mut bits) = self.place(name);
        (0..PROBES).all(|_| {
            let is_set = self.words[line + ((bits >> 6) & 7) as usize] & (1 << (bits & 63)) != 0;
            bits >>= 9;
            is_set
        })
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        for word in &self.words {
            out.extend_from_slice(&word.to_le_bytes());
        }
    }

    /// `None` where these bytes are no filter.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (words, rest) = bytes.as_chunks::<8>();
        let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
        (rest.is_empty() && !words.is_empty() && words.len().is_multiple_of(LINE_WORDS)).then_some(Self { words })
    }

    /// The first word of the key's line, and the bits that choose in it.
    fn place(&self, name: &Name) -> (usize, u64) {
        let word = |at: usize| u64::from_le_bytes(*name.0[at..].first_chunk().expect("a name has 18 bytes"));
        let mixed = (word(2) ^ u64::from(name.0[0]) << 8 ^ u64::from(name.0[1])).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mixed = (mixed ^ (mixed >> 32) ^ word(10)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        let mixed = mixed ^ (mixed >> 32);
        let lines = (self.words.len() / LINE_WORDS) as u64;
        let line = ((u128::from(mixed) * u128::from(lines)) >> 64) as usize;
        let bits = mixed.wrapping_mul(0xA24B_AED4_963E_E407);
        (line * LINE_WORDS, bits ^ (bits >> 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Fingerprint, TenantId};

    fn name(number: u64) -> Name {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&number.to_le_bytes());
        Name::new(TenantId(1), &Fingerprint(key))
    }

    #[test]
    fn lets_every_member_through_and_few_strangers() {
        let mut filter = Filter::new(20_000);
        (0..20_000).for_each(|number| filter.insert(&name(number)));
        assert!((0..20_000).all(|number| filter.may_hold(&name(number))));
        let strangers = (20_000..120_000).filter(|number| filter.may_hold(&name(*number))).count();
        assert!(strangers < 3_000, "{strangers} of 100000");
        let mut bytes = Vec::new();
        filter.encode(&mut bytes);
        assert_eq!(Filter::decode(&bytes), Some(filter));
        assert_eq!(Filter::decode(&bytes[1..]), None);
    }
}
