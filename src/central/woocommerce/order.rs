//! From a WooCommerce order to a [`WebOrder`].
//!
//! Promises: units count exactly once, whatever the moment: an order counts from the time that the store deducts it (or
//! that it should have), and stops counting only when the store has surely put it back. Every doubt sells less.
//!
//! | status | counts | why |
//! | --- | --- | --- |
//! | on-hold, processing, completed | all its units | the store deducts on reaching one of these |
//! | pending, failed, statuses of plugins | the lines that the store has deducted | an unpaid order only holds stock in a table aside |
//! | cancelled | nothing, once the store has put the units back | until then, for two minutes at most, it counts |
//! | trash | nothing, unless it had been completed: then the goods have left | the store moves no stock |
//! | refunded | the lines deducted; all of a completed one | units put back are counted as returned |
//! | checkout-draft and its like | is no order | |
//!
//! What the store has deducted stands in `_reduced_stock` of the line, what refunds put back in
//! `_restock_refunded_items` (woocommerce `includes/wc-stock-functions.php`, `wc_restock_refunded_items` in
//! `includes/wc-order-functions.php`). Both appear a moment after the status does, and without moving the order's date:
//! that moment is named in `store_status`, so that its end is a change.
//! Does not promise to see units that plugins deduct by other rules: the till books a line's quantity.

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use serde::Deserialize as _;
use serde_json::Value;

use super::wire::{Address, Figure, Order, Row, moment};
use crate::domain::order::{Customer, OrderId, OrderLine, Standing, WebOrder};
use crate::domain::{Quantity, Sku};

/// Statuses in which the store deducts (`wc_maybe_reduce_stock_levels`).
const DEDUCTING: [&str; 3] = ["on-hold", "processing", "completed"];
/// What is no order yet.
const DRAFTS: [&str; 4] = ["checkout-draft", "auto-draft", "draft", "new"];
/// Units that the store has deducted for a line.
const REDUCED: &str = "_reduced_stock";
/// Units of a line that refunds have put back.
const RESTOCKED: &str = "_restock_refunded_items";
/// So long after a status was changed the store may still be at moving the stock: a request that PHP did not end in this
/// time was killed.
const MOVING: SignedDuration = SignedDuration::from_secs(120);
/// Decimal places of a price.
const PRICE_PLACES: u32 = 4;

/// Which orders may go to the till.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    /// Statuses in which they may.
    pub(super) export_statuses: Vec<String>,
    /// Payment methods with which they may while still `on-hold`.
    pub(super) offline_payments: Vec<String>,
    /// Statuses that we set ourselves; they change nothing of an order.
    pub(super) own_statuses: Vec<String>,
}

/// What the order's status says about its units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// All lines count.
    All,
    /// The lines that the store has deducted.
    Deducted,
    /// Nothing, except (when `still`) what the store has not put back yet.
    Nothing { still: bool },
}

/// Reads an order; nothing when it is none yet. `now` is the store's own clock.
///
/// # Errors
/// Its number (or key) and what is wrong, for a person.
pub(super) fn web_order(
    value: &Value,
    policy: &Policy,
    now: Option<Timestamp>,
) -> Result<Option<WebOrder>, (String, String)> {
    let shown = |key: &str| value.get(key).map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned));
    let number = || shown("number").or_else(|| shown("id")).unwrap_or_else(|| "?".into());
    let order = Order::deserialize(value).map_err(|why| (number(), format!("not understood: {why}")))?;
    if DRAFTS.contains(&order.status.as_str()) {
        return Ok(None);
    }
    mapped(&order, policy, now).map(Some).map_err(|why| (number(), why))
}

fn mapped(order: &Order, policy: &Policy, now: Option<Timestamp>) -> Result<WebOrder, String> {
    let counts = counts(order, policy, now)?;
    let rows: Vec<&Row> = order.line_items.iter().collect();
    let lines: Vec<OrderLine> = rows.iter().map(|row| line(row, order, counts)).collect::<Result<_, _>>()?;
    if lines.is_empty() && !matches!(counts, Counts::Nothing { .. }) {
        return Err("it has no items".into());
    }
    let payment = order.payment_method.clone().unwrap_or_default();
    let placed = order.date_created_gmt.as_deref().ok_or("it has no date")?;
    let shipping = order.shipping_lines.iter().filter_map(|line| line.method_title.as_ref());
    Ok(WebOrder {
        id: OrderId(order.id.to_string()),
        number: order.number.0.clone(),
        placed_at: moment(placed)?,
        standing: standing(&order.status, &payment, policy),
        store_status: shown_status(order, counts),
        customer: customer(order),
        payment,
        shipping: joined(shipping, ", "),
        currency: order.currency.clone().unwrap_or_default(),
        total: order.total.0.normalize(),
        shipping_total: shipping_total(order),
        lines,
    })
}

