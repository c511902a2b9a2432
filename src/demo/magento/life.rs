//! What happens to an order after it was placed: invoiced, shipped, held, cancelled, commented.
//!
//! Promises: shipping lowers the source and frees the reservation in one step with MSI and moves nothing without;
//! cancelling frees what was neither shipped nor invoiced; invoicing and holding move nothing but virtual goods.

use jiff::Timestamp;
use serde_json::json;

use super::order::moves_of;
use super::{Comment, MagentoBooks, Mode, Order, Refusal, Row, STOCK, State, What, key};
use crate::domain::Quantity;

/// One row to ship: `order_item_id` and how many units.
pub type ShipLine = (i64, Quantity);

/// A shipment.
#[derive(Debug, Clone)]
pub struct Shipment {
    /// `entity_id`.
    pub id: i64,
    /// Of which order.
    pub order: i64,
    /// When.
    pub at: Timestamp,
    /// From which source; none without MSI.
    pub source: Option<String>,
    /// What.
    pub lines: Vec<ShipLine>,
}

const NOTHING_TO_SHIP: &str = "You can't create a shipment without products.";
const NO_SHIPMENT_ALLOWED: &str = "The order does not allow a shipment to be created.";
const NOT_SAVED: &str = "Could not save a shipment, see error log for details";

impl MagentoBooks {
    /// Ships an order: all that is left, or the lines given. More than is left is cut without a word (observed).
    ///
    /// # Errors
    /// When nothing is left, or (with MSI) the source has too little: then nothing moves.
    pub fn ship(&mut self, order: i64, lines: Option<&[ShipLine]>, source: Option<&str>) -> Result<i64, Refusal> {
        let found = self.orders.get(&order).ok_or_else(Refusal::no_such_entity)?;
        if self.mode == Mode::Legacy && source.is_some() {
            return Err(unsupported("SourceCode"));
        }
        let lines = shippable(found, lines)?;
        let source = match self.mode {
            Mode::Msi => Some(source.unwrap_or("default").to_owned()),
            Mode::Legacy => None,
        };
        let moves: Vec<_> = lines.iter().filter_map(|(id, units)| Some(moves_of(found.row(*id)?, *units))).collect();
        let moves = moves.concat();
        if let Some(source) = &source {
            self.refuse_short_source(source, &moves)?;
            for (sku, units) in &moves {
                self.shift_source(source, sku, -*units);
                self.reserve(sku, *units, order);
            }
        }
        for (sku, units) in &moves {
            self.note(sku, *units, What::Shipped(order));
        }
        self.record_shipment(order, lines, source)
    }

    fn refuse_short_source(&self, source: &str, moves: &[(String, Quantity)]) -> Result<(), Refusal> {
        let all = |sku: &str| moves.iter().filter(|(other, _)| key(other) == key(sku)).map(|(_, units)| *units).sum();
        let enough = |sku: &str| self.at_source(source, sku).is_some_and(|held| held >= all(sku));
        if moves.iter().all(|(sku, _)| enough(sku)) { Ok(()) } else { Err(Refusal::new(400, NOT_SAVED)) }
    }

    fn record_shipment(&mut self, id: i64, lines: Vec<ShipLine>, source: Option<String>) -> Result<i64, Refusal> {
        let (now, leaves) = (self.now(), self.quirks.shipments_leave_orders);
        let order = self.order_mut(id)?;
        let before = order.updated;
        for row in &mut order.rows {
            if let Some((_, units)) = lines.iter().find(|(line, _)| *line == row.id) {
                row.shipped = row.shipped + *units;
                row.source.clone_from(&source);
            }
        }
        settle(order, if leaves { before } else { now });
        let shipment = i64::try_from(self.shipments.len()).unwrap_or(i64::MAX).saturating_add(1);
        self.shipments.push(Shipment { id: shipment, order: id, at: now, source, lines });
        Ok(shipment)
    }

    /// All shipments, oldest first.
    pub fn shipments(&self) -> &[Shipment] {
        &self.shipments
    }

