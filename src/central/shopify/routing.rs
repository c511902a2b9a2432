//! Which part of an order is this shop's.
//!
//! Promises: a line counts here only as far as it is assigned to this shop's location (fulfilment orders) or was sent from
//! it; what is not known to be another's is not given away. A line that several locations share counts with what is still
//! to be sent from here and what was sent from here, whatever was taken off it elsewhere.

use std::collections::HashMap;

use super::wire::{Key, Order};

/// Shipments in these states never happened.
const NOT_SHIPPED: [&str; 3] = ["CANCELLED", "ERROR", "FAILURE"];
/// A part in this state was replaced by another.
const PART_GONE: &str = "CANCELLED";
/// Parts in these states are not to be sent yet.
const PART_WAITS: [&str; 2] = ["ON_HOLD", "SCHEDULED"];

/// Where a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// All of it is this shop's.
    Here,
    /// Some of it.
    Shared,
    /// Nothing of it.
    Elsewhere,
    /// Nobody has been told to send it.
    Unassigned,
}

/// What is known of one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Share {
    here: bool,
    elsewhere: bool,
    /// Units still to be sent from here.
    pub(super) remaining: i64,
    /// Units sent from here.
    pub(super) shipped_here: i64,
    /// Units sent from anywhere.
    pub(super) shipped: i64,
    /// Units put back into stock unsent.
    pub(super) cancelled: i64,
    /// Units paid back and put back into stock here.
    pub(super) returned_here: i64,
    /// Units paid back and put back into stock anywhere, after they had been sent.
    pub(super) returned: i64,
    /// Units paid back and not put back.
    pub(super) lost: i64,
}

impl Share {
    pub(super) fn place(&self) -> Place {
        match (self.here, self.elsewhere) {
            (true, false) => Place::Here,
            (true, true) => Place::Shared,
            (false, true) => Place::Elsewhere,
            (false, false) => Place::Unassigned,
        }
    }

    /// Units of it that something was paid back for.
    pub(super) fn taken_off(&self) -> i64 {
        self.cancelled + self.returned + self.lost
    }
}

/// What is known of the order's lines, by their keys.
#[derive(Debug)]
pub(super) struct Shares {
    by_line: HashMap<String, Share>,
    /// Has anybody been told to send anything?
    pub(super) is_assigned: bool,
    /// Is the part that comes first this shop's? Lines that nobody sends go with it.
    pub(super) leads: bool,
    /// Does all that is still to be sent from here wait (on hold, scheduled)?
    pub(super) waits: bool,
}

impl Shares {
    /// Looks at the order as the shop at this location does.
    pub(super) fn of(order: &Order, location: &str) -> Self {
        let mut shares = Self { by_line: HashMap::new(), is_assigned: false, leads: false, waits: false };
        shares.parts(order, location);
        shares.shipments(order, location);
        shares.refunds(order, location);
        shares
    }

    /// What is known of this line.
    pub(super) fn line(&self, id: &str) -> Share {
        self.by_line.get(id).copied().unwrap_or_default()
    }

    fn at(&mut self, line: &Key) -> &mut Share {
        self.by_line.entry(line.id.clone()).or_default()
    }

    fn parts(&mut self, order: &Order, location: &str) {
        let all = &order.fulfillment_orders.nodes;
        let valid: Vec<_> = all.iter().filter(|part| part.status != PART_GONE).collect();
        // Of an order of which every part was taken back it is still known whose it was.
        let parts = if valid.is_empty() { all.iter().collect() } else { valid };
        let is_here = |part: &&super::wire::Part| is(part.assigned_location.location.as_ref(), location);
        self.is_assigned = !parts.is_empty();
        self.leads = parts.first().is_some_and(is_here);
        let open = |part: &&&super::wire::Part| {
            is_here(part) && part.line_items.nodes.iter().any(|line| line.remaining_quantity > 0)
        };
        let mut open_here = parts.iter().filter(open).peekable();
        self.waits = open_here.peek().is_some() && open_here.all(|part| PART_WAITS.contains(&part.status.as_str()));
        for part in &parts {
            // A location that was deleted is not this shop's.
            let here = is_here(part);
            for line in &part.line_items.nodes {
                let share = self.at(&line.line_item);
                if here {
                    share.here = true;
                    share.remaining += line.remaining_quantity.max(0);
                } else {
                    share.elsewhere = true;
                }
            }
        }
    }

    fn shipments(&mut self, order: &Order, location: &str) {
        for shipment in order.fulfillments.iter().filter(|one| !NOT_SHIPPED.contains(&one.status.as_str())) {
            for line in &shipment.fulfillment_line_items.nodes {
                let units = line.quantity.unwrap_or_default().max(0);
                let share = self.at(&line.line_item);
                share.shipped += units;
                // Of a shipment without a place nothing says that it left from another.
                if is(shipment.location.as_ref(), location) || (shipment.location.is_none() && share.here) {
                    share.here = true;
                    share.shipped_here += units;
                }
            }
        }
    }

    fn refunds(&mut self, order: &Order, location: &str) {
        for line in order.refunds.iter().flat_map(|refund| &refund.refund_line_items.nodes) {
            let (here, units) = (is(line.location.as_ref(), location), line.quantity.max(0));
            let share = self.at(&line.line_item);
            match line.restock_type.as_str() {
                "CANCEL" if line.restocked => {
                    share.cancelled += units;
                    // Put back where it was to be sent from; of a line that was taken off whole nothing else says so.
                    match (&line.location, here) {
                        (_, true) => share.here = true,
                        (Some(_), false) => share.elsewhere = true,
                        (None, false) => {}
                    }
                }
                "RETURN" | "LEGACY_RESTOCK" if line.restocked => {
                    share.returned += units;
                    if here {
                        share.returned_here += units;
                    }
                }
                // NO_RESTOCK, and whatever is not known to be back.
                _ => share.lost += units,
            }
        }
    }
}

fn is(key: Option<&Key>, location: &str) -> bool {
    key.is_some_and(|key| key.id == location)
}
