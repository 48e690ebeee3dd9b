//! The simulation's randomness: xoshiro256** seeded by splitmix64 (Blackman and Vigna, 2018).
//!
//! Not fit for keys outside a simulation. Each purpose has a stream of its own, so that one more key drawn does not
//! shuffle the order of tasks.

/// A stream of pseudo-random numbers.
#[derive(Debug, Clone)]
pub(super) struct Random([u64; 4]);

/// What a stream is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Schedule = 1,
    Entropy = 2,
    Network = 3,
    Disk = 4,
}

impl Random {
    pub(super) fn new(seed: u64, purpose: Purpose) -> Self {
        let mut state = seed ^ (purpose as u64).wrapping_mul(0xA076_1D64_78BD_642F);
        Self(std::array::from_fn(|_| splitmix(&mut state)))
    }

    pub(super) fn next(&mut self) -> u64 {
        let state = &mut self.0;
        let result = state[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3].rotate_left(45);
        result
    }

    /// A number below `bound`; 0 where `bound` is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // Lemire's multiplication; its bias of less than bound / 2^64 changes nothing here.
        u64::try_from((u128::from(self.next()) * u128::from(bound)) >> 64).expect("the product of two u64, shifted by 64, fits")
    }

    /// An index of a list of `len` entries.
    pub(super) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a usize")
    }

    /// True in `percent` of 100 draws.
    pub(super) fn chance(&mut self, percent: u8) -> bool {
        self.below(100) < u64::from(percent)
    }

    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_le_bytes()[..chunk.len()]);
        }
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitmix_gives_the_published_numbers() {
        // The first outputs for the seed 1234567 (Rosetta Code, "Pseudo-random numbers/Splitmix64").
        let mut state = 1_234_567;
        assert_eq!([splitmix(&mut state), splitmix(&mut state)], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn xoshiro_gives_the_published_numbers() {
        // The first outputs of xoshiro256** from the state 1, 2, 3, 4 (test vectors of the crate rand_xoshiro).
        let mut random = Random([1, 2, 3, 4]);
        assert_eq!([random.next(), random.next(), random.next()], [11_520, 0, 1_509_978_240]);
    }

    #[test]
    fn streams_differ_by_purpose_and_numbers_keep_below_their_bound() {
        let mut one = Random::new(1, Purpose::Schedule);
        assert_ne!(one.next(), Random::new(1, Purpose::Disk).next());
        let drawn: std::collections::BTreeSet<_> = (0..200).map(|_| one.below(5)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    }
}
