//! CSV, fixed width or XML?
//!
//! Promises: one of them with a reason, or a sentence that says why it is none.

use super::book::{Book, Confidence};
use super::encoding::Text;
use super::table::Table;
use super::{fixed, separated, xml};

/// Makes a table of the samples, of whatever kind they are.
pub(super) fn table(texts: &[Text], book: &mut Book<'_>) -> Result<Table, String> {
    let first = |text: &Text| text.head.iter().map(|line| line.trim()).find(|line| !line.is_empty()).map(str::to_owned);
    let starts: Vec<String> = texts.iter().filter_map(first).collect();
    let Some(start) = starts.first() else { return Err("the samples have nothing but blanks".into()) };
    if start.starts_with('<') {
        if is_web_page(start) {
            return Err("this is a web page, not an export; export as CSV, fixed width or XML".into());
        }
        book.settle("kind", "xml", Confidence::Proved, "it begins with <");
        return xml::table(texts, book);
    }
    if let Some(format) = separated::format(texts, book) {
        return Ok(separated::table(texts, &format, book));
    }
    fixed::table(texts, book).map_err(|why| {
        format!(
            "no character (, ; tab | ~) separates the lines into fields of like number, and {why}; is this really a \
             stock export?"
        )
    })
}

fn is_web_page(start: &str) -> bool {
    let start = start.to_ascii_lowercase();
    ["<html", "<!doctype html", "<table"].iter().any(|mark| start.starts_with(mark))
}
