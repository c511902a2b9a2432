//! What is wrong with an order profile, before any order is written by it.
//!
//! Promises: each problem is a sentence that names the key and a remedy; a profile without problems refuses an order only
//! for what stands in the order.

use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::order_charset::encoded;
use super::order_column::{Align, FILL, OrderColumn, OrderValue, TooLong, Unmapped, ValueKind};
use super::order_name::{has_sequence, sample};
use super::order_parts_check::{columns_of, name_problem};
use super::order_profile::{ExtraLine, OrderKind, OrderProfile, QuoteFields};
use super::order_template;
use crate::domain::Sku;

/// Longest field of fixed width, and most decimal places: beyond them somebody mistyped.
const LONGEST_FIELD: usize = 4000;
const MOST_DECIMALS: u32 = 9;

impl OrderProfile {
    /// A name as order files will have it, to compare patterns with.
    pub(super) fn sample_name(&self) -> String {
        sample(&self.name)
    }

    /// What is wrong with it, as sentences that name the key.
    pub(super) fn problems(&self) -> Vec<String> {
        let mut found = self.name_problems();
        found.extend(self.format_problems());
        found.extend(self.shape_problems());
        found.extend(self.lines_file_problems());
        found.extend(self.trigger_problems());
        found.extend(self.batch_problems());
        for column in self.all_columns() {
            found.extend(
                self.column_problems(column).into_iter().map(|what| format!("column {:?}: {what}", column.name)),
            );
        }
        for (key, extra) in [("shipping_line", &self.shipping_line), ("discount_line", &self.discount_line)] {
            found.extend(
                extra.as_ref().and_then(|extra| self.extra_line_problem(extra)).map(|what| format!("{key}: {what}")),
            );
        }
        found
    }

    /// The columns of all its files.
    pub(super) fn all_columns(&self) -> Vec<&OrderColumn> {
        let mut columns = columns_of(&self.columns, &self.records);
        if let Some(file) = &self.lines_file {
            columns.extend(columns_of(&file.columns, &file.records));
        }
        columns
    }

    fn name_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.name.contains("{number}") && !self.name.contains("{id}") && !has_sequence(&self.name) {
            found.push(
                "name has neither {number} nor {id} nor {sequence}: all orders would get one name; write \"order_{number}.csv\""
                    .to_owned(),
            );
        }
        found.extend(name_problem(
            "name",
            &self.name,
            &self.sample_name(),
            "{number}, {id}, {date}, {sequence} or {sequence:4}",
        ));
        found
    }

    fn format_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let is_odd = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '"' | '\r' | '\n' | '\0');
        if is_odd(self.delimiter) {
            found.push(format!("delimiter {:?} cannot separate fields; use , ; tab or |", self.delimiter));
        }
        let with = self.replace_with;
        if with.is_control() || with == '"' || with == self.delimiter || encoded(self.encoding, with).is_none() {
            found.push(format!("replace_with {with:?} is itself a character that breaks records, or one that the encoding lacks; use a space or a point"));
        }
        if !matches!(self.decimal, '.' | ',') {
            found.push(format!("decimal {:?} is neither a point nor a comma", self.decimal));
        }
        if self.quote == QuoteFields::Never && self.decimal == self.delimiter && self.kind == OrderKind::Csv {
            found.push(
                "decimal is the delimiter, and quote is \"never\": numbers would fall apart; change one of them"
                    .to_owned(),
            );
        }
        if TimeZone::get(&self.time_zone).is_err() {
            found.push(format!("time_zone {:?} is unknown; write it like \"Europe/London\"", self.time_zone));
        }
        found.extend(date_problem(&self.date_format));
        found
    }

    fn shape_problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let has_default_columns = self.columns == Self::default().columns;
        if !self.records.is_empty() && !has_default_columns {
            found.push(
                "records and columns are both there: records stand instead of columns; take one of them out".to_owned(),
            );
        }
        match (self.kind, &self.template) {
            (OrderKind::Csv | OrderKind::Fixed, None) => found.extend(self.record_problems()),
            (OrderKind::Csv | OrderKind::Fixed, Some(_)) => {
                found.push(
                    "template is there, but kind is not \"xml\"; write kind = \"xml\", or take it out".to_owned(),
                );
            }
            (OrderKind::Xml, None) => {
                found.push("template is missing; kind = \"xml\" needs the file to fill in".to_owned())
            }
            (OrderKind::Xml, Some(_)) => {
                found.extend(order_template::problem(self).map(|what| format!("template {what}")))
            }
        }
        if self.kind == OrderKind::Xml {
            found.extend(
                self.name_used_twice()
                    .map(|name| format!("two columns have the name {name:?}; the template could mean either")),
            );
        }
        if self.discount_line.is_some() && self.all_columns().iter().any(|c| c.value == OrderValue::LineDiscount) {
            found.push(
                "discount_line and a column with line.discount are both there: discounts would be booked twice"
                    .to_owned(),
            );
        }
        if self.kind == OrderKind::Xml && !self.records.is_empty() {
            found.push("records are not for kind = \"xml\"; write them into the template".to_owned());
        }
        found
    }

    fn name_used_twice(&self) -> Option<&str> {
        let mut names: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        names.windows(2).find_map(|pair| match pair {
            [one, next] if one == next => Some(*one),
            _ => None,
        })
    }

    fn column_problems(&self, column: &OrderColumn) -> Vec<String> {
        let mut found: Vec<String> =
            [width_problem(self, column), number_problem(column)].into_iter().flatten().collect();
        let kind = column.value.kind();
        if column.too_long == TooLong::Cut && kind != ValueKind::Text {
            found.push(format!("too_long = \"cut\" is for texts; {} cut would be another one", column.value));
        }
        if column.too_long == TooLong::Cut && column.length.is_none() {
            found.push("too_long is there, but no length".to_owned());
        }
        if column.map.is_some() && !column.value.is_free_text() {
            found.push("map is for texts and codes of the web store, not for numbers, dates and constants".to_owned());
        }
        if column.negate && !matches!(kind, ValueKind::Count | ValueKind::Money) {
            found.push(format!("negate is for numbers, and {} is none", column.value));
        }
        if column.map.is_none() && column.unmapped != Unmapped::Refuse {
            found.push("unmapped is there, but no map".to_owned());
        }
        if let Some(format) = &column.date_format {
            found.extend(date_problem(format));
            if kind != ValueKind::Date {
                found.push("date_format is for order.date".to_owned());
            }
        }
        found
    }

    fn extra_line_problem(&self, extra: &ExtraLine) -> Option<String> {
        if let Err(why) = Sku::new(&extra.sku) {
            return Some(format!("sku {:?} is no code: {why}", extra.sku));
        }
        let is_net = |value: &OrderValue| {
            matches!(value, OrderValue::LinePrice | OrderValue::LineTotal | OrderValue::LineTaxPercent)
        };
        let parts = order_template::parts_of(self).unwrap_or_default();
        let columns = match self.kind {
            OrderKind::Csv | OrderKind::Fixed => self.all_columns(),
            OrderKind::Xml => order_template::fields_of(&parts),
        };
        match extra.tax_percent {
            Some(percent) if percent < Decimal::ZERO || percent > Decimal::ONE_HUNDRED => {
                Some(format!("tax_percent {percent} is no rate; write 20 for 20 %"))
            }
            None if columns.iter().any(|column| is_net(&column.value)) => Some(
                "tax_percent is missing, but the file has prices without tax or tax rates; the web store tells this amount with tax only"
                    .to_owned(),
            ),
            Some(_) | None => None,
        }
    }
}

