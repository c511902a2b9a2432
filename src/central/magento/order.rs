//! From a Magento order to a [`WebOrder`].
//!
//! Promises: one line per SKU that a shelf holds, money counted once, and every doubt about a quantity resolved so that
//! less is sold. Returned units stay zero: a credit memo does not say whether stock came back (observed).
//!
//! | rows | lines |
//! | --- | --- |
//! | simple, grouped, others | one each |
//! | virtual, downloadable, gift card | one each, taking nothing from the shelf |
//! | configurable and its child | one, with the parent's money and quantities (the child's `qty_shipped` stays 0, observed) and the child's SKU |
//! | bundle and its children | one per child; the parent's composed SKU is in no catalogue (observed) |
//!
//! A bundle with its own price has all the money on the parent and none on the children (observed): it goes onto the
//! first child, so that the lines add up to what the customer pays.

use rust_decimal::Decimal;
use serde::Deserialize as _;
use serde_json::Value;

use super::wire::{Address, Figure, Order, Row, moment};
use crate::domain::order::{Customer, OrderId, OrderLine, Standing, WebOrder};
use crate::domain::{Quantity, Sku};

/// Product types that nothing on a shelf belongs to.
const WITHOUT_STOCK: [&str; 3] = ["virtual", "downloadable", "giftcard"];
/// Decimal places of a price, as Magento keeps them.
const PRICE_PLACES: u32 = 4;

/// Which orders may go to the till.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    /// States in which they may.
    pub(super) export_states: Vec<String>,
    /// Payment methods with which they may while still `new`.
    pub(super) offline_payments: Vec<String>,
}

/// Reads an order.
///
/// # Errors
/// Its number (or key) and what is wrong, for a person.
pub(super) fn web_order(value: &Value, policy: &Policy) -> Result<WebOrder, (String, String)> {
    let shown = |key: &str| value.get(key).map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned));
    let number = || shown("increment_id").or_else(|| shown("entity_id")).unwrap_or_else(|| "?".into());
    let order = Order::deserialize(value).map_err(|why| (number(), format!("not understood: {why}")))?;
    mapped(&order, policy).map_err(|why| (number(), why))
}

fn mapped(order: &Order, policy: &Policy) -> Result<WebOrder, String> {
    let state = order.state.as_deref().unwrap_or_default();
    let payment = order.payment.as_ref().and_then(|payment| payment.method.clone()).unwrap_or_default();
    let mut lines = lines(order.items.as_deref().unwrap_or_default())?;
    for line in &mut lines {
        settle(line, state);
    }
    if lines.is_empty() {
        return Err("it has no items".into());
    }
    Ok(WebOrder {
        id: OrderId(order.entity_id.0.clone()),
        number: order.increment_id.0.clone(),
        placed_at: moment(&order.created_at)?,
        standing: standing(state, &payment, &lines, policy),
        store_status: order.status.clone().unwrap_or_else(|| state.to_owned()),
        customer: customer(order),
        payment,
        shipping: order.shipping_description.clone().unwrap_or_default(),
        currency: order.order_currency_code.clone().unwrap_or_default(),
        total: order.grand_total.ok_or("it has no grand_total")?.0,
        shipping_total: shipping_total(order),
        lines,
    })
}

/// May the order go to the till? One that was cancelled after part of it was shipped may: the goods have left.
fn standing(state: &str, payment: &str, lines: &[OrderLine], policy: &Policy) -> Standing {
    let listed = |list: &[String], word: &str| list.iter().any(|known| known == word);
    let left = || state == "canceled" && lines.iter().any(|line| line.shipped.is_positive());
    let offline = || state == "new" && listed(&policy.offline_payments, payment);
    if listed(&policy.export_states, state) || offline() || left() { Standing::Ready } else { Standing::Waiting }
}

fn shipping_total(order: &Order) -> Decimal {
    let or_zero = |figure: Option<Figure>| figure.unwrap_or_default().0;
    let summed = or_zero(order.shipping_amount).saturating_add(or_zero(order.shipping_tax_amount));
    order.shipping_incl_tax.map_or(summed, |figure| figure.0)
}

fn customer(order: &Order) -> Customer {
    let assignment = order.extension_attributes.as_ref().and_then(|more| more.shipping_assignments.as_ref()?.first());
    let delivery = assignment.and_then(|one| one.shipping.as_ref()?.address.as_ref());
    let none = Address::default();
    let address = delivery.or(order.billing_address.as_ref()).unwrap_or(&none);
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let names = [&address.firstname, &address.middlename, &address.lastname];
    let streets = address.street.iter().flatten().flatten();
    Customer {
        email: order.customer_email.clone().or_else(|| address.email.clone()).unwrap_or_default(),
        name: joined(names.into_iter().flatten(), " "),
        company: text(&address.company),
        street: joined(streets, ", "),
        city: text(&address.city),
        region: text(&address.region),
        postcode: text(&address.postcode),
        country: text(&address.country_id),
        telephone: text(&address.telephone),
    }
}

/// The parts that say anything, joined.
fn joined<'a>(parts: impl Iterator<Item = &'a String>, with: &str) -> String {
    parts.map(|part| part.trim()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(with)
}

fn lines(rows: &[Row]) -> Result<Vec<OrderLine>, String> {
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(parent_id) = row.parent_item_id.as_ref().filter(|id| id.0 != "0") else {
            lines.extend(top_line(row, rows)?);
            continue;
        };
        let parent = rows.iter().find(|other| other.item_id == *parent_id);
        let parent = parent.ok_or_else(|| format!("{} belongs to a row that is missing", shown(row)))?;
        if !is(parent, "configurable") {
            lines.push(part_line(row, parent, rows)?);
        }
    }
    Ok(lines)
}

