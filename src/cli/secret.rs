//! `tillbridge secret set|list|remove`: the agent's own store of secrets.
//!
//! Promises: a secret is typed unseen, or comes from standard input; never from an argument, which every user of the
//! machine could see; and it is never printed. Does not tell a running agent: it reads its secrets when it starts.

use std::io::{IsTerminal, Read, Write};

use serde::Serialize;

use super::{CliError, CliResult, Exit, Format, output};
use crate::central::Secret;
use crate::central::kept::{Kept, KeptError};
use crate::central::secret::{LONGEST, checked_name};
use crate::config::Config;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Keep a secret: typed unseen, or from standard input
    Set {
        /// The name by which the configuration calls it, as in token = { kept = "NAME" }
        name: String,
    },
    /// List the names of kept secrets, and what each is for; never what they are
    List {
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Forget a secret
    Remove {
        /// Its name
        name: String,
    },
}

/// A kept secret, or one that the configuration wants.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    /// Can it be read?
    kept: bool,
    /// Keys of the configuration that want it.
    used_by: Vec<String>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

/// Carries the command out.
pub(super) fn secret(config: &Config, command: &Command, out: &mut dyn Write) -> CliResult {
    let kept = Kept::of(&config.agent.data_folder);
    match command {
        Command::Set { name } => set(config, &kept, name, out),
        Command::List { format } => list(config, &kept, *format, out),
        Command::Remove { name } => {
            let name = named(name)?;
            kept.remove(&name).map_err(told)?;
            let users = used_by(config, &name);
            let wanted = if users.is_empty() { String::new() } else { format!(" {} wants it.", users.join(" and ")) };
            writeln!(out, "Forgot the secret {name}.{wanted}")?;
            Ok(Exit::Done)
        }
    }
}

fn set(config: &Config, kept: &Kept, name: &str, out: &mut dyn Write) -> CliResult {
    let name = named(name)?;
    let stdin = std::io::stdin();
    let text = if stdin.is_terminal() {
        rpassword::prompt_password(format!("Secret {name} (it is not shown): "))?
    } else {
        let mut text = String::new();
        stdin.lock().take(LONGEST + 1).read_to_string(&mut text)?;
        text
    };
    kept.keep(&name, &usable(&text)?).map_err(told)?;
    let users = used_by(config, &name);
    writeln!(
        out,
        "Kept the secret {name}, {}.",
        if cfg!(windows) { "encrypted for this PC" } else { "readable by the agent's user only" }
    )?;
    if users.is_empty() {
        writeln!(out, "Nothing in the configuration wants it yet; write for example: token = {{ kept = \"{name}\" }}")?;
    } else {
        writeln!(out, "{} uses it; a running agent reads it at its next start.", users.join(" and "))?;
    }
    Ok(Exit::Done)
}

/// One line of text.
fn usable(text: &str) -> Result<Secret, CliError> {
    let secret = Secret::new(text);
    let refuse = |why: &str| Err(CliError::Told(Exit::Refused, format!("nothing was kept: {why}")));
    if secret.is_empty() {
        return refuse("it is empty. Type it at the prompt, or send it to standard input");
    }
    if text.len() as u64 > LONGEST || secret.reveal().chars().any(char::is_control) {
        return refuse("that is no token or password, which are one line of text");
    }
    Ok(secret)
}

fn list(config: &Config, kept: &Kept, format: Format, out: &mut dyn Write) -> CliResult {
    let mut names = kept.names().map_err(told)?;
    names.extend(config.store.kept_secrets().into_iter().map(|(_, name)| name));
    names.sort();
    names.dedup();
    let line = |name: String| {
        let found = kept.read(&name);
        let used_by = used_by(config, &name);
        Line { kept: found.is_ok(), used_by, trouble: found.err().map(|why| why.to_string()), name }
    };
    let lines: Vec<Line> = names.into_iter().map(line).collect();
    match format {
        Format::Json => output::json(out, &lines)?,
        Format::Table => {
            let row = |line: &Line| {
                let state = line.trouble.clone().unwrap_or_else(|| "kept".into());
                vec![line.name.clone(), line.used_by.join(", "), state]
            };
            let rows = lines.iter().map(row).collect();
            output::table(out, &["name", "used by", "state"], rows, "No secrets are kept.")?;
            Exit::Done
        }
    };
    Ok(if lines.iter().all(|line| line.kept) { Exit::Done } else { Exit::Found })
}

fn used_by(config: &Config, name: &str) -> Vec<String> {
    let wanted = config.store.kept_secrets().into_iter();
    wanted.filter(|(_, kept)| kept == name).map(|(key, _)| format!("store.{key}")).collect()
}

fn named(name: &str) -> Result<String, CliError> {
    checked_name(name).map_err(|why| CliError::Told(Exit::Refused, why.to_string()))
}

fn told(error: KeptError) -> CliError {
    let exit = match error {
        KeptError::NotThere { .. } => Exit::NotThere,
        KeptError::File { .. } | KeptError::Open { .. } | KeptError::Sealed { .. } => Exit::Failed,
    };
    CliError::Told(exit, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_line_of_text_is_a_secret() {
        assert_eq!(usable("  abc\r\n").unwrap().reveal(), "abc");
        for wrong in ["", " \n", "a\nb", "a\tb", "a\0b", &"a".repeat(65 * 1024)] {
            let why = usable(wrong).unwrap_err().to_string();
            assert!(why.starts_with("nothing was kept: "), "{why}");
        }
    }
}
