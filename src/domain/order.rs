//! Web orders: what the store says of one, and how far its way into the till has come.
//!
//! Promises: a life cycle in which a consumed order can only be published again on a person's word, and line
//! arithmetic in which every doubt undersells. Does not promise that a till booked what it took; evidence does that.

use std::fmt;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{Quantity, Sku};

/// The store's own key of an order (Magento `entity_id`). Not the number that customers see.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(pub String);

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// May the order go to the till, as far as the store is concerned?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Paid, or payable in a way that the shop accepts.
    Ready,
    /// Waits for payment or review. It reserves stock all the same.
    Waiting,
}

/// One web order as the store last described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebOrder {
    /// The store's key.
    pub id: OrderId,
    /// The number that customer and staff use.
    pub number: String,
    /// When it was placed, by the store's clock.
    pub placed_at: Timestamp,
    /// May it go to the till?
    pub standing: Standing,
    /// The store's own word for its state, to show.
    pub store_status: String,
    /// Who ordered and where it goes.
    pub customer: Customer,
    /// How it is paid, the store's code (`checkmo`).
    pub payment: String,
    /// How it is shipped, the store's words.
    pub shipping: String,
    /// Currency, ISO 4217.
    pub currency: String,
    /// What the customer pays in all, tax and shipping included.
    pub total: Decimal,
    /// Shipping, tax included.
    pub shipping_total: Decimal,
    /// The items, one line per sellable SKU.
    pub lines: Vec<OrderLine>,
}

/// Customer and delivery address, as far as a till wants them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// E-mail address.
    pub email: String,
    /// Full name.
    pub name: String,
    /// Company, when given.
    pub company: String,
    /// Street, one line.
    pub street: String,
    /// Town.
    pub city: String,
    /// County or state.
    pub region: String,
    /// Postcode.
    pub postcode: String,
    /// Country, ISO 3166-1 alpha-2.
    pub country: String,
    /// Telephone.
    pub telephone: String,
}

/// One line of an order: so many units of one SKU.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The store's key of the line.
    pub id: String,
    /// What is sold.
    pub sku: Sku,
    /// Its name.
    pub name: String,
    /// Units ordered.
    pub ordered: Quantity,
    /// Units cancelled.
    pub cancelled: Quantity,
    /// Units shipped.
    pub shipped: Quantity,
    /// Units refunded, shipped before or not.
    pub refunded: Quantity,
    /// Units that the store is *known* to have put back into stock. Zero in doubt.
    pub returned: Quantity,
    /// Price of one unit without tax.
    pub price: Decimal,
    /// Price of one unit with tax.
    pub price_incl_tax: Decimal,
    /// Tax rate in percent.
    pub tax_percent: Decimal,
    /// Discount on the whole line, positive.
    pub discount: Decimal,
    /// Does it take anything from the shelf? (A voucher or a course does not.)
    pub takes_stock: bool,
}

impl OrderLine {
    /// `n`: units that the order should still take from the shop (never negative).
    ///
    /// A refund counts only where the store is known to have put the unit back: Magento's credit memo does not say
    /// (observed), and in doubt the unit is gone.
    pub fn to_take(&self) -> Quantity {
        if self.takes_stock { (self.ordered - self.cancelled - self.returned).or_zero() } else { Quantity::ZERO }
    }

    /// `r`: units that the store still reserves (never negative).
    ///
    /// Refunded units count as freed whether they were shipped before or not: too small a reservation undersells.
    pub fn reserved(&self) -> Quantity {
        if self.takes_stock {
            (self.ordered - self.cancelled - self.shipped - self.refunded).or_zero()
        } else {
            Quantity::ZERO
        }
    }

    /// Units that left physical stock by shipment.
    pub fn left_by_shipment(&self) -> Quantity {
        if self.takes_stock { self.shipped } else { Quantity::ZERO }
    }
}

impl WebOrder {
    /// Is there anything left of it that the till should book?
    pub fn is_void(&self) -> bool {
        self.lines.iter().all(|line| (line.ordered - line.cancelled - line.returned).or_zero().is_zero())
    }
}

