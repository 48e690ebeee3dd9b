//! Which words a bundle has for the members: asked at admission, when nothing is rendered yet.
//!
//! A denial that nobody explained must not go out (29 CFR 2560.503-1(g)(1)(i): the specific reason); a language that the templates
//! lack is counted. Both are read from the bundle's tables alone, so that asking needs no compiled template.

use crate::codes::Codes;
use crate::language::{BASE, LanguageMatch, primary};
use crate::template_set::languages;
use crate::{Bundle, TemplateError};
use model::statement::{ClaimStatus, NoteKind, ServiceLine, StatementKind};
use model::{Cents, Recipient, Statement};
use std::collections::BTreeSet;

/// The words of one bundle, as far as admission asks for them.
#[derive(Debug)]
pub struct Wording {
    codes: Codes,
    languages: BTreeSet<String>,
}

impl Wording {
    /// Reads the tables of a bundle.
    ///
    /// # Errors
    /// [`TemplateError`] naming the table that does not read.
    pub fn of(bundle: &Bundle) -> Result<Self, TemplateError> {
        let languages = languages(bundle.files().keys()).map(str::to_owned).collect();
        Ok(Self { codes: Codes::read(bundle.files(), BASE)?, languages })
    }

    /// What becomes of the language that a person asked for.
    pub fn language(&self, recipient: &Recipient) -> LanguageMatch {
        let Some(tag) = &recipient.language else { return LanguageMatch::NotAsked };
        let language = primary(tag);
        if self.languages.contains(&language) { LanguageMatch::Met(language) } else { LanguageMatch::Unmet(language) }
    }

    /// The first code of a denial that neither the plan, the tenant's table nor ours explains to the member. Empty where a claim was
    /// denied without any reason. `None`: everything is explained.
    pub fn unworded<'a>(&self, statement: &'a Statement) -> Option<&'a str> {
        if statement.kind == StatementKind::Bill {
            return None;
        }
        if statement.status == ClaimStatus::Denied && statement.notes.is_empty() {
            return Some("");
        }
        let denied_lines = statement.lines.iter().filter(|line| is_denied(line)).flat_map(|line| &line.notes);
        let of_lines = denied_lines.filter_map(|note| statement.notes.get(usize::from(*note)));
        let of_claim = statement.notes.iter().filter(|_| statement.status == ClaimStatus::Denied);
        let mut reasons = of_claim.chain(of_lines).filter(|note| note.kind == NoteKind::Adjustment);
        reasons.find(|note| !self.codes.words(note).specific).map(|note| note.code.reveal().trim())
    }
}

/// The plan paid nothing of a service and does not cover it.
fn is_denied(line: &ServiceLine) -> bool {
    line.amounts.not_covered.is_some_and(|not_covered| not_covered > Cents::ZERO) && line.amounts.plan_paid == Some(Cents::ZERO)
}
