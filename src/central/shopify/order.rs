//! From a Shopify order to a [`WebOrder`].
//!
//! Promises: only what is this shop's ([`super::routing`]); money counted once per line; every doubt about a quantity
//! resolved so that less is sold. `returned` are units that are known to lie here again.
//!
//! | what became of units | counts as |
//! | --- | --- |
//! | refund `CANCEL`, restocked; taken off by editing; the order cancelled before they were sent | cancelled |
//! | refund `RETURN` restocked at this location | refunded and returned |
//! | refund `RETURN` restocked elsewhere; `NO_RESTOCK` | refunded: the unit is gone from here |
//! | shipped | shipped |
//!
//! A cancelled order takes nothing more, restocked or not: what the shelf holds is the till's to say.
//! Gift cards, and lines without SKU, take nothing from the shelf; the latter go to the till under one item of their own.
//! Money of an order that several locations share: each shop's lines are its own, the order's total is the whole order's.

use rust_decimal::Decimal;

use super::routing::{Place, Share, Shares};
use super::wire::{Address, Line, Order};
use crate::domain::order::{Customer, OrderId, OrderLine, Standing, WebOrder};
use crate::domain::{Quantity, Sku};

/// Decimal places of a price that had to be divided.
const PRICE_PLACES: u32 = 4;

/// Which orders may go to the till, and how odd lines do.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    /// Payment states in which they may.
    pub(super) export_states: Vec<String>,
    /// Payment methods with which they may while still pending.
    pub(super) manual_payments: Vec<String>,
    /// The item of lines without SKU.
    pub(super) custom_sku: String,
}

/// Whose order it is.
#[derive(Debug)]
pub(super) enum Mapped {
    /// This shop's, as far as its lines go.
    Ours(WebOrder),
    /// Another shop's, or nobody's any more.
    Elsewhere(OrderId),
    /// Nobody has been told to send it yet: it may be this shop's, and counts here until that is known.
    Undecided(WebOrder),
}

/// Reads an order as the shop at this location sees it.
///
/// # Errors
/// What is wrong, for a person.
pub(super) fn web_order(order: &Order, policy: &Policy, location: &str) -> Result<Mapped, String> {
    let shares = Shares::of(order, location);
    let place = |line: &Line| shares.line(&line.id).place();
    let all = &order.line_items.nodes;
    let ours = all.iter().any(|line| matches!(place(line), Place::Here | Place::Shared));
    let cancelled = order.cancelled_at.is_some();
    let to_send = |line: &&Line| line.requires_shipping && line.current_quantity > 0;
    let undecided = !ours && !cancelled && !shares.is_assigned && all.iter().any(|line| to_send(&line));
    if !ours && !undecided {
        return Ok(Mapped::Elsewhere(OrderId(order.id.clone())));
    }
    let belongs = |line: &&Line| match place(line) {
        Place::Here | Place::Shared => true,
        Place::Elsewhere => false,
        Place::Unassigned => undecided || shares.leads,
    };
    let lines = all.iter().filter(belongs).map(|line| order_line(line, &shares.line(&line.id), order, policy));
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    let waits = undecided || shares.waits;
    let standing = standing(order, &lines, policy, waits);
    let mapped = assembled(order, lines, standing);
    Ok(if undecided { Mapped::Undecided(mapped) } else { Mapped::Ours(mapped) })
}

fn assembled(order: &Order, lines: Vec<OrderLine>, standing: Standing) -> WebOrder {
    WebOrder {
        id: OrderId(order.id.clone()),
        number: order.name.trim_start_matches('#').to_owned(),
        placed_at: order.created_at,
        standing,
        store_status: status(order),
        customer: customer(order),
        payment: order.payment_gateway_names.join(", "),
        shipping: order.shipping_line.as_ref().map(|line| line.title.clone()).unwrap_or_default(),
        currency: order.currency_code.clone(),
        total: order.total_price_set.amount(),
        shipping_total: shipping_total(order),
        lines,
    }
}

/// May it go to the till? One of which something has left may, whatever was paid back since.
fn standing(order: &Order, lines: &[OrderLine], policy: &Policy, waits: bool) -> Standing {
    let left = lines.iter().any(|line| line.shipped.is_positive());
    let paid = order.display_financial_status.as_deref().unwrap_or_default();
    let listed = policy.export_states.iter().any(|state| state == paid);
    let manual = |name: &String| policy.manual_payments.iter().any(|known| known.eq_ignore_ascii_case(name));
    let by_hand = || paid == "PENDING" && order.payment_gateway_names.iter().any(manual);
    let good = !order.test && order.cancelled_at.is_none() && !waits && (listed || by_hand());
    if good || (left && !order.test) { Standing::Ready } else { Standing::Waiting }
}

