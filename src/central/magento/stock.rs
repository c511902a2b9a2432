//! Stock at a Magento store: what it holds, and writing it.
//!
//! Promises: a SKU that the catalogue does not know is reported as such (Magento answers 200 for an unknown SKU and
//! keeps an orphan row: magento2#38154, observed); a quantity is stored as said or refused with the reason; one bad
//! item does not hinder the others of its batch. SKUs are matched as Magento matches them, without regard to case.
//! Does not promise that nobody else writes: there is no compare-and-set.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::Ordering;

use reqwest::Method;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::{Value, json};

use super::query::{Search, filter};
use super::wire::{self, List, Product, Said, SourceItem, number};
use super::{Keeping, Magento, is_unknown_route, limit_named, permanent, refusal};
use crate::central::client::{Call, Reply, encoded};
use crate::domain::{Quantity, Sku};
use crate::ports::{Holding, HoldingKind, StockItem, StoreError, WriteOutcome, Written};

/// Longest SKU, in characters. A longer one is silently cut, and stored under the wrong name (observed).
const LONGEST_SKU: usize = 64;
/// Decimal places of a quantity (observed: 3.14159 is stored as 3.1416).
const QUANTITY_PLACES: u32 = 4;
/// Largest quantity, in units. A larger one is silently cut (observed: 1e12 became 99999999.9999).
const LARGEST_QUANTITY: i64 = 99_999_999;
/// SKUs in one question.
const SKUS_ASKED: usize = 100;
/// Longest list of SKUs in one address, in bytes after encoding: web servers take 8 kB in all.
const LONGEST_LIST: usize = 5_000;
/// After so many items refused one by one, and one more from the other end, and none stored, it is the request that
/// the store refuses and not the items.
const REFUSED_ALONE: usize = 8;
/// Product types whose quantity is that of other products (observed: accepted and useless; magento/inventory#3455).
const COMPOSITE: [&str; 3] = ["configurable", "bundle", "grouped"];

/// What became of one request.
enum Posted {
    Stored,
    TooMany,
    Refused(Reply, String),
}

/// How far the writing of a batch has come.
struct Run {
    /// What is still to be sent; the last one next.
    parts: Vec<Vec<StockItem>>,
    written: Vec<Written>,
    /// Items stored.
    stored: usize,
    /// Items refused though sent alone.
    alone: usize,
    source_is_there: bool,
}

impl Run {
    /// Bad items may stand side by side: before the request as such is blamed, one from the other end is tried.
    fn try_the_far_end(&mut self) {
        if self.stored == 0
            && self.alone == REFUSED_ALONE
            && let Some(item) = self.parts.first_mut().and_then(Vec::pop)
        {
            self.parts.push(vec![item]);
        }
    }
}

/// What the catalogue says of SKUs, by lower-case SKU: their type.
struct Catalogue(Option<HashMap<String, (String, String)>>);

impl Magento {
    /// What the store knows and holds of these SKUs.
    pub(super) async fn holdings_of(&self, skus: &[Sku]) -> Result<Vec<Holding>, StoreError> {
        let keeping = self.keeping().await?;
        let mut holdings = Vec::with_capacity(skus.len());
        for part in askable(skus) {
            let catalogue = self.catalogue(part).await?;
            let (known, settled): (Vec<&Sku>, Vec<&Sku>) =
                part.iter().partition(|sku| catalogue.verdict(sku).is_none());
            let settle = |sku: &Sku| Some(Holding { sku: sku.clone(), kind: catalogue.verdict(sku)? });
            holdings.extend(settled.into_iter().filter_map(settle));
            holdings.extend(match keeping {
                Keeping::BySource => self.held_at_source(&known).await?,
                Keeping::PerProduct => self.held_per_product(&known).await?,
            });
            if catalogue.0.is_none() && !self.catalogue_refused.swap(true, Ordering::Relaxed) {
                tracing::warn!("{}", super::CATALOGUE_REFUSED);
            }
        }
        Ok(holdings)
    }

    /// Which of these SKUs exist, and of what type. Nothing when the token may not ask.
    async fn catalogue(&self, skus: &[Sku]) -> Result<Catalogue, StoreError> {
        if self.catalogue_refused.load(Ordering::Relaxed) {
            return Ok(Catalogue(None));
        }
        let search = |names: &[&Sku], size| Search::new(size, "items[sku,type_id],total_count").and(named(names));
        let all: Vec<&Sku> = skus.iter().collect();
        let route = "/products";
        let call = self.get("looking up products", &format!("{route}?{}", search(&all, all.len()).query()));
        let reply = self.client.send(&call).await?;
        if refusal::right_refused(&reply).is_some() {
            return Ok(Catalogue(None));
        }
        let list: List<Product> = match limit_named(&reply) {
            Some(most) => {
                self.most_rows.fetch_min(most, Ordering::Relaxed);
                self.by_names("looking up products", route, &all, search).await?
            }
            None => self.client.read(&call, &reply)?,
        };
        let typed = |product: Product| (product.sku.to_lowercase(), (product.sku, product.type_id.unwrap_or_default()));
        Ok(Catalogue(Some(list.items.unwrap_or_default().into_iter().map(typed).collect())))
    }

