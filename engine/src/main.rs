//! The binary `sealpost`: see `cli` for its verbs, `pipeline` for the order of its stages.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sealpost::cli::main()
}
