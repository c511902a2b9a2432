//! The outbox: what the store is to be told, however long the line is down.
//!
//! Promises: one row per SKU, which says that it is *due*, never a number; the number is computed when it is sent. A row
//! that became due again while it was being sent stays due. Attempts, pauses and leases are in the row, so that a crash
//! loses nothing. Nothing is dropped but by being delivered, or by a recorded decision that there is nothing to deliver.

use std::collections::HashMap;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

use super::files::OpenFile;
use super::{Doing, Ledger, Result, at_column, exports, files, micros, orders, typed};
use crate::domain::order::OrderEvent;
use crate::domain::reconcile::{Acknowledged, Claim, Taken};
use crate::domain::stock::Counted;
use crate::domain::{AdmittedSnapshot, ExportId, OrderId, Quantity, Sku};
use crate::ports::{Acknowledgement, Stage};

/// A SKU that is due, leased to the sender.
#[derive(Debug, Clone)]
pub struct DueSku {
    /// Which.
    pub sku: Sku,
    /// Its mark when it was leased; a later mark means that it became due again.
    pub mark: i64,
    /// Failed attempts so far.
    pub attempts: u32,
}

/// All that the arithmetic needs about one SKU, read at one moment.
#[derive(Debug, Clone, Default)]
pub struct ItemFacts {
    /// The till's count in the snapshot that counts.
    pub counted: Option<Counted>,
    /// What the web orders claim of it.
    pub claims: Vec<Claim>,
    /// What the store is known to hold.
    pub store: Option<StoreItem>,
}

/// What is known of a SKU at the store.
#[derive(Debug, Clone)]
pub struct StoreItem {
    /// What it is to the store.
    pub kind: StoreItemKind,
    /// The last acknowledged write.
    pub acknowledged: Option<Acknowledged>,
    /// When that was.
    pub written_at: Option<Timestamp>,
    /// What the store answered last.
    pub answer: String,
    /// When it was last asked or told.
    pub checked_at: Timestamp,
}

/// What a SKU is to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreItemKind {
    /// It keeps a quantity.
    Kept,
    /// It has no such SKU.
    Unknown,
    /// It has it, but keeps no quantity of it.
    NotKept,
    /// It refused our quantity.
    Refused,
}

impl StoreItemKind {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Unknown => "unknown",
            Self::NotKept => "not-kept",
            Self::Refused => "refused",
        }
    }

    pub(crate) fn from_word(word: &str) -> Self {
        match word {
            "kept" => Self::Kept,
            "unknown" => Self::Unknown,
            "not-kept" => Self::NotKept,
            _ => Self::Refused,
        }
    }
}

/// What became of a due SKU.
#[derive(Debug, Clone)]
pub enum Delivered {
    /// The store took this quantity; the store's own doings stood at `moved`.
    Stored {
        /// `W`.
        written: Quantity,
        /// See [`crate::domain::reconcile::moved_by_store`].
        moved: Quantity,
        /// The export behind it.
        export: ExportId,
    },
    /// The store holds what it should.
    NothingToSend,
    /// The store cannot take it; the reason is kept, and it is asked again after a day or a new count.
    NotTaken {
        /// What it is to the store.
        kind: StoreItemKind,
        /// The store's reason.
        why: String,
    },
    /// Try again, not before this time.
    Again {
        /// When.
        not_before: Timestamp,
        /// Why.
        why: String,
    },
}

/// How much waits in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Depth {
    /// SKUs that are due.
    pub stock: u64,
    /// Acknowledgements that are due.
    pub acknowledgements: u64,
    /// Since when the oldest of them is due.
    pub oldest: Option<Timestamp>,
}

const MARK_DUE: &str =
    "ON CONFLICT (sku) DO UPDATE SET mark = mark + 1, not_before = min(not_before, excluded.due_since)";

