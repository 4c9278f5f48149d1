//! One binary, one subcommand per task.
fn main() {}
