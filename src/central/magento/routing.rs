//! Whose an order is: this shop's, or another's that fulfils orders of the same web store.
//!
//! Promises: rules are asked in their order, the first that fits decides, and what none fits goes the way that the
//! configuration says; nothing is dropped. Names of store views and websites are looked up only when a rule speaks of them,
//! once and again for a store view that is not known. While they cannot be looked up nothing is decided, so that no order goes
//! to the wrong till. Does not promise that another shop takes what this one leaves.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::Value;

use super::Magento;
use super::wire::Word;
use crate::central::settings::{RoutingRule, RoutingSettings, Whose};
use crate::ports::StoreError;

const DOING: &str = "looking up store views and websites, by which orders are routed";

/// The rules, and what they need to know.
#[derive(Debug)]
pub(super) struct Routing {
    settings: RoutingSettings,
    stores: Mutex<Arc<Stores>>,
}

/// Codes of store views and websites, by the number of the store view. One without codes is unknown to the store, too.
type Stores = HashMap<String, View>;

#[derive(Debug, Clone, Default)]
struct View {
    code: Option<String>,
    website: Option<String>,
    website_code: Option<String>,
}

/// What rules ask of an order.
#[derive(Debug, Default)]
struct Traits {
    pickup_location: Option<String>,
    shipping_method: Option<String>,
    store: Option<String>,
    view: View,
}

#[derive(Deserialize)]
struct StoreView {
    id: Word,
    code: String,
    website_id: Word,
}

#[derive(Deserialize)]
struct Website {
    id: Word,
    code: String,
}

impl Routing {
    pub(super) fn new(settings: RoutingSettings) -> Self {
        Self { settings, stores: Mutex::default() }
    }

    /// Does a rule speak of codes that an order does not carry itself?
    pub(super) fn asks_for_codes(&self) -> bool {
        let is_code = |value: &String| !value.bytes().all(|byte| byte.is_ascii_digit());
        self.settings.rules.iter().any(|rule| !rule.website.is_empty() || rule.store.iter().any(is_code))
    }

    /// The rules in one line, to show.
    pub(super) fn shown(&self) -> String {
        let otherwise = match self.settings.otherwise {
            Whose::Mine => "this shop's",
            Whose::Elsewhere => "another shop's",
        };
        format!("{} rules; orders that none fits are {otherwise}", self.settings.rules.len())
    }

    fn decide(&self, order: &Traits) -> Whose {
        let fits = |rule: &&RoutingRule| {
            let [pickup, store, website, shipping] = rule.conditions().map(|(_, values)| values);
            holds(pickup, [&order.pickup_location])
                && holds(store, [&order.store, &order.view.code])
                && holds(website, [&order.view.website, &order.view.website_code])
                && holds(shipping, [&order.shipping_method])
        };
        self.settings.rules.iter().find(fits).map_or(self.settings.otherwise, |rule| rule.orders_are)
    }

    fn known_stores(&self) -> Arc<Stores> {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Does the condition hold? One without values does not ask anything.
fn holds<const N: usize>(values: &[String], held: [&Option<String>; N]) -> bool {
    let fits = |value: &String, held: &String| match value.strip_suffix('*') {
        Some(beginning) => held.starts_with(beginning),
        None => held == value,
    };
    values.is_empty()
        || values.iter().any(|value| held.iter().any(|held| held.as_ref().is_some_and(|it| fits(value, it))))
}

impl Traits {
    fn of(order: &Value, stores: &Stores) -> Self {
        let store = store_of(order);
        Self {
            pickup_location: said(order, "/extension_attributes/pickup_location_code"),
            shipping_method: said(order, "/extension_attributes/shipping_assignments/0/shipping/method"),
            view: store.as_ref().and_then(|store| stores.get(store)).cloned().unwrap_or_default(),
            store,
        }
    }
}

fn store_of(order: &Value) -> Option<String> {
    said(order, "/store_id")
}

/// A text or a number that says something.
fn said(order: &Value, place: &str) -> Option<String> {
    let word = Word::deserialize(order.pointer(place)?).ok()?;
    Some(word.0).filter(|word| !word.is_empty())
}

impl Magento {
    /// Whose each of these orders is.
    ///
    /// # Errors
    /// When the rules speak of codes that cannot be looked up.
    pub(super) async fn whose(&self, raw: &[Value]) -> Result<Vec<Whose>, StoreError> {
        let Some(routing) = &self.routing else { return Ok(vec![Whose::Mine; raw.len()]) };
        let stores = if routing.asks_for_codes() { self.stores_of(routing, raw).await? } else { Arc::default() };
        Ok(raw.iter().map(|order| routing.decide(&Traits::of(order, &stores))).collect())
    }

    async fn stores_of(&self, routing: &Routing, raw: &[Value]) -> Result<Arc<Stores>, StoreError> {
        let known = routing.known_stores();
        let mut stores = raw.iter().filter_map(store_of);
        if stores.all(|store| known.contains_key(&store)) {
            return Ok(known);
        }
        let views: Vec<StoreView> = self.client.ask(&self.get(DOING, "/store/storeViews")).await?;
        let websites: Vec<Website> = self.client.ask(&self.get(DOING, "/store/websites")).await?;
        let view = |view: StoreView| {
            let website = websites.iter().find(|website| website.id == view.website_id);
            let (code, website_code) = (Some(view.code), website.map(|website| website.code.clone()));
            (view.id.0, View { code, website: Some(view.website_id.0), website_code })
        };
        let mut found: Stores = views.into_iter().map(view).collect();
        for store in raw.iter().filter_map(store_of) {
            found.entry(store).or_default();
        }
        let found = Arc::new(found);
        routing.stores.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&found);
        Ok(found)
    }
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
