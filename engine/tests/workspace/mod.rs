//! The workspace as the tidy stories see it: its members, what they depend on, and their source files.
#![allow(dead_code, clippy::unwrap_used, reason = "each story uses a part of it; it is test code")]

use std::path::{Path, PathBuf};
use toml::Table;

/// One crate of the workspace.
pub(crate) struct Member {
    /// Its name.
    pub(crate) name: String,
    /// Its folder, relative to the workspace: `engine/model`.
    pub(crate) folder: String,
    manifest: Table,
}

/// One source file.
pub(crate) struct Source {
    /// The crate it belongs to.
    pub(crate) member: String,
    /// Its path, relative to the workspace.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file of the workspace.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All members, in the order of the manifest.
pub(crate) fn members() -> Vec<Member> {
    let workspace: Table = read("Cargo.toml").parse().unwrap();
    let folders = workspace["workspace"]["members"].as_array().unwrap();
    let members: Vec<Member> = folders
        .iter()
        .map(|folder| {
            let folder = folder.as_str().unwrap().to_owned();
            let manifest: Table = read(&format!("{folder}/Cargo.toml")).parse().unwrap();
            Member { name: manifest["package"]["name"].as_str().unwrap().to_owned(), folder, manifest }
        })
        .collect();
    assert!(members.len() > 10, "the manifest lists its members");
    members
}

impl Member {
    /// Names in a section of its manifest: `dependencies`, `dev-dependencies`.
    pub(crate) fn dependencies(&self, section: &str) -> Vec<String> {
        self.manifest.get(section).and_then(|section| section.as_table()).map(|table| table.keys().cloned().collect()).unwrap_or_default()
    }

    /// Its Rust files below one of its folders: `src`, `tests`, `benches`, `examples`.
    pub(crate) fn sources(&self, folder: &str) -> Vec<Source> {
        let mut paths = Vec::new();
        rust_files(&root().join(&self.folder).join(folder), &mut paths);
        paths.sort();
        paths
            .into_iter()
            .map(|path| Source {
                member: self.name.clone(),
                text: std::fs::read_to_string(&path).unwrap(),
                path: path.strip_prefix(root()).unwrap().display().to_string(),
            })
            .collect()
    }
}

impl Source {
    /// Its lines with their numbers, up to the tests at its bottom, without comments.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(at, line)| (at + 1, line));
        lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]").filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn rust_files(folder: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            rust_files(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}
