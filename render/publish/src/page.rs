//! One local page that shows messages side by side: a phone, a screen, dark, the text part, and each language.
//!
//! Every message stands in a frame of its own without rights (`sandbox`), so that nothing in it runs and no link in it is followed
//! by accident. The page loads nothing from elsewhere. It holds personal data where the rows are real:
//! the caller keeps it off shared disks.

/// One message to show.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown {
    /// What it is, above its row: `row 3, full, es`.
    pub title: String,
    /// The subject line.
    pub subject: String,
    /// The page.
    pub html: String,
    /// The text part.
    pub text: String,
}

/// The page: one row for each message.
pub fn preview_page(title: &str, messages: &[Shown]) -> String {
    let mut out = String::with_capacity(messages.iter().map(|shown| shown.html.len() * 4 + shown.text.len()).sum::<usize>() + 4_096);
    out.push_str("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'\">\n<title>");
    push_escaped(&mut out, title);
    out.push_str("</title>\n<style>\n");
    out.push_str(STYLE);
    out.push_str("</style>\n</head>\n<body>\n<h1>");
    push_escaped(&mut out, title);
    out.push_str("</h1>\n<p class=\"warn\">These messages hold personal data. Delete this page when you have looked at it.</p>\n");
    for shown in messages {
        push_row(&mut out, shown);
    }
    out.push_str("</body>\n</html>\n");
    out
}

const STYLE: &str = "body{font:15px/1.4 system-ui,sans-serif;margin:24px;background:#dfe5ea;color:#17222d}
h1{font-size:22px}h2{font-size:17px;margin:28px 0 4px}.warn{font-weight:700}
.row{display:flex;gap:20px;overflow-x:auto;align-items:flex-start;padding-bottom:12px}
figure{margin:0;flex:none}figcaption{margin-bottom:4px}
iframe,pre{border:1px solid #8a99a8;border-radius:6px;background:#fff;height:900px;margin:0}
pre{width:600px;overflow:auto;padding:12px;box-sizing:border-box;font:13px/1.4 ui-monospace,monospace}
";

fn push_row(out: &mut String, shown: &Shown) {
    out.push_str("<h2>");
    push_escaped(out, &shown.title);
    out.push_str("</h2>\n<p>Subject: <b>");
    push_escaped(out, &shown.subject);
    out.push_str("</b></p>\n<div class=\"row\">\n");
    let dark = shown.html.replace("@media(prefers-color-scheme:dark)", "@media all");
    let light = shown.html.replace("@media(prefers-color-scheme:dark)", "@media not all");
    for (caption, width, page) in
        [("Phone, 390 px", 390, &light), ("Screen, 800 px", 800, &light), ("Phone, dark", 390, &dark), ("Small phone, 320 px", 320, &light)]
    {
        out.push_str(&format!(
            "<figure><figcaption>{caption}</figcaption><iframe sandbox=\"\" title=\"{caption}\" style=\"width:{width}px\" srcdoc=\""
        ));
        push_escaped(out, page);
        out.push_str("\"></iframe></figure>\n");
    }
    out.push_str("<figure><figcaption>Text part</figcaption><pre>");
    push_escaped(out, &shown.text);
    out.push_str("</pre></figure>\n</div>\n");
}

fn push_escaped(out: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_leave_its_frame() {
        let shown = Shown {
            title: "row 1".into(),
            subject: "<b>".into(),
            html: "\"></iframe><script>alert(1)</script>".into(),
            text: "</pre><script>".into(),
        };
        let page = preview_page("t", &[shown]);
        assert!(!page.contains("<script>") && page.matches("<iframe").count() == 4 && page.matches("</iframe>").count() == 4, "{page}");
        assert!(page.contains("default-src 'none'"));
    }
}
