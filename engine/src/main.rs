//! The binary `sealpost`: see `cli` for its verbs, `pipeline` for the order of its stages.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

fn main() -> ExitCode {
    allocator::return_at_once();
    sealpost::cli::main()
}
