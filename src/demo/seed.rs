//! The demo shop's goods.
//!
//! Promises: the same goods in the simulated stores, in the till and on the shelf, with the SKUs that give trouble: a
//! slash, leading zeros, a configurable's child, a voucher without stock.

use std::sync::Arc;

use rust_decimal::Decimal;

use super::magento::{MagentoBooks, Mode, ProductKind, SourceWrite};
use crate::domain::Quantity;
use crate::ports::Clock;

/// The source that stands for the demo shop.
pub const SOURCE: &str = "shop1";

/// The demo shop's name.
pub const SHOP_NAME: &str = "Shop 1, High Street";

/// One article of the demo shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Article {
    /// SKU.
    pub sku: String,
    /// Name.
    pub name: String,
    /// Price without tax, in pence (or cents).
    pub pence: i64,
    /// Units on the shelf at the start; `None` where there is no shelf.
    pub units: Option<i64>,
    /// What Magento calls it.
    pub kind: ProductKind,
}

/// Everything that the demo shop sells.
pub fn articles() -> Vec<Article> {
    let simple = |sku: &str, name: &str, pence, units| Article {
        sku: sku.into(),
        name: name.into(),
        pence,
        units: Some(units),
        kind: ProductKind::Simple { parent: None },
    };
    let mut all = vec![
        simple("1001", "Teapot white", 3450, 10),
        simple("1002", "Teapot blue", 3450, 6),
        simple("1003", "Cup", 690, 48),
        simple("1004", "Saucer", 420, 48),
        simple("1005", "Milk jug", 1290, 3),
        simple("A/B-7", "Sugar tongs A/B", 850, 12),
        simple("0012345", "Tea strainer", 575, 20),
    ];
    let shirt = |sku: &str, name: &str, kind, units| Article { units, kind, ..simple(sku, name, 1600, 0) };
    all.push(shirt("TEE", "T-shirt \"Tea\"", ProductKind::Configurable, None));
    all.push(shirt("TEE-RED", "T-shirt \"Tea\" red", ProductKind::Simple { parent: Some("TEE".into()) }, Some(8)));
    all.push(shirt("GIFT-10", "Gift voucher 10", ProductKind::Virtual, None));
    all.extend((0..40).map(|n| simple(&format!("20{n:02}"), &format!("Plate {n:02}"), 990, 10 + n)));
    all
}

/// What stands on the shelf, and what the till counts, at the start.
pub fn shelf() -> Vec<(String, Quantity)> {
    let counted = articles().into_iter().filter_map(|article| Some((article.sku, article.units?.into())));
    counted.collect()
}

/// A Magento with the demo shop's goods, already counted.
pub fn magento(mode: Mode, clock: Arc<dyn Clock>) -> MagentoBooks {
    let mut books = MagentoBooks::new(mode, clock);
    books.add_source(SOURCE, SHOP_NAME);
    for article in articles() {
        books.add_product(&article.sku, &article.name, article.kind.clone(), Decimal::new(article.pence, 2));
    }
    // Vouchers never run out here.
    let counted = shelf().into_iter().chain([("GIFT-10".to_owned(), Quantity::from(1000))]);
    for (sku, units) in counted {
        count(&mut books, &sku, units);
    }
    books.forget_happenings();
    books
}

fn count(books: &mut MagentoBooks, sku: &str, units: Quantity) {
    let write = SourceWrite {
        sku: sku.to_owned(),
        source: SOURCE.into(),
        quantity: units.decimal(),
        in_stock: units.is_positive(),
    };
    let done = match books.mode() {
        Mode::Msi => books.write_sources(&[write]).map(|()| 0),
        Mode::Legacy => books.write_legacy(sku, Some(units.decimal()), Some(true)),
    };
    debug_assert!(done.is_ok(), "the demo's own goods can be counted");
}
