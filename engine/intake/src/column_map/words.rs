//! The words that a column map has for what a statement knows as types: each as it is typed, and what it means.

use model::statement::{ClaimStatus, ClaimType, Network, PaidTo, Program};

pub(super) const STATUSES: [(&str, ClaimStatus); 9] = [
    ("processed_primary", ClaimStatus::ProcessedPrimary),
    ("processed_secondary", ClaimStatus::ProcessedSecondary),
    ("processed_tertiary", ClaimStatus::ProcessedTertiary),
    ("denied", ClaimStatus::Denied),
    ("forwarded", ClaimStatus::Forwarded),
    ("reversal", ClaimStatus::Reversal),
    ("not_our_claim", ClaimStatus::NotOurClaim),
    ("predetermination", ClaimStatus::Predetermination),
    ("unknown", ClaimStatus::Unknown),
];
pub(super) const CLAIM_TYPES: [(&str, ClaimType); 4] =
    [("medical", ClaimType::Medical), ("pharmacy", ClaimType::Pharmacy), ("dental", ClaimType::Dental), ("vision", ClaimType::Vision)];
pub(super) const NETWORKS: [(&str, Network); 2] = [("in_network", Network::InNetwork), ("out_of_network", Network::OutOfNetwork)];
pub(super) const PROGRAMS: [(&str, Program); 6] = [
    ("commercial", Program::Commercial),
    ("medicare_advantage", Program::MedicareAdvantage),
    ("medicare_part_d", Program::MedicarePartD),
    ("original_medicare", Program::OriginalMedicare),
    ("medicaid", Program::Medicaid),
    ("chip", Program::Chip),
];
pub(super) const PAID_TO: [(&str, PaidTo); 2] = [("provider", PaidTo::Provider), ("member", PaidTo::Member)];
