//! Words that data picks: of a kind of mail, of a claim's status, of a code.
//!
//! All other fixed texts are filled into the templates when the bundle is compiled.

use crate::TemplateError;
use crate::codes::Codes;
use crate::fixed_text::FixedTexts;
use minijinja::Value;
use model::statement::ClaimStatus;

/// The statuses with the key of their text.
const STATUS_KEYS: [(ClaimStatus, &str); 9] = [
    (ClaimStatus::ProcessedPrimary, "status_processed_primary"),
    (ClaimStatus::ProcessedSecondary, "status_processed_secondary"),
    (ClaimStatus::ProcessedTertiary, "status_processed_tertiary"),
    (ClaimStatus::Denied, "status_denied"),
    (ClaimStatus::Forwarded, "status_forwarded"),
    (ClaimStatus::Reversal, "status_reversal"),
    (ClaimStatus::NotOurClaim, "status_not_our_claim"),
    (ClaimStatus::Predetermination, "status_predetermination"),
    (ClaimStatus::Unknown, "status_unknown"),
];

/// The words of one bundle.
pub(crate) struct Words {
    /// The code table.
    pub(crate) codes: Codes,
    /// What kind of mail a statement is.
    pub(crate) kind_eob: String,
    /// What kind of mail a templated message is.
    pub(crate) kind_templated: String,
    /// A service without a description.
    pub(crate) service: String,
    /// A service without a day.
    pub(crate) date_not_stated: String,
    /// Before a service's code.
    pub(crate) code: String,
    /// Before the number of one note.
    pub(crate) note: String,
    /// Before the numbers of several notes.
    pub(crate) notes: String,
    statuses: Vec<(ClaimStatus, Value)>,
}

impl Words {
    /// Takes the words out of the fixed texts read from `name`.
    ///
    /// # Errors
    /// [`TemplateError::Table`] naming the text that is missing.
    pub(crate) fn new(name: &str, texts: &FixedTexts<'_>, codes: Codes) -> Result<Self, TemplateError> {
        let required = |key| texts.required(name, key);
        let statuses = STATUS_KEYS.iter().map(|(status, key)| Ok((*status, Value::from(required(key)?)))).collect::<Result<_, _>>()?;
        Ok(Self {
            codes,
            kind_eob: required("kind_eob")?,
            kind_templated: required("kind_templated")?,
            service: required("service")?,
            date_not_stated: required("date_not_stated")?,
            code: required("code")?,
            note: required("note_short")?,
            notes: required("notes_short")?,
            statuses,
        })
    }

    /// A claim's status.
    pub(crate) fn status(&self, status: ClaimStatus) -> Value {
        self.statuses.iter().find(|(known, _)| *known == status).map_or(Value::from(()), |(_, words)| words.clone())
    }
}
