//! Trying everything that the agent will need of a WooCommerce store, one line each.
//!
//! Promises: changes nothing. Rights to write are tried with an empty batch and with a note for an order that no shop has
//! (the key's permissions and the user's rights are looked at first). Does not promise that a write will succeed, only
//! that the key may try.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::WooCommerce;
use super::wire::Trouble;
use crate::central::client::{Call, Reply, local_time};
use crate::ports::{CheckLine, StoreError};

/// Clocks further apart than this confuse people who compare logs; the agent itself goes by the store's times.
const SKEW: SignedDuration = SignedDuration::from_secs(120);
/// The first version that knows `modified_after`, without which every round would read all orders.
const LEAST_VERSION: (u64, u64) = (5, 8);

impl WooCommerce {
    /// All lines; later ones are left out when orders cannot be read at all.
    pub(super) async fn check_all(&self) -> Vec<CheckLine> {
        let orders = self.get("reading orders", "/orders?status=any&per_page=1&_fields=id");
        let reply = match self.client.send(&orders).await {
            Ok(reply) => reply,
            Err(why) => return vec![failed("the shop over HTTPS", &why)],
        };
        let mut lines = vec![
            fine("the shop over HTTPS", format!("{} answers", self.client.host())),
            clock(reply.date, local_time()),
            self.listed("sign in and read orders", &orders, &reply),
        ];
        if lines.iter().any(|line| !line.ok && line.what.starts_with("sign in")) {
            lines.extend(self.plain_permalinks(&reply).await);
            return lines;
        }
        let products = self.get("looking up products", "/products?per_page=1&_fields=id");
        lines.push(self.read("read products and stock", &products).await);
        lines.push(self.may_write_stock().await);
        if self.acknowledge {
            lines.push(self.may_write_notes().await);
        }
        lines.push(self.manages_stock().await);
        lines.push(self.version().await);
        lines.extend(self.statuses().await);
        lines
    }

    fn listed(&self, what: &str, call: &Call, reply: &Reply) -> CheckLine {
        match self.client.read::<Vec<Value>>(call, reply) {
            Ok(_) => fine(what, reply.total.map_or_else(|| "yes".into(), |total| format!("{total} in the store"))),
            Err(why) => failed(what, &why),
        }
    }

    async fn read(&self, what: &str, call: &Call) -> CheckLine {
        match self.client.send(call).await {
            Ok(reply) => self.listed(what, call, &reply),
            Err(why) => failed(what, &why),
        }
    }

    /// With plain permalinks `/wp-json/` is a page that is not found, and the interface answers under another address.
    async fn plain_permalinks(&self, reply: &Reply) -> Option<CheckLine> {
        if reply.status != 404 || !reply.is_web_page() {
            return None;
        }
        let call = Call::get("looking for the REST interface", "/?rest_route=/");
        let other = self.client.send(&call).await.ok()?;
        let answers = other.is_success() && serde_json::from_slice::<Value>(&other.body).is_ok_and(|it| it.is_object());
        let found = "the shop has plain permalinks; set Settings > Permalinks to anything but \"Plain\" and save";
        answers.then(|| CheckLine { what: "permalinks".into(), ok: false, found: found.into() })
    }

    /// An empty batch changes nothing and answers with an empty list.
    async fn may_write_stock(&self) -> CheckLine {
        let what = "the right to write stock";
        let call = self.write(Method::POST, "writing stock", "/products/batch", &json!({ "update": [] }));
        match self.client.ask::<Value>(&call).await {
            Ok(_) => fine(what, "yes (tried with a request that changes nothing)".into()),
            Err(why) => failed(what, &why),
        }
    }

    async fn may_write_notes(&self) -> CheckLine {
        let what = "the right to write notes into orders";
        let body = json!({ "note": "check", "customer_note": false });
        let call = self.write(Method::POST, "writing a note", "/orders/0/notes", &body);
        match self.client.send(&call).await {
            Ok(reply) if reply.status == 404 && Trouble::read(&reply.body).is_not_there() => {
                fine(what, "yes (tried with a request that changes nothing)".into())
            }
            Ok(reply) => failed(what, &self.client.refusal(&call, &reply)),
            Err(why) => failed(what, &why),
        }
    }

