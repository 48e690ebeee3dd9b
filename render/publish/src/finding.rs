//! What is wrong with a template: where, by which rule, and what to do.

use render::TemplateError;
use serde::Serialize;
use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, relative to the template folder.
    pub file: String,
    /// The line, from 1; 0 where it is the file as a whole.
    pub line: usize,
    /// Which rule.
    pub rule: Rule,
    /// What of the source it is.
    pub found: String,
}

impl Finding {
    pub(crate) fn new(file: &str, line: usize, rule: Rule, found: &str) -> Self {
        let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
        let found = found.chars().take(80).collect();
        Self { file: file.to_owned(), line, rule, found }
    }

    pub(crate) fn of_template_error(error: &TemplateError) -> Self {
        let (file, line) = match error {
            TemplateError::Syntax { name, line, .. }
            | TemplateError::UnknownText { name, line, .. }
            | TemplateError::Forbidden { name, line, .. }
            | TemplateError::Trial { name, line, .. } => (name.as_str(), *line),
            TemplateError::Missing(name) | TemplateError::Table { name, .. } => (name.as_str(), 0),
        };
        Self { file: file.to_owned(), line, rule: Rule::DoesNotRender, found: error.to_string() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: [{}] {}", self.file, self.line, self.rule.as_str(), self.rule.says())?;
        if self.found.is_empty() { Ok(()) } else { write!(f, ": {}", self.found) }
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $word:literal, $says:literal;)*) => {
        /// The rules, in the order in which findings of a line are shown.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Rule {
            $($(#[$doc])* $variant,)*
        }

        impl Rule {
            /// All rules.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The rule's name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// What is wrong, and what to do.
            pub const fn says(self) -> &'static str {
                match self { $(Self::$variant => $says,)* }
            }
        }
    };
}

rules! {
    /// An element outside the list.
    Element = "element", "this element loads, runs or sends something, or is none that mail needs; take it out, and say in words what it showed";
    /// An attribute outside the list.
    Attribute = "attribute", "this attribute loads, runs or sends something, or is none that mail needs; take it out";
    /// A value without quotation marks.
    Unquoted = "unquoted_attribute", "an attribute's value has no quotation marks; write name=\"value\"";
    /// Template language within a tag.
    ExpressionInTag = "expression_in_tag", "a tag holds template language; values of a statement may stand in text only: move it out of the tag, or choose between whole tags with {% if %}";
    /// Template language within a comment.
    ExpressionInComment = "expression_in_comment", "a comment holds template language, so a value would be sent where nobody looks; take it out";
    /// Template language within a style.
    ExpressionInStyle = "expression_in_style", "a style holds template language; write the style out";
    /// A link outside the tenant's domains.
    Link = "link", "a link leads outside the tenant's domains, is not https:, mailto: or tel:, or carries a tracker's parameters; link to the tenant's own pages, or add the domain to link_domains";
    /// A style that loads or hides its meaning.
    Style = "style", "a style loads something or hides what it does (url(), @import, @font-face, expression(), image-set(), backslashes); write plain styles";
    /// Not HTML.
    Html = "html", "is not valid HTML; correct it, mail programs guess differently";
    /// Escaping switched off.
    Escaping = "escaping", "values are always escaped; take out the safe filter, the autoescape or raw block";
    /// A variable in a header.
    HeaderVariable = "header_variable", "a subject or preheader is read on lock screens and logged on the way; it may use brand, kind and month only";
    /// More than one line in a header.
    HeaderLine = "header_line", "a subject or preheader is one line; another line would be another header field";
    /// A name that no kind of message has.
    UnknownVariable = "unknown_variable", "this kind of message has nothing of that name; see the list in configs/templates/README.md";
    /// A detail in a notice.
    NoticeVariable = "notice_variable", "a notice says nothing of a statement; it may use preheader, recipient and unmet only";
    /// A way to unsubscribe from what is no marketing.
    ListUnsubscribe = "list_unsubscribe", "a statement is no list mail; take List-Unsubscribe out";
    /// A file that is neither template nor text.
    Attachment = "attachment", "a bundle holds .html, .txt, .toml, .mjml and .css files; statements carry no attachments: take the file out";
    /// Not even the trial renders.
    DoesNotRender = "does_not_render", "does not render";
    /// A Reply-To that nobody reads.
    ReplyTo = "reply_to", "nobody reads replies to such an address; name a mailbox that is read";
    /// Not said that it is no bill.
    NotABill = "not_a_bill", "does not say that it is not a bill; name [[t.not_a_bill]] where a reader sees it first, and keep those words in the text";
    /// No phone or TTY.
    Phone = "phone", "lacks the phone and TTY number; name [[identity.phone]] and [[identity.tty]]";
    /// No appeal.
    Appeal = "appeal", "lacks how to appeal, with its time limit, address and the office that helps; include shared/appeal";
    /// No way to paper.
    Paper = "paper", "lacks how to get it on paper; name [[t.paper]]";
    /// No language lines.
    Languages = "language_lines", "lacks the language lines; name [[t.language]] and [[language.lines]]";
    /// No portal.
    Portal = "portal", "lacks the portal; name [[identity.portal_url]]";
}
