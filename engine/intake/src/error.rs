//! Why a file is not taken: always something for the sender to do.

use crate::reason;
use crate::wrapping::WrappingError;
use model::reject::Refusal;

/// Why no format fits what a file begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undetected {
    /// There is nothing.
    #[error("the file is empty")]
    Empty,
    /// UTF-16, which no format may be.
    #[error("the file is UTF-16; expected UTF-8, or ASCII in X12")]
    Utf16,
    /// An archive or a compressed file.
    #[error("the file is compressed or an archive; hand in what is in it")]
    Compressed,
    /// A JSON array.
    #[error("the file is a JSON array; hand in one object per line")]
    JsonArray,
    /// X12, but not a remittance.
    #[error("the file is X12, but its first transaction set is not an 835")]
    OtherX12,
    /// None of these.
    #[error("the file begins neither with ISA, GS or ST (X12) nor with a JSON object (NDJSON, FHIR)")]
    Unknown,
}

impl Undetected {
    /// The refusal of the file of this name.
    pub fn refusal(self, file: &str) -> Refusal {
        let reason = match self {
            Self::Empty => reason::EMPTY_FILE,
            Self::OtherX12 => reason::NOT_AN_835,
            _ => reason::FORMAT_UNKNOWN,
        };
        refuse(file, reason, self.to_string())
    }
}

/// A refusal with the standard advice for its reason.
pub(crate) fn refuse(file: &str, reason: &'static str, expected: impl Into<String>) -> Refusal {
    Refusal { file: file.to_owned(), reason, expected: expected.into(), action: reason::action(reason).to_owned() }
}

/// A refusal for a reader that fails.
pub(crate) fn unreadable(file: &str, error: &std::io::Error) -> Refusal {
    if let Some(wrapping) = WrappingError::of(error) {
        return refuse(file, wrapping.reason(), format!("expected {wrapping}"));
    }
    refuse(file, reason::UNREADABLE, format!("expected to read to the end, but the system says: {}", error.kind()))
}
