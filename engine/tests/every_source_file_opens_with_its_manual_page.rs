//! The first line of every source file says what the file is for.

mod workspace;

use workspace::members;

#[test]
fn the_first_line_is_a_manual_page() {
    let mut without = Vec::new();
    let mut seen = 0;
    for member in members() {
        for source in ["src", "tests", "benches", "examples"].into_iter().flat_map(|folder| member.sources(folder)) {
            let first = source.text.lines().next().unwrap_or_default();
            if !(first.starts_with("//! ") && first.len() > 12) {
                without.push(source.path);
            }
            seen += 1;
        }
    }
    assert!(without.is_empty(), "these files do not say what they are for: {without:#?}");
    assert!(seen > 50, "{seen}");
}
