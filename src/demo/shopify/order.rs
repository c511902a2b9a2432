//! Orders of the store, and what they do to its inventory.
//!
//! Promises: each step moves the states of inventory as Shopify's documentation says
//! (<https://shopify.dev/docs/apps/build/orders-fulfillment/inventory-management-apps>), and the order's time of change.

use jiff::Timestamp;

use super::{Refused, SHOP, ShopifyBooks};

/// One line.
#[derive(Debug, Clone)]
pub struct SoldLine {
    /// Its key.
    pub id: u64,
    /// What; empty for a custom item.
    pub sku: String,
    /// Its name.
    pub name: String,
    /// Price of a unit without tax, in pence.
    pub pence: i64,
    /// Units ordered.
    pub quantity: i64,
    /// Units taken off since, by refunds and edits.
    pub taken_off: i64,
    /// Is its quantity counted?
    pub tracked: bool,
}

/// What a location is to send.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its key.
    pub id: u64,
    /// The location.
    pub location: u64,
    /// `OPEN`, `CLOSED`, `ON_HOLD`.
    pub status: &'static str,
    /// Lines, and the units that are still to be sent.
    pub lines: Vec<(u64, i64)>,
}

/// One shipment.
#[derive(Debug, Clone)]
pub struct Shipment {
    /// Its key.
    pub id: u64,
    /// From where.
    pub location: u64,
    /// Lines and units.
    pub lines: Vec<(u64, i64)>,
}

/// Units taken off a line.
#[derive(Debug, Clone)]
pub struct Refund {
    /// Its key.
    pub id: u64,
    /// The line.
    pub line: u64,
    /// Units.
    pub units: i64,
    /// `CANCEL`, `RETURN` or `NO_RESTOCK`.
    pub kind: &'static str,
    /// Where they were put back.
    pub location: Option<u64>,
}

/// An order.
#[derive(Debug, Clone)]
pub struct ShopifyOrder {
    /// Its key.
    pub id: u64,
    /// Its number, without the `#`.
    pub number: String,
    /// When it was placed.
    pub created: Timestamp,
    /// When it changed, to the second.
    pub updated: Timestamp,
    /// When it was cancelled.
    pub cancelled: Option<Timestamp>,
    /// Is it archived?
    pub closed: bool,
    /// `displayFinancialStatus`.
    pub paid: &'static str,
    /// How it is paid.
    pub gateway: String,
    /// Is it made with a test gateway?
    pub test: bool,
    /// Its lines.
    pub lines: Vec<SoldLine>,
    /// Who sends what.
    pub parts: Vec<Part>,
    /// What was sent.
    pub shipments: Vec<Shipment>,
    /// What was taken off.
    pub refunds: Vec<Refund>,
    /// Its tags, in the order in which they came.
    pub tags: Vec<String>,
    /// How often tags were written.
    pub notes: u32,
    /// The metafield `tillbridge.till`.
    pub till: Option<String>,
}

impl ShopifyOrder {
    /// Units of an SKU that this location's shelf still gives, or has given, to it.
    pub fn to_take(&self, sku: &str, location: u64) -> i64 {
        let ids: Vec<u64> = self.lines.iter().filter(|line| line.sku == sku).map(|line| line.id).collect();
        let of = |lines: &[(u64, i64)]| -> i64 {
            lines.iter().filter(|(id, _)| ids.contains(id)).map(|(_, units)| *units).sum()
        };
        let open: i64 = self.parts.iter().filter(|part| part.location == location).map(|part| of(&part.lines)).sum();
        let sent: i64 = self.shipments.iter().filter(|one| one.location == location).map(|one| of(&one.lines)).sum();
        let back = self.refunds.iter().filter(|one| one.kind == "RETURN" && one.location == Some(location));
        let back: i64 = back.filter(|one| ids.contains(&one.line)).map(|one| one.units).sum();
        open + sent - back
    }

    /// `displayFulfillmentStatus`.
    pub fn fulfilment(&self) -> &'static str {
        let open = self.parts.iter().flat_map(|part| &part.lines).any(|(_, units)| *units > 0);
        match (self.shipments.is_empty(), open) {
            (true, _) => "UNFULFILLED",
            (false, true) => "PARTIALLY_FULFILLED",
            (false, false) => "FULFILLED",
        }
    }
}

