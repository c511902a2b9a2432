//! The `tillbridge` command: arguments → command → exit code. It decides nothing.

use std::process::ExitCode;

fn main() -> ExitCode {
    tillbridge::cli::main()
}
