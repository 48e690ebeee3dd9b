//! The receipt of a batch: what was accepted, when, in which environment. Counts and sums only, nothing of a person.
//!
//! It is written after the commit: a batch without a receipt may be accepted, a receipt without a batch cannot be.

use intake::Rounded;
use model::record::{BatchCommit, Part};
use model::{BatchId, hex};
use serde_json::{Value, json};
use std::path::Path;
use world::World;

/// What the receipt says beside the commit.
pub(crate) struct Receipt<'r> {
    /// The file's name without its folder.
    pub(crate) file: &'r str,
    /// SHA-256 of its bytes.
    pub(crate) sha256: [u8; 32],
    /// `test` or `live`.
    pub(crate) environment: &'r str,
    /// What was committed.
    pub(crate) commit: &'r BatchCommit,
    /// What rounding did to its amounts.
    pub(crate) rounding: Rounded,
}

impl Receipt<'_> {
    /// Writes `<results>/<batch>.receipt.json`. A disk that refuses is logged: the batch is accepted all the same.
    pub(crate) fn write(&self, world: &World, results: &Path) {
        let path = results.join(format!("{}.receipt.json", self.commit.batch));
        if let Err(error) = world.disk().write_atomic(&path, self.text().as_bytes()) {
            let batch: BatchId = self.commit.batch;
            tracing::error!(target: "sealpost::intake", %batch, %error, "the receipt cannot be written; the batch is accepted");
        }
    }

    fn text(&self) -> String {
        let intake = &self.commit.intake;
        let sha256 = hex(&self.sha256);
        let receipt = json!({
            "batch_id": self.commit.batch.to_string(),
            "file": self.file,
            "sha256": sha256,
            "environment": self.environment,
            "accepted_at": self.commit.at.to_jiff().to_string(),
            "source_records": intake.source_records,
            "read": part(&intake.read),
            "rejected": part(&intake.rejected),
            "duplicate": part(&intake.duplicate),
            "merged": part(&intake.merged),
            "not_mailable": part(&intake.not_mailable),
            "no_address": part(&intake.no_address),
            "no_consent": part(&intake.no_consent),
            "accepted": part(&intake.accepted),
            "reasons": intake.reasons,
            "rounding": { "amounts": self.rounding.amounts, "difference_dollars": self.rounding.difference.to_string() },
        });
        format!("{receipt:#}\n")
    }
}

fn part(part: &Part) -> Value {
    let money = part.money;
    json!({
        "statements": part.rows,
        "billed_cents": money.billed.0,
        "plan_paid_cents": money.plan_paid.0,
        "member_owes_cents": money.member_owes.0,
    })
}
