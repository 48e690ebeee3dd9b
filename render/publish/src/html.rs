//! The page as a mail program reads it: elements, attributes, links and styles, each against a list of what mail needs.
//!
//! Lists of what is allowed, not of what is forbidden: an element nobody thought of is refused. The tokenizer is the one of browsers
//! (html5ever), over the source with template language blanked out. What stands in conditional comments is read like the rest, since
//! one mail program runs it.

use crate::{Finding, Rule, source, style};
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use std::cell::{Cell, RefCell};

/// Elements that mail needs.
const ELEMENTS: [&str; 49] = [
    "html",
    "head",
    "meta",
    "title",
    "style",
    "body",
    "main",
    "header",
    "footer",
    "section",
    "div",
    "span",
    "p",
    "br",
    "hr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "a",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "small",
    "sup",
    "sub",
    "abbr",
    "center",
    "blockquote",
    "pre",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "table",
    "caption",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "th",
    "td",
    "col",
];
/// Attributes that mail needs. `aria-` ones are allowed too.
const ATTRIBUTES: [&str; 22] = [
    "lang",
    "dir",
    "class",
    "id",
    "style",
    "role",
    "scope",
    "colspan",
    "rowspan",
    "headers",
    "abbr",
    "align",
    "valign",
    "width",
    "height",
    "bgcolor",
    "border",
    "cellpadding",
    "cellspacing",
    "title",
    "start",
    "xmlns",
];
/// What a `meta` may say.
const META_NAMES: [&str; 5] =
    ["viewport", "color-scheme", "supported-color-schemes", "format-detection", "x-apple-disable-message-reformatting"];
/// Beginnings of parameters that only trackers add.
const TRACKERS: [&str; 10] = ["utm_", "gclid", "fbclid", "mc_eid", "mc_cid", "_hsenc", "mkt_tok", "trk", "vero_", "yclid"];

/// Checks a page's source.
pub(crate) fn check(name: &str, text: &str, domains: &[String]) -> Vec<Finding> {
    Page::new(name, 1, domains).read(&source::blanked(text))
}

/// Addresses in a text: mail programs make links of them.
pub(crate) fn check_addresses_in_text(name: &str, text: &str, domains: &[String]) -> Vec<Finding> {
    addresses(text)
        .filter(|(_, address)| !is_own(address, domains))
        .map(|(at, address)| Finding::new(name, source::line_of(text, at), Rule::Link, address))
        .collect()
}

/// The sink of the tokenizer.
struct Page<'a> {
    name: &'a str,
    /// The line at which this part of the file begins.
    first_line: usize,
    domains: &'a [String],
    found: RefCell<Vec<Finding>>,
    /// The text since the last tag: the tokenizer gives it letter by letter.
    text: RefCell<String>,
    /// The line on which that text begins, as the tokenizer counts.
    text_line: Cell<u64>,
    in_style: Cell<bool>,
}

impl<'a> Page<'a> {
    fn new(name: &'a str, first_line: usize, domains: &'a [String]) -> Self {
        Self {
            name,
            first_line,
            domains,
            found: RefCell::default(),
            text: RefCell::default(),
            text_line: Cell::new(1),
            in_style: Cell::new(false),
        }
    }

    fn read(self, text: &str) -> Vec<Finding> {
        let input = BufferQueue::default();
        input.push_back(StrTendril::from(text));
        let tokenizer = Tokenizer::new(self, TokenizerOpts { exact_errors: true, ..TokenizerOpts::default() });
        // A script would make it pause; there is none that it would be told of.
        let _ = tokenizer.feed(&input);
        tokenizer.end();
        tokenizer.sink.found.into_inner()
    }

    fn find(&self, line: u64, rule: Rule, found: &str) {
        let line = usize::try_from(line).unwrap_or(0) + self.first_line - 1;
        self.found.borrow_mut().push(Finding::new(self.name, line, rule, found));
    }

    fn tag(&self, tag: &Tag, line: u64) {
        let element = &*tag.name;
        if !ELEMENTS.contains(&element) {
            return self.find(line, Rule::Element, &format!("<{element}>"));
        }
        for attribute in &tag.attrs {
            self.attribute(tag, &attribute.name.local, &attribute.value, line);
        }
    }

    fn attribute(&self, tag: &Tag, key: &str, value: &str, line: u64) {
        let shown = format!("<{} {key}=\"{value}\">", &*tag.name);
        match (&*tag.name, key) {
            (_, "style") => {
                if style::forbidden(value).is_some() {
                    self.find(line, Rule::Style, &shown);
                }
            }
            ("a", "href") => {
                if !is_allowed_link(value, self.domains) {
                    self.find(line, Rule::Link, &shown);
                }
            }
            ("meta", "charset") if value.eq_ignore_ascii_case("utf-8") => {}
            ("meta", "name") if META_NAMES.contains(&value) => {}
            ("meta", "content") if !value.contains("//") => {}
            (element, key) if element != "meta" && (ATTRIBUTES.contains(&key) || key.starts_with("aria-")) => {}
            _ => self.find(line, Rule::Attribute, &shown),
        }
    }

    /// Looks at the text that a tag, a comment or the end of the page ends.
    fn end_text(&self, line: u64) {
        let text = self.text.take();
        let starts = self.text_line.replace(line);
        let line_at = |at: usize| starts + text[..at].matches('\n').count() as u64;
        if let Some((at, _)) = style::forbidden(&text).filter(|_| self.in_style.get()) {
            self.find(line_at(at), Rule::Style, &text[at..]);
        }
        for (at, address) in addresses(&text).filter(|(_, address)| !is_own(address, self.domains)) {
            self.find(line_at(at), Rule::Link, address);
        }
    }

