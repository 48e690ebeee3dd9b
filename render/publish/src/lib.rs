//! A template folder becomes a bundle.
//!
//! ```text
//! folder ──► author ──► lint ──► Bundle (render) ──► page
//!            MJML and   every     content-addressed   side by side,
//!            CSS, once  leak                          to be looked at
//! ```
//!
//! **Promises.** What [`lint`] passes cannot tell a third party that, when or where a message was read, cannot put a value of a
//! statement into a header field, a link or an attribute, and has what law asks of it. Everything that is wrong is said at once, with
//! file, line and what to do. Nothing here runs while messages are sent: big parsers stay out of that path.
//!
//! **Leaves to others.** Whether the words are right (counsel), rendering (`render`), storing and activating bundles (`engine`).

mod author;
mod finding;
mod folder;
mod html;
mod mandatory;
mod page;
mod source;
mod style;
mod variables;

pub use author::{AuthorError, resolve};
pub use finding::{Finding, Rule};
pub use folder::{FolderError, read_folder};
pub use page::{Shown, preview_page};

use render::{Bundle, Renderer};
use std::collections::BTreeMap;

/// Everything that is wrong with the templates of a bundle, in the order of files and lines; empty where they may be used.
pub fn lint(bundle: &Bundle) -> Vec<Finding> {
    let files = bundle.files();
    let domains = bundle.identity().own_domains();
    let mut findings = Vec::new();
    for (name, text) in files {
        findings.extend(lint_file(name, text, &domains));
    }
    findings.extend(variables::check(files));
    findings.extend(mandatory::check_identity(bundle.identity()));
    // What does not compile or render has no page to look at; what was found until then says more than that.
    match Renderer::new(bundle).and_then(|renderer| renderer.trial_pages()) {
        Ok(pages) => findings.extend(mandatory::check_pages(bundle, &pages)),
        Err(error) if findings.is_empty() => findings.push(Finding::of_template_error(&error)),
        Err(_) => {}
    }
    findings.sort();
    findings.dedup();
    findings
}

fn lint_file(name: &str, text: &str, domains: &[String]) -> Vec<Finding> {
    let mut findings = source::check(name, text);
    if name.ends_with(".html") {
        findings.extend(html::check(name, text, domains));
    } else {
        findings.extend(html::check_addresses_in_text(name, text, domains));
    }
    findings
}

/// Files of a folder that do not belong into a bundle, by their names relative to it: whatever is no template and no text.
pub fn strangers<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Finding> {
    let belongs = |name: &&str| [".html", ".txt", ".toml", ".mjml", ".css", ".md"].iter().any(|ending| name.ends_with(ending));
    names.into_iter().filter(|name| !belongs(name)).map(|name| Finding::new(name, 0, Rule::Attachment, "")).collect()
}

/// The files of a bundle.
type Files = BTreeMap<String, String>;
