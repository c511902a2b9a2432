//! What the store keeps failing at while it works otherwise: counted, then a dead letter.
//!
//! Promises: an item or a note that fails by itself is tried so many times ([`MOST_TRIES`]), and then leaves the outbox with
//! its reason. It comes back with a new count, order or product change, when a person says so, and once a day. What was
//! given up while nothing else was taken comes back as soon as something is. Every word of a person is kept with who and when.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Transaction, params};
use serde::Serialize;

use super::outbox::{Delivered, DueSku};
use super::{Doing, Ledger, Result, micros, orders};
use crate::domain::{OrderId, Sku};
use crate::ports::Acknowledgement;

/// Tries of a single item or note before it is a dead letter. With the pauses of [`crate::domain::retry`] that is about a
/// quarter of an hour.
pub const MOST_TRIES: u32 = 8;
/// An item that was given up with nothing to compare it with is tried again after this long.
const UNPROVED_TRIED_AFTER: SignedDuration = SignedDuration::from_mins(10);
/// A dead note is told once more after this long, and no more when it is a week old.
const TOLD_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);
const TOLD_AGAIN_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Decisions of persons that are kept.
const DECISIONS_KEPT: i64 = 5000;

/// Not to be sent alone, of a row `o` of the outbox.
pub(super) const NOT_ALONE: &str = "AND NOT EXISTS
    (SELECT 1 FROM outbox_trouble t WHERE t.kind = 'stock' AND t.key = o.sku AND t.alone = 1)";

/// An item that failed by itself.
pub(super) struct Tried<'a> {
    /// When to try again.
    pub(super) not_before: Timestamp,
    /// How it failed.
    pub(super) why: &'a str,
    /// Does it make the whole request fail?
    pub(super) alone: bool,
    /// Were others taken meanwhile?
    pub(super) proved: bool,
}

/// A row of the outbox that a person means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// The quantity of this item.
    Stock(Sku),
    /// All notes of this order.
    Order(OrderId, String),
}

impl Meant {
    fn kind(&self) -> &'static str {
        match self {
            Self::Stock(_) => "stock",
            Self::Order(..) => "acknowledgement",
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Stock(sku) => sku.as_str(),
            Self::Order(id, _) => &id.0,
        }
    }

    fn shown(&self) -> &str {
        match self {
            Self::Stock(sku) => sku.as_str(),
            Self::Order(_, number) => number,
        }
    }
}

/// What was given up.
#[derive(Debug, Clone, Serialize)]
pub struct DeadLetter {
    /// `stock` or `acknowledgement`.
    pub kind: String,
    /// The item's SKU, or the order's number.
    pub shown: String,
    /// Why.
    pub reason: String,
}

pub(super) fn dead_in(tx: &Connection) -> Result<u64> {
    let count = "SELECT count(*) FROM outbox_trouble WHERE state = 'dead'";
    let dead = tx.prepare_cached(count).and_then(|mut count| count.query_row([], |row| row.get::<_, i64>(0)));
    dead.map(i64::unsigned_abs).doing("count dead letters")
}

