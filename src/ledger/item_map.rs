//! The pairs of web SKU and till code: kept, changed, and turned into SQL for those who join the two sides.
//!
//! Promises: rows of exports stand under the till's codes, orders and the store's items under web SKUs, and only here is
//! it told which is which, so that a change of pairs moves no row and loses none. With the pairs change, in one
//! transaction: every web SKU that the till calls otherwise from then on is due, and what the store was believed to hold
//! of it is forgotten. What a file under an older code proves about the new one is nothing, until a person says so.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

use super::items::sku_column;
use super::{Doing, Ledger, LedgerError, Result, at_column, micros};
use crate::domain::item_map::PairChange;
use crate::domain::{ItemMap, Sku};

/// A pair, and who said so.
#[derive(Debug, Clone, Serialize)]
pub struct PairShown {
    /// The web store's name.
    pub web_sku: Sku,
    /// The till's name.
    pub till_code: Sku,
    /// Since when.
    pub since: Timestamp,
    /// Who said so.
    pub by: String,
}

/// Orders that went to the till under another code than an item has now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnderOlderCode {
    /// The web SKU.
    pub web_sku: Sku,
    /// The code in their files.
    pub code: Sku,
    /// Orders that the till has taken.
    pub taken: u64,
    /// Orders that are with the till, and not proved to be taken.
    pub waiting: u64,
}

/// What a change of the pairs came to.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ItemsChanged {
    /// The pairs that are otherwise than before.
    #[serde(skip)]
    pub changes: Vec<PairChange>,
    /// Files of orders that a person's word now counts as booked under the new code.
    pub booked: u64,
    /// Orders that still stand under another code.
    pub under_older_code: Vec<UnderOlderCode>,
}

/// What is wanted of the pairs.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// All pairs, as they should be.
    pub map: ItemMap,
    /// Web SKUs of which the till has booked what it took under an older code on the new one, by a person's word.
    pub booked: BTreeSet<Sku>,
}

impl Ledger {
    /// All pairs, with who said so, by web SKU.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn item_pairs(&self) -> Result<Vec<PairShown>> {
        self.read("list pairs of items", |tx| {
            let mut found = tx
                .prepare_cached("SELECT web_sku, till_code, since, by_whom FROM item_pair ORDER BY web_sku")
                .doing("list pairs of items")?;
            let pairs = found.query_map([], |row| {
                Ok(PairShown {
                    web_sku: sku_column(row.get(0)?)?,
                    till_code: sku_column(row.get(1)?)?,
                    since: at_column(row.get(2)?),
                    by: row.get(3)?,
                })
            });
            pairs.and_then(Iterator::collect).doing("list pairs of items")
        })
    }

    /// The pairs that these names, web SKUs or till codes, are in or touch: enough to tell their counterparts.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn item_map_of(&self, names: &[Sku]) -> Result<ItemMap> {
        self.read("read pairs of items", |tx| map_of(tx, names))
    }

    /// Changes the pairs to what `wanted` makes of them; says what that came to. With `dry_run` nothing is changed.
    ///
    /// # Errors
    /// Outside, a failure of SQLite or a damaged row; inside, the reason of `wanted`. Nothing is changed then.
    pub fn change_items<E>(
        &self,
        by: &str,
        now: Timestamp,
        dry_run: bool,
        wanted: impl FnOnce(&ItemMap) -> std::result::Result<Wanted, E>,
    ) -> Result<std::result::Result<ItemsChanged, E>> {
        self.transact("change pairs of items", |tx| {
            let before = all_in(tx)?;
            let wanted = match wanted(&before) {
                Ok(wanted) => wanted,
                Err(why) => return Ok(Err(why)),
            };
            let changes = before.changes_to(&wanted.map);
            if dry_run {
                return Ok(Ok(ItemsChanged { changes, ..ItemsChanged::default() }));
            }
            write_pairs(tx, &changes, by, now).doing("change pairs of items")?;
            let renamed = before.renamed_by(&wanted.map);
            forget_and_mark(tx, &renamed, &wanted.map, now).doing("mark renamed items as due")?;
            let booked = note_booked(tx, &wanted, by, now).doing("note what is booked under new codes")?;
            let named: BTreeSet<&Sku> = renamed.iter().chain(&wanted.booked).collect();
            let under_older_code = named
                .into_iter()
                .map(|web| under_older_code(tx, web, &wanted.map))
                .collect::<rusqlite::Result<Vec<_>>>()
                .doing("list orders under older codes")?;
            Ok(Ok(ItemsChanged { changes, booked, under_older_code: under_older_code.concat() }))
        })
    }
}

/// Do the till and the store call any item differently?
pub(crate) fn any_in(tx: &Connection) -> Result<bool> {
    tx.prepare_cached("SELECT 1 FROM item_pair").and_then(|mut any| any.exists([])).doing("read pairs of items")
}

