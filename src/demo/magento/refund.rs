//! Credit memos.
//!
//! Promises: the unshipped units of a refund free their reservation, the shipped ones go back to their source, and
//! only if their row was named for it. The leak of a reservation that Magento itself has is repeated faithfully.

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde_json::json;

use super::life::{ShipLine, settle};
use super::order::moves_of;
use super::{MagentoBooks, Mode, Refusal, Reserving, Row, State, What, render};
use crate::domain::Quantity;

/// What to refund.
#[derive(Debug, Clone, Default)]
pub struct Refund {
    /// Rows and units; `None` for all that was invoiced.
    pub lines: Option<Vec<ShipLine>>,
    /// `return_to_stock_items`: rows whose units go back into stock.
    pub returned: Vec<i64>,
    /// Refund the shipping as well?
    pub shipping: bool,
}

/// A credit memo. It does not say what went back into stock (observed), and neither does the real one.
#[derive(Debug, Clone)]
pub struct Creditmemo {
    /// `entity_id`.
    pub id: i64,
    /// Of which order.
    pub order: i64,
    /// When.
    pub at: Timestamp,
    /// What.
    pub lines: Vec<ShipLine>,
}

impl MagentoBooks {
    /// Refunds.
    ///
    /// # Errors
    /// When more is asked than was invoiced.
    pub fn refund(&mut self, id: i64, refund: &Refund) -> Result<i64, Refusal> {
        let order = self.orders.get(&id).ok_or_else(Refusal::no_such_entity)?;
        let lines = refundable(&order.rows, refund.lines.as_deref())?;
        let rows: Vec<Row> = order.rows.clone();
        let mut paid_back = if refund.shipping { order.shipping } else { Decimal::ZERO };
        for (line, units) in &lines {
            if let Some(row) = rows.iter().find(|row| row.id == *line) {
                paid_back += row.price * units.decimal();
                self.move_for(id, row, *units, is_returned(self.mode, row, &rows, &refund.returned));
            }
        }
        self.record_refund(id, &lines, refund.shipping)?;
        let text = format!("We refunded €{:.2} offline.", paid_back * render::WITH_TAX);
        self.comment_of(id, text, "creditmemo")?;
        let memo = i64::try_from(self.creditmemos.len()).unwrap_or(i64::MAX).saturating_add(1);
        let at = self.now();
        self.creditmemos.push(Creditmemo { id: memo, order: id, at, lines });
        Ok(memo)
    }

    /// All credit memos, oldest first.
    pub fn creditmemos(&self) -> &[Creditmemo] {
        &self.creditmemos
    }

    /// Units that were invoiced and not shipped are refunded first. That is how a real one counts (observed: order
    /// of 3, invoiced, 1 shipped, 1 refunded to stock, the other 2 shipped: one reservation too many is freed).
    fn move_for(&mut self, order: i64, row: &Row, units: Quantity, returned: bool) {
        for (sku, units) in moves_of(row, units) {
            self.note(&sku, units, What::Refunded(order, returned));
        }
        match self.mode {
            Mode::Legacy => {
                for (sku, units) in moves_of(row, units).into_iter().filter(|_| returned) {
                    self.shift_legacy(&sku, units);
                }
            }
            Mode::Msi => self.move_sources(order, row, units, returned),
        }
    }

    fn move_sources(&mut self, order: i64, row: &Row, units: Quantity, returned: bool) {
        let unshipped = (row.invoiced - row.refunded - row.shipped).or_zero().min(units);
        let source = row.source.clone().unwrap_or_else(|| self.first_source());
        if self.habits.reserving == Reserving::TakenAtPlacement {
            // What is returned goes back, shipped or not (RestoreSourceItemQuantityOnRefundObserver of that module).
            for (sku, units) in moves_of(row, units).into_iter().filter(|_| returned) {
                self.shift_source(&source, &sku, units);
            }
            return;
        }
        for (sku, units) in moves_of(row, unshipped) {
            if self.habits.reserving == Reserving::Reserved {
                self.reserve(&sku, units, order);
            }
            if !returned {
                self.shift_source(&source, &sku, -units);
            }
        }
        for (sku, units) in moves_of(row, units - unshipped).into_iter().filter(|_| returned) {
            self.shift_source(&source, &sku, units);
        }
    }

    fn record_refund(&mut self, id: i64, lines: &[ShipLine], shipping: bool) -> Result<(), Refusal> {
        let now = self.now();
        let order = self.order_mut(id)?;
        for (line, units) in lines {
            // A parent's row and its children's move together (observed).
            for row in order.rows.iter_mut().filter(|row| row.id == *line || row.parent == Some(*line)) {
                row.refunded = (row.refunded + *units).min(row.invoiced);
            }
        }
        order.shipping_refunded |= shipping;
        let all_back = order.rows.iter().all(|row| row.refunded >= row.invoiced && row.to_invoice().is_zero());
        settle(order, now);
        // The order closes only when all its money went back, shipping included (observed: else it stays complete).
        if all_back && (order.shipping_refunded || order.shipping.is_zero()) {
            order.state = State::Closed;
            order.status = State::Closed.status().into();
        }
        Ok(())
    }
}

/// With MSI the row that stands for the thing on the shelf has to be named: for a configurable the child's row (the
/// parent's answers 200 and returns nothing). Without MSI either will do. (Both observed.)
fn is_returned(mode: Mode, row: &Row, rows: &[Row], named: &[i64]) -> bool {
    let child = rows.iter().find(|other| other.parent == Some(row.id) && row.kind == "configurable");
    match (mode, child) {
        (Mode::Msi, Some(child)) => named.contains(&child.id),
        (Mode::Legacy, Some(child)) => named.contains(&child.id) || named.contains(&row.id),
        (Mode::Msi | Mode::Legacy, None) => named.contains(&row.id),
    }
}

fn refundable(rows: &[Row], asked: Option<&[ShipLine]>) -> Result<Vec<ShipLine>, Refusal> {
    let left = |row: &Row| (row.invoiced - row.refunded).or_zero();
    if rows.iter().all(|row| left(row).is_zero()) {
        let text = "Creditmemo Document Validation Error(s):\nThe most money available to refund is 0.";
        return Err(Refusal::new(400, text));
    }
    let Some(asked) = asked else {
        let leading = rows.iter().filter(|row| row.leads() && left(row).is_positive());
        return Ok(leading.map(|row| (row.id, left(row))).collect());
    };
    for (line, units) in asked {
        let row = rows.iter().find(|row| row.id == *line);
        if let Some(row) = row.filter(|row| *units > left(row)) {
            let text = "We found an invalid quantity to refund item \"%1\".";
            return Err(Refusal::with(400, text, json!([row.name])));
        }
    }
    Ok(asked.to_vec())
}