/// The line of a row that belongs to no other; none for a bundle, whose parts have their own.
fn top_line(row: &Row, rows: &[Row]) -> Result<Option<OrderLine>, String> {
    let parts = parts_of(row, rows);
    if is(row, "configurable") {
        let sold = parts.first().copied().unwrap_or(row);
        return Ok(Some(OrderLine { sku: sku(sold)?, ..line(row)? }));
    }
    if is(row, "bundle") && parts.is_empty() {
        return Err(format!("the bundle {} has no parts", shown(row)));
    }
    if parts.is_empty() { Ok(Some(line(row)?)) } else { Ok(None) }
}

/// The line of one part of a bundle.
fn part_line(row: &Row, parent: &Row, rows: &[Row]) -> Result<OrderLine, String> {
    let mut part = line(row)?;
    let parts = parts_of(parent, rows);
    // Magento cancels and refunds a bundle that is invoiced as one by its parent row only.
    part.cancelled = part.cancelled.max(share(parent, row, parent.qty_canceled)?);
    part.refunded = part.refunded.max(share(parent, row, parent.qty_refunded)?);
    let none_shipped = parts.iter().all(|one| one.qty_shipped.unwrap_or_default().0.is_zero());
    if none_shipped {
        part.shipped = share(parent, row, parent.qty_shipped)?;
    }
    let free = parts.iter().all(|one| one.price.unwrap_or_default().0.is_zero());
    let is_first = parts.first().is_some_and(|first| first.item_id == row.item_id);
    if free && is_first {
        let whole = line(parent)?;
        let per_unit = |price: Decimal| per_unit(price, whole.ordered, part.ordered);
        part.price = per_unit(whole.price)?;
        part.price_incl_tax = per_unit(whole.price_incl_tax)?;
        part.tax_percent = whole.tax_percent;
        part.discount = part.discount.saturating_add(whole.discount);
    }
    Ok(part)
}

/// The bundle's price, spread over the units of one part.
fn per_unit(price: Decimal, bundles: Quantity, units: Quantity) -> Result<Decimal, String> {
    let all = price.checked_mul(bundles.decimal()).and_then(|all| all.checked_div(units.decimal()));
    Ok(all.ok_or("a part of a bundle has no units")?.round_dp(PRICE_PLACES).normalize())
}

/// What a quantity of the bundle means for one of its parts.
pub(super) fn share(parent: &Row, part: &Row, of_parent: Option<Figure>) -> Result<Quantity, String> {
    let bundles = of_parent.unwrap_or_default().0;
    if bundles.is_zero() {
        return Ok(Quantity::ZERO);
    }
    let all = bundles.checked_mul(part.qty_ordered.0).and_then(|all| all.checked_div(parent.qty_ordered.0));
    Figure(all.ok_or_else(|| format!("the bundle {} has no units", shown(parent)))?.round_dp(PRICE_PLACES)).quantity()
}

fn line(row: &Row) -> Result<OrderLine, String> {
    let units =
        |figure: Option<Figure>| figure.unwrap_or_default().quantity().map_err(|why| format!("{}: {why}", shown(row)));
    let money = |figure: Option<Figure>| figure.unwrap_or_default().0;
    let (price, tax_percent) = (money(row.price), money(row.tax_percent));
    let is_virtual = row.is_virtual.as_ref().is_some_and(|word| word.0 == "1");
    let without_stock = is_virtual || WITHOUT_STOCK.iter().any(|kind| is(row, kind));
    let ordered = units(Some(row.qty_ordered))?;
    if ordered < Quantity::ZERO {
        return Err(format!("{}: a negative quantity", shown(row)));
    }
    Ok(OrderLine {
        id: row.item_id.0.clone(),
        sku: sku(row)?,
        name: row.name.clone().unwrap_or_default(),
        ordered,
        cancelled: units(row.qty_canceled)?,
        shipped: units(row.qty_shipped)?,
        refunded: units(row.qty_refunded)?,
        returned: Quantity::ZERO,
        price,
        price_incl_tax: row.price_incl_tax.map_or_else(|| with_tax(price, tax_percent), |figure| figure.0),
        tax_percent,
        discount: money(row.discount_amount),
        takes_stock: !without_stock,
    })
}

/// Price with tax, where the row does not say (children of bundles, observed).
fn with_tax(price: Decimal, percent: Decimal) -> Decimal {
    let factor = Decimal::ONE.saturating_add(percent / Decimal::ONE_HUNDRED);
    price.saturating_mul(factor).round_dp(PRICE_PLACES).normalize()
}

/// What the order's state says for certain about its units, where Magento leaves rows behind: a cancelled, closed or
/// complete order reserves nothing any more. A reservation that we believed in would be sold twice.
fn settle(line: &mut OrderLine, state: &str) {
    let open = (line.ordered - line.cancelled - line.shipped - line.refunded).or_zero();
    match state {
        "canceled" => line.cancelled = line.cancelled + open,
        "closed" => line.refunded = line.refunded + open,
        "complete" => line.shipped = line.shipped + open,
        _ => {}
    }
}

fn parts_of<'a>(parent: &Row, rows: &'a [Row]) -> Vec<&'a Row> {
    rows.iter().filter(|row| row.parent_item_id.as_ref() == Some(&parent.item_id)).collect()
}

fn is(row: &Row, kind: &str) -> bool {
    row.product_type.as_deref() == Some(kind)
}

fn sku(row: &Row) -> Result<Sku, String> {
    Sku::new(row.sku.as_deref().unwrap_or_default()).map_err(|why| format!("{}: {why}", shown(row)))
}

fn shown(row: &Row) -> String {
    let name = row.sku.as_deref().or(row.name.as_deref()).unwrap_or_default();
    format!("row {} ({})", row.item_id, crate::central::failure::first_words(name, 40))
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
