//! What Magento's refusals mean, and where in its admin pages they are mended.
//!
//! Promises: what cannot be told apart is named together, the likeliest first: without signatures a wrong token, the
//! switched-off bearer tokens and a missing right have one answer (observed; magento2#38426). Signed, they differ, and
//! each is named alone. The texts are those that a running 2.4.7-p6 gave, and the rest of Magento's own
//! (Magento_Integration's token provider, read); a shop that translates them gets all the causes named.

use super::wire::Said;
use crate::central::client::{Client, Explained, Reply, encoded};
use crate::domain::Sku;
use crate::ports::StoreError;

/// Where the integration is, with its four values and its rights.
const INTEGRATIONS: &str = "System > Extensions > Integrations";
/// Where staff turn on what Magento switches off since 2.4.4 (observed: without it every token is refused).
const BEARER_SWITCH: &str = "in Stores > Configuration > Services > OAuth > Consumer Settings, \"Allow OAuth Access \
                             Tokens to be used as standalone Bearer tokens\" has to be Yes \
                             (oauth/consumer/enable_integration_as_bearer)";
/// What the signature's refusal can mean.
const SIGNATURE: &str = "Either the consumer secret or the access token secret is wrong (System > Extensions > \
                         Integrations > the integration > Integration Details shows both); or a proxy in front of the shop \
                         hides from Magento that it is called over HTTPS, or under which name and port: its secure base URL \
                         has to be `url`, and its \"Offloader header\" the header that the proxy sets (Stores > \
                         Configuration > General > Web > Base URLs (Secure))";
/// What the time's refusal can mean.
const CLOCK: &str = "This PC's clock is more than ten minutes ahead of the store's, and the store's answers carry no time \
                     to go by: set it right (Windows: Settings > Date & time > Sync now). If it is right, the shop's \
                     database could not note the request: var/log/exception.log there says why";
/// One of the four values, and the store's words do not say which.
const SOMETHING: &str = "One of the four values of [store.magento.oauth] is not the integration's (System > Extensions > \
                         Integrations > the integration > Integration Details), or the integration is not active, or \
                         this PC's clock is ahead, or a proxy hides the shop's HTTPS or name from Magento";

/// What a Magento error answer says, and what to do about it, when a token is sent.
pub(in crate::central) fn explain(status: u16, body: &[u8]) -> Explained {
    let said = Said::read(body);
    let remedy = match (status, said.parameter("resources")) {
        (401 | 403, Some(resource)) => Some(format!(
            "Either {BEARER_SWITCH}; or the token is wrong ({INTEGRATIONS} > the integration > Integration Details: the \
             Access Token is meant, and the integration has to be active); or the integration lacks the right {resource} \
             (there, under API: {})",
            place_of(resource)
        )),
        (401 | 403, None) => {
            Some(format!("Is the token the integration's Access Token ({INTEGRATIONS})? And {BEARER_SWITCH}"))
        }
        _ => other_remedy(status, &said),
    };
    Explained { message: said.message, remedy }
}

/// The same when requests are signed: then a 401 that names a right means that right.
pub(in crate::central) fn explain_signed(status: u16, body: &[u8]) -> Explained {
    let said = Said::read(body);
    let remedy = match (status, said.parameter("resources"), said.message.as_deref()) {
        (401 | 403, Some(resource), _) => Some(lacks(resource)),
        (401, None, Some(message)) => Some(signing_remedy(message).unwrap_or_else(|| SOMETHING.into())),
        (400, None, Some(message)) => signing_remedy(message).or_else(|| other_remedy(status, &said)),
        _ => other_remedy(status, &said),
    };
    Explained { message: said.message, remedy }
}

fn other_remedy(status: u16, said: &Said) -> Option<String> {
    match status {
        404 => Some("Does the order or the product still exist, and is `url` the shop's address?".into()),
        400 if said.message.as_deref() == Some("Specified request cannot be processed.") => {
            Some("Is `magento.store_view` the code of a store view?".into())
        }
        _ => None,
    }
}

