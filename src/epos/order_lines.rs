//! The lines that an order file has: what is left to book, and shipping and discounts where the till wants them as lines.
//!
//! Promises: a line with nothing left to book is not written; an extra line takes no stock; discounts are those of the
//! units that are left. Does not promise to know discounts on shipping: the web store's order lines do not have them.

use rust_decimal::Decimal;

use super::fault::lasting;
use super::order_profile::{ExtraLine, OrderProfile};
use crate::domain::{OrderLine, Quantity, Sku, WebOrder};
use crate::ports::EposError;

/// Decimal places to which the share of a partly cancelled line's discount is rounded, if it has no more itself.
const DISCOUNT_PLACES: u32 = 2;
const HUNDRED: Decimal = Decimal::ONE_HUNDRED;

/// The lines to write, at least one of the store's.
pub(super) fn lines_of(profile: &OrderProfile, order: &WebOrder) -> Result<Vec<OrderLine>, EposError> {
    let mut lines: Vec<OrderLine> = order.lines.iter().filter(|line| to_book(line).is_positive()).cloned().collect();
    if lines.is_empty() {
        let text = "nothing is left to book: all lines are cancelled or returned";
        return Err(lasting(format!("order {}: {text}; no file was written", order.number)));
    }
    let discount = discount_left(order);
    let wanted = [
        ("shipping_line", &profile.shipping_line, order.shipping_total),
        ("discount_line", &profile.discount_line, -discount),
    ];
    for (key, extra, amount) in wanted {
        if let Some(extra) = extra.as_ref().filter(|_| !amount.is_zero()) {
            lines.push(extra_line(key, extra, amount)?);
        }
    }
    Ok(lines)
}

/// Units of the line that the till should book, stock or not.
pub(super) fn to_book(line: &OrderLine) -> Quantity {
    (line.ordered - line.cancelled - line.returned).or_zero()
}

/// Discounts on what is left to book, positive.
pub(super) fn discount_left(order: &WebOrder) -> Decimal {
    let left = |line: &OrderLine| {
        let units = to_book(line).decimal();
        if units == line.ordered.decimal() {
            return line.discount;
        }
        let share = units.checked_div(line.ordered.decimal()).unwrap_or_default();
        line.discount.saturating_mul(share).round_dp(line.discount.scale().max(DISCOUNT_PLACES))
    };
    order.lines.iter().map(left).fold(Decimal::ZERO, Decimal::saturating_add)
}

fn extra_line(key: &str, extra: &ExtraLine, amount: Decimal) -> Result<OrderLine, EposError> {
    let sku = Sku::new(&extra.sku)
        .map_err(|why| lasting(format!("order_profile.{key}: sku {:?} is no code: {why}", extra.sku)))?;
    let tax_percent = extra.tax_percent.unwrap_or_default();
    let with_tax = HUNDRED.saturating_add(tax_percent);
    let net = amount.saturating_mul(HUNDRED).checked_div(with_tax).unwrap_or(amount);
    Ok(OrderLine {
        id: key.to_owned(),
        sku,
        name: extra.name.clone(),
        ordered: Quantity::ONE,
        cancelled: Quantity::ZERO,
        shipped: Quantity::ZERO,
        refunded: Quantity::ZERO,
        returned: Quantity::ZERO,
        price: net.round_dp(amount.scale().max(DISCOUNT_PLACES)),
        price_incl_tax: amount,
        tax_percent,
        discount: Decimal::ZERO,
        takes_stock: false,
    })
}
