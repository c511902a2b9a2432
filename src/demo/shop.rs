//! The truth about the shelf, and beside it what a naive synchronisation would have done.
//!
//! Promises: it counts things and promises, nobody's books. `oversold` is what web customers were promised beyond what
//! lay on the shelf at that moment; a unit that a walk-in customer carried off although it was promised is counted
//! apart, because no synchronisation can prevent that.
//! Does not promise that the naive agent is stupid on purpose: it does what most do, and writes each export as it is.

use std::collections::BTreeMap;

use crate::domain::Quantity;

use super::magento::{Mode, key};

/// Units of one SKU in an order.
pub type Units = (String, Quantity);

#[derive(Debug, Clone, Default)]
struct Order {
    lines: Vec<Units>,
    taken_by_till: bool,
    shipped: bool,
}

/// Shelf, promises, and what went wrong.
#[derive(Debug, Clone, Default)]
struct Shelf {
    units: BTreeMap<String, Quantity>,
    orders: BTreeMap<String, Order>,
    oversold: BTreeMap<String, Quantity>,
    carried_off: Quantity,
}

impl Shelf {
    fn on_shelf(&self, sku: &str) -> Quantity {
        self.units.get(&key(sku)).copied().unwrap_or_default()
    }

    fn promised(&self, sku: &str) -> Quantity {
        let open = self.orders.values().filter(|order| !order.shipped).flat_map(|order| &order.lines);
        open.filter(|(other, _)| key(other) == key(sku)).map(|(_, units)| *units).sum()
    }

    fn free(&self, sku: &str) -> Quantity {
        self.on_shelf(sku) - self.promised(sku)
    }

    fn shift(&mut self, sku: &str, by: Quantity) {
        let units = self.units.entry(key(sku)).or_default();
        *units = *units + by;
    }

    fn walk_in(&mut self, sku: &str, units: Quantity) {
        let beyond = (units - self.free(sku).or_zero()).or_zero();
        self.carried_off = self.carried_off + beyond;
        self.shift(sku, -units);
    }

    fn promise(&mut self, id: &str, lines: &[Units]) {
        for (sku, units) in lines {
            let beyond = (*units - self.free(sku).or_zero()).or_zero();
            if beyond.is_positive() {
                let sum = self.oversold.entry(key(sku)).or_default();
                *sum = *sum + beyond;
            }
            let order = self.orders.entry(id.to_owned()).or_default();
            order.lines.push((sku.clone(), *units));
        }
    }

    fn ship(&mut self, id: &str) -> Vec<Units> {
        let Some(order) = self.orders.get_mut(id).filter(|order| !order.shipped) else { return Vec::new() };
        order.shipped = true;
        let lines = order.lines.clone();
        for (sku, units) in &lines {
            self.shift(sku, -*units);
        }
        lines
    }

    fn cancel(&mut self, id: &str) -> Option<Order> {
        self.orders.get(id).filter(|order| !order.shipped)?;
        self.orders.remove(id)
    }
}

/// What really is so.
#[derive(Debug, Clone, Default)]
pub struct Truth {
    shelf: Shelf,
    /// The naive agent's world, told the same story.
    pub naive: Option<Naive>,
}

impl Truth {
    /// These things stand on the shelf; nothing is promised.
    pub fn new(shelf: impl IntoIterator<Item = Units>) -> Self {
        let mut truth = Self::default();
        for (sku, units) in shelf {
            truth.shelf.shift(&sku, units);
        }
        truth
    }

    /// Also follows what a naive agent would do with a store of this kind.
    pub fn beside_naive(mut self, mode: Mode) -> Self {
        self.naive = Some(Naive::new(mode, self.shelf.units.clone()));
        self
    }

    /// A customer in the shop buys.
    pub fn walk_in(&mut self, sku: &str, units: Quantity) {
        self.shelf.walk_in(sku, units);
        self.beside(|naive| naive.walk_in(sku, units));
    }

    /// Goods arrive, and the till is told.
    pub fn goods_in(&mut self, sku: &str, units: Quantity) {
        self.shelf.shift(sku, units);
        self.beside(|naive| naive.goods_in(sku, units));
    }

