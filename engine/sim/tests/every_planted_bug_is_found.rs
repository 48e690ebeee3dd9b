//! The proof that the checkers see, in small: bugs that are planted on purpose are found within a few seeds. The whole table, with those
//! that take longer, is made by `sim --plants` and kept in `PLANTS.md`.

use sim::{Effort, Installation, hunt};
use world::Plant;

/// At least one of each checker and of each stage, each found early, so that two slow cores are through in a minute.
const SAMPLE: [Plant; 8] = [
    Plant::DuplicateAdmitted,
    Plant::MoneyLost,
    Plant::SkipRecordSync,
    Plant::EpochNotRaised,
    Plant::SwappedEnvelopes,
    Plant::RenderedToDisk,
    Plant::LostReplyNotSent,
    Plant::OneTooMany,
];
const SEEDS: u64 = 60;

#[test]
fn a_sample_of_planted_bugs_is_found_by_the_checkers_that_are_there_for_them() {
    let installation = Installation::new().unwrap();
    let effort = Effort { rows: 200, ..Effort::default() };
    for plant in SAMPLE {
        let hunt = hunt(&installation, plant, 0..SEEDS, &effort);
        assert!(hunt.is_good(), "sim --plant {plant} --seeds 0..{SEEDS} --rows 200: {hunt:?}");
    }
}
