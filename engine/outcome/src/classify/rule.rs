//! One rule: what it looks for, and what it says then.

use crate::cause::{Cause, Scope, Severity};
use crate::classify::matching::Matching;
use crate::decision::Action;
use std::sync::Arc;

/// A rule from a file.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    pub(crate) matching: Matching,
    pub(crate) cause: Cause,
    pub(crate) scope: Option<Scope>,
    pub(crate) severity: Option<Severity>,
    pub(crate) action: Option<Action>,
    pub(crate) close_connection: bool,
    pub(crate) page: bool,
    pub(crate) file: Arc<str>,
    pub(crate) line: u32,
}

impl Rule {
    /// `file:line`.
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}
