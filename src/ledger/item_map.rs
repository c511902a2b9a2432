//! The pairs of web SKU and till code: kept, changed, and turned into SQL for those who join the two sides.
//!
//! Promises: rows of exports stand under the till's codes, orders and the store's items under web SKUs, and only here is
//! it told which is which, so that a change of pairs moves no row and loses none. With the pairs change, in one
//! transaction: every web SKU that the till calls otherwise from then on is due, and what the store was believed to hold
//! of it is forgotten. What a file under an older code proves about the new one is nothing, until a person says so.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::exports::to_json;
use super::items::sku_column;
use super::{Doing, Ledger, LedgerError, Result, at_column, micros};
use crate::domain::item_map::PairChange;
use crate::domain::{ItemMap, OrderId, Sku};

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
    /// The item's code now, if it has one.
    pub code_now: Option<Sku>,
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

const CHANGE: &str = "change pairs of items";

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
        self.transact(CHANGE, |tx| {
            let before = all_in(tx)?;
            let wanted = match wanted(&before) {
                Ok(wanted) => wanted,
                Err(why) => return Ok(Err(why)),
            };
            let changes = before.changes_to(&wanted.map);
            if dry_run {
                return Ok(Ok(ItemsChanged { changes, ..ItemsChanged::default() }));
            }
            write_pairs(tx, &changes, by, now)?;
            let renamed = before.renamed_by(&wanted.map);
            forget_and_mark(tx, &renamed, now)?;
            let booked = note_booked(tx, &wanted.booked, by, now)?;
            let under_older_code = under_older_codes(tx, &renamed.iter().chain(&wanted.booked).collect())?;
            Ok(Ok(ItemsChanged { changes, booked, under_older_code }))
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
fn write_pairs(tx: &Transaction<'_>, changes: &[PairChange], by: &str, now: Timestamp) -> Result<()> {
    let rows: Vec<_> = changes.iter().map(|change| (&change.web, &change.was, &change.now)).collect();
    let (rows, now) = (to_json(&rows)?, micros(now));
    let write = || {
        tx.execute("DELETE FROM item_pair WHERE web_sku IN (SELECT value ->> 0 FROM json_each(?1))", [&rows])?;
        tx.execute(
            "INSERT INTO item_pair (web_sku, till_code, since, by_whom)
             SELECT value ->> 0, value ->> 2, ?2, ?3 FROM json_each(?1) WHERE value ->> 2 IS NOT NULL",
            params![rows, now, by],
        )?;
        tx.execute(
            "INSERT INTO item_pair_history (at, web_sku, was, now, by_whom)
             SELECT ?2, value ->> 0, value ->> 1, value ->> 2, ?3 FROM json_each(?1)",
            params![rows, now, by],
        )
    };
    write().map(|_| ()).doing(CHANGE)
}

/// What the store holds of an item that the till calls otherwise now is asked, and its quantity computed anew. That the
/// store has no such item may be another answer by now; where the till has no such item either, it is not asked.
fn forget_and_mark(tx: &Transaction<'_>, renamed: &[Sku], now: Timestamp) -> Result<()> {
    let (renamed, code) = (to_json(&renamed)?, Names::of(tx)?.till_of("w.value"));
    let named = "sku IN (SELECT value FROM json_each(?1))";
    let is_kept = "EXISTS (SELECT 1 FROM store_item s WHERE s.sku = w.value)";
    let write = || {
        tx.execute(
            &format!("UPDATE store_item SET written = NULL, moved = NULL WHERE kind = 'kept' AND {named}"),
            [&renamed],
        )?;
        tx.execute(&format!("DELETE FROM store_item WHERE kind <> 'kept' AND {named}"), [&renamed])?;
        tx.execute(
            &due(&format!(
                "SELECT w.value, ?2 FROM json_each(?1) w WHERE {is_kept} OR EXISTS (SELECT 1 FROM export e
                   JOIN stock_row r ON r.export_id = e.id AND r.sku = {code} WHERE e.state = 'admitted')"
            )),
            params![renamed, micros(now)],
        )?;
        tx.execute(
            &format!(
                "DELETE FROM outbox_stock WHERE leased = 0 AND sku IN
                   (SELECT w.value FROM json_each(?1) w WHERE {code} IS NULL AND NOT {is_kept})"
            ),
            [&renamed],
        )
    };
    write().map(|_| ()).doing("mark renamed items as due")
}

/// Marks as due what `from` selects: web SKUs, and the time.
pub(crate) fn due(from: &str) -> String {
    format!(
        "INSERT INTO outbox_stock (sku, due_since) {from}
         ON CONFLICT (sku) DO UPDATE SET mark = mark + 1, ready_at = iif(leased, ready_at, 0)"
    )
}

/// The files of these items' orders that the till has or took, with the codes under which it books them; from the items on.
const FILES_OF_ITEMS: &str = "json_each(?1) w CROSS JOIN order_claim c ON c.sku = w.value
    CROSS JOIN order_file f INDEXED BY order_file_by_order ON f.order_id = c.order_id AND f.kind = 'order'
      AND f.state IN ('staged', 'visible', 'left', 'taken')
    CROSS JOIN order_file_units u ON u.name = f.name AND u.order_id = f.order_id AND u.sku = c.sku";

/// A person's word that the till has booked what it took of these items under the codes that they have now. When staff
/// corrected the till is not known, only that it was before now: exports made before now prove nothing of it.
fn note_booked(tx: &Transaction<'_>, webs: &BTreeSet<Sku>, by: &str, now: Timestamp) -> Result<u64> {
    let (webs, names, now) = (to_json(webs)?, Names::of(tx)?, micros(now));
    let (code, other) = (names.till_of("u.sku"), names.web_of("u.booked_as"));
    let older = format!("{FILES_OF_ITEMS} WHERE f.state = 'taken' AND u.booked_as <> {code}");
    let write = || {
        // Items that have the older codes now are due as well: these units were counted against them.
        for web in ["u.sku", other.as_str()] {
            tx.execute(
                &due(&format!("SELECT DISTINCT {web}, ?2 FROM {older} AND {web} IS NOT NULL")),
                params![webs, now],
            )?;
        }
        tx.execute(
            &format!(
                "INSERT INTO item_pair_history (at, web_sku, was, now, booked, by_whom)
                 SELECT DISTINCT ?2, u.sku, u.booked_as, {code}, 1, ?3 FROM {older}"
            ),
            params![webs, now, by],
        )?;
        tx.execute(
            &format!(
                "UPDATE order_file_units SET booked_as = {}, booked_at = ?2 WHERE (name, order_id, sku) IN
                   (SELECT u.name, u.order_id, u.sku FROM {older})",
                names.till_of("order_file_units.sku")
            ),
            params![webs, now],
        )
    };
    write().map(|files| files as u64).doing("note what is booked under new codes")
}

impl Ledger {
    /// The first of these items that the till booked for the order under another code than it has now, and that code.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn booked_under_other_code<'s>(
        &self,
        order: &OrderId,
        skus: impl Iterator<Item = &'s Sku>,
    ) -> Result<Option<(Sku, Sku)>> {
        let skus: Vec<&Sku> = skus.collect();
        let doing = "see under which code an order is booked";
        self.read(doing, |tx| {
            let code = Names::of(tx)?.till_of("u.sku");
            let sql = format!(
                "SELECT u.sku, u.booked_as FROM order_file f
                 JOIN order_file_units u ON u.name = f.name AND u.order_id = f.order_id
                 WHERE f.order_id = ?1 AND f.kind = 'order' AND f.state IN ('staged', 'visible', 'left', 'taken')
                   AND u.sku IN (SELECT value FROM json_each(?2)) AND u.booked_as IS NOT {code} LIMIT 1"
            );
            let row = |row: &Row<'_>| Ok((sku_column(row.get(0)?)?, sku_column(row.get(1)?)?));
            tx.query_row(&sql, params![order.0, to_json(&skus)?], row).optional().doing(doing)
        })
    }
}