fn counts(order: &Order, policy: &Policy, now: Option<Timestamp>) -> Result<Counts, String> {
    let was_completed = order.date_completed_gmt.is_some();
    Ok(match order.status.as_str() {
        status if DEDUCTING.contains(&status) || policy.own_statuses.iter().any(|own| own == status) => Counts::All,
        "trash" | "refunded" if was_completed => Counts::All,
        "trash" => Counts::Nothing { still: false },
        "cancelled" => Counts::Nothing { still: is_moving(order, now)? },
        _ => Counts::Deducted,
    })
}

/// May the store still be at moving the stock for this status? Both times are the store's own; in doubt it may.
fn is_moving(order: &Order, now: Option<Timestamp>) -> Result<bool, String> {
    let modified = order.date_modified_gmt.as_deref().map(moment).transpose()?;
    Ok(modified.zip(now).is_none_or(|(modified, now)| now.duration_since(modified) < MOVING))
}

/// The store's word, and what of the stock is not as the word says.
fn shown_status(order: &Order, counts: Counts) -> String {
    let deducted = order.line_items.iter().filter(|row| is_deducted(row)).count();
    let (without, status) = (order.line_items.len() - deducted, &order.status);
    match counts {
        Counts::All if without > 0 => format!("{status} ({without} line(s) not deducted from the store's stock)"),
        Counts::Nothing { .. } if deducted > 0 => {
            format!("{status} ({deducted} line(s) not put back into the store's stock)")
        }
        Counts::All | Counts::Deducted | Counts::Nothing { .. } => status.clone(),
    }
}

/// Has the store deducted the line? One that refunds have put back altogether was.
fn is_deducted(row: &Row) -> bool {
    row.noted(REDUCED).is_some()
}

fn standing(status: &str, payment: &str, policy: &Policy) -> Standing {
    let listed = |list: &[String], word: &str| list.iter().any(|known| known == word);
    let offline = status == "on-hold" && listed(&policy.offline_payments, payment);
    let ready = listed(&policy.export_statuses, status) || listed(&policy.own_statuses, status) || offline;
    if ready { Standing::Ready } else { Standing::Waiting }
}

fn line(row: &Row, order: &Order, counts: Counts) -> Result<OrderLine, String> {
    let ordered = row.quantity.quantity().map_err(|why| format!("{}: {why}", shown(row)))?;
    if ordered < Quantity::ZERO {
        return Err(format!("{}: a negative quantity", shown(row)));
    }
    let deducted = row.noted(REDUCED).is_some_and(|units| units > Decimal::ZERO);
    let (takes_stock, cancelled) = match counts {
        Counts::All => (true, Quantity::ZERO),
        Counts::Deducted => (is_deducted(row), Quantity::ZERO),
        Counts::Nothing { still: true } if deducted => (true, Quantity::ZERO),
        Counts::Nothing { .. } => (true, ordered),
    };
    let returned = if cancelled.is_positive() { Quantity::ZERO } else { returned(row, order, ordered)? };
    let left = order.status == "completed";
    let price = Price::of(row, order);
    Ok(OrderLine {
        id: row.id.to_string(),
        sku: sku(row, counts)?,
        name: row.name.clone().unwrap_or_default(),
        ordered,
        cancelled,
        shipped: if left { (ordered - returned).or_zero() } else { Quantity::ZERO },
        refunded: returned,
        returned,
        price: price.plain,
        price_incl_tax: price.with_tax,
        tax_percent: price.tax_percent,
        discount: price.discount,
        takes_stock,
    })
}

/// Units that refunds have surely put back into stock. A refund that is gone again proves nothing.
fn returned(row: &Row, order: &Order, ordered: Quantity) -> Result<Quantity, String> {
    let restocked = row.noted(RESTOCKED).filter(|_| !order.refunds.is_empty()).unwrap_or_default();
    let restocked = Figure(restocked).quantity().map_err(|why| format!("{}: {why}", shown(row)))?;
    Ok(restocked.or_zero().min(ordered))
}

