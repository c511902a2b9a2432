//! One batch of due SKUs: ask the store → read the orders → facts → targets → what differs is written → what was written is
//! read back.
//!
//! Promises: see the parent module; here stands how a batch keeps them. What the store holds is read before the orders are,
//! so that an order which the quantities do not know makes a compare-and-set fail instead of being overwritten.

use std::collections::HashMap;
use std::time::Instant;

use jiff::Timestamp;

use super::{Delivery, Figures, Stopped, Work};
use crate::domain::reconcile::{self, Claim, StockModel, Target};
use crate::domain::retry;
use crate::domain::{ExportId, Quantity, Sku};
use crate::ledger::LedgerError;
use crate::ledger::items::{CountedIn, ItemFacts, StoreItemKind};
use crate::ledger::merge::Counting;
use crate::ledger::outbox::{Delivered, DueSku};
use crate::ports::{Holding, HoldingKind, StockBatch, StockItem, StockVersion, WriteOutcome, Written};

/// A SKU with everything that the arithmetic says about it.
struct Item {
    due: DueSku,
    /// The export that counts it.
    export: ExportId,
    facts: ItemFacts,
    target: Target,
    /// What the store holds: as the ledger knows it, or as the store was asked just now.
    believed: Option<Quantity>,
    /// Was the store asked just now?
    asked: bool,
    /// Did an order move between the asking and the reading of the orders, so that the answer may be an old one?
    moved: bool,
    /// Did the store refuse to write over what it held, because that had changed?
    conflict: bool,
    /// What the store says that it made of our quantity (Magento keeps four decimal places).
    stored: Option<Quantity>,
    version: Option<StockVersion>,
}

/// What the store said of a SKU, and what was known of its orders when it was asked.
struct Answer {
    /// `None`: it said nothing of it.
    kind: Option<HoldingKind>,
    claims: Vec<Claim>,
}

type Results = Vec<(DueSku, Delivered)>;

