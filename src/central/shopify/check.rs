//! Trying everything that the agent will need of a Shopify store, one line each; and finding the shop's location.
//!
//! Promises: changes nothing; names each scope that is missing. Does not promise that a write will succeed, only that the
//! app may try: nothing in Shopify's interface can be written without changing something.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::wire::{ApiVersion, Location, Locations, Shop};
use super::{Shopify, documents, permanent};
use crate::central::client::local_time;
use crate::ports::{CheckLine, StoreError};

/// Clocks further apart than this confuse people who compare logs; the agent itself goes by the store's times.
const SKEW: SignedDuration = SignedDuration::from_secs(120);
/// Pages of locations; Shopify's largest plans have a thousand locations.
const MOST_PAGES: usize = 50;
/// What is always needed: the scope, or the one that contains it, and for what.
const NEEDED: [(&str, &str, &str); 6] = [
    ("read_orders", "write_orders", "to read orders"),
    (
        "read_merchant_managed_fulfillment_orders",
        "write_merchant_managed_fulfillment_orders",
        "to see which location sends what",
    ),
    ("read_products", "write_products", "to find SKUs"),
    ("read_inventory", "write_inventory", "to read stock"),
    ("write_inventory", "write_inventory", "to write stock"),
    ("read_locations", "write_locations", "to find the shop's location"),
];

impl Shopify {
    /// Looks the shop's location up: by its name, its number or its whole key.
    pub(super) async fn find_location(&self) -> Result<Location, StoreError> {
        let all = self.locations().await?;
        let wanted = &self.wanted_location;
        let key = format!("gid://shopify/Location/{wanted}");
        let named: Vec<&Location> = all.iter().filter(|one| one.name.trim().eq_ignore_ascii_case(wanted)).collect();
        let found = all.iter().find(|one| one.id == key || one.id == *wanted);
        let found = match (found, named.as_slice()) {
            (Some(found), _) => found,
            (None, [only]) => only,
            (None, []) => {
                let names: Vec<String> = all.iter().map(|one| format!("{:?}", one.name)).collect();
                let what = format!(
                    "the store has no location {wanted:?}; it has {}. Correct `shopify.location`",
                    names.join(", ")
                );
                return Err(permanent(what));
            }
            (None, [..]) => {
                let what = format!(
                    "several locations are called {wanted:?}; write the number of the right one as `shopify.location` (it stands in its page's address)"
                );
                return Err(permanent(what));
            }
        };
        if !found.is_active {
            return Err(permanent(format!(
                "the location {:?} is deactivated; activate it in Settings > Locations",
                found.name
            )));
        }
        self.seen().location = Some(found.clone());
        Ok(found.clone())
    }

    async fn locations(&self) -> Result<Vec<Location>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page: Locations =
                self.ask(&documents::LOCATIONS, "looking up the location", &json!({ "after": after })).await?;
            after = page.locations.page_info.next().cloned();
            all.extend(page.locations.nodes);
            if after.is_none() {
                break;
            }
        }
        Ok(all)
    }

    /// All lines; later ones are left out when the store cannot be reached at all.
    pub(super) async fn check_all(&self) -> Vec<CheckLine> {
        let asked = self.ask::<Shop>(&documents::SHOP, "asking the store who it is", &json!({})).await;
        let shop = match asked.map_err(StoreError::from) {
            Ok(shop) => shop,
            Err(why) => return vec![failed("the store over HTTPS, and the token", &why)],
        };
        let name = format!("{} ({})", shop.shop.name, shop.shop.myshopify_domain);
        let mut lines = vec![fine("the store over HTTPS, and the token", name)];
        lines.push(clock(self.seen().clock, local_time()));
        lines.push(self.version_line(&shop.public_api_versions));
        let granted: Vec<&str> =
            shop.current_app_installation.access_scopes.iter().map(|scope| scope.handle.as_str()).collect();
        lines.extend(self.scope_lines(&granted));
        lines.push(match self.find_location().await {
            Ok(location) => fine("the shop's location", format!("{:?} ({})", location.name, location.id)),
            Err(why) => failed("the shop's location", &why),
        });
        lines.push(fine("writes", "cannot be tried without changing something".into()));
        lines
    }

    /// A version that has ended is answered as the oldest that has not.
    fn version_line(&self, known: &[ApiVersion]) -> CheckLine {
        let what = "the version of the Admin API";
        let answered = self.seen().version.clone();
        if let Some(answered) = answered.filter(|answered| *answered != self.version) {
            let found = format!(
                "{} has ended: the store answers as {answered}; update Tillbridge, or `shopify.api_version`",
                self.version
            );
            return CheckLine { what: what.into(), ok: false, found };
        }
        let ours = known.iter().find(|version| version.handle == self.version);
        match ours {
            Some(version) if version.supported => fine(what, format!("{} is supported", self.version)),
            Some(_) | None => CheckLine {
                what: what.into(),
                ok: false,
                found: format!(
                    "{} is not supported by Shopify (any more); correct `shopify.api_version`",
                    self.version
                ),
            },
        }
    }

    fn scope_lines(&self, granted: &[&str]) -> Vec<CheckLine> {
        let has = |scope: &str, or: &str| granted.contains(&scope) || granted.contains(&or);
        let mut missing: Vec<String> = NEEDED
            .iter()
            .filter(|(scope, or, _)| !has(scope, or))
            .map(|(scope, _, why)| format!("{scope} ({why})"))
            .collect();
        if self.acknowledge && !granted.contains(&"write_orders") {
            missing.push("write_orders (to tag orders; or `shopify.acknowledge = false`)".into());
        }
        let what = "the app's scopes";
        let mut lines = vec![if missing.is_empty() {
            fine(what, "all that are needed".into())
        } else {
            let found = format!("missing: {}. Give them to the app and install it again", missing.join(", "));
            CheckLine { what: what.into(), ok: false, found }
        }];
        let far = if granted.contains(&"read_all_orders") {
            "no limit (read_all_orders)"
        } else {
            "60 days: older orders cannot be read, and what becomes of them is not seen (Shopify grants read_all_orders on request)"
        };
        lines.push(fine("how far back orders can be read", far.into()));
        lines
    }
}

fn clock(store: Option<Timestamp>, ours: Timestamp) -> CheckLine {
    let what = "clocks";
    let Some(store) = store else { return fine(what, "the store does not tell its time".into()) };
    let skew = store.duration_since(ours);
    let found = format!("the store's and this PC's are {} s apart", skew.abs().as_secs());
    let ok = skew.abs() <= SKEW;
    let remedy = if ok { "" } else { "; set this PC's clock right (Windows: Date & time > Sync now)" };
    CheckLine { what: what.into(), ok, found: format!("{found}{remedy}") }
}

fn fine(what: &str, found: String) -> CheckLine {
    CheckLine { what: what.into(), ok: true, found }
}

fn failed(what: &str, why: &StoreError) -> CheckLine {
    CheckLine { what: what.into(), ok: false, found: why.to_string() }
}
