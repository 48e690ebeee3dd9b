//! The input profile: what is agreed with the sender about a file, beyond what the file itself says.

use crate::amount::Rounding;
use crate::column_map::ColumnMap;
use crate::formats::Format;
use crate::wrapping::WrappingLimits;
use std::sync::Arc;

/// How a file is to be read. The default asks the file for its format and takes amounts to the cent only.
#[derive(Debug, Clone, Default)]
pub struct InputProfile {
    /// The format; `None` asks the file.
    pub format: Option<Format>,
    /// The column map of delimited and fixed-width files; `None` finds a shipped one by the header. It does not make a file
    /// delimited: an 835 stays an 835.
    pub columns: Option<Arc<ColumnMap>>,
    /// What becomes of a fraction of a cent.
    pub rounding: Rounding,
    /// What may come out of a gzip or zip file.
    pub wrapping: WrappingLimits,
}

impl From<Format> for InputProfile {
    fn from(format: Format) -> Self {
        Self { format: Some(format), ..Self::default() }
    }
}