/// How far an order has come on its way into the till.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OrderState {
    /// In the journal; the till has not been given it.
    Received,
    /// Its file lies where the till looks.
    Published,
    /// Its file has gone from there, and nothing proves that the till booked it: it counts as not consumed.
    TakenUnproved,
    /// There is evidence that the till took it.
    Consumed,
    /// The store has been told so.
    Acknowledged,
    /// The till said no.
    Rejected,
    /// Cancelled before the till took it.
    Withdrawn,
    /// We cannot write it; a person has to look.
    Failed,
}

/// Every state, in the order of the life cycle.
pub const ORDER_STATES: [OrderState; 8] = [
    OrderState::Received,
    OrderState::Published,
    OrderState::TakenUnproved,
    OrderState::Consumed,
    OrderState::Acknowledged,
    OrderState::Rejected,
    OrderState::Withdrawn,
    OrderState::Failed,
];

/// What can happen to an order on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderEvent {
    /// Its file became visible to the till.
    Published,
    /// Its file is no longer where the till looks, which by the profile is no proof that the till booked it.
    Left,
    /// Its file lies where the till looks once more.
    CameBack,
    /// Evidence that the till took it.
    Taken,
    /// The till refused it.
    Refused,
    /// It was cancelled, and the till had not taken it.
    Withdrawn,
    /// Its file was taken back before the till took it, to be written anew.
    TakenBack,
    /// A person says that the till never booked it.
    Lost,
    /// It cannot be written.
    Unwritable,
    /// The store accepted our acknowledgement.
    Acknowledged,
    /// The store described it anew, and what hindered us may be gone.
    Changed,
    /// A person asks for it to be written (again).
    AskedFor,
}

/// An event that makes no sense in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {state} cannot be {event:?}")]
pub struct Impossible {
    state: OrderState,
    event: OrderEvent,
}

impl OrderState {
    /// The state after `event`. The whole life cycle stands here.
    pub fn after(self, event: OrderEvent) -> Result<Self, Impossible> {
        use OrderEvent as E;
        use OrderState as S;
        match (self, event) {
            (S::Received | S::Failed | S::Withdrawn, E::Published) => Ok(S::Published),
            // A visible file can be taken or refused whatever we meant to do meanwhile: it went while we were restarting,
            // were being told of a refusal, or were asked to write the order again.
            (S::Published | S::TakenUnproved | S::Rejected | S::Received | S::Failed | S::Withdrawn, E::Taken) => {
                Ok(S::Consumed)
            }
            // From Consumed: the till said later that it booked only a part.
            (
                S::Published | S::Rejected | S::Received | S::Failed | S::Withdrawn | S::Consumed | S::Acknowledged,
                E::Left,
            ) => Ok(S::TakenUnproved),
            // It cannot have been booked while it waits; whether it was before, only a person can say.
            (
                S::TakenUnproved | S::Consumed | S::Acknowledged | S::Rejected | S::Received | S::Failed | S::Withdrawn,
                E::CameBack,
            ) => Ok(S::Published),
            (S::Published, E::TakenBack) => Ok(S::Received),
            (S::Published | S::TakenUnproved | S::Consumed | S::Acknowledged | S::Rejected, E::Lost) => Ok(S::Received),
            // Some tills take a file away first and refuse it later.
            (_, E::Refused) => Ok(S::Rejected),
            (S::Received | S::Published | S::Failed | S::Rejected, E::Withdrawn) => Ok(S::Withdrawn),
            (S::Received, E::Unwritable) => Ok(S::Failed),
            (S::Consumed | S::Acknowledged, E::Acknowledged) => Ok(S::Acknowledged),
            // An order that was cancelled may be reinstated; one that we could not write may have been corrected.
            (S::Failed | S::Withdrawn, E::Changed) => Ok(S::Received),
            (state, E::Changed) => Ok(state),
            // Only a person's word leads from Consumed to another file; that is recorded with who and when.
            (_, E::AskedFor) => Ok(S::Received),
            (state, event) => Err(Impossible { state, event }),
        }
    }

    /// Does it still have to reach the till or the store?
    pub fn is_open(self) -> bool {
        match self {
            Self::Received | Self::Published | Self::TakenUnproved | Self::Consumed | Self::Rejected | Self::Failed => {
                true
            }
            Self::Acknowledged | Self::Withdrawn => false,
        }
    }

