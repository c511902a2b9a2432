//! From a page of events to orders, and to where the reading has come to.
//!
//! Promises: a gap in the events' numbers is noticed; an order that cannot be understood is remembered with the place in
//! the feed, over restarts, until it is described so that it can be, or moved away: so it is never said to be counted in.
//! Does not look into the cursor's meaning.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::wire::{Event, Events, Order};
use super::{Call, json, odd};
use crate::domain::order::{OrderId, WebOrder};
use crate::domain::retry::FailureClass;
use crate::ports::{FeedCursor, OrderPage, StoreError};

/// Most orders that may be not understood at a time: as many as the contract takes in `orders_not_counted`.
const MOST_NOT_UNDERSTOOD: usize = 500;
/// The word of an order that another location fulfils.
const MOVED_AWAY: &str = "moved_away";

/// Where the reading has come to.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The store's cursor.
    pub(super) cursor: Option<String>,
    /// Number of the last event.
    pub(super) seq: Option<u64>,
    /// Orders whose latest event could not be understood.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) not_understood: BTreeSet<String>,
}

/// What an event says about its order.
enum Said {
    Order(Box<WebOrder>),
    MovedAway,
    NotUnderstood(String),
}

impl Position {
    /// What the ledger kept. Another store's cursor says nothing here: the feed then begins at its first event.
    pub(super) fn of(cursor: Option<&FeedCursor>) -> Self {
        cursor.and_then(|cursor| serde_json::from_str(&cursor.0).ok()).unwrap_or_default()
    }

    /// Reads the page that follows.
    ///
    /// # Errors
    /// When an event is missing before or in it, or too many orders cannot be understood. Nothing counts as read then.
    pub(super) fn read(mut self, call: &Call, page: Events) -> Result<OrderPage, StoreError> {
        let (mut orders, mut unreadable, mut elsewhere) = (Vec::<WebOrder>::new(), Vec::new(), Vec::new());
        for event in page.events {
            self.follow(call, event.seq)?;
            let id = event.order_id.clone();
            // The latest event of an order says all that the earlier ones said.
            orders.retain(|earlier| earlier.id.0 != id);
            elsewhere.retain(|earlier: &OrderId| earlier.0 != id);
            self.not_understood.remove(&id);
            match said(event) {
                Said::Order(order) => orders.push(*order),
                Said::MovedAway => elsewhere.push(OrderId(id)),
                Said::NotUnderstood(why) => {
                    self.not_understood.insert(id.clone());
                    unreadable.push((id, why));
                }
            }
        }
        if self.not_understood.len() > MOST_NOT_UNDERSTOOD {
            let why = format!("more than {MOST_NOT_UNDERSTOOD} orders cannot be understood. Nothing was taken over");
            return Err(odd(call, why, false));
        }
        self.cursor = Some(page.next_cursor);
        Ok(OrderPage { orders, unreadable, elsewhere, next: FeedCursor(json(&self)), more: page.has_more })
    }

    /// Events are numbered without gaps within a location; a gap is an order that we would never hear of.
    fn follow(&mut self, call: &Call, seq: u64) -> Result<(), StoreError> {
        if let Some(last) = self.seq
            && Some(seq) != last.checked_add(1)
        {
            let why = format!("event {seq} follows event {last}; an order may be missing. Nothing was taken over");
            return Err(StoreError { class: FailureClass::Transient, ..odd(call, why, false) });
        }
        self.seq = Some(seq);
        Ok(())
    }
}

fn said(event: Event) -> Said {
    let order = match (event.kind.as_str(), event.order) {
        (MOVED_AWAY, _) => return Said::MovedAway,
        (_, Some(order)) => order,
        (kind, None) => return Said::NotUnderstood(format!("not understood: {kind:?} without the order")),
    };
    match serde_json::from_value::<Order>(order) {
        Ok(order) => {
            let order = WebOrder::from(order);
            if order.id.0 == event.order_id {
                return Said::Order(Box::new(order));
            }
            Said::NotUnderstood(format!("not understood: the event is about {}", order.id))
        }
        Err(why) => Said::NotUnderstood(format!("not understood: {why}")),
    }
}
