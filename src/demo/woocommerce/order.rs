//! Orders of the simulated WooCommerce: placed, paid, cancelled, refunded, edited, trashed.
//!
//! Promises: see the module above; here stands when stock moves. Does not promise e-mails or payments.

use jiff::Timestamp;
use rust_decimal::Decimal;

use super::{HOLDS, Refusal, WooBooks};
use crate::domain::Quantity;
use crate::domain::order::Customer;

/// The one tax rate, in percent.
pub(crate) const TAX_PERCENT: Decimal = Decimal::from_parts(20, 0, 0, false, 0);
/// Statuses on which stock is deducted (`wc_maybe_reduce_stock_levels`).
const DEDUCTING: [&str; 3] = ["on-hold", "processing", "completed"];
/// Statuses on which it is put back (`wc_maybe_increase_stock_levels`).
const RESTORING: [&str; 2] = ["cancelled", "pending"];
/// WooCommerce's own statuses, as the REST interface names them.
pub(crate) const STATUSES: [&str; 8] =
    ["pending", "processing", "on-hold", "completed", "cancelled", "refunded", "failed", "checkout-draft"];

/// One line.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its key.
    pub id: u64,
    /// Key of the product.
    pub product: u64,
    /// Key of the variation; 0 when there is none.
    pub variation: u64,
    /// Name, as it was when it was sold.
    pub name: String,
    /// Units.
    pub quantity: Quantity,
    /// Sum before discounts, without tax.
    pub subtotal: Decimal,
    /// Sum after discounts, without tax.
    pub total: Decimal,
    /// `_reduced_stock`.
    pub reduced: Option<Quantity>,
    /// `_restock_refunded_items`.
    pub restocked: Option<Quantity>,
}

impl Line {
    /// What was sold: the variation if there is one.
    pub fn sold(&self) -> u64 {
        if self.variation > 0 { self.variation } else { self.product }
    }
}

/// A note in an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its key.
    pub id: u64,
    /// What it says.
    pub text: String,
    /// Does the customer see it?
    pub for_customer: bool,
    /// When it was written.
    pub at: Timestamp,
}

/// A refund.
#[derive(Debug, Clone)]
pub struct Refund {
    /// Its key.
    pub id: u64,
    /// Why.
    pub reason: String,
    /// How much.
    pub amount: Decimal,
}

/// An order.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its key.
    pub id: u64,
    /// Its status, without `wc-`.
    pub status: String,
    /// What its status was before it was trashed.
    pub before_trash: Option<String>,
    /// Placed.
    pub created: Timestamp,
    /// Last modified.
    pub modified: Timestamp,
    /// Paid.
    pub paid: Option<Timestamp>,
    /// Completed.
    pub completed: Option<Timestamp>,
    /// Payment method.
    pub payment: String,
    /// Customer and address.
    pub customer: Customer,
    /// Lines.
    pub lines: Vec<Line>,
    /// Shipping without tax.
    pub shipping: Decimal,
    /// Fee without tax.
    pub fee: Decimal,
    /// Refunds.
    pub refunds: Vec<Refund>,
    /// Notes.
    pub notes: Vec<Note>,
    /// `_order_stock_reduced`.
    pub stock_reduced: bool,
}

impl Order {
    /// Units of an SKU's product in it, whatever became of them.
    pub fn units_of(&self, product: u64) -> Quantity {
        self.lines.iter().filter(|line| line.sold() == product).map(|line| line.quantity).sum()
    }
}

impl WooBooks {
    /// A customer checks out. Cash on delivery goes on as `processing`, bank transfer and cheque as `on-hold`, everything
    /// else waits as `pending` for its payment.
    ///
    /// # Errors
    /// When there is too little stock, or no such product.
    pub fn place(&mut self, lines: &[(&str, i64)], payment: &str) -> Result<u64, Refusal> {
        let wanted: Vec<_> = lines.iter().map(|(sku, units)| ((*sku).to_owned(), Quantity::from(*units))).collect();
        let lines: Vec<Line> = wanted.iter().map(|(sku, units)| self.line(sku, *units)).collect::<Result<_, _>>()?;
        let (id, now) = (self.new_id(), self.now());
        let order = Order {
            id,
            status: "pending".into(),
            before_trash: None,
            created: now,
            modified: now,
            paid: None,
            completed: None,
            payment: payment.to_owned(),
            customer: crate::demo::magento::guest(),
            lines,
            shipping: Decimal::new(500, 2),
            fee: Decimal::ZERO,
            refunds: Vec::new(),
            notes: Vec::new(),
            stock_reduced: false,
        };
        self.orders.insert(id, order);
        match payment {
            "cod" => self.set_status(id, "processing")?,
            "bacs" | "cheque" => self.set_status(id, "on-hold")?,
            _ => {}
        }
        Ok(id)
    }

