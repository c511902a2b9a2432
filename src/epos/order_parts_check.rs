//! What is wrong with an order profile's records, lines file, trigger and batches, before any order is written by it.
//!
//! Promises: as `order_check`, of which this is a part.

use super::order_column::{OrderColumn, OrderValue};
use super::order_name::{has_sequence, is_shared, sample_beside};
use super::order_profile::{OrderKind, OrderProfile, OrderRecord, Per};
use super::order_template;

/// Most orders in one file: as many as the agent writes in one go.
const MOST_ORDERS: usize = 500;
const NEEDED: &str = "need line.sku and line.quantity: without them the till cannot book anything";
/// The placeholders in names of files that go with an order file.
const BESIDE: &str = "{stem}, {name}, {number}, {id}, {date}, {sequence} or {sequence:4}";

impl OrderProfile {
    pub(super) fn record_problems(&self) -> Vec<String> {
        if self.lines_file.is_some() {
            let kinds = kinds_of(Per::Order, &self.columns, &self.records);
            return misplaced(&kinds, "where a lines_file is, lines stand in it").into_iter().collect();
        }
        let kinds = kinds_of(Per::Line, &self.columns, &self.records);
        self.line_problems("", &kinds, !self.records.is_empty())
    }

    /// What is wrong with records of which some have to book.
    fn line_problems(&self, key: &str, kinds: &[(Per, &[OrderColumn])], are_records: bool) -> Vec<String> {
        let has = |columns: &[OrderColumn], value: &OrderValue| columns.iter().any(|column| column.value == *value);
        let books =
            |columns: &[OrderColumn]| has(columns, &OrderValue::LineSku) && has(columns, &OrderValue::LineQuantity);
        let mut found = Vec::new();
        if !kinds.iter().any(|(per, columns)| *per == Per::Line && books(columns)) {
            let subject = if are_records { "records per = \"line\"" } else { "columns" };
            found.push(format!("{key}{subject} {NEEDED}"));
        }
        if are_records {
            found.extend(misplaced(kinds, "").into_iter().map(|what| format!("{key}{what}")));
        }
        found
    }

    pub(super) fn lines_file_problems(&self) -> Vec<String> {
        let Some(file) = &self.lines_file else { return Vec::new() };
        let mut found = Vec::new();
        if self.kind == OrderKind::Xml {
            found.push("lines_file is not for kind = \"xml\"; write the lines into the template".to_owned());
        }
        let shown = sample_beside(&file.name, &self.sample_name());
        found.extend(name_problem("lines_file.name", &file.name, &shown, BESIDE));
        if is_shared(&file.name) || shown.eq_ignore_ascii_case(&self.sample_name()) {
            let what = "would be the name of several files; write \"{stem}_lines.csv\"";
            found.push(format!("lines_file.name {:?} {what}", file.name));
        }
        if file.records.is_empty() == file.columns.is_empty() {
            found.push("lines_file needs columns, or records instead of them".to_owned());
        }
        let kinds = kinds_of(Per::Line, &file.columns, &file.records);
        found.extend(self.line_problems("lines_file: ", &kinds, !file.records.is_empty()));
        found
    }

    pub(super) fn trigger_problems(&self) -> Vec<String> {
        let Some(trigger) = &self.trigger else { return Vec::new() };
        let main = self.sample_name();
        let shown = sample_beside(&trigger.name, &main);
        let mut found: Vec<String> = name_problem("trigger.name", &trigger.name, &shown, BESIDE).into_iter().collect();
        let lines = self.lines_file.as_ref().map(|file| sample_beside(&file.name, &main));
        if [Some(main.clone()), lines].into_iter().flatten().any(|other| other.eq_ignore_ascii_case(&shown)) {
            found
                .push(format!("trigger.name {:?} is the name of an order file; write \"{{name}}.done\"", trigger.name));
        }
        if sample_beside(&trigger.content, &main).contains(['{', '}']) {
            found.push(format!("trigger.content has an unknown placeholder; use {BESIDE}"));
        }
        found
    }

