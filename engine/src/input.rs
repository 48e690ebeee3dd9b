//! How the files of a tenant are read: what the configuration says, and what one file's request says instead.
//!
//! A column map is named as one of those that are shipped, or by the path of a file. Whoever may be another process sends the path,
//! and the engine reads the file itself.

use intake::column_map::SHIPPED_MAPS;
use intake::{ColumnMap, Format, InputProfile, Rounding};
use model::limits::CONFIG_BYTES_MAX;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::sync::Arc;

/// What is agreed about files, as it was typed. Nothing stated means: the file tells, and amounts are whole cents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// A format's name.
    pub format: Option<String>,
    /// A shipped column map, or the path of one; absolute where it travels to another process.
    pub columns: Option<String>,
    /// What becomes of a fraction of a cent: `refuse` or `half_even`.
    pub rounding: Option<String>,
}

impl Input {
    /// What this says, and where it says nothing, what `other` does.
    pub fn or(self, other: &Self) -> Self {
        Self {
            format: self.format.or_else(|| other.format.clone()),
            columns: self.columns.or_else(|| other.columns.clone()),
            rounding: self.rounding.or_else(|| other.rounding.clone()),
        }
    }

    /// What is meant.
    ///
    /// # Errors
    /// What was expected: a word, a map's name, or what is wrong in its file with the lines.
    pub fn profile(&self) -> Result<InputProfile, String> {
        let format = self.format.as_deref().map(str::parse::<Format>).transpose().map_err(|error| format!("format: {error}"))?;
        let rounding = self.rounding.as_deref().map(str::parse::<Rounding>).transpose().map_err(|error| format!("rounding: {error}"))?;
        let columns = self.columns.as_deref().map(columns).transpose()?.map(Arc::new);
        if let (Some(Format::FixedWidth), None) = (format, &columns) {
            return Err("format: fixed_width needs columns: nothing in such a file tells what is where".to_owned());
        }
        Ok(InputProfile { format, columns, rounding: rounding.unwrap_or_default(), ..InputProfile::default() })
    }
}

/// True where `typed` is the name of a shipped column map and not a path.
pub(crate) fn is_shipped_map(typed: &str) -> bool {
    ColumnMap::shipped(typed).is_some()
}

fn columns(typed: &str) -> Result<ColumnMap, String> {
    if let Some(map) = ColumnMap::shipped(typed) {
        return Ok(map);
    }
    let is_path = typed.contains('/') || Path::new(typed).extension().is_some();
    if !is_path {
        let names: Vec<&str> = SHIPPED_MAPS.iter().filter_map(|(path, _)| path.rsplit('/').next()?.strip_suffix(".toml")).collect();
        return Err(format!(
            "columns: there is no map '{typed}'; shipped are {}; a map of your own is named by its path",
            names.join(", ")
        ));
    }
    let at = |error: &dyn std::fmt::Display| format!("columns: {typed}: {error}");
    if std::fs::metadata(typed).map_err(|error| at(&error))?.len() > CONFIG_BYTES_MAX as u64 {
        return Err(at(&"larger than any column map; expected at most 4 MiB"));
    }
    let text = std::fs::read_to_string(typed).map_err(|error| at(&error))?;
    let name = Path::new(typed).file_stem().map_or_else(|| typed.to_owned(), |stem| stem.to_string_lossy().into_owned());
    ColumnMap::parse(&name, typed, &text).map_err(|errors| format!("columns:\n{errors}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(format: Option<&str>, columns: Option<&str>, rounding: Option<&str>) -> Input {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Input { format: owned(format), columns: owned(columns), rounding: owned(rounding) }
    }

    #[test]
    fn what_a_file_says_goes_before_what_its_tenant_says() {
        let tenant = input(Some("csv"), Some("cms-rif-carrier"), Some("half_even"));
        let profile = input(None, Some("cms-cclf5"), None).or(&tenant).profile().unwrap();
        assert_eq!((profile.format, profile.rounding), (Some(Format::Csv), Rounding::HalfEven));
        assert_eq!(profile.columns.unwrap().name(), "cms-cclf5");
        assert!(Input::default().profile().unwrap().columns.is_none());
    }

    #[test]
    fn what_is_not_known_is_told_with_what_there_is() {
        for (wrong, told) in [
            (input(None, Some("cms-rif-carier"), None), "cms-rif-carrier"),
            (input(None, Some("maps/nothing.toml"), None), "maps/nothing.toml"),
            (input(Some("xml"), None, None), "fixed_width"),
            (input(Some("fixed_width"), None, None), "needs columns"),
            (input(None, None, Some("up")), "half_even"),
        ] {
            let error = wrong.profile().unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }

    #[test]
    fn a_wrong_map_is_told_with_its_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ours.toml");
        std::fs::write(&path, "[claim]\nnumbr = \"A\"\nstatus = { value = \"paid\" }\n[member]\nid = \"B\"\n[totals]\nbilled = \"C\"\n")
            .unwrap();
        let error = input(None, path.to_str(), None).profile().unwrap_err();
        assert!(error.contains("ours.toml:2: unknown key 'claim.numbr': did you mean 'number'?"), "{error}");
        assert!(error.contains("ours.toml:3: claim.status.value: expected one of"), "{error}");
    }
}