/// Counts a failure of a single row; is it dead now? One that was dead before gets this one try.
fn count(
    tx: &Transaction<'_>,
    kind: &str,
    key: &str,
    news: Option<&Acknowledgement>,
    tried: &Tried<'_>,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let body = news.map(|news| serde_json::to_string(news).unwrap_or_default());
    let order = news.map(|news| news.order.0.as_str());
    let (state, tries): (String, u32) = tx
        .prepare_cached(
            "INSERT INTO outbox_trouble (kind, key, order_id, body, state, alone, proved, tries, since, tried_at, reason)
             VALUES (?1, ?2, ?3, ?4, 'tried', ?5, ?6, 1, ?7, ?7, ?8)
             ON CONFLICT (kind, key) DO UPDATE SET alone = max(alone, excluded.alone), proved = max(proved, excluded.proved),
               tries = iif(state = 'dropped', 1, tries + 1), state = iif(state = 'dropped', 'tried', state),
               tried_at = excluded.tried_at, reason = excluded.reason RETURNING state, tries",
        )?
        .query_row(
            params![kind, key, order, body, tried.alone, tried.proved, micros(now), tried.why],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
    let is_dead = state == "dead" || tries >= MOST_TRIES;
    if is_dead && state != "dead" {
        tx.prepare_cached("UPDATE outbox_trouble SET state = 'dead' WHERE kind = ?1 AND key = ?2")?
            .execute([kind, key])?;
    }
    Ok(is_dead)
}

/// Counts a failure of a single item; is it a dead letter now?
pub(super) fn count_stock(
    tx: &Transaction<'_>,
    sku: &Sku,
    tried: &Tried<'_>,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    count(tx, "stock", sku.as_str(), None, tried, now)
}

/// What was taken is no trouble any more; and if anything was, then what was given up with nothing to compare it with gets
/// one more try.
pub(super) fn after_delivery(
    tx: &Transaction<'_>,
    results: &[(DueSku, Delivered)],
    now: Timestamp,
) -> rusqlite::Result<()> {
    if !tx.prepare_cached("SELECT 1 FROM outbox_trouble WHERE kind = 'stock'")?.exists([])? {
        return Ok(());
    }
    let mut forget = tx.prepare_cached("DELETE FROM outbox_trouble WHERE kind = 'stock' AND key = ?1")?;
    let mut any_stored = false;
    for (due, delivered) in results {
        match delivered {
            Delivered::Stored { .. } | Delivered::NothingToSend | Delivered::NotTaken { .. } => {
                any_stored |= matches!(delivered, Delivered::Stored { .. });
                forget.execute([due.sku.as_str()])?;
            }
            Delivered::Refused { .. } | Delivered::Alone { .. } | Delivered::Again { .. } => {}
        }
    }
    if any_stored {
        const UNPROVED: &str = "kind = 'stock' AND state = 'dead' AND proved = 0";
        let revive = format!(
            "INSERT INTO outbox_stock (sku, due_since) SELECT key, ?1 FROM outbox_trouble WHERE {UNPROVED} ON CONFLICT DO NOTHING"
        );
        tx.prepare_cached(&revive)?.execute([micros(now)])?;
        tx.prepare_cached(&format!("UPDATE outbox_trouble SET state = 'tried', tries = ?1 WHERE {UNPROVED}"))?
            .execute([MOST_TRIES - 1])?;
    }
    Ok(())
}

const REVIVE_NEWS: &str = "INSERT INTO outbox_acknowledgement (idempotency_key, order_id, body, due_since)
    SELECT key, order_id, body, since FROM outbox_trouble WHERE kind = 'acknowledgement' AND state = 'dead'";

/// The store is another one: what the one before failed at says nothing.
pub(super) fn forget_all(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    tx.execute(&format!("{REVIVE_NEWS} ON CONFLICT DO NOTHING"), [])?;
    tx.execute("DELETE FROM outbox_trouble", []).map(|_| ())
}

impl Ledger {
    /// What was given up: how much, and the first of it.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn dead_letters(&self, limit: u32) -> Result<(u64, Vec<DeadLetter>)> {
        self.read("list dead letters", |tx| {
            let mut found = tx
                .prepare_cached(
                    "SELECT t.kind, coalesce(o.number, t.key), t.reason FROM outbox_trouble t
                     LEFT JOIN web_order o ON o.id = t.order_id WHERE t.state = 'dead' ORDER BY t.kind DESC, t.since, t.key LIMIT ?1",
                )
                .doing("list dead letters")?;
            let letter = |row: &rusqlite::Row<'_>| {
                Ok(DeadLetter { kind: row.get(0)?, shown: row.get(1)?, reason: row.get(2)? })
            };
            let rows = found.query_map([limit], letter).and_then(Iterator::collect).doing("list dead letters")?;
            Ok((dead_in(tx)?, rows))
        })
    }

    /// Notes that the store took note of this: it is no trouble any more, and others get one more try.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn news_was_told(&self, news: &Acknowledgement) -> Result<()> {
        const ANY: &str = "SELECT 1 FROM outbox_trouble WHERE kind = 'acknowledgement'";
        let any = self.read("look for dead letters", |tx| {
            tx.prepare_cached(ANY).and_then(|mut any| any.exists([])).doing("look for dead letters")
        })?;
        if !any {
            return Ok(());
        }
        self.write("forget a trouble", |tx| {
            tx.execute(
                "DELETE FROM outbox_trouble WHERE kind = 'acknowledgement' AND key = ?1",
                [&news.idempotency_key],
            )?;
            tx.execute(&format!("{REVIVE_NEWS} AND proved = 0 ON CONFLICT DO NOTHING"), [])?;
            tx.execute(
                "UPDATE outbox_trouble SET state = 'tried', tries = ?1
                 WHERE kind = 'acknowledgement' AND state = 'dead' AND proved = 0",
                [MOST_TRIES - 1],
            )
            .map(|_| ())
        })
    }

    /// Notes that the store failed at this note while it works otherwise. Says whether it is a dead letter now.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn news_failed(
        &self,
        news: &Acknowledgement,
        not_before: Timestamp,
        why: &str,
        proved: bool,
        now: Timestamp,
    ) -> Result<bool> {
        self.transact("note a failed acknowledgement", |tx| {
            let tried = Tried { not_before, why, alone: false, proved };
            let dead = count(tx, "acknowledgement", &news.idempotency_key, Some(news), &tried, now)
                .doing("note a failed acknowledgement")?;
            let changed = if dead {
                tx.execute("DELETE FROM outbox_acknowledgement WHERE idempotency_key = ?1", [&news.idempotency_key])
            } else {
                tx.execute(
                    "UPDATE outbox_acknowledgement SET attempts = attempts + 1, ready_at = ?2, leased = 0, last_error = ?3
                     WHERE idempotency_key = ?1",
                    params![news.idempotency_key, micros(not_before), why],
                )
            };
            changed.doing("note a failed acknowledgement")?;
            if dead {
                orders::note(tx, &news.order, "the web store could not be told", Some(why), orders::AGENT, now)?;
            }
            Ok(dead)
        })
    }

    /// Gives leased news back untouched; ready at `not_before`.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn return_news(&self, news: &[Acknowledgement], not_before: Timestamp) -> Result<()> {
        self.write("give a lease back", |tx| {
            let mut give = tx.prepare_cached(
                "UPDATE outbox_acknowledgement SET leased = 0, ready_at = ?2 WHERE idempotency_key = ?1",
            )?;
            for news in news {
                give.execute(params![news.idempotency_key, micros(not_before)])?;
            }
            Ok(())
        })
    }

    /// Has dead news told once more, a day after the last try, for a week.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn revive_old_news(&self, now: Timestamp) -> Result<()> {
        let old = "AND tried_at < ?1 AND since > ?2 AND NOT EXISTS
                   (SELECT 1 FROM outbox_acknowledgement a WHERE a.idempotency_key = outbox_trouble.key)";
        let before = |span| micros(now.saturating_sub(span).unwrap_or(Timestamp::MIN));
        let (tried, since) = (before(TOLD_AGAIN_AFTER), before(TOLD_AGAIN_FOR));
        let any = self.read("look for dead letters", |tx| {
            let any = format!("SELECT 1 FROM outbox_trouble WHERE kind = 'acknowledgement' AND state = 'dead' {old}");
            tx.prepare_cached(&any).and_then(|mut any| any.exists([tried, since])).doing("look for dead letters")
        })?;
        if !any {
            return Ok(());
        }
        self.write("tell the store once more", |tx| {
            tx.execute(&format!("{REVIVE_NEWS} {old} ON CONFLICT DO NOTHING"), [tried, since]).map(|_| ())
        })
    }

    /// Items that were given up with nothing to compare them with get a try now and then: it may have been the store.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn revive_unproved(&self, now: Timestamp) -> Result<()> {
        const OLD: &str =
            "FROM outbox_trouble WHERE kind = 'stock' AND state = 'dead' AND proved = 0 AND tried_at < ?1";
        let before = micros(now.saturating_sub(UNPROVED_TRIED_AFTER).unwrap_or(Timestamp::MIN));
        let any = self.read("look for dead letters", |tx| {
            let any = format!("SELECT 1 {OLD}");
            tx.prepare_cached(&any).and_then(|mut any| any.exists([before])).doing("look for dead letters")
        })?;
        if !any {
            return Ok(());
        }
        self.write("try an item once more", |tx| {
            let revive =
                format!("INSERT INTO outbox_stock (sku, due_since) SELECT key, ?2 {OLD} ON CONFLICT DO NOTHING");
            tx.execute(&revive, [before, micros(now)]).map(|_| ())
        })
    }

    /// A person has these tried at once, with all their tries; all that is paused or dead where nothing is named. Says how many.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn retry_outbox(&self, meant: Option<&Meant>, by: &str, now: Timestamp) -> Result<u64> {
        let doing = "have the outbox retried";
        self.transact(doing, |tx| {
            let (stock, order) = match meant {
                None => ("1", "1"),
                Some(Meant::Stock(_)) => ("key = ?1", "0"),
                Some(Meant::Order(..)) => ("0", "order_id = ?1"),
            };
            let key = meant.map(Meant::key).unwrap_or_default();
            let run = |sql: &str| tx.execute(sql, [key]).doing(doing);
            let revived = run(&format!(
                "INSERT INTO outbox_stock (sku, due_since) SELECT key, since FROM outbox_trouble
                 WHERE kind = 'stock' AND state <> 'tried' AND {stock} AND ?1 = ?1 ON CONFLICT DO UPDATE SET mark = mark + 1"
            ))? + run(&format!("{REVIVE_NEWS} AND {order} AND ?1 = ?1 ON CONFLICT DO NOTHING"))?;
            let woken = run(&format!(
                "UPDATE outbox_stock SET ready_at = 0 WHERE leased = 0 AND ready_at > 0 AND {} AND ?1 = ?1",
                stock.replace("key", "sku")
            ))? + run(&format!(
                "UPDATE outbox_acknowledgement SET ready_at = 0 WHERE leased = 0 AND ready_at > 0 AND {order} AND ?1 = ?1"
            ))?;
            run(&format!(
                "UPDATE outbox_trouble SET state = 'tried', tries = 0
                 WHERE (kind = 'stock' AND {stock} OR kind = 'acknowledgement' AND {order}) AND ?1 = ?1"
            ))?;
            let all = (revived + woken) as u64;
            let (kind, shown) = meant.map_or(("all", "all"), |meant| (meant.kind(), meant.shown()));
            decided(tx, (now, kind, key, shown, "retry", None, by))?;
            Ok(all)
        })
    }

    /// A person says that the store is not to be told: the item's quantity there stays as it is until the next count or order,
    /// an order's notes are never told. Says how many rows there were.
    ///
    /// # Errors
    /// A failure of SQLite.
    pub fn drop_from_outbox(&self, meant: &Meant, reason: &str, by: &str, now: Timestamp) -> Result<u64> {
        let doing = "drop a row of the outbox";
        self.transact(doing, |tx| {
            let gone = match meant {
                Meant::Stock(sku) => {
                    let known = "SELECT 1 FROM outbox_trouble WHERE kind = 'stock' AND key = ?1 AND state <> 'dropped'";
                    let known = tx.prepare_cached(known).and_then(|mut known| known.exists([sku.as_str()]));
                    let gone = tx.execute("DELETE FROM outbox_stock WHERE sku = ?1", [sku.as_str()]).doing(doing)?;
                    let gone = gone.max(known.doing(doing)?.into());
                    if gone > 0 {
                        tx.execute(
                            "INSERT INTO outbox_trouble (kind, key, state, tries, since, tried_at, reason, by_whom)
                             VALUES ('stock', ?1, 'dropped', 0, ?4, ?4, ?2, ?3)
                             ON CONFLICT DO UPDATE SET state = 'dropped', tries = 0, since = ?4, reason = ?2, by_whom = ?3",
                            params![sku.as_str(), reason, by, micros(now)],
                        )
                        .doing(doing)?;
                    }
                    gone
                }
                Meant::Order(id, _) => {
                    let dead = "DELETE FROM outbox_trouble WHERE kind = 'acknowledgement' AND order_id = ?1";
                    let dead = tx.execute(dead, [&id.0]).doing(doing)?;
                    let gone = tx.execute("DELETE FROM outbox_acknowledgement WHERE order_id = ?1", [&id.0]).doing(doing)?;
                    gone.max(dead)
                }
            };
            if gone > 0 {
                decided(tx, (now, meant.kind(), meant.key(), meant.shown(), "drop", Some(reason), by))?;
                if let Meant::Order(id, _) = meant {
                    orders::note(tx, id, "the web store is not told what became of it", Some(reason), by, now)?;
                }
            }
            Ok(gone as u64)
        })
    }
}

type Decision<'a> = (Timestamp, &'a str, &'a str, &'a str, &'a str, Option<&'a str>, &'a str);

fn decided(tx: &Transaction<'_>, (now, kind, key, shown, what, reason, by): Decision<'_>) -> Result<()> {
    tx.execute(
        "INSERT INTO outbox_decision (at, kind, key, shown, what, reason, by_whom) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![micros(now), kind, key, shown, what, reason, by],
    )
    .and_then(|_| tx.execute("DELETE FROM outbox_decision WHERE id <= ?1", [tx.last_insert_rowid() - DECISIONS_KEPT]))
    .map(|_| ())
    .doing("note a decision")
}
