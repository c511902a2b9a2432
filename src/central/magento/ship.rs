//! Shipping an order when the till has taken it, where the shop wishes that.
//!
//! Promises: an order is shipped once: what is open and which shipments there are is read before every attempt, ours
//! carries a mark in its comment, and Magento itself ships no unit twice (it refuses or cuts what is more than is left,
//! observed). All units that are open leave from this shop's source under MSI; without MSI none is named, which is
//! refused there (observed). Orders with nothing to ship are passed over. Does not promise a parcel: no tracking number is
//! sent and no customer is written to.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::note::{mark, sentence};
use super::query::{Search, filter};
use super::wire::{Row, Said, Word};
use super::{Keeping, Magento, order, permanent};
use crate::central::client::encoded;
use crate::central::settings::Whose;
use crate::domain::order::OrderLine;
use crate::domain::retry::FailureClass;
use crate::ports::{Acknowledgement, StoreError};

/// Shipments of one order that are looked through.
const SHIPMENTS: usize = 100;

/// An order, as far as shipping it goes.
#[derive(Debug, Deserialize)]
struct ToShip {
    state: Option<String>,
    items: Option<Vec<Row>>,
}

/// A shipment.
#[derive(Debug, Deserialize)]
struct Shipment {
    comments: Option<Vec<super::wire::Comment>>,
}

/// May an order be shipped?
enum Standing {
    /// Something is open.
    Open,
    /// Nothing is open, or nothing ever was.
    Over,
    /// Something is open, and may not be shipped now.
    NotNow(&'static str),
}

impl Magento {
    /// Ships what is open, unless we have.
    pub(super) async fn ship(&self, said: &Acknowledgement) -> Result<(), StoreError> {
        match self.standing(said).await? {
            Standing::Over => return Ok(()),
            Standing::NotNow(why) => return Err(not_now(said, why)),
            Standing::Open => {}
        }
        let mark = mark(&said.idempotency_key);
        if !self.is_all_ours(said).await? || self.has_shipped(said, &mark).await? {
            return Ok(());
        }
        let arguments = match self.keeping().await? {
            Keeping::BySource => json!({ "extension_attributes": { "source_code": self.source } }),
            Keeping::PerProduct => json!({}),
        };
        let comment = json!({ "comment": format!("{} {mark}", sentence(said)), "is_visible_on_front": 0 });
        // Without items all that is open is shipped (observed), bundles in their own way.
        let mut body = json!({ "notify": false, "appendComment": true, "comment": comment });
        if arguments.get("extension_attributes").is_some() {
            body["arguments"] = arguments;
        }
        let route = format!("/order/{}/ship", encoded(&said.order.0));
        let call = self.write(Method::POST, &format!("shipping order {}", said.number), &route, &body);
        let reply = self.client.send(&call).await?;
        if reply.status == 400 && !reply.is_web_page() {
            let refusal = self.client.refusal(&call, &reply);
            let words = Said::read(&reply.body).message.unwrap_or_default();
            return self.unless_shipped(said, &mark, &words, refusal).await;
        }
        // The shipment's number, as a text (observed).
        self.client.read::<Word>(&call, &reply)?;
        if let Standing::Open = self.standing(said).await? {
            tracing::warn!(order.number = said.number, "the web store shipped only a part of the order");
        }
        Ok(())
    }

    /// A refusal counts unless somebody has shipped the order meanwhile: a request of ours that was given up, or staff.
    async fn unless_shipped(
        &self,
        said: &Acknowledgement,
        mark: &str,
        words: &str,
        refusal: StoreError,
    ) -> Result<(), StoreError> {
        if matches!(self.standing(said).await?, Standing::Over) || self.has_shipped(said, mark).await? {
            return Ok(());
        }
        let from = match self.keeping().await? {
            Keeping::BySource => format!("does the source {} hold as much as was ordered?", self.source),
            Keeping::PerProduct => "is the order's payment through?".to_owned(),
        };
        let words = words.replace('\n', " ");
        let what = format!(
            "shipping order {}: the store refused it ({words}); {from} It is tried again, or ship it by hand",
            said.number
        );
        Err(StoreError { what, class: FailureClass::Permanent, ..refusal })
    }

    /// What is open is shipped whole, so the whole has to be this shop's: not an order that went elsewhere since the till
    /// took it, nor one of which only a part left from here.
    async fn is_all_ours(&self, said: &Acknowledgement) -> Result<bool, StoreError> {
        let Ok(key) = said.order.0.parse() else { return Ok(self.routing.is_none()) };
        if self.routing.is_none() {
            return Ok(true);
        }
        let found = self.orders_by_key(&[key]).await?;
        let ours = self.whose(&found).await?.into_iter().all(|whose| whose == Whose::Mine);
        if !ours {
            tracing::warn!(
                order.number = said.number,
                "another shop fulfils the order now; it is not shipped from here"
            );
        }
        Ok(ours && !found.is_empty())
    }

    async fn standing(&self, said: &Acknowledgement) -> Result<Standing, StoreError> {
        const FIELDS: &str = "state,items[item_id,parent_item_id,product_type,sku,name,qty_ordered,qty_canceled,qty_shipped,qty_refunded,is_virtual]";
        let route = format!("/orders/{}?fields={FIELDS}", encoded(&said.order.0));
        let call = self.get(&format!("reading what is open of order {}", said.number), &route);
        let found: ToShip = self.client.ask(&call).await?;
        let lines = order::lines(found.items.as_deref().unwrap_or_default())
            .map_err(|why| permanent(format!("{}: {why}", call.doing)))?;
        if !lines.iter().any(is_open) {
            return Ok(Standing::Over);
        }
        Ok(match found.state.as_deref() {
            Some("canceled" | "closed" | "complete") => Standing::Over,
            Some("holded") => Standing::NotNow("it is on hold"),
            Some("pending_payment" | "payment_review") => Standing::NotNow("its payment is not through"),
            Some(_) | None => Standing::Open,
        })
    }

    /// Is there a shipment of ours?
    async fn has_shipped(&self, said: &Acknowledgement, mark: &str) -> Result<bool, StoreError> {
        let doing = format!("reading the shipments of order {}", said.number);
        let search = |size| {
            Search::new(size, "items[entity_id,comments[comment]],total_count").and(vec![filter(
                "order_id",
                "eq",
                said.order.0.as_str(),
            )])
        };
        let found = self.list::<Shipment>(&doing, "/shipments", SHIPMENTS, search).await?;
        let comments = found.items.unwrap_or_default().into_iter().flat_map(|one| one.comments.unwrap_or_default());
        Ok(comments.into_iter().any(|one| one.comment.is_some_and(|text| text.contains(mark))))
    }
}

/// As Magento counts it: a refund of units that were not shipped takes from what can be shipped.
fn is_open(line: &OrderLine) -> bool {
    line.takes_stock && (line.ordered - line.cancelled - line.shipped.max(line.refunded)).is_positive()
}

fn not_now(said: &Acknowledgement, why: &str) -> StoreError {
    permanent(format!(
        "shipping order {}: {why} in the web store, though the till has taken it; release it there, or ship it by hand",
        said.number
    ))
}
