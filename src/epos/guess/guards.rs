//! What a spreadsheet puts around digits so that they stay text: `="0012"`, `'0012`.
//!
//! Promises: a guard is never taken for a quotation mark; values are looked at without it, and the profile takes it off
//! only where SKUs or quantities that were seen have one.

use super::book::{Book, Choice, Confidence, some};
use super::columns::Roles;
use super::table::Table;

/// Is the field a formula that only guards a text?
pub(super) fn is_text(field: &str) -> bool {
    let inner = field.trim().strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.contains('"'))
}

/// What is guarded, if something is.
fn guarded(field: &str) -> Option<&str> {
    let field = field.trim();
    if is_text(field) {
        return field.strip_prefix("=\"")?.strip_suffix('"');
    }
    field.strip_prefix('\'').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && !rest.ends_with('\''))
}

/// The guarded values of each column, before their guards are taken off.
#[derive(Debug, Default)]
pub(super) struct Guards {
    columns: Vec<Vec<String>>,
}

/// Takes the guards off, so that what they guard can be looked at.
pub(super) fn take_off(table: &mut Table) -> Guards {
    let mut guards = Guards { columns: vec![Vec::new(); table.places.len()] };
    for row in table.parts.iter_mut().flat_map(|part| &mut part.rows) {
        for (at, field) in row.iter_mut().enumerate() {
            let Some(bare) = guarded(field).map(str::to_owned) else { continue };
            if let Some(seen) = guards.columns.get_mut(at) {
                seen.push(std::mem::replace(field, bare));
            }
        }
    }
    guards
}

/// Proposes to take off the guards that SKUs or quantities have.
pub(super) fn decide(guards: &Guards, table: &Table, roles: &Roles, book: &mut Book<'_>) {
    const KEY: &str = "spreadsheet_text_guard";
    let of = |(at, what): (usize, &'static str)| {
        guards.columns.get(at).filter(|seen| !seen.is_empty()).map(|seen| (seen, what))
    };
    let sku = roles.sku.map(|at| (at, "SKUs"));
    let counts = || roles.quantities.iter().map(|at| (*at, "quantities"));
    match (roles.sku, sku.into_iter().chain(counts()).find_map(of)) {
        (Some(_), None) => {}
        (_, Some((seen, what))) => {
            let rows = table.rows().count();
            let shown = some(seen.iter().map(String::as_str));
            let why = format!("{} of {rows} {what} stand behind a spreadsheet's mark for text: {shown}", seen.len());
            book.settle(KEY, "strip", Confidence::Sure, why);
        }
        (None, None) => {
            let Some(seen) = guards.columns.iter().find(|seen| !seen.is_empty()) else { return };
            let shown = some(seen.iter().map(String::as_str));
            let why = format!("{} values stand behind a spreadsheet's mark for text: {shown}", seen.len());
            let choices = vec![
                Choice::new("strip", "the marks are no part of an SKU"),
                Choice::new("keep", "SKUs are exactly what stands there"),
            ];
            book.doubt(KEY, why, "Does the web store know these numbers without the marks?", choices);
        }
    }
}
