//! A look now and then at what the store holds and what it says can be sold.
//!
//! Promises: what was written by a request whose answer was lost is read again minutes later, because the store may have
//! carried it out long after we gave up on it, and after the next write; it is then written anew. Of salable figures it compares only items that stood still, with what they were computed to sell for, and only where the store's
//! figure can be compared; a difference counts when it was seen twice with the same numbers, minutes apart, because the
//! figure comes from an index that lags. Nothing is ever written or computed from it, and a look that fails is no failure.
//! Does not promise to look at every item soon: a sample goes round; nor to remember lost answers over a restart.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::reconcile::{self, StockModel};
use crate::domain::{Quantity, Sku};
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::items::ItemFacts;
use crate::ledger::{Ledger, LedgerError};
use crate::ports::{Holding, HoldingKind, Shortcoming};
use crate::tasks::{Shop, chain};

/// Condition: the store offers more or less than was computed.
pub const SALABLE_DIFFERS: &str = "salable_differs";
/// Condition: something that the store was asked to do works less well than asked.
pub const STORE_FALLS_SHORT: &str = "store_falls_short";
/// Between two looks, and before the first.
const EVERY: SignedDuration = SignedDuration::from_mins(10);
/// A difference has to be seen again, the same, after this long: cron and queue consumers run every minute.
const SEEN_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);
/// An item stands still when nothing was written for it for so long.
const STILL_FOR: SignedDuration = SignedDuration::from_mins(5);
/// Items in one look: one or two requests.
const SAMPLE: u32 = 50;
/// Items found to differ that are kept in sight; with so many no others need be looked for.
const MOST_SUSPECTS: usize = 200;
/// Items named in a condition.
const NAMED: usize = 5;

/// How long after a lost answer its items are read again, each time: longer than any request lives, and than a database
/// that was frozen for a while.
const DOUBTED_FOR: [SignedDuration; 2] = [SignedDuration::from_mins(3), SignedDuration::from_mins(15)];
/// Items that are read again in one look.
const READ_AGAIN: usize = 100;

/// How far the audit is.
#[derive(Debug, Default)]
pub(super) struct Audit {
    next: Option<Timestamp>,
    /// The last item of the last sample.
    after: String,
    seen: BTreeMap<Sku, Difference>,
    /// Items written by a request whose answer was lost: since when, and how often they were read again.
    doubted: BTreeMap<Sku, (Timestamp, usize)>,
    shortcomings: Option<Vec<Shortcoming>>,
}

/// A difference that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Difference {
    says: Quantity,
    expected: Quantity,
    since: Timestamp,
    is_sure: bool,
}

/// Looks, when it is time to.
pub(super) async fn look(shop: &Shop, audit: &mut Audit, model: Option<StockModel>) -> Result<(), LedgerError> {
    audit.note_shortcomings(shop);
    let now = shop.clock.now();
    if let Some(model) = model {
        audit.read_doubted_again(shop, model, now).await?;
    }
    let Some(model) = model.filter(|_| audit.is_time(now)) else { return Ok(()) };
    let sample = audit.sample(&shop.ledger, now)?;
    let expected = expected_of(shop, &sample, model)?;
    let skus: Vec<Sku> = expected.keys().cloned().collect();
    let told = match shop.store.sellable(&skus).await {
        Ok(told) => told,
        Err(error) => {
            tracing::debug!(error = chain(&error), "what can be sold could not be looked at");
            return Ok(());
        }
    };
    // Orders may have come while it was asked: what has moved is looked at another time.
    let expected = expected_of(shop, &skus, model)?.into_iter().filter(|(sku, units)| expected.get(sku) == Some(units));
    audit.compare(expected.collect(), told, now);
    if audit.seen.values().any(|one| !one.is_sure) {
        audit.next = now.checked_add(SEEN_AGAIN_AFTER).ok();
    }
    shop.conditions(&[SALABLE_DIFFERS], &audit.trouble().into_iter().collect::<Vec<_>>());
    Ok(())
}

