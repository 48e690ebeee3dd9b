//! At admission: whether the tenant's templates have the words that a statement needs.
//!
//! A denial without words for the member is held as `reason_unworded`: a member must be told the specific reason (29 CFR
//! 2560.503-1(g)(1)(i)). When the tenant's templates have them, the release of its batch lets it go ([`crate::orders`]). A language that
//! the templates lack holds nothing: such a message goes out in English with the language lines, and is counted as `language_unmet`: of a
//! file by its commit, of streamed jobs by their heads. Notices and paper show no reasons of ours.

use model::stage::{Job, Payload};
use model::state::HoldReason;
use model::{BatchId, Detail, Stream};
use render::{LanguageMatch, Wording};
use std::collections::BTreeMap;

/// The reason code of a language that the templates lack, in the batch's report.
pub(crate) const LANGUAGE_UNMET: &str = ledger::LANGUAGE_UNMET;

/// What was found while the rows of a batch came in.
#[derive(Debug, Default)]
pub(crate) struct WordingFound {
    /// Held jobs by the code that has no words.
    unworded: BTreeMap<String, u64>,
    /// Jobs whose language is not there.
    pub(crate) language_unmet: u64,
}

impl WordingFound {
    /// Looks at one job; holds it where a denial has no words.
    pub(crate) fn look_at<S: Stream>(&mut self, job: &mut Job<S>, wording: &Wording) {
        if job.head.presentation.paper.is_some() {
            return;
        }
        if job.data.recipient.as_ref().is_some_and(|recipient| matches!(wording.language(recipient), LanguageMatch::Unmet(_))) {
            self.language_unmet += 1;
            job.head.language_unmet = true;
        }
        let Payload::Statements(statements) = &job.data.payload else { return };
        if job.head.held.is_some() || job.data.presentation.detail != Detail::Full {
            return;
        }
        if let Some(code) = statements.iter().find_map(|statement| wording.unworded(statement)) {
            *self.unworded.entry(code.to_owned()).or_default() += 1;
            job.head.held = Some(HoldReason::ReasonUnworded);
        }
    }

    /// Tells the operator which codes are to be worded.
    pub(crate) fn say(&self, batch: BatchId) {
        for (code, jobs) in &self.unworded {
            let code = if code.is_empty() { "(none: the claim is denied without a reason)" } else { code.as_str() };
            tracing::warn!(target: "sealpost::intake", %batch, code, jobs, "a denial has no words for the member; held as reason_unworded: \
                add the code to reasons.en.toml of the tenant's templates, import and activate them, and give `sealpost batch release` for this \
                batch: what has words then goes out");
        }
    }
}