    /// A list by SKUs, in as many questions as the store's page limit asks for.
    async fn by_names<T: serde::de::DeserializeOwned>(
        &self,
        doing: &str,
        route: &str,
        skus: &[&Sku],
        search: impl Fn(&[&Sku], usize) -> Search,
    ) -> Result<List<T>, StoreError> {
        let (mut found, mut rest) = (Vec::new(), skus);
        while !rest.is_empty() {
            let most = self.most_rows.load(Ordering::Relaxed).min(rest.len());
            let (now, later) = rest.split_at(most);
            let list: List<T> = self.list(doing, route, now.len(), |size| search(now, size)).await?;
            if self.most_rows.load(Ordering::Relaxed) < now.len() {
                continue;
            }
            found.extend(list.items.unwrap_or_default());
            rest = later;
        }
        Ok(List { items: Some(found), total_count: None })
    }

    async fn held_at_source(&self, skus: &[&Sku]) -> Result<Vec<Holding>, StoreError> {
        let search = |names: &[&Sku], size| {
            Search::new(size, "items[sku,quantity],total_count")
                .and(vec![filter("source_code", "eq", self.source.as_str())])
                .and(named(names))
        };
        let doing = "reading stock";
        let list: List<SourceItem> = self.by_names(doing, "/inventory/source-items", skus, search).await?;
        let mut held = HashMap::new();
        for item in list.items.unwrap_or_default() {
            let quantity = item.quantity.map(wire::Figure::quantity).transpose();
            let quantity = quantity.map_err(|why| permanent(format!("{doing}: {} has {why}", item.sku)))?;
            held.insert(item.sku.to_lowercase(), (item.sku, quantity));
        }
        let holding = |sku: &&Sku| {
            let kind = match held.get(&sku.as_str().to_lowercase()) {
                Some((spelled, _)) if spelled != sku.as_str() => spelled_otherwise(spelled),
                Some((_, quantity)) => HoldingKind::Kept(*quantity, None),
                None => HoldingKind::Kept(None, None),
            };
            Holding { sku: (*sku).clone(), kind }
        };
        Ok(skus.iter().map(holding).collect())
    }

    async fn held_per_product(&self, skus: &[&Sku]) -> Result<Vec<Holding>, StoreError> {
        let mut holdings = Vec::with_capacity(skus.len());
        for sku in skus {
            let route = format!("/stockItems/{}?fields=qty,manage_stock", encoded(sku.as_str()));
            let call = self.get(&format!("reading the stock of {sku}"), &route);
            let reply = self.client.send(&call).await?;
            let kind = match self.not_there(&call, &reply, sku)? {
                Some(Missing::Product) => HoldingKind::Unknown,
                Some(Missing::Slash(why)) => HoldingKind::NotKept(why),
                None => self.kept(&call, &reply)?,
            };
            holdings.push(Holding { sku: (*sku).clone(), kind });
        }
        Ok(holdings)
    }

    fn kept(&self, call: &Call, reply: &Reply) -> Result<HoldingKind, StoreError> {
        let item: wire::StockItem = self.client.read(call, reply)?;
        if item.manage_stock == Some(false) {
            return Ok(HoldingKind::NotKept("the store does not manage its stock (Manage Stock is No)".into()));
        }
        let quantity = item.qty.map(wire::Figure::quantity).transpose();
        let quantity = quantity.map_err(|why| permanent(format!("{}: {why}", call.doing)))?;
        Ok(HoldingKind::Kept(quantity, None))
    }

    /// Is the product missing, or unreachable by its name? Other refusals are failures.
    fn not_there(&self, call: &Call, reply: &Reply, sku: &Sku) -> Result<Option<Missing>, StoreError> {
        if reply.status != 404 {
            return Ok(refusal::unsigned_path(&self.client, reply, sku).map(Missing::Slash));
        }
        // Apache turns an encoded slash away unless AllowEncodedSlashes is on; nginx lets it through (observed).
        if sku.as_str().contains(['/', '\\']) && (reply.is_web_page() || is_unknown_route(reply)) {
            let why = "the shop's web server lets no SKU with a slash through (Apache: AllowEncodedSlashes NoDecode)";
            return Ok(Some(Missing::Slash(why.into())));
        }
        if reply.is_web_page() || is_unknown_route(reply) {
            return Err(self.client.refusal(call, reply));
        }
        Ok(Some(Missing::Product))
    }

