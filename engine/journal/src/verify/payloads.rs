//! Payloads: each is opened and decoded, and each job that is not settled must have its own.

use super::{Flaw, Verification};
use crate::bundle::Bundles;
use crate::census::Census;
use crate::error::{JournalError, KeyError, PayloadError};
use crate::frame;
use crate::journal_dir::JournalDir;
use crate::key_ring::KeyRing;
use crate::payload::PayloadDecoder;
use crate::reader::{OpenFiles, Reader};
use crate::recovery::FramePlace;
use model::JobId;
use model::stage::Locator;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Payloads on their way.
pub(super) struct Payloads<'a> {
    place: &'a JournalDir,
    keys: Option<&'a KeyRing>,
    decoder: PayloadDecoder,
    /// What jobs that are not settled need, by where it lies. Found ones are taken out.
    wanted: BTreeMap<(u32, u64), JobId>,
    found: u64,
    opened: u64,
    shredded: u64,
    frames: u64,
    flaws: Vec<Flaw>,
}

impl<'a> Payloads<'a> {
    pub(super) fn new(place: &'a JournalDir, keys: Option<&'a KeyRing>, census: &Census) -> Self {
        let wanted = wanted(census).map(|(job, locator)| ((locator.segment, u64::from(locator.offset)), job)).collect();
        let decoder = PayloadDecoder::default();
        Self { place, keys, decoder, wanted, found: 0, opened: 0, shredded: 0, frames: 0, flaws: Vec::new() }
    }

    /// Takes the next frame of the work log.
    pub(super) fn take(&mut self, frame: FramePlace, bytes: &mut [u8]) {
        self.frames += 1;
        let Some(keys) = self.keys else { return };
        let FramePlace { segment, offset, header } = frame;
        let wanted_by = self.wanted.get(&(segment, offset)).copied();
        let verdict = match keys.cipher(header.key_id) {
            Ok(Some(cipher)) => match frame::open_in_place(bytes, self.place.id, &cipher) {
                Err(_) => Err("does not open: it is not authentic"),
                Ok(plain) => {
                    let decoded = self.decoder.decode(header.encoding, plain).map(drop).map_err(|_| "does not decode");
                    plain.fill(0);
                    decoded
                }
            },
            Ok(None) | Err(KeyError::Destroyed) => {
                self.shredded += 1;
                return;
            }
            Err(_) => Err("is under a key that cannot be unwrapped"),
        };
        match verdict {
            Ok(()) => {
                self.opened += 1;
                if wanted_by.is_some() && wanted_by == header.key.job {
                    self.wanted.remove(&(segment, offset));
                    self.found += 1;
                }
            }
            // What a job needs is told with the job.
            Err(_) if wanted_by.is_some() => {}
            Err(what) => self.flaws.push(Flaw::of_frame(segment, offset, header.position(), what)),
        }
    }

    /// What jobs lack. Beside an engine each of them is looked up again first: it may have settled meanwhile.
    pub(super) fn finish(mut self, in_use: bool, found: &mut Verification) -> Result<Vec<Flaw>, JournalError> {
        (found.payloads, found.shredded) = (self.opened, self.shredded);
        found.frames += self.frames;
        if let Some(keys) = self.keys.filter(|_| !self.wanted.is_empty()) {
            let mut missing: Vec<(JobId, Locator)> = Vec::new();
            for ((segment, offset), job) in std::mem::take(&mut self.wanted) {
                missing.push((job, Locator { segment, offset: u32::try_from(offset).unwrap_or(u32::MAX) }));
            }
            if in_use {
                let now: BTreeMap<JobId, Locator> = wanted(&census_now(self.place, keys)?).collect();
                missing = missing.into_iter().filter_map(|(job, _)| Some((job, *now.get(&job)?))).collect();
            }
            self.tell(keys, missing)?;
        }
        found.live_jobs = self.found;
        Ok(self.flaws)
    }

    fn tell(&mut self, keys: &KeyRing, missing: Vec<(JobId, Locator)>) -> Result<(), JournalError> {
        let place = self.place;
        let bundles = Arc::new(Bundles::new(place.world.clone(), &place.dir, keys.bundle_key(place.stream)?));
        let files = Arc::new(OpenFiles::default());
        let reader = Reader::new(place.world.clone(), &place.dir, place.id, place.stream, keys.clone(), bundles, files, Arc::default());
        for (job, locator) in missing {
            match reader.payload(job, locator) {
                Ok(_) => self.found += 1,
                Err(PayloadError::Disk(error)) => return Err(error.into()),
                Err(error) => self.flaws.push(Flaw::of_payload(job, locator, &error)),
            }
        }
        Ok(())
    }
}

/// Jobs that bind and are not settled, with the places of their payloads.
fn wanted(census: &Census) -> impl Iterator<Item = (JobId, Locator)> {
    census.live().filter(|(_, job)| job.binds).map(|(id, job)| (id, job.locator))
}

fn census_now(place: &JournalDir, keys: &KeyRing) -> Result<Census, JournalError> {
    Ok(place.count(keys, &mut Vec::new(), |_| {})?.census)
}