/// What the store should hold, by the last write that it acknowledged.
fn should_hold(facts: &ItemFacts, model: StockModel) -> Option<Quantity> {
    let written = facts.store.as_ref()?.acknowledged?;
    Some(reconcile::expected(written, reconcile::moved_by_store(&facts.claims, model)))
}

/// What shoppers should be able to buy of these, as far as the store is believed to hold what it should.
fn expected_of(shop: &Shop, skus: &[Sku], model: StockModel) -> Result<BTreeMap<Sku, Quantity>, LedgerError> {
    if skus.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (_, facts) = shop.ledger.item_facts(skus)?;
    let expected = facts.into_iter().filter_map(|(sku, facts)| {
        let shown = shop.settings.shown_of(sku.as_str());
        let counted = facts.counted.as_ref().filter(|_| !shown.ignore)?;
        let target = reconcile::reconcile(&counted.snapshot, &counted.counted, &facts.claims, &shown, model);
        (should_hold(&facts, model)? == target.write).then_some((sku, target.sellable))
    });
    Ok(expected.collect())
}

impl Audit {
    /// The answer to a request that wrote these was lost: it may be carried out at any time yet.
    pub(super) fn doubt(&mut self, skus: impl Iterator<Item = Sku>, now: Timestamp) {
        self.doubted.extend(skus.map(|sku| (sku, (now, 0))));
    }

    async fn read_doubted_again(&mut self, shop: &Shop, model: StockModel, now: Timestamp) -> Result<(), LedgerError> {
        let is_time = |(since, looks): &(Timestamp, usize)| {
            DOUBTED_FOR.get(*looks).is_none_or(|after| now.duration_since(*since) >= *after)
        };
        let ripe: Vec<Sku> = self.doubted.iter().filter(|(_, one)| is_time(one)).map(|(sku, _)| sku.clone()).collect();
        let (_, facts) = if ripe.is_empty() { return Ok(()) } else { shop.ledger.item_facts(&ripe)? };
        // What is due is read anyway before it is written.
        let known = |sku: &Sku| Some((sku.clone(), should_hold(facts.get(sku)?, model)?));
        let should: BTreeMap<Sku, Quantity> = ripe.iter().filter_map(known).take(READ_AGAIN).collect();
        let skus: Vec<Sku> = should.keys().cloned().collect();
        let Ok(holdings) = shop.store.holdings(&skus).await else { return Ok(()) };
        let held = |one: Holding| match one.kind {
            HoldingKind::Kept(quantity, _) => Some((one.sku, quantity)),
            HoldingKind::Unknown | HoldingKind::NotKept(_) => None,
        };
        let differ = |(sku, quantity): &(Sku, Option<Quantity>)| should.get(sku).copied() != *quantity;
        let wrong: Vec<Sku> = holdings.into_iter().filter_map(held).filter(differ).map(|(sku, _)| sku).collect();
        if !wrong.is_empty() {
            tracing::warn!(
                items = wrong.len(),
                "the web store carried out a write long after it was given up; it is written anew"
            );
            shop.ledger.about_to_write(&wrong)?;
            shop.ledger.mark_due(&wrong, now)?;
            shop.wakes.delivery.notify_one();
        }
        for sku in should.into_keys() {
            if let Some((_, looks)) = self.doubted.get_mut(&sku) {
                *looks += 1;
            }
        }
        self.doubted.retain(|_, (_, looks)| *looks < DOUBTED_FOR.len());
        Ok(())
    }

    fn is_time(&mut self, now: Timestamp) -> bool {
        let due = |next: Timestamp| next <= now || next.duration_since(now) > EVERY;
        let is_time = self.next.is_some_and(due);
        if is_time || self.next.is_none() {
            self.next = now.checked_add(EVERY).ok();
        }
        is_time
    }