    /// Invoices an order: all of it, or the rows given. Virtual goods leave their source then (MSI).
    ///
    /// # Errors
    /// When there is no such order, or nothing to invoice.
    pub fn invoice(&mut self, id: i64, lines: Option<&[ShipLine]>) -> Result<i64, Refusal> {
        let now = self.now();
        let order = self.order_mut(id)?;
        let wanted: Vec<ShipLine> = match lines {
            Some(lines) => lines.to_vec(),
            None => order.rows.iter().map(|row| (row.id, row.to_invoice())).collect(),
        };
        let mut virtual_moves = Vec::new();
        let mut any = false;
        for row in &mut order.rows {
            let asked = wanted.iter().find(|(line, _)| *line == row.id || Some(*line) == row.parent);
            let units = asked.map_or(Quantity::ZERO, |(_, units)| (*units).min(row.to_invoice()));
            row.invoiced = row.invoiced + units;
            any |= units.is_positive();
            if row.kind == "virtual" {
                virtual_moves.extend(moves_of(row, units));
            }
        }
        if !any {
            let text = "Invoice Document Validation Error(s):\nThe order does not allow an invoice to be created.";
            return Err(Refusal::new(400, text));
        }
        settle(order, now);
        self.deduct_virtual(id, &virtual_moves);
        self.invoices += 1;
        Ok(self.invoices)
    }

    fn deduct_virtual(&mut self, order: i64, moves: &[(String, Quantity)]) {
        if self.mode == Mode::Legacy {
            return;
        }
        let source = self.sources.iter().find(|source| source.stock == STOCK).map(|source| source.code.clone());
        for (sku, units) in moves {
            if let Some(source) = &source {
                self.shift_source(source, sku, -*units);
            }
            self.reserve(sku, *units, order);
        }
    }

    /// Cancels what was neither shipped nor invoiced. `false` when the order cannot be cancelled (observed: held,
    /// already cancelled, all invoiced).
    ///
    /// # Errors
    /// When there is no such order.
    pub fn cancel(&mut self, id: i64) -> Result<bool, Refusal> {
        let now = self.now();
        let order = self.order_mut(id)?;
        if !can_cancel(order) {
            return Ok(false);
        }
        let mut freed = Vec::new();
        for row in &mut order.rows {
            let units = row.to_cancel();
            row.cancelled = row.cancelled + units;
            freed.extend(moves_of(row, units));
        }
        let partly_paid = order.rows.iter().any(|row| row.invoiced > row.refunded);
        order.state = if partly_paid { State::Processing } else { State::Canceled };
        (order.status, order.updated) = (order.state.status().into(), now);
        for (sku, units) in freed.into_iter().filter(|(_, units)| units.is_positive()) {
            match self.mode {
                Mode::Msi => self.reserve(&sku, units, id),
                Mode::Legacy => self.shift_legacy(&sku, units),
            }
            self.note(&sku, units, What::Cancelled(id));
        }
        Ok(true)
    }

    /// Takes a cancellation back, as extensions for that do; Magento itself cannot.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn reinstate(&mut self, id: i64) -> Result<(), Refusal> {
        let now = self.now();
        let order = self.order_mut(id)?;
        let mut taken = Vec::new();
        for row in &mut order.rows {
            taken.extend(moves_of(row, row.cancelled));
            row.cancelled = Quantity::ZERO;
        }
        (order.state, order.status, order.updated) = (State::New, State::New.status().into(), now);
        for (sku, units) in taken.into_iter().filter(|(_, units)| units.is_positive()) {
            match self.mode {
                Mode::Msi => self.reserve(&sku, -units, id),
                Mode::Legacy => self.shift_legacy(&sku, -units),
            }
            self.note(&sku, units, What::Placed(id));
        }
        Ok(())
    }

    /// Puts an order on hold; no stock moves.
    ///
    /// # Errors
    /// When there is no such order, or it cannot be held.
    pub fn hold(&mut self, id: i64) -> Result<bool, Refusal> {
        let now = self.now();
        let order = self.order_mut(id)?;
        match order.state {
            State::New | State::Processing => {
                order.before_hold = Some(order.state);
                (order.state, order.status, order.updated) = (State::Holded, State::Holded.status().into(), now);
                Ok(true)
            }
            State::PendingPayment
            | State::PaymentReview
            | State::Complete
            | State::Closed
            | State::Canceled
            | State::Holded => Err(Refusal::new(400, "A hold action is not available.")),
        }
    }

    /// Takes an order off hold.
    ///
    /// # Errors
    /// When there is no such order, or it is not on hold.
    pub fn unhold(&mut self, id: i64) -> Result<bool, Refusal> {
        let now = self.now();
        let order = self.order_mut(id)?;
        let before = order.before_hold.take();
        let before = before.ok_or_else(|| Refusal::new(400, "You cannot remove the hold."))?;
        (order.state, order.status, order.updated) = (before, before.status().into(), now);
        Ok(true)
    }

    /// Adds a comment; the order's `updated_at` does not move (observed).
    ///
    /// # Errors
    /// When there is no such order, or the status does not belong to its present state (2.4.7).
    pub fn comment(
        &mut self,
        order: i64,
        text: &str,
        status: Option<&str>,
        notified: Option<i64>,
    ) -> Result<(), Refusal> {
        let (now, id, strict) = (self.now(), self.next_comment, self.strict_comment_status);
        let order = self.order_mut(order)?;
        if let Some(status) = status.filter(|status| strict && *status != order.status) {
            // The line break and the blanks are Magento's own (observed).
            let message =
                "Unable to add comment: The status \"%1\" is not part of the order\n                 status history.";
            return Err(Refusal::with(400, message, json!([status])));
        }
        let status = status.unwrap_or(&order.status).to_owned();
        order.status.clone_from(&status);
        order.comments.push(Comment { id, text: kept(text), status, at: now, entity: "order", notified });
        self.next_comment += 1;
        Ok(())
    }

    pub(crate) fn comment_of(&mut self, order: i64, text: String, entity: &'static str) -> Result<(), Refusal> {
        let (now, id) = (self.now(), self.next_comment);
        let order = self.order_mut(order)?;
        let status = order.status.clone();
        order.comments.push(Comment { id, text, status, at: now, entity, notified: Some(0) });
        self.next_comment += 1;
        Ok(())
    }
}