    /// A web customer tries to buy; `accepted` is what the real store said. The naive store decides for itself.
    pub fn web_order(&mut self, id: &str, lines: &[Units], accepted: bool) {
        if accepted {
            self.shelf.promise(id, lines);
        }
        self.beside(|naive| naive.web_order(id, lines));
    }

    /// The till booked an order.
    pub fn till_took(&mut self, id: &str) {
        if let Some(order) = self.shelf.orders.get_mut(id) {
            order.taken_by_till = true;
        }
        self.beside(|naive| naive.till_took(id));
    }

    /// The order was packed and left the shop.
    pub fn shipped(&mut self, id: &str) {
        self.shelf.ship(id);
        self.beside(|naive| naive.shipped(id));
    }

    /// The order was cancelled before it left.
    pub fn cancelled(&mut self, id: &str) {
        self.shelf.cancel(id);
        self.beside(|naive| naive.cancelled(id));
    }

    /// The till counted for an export.
    pub fn export_began(&mut self) {
        self.beside(Naive::export_began);
    }

    /// The export reached whoever synchronises; the naive agent writes it into the store as it is.
    pub fn export_arrived(&mut self) {
        self.beside(Naive::export_arrived);
    }

    fn beside(&mut self, tell: impl FnOnce(&mut Naive)) {
        if let Some(naive) = &mut self.naive {
            tell(naive);
        }
    }

    /// What may truly still be sold: on the shelf and not promised.
    pub fn truly_sellable(&self, sku: &str) -> Quantity {
        self.shelf.free(sku).or_zero()
    }

    /// What lies on the shelf.
    pub fn on_shelf(&self, sku: &str) -> Quantity {
        self.shelf.on_shelf(sku)
    }

    /// What is promised to web customers and not yet shipped.
    pub fn promised(&self, sku: &str) -> Quantity {
        self.shelf.promised(sku)
    }

    /// Units promised to web customers beyond the shelf, ever, over all SKUs.
    pub fn oversold(&self) -> Quantity {
        self.shelf.oversold.values().copied().sum()
    }

    /// The same for one SKU.
    pub fn oversold_of(&self, sku: &str) -> Quantity {
        self.shelf.oversold.get(&key(sku)).copied().unwrap_or_default()
    }

    /// Units that walk-in customers carried off although they were promised.
    pub fn carried_off(&self) -> Quantity {
        self.shelf.carried_off
    }
}

/// The world of an agent that writes each export into the store as it is.
#[derive(Debug, Clone)]
pub struct Naive {
    mode: Mode,
    shelf: Shelf,
    till: BTreeMap<String, Quantity>,
    store: BTreeMap<String, Quantity>,
    counted: BTreeMap<String, Quantity>,
    turned_away: Quantity,
}

impl Naive {
    fn new(mode: Mode, units: BTreeMap<String, Quantity>) -> Self {
        let shelf = Shelf { units: units.clone(), ..Shelf::default() };
        let (till, store, counted) = (units.clone(), units.clone(), units);
        Self { mode, shelf, till, store, counted, turned_away: Quantity::ZERO }
    }

    /// What its store would sell now.
    pub fn sellable(&self, sku: &str) -> Quantity {
        let held = self.store.get(&key(sku)).copied().unwrap_or_default();
        let reserved = match self.mode {
            Mode::Msi => self.shelf.promised(sku),
            Mode::Legacy => Quantity::ZERO,
        };
        (held - reserved).or_zero()
    }

    /// Units that it let the store promise beyond the shelf.
    pub fn oversold(&self) -> Quantity {
        self.shelf.oversold.values().copied().sum()
    }

    /// Units that it let the store refuse although they lay free on the shelf.
    pub fn turned_away(&self) -> Quantity {
        self.turned_away
    }

    fn walk_in(&mut self, sku: &str, units: Quantity) {
        self.shelf.walk_in(sku, units);
        shift(&mut self.till, sku, -units);
    }

    fn goods_in(&mut self, sku: &str, units: Quantity) {
        self.shelf.shift(sku, units);
        shift(&mut self.till, sku, units);
    }

