//! A stock profile in a file of its own.
//!
//! Promises: TOML and JSON are told apart by their first character; whatever is wrong names the file, the line where one
//! can be named, the key and what to do.

use std::path::Path;

use super::{CliError, Exit};
use crate::epos::{CheckedProfile, StockProfile};

/// Largest profile read, in bytes; a profile has a few dozen lines.
const LARGEST: u64 = 1024 * 1024;

/// Reads and checks a profile.
pub(super) fn load(path: &Path) -> Result<CheckedProfile, CliError> {
    let told = |exit, why: String| CliError::Told(exit, format!("the profile {}: {why}", path.display()));
    let found = std::fs::metadata(path).map_err(|error| told(Exit::NotThere, error.to_string()))?;
    if found.len() > LARGEST {
        return Err(told(Exit::Config, "is too large for a profile; is it an export?".into()));
    }
    let text = std::fs::read_to_string(path).map_err(|error| told(Exit::NotThere, error.to_string()))?;
    let profile = parse(&text).map_err(|why| told(Exit::Config, why))?;
    profile.check().map_err(|error| told(Exit::Config, error.to_string()))
}

fn parse(text: &str) -> Result<StockProfile, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| error.to_string())
    } else {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_reads_from_toml_and_json_and_complains_with_line_and_key() {
        let toml = parse("kind = \"csv\"\ncolumns = { sku = 1, quantity = 2 }\n").unwrap();
        assert_eq!(toml, parse(" {\"kind\":\"csv\",\"columns\":{\"sku\":1,\"quantity\":2}}").unwrap());
        let wrong = parse("kind = \"csv\"\ndelimeter = \",\"\n").unwrap_err();
        assert!(wrong.contains("line 2") && wrong.contains("delimeter"), "{wrong}");
        let wrong = parse("{\n\"quote\": \"x\"}").unwrap_err();
        assert!(wrong.contains("line 2") && wrong.contains("quote"), "{wrong}");
    }
}