/// Marks every SKU of an order as due.
pub(crate) fn mark_order_due(tx: &Transaction<'_>, order: &OrderId, now: Timestamp) -> Result<()> {
    let sql = format!(
        "INSERT INTO outbox_stock (sku, due_since) SELECT sku, ?2 FROM order_claim WHERE order_id = ?1 {MARK_DUE}"
    );
    tx.prepare_cached(&sql)
        .and_then(|mut mark| mark.execute(params![order.0, micros(now)]))
        .map(|_| ())
        .doing("mark an order's items as due")
}

/// Queues the news of what became of an order file.
pub(crate) fn enqueue_acknowledgement(
    tx: &Transaction<'_>,
    file: &OpenFile,
    stage: Stage,
    at: Timestamp,
    now: Timestamp,
) -> Result<()> {
    let word = match stage {
        Stage::Consumed => "consumed",
        Stage::Rejected => "rejected",
    };
    let key = format!("{}-{word}-{}", file.order, file.copy);
    let news = Acknowledgement {
        order: file.order.clone(),
        number: file.number.clone(),
        stage,
        reference: file.name.clone(),
        at,
        idempotency_key: key.clone(),
    };
    let body = serde_json::to_string(&news).unwrap_or_default();
    tx.execute(
        "INSERT INTO outbox_acknowledgement (idempotency_key, order_id, body, due_since) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        params![key, file.order.0, body, micros(now)],
    )
    .map(|_| ())
    .doing("queue an acknowledgement")
}