    /// Writes quantities at our source; halves what is refused until the bad item stands alone.
    pub(super) async fn write_sources(&self, items: &[StockItem]) -> Result<Vec<Written>, StoreError> {
        let (todo, refused) = sift(items);
        let mut run = Run { parts: vec![todo], written: refused, stored: 0, alone: 0, source_is_there: false };
        while let Some(part) = run.parts.pop() {
            let most = self.batch_limit();
            if part.len() > most {
                run.parts.extend(part.chunks(most).rev().map(<[StockItem]>::to_vec));
            } else if !part.is_empty() {
                self.write_part(&mut run, part).await?;
            }
        }
        Ok(run.written)
    }

    async fn write_part(&self, run: &mut Run, part: Vec<StockItem>) -> Result<(), StoreError> {
        match self.post(&part).await? {
            Posted::TooMany => run.parts.push(part),
            Posted::Stored => {
                run.stored += part.len();
                run.written.extend(part.iter().map(|item| outcome(item, WriteOutcome::Stored(item.quantity))));
            }
            Posted::Refused(reply, why) if part.len() == 1 => {
                run.alone += 1;
                if run.stored == 0 && run.alone > REFUSED_ALONE {
                    return Err(self.client.refusal(&self.posting(&part), &reply));
                }
                run.written.extend(part.iter().map(|item| outcome(item, WriteOutcome::Refused(why.clone()))));
                run.try_the_far_end();
            }
            Posted::Refused(..) => {
                if !std::mem::replace(&mut run.source_is_there, true) {
                    self.source_exists().await?;
                }
                let (left, right) = part.split_at(part.len() / 2);
                run.parts.extend([right.to_vec(), left.to_vec()]);
            }
        }
        Ok(())
    }

    fn batch_limit(&self) -> usize {
        self.most_items.load(Ordering::Relaxed).max(1)
    }

    fn posting(&self, items: &[StockItem]) -> Call {
        let row = |item: &StockItem| {
            // Status 0 hides the quantity from the stock index; all four fields are needed (observed).
            json!({
                "sku": item.sku.as_str(),
                "source_code": self.source,
                "quantity": number(item.quantity),
                "status": i32::from(item.quantity.is_positive()),
            })
        };
        let body = json!({ "sourceItems": items.iter().map(row).collect::<Vec<Value>>() });
        self.write(Method::POST, "writing stock", "/inventory/source-items", &body)
    }

    async fn post(&self, items: &[StockItem]) -> Result<Posted, StoreError> {
        let call = self.posting(items);
        let reply = self.client.send(&call).await?;
        if let Some(most) = limit_named(&reply).filter(|most| *most < items.len()) {
            self.most_items.fetch_min(most, Ordering::Relaxed);
            return Ok(Posted::TooMany);
        }
        if reply.status == 400 && !reply.is_web_page() {
            let why = Said::read(&reply.body).message.unwrap_or_else(|| "the store gave no reason".into());
            return Ok(Posted::Refused(reply, why));
        }
        if is_unknown_route(&reply) {
            self.forget_keeping();
        }
        // The answer is an empty list (observed).
        self.client.read::<Vec<Value>>(&call, &reply).map(|_| Posted::Stored)
    }

    /// An unknown source fails with the same words as anything else (observed), so ask by name before blaming items.
    async fn source_exists(&self) -> Result<(), StoreError> {
        let call = self.get("looking up the source", &format!("/inventory/sources/{}", encoded(&self.source)));
        let reply = self.client.send(&call).await?;
        if reply.status == 404 && !reply.is_web_page() {
            let source = &self.source;
            return Err(permanent(format!(
                "writing stock: the store has no source {source:?}; `magento.source` must be a code from Stores > Sources"
            )));
        }
        Ok(())
    }

    /// Writes quantities product by product. The number in the path does not matter (observed).
    pub(super) async fn write_products(&self, items: &[StockItem]) -> Result<Vec<Written>, StoreError> {
        let (todo, mut written) = sift(items);
        for item in todo {
            let route = format!("/products/{}/stockItems/1", encoded(item.sku.as_str()));
            let body =
                json!({ "stockItem": { "qty": number(item.quantity), "is_in_stock": item.quantity.is_positive() }});
            let call = self.write(Method::PUT, &format!("writing the stock of {}", item.sku), &route, &body);
            let reply = self.client.send(&call).await?;
            let became = match self.not_there(&call, &reply, &item.sku)? {
                Some(Missing::Product) => WriteOutcome::Unknown,
                Some(Missing::Slash(why)) => WriteOutcome::Refused(why),
                None if reply.status == 400 && !reply.is_web_page() => {
                    WriteOutcome::Refused(Said::read(&reply.body).message.unwrap_or_default())
                }
                None => {
                    // The stock item's number, as a text or as a number (observed both).
                    self.client.read::<wire::Word>(&call, &reply)?;
                    WriteOutcome::Stored(item.quantity)
                }
            };
            written.push(outcome(&item, became));
        }
        Ok(written)
    }
}

