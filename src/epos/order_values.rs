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

/// One order of a file.
pub(super) struct Writing<'a> {
    pub(super) order: &'a WebOrder,
    /// 1 for its first file, 2 when it is written again.
    pub(super) copy: u32,
    /// The lines that are written of it.
    pub(super) lines: Vec<OrderLine>,
}

impl Writing<'_> {
    fn units(&self) -> Decimal {
        self.lines.iter().map(|line| to_book(line).decimal()).fold(Decimal::ZERO, Decimal::saturating_add).normalize()
    }
}

/// What a file as a whole has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Totals {
    /// Records, header and trailer too.
    pub(super) records: usize,
    /// Its running number.
    pub(super) sequence: u64,
}

/// What fields are taken from.
pub(super) struct Values<'a> {
    pub(super) profile: &'a OrderProfile,
    pub(super) zone: &'a TimeZone,
    pub(super) orders: &'a [Writing<'a>],
    pub(super) totals: Totals,
}

/// Where a field stands.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// Once in the file, whatever the number of orders.
    File,
    /// Once in an order.
    Order(&'a Writing<'a>),
    /// In a line, which has this number from 1.
    Line(&'a Writing<'a>, usize, &'a OrderLine),
}

impl<'a> Place<'a> {
    /// Why the order cannot be written, and what to do.
    pub(super) fn refused(&self, column: &OrderColumn, why: &str) -> EposError {
        let field = &column.name;
        match self {
            Self::File => lasting(format!("field {field}: {why}")),
            Self::Order(writing) => lasting(format!("order {}, field {field}: {why}", writing.order.number)),
            Self::Line(writing, at, line) => {
                let number = &writing.order.number;
                lasting(format!("order {number}, line {at} (SKU {}), field {field}: {why}", line.sku))
            }
        }
    }

    /// Is it in the first record of its kind?
    fn is_first(&self) -> bool {
        match self {
            Self::File | Self::Order(_) => true,
            Self::Line(_, at, _) => *at == 1,
        }
    }

    fn order(&self) -> Option<&'a Writing<'a>> {
        match self {
            Self::File => None,
            Self::Order(writing) | Self::Line(writing, ..) => Some(writing),
        }
    }

    /// How to try it again.
    fn then(&self) -> String {
        self.order().map_or_else(String::new, |of| format!(", then: tillbridge orders export {}", of.order.number))
    }

    /// The places of the order's lines.
    pub(super) fn lines_of(writing: &'a Writing<'a>) -> impl Iterator<Item = Self> {
        writing.lines.iter().enumerate().map(move |(at, line)| Self::Line(writing, at + 1, line))
    }
}

enum Found {
    Words(String),
    Number(Decimal),
}

impl Values<'_> {
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
                "{} is empty in the web store, and the till must have it; fill it in there{}",
                column.value,
                place.then()
            );
            return Err(place.refused(column, &why));
        }
        Ok(text)
    }

    fn found(&self, column: &OrderColumn, place: Place<'_>) -> Result<Found, EposError> {
        let sum =
            |of: fn(&Writing<'_>) -> Decimal| self.orders.iter().map(of).fold(Decimal::ZERO, Decimal::saturating_add);
        match &column.value {
            V::FileRecordCount => Ok(Found::Number(self.totals.records.into())),
            V::FileOrderCount => Ok(Found::Number(self.orders.len().into())),
            V::FileLineCount => Ok(Found::Number(sum(|order| order.lines.len().into()))),
            V::FileUnits => Ok(Found::Number(sum(|order| order.units()).normalize())),
            V::FileSequence => Ok(Found::Number(self.totals.sequence.into())),
            V::Constant(text) => Ok(Found::Words(text.clone())),
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
            | V::CustomerEmail
            | V::CustomerName
            | V::CustomerCompany
            | V::CustomerStreet
            | V::CustomerCity
            | V::CustomerRegion
            | V::CustomerPostcode
            | V::CustomerCountry
            | V::CustomerTelephone => self.of_order(column, place),
        }
    }

    fn of_order(&self, column: &OrderColumn, place: Place<'_>) -> Result<Found, EposError> {
        let Some(writing) = place.order() else { return Err(misplaced(column, place)) };
        let (order, customer) = (writing.order, &writing.order.customer);
        let date_format = column.date_format.as_deref().unwrap_or(&self.profile.date_format);
        let words = |text: &str| Ok(Found::Words(text.to_owned()));
        match &column.value {
            V::OrderNumber => words(&order.number),
            V::OrderId => words(&order.id.0),
            V::OrderDate => self.date(order, date_format).map(Found::Words),
            V::OrderStatus => words(&order.store_status),
            V::OrderCurrency => words(&order.currency),
            V::OrderTotal => Ok(Found::Number(order.total)),
            V::OrderShippingTotal => Ok(Found::Number(order.shipping_total)),
            V::OrderDiscountTotal => Ok(Found::Number(discount_left(order))),
            V::OrderPayment => words(&order.payment),
            V::OrderShipping => words(&order.shipping),
            V::OrderLineCount => Ok(Found::Number(writing.lines.len().into())),
            V::OrderUnits => Ok(Found::Number(writing.units())),
            V::CustomerEmail => words(&customer.email),
            V::CustomerName => words(&customer.name),
            V::CustomerCompany => words(&customer.company),
            V::CustomerStreet => words(&customer.street),
            V::CustomerCity => words(&customer.city),
            V::CustomerRegion => words(&customer.region),
            V::CustomerPostcode => words(&customer.postcode),
            V::CustomerCountry => words(&customer.country),
            V::CustomerTelephone => words(&customer.telephone),
            V::FileRecordCount
            | V::FileOrderCount
            | V::FileLineCount
            | V::FileUnits
            | V::FileSequence
            | V::Constant(_)
            | V::LineNumber
            | V::LineSku
            | V::LineName
            | V::LineQuantity
            | V::LinePrice
            | V::LinePriceInclTax
            | V::LineTaxPercent
            | V::LineDiscount
            | V::LineTotal
            | V::LineTotalInclTax => Err(misplaced(column, place)),
        }
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
    pub(super) fn date(&self, order: &WebOrder, format: &str) -> Result<String, EposError> {
        let placed = order.placed_at.to_zoned_datetime(self.zone.clone());
        jiff::fmt::strtime::format(format, &placed).map_err(|_| {
            lasting(format!("order_profile.date_format {format:?} cannot be written; use words like %Y-%m-%d"))
        })
    }
}

fn misplaced(column: &OrderColumn, place: Place<'_>) -> EposError {
    place.refused(column, "is no value that can stand here; run: tillbridge check")
}

fn of_line(column: &OrderColumn, place: Place<'_>) -> Result<Found, EposError> {
    let Place::Line(_, number, line) = place else { return Err(misplaced(column, place)) };
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
        | V::FileOrderCount
        | V::FileLineCount
        | V::FileUnits
        | V::FileSequence
        | V::CustomerEmail
        | V::CustomerName
        | V::CustomerCompany
        | V::CustomerStreet
        | V::CustomerCity
        | V::CustomerRegion
        | V::CustomerPostcode
        | V::CustomerCountry
        | V::CustomerTelephone
        | V::Constant(_) => return Err(misplaced(column, place)),
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
                "the till has no code for {}{shown}; add it to the field's map in the configuration{}",
                column.value,
                place.then()
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
