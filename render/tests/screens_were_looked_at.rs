//! What the pages look like, for people: six kinds at five widths, in `snapshots/screens`,
//! and the list of the pages that they were taken of.
//!
//! Pixels differ between machines with their fonts, so none are compared. Held is that each picture is there, has its width, and shows the
//! page as it is now: `pages.sha256` names what was photographed. After a change that is meant, take them anew, look at each, commit them:
//!
//! ```text
//! SEALPOST_TAKE_SCREENS=1 cargo test -p render --test screens_were_looked_at
//! cd render/tests/snapshots/screens && mogrify +dither -colors 32 -define png:format=png8 *.png     # ImageMagick: a quarter of the bytes
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod invented;

use aws_lc_rs::digest::{SHA256, digest};
use invented::{DATE, gallery, renderer};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PAGES: [&str; 6] = ["eob", "denied-es", "month", "corrected", "bill", "notice"];
/// A small phone, two usual ones, a reading pane, a screen; in CSS pixels.
const WIDTHS: [u32; 5] = [320, 390, 420, 800, 1200];
/// Chromium's smallest window: narrower pages lie in a frame.
const WINDOW_MIN: u32 = 500;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots/screens")
}

fn pages() -> BTreeMap<&'static str, String> {
    let renderer = renderer();
    let wanted = gallery().into_iter().filter(|(name, _)| PAGES.contains(name));
    wanted.map(|(name, data)| (name, renderer.preview(&data, DATE).unwrap().html)).collect()
}

/// A line a page, as `sha256sum` writes them.
fn listed(pages: &BTreeMap<&str, String>) -> String {
    let mut list = String::new();
    for (name, html) in pages {
        for byte in digest(&SHA256, html.as_bytes()).as_ref() {
            write!(list, "{byte:02x}").unwrap();
        }
        writeln!(list, "  {name}.html").unwrap();
    }
    list
}

#[test]
fn the_pictures_show_the_pages_as_they_are() {
    let pages = pages();
    assert_eq!(pages.len(), PAGES.len());
    if std::env::var_os("SEALPOST_TAKE_SCREENS").is_some() {
        take(&pages);
    }
    let reviewed = std::fs::read_to_string(folder().join("pages.sha256")).unwrap_or_default();
    assert_eq!(reviewed, listed(&pages), "a page changed: take the pictures anew and look at them, see the head of this test");
    for name in PAGES {
        for width in WIDTHS {
            let picture = std::fs::read(folder().join(format!("{name}-{width}.png"))).unwrap();
            assert!(picture.starts_with(b"\x89PNG"), "{name} at {width}");
            // IHDR: the width stands in bytes 16 to 19.
            assert_eq!(u32::from_be_bytes(picture[16..20].try_into().unwrap()), width.max(WINDOW_MIN), "{name} at {width}");
        }
    }
}

fn take(pages: &BTreeMap<&str, String>) {
    std::fs::create_dir_all(folder()).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    for (name, html) in pages {
        for width in WIDTHS {
            let escaped = html.replace('&', "&amp;").replace('"', "&quot;");
            let framed = format!(
                "<!doctype html><meta charset=utf-8><title>-</title><body style='margin:0'><iframe style='border:0;width:{width}px' srcdoc=\"{escaped}\" \
                 onload=\"const h=this.contentDocument.documentElement.scrollHeight;this.style.height=h+'px';document.title=h\"></iframe>"
            );
            let page = temporary.path().join("page.html");
            std::fs::write(&page, framed).unwrap();
            let shown = chromium(temporary.path(), &["--dump-dom".to_owned()], &page);
            let shown = String::from_utf8(shown).unwrap();
            let height = shown.split("<title>").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
            let picture = folder().join(format!("{name}-{width}.png"));
            let size = format!("--window-size={},{height}", width.max(WINDOW_MIN));
            chromium(temporary.path(), &["--hide-scrollbars".to_owned(), size, format!("--screenshot={}", picture.display())], &page);
            println!("{}: {width} × {height}", picture.display());
        }
    }
    std::fs::write(folder().join("pages.sha256"), listed(pages)).unwrap();
}

fn chromium(folder: &Path, arguments: &[String], page: &Path) -> Vec<u8> {
    let output = Command::new("timeout")
        .args(["60", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--virtual-time-budget=2000"])
        .arg(format!("--user-data-dir={}", folder.join("profile").display()))
        .args(arguments)
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert!(output.status.success(), "chromium did not show {}", page.display());
    output.stdout
}