/// What became of a file also changes what is known of items whose code stands in it for another web SKU.
pub(crate) fn mark_others_due(tx: &Transaction<'_>, file: &str, now: Timestamp) -> Result<()> {
    if !ever_in(tx)? {
        return Ok(());
    }
    let web = Names::of(tx)?.web_of("u.booked_as");
    tx.execute(
        &due(&format!("SELECT {web}, ?2 FROM order_file_units u WHERE u.name = ?1 AND {web} <> u.sku")),
        params![file, micros(now)],
    )
    .map(|_| ())
    .doing("mark an order's items as due")
}

/// Orders with something left to take whose newest file has another code for one of these items than the till has now.
fn under_older_codes(tx: &Transaction<'_>, webs: &BTreeSet<&Sku>) -> Result<Vec<UnderOlderCode>> {
    let doing = "list orders under older codes";
    let code = Names::of(tx)?.till_of("u.sku");
    let mut found = tx
        .prepare(&format!(
            "SELECT u.sku, u.booked_as, sum(f.state = 'taken'), sum(f.state <> 'taken'), {code} FROM {FILES_OF_ITEMS}
             WHERE c.to_take <> '0' AND u.booked_as IS NOT {code}
               AND f.copy = (SELECT max(copy) FROM order_file g WHERE g.order_id = c.order_id AND g.kind = 'order')
             GROUP BY u.sku, u.booked_as ORDER BY u.sku, u.booked_as"
        ))
        .doing(doing)?;
    let orders = found.query_map([to_json(webs)?], |row| {
        Ok(UnderOlderCode {
            web_sku: sku_column(row.get(0)?)?,
            code: sku_column(row.get(1)?)?,
            taken: row.get::<_, i64>(2)?.unsigned_abs(),
            waiting: row.get::<_, i64>(3)?.unsigned_abs(),
            code_now: row.get::<_, Option<String>>(4)?.map(sku_column).transpose()?,
        })
    });
    orders.and_then(Iterator::collect).doing(doing)
}

#[cfg(test)]
mod tests {
    use rusqlite::OpenFlags;

    use super::*;
    use crate::ledger::{FILE_NAME, schema};

    #[test]
    fn units_in_files_of_an_older_ledger_are_booked_under_their_web_sku() {
        const OLDER: usize = 3;
        let folder = tempfile::tempdir().unwrap();
        let old = schema::connect(&folder.path().join(FILE_NAME), OpenFlags::default()).unwrap();
        schema::MIGRATIONS.iter().take(OLDER).for_each(|migration| old.execute_batch(migration).unwrap());
        old.execute_batch(
            "INSERT INTO web_order VALUES ('1', '1', 0, 0, 0, 1, 0, '', '', '{}', 'consumed', NULL, 1, 0);
             INSERT INTO order_file VALUES ('1.csv', '1', 1, '', 0, 'taken', 0, 0, 5, 'gone');
             INSERT INTO order_file_units VALUES ('1.csv', 'A', '2');",
        )
        .unwrap();
        old.pragma_update(None, "user_version", OLDER as u32).unwrap();
        drop(old);
        let ledger = Ledger::open(folder.path()).unwrap();
        let booked = ledger.read("see", |tx| {
            tx.query_row("SELECT booked_as, booked_at FROM order_file_units", [], |row| {
                Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?))
            })
            .doing("see")
        });
        assert_eq!(booked.unwrap(), ("A".to_owned(), None));
    }
}
