//! From an order to the words of one field: looked up, mapped, and written as the till wants numbers and dates.
//!
//! Promises: a missing mandatory value, a code that the till's table lacks and a number that cannot be written exactly
//! refuse the order, with order, line, field and remedy; nothing is guessed.

use jiff::tz::TimeZone;
use rust_decimal::{Decimal, RoundingStrategy};

use super::fault::lasting;
use super::order_column::ValueKind;
use super::order_lines::{discount_left, to_book};
use super::order_profile::{OrderColumn, OrderProfile, OrderValue as V, Unmapped};
use crate::domain::{OrderLine, WebOrder};
use crate::ports::EposError;

/// What fields are taken from.
pub(super) struct Values<'a> {
    pub(super) profile: &'a OrderProfile,
    pub(super) order: &'a WebOrder,
    pub(super) zone: &'a TimeZone,
    pub(super) lines: &'a [OrderLine],
    /// Records in the file.
    pub(super) records: usize,
}

/// Where a field stands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    order: &'a WebOrder,
    /// The line, and its number from 1.
    line: Option<(usize, &'a OrderLine)>,
}

impl Place<'_> {
    /// Why the order cannot be written, and what to do.
    pub(super) fn refused(&self, column: &OrderColumn, why: &str) -> EposError {
        let (number, field) = (&self.order.number, &column.name);
        match self.line {
            Some((at, line)) => lasting(format!("order {number}, line {at} (SKU {}), field {field}: {why}", line.sku)),
            None => lasting(format!("order {number}, field {field}: {why}")),
        }
    }

    /// Is it in the first record of its kind?
    fn is_first(&self) -> bool {
        self.line.is_none_or(|(at, _)| at == 1)
    }
}

enum Found {
    Words(String),
    Number(Decimal),
}

impl<'a> Values<'a> {
    /// Where the order's own fields stand.
    pub(super) fn of_order(&self) -> Place<'a> {
        Place { order: self.order, line: None }
    }

    /// Where the fields of each line stand.
    pub(super) fn of_lines(&self) -> impl Iterator<Item = Place<'a>> {
        let order = self.order;
        self.lines.iter().enumerate().map(move |(at, line)| Place { order, line: Some((at + 1, line)) })
    }

    /// What stands in the field, before the till's code page and lengths.
    pub(super) fn field(&self, column: &OrderColumn, place: Place<'_>) -> Result<String, EposError> {
        if column.once && !place.is_first() {
            return Ok(String::new());
        }
        let text = match self.found(column, place)? {
            Found::Words(text) => mapped(column, text, place)?,
            Found::Number(number) => self.number(column, number, place)?,
        };
        if column.required && text.trim().is_empty() {
            let why = format!(
                "{} is empty in the web store, and the till must have it; fill it in there, then: tillbridge orders export {}",
                column.value, self.order.number
            );
            return Err(place.refused(column, &why));
        }
        Ok(text)
    }

    fn found(&self, column: &OrderColumn, place: Place<'_>) -> Result<Found, EposError> {
        let (order, customer, date_format) = (self.order, &self.order.customer, self.profile.date_format.as_str());
        let words = |text: &str| Ok(Found::Words(text.to_owned()));
        match &column.value {
            V::OrderNumber => words(&order.number),
            V::OrderId => words(&order.id.0),
            V::OrderDate => self.date(column.date_format.as_deref().unwrap_or(date_format)).map(Found::Words),
            V::OrderStatus => words(&order.store_status),
            V::OrderCurrency => words(&order.currency),
            V::OrderTotal => Ok(Found::Number(order.total)),
            V::OrderShippingTotal => Ok(Found::Number(order.shipping_total)),
            V::OrderDiscountTotal => Ok(Found::Number(discount_left(order))),
            V::OrderPayment => words(&order.payment),
            V::OrderShipping => words(&order.shipping),
            V::OrderLineCount => Ok(Found::Number(self.lines.len().into())),
            V::OrderUnits => Ok(Found::Number(self.units())),
            V::FileRecordCount => Ok(Found::Number(self.records.into())),
            V::CustomerEmail => words(&customer.email),
            V::CustomerName => words(&customer.name),
            V::CustomerCompany => words(&customer.company),
            V::CustomerStreet => words(&customer.street),
            V::CustomerCity => words(&customer.city),
            V::CustomerRegion => words(&customer.region),
            V::CustomerPostcode => words(&customer.postcode),
            V::CustomerCountry => words(&customer.country),
            V::CustomerTelephone => words(&customer.telephone),
            V::Constant(text) => words(text),
            V::LineNumber
            | V::LineSku
            | V::LineName
            | V::LineQuantity
            | V::LinePrice
            | V::LinePriceInclTax
            | V::LineTaxPercent
            | V::LineDiscount
            | V::LineTotal
            | V::LineTotalInclTax => of_line(column, place),
        }
    }

    fn units(&self) -> Decimal {
        self.lines.iter().map(|line| to_book(line).decimal()).fold(Decimal::ZERO, Decimal::saturating_add).normalize()
    }

    fn number(&self, column: &OrderColumn, number: Decimal, place: Place<'_>) -> Result<String, EposError> {
        let number = if column.negate && !number.is_zero() { -number } else { number };
        let written = match (column.implied_decimals, column.decimals) {
            (Some(places), _) => {
                let digits = power_of_ten(places).and_then(|power| number.checked_mul(power));
                digits.and_then(|digits| at_places(column, digits, 0))
            }
            (None, Some(places)) => at_places(column, number, places),
            (None, None) => Some(number),
        };
        let Some(written) = written else {
            let places = column.implied_decimals.or(column.decimals).unwrap_or_default();
            let why = format!(
                "{number} cannot be written with {places} decimal places; correct the order in the web store, or change the field's decimals"
            );
            return Err(place.refused(column, &why));
        };
        let plain = written.to_string();
        Ok(if self.profile.decimal == '.' { plain } else { plain.replace('.', &self.profile.decimal.to_string()) })
    }

    /// The date of placement.
    pub(super) fn date(&self, format: &str) -> Result<String, EposError> {
        let placed = self.order.placed_at.to_zoned_datetime(self.zone.clone());
        jiff::fmt::strtime::format(format, &placed).map_err(|_| {
            lasting(format!("order_profile.date_format {format:?} cannot be written; use words like %Y-%m-%d"))
        })
    }
}

