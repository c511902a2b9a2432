//! Trying everything that the agent will need of a Magento store, one line each.
//!
//! Promises: changes nothing. Rights to write are tried with requests that must fail for another reason: an empty list,
//! an order number and an SKU that no shop has (Magento looks at the rights first, observed). When some requests get
//! in, one that is refused names the right that is missing; when none does, the first line names why. A signature that
//! the store finds wrong is tried again as a proxy would make Magento see the address: if that passes, it is the proxy.
//! Does not promise that a write will succeed, only that the agent may try.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::documents::Kind;
use super::query::Search;
use super::routing::Routing;
use super::wire::Said;
use super::{Keeping, Magento, refusal};
use crate::central::client::{Call, Reply, encoded, local_time};
use crate::ports::{CheckLine, StoreError};

/// Clocks further apart than this confuse people who compare logs; the agent itself goes by the store's times.
const SKEW: SignedDuration = SignedDuration::from_secs(120);
/// An SKU that no shop has.
const NO_SKU: &str = "tillbridge-check-no-such-sku";
/// The first thing tried.
const SIGN_IN: &str = "sign in and read orders";
/// How the store keeps its stock.
const KEEPING: &str = "how the store keeps its stock";
/// Ways in which something in front of the shop lets Magento see another address than the one that was called.
const SEEN_AS: [(SeenAs, &str); 3] = [
    (
        hide_https,
        "as if it were called over plain http: a proxy in front of it hides HTTPS. Let the proxy send \
                  \"X-Forwarded-Proto: https\", and enter that header as \"Offloader header\"",
    ),
    (
        hide_port,
        "without the port: the web server does not tell Magento the port of `url`. Let it pass on the Host header as \
                 it came",
    ),
    (
        hide_both,
        "as if it were called over plain http and without the port: what stands in front of it hides both. Let it \
                 pass on the Host header and send \"X-Forwarded-Proto: https\", and enter that header as \"Offloader header\"",
    ),
];

/// Changes the address that was called into the one that Magento sees.
type SeenAs = fn(&mut Url);

/// Something that was tried.
struct Try {
    what: &'static str,
    call: Call,
    /// Must it fail, for another reason than the right?
    write: bool,
    reply: Result<Reply, StoreError>,
}

impl Try {
    /// Did the store let us in? (Whoever is let in without a right is told that the right is missing.)
    fn got_in(&self) -> bool {
        let Ok(reply) = &self.reply else { return false };
        !reply.is_web_page() && (reply.is_success() || self.write && self.failed_as_it_must(reply))
    }

    fn failed_as_it_must(&self, reply: &Reply) -> bool {
        matches!(reply.status, 400 | 404) && Said::read(&reply.body).message.is_some()
    }
}

impl Magento {
    /// All lines; later ones are left out when the store cannot be reached at all, or nothing lets us in.
    pub(super) async fn check_all(&self) -> Vec<CheckLine> {
        let search = Search::new(1, "items[entity_id],total_count").query();
        let orders = self.get("reading orders", &format!("/orders?{search}"));
        let first = match self.client.send(&orders).await {
            Ok(reply) => reply,
            Err(why) => return vec![failed("the shop over HTTPS", &why)],
        };
        let mut lines = vec![
            fine("the shop over HTTPS", format!("{} answers", self.client.host())),
            self.clock(first.date, local_time()),
        ];
        if first.is_web_page() || refusal::is_about_signing(&first) {
            lines.push(self.not_let_in(&orders, &first).await);
            return lines;
        }
        let mut tries = vec![Try { what: SIGN_IN, call: orders, write: false, reply: Ok(first) }];
        let asked = self.keeping_call();
        let reply = self.client.send(&asked).await;
        let keeping = match &reply {
            Ok(reply) => self.keeping_said(&asked, reply).ok(),
            Err(_) => None,
        };
        tries.push(Try { what: KEEPING, call: asked, write: false, reply });
        if let Some(keeping) = keeping {
            for (what, call, write) in self.wanted(keeping) {
                let reply = self.client.send(&call).await;
                tries.push(Try { what, call, write, reply });
            }
        }
        let anything_got_in = tries.iter().any(Try::got_in);
        lines.extend(tries.iter().map(|one| self.line(one, anything_got_in)));
        lines.extend(self.routing.as_ref().map(|routing| fine("which orders are this shop's", routing.shown())));
        lines
    }

    /// What the agent will do, as requests that change nothing, whoever sends them.
    fn wanted(&self, keeping: Keeping) -> Vec<(&'static str, Call, bool)> {
        let read = |(what, call)| (what, call, false);
        let write = |(what, call)| (what, call, true);
        self.reads(keeping).into_iter().map(read).chain(self.writes(keeping).into_iter().map(write)).collect()
    }

