//! Products and stock over REST.
//!
//! Promises: `sku=` takes a list and matches without regard to case, among products and variations; a batch is answered
//! item by item, and a bad item does not spoil the others; variations are refused outside of their own product's route.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::rest::{Given, Outcome, page, word};
use super::{Kind, Manages, Product, Refusal, WooBooks};
use crate::demo::http::Request;

/// `GET /products`.
pub(super) fn list(books: &mut WooBooks, request: &Request, _: &[&str]) -> Outcome {
    let newest_first = word(request, "order", &["desc", "asc"])? == "desc";
    word(request, "orderby", &["date", "id", "include", "title", "slug", "price", "popularity", "rating"])?;
    word(request, "status", &["any", "draft", "pending", "private", "publish"])?;
    let sku = request.asked("sku").filter(|sku| !sku.is_empty());
    // The whole text counts as an SKU as well.
    let wanted: Option<Vec<String>> = sku.map(|sku| sku.split(',').chain([sku]).map(str::to_lowercase).collect());
    let shown = |product: &&Product| match &wanted {
        Some(wanted) => !product.sku.is_empty() && wanted.contains(&product.sku.to_lowercase()),
        None => product.kind != Kind::Variation,
    };
    let mut products: Vec<&Product> =
        books.products.values().filter(|product| !product.trashed).filter(shown).collect();
    if newest_first {
        products.reverse();
    }
    page(products.into_iter().map(|product| books.product_json(product)).collect(), request)
}

/// `POST /products/batch`.
pub(super) fn batch(books: &mut WooBooks, request: &Request, _: &[&str]) -> Outcome {
    update_all(books, request, None)
}

/// `POST /products/{id}/variations/batch`.
pub(super) fn variations_batch(books: &mut WooBooks, request: &Request, route: &[&str]) -> Outcome {
    let parent = route.get(1).and_then(|id| id.parse::<u64>().ok()).unwrap_or(0);
    update_all(books, request, Some(parent))
}

fn update_all(books: &mut WooBooks, request: &Request, parent: Option<u64>) -> Outcome {
    let body = request.json().unwrap_or(Value::Null);
    let items = body.get("update").and_then(Value::as_array).cloned().unwrap_or_default();
    if items.len() > books.batch_limit {
        let words = format!("Unable to accept more than {} items for this request.", books.batch_limit);
        return Err(Refusal::new(413, "woocommerce_rest_request_entity_too_large", words));
    }
    // PHP writes an answer without members as a list.
    if items.is_empty() {
        return Ok(Given::one(json!([])));
    }
    let answers: Vec<Value> = items.iter().map(|item| update_one(books, item, parent)).collect();
    Ok(Given::one(json!({ "update": answers })))
}

fn update_one(books: &mut WooBooks, item: &Value, parent: Option<u64>) -> Value {
    let id = item.get("id").and_then(Value::as_u64).unwrap_or(0);
    match save(books, id, item, parent) {
        Ok(shown) => shown,
        Err(refusal) => json!({
            "id": id,
            "error": { "code": refusal.code, "message": refusal.message, "data": { "status": refusal.status } },
        }),
    }
}

fn save(books: &mut WooBooks, id: u64, item: &Value, parent: Option<u64>) -> Result<Value, Refusal> {
    let kind = if parent.is_some() { "product_variation" } else { "product" };
    let gone = || Refusal::new(400, &format!("woocommerce_rest_{kind}_invalid_id"), "Invalid ID.");
    let product = books.product(id).ok_or_else(gone)?;
    match (parent, product.kind) {
        (None, Kind::Variation) => {
            let words =
                "To manipulate product variations you should use the /products/<product_id>/variations/<id> endpoint.";
            return Err(Refusal::new(404, "woocommerce_rest_invalid_product_id", words));
        }
        (Some(parent), _) if product.parent != Some(parent) => return Err(gone()),
        (Some(_) | None, _) => {}
    }
    if let Some(why) = books.unsavable.get(&id) {
        return Err(Refusal::new(400, "woocommerce_rest_product_not_saved", why.clone()));
    }
    let quantity = item.get("stock_quantity").filter(|quantity| !quantity.is_null());
    let amount = quantity.and_then(|quantity| quantity.to_string().trim_matches('"').parse::<Decimal>().ok());
    let amount = amount.map(|amount| books.amount(amount));
    let manages = books.manages_stock;
    if let (Some(amount), Some(product)) = (amount, books.product_mut(id))
        && manages
        && product.manages == Manages::Itself
    {
        product.stock = amount;
    }
    let product = books.product(id).ok_or_else(gone)?;
    Ok(if parent.is_some() { books.variation_json(product) } else { books.product_json(product) })
}
