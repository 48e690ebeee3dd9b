//! What can go wrong, named by who must act: the operator (bundle, templates) or we (rendering).
//!
//! No error carries a value of a job. Names and lines are those of templates.

/// A bundle cannot be read. The operator must act.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file or folder cannot be read.
    #[error("{name}: cannot be read: {source}; check that the file exists and may be read")]
    Read {
        /// Its name within the template folder.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file name is not of `a-z 0-9 . _ - /`, or is too long, or lies too deep.
    #[error("a file name in the template folder does not fit; use a-z, 0-9, '.', '_' and '-' and at most four folders")]
    Name,
    /// A file is not UTF-8.
    #[error("{0}: is not UTF-8; save it as UTF-8")]
    NotUtf8(String),
    /// All files together are larger than [`model::limits::BUNDLE_BYTES_MAX`], or there are too many.
    #[error("the bundle is larger than {bytes_max} bytes or has more than {files_max} files; remove what the templates do not need")]
    TooLarge {
        /// The limit in bytes.
        bytes_max: usize,
        /// The limit in files.
        files_max: usize,
    },
    /// The bytes are no archive of a bundle.
    #[error("not a bundle archive: {0}; restore the file from a backup")]
    Archive(&'static str),
    /// The archive was written by a newer renderer.
    #[error("the bundle is of renderer version {found}, this engine knows up to {known}; upgrade the engine")]
    NewerRenderer {
        /// The version in the archive.
        found: u32,
        /// The version of this engine.
        known: u32,
    },
    /// A field of the identity does not fit.
    #[error("identity.{field}: {expected}")]
    Identity {
        /// The field.
        field: &'static str,
        /// What was expected.
        expected: &'static str,
    },
}

/// A bundle cannot be compiled. The author of the templates must act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A file that every template set needs is not there.
    #[error("{0}: is missing; a template set has NAME.html, NAME.txt, subject.txt and preheader.txt")]
    Missing(String),
    /// A template does not parse.
    #[error("{name}:{line}: {detail}")]
    Syntax {
        /// The file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What the parser said.
        detail: String,
    },
    /// `[[...]]` names nothing.
    #[error("{name}:{line}: [[{key}]] is neither a text of strings.en.toml (t.) nor a field of the identity (identity.)")]
    UnknownText {
        /// The file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What stood between the brackets.
        key: String,
    },
    /// A table (`strings.en.toml`, `codes.toml`) does not parse or has a text that does not fit.
    #[error("{name}: {detail}")]
    Table {
        /// The file.
        name: String,
        /// What was expected.
        detail: String,
    },
    /// A template does what a statement's mail must not do.
    #[error("{name}:{line}: {rule}")]
    Forbidden {
        /// The file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// The rule it breaks.
        rule: &'static str,
    },
    /// The template did not render an invented job.
    #[error("{name}:{line}: does not render the trial job: {detail}")]
    Trial {
        /// The file.
        name: String,
        /// The line, from 1; 0 where it is not known.
        line: usize,
        /// What the template engine said of the invented job.
        detail: String,
    },
}

/// A job cannot be rendered: it is held as `unrenderable`. Carries no value of the job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The job names another bundle than this renderer's. The caller took the wrong renderer.
    #[error("the job names another bundle than this renderer was made of; take the renderer of the job's bundle")]
    OtherBundle,
    /// The job has no recipient.
    #[error("the job has no recipient; it must be held until a person finds one")]
    NoRecipient,
    /// The job has no statement.
    #[error("the job has no statement; intake must not accept such a job")]
    NoStatement,
    /// The message would be larger than [`model::limits::MESSAGE_BYTES_MAX`].
    #[error("the message would be larger than {0} bytes; send it on paper or by the portal")]
    TooLarge(usize),
    /// The job names a template that the bundle does not have.
    #[error("the bundle has no template set of the job's name; add its folder to the templates")]
    NoTemplate,
    /// A statement came on the marketing stream.
    #[error("a statement cannot be sent on the marketing stream; send it as transactional")]
    StatementOnMarketing,
    /// The job is decided to go on paper.
    #[error("the job is to go on paper; it must not come to be rendered as mail")]
    PaperOnly,
    /// The job mixes bills with statements that are none.
    #[error("the job mixes bills with statements that are no bill; intake must not put them into one message")]
    MixedKinds,
    /// A template failed.
    #[error("{name}:{line}: {problem}; correct the template")]
    Template {
        /// The template.
        name: String,
        /// The line, from 1; 0 where it is not known.
        line: usize,
        /// The kind of problem.
        problem: &'static str,
    },
    /// A template used more steps than it may.
    #[error("{name}: used more steps than a message may; look for a loop in a loop")]
    OutOfFuel {
        /// The template.
        name: String,
    },
}
