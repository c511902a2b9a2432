//! From a web order to the bytes and the name of its order file.
//!
//! Promises: one order per file, in the shape that the profile says: a line per item, several kinds of records, or XML;
//! the units that the till will take (or take back) are told beside the bytes; a name that is safe on every file system and different
//! for different orders. An order with nothing left to book, or with a value that cannot be written, is refused whole.

use jiff::tz::TimeZone;

use super::fault::lasting;
use super::order_lines::lines_of;
use super::order_name::{file_name, has_sequence};
use super::order_profile::{OrderColumn, OrderKind, OrderProfile, Per};
use super::order_template::{Part, parts_of};
use super::order_text::OrderText;
use super::order_values::{Place, Values};
use crate::domain::WebOrder;
use crate::domain::corrections::wanted;
use crate::ports::{EposError, OrderFile, WrittenOrder};

/// Writes the order file of `order`.
pub(super) fn render(
    profile: &OrderProfile,
    order: &WebOrder,
    copy: u32,
    sequence: u64,
) -> Result<OrderFile, EposError> {
    let number = &order.number;
    let zone = TimeZone::get(&profile.time_zone)
        .map_err(|_| lasting(format!("order {number}: order_profile.time_zone {:?} is unknown", profile.time_zone)))?;
    let lines = lines_of(profile, order)?;
    let records = record_count(profile, lines.len());
    let values = Values { profile, order, zone: &zone, lines: &lines, records };
    let name = file_name(&values, copy, sequence)?;
    let mut text = OrderText::new(profile);
    match profile.kind {
        OrderKind::Csv | OrderKind::Fixed => write_records(&values, &mut text)?,
        OrderKind::Xml => {
            let parts =
                parts_of(profile).map_err(|why| lasting(format!("order {number}: order_profile.template {why}")))?;
            write_parts(&parts, &values, values.of_order(), &mut text)?;
        }
    }
    let (bytes, warnings) = text.finished();
    let sequence = has_sequence(&profile.name).then_some(sequence);
    let orders = vec![WrittenOrder { order: order.id.clone(), copy, units: wanted(order).into_iter().collect() }];
    Ok(OrderFile { name, bytes, beside: Vec::new(), orders, sequence, warnings })
}

/// The kinds of records, with what each is written for.
fn kinds(profile: &OrderProfile) -> Vec<(Per, &[OrderColumn])> {
    if profile.records.is_empty() {
        return vec![(Per::Line, &profile.columns)];
    }
    profile.records.iter().map(|record| (record.per, record.columns.as_slice())).collect()
}

fn has_header(profile: &OrderProfile) -> bool {
    profile.header && profile.records.is_empty()
}

fn record_count(profile: &OrderProfile, lines: usize) -> usize {
    let of = |(per, _): &(Per, &[OrderColumn])| match per {
        Per::Order => 1,
        Per::Line => lines,
    };
    usize::from(has_header(profile)) + kinds(profile).iter().map(of).sum::<usize>()
}

fn write_records(values: &Values<'_>, text: &mut OrderText<'_>) -> Result<(), EposError> {
    if has_header(values.profile) {
        values.profile.columns.iter().for_each(|column| text.heading(column));
        text.end_line();
    }
    for group in kinds(values.profile).chunk_by(|(one, _), (next, _)| *one == Per::Line && *next == Per::Line) {
        let places: Vec<Place<'_>> = match group.first() {
            Some((Per::Line, _)) => values.of_lines().collect(),
            Some((Per::Order, _)) | None => vec![values.of_order()],
        };
        for place in places {
            group.iter().try_for_each(|(_, columns)| write_record(columns, values, place, text))?;
        }
    }
    Ok(())
}

fn write_record(
    columns: &[OrderColumn],
    values: &Values<'_>,
    place: Place<'_>,
    text: &mut OrderText<'_>,
) -> Result<(), EposError> {
    for column in columns {
        text.field(column, &values.field(column, place)?, place)?;
    }
    text.end_line();
    Ok(())
}

fn write_parts(
    parts: &[Part],
    values: &Values<'_>,
    place: Place<'_>,
    text: &mut OrderText<'_>,
) -> Result<(), EposError> {
    for part in parts {
        match part {
            Part::Literal(literal) => text.literal(literal),
            Part::Field(column) => text.xml_value(column, &values.field(column, place)?, place)?,
            Part::Lines(parts) => {
                for place in values.of_lines() {
                    write_parts(parts, values, place, text)?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "order_file_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "order_shapes_tests.rs"]
mod shapes;