/// Did they ever?
pub(crate) fn ever_in(tx: &Connection) -> Result<bool> {
    tx.prepare_cached("SELECT 1 FROM item_pair_history").and_then(|mut any| any.exists([])).doing("read pairs of items")
}

/// SQL for the counterparts of names in columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    any: bool,
}

impl Names {
    pub(crate) fn of(tx: &Connection) -> Result<Self> {
        Ok(Self { any: any_in(tx)? })
    }

    /// The till code of the web SKU in this column, NULL where it has none: [`ItemMap::till_of`].
    pub(crate) fn till_of(self, web: &str) -> String {
        self.other(web, "till_code", "web_sku")
    }

    /// The web SKU of the till code in this column, NULL where it has none: [`ItemMap::web_of`].
    pub(crate) fn web_of(self, till: &str) -> String {
        self.other(till, "web_sku", "till_code")
    }

    fn other(self, name: &str, wanted: &str, given: &str) -> String {
        if !self.any {
            return name.to_owned();
        }
        format!(
            "coalesce((SELECT pair.{wanted} FROM item_pair pair WHERE pair.{given} = {name}),
               iif(EXISTS (SELECT 1 FROM item_pair pair WHERE pair.{wanted} = {name}), NULL, {name}))"
        )
    }
}

/// The pairs that these names are in or touch.
pub(crate) fn map_of(tx: &Connection, names: &[Sku]) -> Result<ItemMap> {
    if !any_in(tx)? {
        return Ok(ItemMap::default());
    }
    let doing = "read pairs of items";
    let wanted: Vec<&str> = names.iter().map(Sku::as_str).collect();
    let wanted = serde_json::to_string(&wanted).unwrap_or_default();
    let sql = "SELECT p.web_sku, p.till_code FROM json_each(?1) w CROSS JOIN item_pair p ON p.web_sku = w.value
               UNION SELECT p.web_sku, p.till_code FROM json_each(?1) w CROSS JOIN item_pair p ON p.till_code = w.value";
    let mut found = tx.prepare_cached(sql).doing(doing)?;
    let pairs: Vec<(Sku, Sku)> = found
        .query_map([wanted], |row| Ok((sku_column(row.get(0)?)?, sku_column(row.get(1)?)?)))
        .and_then(Iterator::collect)
        .doing(doing)?;
    of_table(pairs)
}

fn all_in(tx: &Connection) -> Result<ItemMap> {
    let doing = "read pairs of items";
    let mut found = tx.prepare_cached("SELECT web_sku, till_code FROM item_pair").doing(doing)?;
    let pairs: Vec<(Sku, Sku)> = found
        .query_map([], |row| Ok((sku_column(row.get(0)?)?, sku_column(row.get(1)?)?)))
        .and_then(Iterator::collect)
        .doing(doing)?;
    of_table(pairs)
}

fn of_table(pairs: Vec<(Sku, Sku)>) -> Result<ItemMap> {
    let damaged = |why: crate::domain::item_map::NotOneToOne| LedgerError::Damaged {
        table: "item_pair",
        row: String::new(),
        why: why.to_string(),
    };
    ItemMap::new(pairs).map_err(damaged)
}

/// Old pairs go before new ones come, so that codes can be exchanged.
fn write_pairs(tx: &Transaction<'_>, changes: &[PairChange], by: &str, now: Timestamp) -> rusqlite::Result<()> {
    let mut remove = tx.prepare_cached("DELETE FROM item_pair WHERE web_sku = ?1")?;
    let mut insert =
        tx.prepare_cached("INSERT INTO item_pair (web_sku, till_code, since, by_whom) VALUES (?1, ?2, ?3, ?4)")?;
    let mut note = tx
        .prepare_cached("INSERT INTO item_pair_history (at, web_sku, was, now, by_whom) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for change in changes {
        remove.execute([change.web.as_str()])?;
    }
    for PairChange { web, was, now: code } in changes {
        let (was, code) = (was.as_ref().map(Sku::as_str), code.as_ref().map(Sku::as_str));
        if code.is_some() {
            insert.execute(params![web.as_str(), code, micros(now), by])?;
        }
        note.execute(params![micros(now), web.as_str(), was, code, by])?;
    }
    Ok(())
}

/// What the store holds of an item that the till calls otherwise now is asked, and its quantity computed anew. That the
/// store has no such item may be another answer by now; where the till has no such item either, it is not asked.
fn forget_and_mark(tx: &Transaction<'_>, renamed: &[Sku], map: &ItemMap, now: Timestamp) -> rusqlite::Result<()> {
    let mut forget =
        tx.prepare_cached("UPDATE store_item SET written = NULL, moved = NULL WHERE sku = ?1 AND kind = 'kept'")?;
    let mut ask_again = tx.prepare_cached("DELETE FROM store_item WHERE sku = ?1 AND kind <> 'kept'")?;
    let mut no_more = tx.prepare_cached("DELETE FROM outbox_stock WHERE sku = ?1 AND leased = 0")?;
    for web in renamed {
        let is_kept = forget.execute([web.as_str()])? > 0;
        ask_again.execute([web.as_str()])?;
        if is_kept || map.till_of(web).is_some() {
            mark_due(tx, web, now)?;
        } else {
            no_more.execute([web.as_str()])?;
        }
    }
    Ok(())
}

