//! Telling the store how far an order has come: a tag that the order list can be filtered by, and a metafield with the rest.
//!
//! Promises: saying it twice says it once: a tag is there or not, and a metafield has one value. The tag of an earlier stage is
//! taken away. The order's note is not touched: it is the customer's and the staff's.
//! Does not promise more than that for a request that the store carries out long after we gave up on it.

use serde_json::json;

use super::wire::{Noted, UserErrors};
use super::{Shopify, documents, permanent};
use crate::ports::{Acknowledgement, Stage, StoreError};

/// Most characters of the till's words that are repeated.
const REFERENCE: usize = 200;
/// All stages.
const STAGES: [Stage; 4] = [Stage::Published, Stage::Consumed, Stage::Rejected, Stage::Failed];

impl Shopify {
    /// Tags the order, and writes the metafield.
    pub(super) async fn note_in_order(&self, said: &Acknowledgement) -> Result<(), StoreError> {
        let doing = format!("tagging order {}", said.number);
        let own = self.tag(said.stage);
        let past: Vec<String> = STAGES.into_iter().map(|stage| self.tag(stage)).filter(|tag| *tag != own).collect();
        let variables = json!({
            "id": said.order.0,
            "tags": [own],
            "past": past,
            "metafields": [{
                "ownerId": said.order.0, "namespace": "tillbridge", "key": "till", "type": "single_line_text_field",
                "value": sentence(said),
            }],
        });
        let noted: Noted = self.ask(&documents::NOTE_ORDER, &doing, &variables).await?;
        let parts = [&noted.tags_remove, &noted.tags_add, &noted.metafields_set];
        let errors: Vec<String> = parts
            .into_iter()
            .flatten()
            .flat_map(|UserErrors { user_errors }| user_errors)
            .map(|error| error.message.clone())
            .collect();
        if noted.tags_add.is_none() {
            return Err(permanent(format!("{doing}: the store did not say that it was done")));
        }
        if errors.is_empty() {
            return Ok(());
        }
        Err(permanent(format!("{doing}: {}. Does the order still exist?", errors.join("; "))))
    }

    fn tag(&self, stage: Stage) -> String {
        let word = match stage {
            Stage::Published => "given",
            Stage::Consumed => "taken",
            Stage::Rejected => "refused",
            Stage::Failed => "failed",
        };
        format!("{}-{word}", self.tag_prefix)
    }
}

/// For the shop's staff.
fn sentence(said: &Acknowledgement) -> String {
    let reference: String = said.reference.chars().filter(|c| !c.is_control()).take(REFERENCE).collect();
    let at = said.at.strftime("%Y-%m-%d %H:%M:%S UTC");
    match said.stage {
        Stage::Published => format!("Given to the till ({reference}, {at})"),
        Stage::Consumed => format!("Taken by the till ({reference}, {at})"),
        Stage::Rejected => format!("Refused by the till ({reference}, {at})"),
        Stage::Failed => format!("Could not be given to the till ({reference}, {at})"),
    }
}
