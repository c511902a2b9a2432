//! Trying everything that the agent will need of a Magento store, one line each.
//!
//! Promises: changes nothing. Rights to write are tried with requests that must fail for another reason: an empty list,
//! an order number and an SKU that no shop has (Magento looks at the rights first, observed). Does not promise that a
//! write will succeed, only that the token may try.

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use super::query::Search;
use super::wire::Said;
use super::{Keeping, Magento};
use crate::central::client::{Call, Reply, encoded, local_time};
use crate::ports::{CheckLine, StoreError};

/// Clocks further apart than this confuse people who compare logs; the agent itself goes by the store's times.
const SKEW: SignedDuration = SignedDuration::from_secs(120);
/// An SKU that no shop has.
const NO_SKU: &str = "tillbridge-check-no-such-sku";

impl Magento {
    /// All lines; later ones are left out when the store cannot be reached at all.
    pub(super) async fn check_all(&self) -> Vec<CheckLine> {
        let search = Search::new(1, "items[entity_id],total_count").query();
        let orders = self.get("reading orders", &format!("/orders?{search}"));
        let mut lines = Vec::new();
        let reply = match self.client.send(&orders).await {
            Ok(reply) => reply,
            Err(why) => return vec![failed("the shop over HTTPS", &why)],
        };
        lines.push(fine("the shop over HTTPS", format!("{} answers", self.client.host())));
        lines.push(clock(reply.date, local_time()));
        lines.push(self.read_line("sign in and read orders", &orders, &reply));
        let keeping = match self.find_keeping().await {
            Ok((keeping, _)) => keeping,
            Err(why) => {
                lines.push(failed("how the store keeps its stock", &why));
                return lines;
            }
        };
        lines.push(fine("how the store keeps its stock", self.shown(keeping)));
        for (what, call) in self.reads(keeping) {
            lines.push(self.read(what, &call).await);
        }
        for (what, call) in self.writes(keeping) {
            lines.push(self.may_write(what, &call).await);
        }
        lines.extend(self.check_reservations(keeping).await);
        lines.extend(self.check_statuses());
        lines
    }

    fn reads(&self, keeping: Keeping) -> Vec<(&'static str, Call)> {
        let one = |fields| Search::new(1, fields).query();
        let stock = match keeping {
            Keeping::BySource => format!("/inventory/source-items?{}", one("items[sku],total_count")),
            Keeping::PerProduct => "/stockItems/lowStock?scopeId=0&qty=0&currentPage=1&pageSize=1".into(),
        };
        let mut calls = vec![
            ("read stock", self.get("reading stock", &stock)),
            (
                "look up products",
                self.get("looking up products", &format!("/products?{}", one("items[sku],total_count"))),
            ),
        ];
        if self.ship_when_taken {
            let route = format!("/shipments?{}", one("items[entity_id],total_count"));
            calls.push(("read shipments", self.get("reading shipments", &route)));
        }
        if keeping == Keeping::BySource {
            let route = format!("/inventory/sources/{}", encoded(&self.source));
            calls.insert(0, ("the shop's source", self.get("looking up the source", &route)));
        }
        calls
    }

    /// Requests that change nothing, whoever sends them.
    fn writes(&self, keeping: Keeping) -> Vec<(&'static str, Call)> {
        let stock = match keeping {
            Keeping::BySource => {
                self.write(Method::POST, "writing stock", "/inventory/source-items", &json!({ "sourceItems": [] }))
            }
            Keeping::PerProduct => {
                let route = format!("/products/{NO_SKU}/stockItems/1");
                self.write(Method::PUT, "writing stock", &route, &json!({ "stockItem": { "qty": 0 } }))
            }
        };
        let mut calls = vec![("the right to write stock", stock)];
        if self.ship_when_taken {
            let call = self.write(Method::POST, "shipping an order", "/order/0/ship", &json!({}));
            calls.push(("the right to ship orders", call));
        }
        if self.acknowledge || self.statuses.set().next().is_some() {
            let body = json!({ "statusHistory": { "comment": "check" } });
            let call = self.write(Method::POST, "writing a comment", "/orders/0/comments", &body);
            calls.push(("the right to comment on orders", call));
        }
        calls
    }

    async fn read(&self, what: &str, call: &Call) -> CheckLine {
        match self.client.send(call).await {
            Ok(reply) => self.read_line(what, call, &reply),
            Err(why) => failed(what, &why),
        }
    }

    fn read_line(&self, what: &str, call: &Call, reply: &Reply) -> CheckLine {
        match self.client.read::<Value>(call, reply) {
            Ok(answer) => {
                let count = answer.get("total_count").map(|count| format!("{count} in the store"));
                let name =
                    answer.get("name").and_then(Value::as_str).map(|name| format!("{:?} ({})", name, self.source));
                fine(what, count.or(name).unwrap_or_else(|| "yes".into()))
            }
            Err(why) => failed(what, &why),
        }
    }

    async fn may_write(&self, what: &str, call: &Call) -> CheckLine {
        match self.client.send(call).await {
            Ok(reply) if matches!(reply.status, 400 | 404) && Said::read(&reply.body).message.is_some() => {
                fine(what, "yes (tried with a request that changes nothing)".into())
            }
            Ok(reply) => failed(what, &self.client.refusal(call, &reply)),
            Err(why) => failed(what, &why),
        }
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
