//! Which address a limit group uses: weighted rendezvous hashing, on whole numbers.
//!
//! Each address draws a fixed number for the group; the larger its weight (what it may still send today), the better it
//! counts. So a group keeps its address while that has room, groups spread in proportion to the room, and an address that
//! is used up loses only its own groups. The same question always has the same answer.

/// The index of the chosen candidate; `None` where all weights are 0. `key` names the group, `candidates` are
/// (name of the address, weight).
pub fn choose<'a>(key: &str, candidates: impl Iterator<Item = (&'a [u8], u64)>) -> Option<usize> {
    candidates
        .enumerate()
        .filter(|(_, (_, weight))| *weight > 0)
        .max_by_key(|(at, (name, weight))| (score(hash(key, name), *weight), std::cmp::Reverse(*at)))
        .map(|(at, _)| at)
}

/// All candidates, best first: the first is the one [`choose`] takes, and each next one is what it takes when those before
/// are used up. Weights of 0 come last.
pub fn order<'a>(key: &str, candidates: impl Iterator<Item = (&'a [u8], u64)>) -> Vec<usize> {
    let mut scored: Vec<(u128, usize)> = candidates.enumerate().map(|(at, (name, weight))| (score(hash(key, name), weight), at)).collect();
    scored.sort_by_key(|(score, at)| (std::cmp::Reverse(*score), *at));
    scored.into_iter().map(|(_, at)| at).collect()
}

/// weight / −log2(u), where u is the hash as a number in (0, 1]: the winner is drawn in proportion to the weights. The
/// logarithm is taken in 32 fractional bits, straight between powers of two; that is off by 6 % at most, and exact enough.
fn score(hash: u64, weight: u64) -> u128 {
    let zeros = hash.leading_zeros().min(63);
    let mantissa = (hash << zeros << 1) >> 32;
    let negative_log = ((u64::from(zeros) + 1) << 32) - mantissa;
    (u128::from(weight) << 64) / u128::from(negative_log.max(1))
}

/// FNV-1a over group and address, stirred: every bit of the result depends on all of the input.
fn hash(key: &str, name: &[u8]) -> u64 {
    let bytes = key.bytes().chain([0]).chain(name.iter().copied());
    let plain = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
    let stirred = (plain ^ (plain >> 33)).wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    let stirred = (stirred ^ (stirred >> 33)).wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    stirred ^ (stirred >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&[u8]; 3] = [b"203.0.113.5", b"203.0.113.6", b"203.0.113.7"];

    fn shares(weights: [u64; 3]) -> [usize; 3] {
        let mut shares = [0; 3];
        for group in 0..10_000 {
            let key = format!("mx{group}.example");
            shares[choose(&key, NAMES.into_iter().zip(weights)).unwrap()] += 1;
        }
        shares
    }

    #[test]
    fn groups_spread_in_proportion_to_the_weights() {
        let equal = shares([1_000; 3]);
        assert!(equal.iter().all(|share| (3_000..3_700).contains(share)), "{equal:?}");
        let warm_and_cold = shares([90_000, 10_000, 0]);
        assert!((800..1_200).contains(&warm_and_cold[1]) && warm_and_cold[2] == 0, "{warm_and_cold:?}");
    }

    #[test]
    fn only_the_groups_of_a_used_up_address_move() {
        for group in 0..2_000 {
            let key = format!("mx{group}.example");
            let before = choose(&key, NAMES.into_iter().zip([50; 3])).unwrap();
            let after = choose(&key, NAMES.into_iter().zip([50, 0, 50])).unwrap();
            assert!(after != 1 && (before == 1 || before == after), "{key}");
        }
    }

    #[test]
    fn the_order_is_what_would_be_chosen_one_after_the_other() {
        for group in 0..2_000 {
            let key = format!("mx{group}.example");
            let mut weights = [50, 20, 90];
            let order = order(&key, NAMES.into_iter().zip(weights));
            for at in &order {
                assert_eq!(choose(&key, NAMES.into_iter().zip(weights)), Some(*at), "{key}: {order:?}");
                weights[*at] = 0;
            }
        }
        assert_eq!(order("a", NAMES.into_iter().zip([0, 7, 0]))[0], 1);
    }

    #[test]
    fn nothing_to_choose_from() {
        assert_eq!(choose("a", NAMES.into_iter().zip([0; 3])), None);
    }
}