/// Both of Shopify's words, as people see them in the admin.
fn status(order: &Order) -> String {
    let shown = |word: &str| word.to_lowercase().replace('_', " ");
    let paid = order.display_financial_status.as_deref().map(shown).unwrap_or_default();
    let cancelled = if order.cancelled_at.is_some() { "cancelled" } else { "" };
    let test = if order.test { "test" } else { "" };
    let words = [cancelled, test, paid.as_str(), &shown(&order.display_fulfillment_status)];
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
}

fn shipping_total(order: &Order) -> Decimal {
    let taxes = order.shipping_line.iter().flat_map(|line| &line.tax_lines);
    let tax: Decimal = taxes.map(|tax| tax.price_set.amount()).sum();
    let shipping = order.total_shipping_price_set.amount();
    if order.taxes_included { shipping } else { shipping.saturating_add(tax) }
}

fn customer(order: &Order) -> Customer {
    let none = Address::default();
    let address = order.shipping_address.as_ref().or(order.billing_address.as_ref()).unwrap_or(&none);
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    let streets = [&address.address1, &address.address2].into_iter().flatten();
    let streets: Vec<&str> = streets.map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
    Customer {
        email: text(&order.email),
        name: text(&address.name),
        company: text(&address.company),
        street: streets.join(", "),
        city: text(&address.city),
        region: text(&address.province),
        postcode: text(&address.zip),
        country: text(&address.country_code_v2),
        telephone: address.phone.clone().or_else(|| order.phone.clone()).unwrap_or_default(),
    }
}

fn order_line(line: &Line, share: &Share, order: &Order, policy: &Policy) -> Result<OrderLine, String> {
    let own = line.sku.as_deref().map(str::trim).filter(|sku| !sku.is_empty());
    let sku = Sku::new(own.unwrap_or(&policy.custom_sku)).map_err(|why| format!("line {:?}: {why}", line.name))?;
    // A product that was deleted since had a shelf all the same.
    let has_shelf =
        line.variant.as_ref().is_none_or(|variant| variant.inventory_item.tracked || line.requires_shipping);
    let units = Units::of(line, share, order.cancelled_at.is_some());
    let rate: Decimal = line.tax_lines.iter().filter_map(|tax| tax.rate).map(|rate| rate.0).sum();
    let (price, price_incl_tax) = prices(line.original_unit_price_set.amount(), rate, order.taxes_included);
    Ok(OrderLine {
        id: line.id.clone(),
        sku,
        name: line.name.clone(),
        ordered: units.ordered.into(),
        cancelled: units.cancelled.into(),
        shipped: units.shipped.into(),
        refunded: units.refunded.into(),
        returned: Quantity::from(units.returned),
        price,
        price_incl_tax,
        tax_percent: (rate * Decimal::ONE_HUNDRED).round_dp(PRICE_PLACES).normalize(),
        discount: line.discount_allocations.iter().map(|one| one.allocated_amount_set.amount()).sum(),
        takes_stock: own.is_some() && has_shelf && !line.is_gift_card,
    })
}

/// Price of a unit without and with tax.
fn prices(price: Decimal, rate: Decimal, taxes_included: bool) -> (Decimal, Decimal) {
    let factor = Decimal::ONE.saturating_add(rate);
    if taxes_included {
        (price.checked_div(factor).unwrap_or(price).round_dp(PRICE_PLACES).normalize(), price)
    } else {
        (price, price.saturating_mul(factor).round_dp(PRICE_PLACES).normalize())
    }
}

/// What became of a line's units, as far as this shop goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Units {
    ordered: i64,
    cancelled: i64,
    shipped: i64,
    refunded: i64,
    returned: i64,
}

impl Units {
    fn of(line: &Line, share: &Share, cancelled: bool) -> Self {
        let units = match share.place() {
            Place::Shared => Self::shared(share),
            Place::Here | Place::Elsewhere | Place::Unassigned => Self::whole(line, share),
        };
        if cancelled { units.of_a_cancelled_order() } else { units }
    }

    fn whole(line: &Line, share: &Share) -> Self {
        // Taken off by editing the order, without a refund that says so.
        let removed = (line.quantity - line.current_quantity - share.taken_off()).max(0);
        Self {
            ordered: line.quantity,
            cancelled: share.cancelled + removed,
            shipped: share.shipped,
            refunded: share.returned + share.lost,
            returned: share.returned_here,
        }
    }

    /// What is still to be sent from here, was sent from here, or was lost before anybody sent it: in doubt, here.
    fn shared(share: &Share) -> Self {
        let lost = (share.lost - share.shipped).max(0);
        let returned = share.returned_here.min(share.shipped_here);
        Self {
            ordered: share.remaining + share.shipped_here + lost,
            cancelled: 0,
            shipped: share.shipped_here,
            refunded: returned + lost,
            returned,
        }
    }

    /// Nothing more is sent of it.
    fn of_a_cancelled_order(self) -> Self {
        let shipped = self.shipped.min(self.ordered);
        Self {
            cancelled: self.ordered - shipped,
            shipped,
            refunded: self.refunded.min(shipped),
            returned: self.returned.min(shipped),
            ..self
        }
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
