//! One binary, one subcommand per task.
//!
//! Everything is in the library; this only starts it.

use std::process::ExitCode;

fn main() -> ExitCode {
    node::cli::main()
}
