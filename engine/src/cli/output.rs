//! Printing that a closed pipe cannot panic: `sealpost batch list | head -1` is no failure.

/// Prints a line on standard output. A reader that has gone needs nothing more.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($argument)*);
    }};
}

/// The same on standard error.
macro_rules! complain {
    ($($argument:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($argument)*);
    }};
}

pub(super) use {complain, say};