    /// A comment: what a condition for one mail program holds is a page of its own.
    fn comment(&self, comment: &str, line: u64) {
        let Some(start) = comment.starts_with("[if").then(|| comment.find("]>")).flatten() else {
            if comment.contains('<') && !comment.starts_with("<![endif]") {
                self.find(line, Rule::Html, &format!("<!--{comment}-->"));
            }
            return;
        };
        let inner = comment[start + 2..].replace("<![endif]", "");
        let ends = usize::try_from(line).unwrap_or(1);
        let first_line = self.first_line + ends.saturating_sub(1 + comment.matches('\n').count());
        let found = Page::new(self.name, first_line, self.domains).read(&inner);
        self.found.borrow_mut().extend(found);
    }
}

impl TokenSink for Page<'_> {
    type Handle = ();

    fn process_token(&self, token: Token, line: u64) -> TokenSinkResult<()> {
        if let Token::CharacterTokens(letters) = &token {
            self.text.borrow_mut().push_str(letters);
            return TokenSinkResult::Continue;
        }
        self.end_text(line);
        match token {
            Token::TagToken(tag) => {
                self.tag(&tag, line);
                self.in_style.set(&*tag.name == "style" && tag.kind == TagKind::StartTag);
                return match (&*tag.name, tag.kind) {
                    ("style", TagKind::StartTag) => TokenSinkResult::RawData(RawKind::Rawtext),
                    ("title", TagKind::StartTag) => TokenSinkResult::RawData(RawKind::Rcdata),
                    _ => TokenSinkResult::Continue,
                };
            }
            Token::CommentToken(comment) => self.comment(&comment, line),
            Token::ParseError(problem) => self.find(line, Rule::Html, &problem),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

/// `https:` to the tenant's own domains, `mailto:` likewise, `tel:`.
fn is_allowed_link(link: &str, domains: &[String]) -> bool {
    if link.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return false;
    }
    // `[[identity.FIELD]]` is checked with the configuration, and leads to the tenant.
    if let Some(field) = link.strip_prefix("[[identity.").and_then(|rest| rest.strip_suffix("]]")) {
        return ["portal_url", "pay_url"].contains(&field);
    }
    match link.split_once(':') {
        Some(("https", _)) => is_own(link, domains),
        Some(("mailto", address)) => {
            address == "[[identity.reply_to]]" || address.split_once('@').is_some_and(|(_, host)| is_domain(host, domains))
        }
        Some(("tel", number)) => {
            number == "[[identity.phone_digits]]" || number.bytes().all(|byte| byte.is_ascii_digit() || b"+-.*#".contains(&byte))
        }
        _ => false,
    }
}

fn is_own(address: &str, domains: &[String]) -> bool {
    let Some(rest) = address.strip_prefix("https://") else { return false };
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let query = rest.split_once('?').map_or("", |(_, query)| query);
    let tracked =
        query.split(['&', ';', '#']).any(|parameter| TRACKERS.iter().any(|tracker| parameter.to_ascii_lowercase().starts_with(tracker)));
    !host.contains('@') && !tracked && is_domain(host.split(':').next().unwrap_or(host), domains)
}

/// The domain or one below it.
fn is_domain(host: &str, domains: &[String]) -> bool {
    let host = host.to_ascii_lowercase();
    domains.iter().any(|domain| host == *domain || host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.')))
}

/// What mail programs take for an address in a text: `http://`, `https://`, `www.`.
fn addresses(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let starts = ["http://", "https://", "www.", "HTTP://", "HTTPS://"].into_iter().flat_map(|start| text.match_indices(start));
    starts.filter_map(|(at, start)| {
        let inside = start == "www." && text[..at].ends_with("//");
        let end = text[at..].find(|letter: char| letter.is_whitespace() || "<>\"')]".contains(letter)).map_or(text.len(), |end| at + end);
        (!inside).then(|| (at, &text[at..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_tenant() {
        let domains = ["members.lakeside.example".to_owned(), "lakeside.example".to_owned()];
        for link in [
            "https://members.lakeside.example/a?b=c#d",
            "https://help.lakeside.example",
            "tel:+18005550142",
            "mailto:a@lakeside.example",
            "[[identity.portal_url]]",
        ] {
            assert!(is_allowed_link(link, &domains), "{link}");
        }
        for link in [
            "http://lakeside.example",
            "https://evillakeside.example",
            "https://lakeside.example.evil.example",
            "https://lakeside.example@evil.example/",
            "//evil.example",
            "javascript:alert(1)",
            "https://lakeside.example/?utm_source=x",
            "mailto:a@evil.example",
            "tel:1;x=https://evil.example",
            "data:text/html,x",
            "[[identity.portal_url]]?m=1",
            "https://lakeside.example/\u{202e}",
        ] {
            assert!(!is_allowed_link(link, &domains), "{link}");
        }
    }

    #[test]
    fn conditional_comments_are_read() {
        let found = check("a.html", "<p>a</p>\n<!--[if mso]>\n<img src=\"x\">\n<![endif]-->", &[]);
        assert_eq!(found.iter().map(|finding| (finding.line, finding.rule)).collect::<Vec<_>>(), [(3, Rule::Element)]);
    }
}
