//! Telling the store how far an order has come: a note in the order, for staff only; and, where the shop wishes it, a
//! status of its own.
//!
//! Promises: each message is written once, even if an answer was lost: it carries a mark, and the order's notes are read
//! before every attempt. A status is set only on an order that waits in `processing` or `on-hold` (or in a status of
//! ours), and a shop that has not registered it gets the note alone. An order that is gone needs no news.
//! Does not promise more than that for a request that the store carries out long after we gave up on it; nor that staff
//! do not cancel an order in the moment between reading its status and setting one, which would undo their word: so
//! statuses are off unless they are configured.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::WooCommerce;
use super::wire::{Note, Trouble};
use crate::central::client::{Reply, encoded};
use crate::ports::{Acknowledgement, Stage, StoreError};

/// Characters of the mark.
const MARK: usize = 12;
/// Most characters of the till's words that are repeated.
const REFERENCE: usize = 200;
/// Statuses that ours may take the place of.
const WAITING: [&str; 2] = ["processing", "on-hold"];

impl WooCommerce {
    /// Writes the note, unless it is there; then sets the status, unless it is set.
    pub(super) async fn note_in_order(&self, said: &Acknowledgement) -> Result<(), StoreError> {
        let mark = mark(&said.idempotency_key);
        match self.is_noted(said, &mark).await? {
            None => return Ok(()),
            Some(true) => {}
            Some(false) => self.write_note(said, &format!("{} {mark}", sentence(said))).await?,
        }
        let status = match said.stage {
            Stage::Consumed => self.status_consumed.as_deref(),
            Stage::Rejected => self.status_rejected.as_deref(),
            Stage::Published | Stage::Failed => None,
        };
        match status {
            Some(status) => self.set_status(said, status).await,
            None => Ok(()),
        }
    }

    /// Is the note there? Nothing when the order is gone.
    async fn is_noted(&self, said: &Acknowledgement, mark: &str) -> Result<Option<bool>, StoreError> {
        let route = format!("/orders/{}/notes?type=internal&_fields=id,note", encoded(&said.order.0));
        let call = self.get(&format!("reading the notes of order {}", said.number), &route);
        let reply = self.client.send(&call).await?;
        if is_gone(&reply) {
            tracing::info!(order.number = said.number, "the web store has the order no more; nothing is noted in it");
            return Ok(None);
        }
        let notes: Vec<Note> = self.client.read(&call, &reply)?;
        Ok(Some(notes.iter().any(|one| one.note.as_deref().is_some_and(|text| text.contains(mark)))))
    }

    async fn write_note(&self, said: &Acknowledgement, text: &str) -> Result<(), StoreError> {
        #[derive(Deserialize)]
        struct Made {
            #[serde(rename = "id")]
            _id: u64,
        }
        let doing = format!("writing a note into order {}", said.number);
        let route = format!("/orders/{}/notes", encoded(&said.order.0));
        let call = self.write(Method::POST, &doing, &route, &json!({ "note": text, "customer_note": false }));
        let reply = self.client.send(&call).await?;
        if is_gone(&reply) { Ok(()) } else { self.client.read::<Made>(&call, &reply).map(drop) }
    }

    async fn set_status(&self, said: &Acknowledgement, wanted: &str) -> Result<(), StoreError> {
        #[derive(Deserialize)]
        struct Now {
            status: String,
        }
        let route = format!("/orders/{}?_fields=id,status", encoded(&said.order.0));
        let now: Now = self.client.ask(&self.get(&format!("reading order {}", said.number), &route)).await?;
        let ours = self.policy.own_statuses.contains(&now.status);
        if now.status == wanted || !(ours || WAITING.contains(&now.status.as_str())) {
            return Ok(());
        }
        let doing = format!("setting the status of order {}", said.number);
        let call = self.write(Method::PUT, &doing, &route, &json!({ "status": wanted }));
        let reply = self.client.send(&call).await?;
        // The list of statuses is part of the schema: one that is not registered is "not one of" them.
        if reply.status == 400 && Trouble::read(&reply.body).code == "rest_invalid_param" {
            tracing::warn!(status = wanted, "the web store knows no such order status; orders get a note only");
            return Ok(());
        }
        self.client.read::<Now>(&call, &reply).map(drop)
    }
}

/// Did the store itself say that it has no such order? Notes and orders say it with different words.
fn is_gone(reply: &Reply) -> bool {
    reply.status == 404 && !reply.is_web_page() && Trouble::read(&reply.body).is_not_there()
}

/// What the note is recognised by.
fn mark(key: &str) -> String {
    let hash: String = Sha256::digest(key.as_bytes()).iter().take(MARK / 2).map(|byte| format!("{byte:02x}")).collect();
    format!("[tillbridge:{hash}]")
}

/// The note for the shop's staff. WordPress takes HTML in notes, so none is sent.
fn sentence(said: &Acknowledgement) -> String {
    let fit = |c: &char| !c.is_control() && !matches!(c, '<' | '>' | '&');
    let reference: String = said.reference.chars().filter(fit).take(REFERENCE).collect();
    let at = said.at.strftime("%Y-%m-%d %H:%M:%S UTC");
    match said.stage {
        Stage::Published => format!("This order was given to the till ({reference}, {at})."),
        Stage::Failed => format!("This order could not be given to the till ({reference}, {at})."),
        Stage::Consumed => format!("The till took this order ({reference}, {at})."),
        Stage::Rejected => format!("The till refused this order ({reference}, {at})."),
    }
}
