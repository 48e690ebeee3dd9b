//! What a batch is admitted with: a tenant's settings, and fingerprints without a key ring.
#![allow(clippy::unwrap_used, reason = "test support may panic")]

use intake::{AdmissionSettings, Binding, Fingerprints};
use model::{BatchId, BundleId, Fingerprint, Protection, TenantId, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// SHA-256 with lengths instead of a keyed hash: enough to tell contents apart.
pub(crate) struct Plain;

impl Fingerprints for Plain {
    fn fingerprint(&self, label: &str, parts: &[&[u8]]) -> Fingerprint {
        let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        for part in std::iter::once(&label.as_bytes()).chain(parts) {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        Fingerprint(*digest.finish().as_ref().first_chunk().unwrap())
    }
}

/// Batch `number` of the one tenant.
pub(crate) fn settings(number: u64, binding: Binding) -> AdmissionSettings {
    AdmissionSettings {
        tenant: TenantId(1),
        batch: BatchId::new(1, number),
        bundle: BundleId([7; 32]),
        protection: Protection::TlsVerified,
        lifetime: Duration::from_secs(72 * 3_600),
        now: Timestamp(1_795_348_800_000),
        priority: 3,
        file: "batch.835".to_owned(),
        binding,
        members: Arc::default(),
    }
}
