//! From web orders to the bytes and the name of their order file, and of the files that go with it.
//!
//! Promises: the shape that the profile says: a line per item, several kinds of records, header and lines apart, or XML;
//! one order, or several; the units that the till will take (or take back) are told beside the bytes; a name that is safe on every file
//! system and never repeated. An order with nothing left to book, or with a value that cannot be written, is refused whole.

use jiff::tz::TimeZone;

use super::fault::lasting;
use super::order_lines::lines_of;
use super::order_name::{beside_name, file_name, filled_text, has_sequence};
use super::order_profile::{LinesFile, OrderColumn, OrderKind, OrderProfile, OrderRecord, Per};
use super::order_template::{Part, parts_of};
use super::order_text::OrderText;
use super::order_values::{Place, Totals, Values, Writing};
use crate::domain::corrections::wanted;
use crate::ports::{BesideFile, EposError, OrderFile, Role, ToWrite, WrittenOrder};

/// Writes the order file of `orders`, at least one.
pub(super) fn render(profile: &OrderProfile, orders: &[ToWrite<'_>], sequence: u64) -> Result<OrderFile, EposError> {
    let zone = TimeZone::get(&profile.time_zone)
        .map_err(|_| lasting(format!("order_profile.time_zone {:?} is unknown", profile.time_zone)))?;
    let mut writing = Vec::with_capacity(orders.len());
    for ToWrite { order, copy } in orders {
        writing.push(Writing { order, copy: *copy, lines: lines_of(profile, order)? });
    }
    let lines = writing.iter().map(|order| order.lines.len()).sum();
    let of = |records| Values { profile, zone: &zone, orders: &writing, totals: Totals { records, sequence } };
    let sheet = Sheet::of(profile);
    let values = of(sheet.count(orders.len(), lines));
    let name = file_name(&values)?;
    let (bytes, mut warnings) = main_file(&values, &sheet)?;
    let mut beside = Vec::new();
    if let Some(file) = &profile.lines_file {
        let sheet = Sheet::of_lines(file);
        let values = of(sheet.count(orders.len(), lines));
        let mut text = OrderText::new(profile);
        sheet.write(&values, &mut text)?;
        let (bytes, more) = text.finished();
        warnings.extend(more);
        beside.push(BesideFile { name: beside_name(&values, &file.name, &name)?, role: Role::Lines, bytes });
    }
    beside.extend(trigger(&values, &name)?);
    let sequence = has_sequence(&profile.name).then_some(sequence);
    let orders = writing.iter().map(written).collect();
    Ok(OrderFile { name, bytes, beside, orders, sequence, warnings })
}

fn main_file(values: &Values<'_>, sheet: &Sheet<'_>) -> Result<(Vec<u8>, Vec<String>), EposError> {
    let mut text = OrderText::new(values.profile);
    match values.profile.kind {
        OrderKind::Csv | OrderKind::Fixed => sheet.write(values, &mut text)?,
        OrderKind::Xml => {
            let parts = parts_of(values.profile).map_err(|why| lasting(format!("order_profile.template {why}")))?;
            // Without a mark around what each order repeats, the template is of one order.
            let place = match values.orders {
                [only] => Place::Order(only),
                _ => Place::File,
            };
            write_parts(&parts, values, place, &mut text)?;
        }
    }
    Ok(text.finished())
}

fn trigger(values: &Values<'_>, main: &str) -> Result<Option<BesideFile>, EposError> {
    let Some(trigger) = &values.profile.trigger else { return Ok(None) };
    let mut text = OrderText::new(values.profile);
    text.literal(&filled_text(values, &trigger.content, main)?);
    let name = beside_name(values, &trigger.name, main)?;
    Ok(Some(BesideFile { name, role: Role::Trigger, bytes: text.finished().0 }))
}

fn written(writing: &Writing<'_>) -> WrittenOrder {
    WrittenOrder {
        order: writing.order.id.clone(),
        copy: writing.copy,
        units: wanted(writing.order).into_iter().collect(),
    }
}

/// The records of one file, in order.
struct Sheet<'p> {
    /// The columns whose names are the first line.
    header: Option<&'p [OrderColumn]>,
    kinds: Vec<(Per, &'p [OrderColumn])>,
}

impl<'p> Sheet<'p> {
    fn of(profile: &'p OrderProfile) -> Self {
        let per = if profile.lines_file.is_some() { Per::Order } else { Per::Line };
        Self::new(profile.header, per, &profile.columns, &profile.records)
    }

    fn of_lines(file: &'p LinesFile) -> Self {
        Self::new(file.header, Per::Line, &file.columns, &file.records)
    }

    fn new(header: bool, per: Per, columns: &'p [OrderColumn], records: &'p [OrderRecord]) -> Self {
        if records.is_empty() {
            return Self { header: header.then_some(columns), kinds: vec![(per, columns)] };
        }
        Self { header: None, kinds: records.iter().map(|record| (record.per, record.columns.as_slice())).collect() }
    }

    fn count(&self, orders: usize, lines: usize) -> usize {
        let of = |(per, _): &(Per, &[OrderColumn])| match per {
            Per::File => 1,
            Per::Order => orders,
            Per::Line => lines,
        };
        usize::from(self.header.is_some()) + self.kinds.iter().map(of).sum::<usize>()
    }

    fn write(&self, values: &Values<'_>, text: &mut OrderText<'_>) -> Result<(), EposError> {
        if let Some(columns) = self.header {
            columns.iter().for_each(|column| text.heading(column));
            text.end_line();
        }
        // What stands between two records of the file is repeated for each order.
        for group in self.kinds.chunk_by(|(one, _), (next, _)| (*one == Per::File) == (*next == Per::File)) {
            if group.iter().any(|(per, _)| *per == Per::File) {
                group.iter().try_for_each(|(_, columns)| write_record(columns, values, Place::File, text))?;
            } else {
                values.orders.iter().try_for_each(|order| write_order(group, values, order, text))?;
            }
        }
        Ok(())
    }
}

fn write_order(
    kinds: &[(Per, &[OrderColumn])],
    values: &Values<'_>,
    order: &Writing<'_>,
    text: &mut OrderText<'_>,
) -> Result<(), EposError> {
    for group in kinds.chunk_by(|(one, _), (next, _)| *one == Per::Line && *next == Per::Line) {
        let places: Vec<Place<'_>> = match group.first() {
            Some((Per::Line, _)) => Place::lines_of(order).collect(),
            Some((Per::Order | Per::File, _)) | None => vec![Place::Order(order)],
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
            Part::Orders(parts) => {
                for order in values.orders {
                    write_parts(parts, values, Place::Order(order), text)?;
                }
            }
            Part::Lines(parts) => {
                let orders = match place {
                    Place::Order(order) | Place::Line(order, ..) => std::slice::from_ref(order),
                    Place::File => &[],
                };
                for place in orders.iter().flat_map(Place::lines_of) {
                    write_parts(parts, values, place, text)?;
                }
            }
        }
    }
    Ok(())
}

/// One order by itself, as most of the tests look at it.
#[cfg(test)]
fn single(
    profile: &OrderProfile,
    order: &crate::domain::WebOrder,
    copy: u32,
    sequence: u64,
) -> Result<OrderFile, EposError> {
    render(profile, &[ToWrite { order, copy }], sequence)
}

#[cfg(test)]
#[path = "order_file_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "order_shapes_tests.rs"]
mod shapes;

#[cfg(test)]
#[path = "order_parts_tests.rs"]
mod parts;
