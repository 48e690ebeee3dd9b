//! A job becomes MIME.
//!
//! ```text
//! configs/templates ──► Bundle ──► Renderer ──► RenderedMessage
//! identity of the      what decides   compiled     header + text + HTML,
//! tenant ────────────► the bytes      once         CRLF, hashed
//! ```
//!
//! **Promises.** The same job, message version, `Date` and bundle give the same bytes, in every process and on every
//! machine (invariant 4). Nothing of a statement reaches a header field or an URL: their templates see a
//! [`HeaderContext`], which has no such field. An amount the source does not state is never shown as zero (invariant 14).
//! A name cannot inject a header, hide behind invisible characters or run as markup. Errors carry no values (invariant 5).
//!
//! **Leaves to others.** Signing and protection (`seal`), whether a message may go (`throttle`), comparing the hash
//! with the frozen one (the pipeline). It knows no clock: the `Date` comes with the call.
//!
//! **One copy.** A template that is made of fields, conditions and loops becomes a program that writes quoted-printable straight
//! into the bytes that leave, its fixed text encoded once per bundle. Any other is rendered by the template engine and encoded then; both
//! say the same, and every bundle is tried out with both.
//!
//! **The one surprise.** `[[t.key]]` and `[[identity.field]]` in a template are filled in when the bundle is compiled, not
//! when a message is rendered: they are the same for every message, and a look-up per message would cost more than the rest.

mod archive;
mod bundle;
mod clean;
mod codes;
mod compile;
mod datum;
mod environment;
mod error;
mod fixed_text;
mod format;
mod header_context;
mod identity;
mod language;
mod lint;
mod medium;
mod mime;
mod preview;
mod program;
mod quoted_printable;
mod renderer;
mod template_set;
mod text_fold;
mod text_part;
mod tongue;
mod trial;
mod view;
mod wording;
mod words;

pub use bundle::Bundle;
pub use error::{BundleError, RenderError, TemplateError};
pub use header_context::HeaderContext;
pub use identity::Identity;
pub use language::LanguageMatch;
pub use preview::Preview;
pub use renderer::{Renderer, TrialPage};
pub use wording::Wording;

/// Raised with every change of this crate that changes bytes; part of each [`model::BundleId`].
pub const RENDERER_VERSION: u32 = 3;
