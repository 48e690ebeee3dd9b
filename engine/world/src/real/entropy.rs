//! The operating system's entropy, by aws-lc-rs.

use crate::entropy::Entropy;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};

#[derive(Default)]
pub(super) struct SystemEntropy(SystemRandom);

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.fill(bytes).expect("the operating system has entropy; without it no key can be made and going on would be wrong");
    }
}