impl Delivery {
    /// One batch. `is_fresh`: the orders were read just now, and need not be read again where the store is not asked.
    pub(super) async fn batch(
        &self,
        due: &[DueSku],
        model: StockModel,
        is_fresh: bool,
        figures: &mut Figures,
    ) -> Result<(), Stopped> {
        let (counting, facts) = self.facts_of(due)?;
        if counting.is_none() {
            return self.nothing_to_send(due, figures);
        }
        let answers = self.ask_about_strangers(due, facts, model).await?;
        if !(is_fresh && answers.is_empty()) {
            self.pull_and_publish(false).await?;
        }
        let (Some(counting), facts) = self.facts_of(due)? else { return self.nothing_to_send(due, figures) };
        let mut results = Vec::new();
        let items = self.items(due, facts, answers, model, &mut results)?;
        let (to_write, stands): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| item.believed != Some(item.target.write));
        let mut to_verify = Vec::new();
        for item in stands {
            // Known to be right from an earlier read-back: nothing to do. Read just now: verify with the rest.
            if item.asked { to_verify.push(item) } else { results.push((item.due, Delivered::NothingToSend)) }
        }
        let unchanged = results.iter().filter(|(_, result)| matches!(result, Delivered::NothingToSend));
        figures.unchanged += unchanged.count() as u64;
        to_verify.extend(self.write(to_write, &counting, &mut results, figures).await?);
        self.verify(&to_verify, model, &mut results, figures).await?;
        Ok(self.shop.ledger.finish_stock(&results, self.shop.clock.now())?)
    }

    fn nothing_to_send(&self, due: &[DueSku], figures: &mut Figures) -> Result<(), Stopped> {
        let results: Results = due.iter().map(|item| (item.clone(), Delivered::NothingToSend)).collect();
        figures.unchanged += results.len() as u64;
        Ok(self.shop.ledger.finish_stock(&results, self.shop.clock.now())?)
    }

    fn facts_of(&self, due: &[DueSku]) -> Result<(Option<Counting>, HashMap<Sku, ItemFacts>), LedgerError> {
        let skus: Vec<Sku> = due.iter().map(|item| item.sku.clone()).collect();
        self.shop.ledger.item_facts(&skus)
    }

    /// What the arithmetic says; `None` when there is nothing to say about this SKU.
    fn item(&self, due: &DueSku, facts: ItemFacts, model: StockModel) -> Option<Item> {
        let shown = self.shop.settings.shown_of(due.sku.as_str());
        let CountedIn { counted, snapshot } = facts.counted.as_ref().filter(|_| !shown.ignore)?;
        let target = reconcile::reconcile(snapshot, counted, &facts.claims, &shown, model);
        let export = snapshot.export();
        // With orders about, the store may have moved by itself in ways that orders do not tell (a return put back into
        // stock, a shipment from elsewhere): then it is asked, not believed.
        let believed = known(&facts)
            .filter(|_| facts.claims.is_empty())
            .map(|last| reconcile::expected(last, reconcile::moved_by_store(&facts.claims, model)));
        let version = believed.and(facts.store.as_ref()).and_then(|store| store.version.clone());
        let (asked, moved, conflict, stored) = (false, false, false, None);
        Some(Item { due: due.clone(), export, facts, target, believed, asked, moved, conflict, stored, version })
    }

    /// Of SKUs of which the ledger does not know what the store holds, ask the store.
    async fn ask_about_strangers(
        &self,
        due: &[DueSku],
        mut facts: HashMap<Sku, ItemFacts>,
        model: StockModel,
    ) -> Result<HashMap<Sku, Answer>, Stopped> {
        let mut strangers: HashMap<Sku, Vec<Claim>> = HashMap::new();
        let mut skus = Vec::new();
        for due in due {
            let item = self.item(due, facts.remove(&due.sku).unwrap_or_default(), model);
            if let Some(item) = item.filter(|item| item.believed.is_none()) {
                skus.push(due.sku.clone());
                strangers.insert(item.due.sku, item.facts.claims);
            }
        }
        if skus.is_empty() {
            return Ok(HashMap::new());
        }
        let answer = |found: Holding| {
            Some((found.sku.clone(), Answer { kind: Some(found.kind), claims: strangers.remove(&found.sku)? }))
        };
        let mut answers: HashMap<Sku, Answer> = self.holdings(&skus).await?.into_iter().filter_map(answer).collect();
        answers.extend(strangers.into_iter().map(|(sku, claims)| (sku, Answer { kind: None, claims })));
        Ok(answers)
    }

    /// The items with what the store holds of them. One that has become a stranger since the store was asked goes back, and
    /// is asked about in the next batch.
    fn items(
        &self,
        due: &[DueSku],
        mut facts: HashMap<Sku, ItemFacts>,
        mut answers: HashMap<Sku, Answer>,
        model: StockModel,
        results: &mut Results,
    ) -> Result<Vec<Item>, LedgerError> {
        let (mut items, mut strangers) = (Vec::new(), Vec::new());
        for due in due {
            let Some(mut item) = self.item(due, facts.remove(&due.sku).unwrap_or_default(), model) else {
                results.push((due.clone(), Delivered::NothingToSend));
                continue;
            };
            let Some(answer) = answers.remove(&due.sku) else {
                if item.believed.is_some() {
                    items.push(item)
                } else {
                    strangers.push(item.due)
                }
                continue;
            };
            match answer.kind {
                Some(HoldingKind::Kept(quantity, version)) => {
                    (item.believed, item.version, item.asked) = (quantity, version, true);
                    item.moved = item.facts.claims != answer.claims;
                    items.push(item);
                }
                Some(HoldingKind::NotKept(why)) => {
                    results.push((item.due, Delivered::NotTaken { kind: StoreItemKind::NotKept, why }));
                }
                Some(HoldingKind::Unknown) => results.push((item.due, unknown())),
                None => {
                    let not_before =
                        self.shop.clock.now().saturating_add(retry::LAST_CEILING).unwrap_or(Timestamp::MAX);
                    let why = "the web store did not answer about this SKU".to_owned();
                    results.push((item.due, Delivered::Again { not_before, why }));
                }
            }
        }
        self.shop.ledger.return_lease(&strangers)?;
        Ok(items)
    }

    async fn holdings(&self, skus: &[Sku]) -> Result<Vec<Holding>, Stopped> {
        self.shop.store.holdings(skus).await.map_err(|error| Stopped::Items(Work::Read, error))
    }

    /// Writes; returns the items that are to be read back.
    async fn write(
        &self,
        items: Vec<Item>,
        counting: &Counting,
        results: &mut Results,
        figures: &mut Figures,
    ) -> Result<Vec<Item>, Stopped> {
        if items.is_empty() {
            return Ok(items);
        }
        let skus: Vec<Sku> = items.iter().map(|item| item.due.sku.clone()).collect();
        let request = request(&items, counting);
        self.shop.ledger.about_to_write(&skus)?;
        let (started, clock) = (self.shop.clock.now(), Instant::now());
        let written = self.shop.store.write_stock(&request).await;
        figures.requests += 1;
        self.note_attempt("stock", started, clock, items.len(), written.as_ref().err())?;
        let written = written.map_err(|error| Stopped::Items(Work::Write, error))?;
        self.shop.store_served(Work::Write);
        let mut outcomes: HashMap<Sku, WriteOutcome> =
            written.into_iter().map(|Written { sku, outcome }| (sku, outcome)).collect();
        let mut to_verify = Vec::new();
        for mut item in items {
            match outcomes.remove(&item.due.sku) {
                Some(WriteOutcome::Stored(quantity)) => {
                    item.stored = Some(quantity);
                    to_verify.push(item);
                }
                Some(WriteOutcome::Conflict) => {
                    item.conflict = true;
                    to_verify.push(item);
                }
                None => to_verify.push(item),
                Some(WriteOutcome::Unknown) => results.push((item.due, unknown())),
                Some(WriteOutcome::Refused(why)) => {
                    let pause =
                        retry::pause(item.due.attempts + 1, retry::FailureClass::Permanent, None, fastrand::f64());
                    let not_before = self.shop.clock.now().saturating_add(pause).unwrap_or(Timestamp::MAX);
                    results.push((item.due, Delivered::Refused { not_before, why }));
                }
            }
        }
        Ok(to_verify)
    }

    /// Reads the store back between two readings of the orders: only what stood still and is right is done.
    async fn verify(
        &self,
        items: &[Item],
        model: StockModel,
        results: &mut Results,
        figures: &mut Figures,
    ) -> Result<(), Stopped> {
        if items.is_empty() {
            return Ok(());
        }
        let due: Vec<DueSku> = items.iter().map(|item| item.due.clone()).collect();
        let skus: Vec<Sku> = due.iter().map(|item| item.sku.clone()).collect();
        self.intake.pull().await?;
        let (_, facts_before) = self.facts_of(&due)?;
        let held: HashMap<Sku, HoldingKind> =
            self.holdings(&skus).await?.into_iter().map(|found| (found.sku, found.kind)).collect();
        self.intake.pull().await?;
        let (_, mut facts_after) = self.facts_of(&due)?;
        let now = self.shop.clock.now();
        for item in items {
            let was = facts_before.get(&item.due.sku);
            let is = facts_after.remove(&item.due.sku).unwrap_or_default();
            let still = was.is_some_and(|was| was.claims == is.claims && was.counted == is.counted);
            let wanted = self.item(&item.due, is, model);
            // Read as computed before the write: an order that came in between is no drift.
            let moved = item.moved || !still || wanted.as_ref().is_none_or(|now| now.target.write != item.target.write);
            let result = match (wanted, held.get(&item.due.sku)) {
                (Some(wanted), Some(HoldingKind::Kept(Some(quantity), version)))
                    if still && is_right(item, &wanted, *quantity) =>
                {
                    figures.delivered += 1;
                    let moved = reconcile::moved_by_store(&wanted.facts.claims, model);
                    let version = version.clone();
                    Delivered::Stored { written: *quantity, moved, export: wanted.export, version }
                }
                _ => self.again(item, moved, held.get(&item.due.sku), figures, now),
            };
            results.push((item.due.clone(), result));
        }
        Ok(())
    }

    fn again(
        &self,
        item: &Item,
        moved: bool,
        held: Option<&HoldingKind>,
        figures: &mut Figures,
        now: Timestamp,
    ) -> Delivered {
        if moved {
            figures.moved_meanwhile += 1;
            return Delivered::Again { not_before: now, why: "an order moved while the quantity was sent".to_owned() };
        }
        if item.conflict && item.due.attempts == 0 {
            // Nothing was written, and what the store holds is read before the next try. Once may be an order of which the
            // feed does not tell yet.
            figures.moved_meanwhile += 1;
            let why = "the web store's quantity changed before ours was written over it".to_owned();
            return Delivered::Again { not_before: now, why };
        }
        figures.drifted += 1;
        let found = match held {
            Some(HoldingKind::Kept(Some(quantity), _)) => quantity.to_string(),
            Some(HoldingKind::Kept(None, _)) => "nothing".to_owned(),
            Some(HoldingKind::Unknown | HoldingKind::NotKept(_)) | None => "no such item".to_owned(),
        };
        let pause = retry::pause(item.due.attempts + 1, retry::FailureClass::Transient, None, fastrand::f64());
        Delivered::Again {
            not_before: now.saturating_add(pause).unwrap_or(Timestamp::MAX),
            why: format!("{} was written and {found} was read back", item.target.write),
        }
    }
}

fn request(items: &[Item], counting: &Counting) -> StockBatch {
    let item = |item: &Item| StockItem {
        sku: item.due.sku.clone(),
        quantity: item.target.write,
        if_version: item.version.clone(),
        expected: item.believed,
    };
    StockBatch {
        items: items.iter().map(item).collect(),
        // As it was when the quantities were computed: a younger export may have been admitted since.
        snapshot: counting.newest.to_string(),
        as_of: counting.made_at,
        orders_read: counting.orders_read.clone(),
    }
}

/// Is the quantity that was read back the one that is wanted, or what the store said that it makes of it?
fn is_right(item: &Item, wanted: &Item, held: Quantity) -> bool {
    held == wanted.target.write || (wanted.target.write == item.target.write && item.stored == Some(held))
}

fn unknown() -> Delivered {
    let why = "the web store has no product with this SKU".to_owned();
    Delivered::NotTaken { kind: StoreItemKind::Unknown, why }
}

fn known(facts: &ItemFacts) -> Option<reconcile::Acknowledged> {
    facts.store.as_ref().and_then(|store| store.acknowledged)
}