    /// What was seen to differ, and the next ones in turn.
    fn sample(&mut self, ledger: &Ledger, now: Timestamp) -> Result<Vec<Sku>, LedgerError> {
        let since = now.checked_sub(STILL_FOR).unwrap_or(Timestamp::MIN);
        if self.seen.len() >= MOST_SUSPECTS {
            return Ok(self.seen.keys().cloned().collect());
        }
        let turn = ledger.still_items(&self.after, since, SAMPLE)?;
        // At the end it begins anew.
        let is_end = turn.len() < SAMPLE as usize;
        self.after =
            if is_end { String::new() } else { turn.last().map(|sku| sku.as_str().to_owned()).unwrap_or_default() };
        let mut sample: Vec<Sku> = self.seen.keys().cloned().collect();
        sample.extend(turn.into_iter().filter(|sku| !self.seen.contains_key(sku)));
        Ok(sample)
    }

    fn compare(&mut self, expected: BTreeMap<Sku, Quantity>, told: Vec<(Sku, Quantity)>, now: Timestamp) {
        let told: BTreeMap<Sku, Quantity> = told.into_iter().collect();
        // What moves cannot be judged: a suspicion is dropped, a certainty waits.
        self.seen.retain(|sku, one| one.is_sure || expected.contains_key(sku));
        for (sku, expected) in expected {
            let Some(says) = told.get(&sku).copied().filter(|says| *says != expected) else {
                self.seen.remove(&sku);
                continue;
            };
            let fresh = Difference { says, expected, since: now, is_sure: false };
            let known = self.seen.entry(sku).or_insert_with(|| fresh.clone());
            if (known.says, known.expected) != (says, expected) {
                *known = fresh;
            }
            known.is_sure |= now.duration_since(known.since) >= SEEN_AGAIN_AFTER;
        }
    }

    fn trouble(&self) -> Option<Trouble> {
        let sure: Vec<(&Sku, &Difference)> = self.seen.iter().filter(|(_, one)| one.is_sure).collect();
        let named = |(sku, one): &(&Sku, &Difference)| {
            let since = one.since.strftime("%Y-%m-%d %H:%M UTC");
            format!("{sku} ({} instead of {}, the same since {since})", one.says, one.expected)
        };
        let names: Vec<String> = sure.iter().take(NAMED).map(named).collect();
        let too_much = sure.iter().any(|(_, one)| one.says > one.expected);
        (!sure.is_empty()).then(|| Trouble {
            code: SALABLE_DIFFERS,
            subject: String::new(),
            severity: if too_much { Severity::Warning } else { Severity::Notice },
            text: format!(
                "the web store offers {} item(s) in another quantity than there is to sell, though it holds what was written: {}",
                sure.len(),
                names.join(", ")
            ),
            remedy: "Reservations of orders were lost or left over, orders were imported into the store, a module switches \
                     reservations off, the item has an out-of-stock threshold, or an indexer or queue consumer does not run. \
                     With Magento, `bin/magento inventory:reservation:list-inconsistencies` on the server names the orders; \
                     tillbridge check says what it sees of modules."
                .into(),
        })
    }

    fn note_shortcomings(&mut self, shop: &Shop) {
        let now = shop.store.shortcomings();
        if self.shortcomings.as_ref() == Some(&now) {
            return;
        }
        let trouble = |one: &Shortcoming| Trouble {
            code: STORE_FALLS_SHORT,
            subject: one.about.clone(),
            severity: Severity::Warning,
            text: one.text.clone(),
            remedy: one.remedy.clone(),
        };
        shop.conditions(&[STORE_FALLS_SHORT], &now.iter().map(trouble).collect::<Vec<_>>());
        self.shortcomings = Some(now);
    }
}

/// The store held something else than was written.
pub(super) fn drift(ledger: &Ledger, code: &'static str, count: u64) -> Result<Trouble, LedgerError> {
    let named = |(sku, what): (Sku, String)| format!("{sku} ({what})");
    let names: Vec<String> =
        ledger.drifted_items(NAMED.try_into().unwrap_or(u32::MAX))?.into_iter().map(named).collect();
    let example = if names.is_empty() { String::new() } else { format!(", for example {}", names.join(", ")) };
    Ok(Trouble {
        code,
        subject: String::new(),
        severity: Severity::Warning,
        text: format!(
            "{count} item(s) held another quantity in the web store than was written{example}; they are corrected"
        ),
        remedy: "See whether someone or something else writes stock to the web store: only one may.".into(),
    })
}