    fn line(&mut self, sku: &str, units: Quantity) -> Result<Line, Refusal> {
        let gone = || Refusal::new(400, "woocommerce_rest_invalid_product", format!("{sku} is not for sale"));
        let id = self.id_of(sku).ok_or_else(gone)?;
        let product = self.products.get(&id).ok_or_else(gone)?.clone();
        if self.free(id, None).is_some_and(|free| free < units) && !product.backorders {
            return Err(Refusal::new(400, "out_of_stock", format!("not enough of {sku}")));
        }
        let subtotal = (product.price * units.decimal()).round_dp(4);
        let (parent, variation) = match product.parent {
            Some(parent) => (parent, id),
            None => (id, 0),
        };
        Ok(Line {
            id: self.new_id(),
            product: parent,
            variation,
            name: product.name,
            quantity: units,
            subtotal,
            total: subtotal,
            reduced: None,
            restocked: None,
        })
    }

    /// All orders, by key.
    pub fn orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.values()
    }

    /// One order.
    pub fn order(&self, id: u64) -> Option<&Order> {
        self.orders.get(&id)
    }

    pub(crate) fn order_mut(&mut self, id: u64) -> Result<&mut Order, Refusal> {
        let gone = || Refusal::new(404, "woocommerce_rest_shop_order_invalid_id", "Invalid ID.");
        self.orders.get_mut(&id).ok_or_else(gone)
    }

    /// Gives an order another status, with what follows for stock.
    ///
    /// # Errors
    /// When there is no such order, or the status is not registered.
    pub fn set_status(&mut self, id: u64, status: &str) -> Result<(), Refusal> {
        if !STATUSES.contains(&status) && !self.statuses.contains(status) {
            return Err(Refusal::new(400, "rest_invalid_param", "Invalid parameter(s): status"));
        }
        let now = self.now();
        let order = self.order_mut(id)?;
        (order.status, order.modified) = (status.to_owned(), now);
        match status {
            "processing" => order.paid = order.paid.or(Some(now)),
            "completed" => (order.paid, order.completed) = (order.paid.or(Some(now)), Some(now)),
            _ => {}
        }
        if self.moves_late {
            self.late.push(id);
        } else {
            self.move_stock(id);
        }
        Ok(())
    }

    /// The requests that changed statuses come to their stock.
    pub fn catch_up(&mut self) {
        for id in std::mem::take(&mut self.late) {
            self.move_stock(id);
        }
    }

    fn move_stock(&mut self, id: u64) {
        let Some(order) = self.orders.get(&id) else { return };
        let (status, reduced) = (order.status.clone(), order.stock_reduced);
        if DEDUCTING.contains(&status.as_str()) && !reduced {
            self.reduce(id);
        }
        if RESTORING.contains(&status.as_str()) && reduced {
            self.restore(id);
        }
    }

    fn reduce(&mut self, id: u64) {
        let lines = self.orders.get(&id).map(|order| order.lines.clone()).unwrap_or_default();
        for line in lines.iter().filter(|line| line.reduced.is_none_or(Quantity::is_zero)) {
            if self.shift(line.sold(), -line.quantity) {
                self.change_line(id, line.id, |line| line.reduced = Some(line.quantity));
            }
        }
        self.set_reduced(id, true);
    }

    fn restore(&mut self, id: u64) {
        let lines = self.orders.get(&id).map(|order| order.lines.clone()).unwrap_or_default();
        for line in &lines {
            let reduced = line.reduced.filter(|units| units.is_positive());
            if let Some(units) = reduced
                && self.shift(line.sold(), units)
            {
                self.change_line(id, line.id, |line| line.reduced = None);
            }
        }
        self.set_reduced(id, false);
    }

    fn change_line(&mut self, order: u64, line: u64, change: impl FnOnce(&mut Line)) {
        let order = self.orders.get_mut(&order);
        if let Some(line) = order.and_then(|order| order.lines.iter_mut().find(|one| one.id == line)) {
            change(line);
        }
    }

    fn set_reduced(&mut self, id: u64, reduced: bool) {
        if let Some(order) = self.orders.get_mut(&id) {
            order.stock_reduced = reduced;
        }
    }

    /// Staff refund units of a line, and tick "Restock refunded items" or not. When all is refunded the order becomes
    /// `refunded`.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn refund(&mut self, id: u64, lines: &[(u64, Quantity)], restock: bool) -> Result<(), Refusal> {
        let (refund, now) = (self.new_id(), self.now());
        let order = self.order_mut(id)?;
        let share = |line: &Line, units: Quantity| {
            let part = line.total.checked_div(line.quantity.decimal()).unwrap_or_default();
            part * units.decimal() * (Decimal::ONE + TAX_PERCENT / Decimal::ONE_HUNDRED)
        };
        let of = |order: &Order, key: u64, units| {
            order.lines.iter().find(|line| line.id == key).map(|line| share(line, units))
        };
        let amount: Decimal = lines.iter().filter_map(|(key, units)| of(order, *key, *units)).sum();
        order.refunds.push(Refund { id: refund, reason: "returned".into(), amount: amount.round_dp(2) });
        order.modified = now;
        let refunded: Quantity = lines.iter().map(|(_, units)| *units).sum();
        let all: Quantity = order.lines.iter().map(|line| line.quantity).sum();
        if restock {
            for (key, units) in lines {
                self.restock(id, *key, *units);
            }
        }
        if refunded == all {
            self.set_status(id, "refunded")?;
        }
        Ok(())
    }

    fn restock(&mut self, order: u64, line: u64, units: Quantity) {
        let found = self.orders.get(&order).and_then(|order| order.lines.iter().find(|one| one.id == line)).cloned();
        let Some(found) = found.filter(|line| line.reduced.is_some_and(Quantity::is_positive)) else { return };
        if self.shift(found.sold(), units) {
            self.change_line(order, line, |line| {
                line.reduced = Some(line.reduced.unwrap_or_default() - units);
                line.restocked = Some(line.restocked.unwrap_or_default() + units);
            });
        }
    }

    /// Staff change the units of a line (`wc_maybe_adjust_line_item_product_stock`).
    ///
    /// # Errors
    /// When there is no such order.
    pub fn set_quantity(&mut self, id: u64, line: u64, units: Quantity) -> Result<(), Refusal> {
        let now = self.now();
        let order = self.order_mut(id)?;
        order.modified = now;
        let deducts = DEDUCTING.contains(&order.status.as_str());
        let Some(found) = order.lines.iter_mut().find(|one| one.id == line) else { return Ok(()) };
        let per_unit = found.subtotal.checked_div(found.quantity.decimal()).unwrap_or_default();
        found.quantity = units;
        (found.subtotal, found.total) = (per_unit * units.decimal(), per_unit * units.decimal());
        let wanted = units - found.restocked.unwrap_or_default();
        let (sold, more) = (found.sold(), wanted - found.reduced.unwrap_or_default());
        if deducts && self.shift(sold, -more) {
            self.change_line(id, line, |line| line.reduced = Some(wanted));
            self.set_reduced(id, true);
        }
        Ok(())
    }

    /// Staff move an order to the trash; no stock moves.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn trash(&mut self, id: u64) -> Result<(), Refusal> {
        let now = self.now();
        let order = self.order_mut(id)?;
        order.before_trash = Some(std::mem::replace(&mut order.status, "trash".into()));
        order.modified = now;
        Ok(())
    }

    /// Staff take it out of the trash again.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn untrash(&mut self, id: u64) -> Result<(), Refusal> {
        let now = self.now();
        let order = self.order_mut(id)?;
        order.status = order.before_trash.take().unwrap_or_else(|| "pending".into());
        order.modified = now;
        Ok(())
    }

    /// An order is deleted for good; no stock moves.
    pub fn delete(&mut self, id: u64) {
        self.orders.remove(&id);
    }

    /// Somebody opens an order in the admin.
    pub fn open(&mut self, id: u64) {
        let (touches, now) = (self.opening_touches, self.now());
        if let Some(order) = self.orders.get_mut(&id).filter(|_| touches) {
            order.modified = now;
        }
    }

    /// `wc_cancel_unpaid_orders`: unpaid orders are cancelled when their hold is over.
    pub fn cancel_unpaid(&mut self) {
        let now = self.now();
        let is_late = |order: &&Order| order.status == "pending" && now.duration_since(order.created) >= HOLDS;
        let late: Vec<u64> = self.orders.values().filter(is_late).map(|order| order.id).collect();
        for id in late {
            // It was listed a moment ago, and `cancelled` is always registered.
            self.set_status(id, "cancelled").ok();
        }
    }

    /// Writes a note into an order.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn add_note(&mut self, order: u64, text: &str, for_customer: bool) -> Result<Note, Refusal> {
        let (id, at) = (self.new_id(), self.now());
        let gone = || Refusal::new(404, "woocommerce_rest_order_invalid_id", "Invalid order ID.");
        let order = self.orders.get_mut(&order).ok_or_else(gone)?;
        let note = Note { id, text: text.to_owned(), for_customer, at };
        order.notes.push(note.clone());
        Ok(note)
    }
}