fn mark_due(tx: &Transaction<'_>, web: &Sku, now: Timestamp) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO outbox_stock (sku, due_since) VALUES (?1, ?2)
         ON CONFLICT (sku) DO UPDATE SET mark = mark + 1, ready_at = iif(leased, ready_at, 0)",
    )?
    .execute(params![web.as_str(), micros(now)])
    .map(|_| ())
}

/// A person's word that the till has booked what it took of these items under the codes that they have now.
fn note_booked(tx: &Transaction<'_>, wanted: &Wanted, by: &str, now: Timestamp) -> rusqlite::Result<u64> {
    let mut book = tx.prepare_cached(
        "UPDATE order_file_units SET booked_as = ?2 WHERE sku = ?1 AND booked_as <> ?2 AND name IN
           (SELECT f.name FROM order_claim c JOIN order_file f ON f.order_id = c.order_id WHERE c.sku = ?1 AND f.state = 'taken')",
    )?;
    let mut note = tx.prepare_cached(
        "INSERT INTO item_pair_history (at, web_sku, was, now, booked, by_whom) VALUES (?1, ?2, ?3, ?3, 1, ?4)",
    )?;
    let mut booked = 0;
    for web in &wanted.booked {
        let Some(code) = wanted.map.till_of(web) else { continue };
        // Items of which other orders' files have a code that counts for them are due as well.
        mark_sharers_due(tx, web, &wanted.map, now)?;
        let files = book.execute([web.as_str(), code.as_str()])?;
        if files > 0 {
            note.execute(params![micros(now), web.as_str(), code.as_str(), by])?;
            mark_due(tx, web, now)?;
            booked += files as u64;
        }
    }
    Ok(booked)
}

/// The web SKUs whose till code stands in files of orders of this one: they stop being taken from there.
fn mark_sharers_due(tx: &Transaction<'_>, web: &Sku, map: &ItemMap, now: Timestamp) -> rusqlite::Result<()> {
    for (code, _, _) in codes_in_files(tx, web)? {
        if let Some(other) = map.web_of(&code).filter(|other| *other != web) {
            mark_due(tx, other, now)?;
        }
    }
    Ok(())
}

/// What became of a file also changes what is known of items whose code stands in it for another web SKU.
pub(crate) fn mark_others_due(tx: &Transaction<'_>, file: &str, now: Timestamp) -> Result<()> {
    if !ever_in(tx)? {
        return Ok(());
    }
    let web = Names::of(tx)?.web_of("u.booked_as");
    tx.execute(
        &format!(
            "INSERT INTO outbox_stock (sku, due_since)
             SELECT {web}, ?2 FROM order_file_units u WHERE u.name = ?1 AND {web} <> u.sku
             ON CONFLICT (sku) DO UPDATE SET mark = mark + 1, ready_at = iif(leased, ready_at, 0)"
        ),
        params![file, micros(now)],
    )
    .map(|_| ())
    .doing("mark an order's items as due")
}

/// Codes in the newest files of this item's orders with something left to take; how many orders are taken, and waiting.
fn codes_in_files(tx: &Transaction<'_>, web: &Sku) -> rusqlite::Result<Vec<(Sku, i64, i64)>> {
    let mut found = tx.prepare_cached(
        "SELECT u.booked_as, coalesce(sum(f.state = 'taken'), 0), coalesce(sum(f.state <> 'taken'), 0)
         FROM order_claim c JOIN order_file f ON f.order_id = c.order_id AND f.state IN ('staged', 'visible', 'taken')
           AND f.copy = (SELECT max(copy) FROM order_file g WHERE g.order_id = c.order_id)
         JOIN order_file_units u ON u.name = f.name AND u.sku = c.sku
         WHERE c.sku = ?1 AND c.to_take <> '0' GROUP BY u.booked_as ORDER BY u.booked_as",
    )?;
    let codes = found.query_map([web.as_str()], |row| Ok((sku_column(row.get(0)?)?, row.get(1)?, row.get(2)?)))?;
    codes.collect()
}

fn under_older_code(tx: &Transaction<'_>, web: &Sku, map: &ItemMap) -> rusqlite::Result<Vec<UnderOlderCode>> {
    let code_now = map.till_of(web);
    let older = codes_in_files(tx, web)?.into_iter().filter(|(code, _, _)| Some(code) != code_now);
    let shown = |(code, taken, waiting): (Sku, i64, i64)| UnderOlderCode {
        web_sku: web.clone(),
        code,
        taken: taken.unsigned_abs(),
        waiting: waiting.unsigned_abs(),
    };
    Ok(older.map(shown).collect())
}
