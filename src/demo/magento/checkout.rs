//! How orders are placed, and what else makes an order what it is.
//!
//! Promises: ids and numbers only grow, and no order is taken for more than can be sold.

use rust_decimal::Decimal;

use super::order::moved;
use super::{MagentoBooks, Order, Placed, Refusal, Row, State, What, guest};
use crate::domain::Quantity;
use crate::domain::order::Customer;

/// What a customer says at the checkout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// `payment.method`.
    pub payment: String,
    /// Who orders.
    pub customer: Customer,
    /// The store view.
    pub store: i64,
    /// Way of shipping, as carrier and method.
    pub shipping_method: String,
    /// Where it is picked up: the code of a source.
    pub pickup_location: Option<String>,
}

impl Default for Checkout {
    /// A guest who pays by cheque and has it sent at a flat rate.
    fn default() -> Self {
        Self {
            payment: "checkmo".into(),
            customer: guest(),
            store: 1,
            shipping_method: "flatrate_flatrate".into(),
            pickup_location: None,
        }
    }
}

impl Checkout {
    /// The guest picks it up at this source.
    pub fn picked_up_at(source: &str) -> Self {
        Self { shipping_method: "instore_pickup".into(), pickup_location: Some(source.to_owned()), ..Self::default() }
    }
}

/// A store view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreView {
    /// `id`.
    pub id: i64,
    /// `code`.
    pub code: String,
    /// `website_id`.
    pub website: i64,
}

/// A website.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Website {
    /// `id`.
    pub id: i64,
    /// `code`.
    pub code: String,
}

/// Websites and store views as installed (observed).
pub(crate) fn installed() -> (Vec<Website>, Vec<StoreView>) {
    let (website, view) = (
        |id, code: &str| Website { id, code: code.into() },
        |id, code: &str| StoreView { id, code: code.into(), website: id },
    );
    (vec![website(0, "admin"), website(1, "base")], vec![view(1, "default"), view(0, "admin")])
}

/// Payments that leave an order waiting for its money: state `new`. Any other is taken as paid at once.
const PAID_LATER: [&str; 4] = ["checkmo", "banktransfer", "cashondelivery", "purchaseorder"];

/// Flat rate per order, without tax, in the shop's currency.
const FLAT_RATE: i64 = 5;

impl MagentoBooks {
    /// Places an order of the shop's first store view, to be sent.
    ///
    /// # Errors
    /// As [`MagentoBooks::check_out`].
    pub fn place(
        &mut self,
        lines: &[(String, Quantity)],
        payment: &str,
        customer: &Customer,
    ) -> Result<Placed, Refusal> {
        let checkout = Checkout { payment: payment.into(), customer: customer.clone(), ..Checkout::default() };
        self.check_out(lines, &checkout)
    }

    /// Places an order.
    ///
    /// # Errors
    /// When a product is unknown, or when less than that can be sold: then nothing changes but the journal.
    pub fn check_out(&mut self, lines: &[(String, Quantity)], checkout: &Checkout) -> Result<Placed, Refusal> {
        let mut rows = Vec::new();
        for (sku, units) in lines {
            self.add_rows(&mut rows, sku, *units)?;
        }
        if rows.is_empty() {
            return Err(Refusal::new(400, "Please specify a shipping method."));
        }
        self.refuse_more_than_salable(&rows)?;
        let now = self.now();
        let id = self.orders.last_key_value().map_or(1, |(last, _)| last + 1);
        let virtual_only = rows.iter().all(|row| row.kind == "virtual");
        let order = Order {
            id,
            increment_id: format!("{id:09}"),
            state: State::New,
            status: State::New.status().into(),
            before_hold: None,
            created: now,
            updated: now,
            customer: checkout.customer.clone(),
            payment: checkout.payment.clone(),
            store: checkout.store,
            shipping_method: checkout.shipping_method.clone(),
            pickup_location: checkout.pickup_location.clone(),
            shipping: if virtual_only { Decimal::ZERO } else { Decimal::from(FLAT_RATE) },
            shipping_refunded: false,
            rows,
            comments: Vec::new(),
        };
        let placed = Placed { entity_id: id, increment_id: order.increment_id.clone() };
        self.take_for(&order);
        self.orders.insert(id, order);
        if !PAID_LATER.contains(&checkout.payment.as_str()) {
            self.invoice(id, None)?;
        }
        Ok(placed)
    }

    /// Puts an order into a state that only a payment service could: `pending_payment`, `payment_review`.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn set_state(&mut self, order: i64, state: State) -> Result<(), Refusal> {
        let now = self.now();
        let order = self.order_mut(order)?;
        (order.state, order.status, order.updated) = (state, state.status().into(), now);
        Ok(())
    }

    /// Gives an order other rows, as a broken extension or import does; returns the rows that it had.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn replace_rows(&mut self, order: i64, rows: Vec<Row>) -> Result<Vec<Row>, Refusal> {
        let now = self.now();
        let order = self.order_mut(order)?;
        order.updated = now;
        Ok(std::mem::replace(&mut order.rows, rows))
    }

    fn take_for(&mut self, order: &Order) {
        for (sku, units) in moved(&order.rows) {
            self.promise(&sku, units, order.id);
            self.note(&sku, units, What::Placed(order.id));
        }
    }

    fn refuse_more_than_salable(&mut self, rows: &[Row]) -> Result<(), Refusal> {
        if let Some((sku, units)) = moved(rows).into_iter().find(|(sku, _)| self.is_in_gap(sku)) {
            self.note(&sku, units, What::TurnedAway);
            return Err(Refusal::new(400, "Product that you are trying to add is not available."));
        }
        let short = moved(rows).into_iter().find(|(sku, units)| *units > self.salable(sku));
        let Some((sku, units)) = short else { return Ok(()) };
        self.note(&sku, units, What::TurnedAway);
        Err(Refusal::new(400, "The requested qty is not available"))
    }

    /// The order is to be picked up elsewhere (`None`: to be sent), as staff do with an extension.
    ///
    /// # Errors
    /// When there is no such order.
    pub fn move_to(&mut self, order: i64, pickup_location: Option<&str>) -> Result<(), Refusal> {
        let now = self.now();
        let order = self.order_mut(order)?;
        order.pickup_location = pickup_location.map(str::to_owned);
        order.updated = now;
        Ok(())
    }

    /// Adds a store view, in this website, which is made if there is none; gives its number.
    pub fn add_store_view(&mut self, code: &str, website: &str) -> i64 {
        let known = self.websites.iter().find(|known| known.code == website).map(|known| known.id);
        let website = known.unwrap_or_else(|| {
            let id = self.websites.iter().map(|known| known.id).max().unwrap_or(0) + 1;
            self.websites.push(Website { id, code: website.into() });
            id
        });
        let id = self.views.iter().map(|view| view.id).max().unwrap_or(0) + 1;
        self.views.push(StoreView { id, code: code.into(), website });
        id
    }
}
