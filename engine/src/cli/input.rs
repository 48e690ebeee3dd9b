//! The flags that say how a file is read; the same for every verb that reads one.

use super::Trouble;
use crate::input::{Input, is_shipped_map};
use clap::Args;
use intake::{Format, InputProfile, Rounding, Rows};
use serde_json::{Value, json};

/// How a file is read.
#[derive(Debug, Args)]
pub(super) struct InputFlags {
    /// How to read the file; without it the file itself tells: x12_835, ndjson, csv or fixed_width.
    #[arg(long)]
    format: Option<Format>,
    /// Column map of a delimited or fixed-width file: the name of a shipped one (configs/columns) or the path of your own. Without it the
    /// header tells, where it has all columns of exactly one shipped map.
    #[arg(long, value_name = "NAME|FILE")]
    columns: Option<String>,
    /// What becomes of a fraction of a cent: refuse (the statement is rejected) or half_even (rounded once, and counted).
    #[arg(long)]
    rounding: Option<Rounding>,
}

impl InputFlags {
    /// As it travels to the engine.
    pub(super) fn input(&self) -> Result<Input, Trouble> {
        let absolute = |typed: &str| -> Result<String, Trouble> {
            let is_name = is_shipped_map(typed) || !(typed.contains('/') || typed.contains('.'));
            if is_name { Ok(typed.to_owned()) } else { Ok(super::absolute(std::path::Path::new(typed))?.display().to_string()) }
        };
        Ok(Input {
            format: self.format.map(|format| format.to_string()),
            columns: self.columns.as_deref().map(absolute).transpose()?,
            rounding: self.rounding.map(|rounding| rounding.to_string()),
        })
    }

    /// What is meant.
    pub(super) fn profile(&self) -> Result<InputProfile, Trouble> {
        self.input()?.profile().map_err(Trouble::usage)
    }
}

/// How a file was read and why, for `--json`.
pub(super) fn reading(rows: &Rows<'_>) -> Value {
    let rounding = rows.rounding();
    json!({
        "format": rows.format().as_str(),
        "column_map": rows.column_map().map(intake::ColumnMap::name),
        "formats": rows.verdicts(),
        "rounding": { "amounts": rounding.amounts, "difference_dollars": rounding.difference.to_string() },
    })
}