    pub(super) fn batch_problems(&self) -> Vec<String> {
        let Some(batch) = self.batch else { return Vec::new() };
        let mut found = Vec::new();
        if !(2..=MOST_ORDERS).contains(&batch.most_orders) {
            found.push(format!(
                "batch.most_orders is {}; write 2 to {MOST_ORDERS}, or leave batch out for one order in each file",
                batch.most_orders
            ));
        }
        if !has_sequence(&self.name) {
            found.push(
                "name needs {sequence} where a file has several orders; write \"orders_{sequence:6}.csv\"".to_owned(),
            );
        }
        let lines_file = self.lines_file.as_ref().map(|file| ("lines_file.name", file.name.as_str()));
        let trigger = self.trigger.as_ref().map(|trigger| ("trigger.name", trigger.name.as_str()));
        let content = self.trigger.as_ref().map(|trigger| ("trigger.content", trigger.content.as_str()));
        for (key, name) in [Some(("name", self.name.as_str())), lines_file, trigger, content].into_iter().flatten() {
            if let Some(word) = ["{number}", "{id}"].into_iter().find(|word| name.contains(word)) {
                found.push(format!("{key} has {word}, but a batch has several orders; write {{sequence}} instead"));
            }
        }
        found.extend(self.indistinct_problem());
        found
    }

    /// Orders in one file have to be told apart.
    fn indistinct_problem(&self) -> Option<String> {
        let parts = order_template::parts_of(self).unwrap_or_default();
        let columns = match self.kind {
            OrderKind::Csv | OrderKind::Fixed => self.all_columns(),
            OrderKind::Xml if !order_template::has_orders(&parts) => {
                return Some(
                    "template needs {{#orders}} and {{/orders}} around what each order of a batch repeats".to_owned(),
                );
            }
            OrderKind::Xml => order_template::fields_of(&parts),
        };
        let tells = |column: &&OrderColumn| matches!(column.value, OrderValue::OrderNumber | OrderValue::OrderId);
        let is_missing = !columns.iter().any(tells);
        is_missing.then(|| {
            "batch needs order.number or order.id in the file, so that the till can tell orders apart".to_owned()
        })
    }
}

/// What is wrong with a name that looks like `sample`.
pub(super) fn name_problem(key: &str, name: &str, sample: &str, placeholders: &str) -> Option<String> {
    if sample.is_empty() {
        return Some(format!("{key} is empty"));
    }
    if sample.contains(['{', '}', '/', '\\', ':', '*', '?', '"', '<', '>', '|']) {
        return Some(format!(
            "{key} {name:?} has a character that no file name can have, or an unknown placeholder; use {placeholders}"
        ));
    }
    (sample.starts_with('.') || sample.ends_with(['.', ' ']))
        .then(|| format!("{key} {name:?} begins or ends with a point or a blank; no till would find it"))
}

/// The columns that are written.
pub(super) fn columns_of<'p>(columns: &'p [OrderColumn], records: &'p [OrderRecord]) -> Vec<&'p OrderColumn> {
    if records.is_empty() {
        return columns.iter().collect();
    }
    records.iter().flat_map(|record| &record.columns).collect()
}

fn kinds_of<'p>(per: Per, columns: &'p [OrderColumn], records: &'p [OrderRecord]) -> Vec<(Per, &'p [OrderColumn])> {
    if records.is_empty() {
        return vec![(per, columns)];
    }
    records.iter().map(|record| (record.per, record.columns.as_slice())).collect()
}

/// Values that stand where they mean nothing, and records without any.
fn misplaced(kinds: &[(Per, &[OrderColumn])], no_lines: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, (per, columns)) in kinds.iter().enumerate() {
        let at = at + 1;
        let wrong = |is_wrong: fn(&OrderValue) -> bool| columns.iter().find(|column| is_wrong(&column.value));
        let of_line = wrong(OrderValue::is_of_line);
        match per {
            Per::Line if !no_lines.is_empty() => {
                found.push(format!("record {at} has per = \"line\"; {no_lines}"));
            }
            Per::Line => {}
            Per::Order => found.extend(of_line.map(|column| match no_lines {
                "" => format!("record {at}: {} is a value of lines, and per is \"order\"", column.value),
                why => format!("{} is a value of lines; {why}", column.value),
            })),
            Per::File => found.extend(
                wrong(OrderValue::is_of_order)
                    .map(|column| format!("record {at}: {} is a value of orders, and per is \"file\"", column.value)),
            ),
        }
        if columns.is_empty() {
            found.push(format!("record {at} has no columns"));
        }
    }
    found
}
