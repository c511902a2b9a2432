//! Telling the store how far an order has come: a comment in the order, and an order status of the shop's own.
//!
//! Promises: each message is written once, even if an answer was lost: it carries a mark, and the order's comments
//! are read before every attempt (the same body twice is two comments, observed). Customers do not see it. A status of
//! somebody else's is never replaced, and where the store does not take ours, the comment is written all the same.
//! Does not promise more than that for a request that the store carries out long after we gave up on it and tried again.

use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Magento;
use super::learned::StatusFate;
use super::wire::{Commented, Said};
use crate::central::client::{Call, Reply, encoded};
use crate::domain::retry::FailureClass;
use crate::ports::{Acknowledgement, Stage, StoreError};

/// Characters of the mark; a fifth of a SHA-256 is unique within one order.
const MARK: usize = 12;
/// Most characters of the till's words that are repeated.
const REFERENCE: usize = 200;

impl Magento {
    /// Ships the order if that is wished, and notes in it what became of it.
    pub(super) async fn tell(&self, said: &Acknowledgement) -> Result<(), StoreError> {
        let shipped = if self.ships_on(said.stage) { self.ship(said).await } else { Ok(()) };
        // Shipped first, because shipping gives the order another state with a status of its own. What the store will not
        // ship is noted all the same.
        if let Err(error) = &shipped
            && error.class == FailureClass::Transient
        {
            return shipped;
        }
        self.note_in_order(said).await?;
        shipped
    }

    /// That an order lies before the till is worth a status, and no comment.
    pub(super) fn comments_on(&self, stage: Stage) -> bool {
        self.acknowledge && stage != Stage::Published
    }

    pub(super) fn ships_on(&self, stage: Stage) -> bool {
        self.ship_when_taken && stage == Stage::Consumed
    }

    /// The status that the shop wants for this.
    pub(super) fn status_for(&self, stage: Stage) -> Option<&str> {
        let status = match stage {
            Stage::Published => &self.statuses.published,
            Stage::Consumed => &self.statuses.consumed,
            Stage::Rejected => &self.statuses.rejected,
            Stage::Failed => &self.statuses.failed,
        };
        status.as_deref()
    }

    /// Writes the comment, unless it is there, with the status, if it may.
    async fn note_in_order(&self, said: &Acknowledgement) -> Result<(), StoreError> {
        let (comments, wanted) = (self.comments_on(said.stage), self.status_for(said.stage));
        if !comments && wanted.is_none() {
            return Ok(());
        }
        let mark = mark(&said.idempotency_key);
        let text = format!("{} {mark}", sentence(said));
        let Some(present) = self.status_unless_noted(said, &mark).await? else { return Ok(()) };
        if let Some(wanted) = wanted
            && let Some(before) = present.as_deref().filter(|before| *before != wanted && self.may_replace(before))
            && self.set_status(said, &text, before, wanted).await?
        {
            return Ok(());
        }
        if comments { self.comment_with_present(said, &text, &mark, present).await } else { Ok(()) }
    }

    /// An order's own workflow status is not ours to overwrite.
    fn may_replace(&self, present: &str) -> bool {
        self.statuses.replace.iter().any(|known| known == present) || self.statuses.set().any(|(_, own)| own == present)
    }

    /// Writes the comment with another status than the order has. `false`: the store does not take that status, and
    /// nothing was written.
    async fn set_status(
        &self,
        said: &Acknowledgement,
        text: &str,
        before: &str,
        wanted: &str,
    ) -> Result<bool, StoreError> {
        let (call, reply) = self.comment(said, text, Some(wanted)).await?;
        if reply.status == 400 && !reply.is_web_page() {
            let words = Said::read(&reply.body).message.unwrap_or_default();
            // Placeholders are filled in, so a refusal of the status names it, in every language.
            return if words.contains(wanted) {
                self.note_status(wanted, StatusFate::Refused);
                Ok(false)
            } else {
                Err(self.client.refusal(&call, &reply))
            };
        }
        self.taken(&call, &reply)?;
        // The first 2.4.7 takes the comment and leaves the status as it was (magento2#38659).
        let is_still = self.present_status(said).await?.as_deref() == Some(before);
        self.note_status(wanted, if is_still { StatusFate::Ignored } else { StatusFate::Taken });
        Ok(true)
    }

    async fn comment_with_present(
        &self,
        said: &Acknowledgement,
        text: &str,
        mark: &str,
        present: Option<String>,
    ) -> Result<(), StoreError> {
        // Before 2.4.7 a comment without a status empties the order's status and takes it out of the admin's list
        // (magento2#34180); 2.4.7 refuses one that is not the present status (observed). So: the present one.
        let (call, reply) = self.comment(said, text, present.as_deref()).await?;
        if reply.status != 400 {
            return self.taken(&call, &reply);
        }
        // It may have moved on between reading and writing.
        let Some(status) = self.status_unless_noted(said, mark).await? else { return Ok(()) };
        let (call, reply) = self.comment(said, text, status.as_deref()).await?;
        if reply.status != 400 {
            return self.taken(&call, &reply);
        }
        let (call, reply) = self.comment(said, text, None).await?;
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

    async fn present_status(&self, said: &Acknowledgement) -> Result<Option<String>, StoreError> {
        let route = format!("/orders/{}?fields=status", encoded(&said.order.0));
        let call = self.get(&format!("reading the status of order {}", said.number), &route);
        Ok(self.client.ask::<Commented>(&call).await?.status)
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

/// What comment and shipment are recognised by.
pub(super) fn mark(key: &str) -> String {
    let hash: String = Sha256::digest(key.as_bytes()).iter().take(MARK / 2).map(|byte| format!("{byte:02x}")).collect();
    format!("[tillbridge:{hash}]")
}

/// The comment for the shop's staff. Magento keeps no character outside of the basic plane (observed: an emoji becomes
/// question marks) and stores HTML as sent, so neither is sent.
pub(super) fn sentence(said: &Acknowledgement) -> String {
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
