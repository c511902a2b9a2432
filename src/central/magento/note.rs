//! Telling the store how far an order has come: a comment in the order.
//!
//! Promises: each message is written once, even if an answer was lost: it carries a mark, and the order's comments
//! are read before every attempt (the same body twice is two comments, observed). Customers do not see it.
//! Does not promise more than that for a request that the store carries out long after we gave up on it and tried again.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Magento;
use super::wire::{Commented, Said};
use crate::central::client::{Call, Reply, encoded};
use crate::ports::{Acknowledgement, Stage, StoreError};

/// Characters of the mark; a fifth of a SHA-256 is unique within one order.
const MARK: usize = 12;
/// Most characters of the till's words that are repeated.
const REFERENCE: usize = 200;

impl Magento {
    /// Writes the comment, unless it is there.
    pub(super) async fn note_in_order(&self, said: &Acknowledgement) -> Result<(), StoreError> {
        let mark = mark(&said.idempotency_key);
        let text = format!("{} {mark}", sentence(said));
        let Some(status) = self.status_unless_noted(said, &mark).await? else { return Ok(()) };
        // Before 2.4.7 a comment without a status empties the order's status and takes it out of the admin's list
        // (magento2#34180); 2.4.7 refuses one that is not the present status (observed). So: the present one.
        let (call, reply) = self.comment(said, &text, status.as_deref()).await?;
        if reply.status != 400 {
            return self.taken(&call, &reply);
        }
        // It may have moved on between reading and writing.
        let Some(status) = self.status_unless_noted(said, &mark).await? else { return Ok(()) };
        let (call, reply) = self.comment(said, &text, status.as_deref()).await?;
        if reply.status != 400 {
            return self.taken(&call, &reply);
        }
        let (call, reply) = self.comment(said, &text, None).await?;
        self.taken(&call, &reply)
    }

    /// The order's present status; nothing when the comment is there already.
    async fn status_unless_noted(
        &self,
        said: &Acknowledgement,
        mark: &str,
    ) -> Result<Option<Option<String>>, StoreError> {
        let route = format!("/orders/{}?fields=status,status_histories[comment]", encoded(&said.order.0));
        let call = self.get(&format!("reading the comments of order {}", said.number), &route);
        let order: Commented = self.client.ask(&call).await?;
        let comments = order.status_histories.unwrap_or_default();
        let noted = comments.iter().any(|one| one.comment.as_deref().is_some_and(|text| text.contains(mark)));
        Ok((!noted).then_some(order.status))
    }

    async fn comment(
        &self,
        said: &Acknowledgement,
        text: &str,
        status: Option<&str>,
    ) -> Result<(Call, Reply), StoreError> {
        let mut history = json!({ "comment": text, "is_customer_notified": 0, "is_visible_on_front": 0 });
        if let (Some(status), Some(fields)) = (status, history.as_object_mut()) {
            fields.insert("status".into(), Value::from(status));
        }
        let doing = format!("writing a comment into order {}", said.number);
        let route = format!("/orders/{}/comments", encoded(&said.order.0));
        let call = self.write(Method::POST, &doing, &route, &json!({ "statusHistory": history }));
        let reply = self.client.send(&call).await?;
        Ok((call, reply))
    }

    /// The answer is a bare `true` (observed).
    fn taken(&self, call: &Call, reply: &Reply) -> Result<(), StoreError> {
        if self.client.read::<bool>(call, reply)? {
            return Ok(());
        }
        let why = Said::read(&reply.body).message.unwrap_or_default();
        Err(super::permanent(format!("{}: the store answered that it did not take it. {why}", call.doing)))
    }
}

/// What the comment is recognised by.
fn mark(key: &str) -> String {
    let hash: String = Sha256::digest(key.as_bytes()).iter().take(MARK / 2).map(|byte| format!("{byte:02x}")).collect();
    format!("[tillbridge:{hash}]")
}

/// The comment for the shop's staff. Magento keeps no character outside of the basic plane (observed: an emoji becomes
/// question marks) and stores HTML as sent, so neither is sent.
fn sentence(said: &Acknowledgement) -> String {
    let fit = |c: &char| !c.is_control() && !matches!(c, '<' | '>') && u32::from(*c) <= 0xFFFF;
    let reference: String = said.reference.chars().filter(fit).take(REFERENCE).collect();
    let at = said.at.strftime("%Y-%m-%d %H:%M:%S UTC");
    match said.stage {
        Stage::Published => format!("This order was given to the till ({reference}, {at})."),
        Stage::Failed => format!("This order could not be given to the till ({reference}, {at})."),
        Stage::Consumed => format!("The till took this order ({reference}, {at})."),
        Stage::Rejected => format!("The till refused this order ({reference}, {at})."),
    }
}