    /// The word used in the ledger, in JSON and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Published => "published",
            Self::TakenUnproved => "taken-unproved",
            Self::Consumed => "consumed",
            Self::Acknowledged => "acknowledged",
            Self::Rejected => "rejected",
            Self::Withdrawn => "withdrawn",
            Self::Failed => "failed",
        }
    }

    /// Reads [`OrderState::word`] back.
    pub fn from_word(word: &str) -> Option<Self> {
        ORDER_STATES.into_iter().find(|state| state.word() == word)
    }
}

impl fmt::Display for OrderState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(ordered: i64, cancelled: i64, shipped: i64, refunded: i64) -> OrderLine {
        OrderLine {
            id: "1".into(),
            sku: Sku::new("A").unwrap(),
            name: String::new(),
            ordered: ordered.into(),
            cancelled: cancelled.into(),
            shipped: shipped.into(),
            refunded: refunded.into(),
            returned: Quantity::ZERO,
            price: Decimal::ONE,
            price_incl_tax: Decimal::ONE,
            tax_percent: Decimal::ZERO,
            discount: Decimal::ZERO,
            takes_stock: true,
        }
    }

    #[test]
    fn a_line_counts_what_is_still_to_take_and_what_is_reserved() {
        assert_eq!((line(3, 0, 0, 0).to_take(), line(3, 0, 0, 0).reserved()), (3.into(), 3.into()));
        // Observed: 1 of 3 shipped, then cancelled: qty_shipped 1, qty_canceled 2. One unit has left the shop.
        assert_eq!((line(3, 2, 1, 0).to_take(), line(3, 2, 1, 0).reserved()), (1.into(), Quantity::ZERO));
        assert_eq!((line(3, 0, 0, 1).to_take(), line(3, 0, 0, 1).reserved()), (3.into(), 2.into()));
        let voucher = OrderLine { takes_stock: false, ..line(3, 0, 0, 0) };
        assert_eq!((voucher.to_take(), voucher.reserved()), (Quantity::ZERO, Quantity::ZERO));
    }

    #[test]
    fn only_a_persons_word_leads_back_from_consumed() {
        for state in [OrderState::Consumed, OrderState::Acknowledged] {
            assert!(state.after(OrderEvent::Published).is_err());
            assert!(state.after(OrderEvent::Withdrawn).is_err());
            assert_eq!(state.after(OrderEvent::Changed), Ok(state));
            assert_eq!(state.after(OrderEvent::AskedFor), Ok(OrderState::Received));
        }
    }

    #[test]
    fn a_file_that_is_still_visible_may_be_taken_or_refused_whatever_was_wanted_meanwhile() {
        for state in [OrderState::Received, OrderState::Published, OrderState::Failed, OrderState::Withdrawn] {
            assert_eq!(state.after(OrderEvent::Taken), Ok(OrderState::Consumed));
            assert_eq!(state.after(OrderEvent::Refused), Ok(OrderState::Rejected));
        }
        assert_eq!(OrderState::Acknowledged.after(OrderEvent::Refused), Ok(OrderState::Rejected), "refused later");
        assert!(OrderState::Acknowledged.after(OrderEvent::Taken).is_err(), "nothing is taken twice");
    }

    #[test]
    fn the_way_through_the_shop_is_received_published_consumed_acknowledged() {
        let mut state = OrderState::Received;
        for (event, next) in [
            (OrderEvent::Published, OrderState::Published),
            (OrderEvent::Taken, OrderState::Consumed),
            (OrderEvent::Acknowledged, OrderState::Acknowledged),
        ] {
            state = state.after(event).unwrap();
            assert_eq!(state, next);
        }
        assert!(OrderState::Published.after(OrderEvent::Published).is_err(), "a visible file is never published twice");
    }

    #[test]
    fn every_state_has_one_word() {
        for state in ORDER_STATES {
            assert_eq!(OrderState::from_word(state.word()), Some(state));
        }
        assert_eq!(OrderState::from_word("sent"), None);
    }
}
