//! Tables and JSON for the terminal.
//!
//! Promises: nothing from outside (an SKU, an order number) can move the cursor or colour the terminal; control and
//! direction characters are shown as escapes.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;

use super::{CliError, CliResult, Exit};

/// Prints a table with a header, or a sentence when it is empty.
pub(super) fn table(out: &mut dyn Write, header: &[&str], rows: Vec<Vec<String>>, when_empty: &str) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "{when_empty}");
    }
    let mut table = Table::new();
    table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|title| title.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| shown(cell)));
    }
    for line in table.to_string().lines() {
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Prints one JSON document.
pub(super) fn json<T: Serialize>(out: &mut dyn Write, value: &T) -> CliResult {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| CliError::Caused("the answer cannot be written as JSON".into(), error.into()))?;
    writeln!(out, "{text}")?;
    Ok(Exit::Done)
}

/// Text from outside, harmless for a terminal.
pub(super) fn shown(text: &str) -> String {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().flat_map(|c| if hidden(c) { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] }).collect()
}

/// Text from outside in lines that a narrow terminal can show, each after `indent`.
pub(super) fn wrapped(text: &str, indent: &str) -> String {
    const WIDTH: usize = 96;
    let (mut lines, mut room) = (String::new(), 0);
    for word in shown(text).split(' ') {
        let length = word.chars().count() + 1;
        if length > room {
            lines.push_str(if lines.is_empty() { "" } else { "\n" });
            lines.push_str(indent);
            room = WIDTH.saturating_sub(indent.chars().count()).max(length);
        } else {
            lines.push(' ');
        }
        lines.push_str(word);
        room -= length;
    }
    lines
}

/// A time in the machine's zone.
pub(super) fn local(at: Timestamp) -> String {
    at.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A time in the machine's zone, or a dash.
pub(super) fn local_or_dash(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "–".to_owned(), local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_cannot_play_with_the_terminal() {
        assert_eq!(shown("a\u{1b}[31mb\u{202e}c\n"), "a\\u{1b}[31mb\\u{202e}c\\u{a}");
        assert_eq!(shown("GRÜN-Ü1"), "GRÜN-Ü1");
    }

    #[test]
    fn long_text_is_broken_between_words_and_loses_none() {
        let text = "one two three ".repeat(30);
        let lines = wrapped(text.trim_end(), "#  ");
        assert!(
            lines.lines().count() > 3 && lines.lines().all(|line| line.starts_with("#  ") && line.len() <= 99),
            "{lines}"
        );
        assert_eq!(lines.replace("\n#  ", " "), format!("#  {}", text.trim_end()));
        assert_eq!(wrapped("a\nb", ""), "a\\u{a}b");
    }

    #[test]
    fn a_table_has_a_header_and_an_empty_one_a_sentence() {
        let mut out = Vec::new();
        table(&mut out, &["sku", "quantity"], vec![vec!["1001".into(), "8".into()]], "none").unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("SKU") && text.contains("1001"), "{text}");
        let mut out = Vec::new();
        table(&mut out, &["sku"], Vec::new(), "No items.").unwrap();
        assert_eq!(out, b"No items.\n");
    }
}