/// Why a product could not be reached by its name.
enum Missing {
    Product,
    Slash(String),
}

impl Catalogue {
    /// What the catalogue alone says; `None` when the store has to be asked for a quantity.
    fn verdict(&self, sku: &Sku) -> Option<HoldingKind> {
        let kind = match &self.0 {
            None => return None,
            Some(types) => types.get(&sku.as_str().to_lowercase()),
        };
        match kind {
            None => Some(HoldingKind::Unknown),
            Some((spelled, _)) if spelled != sku.as_str() => Some(spelled_otherwise(spelled)),
            Some((_, kind)) if COMPOSITE.contains(&kind.as_str()) => Some(HoldingKind::NotKept(format!(
                "it is a {kind} product: the store sells the products in it, and keeps their quantities"
            ))),
            Some(_) => None,
        }
    }
}

/// Magento matches SKUs without regard to case (observed), and its orders name them as it spells them: what is sold could
/// not be told from what is counted.
fn spelled_otherwise(spelled: &str) -> HoldingKind {
    HoldingKind::NotKept(format!("the web store spells it {spelled}; spell it alike in the till and in the web store"))
}

/// One group of filters that names SKUs. A SKU with a comma cannot stand in a list.
fn named(skus: &[&Sku]) -> Vec<super::query::Filter> {
    let (with_comma, plain): (Vec<&Sku>, Vec<&Sku>) = skus.iter().copied().partition(|sku| sku.as_str().contains(','));
    let list = plain.iter().map(|sku| sku.as_str()).collect::<Vec<_>>().join(",");
    let mut group = if plain.is_empty() { Vec::new() } else { vec![filter("sku", "in", list)] };
    group.extend(with_comma.into_iter().map(|sku| filter("sku", "eq", sku.as_str())));
    group
}

/// Cuts a list of SKUs into parts that fit into one address.
fn askable(skus: &[Sku]) -> Vec<&[Sku]> {
    /// What one more filter costs besides its value: more than its bytes, so that no question has ten, whose numbers
    /// Magento sorts otherwise than RFC 5849 when it checks a signature.
    const FILTER: usize = 560;
    let (mut parts, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (place, sku) in skus.iter().enumerate() {
        let size = encoded(sku.as_str()).len() + if sku.as_str().contains(',') { FILTER } else { 3 };
        if place > start && (bytes + size > LONGEST_LIST || place - start >= SKUS_ASKED) {
            parts.push(&skus[start..place]);
            (start, bytes) = (place, 0);
        }
        bytes += size;
    }
    if start < skus.len() {
        parts.push(&skus[start..]);
    }
    parts
}

/// Sets aside what Magento would store otherwise than said.
fn sift(items: &[StockItem]) -> (Vec<StockItem>, Vec<Written>) {
    let (mut todo, mut refused, mut seen) = (Vec::with_capacity(items.len()), Vec::new(), HashSet::new());
    for item in items {
        let twin = !seen.insert(item.sku.as_str().to_lowercase());
        match unsendable(item, twin) {
            Some(why) => refused.push(outcome(item, WriteOutcome::Refused(why.into()))),
            None => todo.push(StockItem { quantity: cut(item.quantity), ..item.clone() }),
        }
    }
    (todo, refused)
}

fn unsendable(item: &StockItem, twin: bool) -> Option<&'static str> {
    let sku = item.sku.as_str();
    if sku.trim() != sku {
        return Some("the store takes no SKU that begins or ends with a blank");
    }
    if sku.chars().count() > LONGEST_SKU {
        return Some("the SKU is longer than the 64 characters that the store keeps");
    }
    if item.quantity.decimal().abs() > Decimal::from(LARGEST_QUANTITY) {
        return Some("the store cannot keep so large a quantity");
    }
    twin.then_some("another item's SKU differs only in capitals, which the store does not tell apart")
}

/// Cuts what Magento would round, downwards: rounding up would sell what is not there.
fn cut(quantity: Quantity) -> Quantity {
    let rounded = quantity.decimal().round_dp_with_strategy(QUANTITY_PLACES, RoundingStrategy::ToNegativeInfinity);
    wire::Figure(rounded).quantity().unwrap_or(quantity)
}

fn outcome(item: &StockItem, outcome: WriteOutcome) -> Written {
    Written { sku: item.sku.clone(), outcome }
}