fn date_problem(format: &str) -> Option<String> {
    let noon = jiff::civil::date(2026, 3, 14).at(12, 0, 0, 0);
    let wrong = || format!("date_format {format:?} cannot be written; use words like %Y-%m-%d");
    jiff::fmt::strtime::format(format, noon).is_err().then(wrong)
}

fn width_problem(profile: &OrderProfile, column: &OrderColumn) -> Option<String> {
    let is_fixed = profile.kind == OrderKind::Fixed;
    let has_header = profile.header && profile.records.is_empty();
    match column.length {
        None if is_fixed => Some("length is missing; kind = \"fixed\" needs the width of every field".to_owned()),
        Some(length) if length == 0 || length > LONGEST_FIELD => {
            Some(format!("length {length} is no width; write 1 to {LONGEST_FIELD}"))
        }
        Some(length) if is_fixed && has_header && column.name.chars().count() > length => {
            Some("the name is longer than the field; write header = false, or a shorter name".to_owned())
        }
        None | Some(_) if !is_fixed && (column.align != Align::Left || column.fill != FILL) => {
            Some("align and fill are for kind = \"fixed\"".to_owned())
        }
        None | Some(_) if column.fill.is_control() || encoded(profile.encoding, column.fill).is_none() => {
            Some(format!("fill {:?} is no character to fill with; use a space or 0", column.fill))
        }
        None | Some(_) if column.fill.is_ascii_digit() && column.align == Align::Left => Some(
            "fill with digits behind the value would make another number of it; write align = \"right\"".to_owned(),
        ),
        None | Some(_) => None,
    }
}

fn number_problem(column: &OrderColumn) -> Option<String> {
    let places = column.implied_decimals.or(column.decimals)?;
    let is_number = matches!(column.value.kind(), ValueKind::Count | ValueKind::Money);
    if !is_number {
        return Some("decimals are for numbers".to_owned());
    }
    if column.implied_decimals.is_some() && column.decimals.is_some() {
        return Some("decimals and implied_decimals are both there; take one of them out".to_owned());
    }
    (places > MOST_DECIMALS).then(|| format!("{places} decimal places are too many; write up to {MOST_DECIMALS}"))
}