impl ShopifyBooks {
    /// Places an order: SKU, units and the location that is to send them; an empty SKU is a custom item. Its key.
    ///
    /// # Errors
    /// When there is no such SKU, or not so many are for sale there.
    pub fn place(&mut self, lines: &[(&str, i64, u64)], paid: &'static str) -> Result<u64, Refused> {
        for (sku, units, location) in lines.iter().filter(|(sku, _, _)| !sku.is_empty()) {
            let item = self.items.iter().find(|item| item.sku == *sku).ok_or_else(|| Refused(format!("no {sku}")))?;
            let wanted: i64 =
                lines.iter().filter(|one| one.0 == *sku && one.2 == *location).map(|(_, units, _)| *units).sum();
            let for_sale = item.shelves.get(location).map_or(0, |shelf| shelf.available);
            if *units <= 0 || (item.tracked && for_sale < wanted) {
                self.turned_away.push(((*sku).to_owned(), *units));
                return Err(Refused(format!("not {wanted} of {sku}")));
            }
        }
        let (id, now) = (self.next_id(), self.now());
        let mut order = ShopifyOrder {
            id,
            number: (self.orders.len() + 1001).to_string(),
            created: now,
            updated: now,
            cancelled: None,
            closed: false,
            paid,
            gateway: "shopify_payments".into(),
            test: false,
            lines: Vec::new(),
            parts: Vec::new(),
            shipments: Vec::new(),
            refunds: Vec::new(),
            tags: Vec::new(),
            notes: 0,
            till: None,
        };
        for (sku, units, location) in lines {
            let line = self.sold(sku, *units, &mut order);
            self.commit(sku, *location, *units);
            self.assign(&mut order, line, *units, *location);
        }
        self.orders.insert(id, order);
        Ok(id)
    }

    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// The line of this SKU; one line however many locations send it.
    fn sold(&mut self, sku: &str, units: i64, order: &mut ShopifyOrder) -> u64 {
        if let Some(line) = order.lines.iter_mut().find(|line| line.sku == sku) {
            line.quantity += units;
            return line.id;
        }
        let id = self.next_id();
        let item = self.items.iter().find(|item| item.sku == sku);
        let (name, pence, tracked) =
            item.map_or(("Gift wrapping".into(), 250, false), |item| (item.name.clone(), item.pence, item.tracked));
        order.lines.push(SoldLine { id, sku: sku.to_owned(), name, pence, quantity: units, taken_off: 0, tracked });
        id
    }

    fn assign(&mut self, order: &mut ShopifyOrder, line: u64, units: i64, location: u64) {
        match order.parts.iter_mut().find(|part| part.location == location) {
            Some(part) => part.lines.push((line, units)),
            None => {
                let id = self.next_id();
                order.parts.push(Part { id, location, status: "OPEN", lines: vec![(line, units)] });
            }
        }
    }

    /// Moves units from what is for sale to what is committed.
    fn commit(&mut self, sku: &str, location: u64, units: i64) {
        if let Some(shelf) = self.item(sku).and_then(|item| item.shelves.get_mut(&location)) {
            shelf.available -= units;
            shelf.committed += units;
        }
    }

    fn changed(&mut self, id: u64) -> Result<&mut ShopifyOrder, Refused> {
        let now = self.now();
        let order = self.orders.get_mut(&id).ok_or_else(|| Refused(format!("no order {id}")))?;
        order.updated = now;
        Ok(order)
    }