fn signing_remedy(message: &str) -> Option<String> {
    let details = format!("{INTEGRATIONS} > the integration > Integration Details");
    let known = match message {
        "The signature is invalid. Verify and try again." => SIGNATURE.into(),
        "A consumer having the specified key does not exist"
        | "Consumer key is not the correct length"
        | "Consumer key has expired" => {
            format!("`magento.oauth.consumer_key` is not the Consumer Key of an integration of this shop ({details})")
        }
        "Specified token does not exist"
        | "Token is not the correct length"
        | "The token length is invalid. Check the length and try again."
        | "Token is not associated with the specified consumer"
        | "Token is not an access token"
        | "Access token has been revoked" => format!(
            "`magento.oauth.access_token` is not the Access Token of this integration ({details}): it has a new one after \
             each Reauthorize, and none until it is activated"
        ),
        "An error occurred validating the nonce" => CLOCK.into(),
        _ if message.starts_with("Incorrect timestamp value") => CLOCK.into(),
        _ if message.starts_with("The nonce is already being used") => {
            "Something between this PC and the shop sent the request twice (a proxy that repeats); it is tried again by \
             itself, signed anew"
                .into()
        }
        _ if message.starts_with("Signature method") => {
            "This shop does not take HMAC-SHA256, which every Magento from 2.4.4 on does: sign in with a token instead".into()
        }
        _ => return None,
    };
    Some(known)
}

/// The right that a refusal names.
pub(super) fn right_refused(reply: &Reply) -> Option<String> {
    let refused = matches!(reply.status, 401 | 403) && !reply.is_web_page();
    Said::read(&reply.body).parameter("resources").filter(|_| refused).map(str::to_owned)
}

/// Does a failure say that a right is missing, and nothing else?
pub(super) fn lacks_a_right(error: &StoreError) -> bool {
    let Some(exchange) = &error.exchange else { return false };
    let said = Said::read(exchange.answered.as_bytes());
    matches!(exchange.status, Some(401 | 403)) && said.parameter("resources").is_some()
}

/// Did the store find the signature wrong, or another of the four values? Whatever the language of its message: only
/// these 401 answers have no parameters (observed).
pub(super) fn is_about_signing(reply: &Reply) -> bool {
    let said = Said::read(&reply.body);
    reply.status == 401 && !reply.is_web_page() && said.message.is_some() && said.parameters.is_empty()
}

/// What to do when this right, and nothing else, is missing.
pub(super) fn lacks(resource: &str) -> String {
    let place = place_of(resource);
    format!(
        "The integration lacks the right {resource}: {INTEGRATIONS} > the integration > API, tick {place}, and save"
    )
}

/// Where the right stands in the tree of rights, in English (the modules' acl.xml, read).
fn place_of(resource: &str) -> String {
    let known = match resource {
        "Magento_Sales::actions_view" => "Sales > Operations > Orders > Actions > View",
        "Magento_Sales::comment" => "Sales > Operations > Orders > Actions > Comment",
        "Magento_Sales::ship" => "Sales > Operations > Orders > Actions > Ship",
        "Magento_Sales::shipment" => "Sales > Operations > Shipments",
        "Magento_Sales::sales_creditmemo" => "Sales > Operations > Credit Memos",
        "Magento_InventoryApi::source" => "Stores > Inventory > Sources",
        "Magento_InventoryApi::stock" => "Stores > Inventory > Stocks",
        "Magento_InventoryApi::stock_source_item_assign" => "Stores > Inventory > Stocks > Source Item Assigning",
        "Magento_InventorySalesApi::stock" => "Stores > Inventory > Sales Stock",
        "Magento_CatalogInventory::cataloginventory" => "Stores > Settings > Configuration > Inventory Section",
        "Magento_Catalog::products" => "Catalog > Inventory > Products",
        other => return format!("what Magento calls {other}"),
    };
    known.into()
}

/// Why a product cannot be reached by its SKU in the path of a signed request, if that is why it was refused: from
/// 2.4.6 on Magento decodes `%2F`, `%26` and others before it checks the signature (magento2#37830, #37913).
pub(super) fn unsigned_path(client: &Client, reply: &Reply, sku: &Sku) -> Option<String> {
    let is_encoded = encoded(sku.as_str()) != sku.as_str();
    let refused = client.authorization().signs_the_path() && is_encoded && is_about_signing(reply);
    refused.then(|| {
        "Magento gets the signature wrong of an address with such a SKU in it (magento2#37830), and without its inventory \
         modules every SKU stands in an address. Sign in with a token, or give the product a SKU of letters, digits, - \
         . _ ~ only"
            .into()
    })
}

#[cfg(test)]
#[path = "refusal_tests.rs"]
mod tests;
