//! From a web order to the bytes and the name of its order file.
//!
//! Promises: one order per file, one line per item with units left to book; the units that the till will take are
//! told beside the bytes; a name that is safe on every file system and different for different orders. An order with
//! nothing left to book is refused.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use rust_decimal::Decimal;

use super::fault::lasting;
use super::order_profile::{OrderProfile, OrderValue};
use super::order_text::OrderText;
use crate::domain::{OrderLine, Quantity, Sku, WebOrder};
use crate::ports::{EposError, OrderFile};

/// Longest file name, in bytes: leaves room for what tills append.
const LONGEST_NAME: usize = 150;
/// Characters of a value that stand in a file name as they are, letters and digits aside.
const PLAIN: &str = "-_.#+=@";
/// Names that Windows keeps for devices, with any extension.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// Writes the order file of `order`.
pub(super) fn render(profile: &OrderProfile, order: &WebOrder, copy: u32) -> Result<OrderFile, EposError> {
    let number = &order.number;
    let zone = TimeZone::get(&profile.time_zone)
        .map_err(|_| lasting(format!("order {number}: order_profile.time_zone {:?} is unknown", profile.time_zone)))?;
    let lines: Vec<&OrderLine> = order.lines.iter().filter(|line| to_book(line).is_positive()).collect();
    if lines.is_empty() {
        let text = "nothing is left to book: all lines are cancelled or returned";
        return Err(lasting(format!("order {number}: {text}; no file was written")));
    }
    let name = file_name(profile, order, copy, &zone)?;
    let mut text = OrderText::new(profile);
    if profile.header {
        profile.columns.iter().for_each(|column| text.field(&column.name, &column.name, false));
        text.end_line();
    }
    let writer = Values { profile, order, zone: &zone, count: lines.len() };
    for (at, line) in lines.iter().enumerate() {
        for column in &profile.columns {
            let value = writer.value(&column.value, line, at + 1)?;
            text.field(&column.name, &value, column.value.is_text());
        }
        text.end_line();
    }
    let (bytes, warnings) = text.finished();
    Ok(OrderFile { name, bytes, units: units(&lines), warnings })
}

/// Units of the line that the till should book, stock or not.
fn to_book(line: &OrderLine) -> Quantity {
    (line.ordered - line.cancelled - line.returned).or_zero()
}

fn units(lines: &[&OrderLine]) -> Vec<(Sku, Quantity)> {
    let mut units: BTreeMap<&Sku, Quantity> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.to_take().is_positive()) {
        let sum = units.entry(&line.sku).or_default();
        *sum = *sum + line.to_take();
    }
    units.into_iter().map(|(sku, quantity)| (sku.clone(), quantity)).collect()
}

struct Values<'a> {
    profile: &'a OrderProfile,
    order: &'a WebOrder,
    zone: &'a TimeZone,
    count: usize,
}

