//! The map in README.md is the map of the workspace: every member's folder and name stand in it, and nothing that is gone.

mod workspace;

use workspace::{members, read, root};

#[test]
fn every_member_stands_in_the_map() {
    let readme = read("README.md");
    let missing: Vec<String> = members()
        .into_iter()
        .filter(|member| {
            let rows = readme.lines().filter(|line| line.starts_with('|'));
            let folder = [format!("`{}`", member.folder), format!("`{}/`", member.folder)];
            let named =
                |line: &str| folder.iter().any(|folder| line.contains(folder.as_str())) && line.contains(&format!("`{}`", member.name));
            !rows.into_iter().any(named)
        })
        .map(|member| member.folder)
        .collect();
    assert!(missing.is_empty(), "not in the map of README.md: {missing:?}");
}

#[test]
fn every_folder_of_the_map_is_there() {
    let readme = read("README.md");
    let mut named = 0;
    for row in readme.lines().filter(|line| line.starts_with("| `")) {
        let folder = row.trim_start_matches("| `").split('`').next().unwrap_or_default();
        if folder.contains('/') {
            assert!(root().join(folder).is_dir(), "README.md names the folder {folder}, which is not there");
            named += 1;
        }
    }
    assert!(named > 10, "{named}");
}

#[test]
fn every_member_says_what_it_is_for_where_the_workspace_lists_it() {
    let manifest = read("Cargo.toml");
    for member in members() {
        let line = manifest.lines().find(|line| line.trim().starts_with(&format!("\"{}\"", member.folder))).unwrap_or_default();
        assert!(line.contains("# "), "Cargo.toml: {} has no comment", member.folder);
    }
}