fn of_line(column: &OrderColumn, place: Place<'_>) -> Result<Found, EposError> {
    let misplaced = || place.refused(column, "is no value that can stand here; run: tillbridge check");
    let Some((number, line)) = place.line else { return Err(misplaced()) };
    let times = |price: Decimal| price.saturating_mul(to_book(line).decimal());
    Ok(match &column.value {
        V::LineSku => Found::Words(line.sku.to_string()),
        V::LineName => Found::Words(line.name.clone()),
        V::LineQuantity => Found::Number(to_book(line).decimal().normalize()),
        V::LinePrice => Found::Number(line.price),
        V::LinePriceInclTax => Found::Number(line.price_incl_tax),
        V::LineTaxPercent => Found::Number(line.tax_percent.normalize()),
        V::LineDiscount => Found::Number(line.discount),
        V::LineTotal => Found::Number(times(line.price)),
        V::LineTotalInclTax => Found::Number(times(line.price_incl_tax)),
        V::LineNumber => Found::Number(Decimal::from(number)),
        V::OrderNumber
        | V::OrderId
        | V::OrderDate
        | V::OrderStatus
        | V::OrderCurrency
        | V::OrderTotal
        | V::OrderShippingTotal
        | V::OrderDiscountTotal
        | V::OrderPayment
        | V::OrderShipping
        | V::OrderLineCount
        | V::OrderUnits
        | V::FileRecordCount
        | V::CustomerEmail
        | V::CustomerName
        | V::CustomerCompany
        | V::CustomerStreet
        | V::CustomerCity
        | V::CustomerRegion
        | V::CustomerPostcode
        | V::CustomerCountry
        | V::CustomerTelephone
        | V::Constant(_) => return Err(misplaced()),
    })
}

fn mapped(column: &OrderColumn, text: String, place: Place<'_>) -> Result<String, EposError> {
    let Some(map) = &column.map else { return Ok(text) };
    match (map.get(&text), &column.unmapped) {
        (Some(code), _) => Ok(code.clone()),
        (None, Unmapped::Keep) => Ok(text),
        (None, Unmapped::Constant(code)) => Ok(code.clone()),
        (None, Unmapped::Refuse) => {
            let shown = if column.value.is_private() { String::new() } else { format!(" {text:?}") };
            let why = format!(
                "the till has no code for {}{shown}; add it to the field's map in the configuration, then: tillbridge orders export {}",
                column.value, place.order.number
            );
            Err(place.refused(column, &why))
        }
    }
}

/// The number with so many decimal places. `None`: it would not be the same number, and must be.
fn at_places(column: &OrderColumn, number: Decimal, places: u32) -> Option<Decimal> {
    let mut rounded = number.round_dp_with_strategy(places, RoundingStrategy::MidpointAwayFromZero);
    let is_exact = rounded == number;
    rounded.rescale(places);
    let is_whole = rounded.scale() == places;
    let may_round = match column.value.kind() {
        ValueKind::Money => true,
        ValueKind::Count | ValueKind::Text | ValueKind::Code | ValueKind::Date | ValueKind::Fixed => false,
    };
    ((is_exact || may_round) && is_whole).then_some(rounded)
}

fn power_of_ten(places: u32) -> Option<Decimal> {
    10_i64.checked_pow(places).map(Decimal::from)
}
