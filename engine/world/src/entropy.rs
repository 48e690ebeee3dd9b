//! Randomness: keys, nonces and jitter come from here.

/// A source of random bytes.
pub trait Entropy: Send + Sync {
    /// Fills all of `bytes`. In the real world they are fit for keys.
    fn fill(&self, bytes: &mut [u8]);
}
