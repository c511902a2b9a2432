//! `tillbridge profile guess|test`: from a sample to a profile, and from a profile to what it makes of the till's files.
//!
//! Promises: neither needs a configuration, a ledger or a store, and neither changes the files it looks at.

use std::io::Write;

use super::{CliResult, profile_guess, profile_test};

/// What to do with profiles.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Look at samples of a till's stock export, and propose a profile that reads them
    Guess(profile_guess::Args),
    /// Show what a profile makes of a folder of exports
    Test(profile_test::Args),
}

/// Runs the command.
pub(super) fn profile(command: &Command, out: &mut dyn Write) -> CliResult {
    match command {
        Command::Guess(args) => profile_guess::guess(args, out),
        Command::Test(args) => profile_test::test(args, out),
    }
}