    fn line(&self, tried: &Try, anything_got_in: bool) -> CheckLine {
        let Try { what, call, write, reply } = tried;
        let reply = match reply {
            Ok(reply) => reply,
            Err(why) => return failed(what, why),
        };
        if *what == KEEPING {
            match (self.keeping_said(call, reply), refusal::right_refused(reply)) {
                (Ok(keeping), _) => return fine(what, self.shown(keeping)),
                (Err(why), None) => return failed(what, &why),
                (Err(_), Some(_)) => {}
            }
        }
        match refusal::right_refused(reply) {
            Some(right) if anything_got_in => {
                CheckLine { what: (*what).into(), ok: false, found: refusal::lacks(&right) }
            }
            Some(_) if *what != SIGN_IN => {
                CheckLine { what: (*what).into(), ok: false, found: format!("refused like \"{SIGN_IN}\" above") }
            }
            _ if *write && tried.failed_as_it_must(reply) => {
                fine(what, "yes (tried with a request that changes nothing)".into())
            }
            _ if *write => failed(what, &self.client.refusal(call, reply)),
            _ => self.read_line(what, call, reply),
        }
    }

    /// The first request was refused by something that has nothing to do with rights.
    async fn not_let_in(&self, call: &Call, reply: &Reply) -> CheckLine {
        let why = self.client.refusal(call, reply);
        if reply.is_web_page() {
            let maintenance = matches!(reply.status, 500..).then_some(
                ". Whoever runs the shop can see and end maintenance with bin/magento maintenance:status and \
                 maintenance:disable, or let this shop through meanwhile with maintenance:allow-ips",
            );
            let found = format!("{why}{}", maintenance.unwrap_or_default());
            return CheckLine { what: SIGN_IN.into(), ok: false, found };
        }
        for (seen_as, words) in SEEN_AS {
            let passed = self.client.send_signed_as(call, seen_as).await;
            if passed.is_ok_and(|reply| reply.is_success() && !reply.is_web_page()) {
                let found = format!(
                    "the four values are right, but Magento sees this request {words} (Stores > Configuration > General > \
                     Web > Base URLs (Secure)), or sign in with a token"
                );
                return CheckLine { what: SIGN_IN.into(), ok: false, found };
            }
        }
        failed(SIGN_IN, &why)
    }

    fn reads(&self, keeping: Keeping) -> Vec<(&'static str, Call)> {
        let one = |fields| Search::new(1, fields).query();
        let stock = match keeping {
            Keeping::BySource => format!("/inventory/source-items?{}", one("items[sku],total_count")),
            Keeping::PerProduct => "/stockItems/lowStock?scopeId=0&qty=0&currentPage=1&pageSize=1".into(),
        };
        let news = |what, kind: Kind| {
            (what, self.get(what, &format!("{}?{}", kind.route(), one("items[entity_id],total_count"))))
        };
        let mut calls = vec![
            ("read stock", self.get("reading stock", &stock)),
            (
                "look up products",
                self.get("looking up products", &format!("/products?{}", one("items[sku],total_count"))),
            ),
            news("read shipments", Kind::Shipments),
            news("read credit memos", Kind::Creditmemos),
        ];
        if self.routing.as_ref().is_some_and(Routing::asks_for_codes) {
            calls.push(("look up store views", self.get("looking up store views", "/store/storeViews")));
            calls.push(("look up websites", self.get("looking up websites", "/store/websites")));
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
        if self.acknowledge {
            let body = json!({ "statusHistory": { "comment": "check" } });
            let call = self.write(Method::POST, "writing a comment", "/orders/0/comments", &body);
            calls.push(("the right to comment on orders", call));
        }
        calls
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

    fn clock(&self, store: Option<Timestamp>, ours: Timestamp) -> CheckLine {
        let what = "clocks";
        let Some(store) = store else { return fine(what, "the store does not tell its time".into()) };
        let skew = store.duration_since(ours);
        if skew.abs() <= SKEW {
            let apart = skew.abs().as_secs() + 1;
            return fine(what, format!("the store's and this PC's agree within {apart} s"));
        }
        let (seconds, side) = (skew.abs().as_secs(), if skew.is_negative() { "ahead of" } else { "behind" });
        let meanwhile = match self.client.authorization().clock_ahead() {
            0 => "",
            _ => "; until then requests are signed with the store's time",
        };
        let found = format!(
            "this PC's clock is {seconds} s {side} the store's; set it right (Windows: Date & time > Sync now){meanwhile}"
        );
        CheckLine { what: what.into(), ok: false, found }
    }
}

fn hide_https(url: &mut Url) {
    // Only an address without a host could refuse it.
    let _unchanged = url.set_scheme("http");
}

fn hide_port(url: &mut Url) {
    let _unchanged = url.set_port(None);
}

fn hide_both(url: &mut Url) {
    hide_port(url);
    hide_https(url);
}

fn fine(what: &str, found: String) -> CheckLine {
    CheckLine { what: what.into(), ok: true, found }
}

fn failed(what: &str, why: &StoreError) -> CheckLine {
    CheckLine { what: what.into(), ok: false, found: why.to_string() }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