/// Observed: comments are cut to 65,535 bytes, and characters outside the basic plane come back as `????`.
fn kept(text: &str) -> String {
    const LONGEST: usize = 65_535;
    let plain: String = text.chars().map(|c| if c > '\u{ffff}' { "????".into() } else { c.to_string() }).collect();
    let end = (0..=LONGEST.min(plain.len())).rev().find(|end| plain.is_char_boundary(*end)).unwrap_or(0);
    plain[..end].to_owned()
}

pub(crate) fn unsupported(field: &str) -> Refusal {
    let message = "\"%fieldName\" is not supported. Correct the field name and try again.";
    Refusal::with(400, message, json!({"fieldName": field}))
}

fn can_cancel(order: &Order) -> bool {
    match order.state {
        State::New | State::PendingPayment | State::Processing => {
            order.rows.iter().any(|row| row.to_invoice().is_positive())
        }
        State::PaymentReview | State::Complete | State::Closed | State::Canceled | State::Holded => false,
    }
}

fn shippable(order: &Order, lines: Option<&[ShipLine]>) -> Result<Vec<ShipLine>, Refusal> {
    let refused =
        |texts: &[&str]| Refusal::new(400, &format!("Shipment Document Validation Error(s):\n{}", texts.join("\n")));
    let left: Vec<ShipLine> = order.rows.iter().map(|row| (row.id, row.to_ship())).collect();
    let open = match order.state {
        State::New | State::PendingPayment | State::Processing => true,
        State::PaymentReview | State::Complete | State::Closed | State::Canceled | State::Holded => false,
    };
    if !open || left.iter().all(|(_, units)| units.is_zero()) {
        return Err(refused(&[NO_SHIPMENT_ALLOWED, NOTHING_TO_SHIP]));
    }
    let asked = |id: i64| match lines {
        None => Some(Quantity::from(i64::from(u32::MAX))),
        Some(lines) => lines.iter().find(|(line, _)| *line == id).map(|(_, units)| *units),
    };
    let taken = left.into_iter().filter_map(|(id, units)| Some((id, units.min(asked(id)?))));
    let taken: Vec<ShipLine> = taken.filter(|(_, units)| units.is_positive()).collect();
    if taken.is_empty() { Err(refused(&[NOTHING_TO_SHIP])) } else { Ok(taken) }
}

/// The state that follows from the rows: complete when all is invoiced and shipped, else processing (observed).
pub(crate) fn settle(order: &mut Order, now: Timestamp) {
    let done = |row: &Row| row.to_invoice().is_zero() && row.to_ship().is_zero();
    order.state = if order.rows.iter().all(done) { State::Complete } else { State::Processing };
    (order.status, order.updated) = (order.state.status().into(), now);
}