impl Values<'_> {
    fn value(&self, value: &OrderValue, line: &OrderLine, number: usize) -> Result<String, EposError> {
        use OrderValue as V;
        let (order, customer) = (self.order, &self.order.customer);
        Ok(match value {
            V::OrderNumber => order.number.clone(),
            V::OrderId => order.id.0.clone(),
            V::OrderDate => self.date(&self.profile.date_format)?,
            V::OrderStatus => order.store_status.clone(),
            V::OrderCurrency => order.currency.clone(),
            V::OrderTotal => self.number(order.total),
            V::OrderShippingTotal => self.number(order.shipping_total),
            V::OrderPayment => order.payment.clone(),
            V::OrderShipping => order.shipping.clone(),
            V::OrderLineCount => self.count.to_string(),
            V::CustomerEmail => customer.email.clone(),
            V::CustomerName => customer.name.clone(),
            V::CustomerCompany => customer.company.clone(),
            V::CustomerStreet => customer.street.clone(),
            V::CustomerCity => customer.city.clone(),
            V::CustomerRegion => customer.region.clone(),
            V::CustomerPostcode => customer.postcode.clone(),
            V::CustomerCountry => customer.country.clone(),
            V::CustomerTelephone => customer.telephone.clone(),
            V::LineNumber => number.to_string(),
            V::LineSku => line.sku.to_string(),
            V::LineName => line.name.clone(),
            V::LineQuantity => self.number(to_book(line).decimal().normalize()),
            V::LinePrice => self.number(line.price),
            V::LinePriceInclTax => self.number(line.price_incl_tax),
            V::LineTaxPercent => self.number(line.tax_percent.normalize()),
            V::LineDiscount => self.number(line.discount),
            V::LineTotalInclTax => self.number(line.price_incl_tax.saturating_mul(to_book(line).decimal())),
            V::Constant(text) => text.clone(),
        })
    }

    fn number(&self, number: Decimal) -> String {
        let plain = number.to_string();
        if self.profile.decimal == '.' { plain } else { plain.replace('.', &self.profile.decimal.to_string()) }
    }

    fn date(&self, format: &str) -> Result<String, EposError> {
        let placed = self.order.placed_at.to_zoned_datetime(self.zone.clone());
        jiff::fmt::strtime::format(format, &placed).map_err(|_| {
            lasting(format!("order_profile.date_format {format:?} cannot be written; use words like %Y-%m-%d"))
        })
    }
}

/// The file's name. Different numbers give different names; what a file system might not take is written as its code.
fn file_name(profile: &OrderProfile, order: &WebOrder, copy: u32, zone: &TimeZone) -> Result<String, EposError> {
    let values = Values { profile, order, zone, count: 0 };
    let wanted_but_empty = (profile.name.contains("{number}") && order.number.is_empty())
        || (profile.name.contains("{id}") && order.id.0.is_empty());
    if wanted_but_empty {
        return Err(lasting(format!("order {:?} has no number to name its file with", order.id.0)));
    }
    let name = filled(&profile.name, |placeholder| match placeholder {
        "number" => Ok(safe(&order.number)),
        "id" => Ok(safe(&order.id.0)),
        "date" => values.date("%Y%m%d"),
        other => Err(lasting(format!("order_profile.name has the unknown placeholder {{{other}}}"))),
    })?;
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let stem = if copy > 1 { format!("{stem}_{copy}") } else { stem.to_owned() };
    let name = if extension.is_empty() { stem } else { format!("{stem}.{extension}") };
    checked(name, &order.number)
}

fn filled(template: &str, value: impl Fn(&str) -> Result<String, EposError>) -> Result<String, EposError> {
    let mut name = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((placeholder, after)) = after.split_once('}') else { break };
        name.push_str(before);
        name.push_str(&value(placeholder)?);
        rest = after;
    }
    name.push_str(rest);
    Ok(name)
}

/// A value as part of a file name: `/` becomes `~2f`, and so does whatever else is not plain.
fn safe(value: &str) -> String {
    let mut name = String::new();
    for (at, c) in value.char_indices() {
        let rest = &value[at + c.len_utf8()..];
        // `1_2` would be the second file of order 1.
        let looks_like_a_copy = c == '_' && !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = c.is_ascii_alphanumeric() || PLAIN.contains(c);
        if is_plain && !looks_like_a_copy {
            name.push(c);
        } else {
            name.push_str(&format!("~{:02x}", u32::from(c)));
        }
    }
    name
}

fn checked(name: String, number: &str) -> Result<String, EposError> {
    let refused =
        |why: &str| Err(lasting(format!("order {number:?}: the file name {name:?} {why}; change order_profile.name")));
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let is_port = (stem.starts_with("COM") || stem.starts_with("LPT")) && stem.len() == 4;
    if DEVICES.contains(&stem.as_str()) || is_port {
        return refused("is kept by Windows for a device");
    }
    if name.len() > LONGEST_NAME {
        return refused("is too long");
    }
    if name.starts_with('.') || name.ends_with(['.', ' ']) || name.contains(['/', '\\', ':', '\0']) {
        return refused("is not safe in a folder");
    }
    Ok(name)
}

#[cfg(test)]
#[path = "order_file_tests.rs"]
mod tests;
