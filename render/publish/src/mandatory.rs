//! What law and the reader's peace of mind ask of every message: looked for in finished pages of invented jobs, in each language.
//!
//! 45 CFR 147.136(b)(2)(ii)(E) and 29 CFR 2560.503-1(g): how to appeal, by when, where, who helps; 29 CFR 2520.104b-1(c)(1)(iv): paper on
//! request; 45 CFR 147.136(e): language lines. A page counts as saying what a reader sees: what stands in an element with
//! `display:none` is not said.

use crate::{Finding, Rule};
use render::{Bundle, Identity, TrialPage};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Beginnings of local parts that nobody reads.
const UNREAD: [&str; 7] = ["noreply", "no-reply", "no_reply", "donotreply", "do-not-reply", "do_not_reply", "nobody"];
/// How a language says that something is not a bill. A language that is not listed is the author's.
const NOT_A_BILL: [(&str, &str); 2] = [("en", "not a bill"), ("es", "no es una factura")];

/// The tenant's addresses.
pub(crate) fn check_identity(identity: &Identity) -> Option<Finding> {
    let reply_to = identity.reply_to.reveal().to_ascii_lowercase();
    let unread = UNREAD.iter().any(|start| reply_to.starts_with(start));
    unread.then(|| Finding::new("identity", 0, Rule::ReplyTo, &reply_to))
}

/// The finished pages.
pub(crate) fn check_pages(bundle: &Bundle, pages: &[TrialPage]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let identity = bundle.identity();
    for page in pages {
        let texts = Texts::of(bundle, &page.language);
        for (ending, said) in [("html", visible(&page.html)), ("txt", squeezed(&page.text))] {
            let file = format!("{0}/{0}.{ending}", page.set);
            let mut need = |rule, holds: bool| {
                if !holds {
                    findings.push(Finding::new(&file, 0, rule, &format!("in language {}", page.language)));
                }
            };
            let says = |text: &str| !text.trim().is_empty() && said.contains(&squeezed(text));
            let says_text = |key| texts.get(key).is_some_and(|text| says(&text));
            need(Rule::Phone, says(&identity.phone) && says(&identity.tty));
            need(Rule::Languages, says_text("language") && texts.lines(identity).iter().all(|line| says(line)));
            match page.set.as_str() {
                "eob" => {
                    let words = NOT_A_BILL.iter().find(|(language, _)| *language == page.language).map_or("", |(_, words)| words);
                    let not_a_bill = texts.get("not_a_bill").unwrap_or_default();
                    need(Rule::NotABill, says(&not_a_bill) && not_a_bill.to_lowercase().contains(words));
                    let how = texts.get("appeal_how").unwrap_or_default();
                    need(
                        Rule::Appeal,
                        says(&how) && how.contains("180") && says(&identity.postal_address) && says(&texts.consumer(identity)),
                    );
                    need(Rule::Paper, says_text("paper"));
                }
                "bill" => need(Rule::Paper, says_text("paper")),
                _ => {
                    let linked = ending == "html" && page.html.contains(&identity.portal_url.replace('&', "&amp;"));
                    need(Rule::Portal, linked || says(&identity.portal_url));
                }
            }
        }
    }
    findings.sort();
    findings.dedup();
    findings
}

/// The fixed texts of a language, with the identity filled in.
struct Texts {
    table: Table,
    lines: Table,
    language: String,
    fields: BTreeMap<&'static str, String>,
}

impl Texts {
    fn of(bundle: &Bundle, language: &str) -> Self {
        let read = |name: &str| bundle.files().get(name).and_then(|text| text.parse::<Table>().ok()).unwrap_or_default();
        let identity = bundle.identity();
        let fields =
            [("phone", &identity.phone), ("tty", &identity.tty), ("brand", &identity.brand), ("postal_address", &identity.postal_address)];
        Self {
            table: read(&format!("strings.{language}.toml")),
            lines: read("languages.toml"),
            language: language.to_owned(),
            fields: fields.into_iter().map(|(name, text)| (name, text.clone())).collect(),
        }
    }

    fn get(&self, key: &str) -> Option<String> {
        self.table.get(key).and_then(Value::as_str).map(|text| self.filled(text))
    }

    /// The sentences of the tenant's languages.
    fn lines(&self, identity: &Identity) -> Vec<String> {
        let shipped = |tag: &String| self.lines.get(tag)?.get("sentence")?.as_str().map(|text| self.filled(text));
        let of = |tag: &String| identity.language_lines.get(tag).cloned().or_else(|| shipped(tag));
        identity.languages.iter().filter(|tag| **tag != self.language).filter_map(of).collect()
    }

    fn consumer(&self, identity: &Identity) -> String {
        identity.consumer_assistance_in.get(&self.language).unwrap_or(&identity.consumer_assistance).clone()
    }

    fn filled(&self, text: &str) -> String {
        self.fields.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("[[identity.{name}]]"), value))
    }
}

/// What a reader sees of a page: without tags, styles, and elements that are not displayed.
fn visible(html: &str) -> String {
    let body = html.find("<body").map_or(html, |start| &html[start..]);
    let mut out = String::with_capacity(body.len() / 2);
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        out.push_str(&rest[..start]);
        let length = if rest[start..].starts_with("<!--") {
            rest[start..].find("-->").map_or(rest.len() - start, |end| end + 3)
        } else {
            rest[start..].find('>').map_or(rest.len() - start, |end| end + 1)
        };
        let tag = &rest[start..start + length];
        rest = &rest[start + length..];
        if is_hidden(tag) {
            let name = tag[1..].split([' ', '>']).next().unwrap_or_default();
            rest = rest.find(&format!("</{name}>")).map_or("", |end| &rest[end..]);
        }
        // Tags within a line stand between letters of one word only where an author wants that; blanks are squeezed anyway.
        if !["<b>", "</b>", "<span", "</span", "<a ", "</a>"].iter().any(|inline| tag.starts_with(inline)) {
            out.push(' ');
        }
    }
    out.push_str(rest);
    squeezed(&unescaped(&out))
}

fn is_hidden(tag: &str) -> bool {
    let style: String = tag.to_ascii_lowercase().chars().filter(|letter| !letter.is_whitespace()).collect();
    let hides = ["display:none", "visibility:hidden", "font-size:0", "opacity:0;", "opacity:0\"", "max-height:0"];
    tag.starts_with('<') && !tag.starts_with("</") && hides.iter().any(|hide| style.contains(hide))
}

fn unescaped(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#x27;", "'"), ("&#39;", "'"), ("&#x2f;", "/"), ("&nbsp;", " "), ("&amp;", "&")]
        .into_iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_says_what_a_reader_sees() {
        let page = "<style>.a{b:c}</style><body><div style=\"display: none\">hidden</div><p>Call <b>1</b>&amp;2</p><!-- no --><p>Now</p>";
        assert_eq!(visible(page), "Call 1&2 Now");
    }
}