    /// Without it nothing is counted, and every item would be reported one by one.
    async fn manages_stock(&self) -> CheckLine {
        #[derive(Deserialize)]
        struct Setting {
            value: Value,
        }
        let what = "stock management in WooCommerce";
        let call = self.get("reading a setting", "/settings/products/woocommerce_manage_stock?_fields=id,value");
        match self.client.ask::<Setting>(&call).await {
            Ok(Setting { value }) if value == "yes" => fine(what, "on".into()),
            Ok(_) => {
                let found =
                    "it is off; tick WooCommerce > Settings > Products > Inventory > \"Enable stock management\"";
                CheckLine { what: what.into(), ok: false, found: found.into() }
            }
            Err(_) => fine(what, "the key's user may not look at settings; see that it is on".into()),
        }
    }

    async fn version(&self) -> CheckLine {
        let what = "version";
        let call = self.get("asking for the version", "/system_status?_fields=environment");
        let Ok(status) = self.client.ask::<Value>(&call).await else {
            let (major, minor) = LEAST_VERSION;
            return fine(what, format!("the key's user may not ask; WooCommerce {major}.{minor} is the least"));
        };
        let told = |name: &str| status["environment"][name].as_str().unwrap_or("?").to_owned();
        let (shop, wordpress) = (told("version"), told("wp_version"));
        let found = format!("WooCommerce {shop}, WordPress {wordpress}");
        let mut parts = shop.split('.').map(|part| part.parse::<u64>().ok());
        let is_old = matches!((parts.next(), parts.next()), (Some(Some(major)), Some(Some(minor))) if (major, minor) < LEAST_VERSION);
        if is_old {
            let (major, minor) = LEAST_VERSION;
            let found = format!("{found}; {major}.{minor} is the least: have it updated");
            return CheckLine { what: what.into(), ok: false, found };
        }
        fine(what, found)
    }

    /// Are the statuses that we are to set registered in the shop?
    async fn statuses(&self) -> Option<CheckLine> {
        #[derive(Deserialize)]
        struct Status {
            slug: String,
        }
        let what = "order statuses to set";
        if self.policy.own_statuses.is_empty() {
            return None;
        }
        let call = self.get("reading the order statuses", "/reports/orders/totals?_fields=slug");
        let known: Vec<Status> = match self.client.ask(&call).await {
            Ok(known) => known,
            Err(why) => return Some(failed(what, &why)),
        };
        let missing: Vec<&str> = self.policy.own_statuses.iter().map(String::as_str).collect();
        let missing: Vec<&str> =
            missing.into_iter().filter(|own| !known.iter().any(|status| status.slug == *own)).collect();
        Some(if missing.is_empty() {
            fine(what, self.policy.own_statuses.join(", "))
        } else {
            let found = format!("the shop has no status {}; orders will get a note only", missing.join(", "));
            CheckLine { what: what.into(), ok: false, found }
        })
    }
}

fn clock(store: Option<Timestamp>, ours: Timestamp) -> CheckLine {
    let what = "clocks";
    let Some(store) = store else { return fine(what, "the store does not tell its time".into()) };
    let skew = store.duration_since(ours);
    if skew.abs() <= SKEW {
        return fine(what, format!("the store's and this PC's agree within {} s", skew.abs().as_secs() + 1));
    }
    let (seconds, side) = (skew.abs().as_secs(), if skew.is_negative() { "ahead of" } else { "behind" });
    let found =
        format!("this PC's clock is {seconds} s {side} the store's; set it right (Windows: Date & time > Sync now)");
    CheckLine { what: what.into(), ok: false, found }
}

fn fine(what: &str, found: String) -> CheckLine {
    CheckLine { what: what.into(), ok: true, found }
}

fn failed(what: &str, why: &StoreError) -> CheckLine {
    CheckLine { what: what.into(), ok: false, found: why.to_string() }
}
