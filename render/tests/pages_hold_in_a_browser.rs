//! Every kind of page in headless Chromium: clean under axe, light and dark, on a phone and a screen; nothing scrolls sideways from 320 px
//! on, nor at 200 %; no text is smaller than 16 px; a usual claim prints on one page.
//!
//! Needs `chromium` (Debian) and axe-core's `axe.min.js`, whose path is in `SEALPOST_AXE` (`.ci/run` fetches it). Without them it says so
//! and is skipped, unless `SEALPOST_REQUIRE_SERVERS` is set.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may fail loudly")]

mod invented;

use invented::{DATE, gallery, renderer};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};

const EXAMINE: &str = include_str!("browser/examine.html");
const BROWSER: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

fn chromium(folder: &Path, arguments: &[String]) -> Option<Vec<u8>> {
    let profile = format!("--user-data-dir={}", folder.join("profile").display());
    let output = Command::new("timeout")
        .args(["240", "chromium"])
        .args(BROWSER)
        .arg(profile)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

fn has_chromium() -> bool {
    let found = Command::new("sh").args(["-c", "command -v chromium"]).stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    assert!(found || std::env::var_os("SEALPOST_REQUIRE_SERVERS").is_none(), "chromium is not installed");
    if !found {
        println!("skipped: chromium is not installed");
    }
    found
}

/// The page as a reader with a dark screen has it.
fn darkened(html: &str) -> String {
    let dark = html.replace("@media(prefers-color-scheme:dark)", "@media all");
    assert_ne!(dark, html);
    dark
}

fn pages() -> Vec<Value> {
    let renderer = renderer();
    let mut pages = Vec::new();
    for (name, data) in gallery().into_iter().filter(|(name, _)| *name != "huge") {
        let html = renderer.preview(&data, DATE).unwrap().html;
        pages.push(json!({ "name": format!("{name}, dark"), "html": darkened(&html) }));
        pages.push(json!({ "name": name, "html": html }));
    }
    pages
}

#[test]
fn axe_finds_nothing_and_nothing_scrolls_sideways() {
    let Some(axe) = std::env::var_os("SEALPOST_AXE") else {
        assert!(std::env::var_os("SEALPOST_REQUIRE_SERVERS").is_none(), "SEALPOST_AXE does not name axe.min.js");
        println!("skipped: SEALPOST_AXE does not name axe.min.js");
        return;
    };
    if !has_chromium() {
        return;
    }
    let axe = std::fs::read_to_string(axe).unwrap();
    let pages = pages();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("examine.html");
    // Within a script element "</" would end it; axe's own source has none that matters once it is split.
    let listed = serde_json::to_string(&pages).unwrap().replace("</", "<\\/");
    std::fs::write(
        &file,
        EXAMINE.replace("AXE_SOURCE", &axe.replace("</script", "<\\/script")).replace("= PAGES;", &format!("= {listed};")),
    )
    .unwrap();
    let address = format!("file://{}", file.display());
    let printed = chromium(folder.path(), &["--virtual-time-budget=200000".into(), "--dump-dom".into(), address]).unwrap();
    let printed = String::from_utf8(printed).unwrap();
    let start = printed.find("<pre id=\"report\">BEGIN").expect("the examination ended") + "<pre id=\"report\">BEGIN".len();
    let found = &printed[start..start + printed[start..].find("END</pre>").unwrap()];
    let found = found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(found["report"], json!([]), "{:#}", found["report"]);
    assert_eq!(found["examined"], json!(pages.len() * 2));
}

#[test]
fn a_usual_claim_prints_on_one_page() {
    if !has_chromium() {
        return;
    }
    let renderer = renderer();
    let folder = tempfile::tempdir().unwrap();
    for (name, data) in gallery() {
        if !["eob", "eob-es", "denied-es", "pharmacy", "dental", "vision-es", "nothing", "bill", "notice"].contains(&name) {
            continue;
        }
        let (page, print) = (folder.path().join("page.html"), folder.path().join("page.pdf"));
        std::fs::write(&page, renderer.preview(&data, DATE).unwrap().html).unwrap();
        let arguments =
            ["--no-pdf-header-footer".to_owned(), format!("--print-to-pdf={}", print.display()), format!("file://{}", page.display())];
        chromium(folder.path(), &arguments).unwrap();
        let print = std::fs::read(&print).unwrap();
        let pages = String::from_utf8_lossy(&print).split("/Type /Page").skip(1).filter(|rest| !rest.starts_with('s')).count();
        assert_eq!(pages, 1, "{name}");
    }
}
