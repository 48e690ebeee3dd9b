//! Reading a template folder as an author has it: pages, texts, MJML and style sheets; whatever else lies there is told.

use crate::{AuthorError, Files, Finding, resolve, strangers};
use model::limits::BUNDLE_BYTES_MAX;
use render::{Bundle, BundleError, Identity};
use std::path::Path;

/// Folders in folders.
const DEPTH_MAX: usize = 4;

/// A folder cannot become a bundle. The author or the operator must act.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// A file or folder cannot be read, or does not fit.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// MJML or a style sheet cannot be resolved.
    #[error(transparent)]
    Author(#[from] AuthorError),
}

/// The bundle of a folder, and the files in it that do not belong there.
///
/// # Errors
/// [`FolderError`] naming the file.
pub fn read_folder(folder: &Path, identity: &Identity) -> Result<(Bundle, Vec<Finding>), FolderError> {
    let mut files = Files::new();
    let mut others = Vec::new();
    read(folder, "", 0, &mut files, &mut others)?;
    let bundle = Bundle::from_files(resolve(files)?, identity)?;
    Ok((bundle, strangers(others.iter().map(String::as_str))))
}

fn read(folder: &Path, prefix: &str, depth: usize, files: &mut Files, others: &mut Vec<String>) -> Result<(), BundleError> {
    let failed = |source| BundleError::Read { name: if prefix.is_empty() { ".".to_owned() } else { prefix.to_owned() }, source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let file_name = entry.file_name();
        let file_name = file_name.to_str().ok_or(BundleError::Name)?;
        if file_name.starts_with('.') || file_name.ends_with(".md") {
            continue;
        }
        let name = if prefix.is_empty() { file_name.to_owned() } else { format!("{prefix}/{file_name}") };
        if entry.path().is_dir() {
            if depth == DEPTH_MAX {
                return Err(BundleError::Name);
            }
            read(&entry.path(), &name, depth + 1, files, others)?;
        } else if [".html", ".txt", ".toml", ".mjml", ".css"].iter().any(|ending| name.ends_with(ending)) {
            files.insert(name.clone(), read_text(&entry.path(), &name)?);
        } else {
            others.push(name);
        }
    }
    Ok(())
}

fn read_text(path: &Path, name: &str) -> Result<String, BundleError> {
    let failed = |source| BundleError::Read { name: name.to_owned(), source };
    if std::fs::metadata(path).map_err(failed)?.len() > BUNDLE_BYTES_MAX as u64 {
        return Err(BundleError::TooLarge { bytes_max: BUNDLE_BYTES_MAX, files_max: 0 });
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    // A checkout with other line ends must not become another bundle.
    let text = String::from_utf8(bytes).map_err(|_| BundleError::NotUtf8(name.to_owned()))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(&text).replace("\r\n", "\n"))
}