    fn web_order(&mut self, id: &str, lines: &[Units]) {
        if lines.iter().any(|(sku, units)| *units > self.sellable(sku)) {
            let free = lines.iter().all(|(sku, units)| *units <= self.shelf.free(sku));
            let units: Quantity = lines.iter().map(|(_, units)| *units).sum();
            self.turned_away = if free { self.turned_away + units } else { self.turned_away };
            return;
        }
        self.shelf.promise(id, lines);
        if self.mode == Mode::Legacy {
            lines.iter().for_each(|(sku, units)| shift(&mut self.store, sku, -*units));
        }
    }

    fn till_took(&mut self, id: &str) {
        let Some(order) = self.shelf.orders.get_mut(id).filter(|order| !order.taken_by_till) else { return };
        order.taken_by_till = true;
        for (sku, units) in order.lines.clone() {
            shift(&mut self.till, &sku, -units);
        }
    }

    fn shipped(&mut self, id: &str) {
        let lines = self.shelf.ship(id);
        if self.mode == Mode::Msi {
            lines.iter().for_each(|(sku, units)| shift(&mut self.store, sku, -*units));
        }
    }

    fn cancelled(&mut self, id: &str) {
        let order = self.shelf.cancel(id);
        if self.mode == Mode::Legacy {
            let lines = order.map(|order| order.lines).unwrap_or_default();
            lines.iter().for_each(|(sku, units)| shift(&mut self.store, sku, *units));
        }
    }

    fn export_began(&mut self) {
        self.counted = self.till.clone();
    }

    fn export_arrived(&mut self) {
        self.store = self.counted.clone();
    }
}

fn shift(books: &mut BTreeMap<String, Quantity>, sku: &str, by: Quantity) {
    let units = books.entry(key(sku)).or_default();
    *units = *units + by;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(units: i64) -> Vec<Units> {
        vec![("A".to_owned(), units.into())]
    }

    fn ten(mode: Mode) -> Truth {
        let mut truth = Truth::new([("A".to_owned(), Quantity::from(10))]).beside_naive(mode);
        truth.web_order("1", &one(1), true);
        truth.web_order("2", &one(1), true);
        truth
    }

    #[test]
    fn the_naive_agent_gets_wrong_what_the_design_table_says_it_gets_wrong() {
        // 10 on hand, two orders of one: (till took them, shipped) → what the naive store sells; 8 is right.
        let table = [
            (Mode::Msi, false, false, 8),
            (Mode::Msi, false, true, 10),
            (Mode::Msi, true, false, 6),
            (Mode::Msi, true, true, 8),
            (Mode::Legacy, false, false, 10),
            (Mode::Legacy, false, true, 10),
            (Mode::Legacy, true, false, 8),
            (Mode::Legacy, true, true, 8),
        ];
        for (mode, taken, shipped, sells) in table {
            let mut truth = ten(mode);
            for id in ["1", "2"] {
                if taken {
                    truth.till_took(id);
                }
                if shipped {
                    truth.shipped(id);
                }
            }
            truth.export_began();
            truth.export_arrived();
            assert_eq!(truth.truly_sellable("A"), 8.into());
            let naive = truth.naive.as_ref().unwrap();
            assert_eq!(naive.sellable("A"), sells.into(), "{mode:?} taken {taken} shipped {shipped}");
        }
    }

    #[test]
    fn promises_beyond_the_shelf_are_oversold_and_promised_goods_can_be_carried_off() {
        let mut truth = ten(Mode::Legacy);
        truth.export_began();
        truth.export_arrived();
        truth.web_order("3", &one(9), false);
        assert_eq!((truth.oversold(), truth.naive.as_ref().unwrap().oversold()), (0.into(), 1.into()));
        truth.walk_in("a", 9.into());
        assert_eq!((truth.carried_off(), truth.on_shelf("A"), truth.promised("A")), (1.into(), 1.into(), 2.into()));
        truth.web_order("4", &one(1), true);
        assert_eq!((truth.oversold(), truth.oversold_of("A")), (1.into(), 1.into()));
        truth.cancelled("4");
        truth.shipped("1");
        assert_eq!(truth.truly_sellable("A"), Quantity::ZERO);
    }
}