impl Ledger {
    /// Marks SKUs as due.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn mark_due(&self, skus: &[Sku], now: Timestamp) -> Result<()> {
        self.write("mark items as due", |tx| {
            let sql = format!("INSERT INTO outbox_stock (sku, due_since) VALUES (?1, ?2) {MARK_DUE}");
            let mut mark = tx.prepare_cached(&sql)?;
            for sku in skus {
                mark.execute(params![sku.as_str(), micros(now)])?;
            }
            Ok(())
        })
    }

    /// Leases up to `limit` SKUs that are due, oldest first, until `lease_until`.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn lease_stock(&self, limit: usize, lease_until: Timestamp, now: Timestamp) -> Result<Vec<DueSku>> {
        let ready = "FROM outbox_stock WHERE not_before <= ?1 AND lease_until <= ?1";
        if !self.read("see what is due", |tx| exists(tx, &format!("SELECT 1 {ready}"), now))? {
            return Ok(Vec::new());
        }
        self.write("lease items that are due", |tx| {
            let mut lease = tx.prepare_cached(&format!(
                "UPDATE outbox_stock SET lease_until = ?3 WHERE sku IN (SELECT sku {ready} ORDER BY due_since LIMIT ?2)
                 RETURNING sku, mark, attempts"
            ))?;
            let due = lease.query_map(params![micros(now), limit as i64, micros(lease_until)], |row| {
                Ok(DueSku { sku: sku_column(row.get::<_, String>(0)?)?, mark: row.get(1)?, attempts: row.get(2)? })
            })?;
            due.collect()
        })
    }

    /// Gives leased SKUs back untouched.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn return_lease(&self, due: &[DueSku]) -> Result<()> {
        self.write("give a lease back", |tx| {
            let mut give = tx.prepare_cached("UPDATE outbox_stock SET lease_until = 0 WHERE sku = ?1")?;
            for item in due {
                give.execute([item.sku.as_str()])?;
            }
            Ok(())
        })
    }

    /// The snapshot that counts, and all facts about these SKUs: one consistent read.
    ///
    /// # Errors
    /// A failure of SQLite, or a damaged row.
    pub fn item_facts(&self, skus: &[Sku]) -> Result<(Option<AdmittedSnapshot>, HashMap<Sku, ItemFacts>)> {
        self.read("read facts about items", |tx| {
            let snapshot = exports::admitted_in(tx)?;
            let mut facts: HashMap<Sku, ItemFacts> =
                skus.iter().map(|sku| (sku.clone(), ItemFacts::default())).collect();
            let wanted: Vec<&str> = skus.iter().map(Sku::as_str).collect();
            let wanted = serde_json::to_string(&wanted).unwrap_or_default();
            if let Some(snapshot) = &snapshot {
                read_counts(tx, snapshot, &wanted, &mut facts).doing("read counts")?;
            }
            read_claims(tx, &wanted, &mut facts).doing("read what orders claim")?;
            read_store_items(tx, &wanted, &mut facts).doing("read what the store holds")?;
            Ok((snapshot, facts))
        })
    }

    /// Notes, before quantities are sent, that what the store holds of these SKUs is from now on unknown.
    ///
    /// An answer may get lost, or the agent may die: then the next attempt has to read before it compares.
    ///
    /// # Errors
    /// A failure of SQLite. Nothing may be sent then.
    pub fn about_to_write(&self, skus: &[Sku]) -> Result<()> {
        self.write("note what is about to be sent", |tx| {
            let mut forget = tx.prepare_cached(
                "UPDATE store_item SET written = NULL, moved = NULL WHERE sku = ?1 AND written IS NOT NULL",
            )?;
            for sku in skus {
                forget.execute([sku.as_str()])?;
            }
            Ok(())
        })
    }

    /// Notes what became of due SKUs: one transaction.
    ///
    /// # Errors
    /// A failure of SQLite. They then stay due.
    pub fn finish_stock(&self, results: &[(DueSku, Delivered)], now: Timestamp) -> Result<()> {
        self.write("note what was delivered", |tx| {
            for (due, delivered) in results {
                finish_one(tx, due, delivered, now)?;
            }
            Ok(())
        })
    }

    /// Leases acknowledgements that are due, oldest first.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn lease_acknowledgements(
        &self,
        limit: u32,
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<(Acknowledgement, u32)>> {
        let ready = "FROM outbox_acknowledgement WHERE not_before <= ?1 AND lease_until <= ?1";
        if !self.read("see what is due", |tx| exists(tx, &format!("SELECT 1 {ready}"), now))? {
            return Ok(Vec::new());
        }
        self.write("lease acknowledgements", |tx| {
            let mut lease = tx.prepare_cached(&format!(
                "UPDATE outbox_acknowledgement SET lease_until = ?3 WHERE idempotency_key IN
                 (SELECT idempotency_key {ready} ORDER BY due_since LIMIT ?2) RETURNING body, attempts"
            ))?;
            let due = lease.query_map(params![micros(now), limit, micros(lease_until)], |row| {
                let body: String = row.get(0)?;
                let news = serde_json::from_str(&body).map_err(|error| {
                    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
                })?;
                Ok((news, row.get(1)?))
            })?;
            due.collect()
        })
    }

    /// Notes that the store took note of an order's fate.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn acknowledged(&self, news: &Acknowledgement, now: Timestamp) -> Result<()> {
        self.transact("note an acknowledgement", |tx| {
            tx.execute("DELETE FROM outbox_acknowledgement WHERE idempotency_key = ?1", [&news.idempotency_key])
                .doing("note an acknowledgement")?;
            let state: String = tx
                .query_row("SELECT state FROM web_order WHERE id = ?1", [&news.order.0], |row| row.get(0))
                .doing("note an acknowledgement")?;
            if news.stage == Stage::Consumed && state == "consumed" {
                orders::move_order(tx, &news.order, OrderEvent::Acknowledged, None, orders::AGENT, now)
            } else {
                orders::note(tx, &news.order, "told the web store", Some(&news.reference), orders::AGENT, now)
            }
        })
    }

    /// Notes that an acknowledgement failed, and when to try again.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn acknowledge_again(&self, news: &Acknowledgement, not_before: Timestamp, why: &str) -> Result<()> {
        self.write("note a failed acknowledgement", |tx| {
            tx.execute(
                "UPDATE outbox_acknowledgement SET attempts = attempts + 1, not_before = ?2, lease_until = 0, last_error = ?3
                 WHERE idempotency_key = ?1",
                params![news.idempotency_key, micros(not_before), why],
            )
            .map(|_| ())
        })
    }

    /// How much waits.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn outbox_depth(&self) -> Result<Depth> {
        self.read("measure the outbox", |tx| {
            let one = |table: &str| {
                tx.query_row(&format!("SELECT count(*), min(due_since) FROM {table}"), [], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?))
                })
                .doing("measure the outbox")
            };
            let ((stock, old_stock), (acknowledgements, old_news)) =
                (one("outbox_stock")?, one("outbox_acknowledgement")?);
            let oldest = [old_stock, old_news].into_iter().flatten().min().map(at_column);
            Ok(Depth { stock: stock.unsigned_abs(), acknowledgements: acknowledgements.unsigned_abs(), oldest })
        })
    }

    /// When the next row becomes ready, if none is now.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn next_due(&self) -> Result<Option<Timestamp>> {
        self.read("see when something is due", |tx| {
            tx.query_row(
                "SELECT min(t) FROM (SELECT min(max(not_before, lease_until)) AS t FROM outbox_stock
                 UNION ALL SELECT min(max(not_before, lease_until)) FROM outbox_acknowledgement)",
                [],
                |row| row.get::<_, Option<i64>>(0),
            )
            .map(|at| at.map(at_column))
            .doing("see when something is due")
        })
    }

    /// Lets everything in the outbox be tried at once (the line is back, or a person says so).
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn retry_all_now(&self) -> Result<()> {
        self.write("retry at once", |tx| {
            tx.execute("UPDATE outbox_stock SET not_before = 0 WHERE not_before > 0", [])?;
            tx.execute("UPDATE outbox_acknowledgement SET not_before = 0 WHERE not_before > 0", []).map(|_| ())
        })
    }
}

