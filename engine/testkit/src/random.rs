//! A seeded generator: splitmix64 (Steele, Lea, Flood 2014).
//!
//! It is small, the same on every machine, and can be started at any index of a sequence without walking there.
//! It is for invented data alone: nothing that must be secret may come from it.

const GOLDEN_GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A stream of numbers that follows from its seed.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The stream of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The stream of one thing (`index`) of one sort (`sort`): streams of neighbours share nothing.
    pub const fn of(seed: u64, sort: u64, index: u64) -> Self {
        let place = mix(sort.wrapping_mul(GOLDEN_GAMMA)) ^ mix(index.wrapping_add(GOLDEN_GAMMA));
        Self(mix(seed ^ place))
    }

    /// The next 64 bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN_GAMMA);
        mix(self.0)
    }

    /// A number in `0..bound`; 0 where `bound` is 0. The bias is below 2⁻³² for bounds below 2³².
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next_u64() as u128 * bound as u128) >> 64) as u64
    }

    /// A number in `low..=high`; `low` where the range is empty.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        if high <= low { low } else { low + self.below(high - low + 1) }
    }

    /// True `per_mille` times in a thousand.
    pub const fn chance(&mut self, per_mille: u32) -> bool {
        self.below(1000) < per_mille as u64
    }

    /// One of the items.
    ///
    /// # Panics
    /// Where there are none.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        assert!(!items.is_empty(), "there must be something to pick from");
        &items[self.below(items.len() as u64) as usize]
    }
}

const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_published_numbers() {
        let mut random = Random::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn stays_in_its_bounds() {
        let mut random = Random::of(1, 2, 3);
        for _ in 0..10_000 {
            assert!((5..=9).contains(&random.between(5, 9)));
            assert!(random.below(3) < 3);
        }
        assert_eq!(random.between(7, 7), 7);
    }
}
