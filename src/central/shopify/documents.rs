//! The GraphQL documents that are sent, each with the fragments that it uses and no others.
//!
//! Promises: every one of them is valid against Shopify's Admin schema from [`FIRST_API_VERSION`] on, as the reference
//! implementation of GraphQL says (`tests/shopify`); none uses a field that the schema calls deprecated.
//!
//! [`FIRST_API_VERSION`]: crate::central::settings::FIRST_API_VERSION

/// One document.
#[derive(Debug, Clone, Copy)]
pub(super) struct Document {
    /// Its operation's name, which is sent beside it.
    pub(super) name: &'static str,
    /// The text.
    pub(super) text: &'static str,
    /// Does it change something?
    pub(super) changes: bool,
}

macro_rules! document {
    ($name:literal, $($file:literal),+) => {
        Document { name: $name, text: concat!($(include_str!(concat!("documents/", $file, ".graphql"))),+), changes: false }
    };
}

macro_rules! change {
    ($name:literal, $file:literal) => {
        Document { changes: true, ..document!($name, $file) }
    };
}

pub(super) const SHOP: Document = document!("TillbridgeShop", "shop");
pub(super) const LOCATIONS: Document = document!("TillbridgeLocations", "locations");
pub(super) const NEWEST_ORDER: Document = document!("TillbridgeNewestOrder", "newest_order");
pub(super) const ORDERS: Document = document!(
    "TillbridgeOrders",
    "orders",
    "fields_order",
    "fields_address",
    "fields_line",
    "fields_part",
    "fields_part_line",
    "fields_shipped",
    "fields_refunded"
);
pub(super) const ORDERS_BY_ID: Document = document!(
    "TillbridgeOrdersById",
    "orders_by_id",
    "fields_order",
    "fields_address",
    "fields_line",
    "fields_part",
    "fields_part_line",
    "fields_shipped",
    "fields_refunded"
);
pub(super) const MORE_LINES: Document = document!("TillbridgeMoreLines", "more_lines", "fields_line");
pub(super) const MORE_PARTS: Document =
    document!("TillbridgeMoreParts", "more_parts", "fields_part", "fields_part_line");
pub(super) const MORE_PART_LINES: Document =
    document!("TillbridgeMorePartLines", "more_part_lines", "fields_part_line");
pub(super) const MORE_SHIPPED: Document = document!("TillbridgeMoreShipped", "more_shipped", "fields_shipped");
pub(super) const MORE_REFUNDED: Document = document!("TillbridgeMoreRefunded", "more_refunded", "fields_refunded");
pub(super) const VARIANTS: Document = document!("TillbridgeVariants", "variants");
pub(super) const SET_QUANTITIES: Document = change!("TillbridgeSetQuantities", "set_quantities");
pub(super) const NOTE_ORDER: Document = change!("TillbridgeNoteOrder", "note_order");

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Document; 13] = [
        SHOP,
        LOCATIONS,
        NEWEST_ORDER,
        ORDERS,
        ORDERS_BY_ID,
        MORE_LINES,
        MORE_PARTS,
        MORE_PART_LINES,
        MORE_SHIPPED,
        MORE_REFUNDED,
        VARIANTS,
        SET_QUANTITIES,
        NOTE_ORDER,
    ];

    #[test]
    fn each_document_has_one_operation_of_its_name_and_the_fragments_that_it_uses_and_no_others() {
        for document in ALL {
            let kind = if document.changes { "mutation" } else { "query" };
            assert!(document.text.starts_with(&format!("{kind} {}", document.name)), "{}", document.name);
            let spread: std::collections::BTreeSet<&str> =
                document.text.split("...Tillbridge").skip(1).map(word).collect();
            let defined = document.text.split("fragment Tillbridge").skip(1).map(word).collect();
            assert_eq!(spread, defined, "{}", document.name);
        }
    }

    fn word(text: &str) -> &str {
        text.split(|c: char| !c.is_alphanumeric()).next().unwrap()
    }

    /// For the validator in `tests/shopify`: the texts as they are sent, into the folder that it names.
    #[test]
    fn the_documents_can_be_written_out_for_an_independent_validator() {
        let Some(folder) = std::env::var_os("TILLBRIDGE_SHOPIFY_DOCUMENTS") else { return };
        for document in ALL {
            let path = std::path::Path::new(&folder).join(format!("{}.graphql", document.name));
            std::fs::write(path, document.text).unwrap();
        }
    }
}