fn exists(tx: &Connection, sql: &str, now: Timestamp) -> Result<bool> {
    tx.prepare_cached(sql).and_then(|mut found| found.exists([micros(now)])).doing("see what is due")
}

fn sku_column(text: String) -> rusqlite::Result<Sku> {
    Sku::try_from(text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

fn read_counts(
    tx: &Connection,
    snapshot: &AdmittedSnapshot,
    wanted: &str,
    facts: &mut HashMap<Sku, ItemFacts>,
) -> rusqlite::Result<()> {
    let mut found = tx.prepare_cached(
        "SELECT r.sku, r.quantity, r.line FROM json_each(?2) w JOIN stock_row r ON r.export_id = ?1 AND r.sku = w.value",
    )?;
    let mut rows = found.query(params![snapshot.export().0, wanted])?;
    while let Some(row) = rows.next()? {
        let counted = Counted { quantity: typed(row, "quantity")?, line: row.get::<_, i64>(2)?.unsigned_abs() };
        facts.entry(sku_column(row.get(0)?)?).or_default().counted = Some(counted);
    }
    Ok(())
}

fn read_claims(tx: &Connection, wanted: &str, facts: &mut HashMap<Sku, ItemFacts>) -> rusqlite::Result<()> {
    // The newest file of an order is the one that tells whether the till has it.
    let mut found = tx.prepare_cached(
        "SELECT c.sku, c.order_id, o.number, c.to_take, c.reserved, c.shipped, o.before_our_time AS early, f.ended_at, u.units
         FROM json_each(?1) w JOIN order_claim c ON c.sku = w.value JOIN web_order o ON o.id = c.order_id
         LEFT JOIN order_file f ON f.order_id = c.order_id AND f.state = 'taken'
           AND f.copy = (SELECT max(copy) FROM order_file g WHERE g.order_id = c.order_id)
         LEFT JOIN order_file_units u ON u.name = f.name AND u.sku = c.sku
         ORDER BY c.sku, o.placed_at, c.order_id",
    )?;
    let mut rows = found.query([wanted])?;
    while let Some(row) = rows.next()? {
        let taken = match (row.get::<_, Option<i64>>("ended_at")?, row.get::<_, Option<String>>("units")?) {
            (Some(at), Some(_)) => Some(Taken { units: typed(row, "units")?, at: at_column(at) }),
            _ => None,
        };
        let claim = Claim {
            order: OrderId(row.get("order_id")?),
            number: row.get("number")?,
            to_take: typed(row, "to_take")?,
            reserved: typed(row, "reserved")?,
            shipped: typed(row, "shipped")?,
            taken,
            before_our_time: row.get("early")?,
        };
        facts.entry(sku_column(row.get(0)?)?).or_default().claims.push(claim);
    }
    Ok(())
}

fn read_store_items(tx: &Connection, wanted: &str, facts: &mut HashMap<Sku, ItemFacts>) -> rusqlite::Result<()> {
    let mut found = tx.prepare_cached(
        "SELECT s.sku, s.kind, s.written, s.moved, s.written_at, s.answer, s.checked_at
         FROM json_each(?1) w JOIN store_item s ON s.sku = w.value",
    )?;
    let mut rows = found.query([wanted])?;
    while let Some(row) = rows.next()? {
        let acknowledged = match row.get::<_, Option<String>>("written")? {
            Some(_) => Some(Acknowledged { written: typed(row, "written")?, moved: typed(row, "moved")? }),
            None => None,
        };
        let item = StoreItem {
            kind: StoreItemKind::from_word(&row.get::<_, String>("kind")?),
            acknowledged,
            written_at: row.get::<_, Option<i64>>("written_at")?.map(at_column),
            answer: row.get("answer")?,
            checked_at: at_column(row.get("checked_at")?),
        };
        facts.entry(sku_column(row.get(0)?)?).or_default().store = Some(item);
    }
    Ok(())
}

fn finish_one(tx: &Transaction<'_>, due: &DueSku, delivered: &Delivered, now: Timestamp) -> rusqlite::Result<()> {
    match delivered {
        Delivered::Stored { written, moved, export } => {
            tx.prepare_cached(
                "INSERT INTO store_item (sku, kind, written, moved, written_at, export_id, answer, checked_at)
                 VALUES (?1, 'kept', ?2, ?3, ?4, ?5, 'taken', ?4)
                 ON CONFLICT (sku) DO UPDATE SET kind = 'kept', written = excluded.written, moved = excluded.moved,
                   written_at = excluded.written_at, export_id = excluded.export_id, answer = excluded.answer, checked_at = excluded.checked_at",
            )?
            .execute(params![due.sku.as_str(), written.to_string(), moved.to_string(), micros(now), export.0])?;
            done(tx, due)
        }
        Delivered::NothingToSend => done(tx, due),
        Delivered::NotTaken { kind, why } => {
            tx.prepare_cached(
                "INSERT INTO store_item (sku, kind, answer, checked_at) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (sku) DO UPDATE SET kind = excluded.kind, answer = excluded.answer, checked_at = excluded.checked_at",
            )?
            .execute(params![due.sku.as_str(), kind.word(), why, micros(now)])?;
            done(tx, due)
        }
        Delivered::Again { not_before, why } => tx
            .prepare_cached(
                "UPDATE outbox_stock SET attempts = attempts + 1, not_before = ?2, lease_until = 0, last_error = ?3 WHERE sku = ?1",
            )?
            .execute(params![due.sku.as_str(), micros(*not_before), why])
            .map(|_| ()),
    }
}

/// Removes the row, unless the SKU became due again meanwhile.
fn done(tx: &Transaction<'_>, due: &DueSku) -> rusqlite::Result<()> {
    let gone = tx
        .prepare_cached("DELETE FROM outbox_stock WHERE sku = ?1 AND mark = ?2")?
        .execute(params![due.sku.as_str(), due.mark])?;
    if gone == 0 {
        tx.prepare_cached("UPDATE outbox_stock SET lease_until = 0, attempts = 0 WHERE sku = ?1")?
            .execute([due.sku.as_str()])?;
    }
    Ok(())
}

/// Are there files with the till and without evidence?
impl Ledger {
    /// Orders whose files are with the till, without evidence that it took them.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn waiting_for_till(&self) -> Result<Vec<crate::domain::gate::PublishedOrder>> {
        self.read("list orders that wait for the till", files::unproved_in)
    }
}