    /// Changes an order in some other way; it counts as changed now.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn edit(&mut self, id: u64, change: impl FnOnce(&mut ShopifyOrder)) -> Result<(), Refused> {
        change(self.changed(id)?);
        Ok(())
    }

    /// Who sends what is decided, or changed, without the order counting as changed.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn route(&mut self, id: u64, parts: Vec<Part>) -> Result<Vec<Part>, Refused> {
        let order = self.orders.get_mut(&id).ok_or_else(|| Refused(format!("no order {id}")))?;
        Ok(std::mem::replace(&mut order.parts, parts))
    }

    /// A location sends all that it is to send of an order.
    ///
    /// # Errors
    /// When there is nothing to send.
    pub fn ship(&mut self, id: u64, location: u64) -> Result<(), Refused> {
        let shipment = self.next_id();
        let order = self.changed(id)?;
        let mut sent = Vec::new();
        for part in order.parts.iter_mut().filter(|part| part.location == location) {
            part.status = "CLOSED";
            for (line, units) in &mut part.lines {
                sent.push((*line, std::mem::take(units)));
            }
        }
        sent.retain(|(_, units)| *units > 0);
        if sent.is_empty() {
            return Err(Refused("nothing to send".into()));
        }
        order.closed = order.parts.iter().flat_map(|part| &part.lines).all(|(_, units)| *units == 0);
        order.shipments.push(Shipment { id: shipment, location, lines: sent.clone() });
        for (line, units) in sent {
            self.move_units(id, line, location, |shelf| shelf.committed -= units);
        }
        Ok(())
    }

    fn move_units(&mut self, order: u64, line: u64, location: u64, change: impl FnOnce(&mut super::Shelf)) {
        let sku = self.orders.get(&order).and_then(|order| order.lines.iter().find(|one| one.id == line));
        let Some(sku) = sku.map(|line| line.sku.clone()) else { return };
        if let Some(shelf) = self.item(&sku).and_then(|item| item.shelves.get_mut(&location)) {
            change(shelf);
        }
    }

    /// Takes units that were not sent off an order; restocked or not.
    ///
    /// # Errors
    /// When so many are not open.
    pub fn take_off(&mut self, id: u64, sku: &str, units: i64, restock: bool) -> Result<(), Refused> {
        let refund = self.next_id();
        let order = self.changed(id)?;
        let line = order.lines.iter_mut().find(|line| line.sku == sku).ok_or_else(|| Refused(format!("no {sku}")))?;
        let key = line.id;
        let lines = order.parts.iter_mut().flat_map(|part| {
            let location = part.location;
            part.lines.iter_mut().map(move |line| (location, line))
        });
        let open = lines.into_iter().find(|(_, (of, open))| *of == key && *open >= units);
        let (location, (_, open)) = open.ok_or_else(|| Refused(format!("not {units} of {sku} are open")))?;
        *open -= units;
        line.taken_off += units;
        let (kind, back) = if restock { ("CANCEL", Some(location)) } else { ("NO_RESTOCK", None) };
        order.refunds.push(Refund { id: refund, line: key, units, kind, location: back });
        self.move_units(id, key, location, |shelf| {
            shelf.committed -= units;
            if restock {
                shelf.available += units;
            }
        });
        Ok(())
    }

    /// Cancels an order: what was not sent is taken off it.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn cancel(&mut self, id: u64, restock: bool) -> Result<(), Refused> {
        let order = self.orders.get(&id).ok_or_else(|| Refused(format!("no order {id}")))?;
        let sku = |key: u64| order.lines.iter().find(|line| line.id == key).map(|line| line.sku.clone());
        let open: Vec<(Option<String>, i64)> = order
            .parts
            .iter()
            .flat_map(|part| &part.lines)
            .filter(|(_, units)| *units > 0)
            .map(|(line, units)| (sku(*line), *units))
            .collect();
        for (sku, units) in open {
            self.take_off(id, &sku.unwrap_or_default(), units, restock)?;
        }
        let now = self.now();
        let order = self.changed(id)?;
        order.cancelled = Some(now);
        order.closed = true;
        order.paid = "REFUNDED";
        for part in &mut order.parts {
            part.status = "CLOSED";
        }
        Ok(())
    }

    /// Pays units back that were sent; put back at `back`, or nowhere.
    ///
    /// # Errors
    /// When there is no such line.
    pub fn refund(&mut self, id: u64, sku: &str, units: i64, back: Option<u64>) -> Result<(), Refused> {
        let refund = self.next_id();
        let order = self.changed(id)?;
        let line = order.lines.iter_mut().find(|line| line.sku == sku).ok_or_else(|| Refused(format!("no {sku}")))?;
        let key = line.id;
        line.taken_off += units;
        order.paid = "PARTIALLY_REFUNDED";
        let kind = if back.is_some() { "RETURN" } else { "NO_RESTOCK" };
        order.refunds.push(Refund { id: refund, line: key, units, kind, location: back });
        if let Some(location) = back {
            self.move_units(id, key, location, |shelf| shelf.available += units);
        }
        Ok(())
    }

    /// Another location sends what is not sent yet.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn move_to(&mut self, id: u64, to: u64) -> Result<(), Refused> {
        let order = self.changed(id)?;
        let mut moved = Vec::new();
        for part in order.parts.iter_mut().filter(|part| part.location != to) {
            let from = part.location;
            moved.extend(part.lines.iter().map(|(line, units)| (from, *line, *units)));
            part.location = to;
        }
        for (from, line, units) in moved {
            self.move_units(id, line, from, |shelf| {
                shelf.committed -= units;
                shelf.available += units;
            });
            self.move_units(id, line, to, |shelf| {
                shelf.committed += units;
                shelf.available -= units;
            });
        }
        Ok(())
    }

    /// The order of this number.
    pub fn by_number(&self, number: &str) -> Option<&ShopifyOrder> {
        self.orders.values().find(|order| order.number == number)
    }

    /// The order of this key.
    pub fn order(&self, id: u64) -> Option<&ShopifyOrder> {
        self.orders.get(&id)
    }

    /// Places a paid order for the demo shop, by hand.
    pub(super) fn place_by_hand(&mut self, lines: &[(String, i64)]) -> Result<u64, Refused> {
        let lines: Vec<_> = lines.iter().map(|(sku, units)| (sku.as_str(), *units, SHOP)).collect();
        self.place(&lines, "PAID")
    }
}