/// The SKU is read from the product at the moment of asking. A product without one is named by its number, which no till
/// knows: the till refuses it, and the other lines still count. Where the product itself is gone, the order is unreadable
/// and what was known of it stays; one that is cancelled counts nothing, whatever its lines are called.
fn sku(row: &Row, counts: Counts) -> Result<Sku, String> {
    let number = if row.variation_id > 0 { row.variation_id } else { row.product_id };
    let text = match row.sku.as_ref().map(|sku| sku.0.as_str()) {
        Some("") => format!("no-sku:{number}"),
        Some(given) => given.to_owned(),
        None if matches!(counts, Counts::Nothing { .. }) => format!("no-sku:{number}"),
        None => {
            let why = "its product was deleted in the web store, so that its SKU is not known";
            return Err(format!("{}: {why}", shown(row)));
        }
    };
    Sku::new(&text).map_err(|why| format!("{}: {why}", shown(row)))
}

/// What a line costs. WooCommerce tells sums of the whole line, before and after discounts.
struct Price {
    plain: Decimal,
    with_tax: Decimal,
    tax_percent: Decimal,
    /// With tax, so that units × price with tax − discount is what the customer pays.
    discount: Decimal,
}

impl Price {
    fn of(row: &Row, order: &Order) -> Self {
        let or_zero = |figure: Option<Figure>| figure.unwrap_or_default().0;
        let (before, before_tax) = (or_zero(row.subtotal), or_zero(row.subtotal_tax));
        let (after, after_tax) = (or_zero(row.total), or_zero(row.total_tax));
        let (full, paid) = (before.saturating_add(before_tax), after.saturating_add(after_tax));
        // Staff may have raised the sum of a line: then that is its price, and there is no discount.
        let (plain, whole) = if paid > full { (after, paid) } else { (before, full) };
        let per_unit = |sum: Decimal| {
            let unit = sum.checked_div(row.quantity.0).unwrap_or(sum);
            unit.round_dp(PRICE_PLACES).normalize()
        };
        Self {
            plain: per_unit(plain),
            with_tax: per_unit(whole),
            tax_percent: tax_percent(row, order, plain, whole.saturating_sub(plain)),
            discount: whole.saturating_sub(paid).round_dp(PRICE_PLACES).normalize(),
        }
    }
}

/// The rate as the order names it; in older versions, which do not: computed from the sums.
fn tax_percent(row: &Row, order: &Order, plain: Decimal, tax: Decimal) -> Decimal {
    let rate = |id: &str| order.tax_lines.iter().find(|line| line.rate_id.0 == id)?.rate_percent;
    let own = row.taxes.iter().filter(|tax| tax.total.is_some_and(|total| !total.0.is_zero()));
    let named: Option<Vec<Decimal>> = own.map(|tax| rate(&tax.id.0).map(|percent| percent.0)).collect();
    match named {
        Some(rates) if !rates.is_empty() => rates.into_iter().sum::<Decimal>().normalize(),
        Some(_) | None => {
            let part = tax.checked_div(plain).unwrap_or_default();
            part.saturating_mul(Decimal::ONE_HUNDRED).round_dp(1).normalize()
        }
    }
}

/// Shipping, and fees with it: a till knows no other place for them, and the sums have to add up.
fn shipping_total(order: &Order) -> Decimal {
    let or_zero = |figure: Option<Figure>| figure.unwrap_or_default().0;
    let fees = order.fee_lines.iter().flat_map(|fee| [or_zero(fee.total), or_zero(fee.total_tax)]);
    let all: Decimal = fees.chain([or_zero(order.shipping_total), or_zero(order.shipping_tax)]).sum();
    all.round_dp(PRICE_PLACES).normalize()
}

fn customer(order: &Order) -> Customer {
    let (billing, shipping) = (&order.billing, &order.shipping);
    let is_given = |address: &Address| {
        [&address.last_name, &address.company, &address.address_1, &address.city].iter().any(|part| !part.is_empty())
    };
    let address = if is_given(shipping) { shipping } else { billing };
    let or_billing = |part: &String, other: &String| if part.is_empty() { other.clone() } else { part.clone() };
    Customer {
        email: or_billing(&billing.email, &shipping.email),
        name: joined([&address.first_name, &address.last_name].into_iter(), " "),
        company: address.company.clone(),
        street: joined([&address.address_1, &address.address_2].into_iter(), ", "),
        city: address.city.clone(),
        region: address.state.clone(),
        postcode: address.postcode.clone(),
        country: address.country.clone(),
        telephone: or_billing(&address.phone, &billing.phone),
    }
}

/// The parts that say anything, joined.
fn joined<'a>(parts: impl Iterator<Item = &'a String>, with: &str) -> String {
    parts.map(|part| part.trim()).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(with)
}

fn shown(row: &Row) -> String {
    let name = row.name.as_deref().unwrap_or_default();
    format!("line {} ({})", row.id, crate::central::failure::first_words(name, 40))
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
