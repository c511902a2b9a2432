//! Where the reading of the order feed has come to.
//!
//! Promises: small, whatever the shop's size, and the same after an idle round, so that nothing has to be written down. A
//! time in it is one that the store wrote. One that cannot be read (another store's, another version's) means starting
//! over, which loses nothing.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::documents::Kind;
use super::query::{Filter, Search, filter};
use super::wire::{moment, written};
use crate::central::settings::MagentoSettings;
use crate::domain::retry::FailureClass;
use crate::ports::{FeedCursor, StoreError, hex};

/// How far behind the highest key a missing one is looked for.
const KEYS_BEHIND: u64 = 200;
/// How often a missing key is asked for. Some databases leave gaps on purpose (Galera counts in steps), so it cannot be for
/// ever.
pub(super) const PATIENCE: u32 = 60;
/// The first times in a row; then every [`super::documents::EVERY`]th round, so that at a round every five seconds it is
/// looked for most of an hour.
pub(super) const AT_ONCE: u32 = 12;
/// States in which an order still reserves stock, or still goes to the till.
const OPEN_STATES: &str = "new,pending_payment,payment_review,processing,holded";
/// When the night's reading of open orders begins at the earliest, by the store's clock, and over how long shops spread.
const NIGHT: SignedDuration = SignedDuration::from_hours(1);
const SPREAD_MINUTES: u64 = 180;

/// Keys that were seen, and those that were jumped over: they are given before commit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keys {
    /// Highest key seen.
    pub(super) high: u64,
    /// Keys that were jumped over, and how often more they are asked for.
    pub(super) missing: BTreeMap<u64, u32>,
}

impl Keys {
    /// What is read from behind this key on.
    pub(super) fn behind(high: u64) -> Self {
        Self { high, missing: BTreeMap::new() }
    }

    /// Remembers what was seen.
    pub(super) fn note(&mut self, ids: impl IntoIterator<Item = u64>) {
        let mut ids: Vec<u64> = ids.into_iter().collect();
        ids.sort_unstable();
        for id in ids {
            self.missing.remove(&id);
            if id > self.high {
                let first = (self.high + 1).max(id.saturating_sub(KEYS_BEHIND));
                self.missing.extend((first..id).map(|jumped| (jumped, PATIENCE)));
                self.high = id;
            }
        }
        let oldest = self.high.saturating_sub(KEYS_BEHIND);
        self.missing.retain(|id, _| *id >= oldest);
    }

    /// Missing keys to ask for now: new ones in any round, older ones when it is `their_round`.
    pub(super) fn due(&mut self, their_round: bool) -> Vec<u64> {
        let mut wanted = Vec::new();
        self.missing.retain(|id, left| {
            if their_round || *left > PATIENCE - AT_ONCE {
                wanted.push(*id);
                *left -= 1;
            }
            *left > 0
        });
        wanted
    }
}

/// The night's reading of open orders.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sweep {
    /// The last night in which it began.
    night: Option<Date>,
    /// It goes on after this key.
    after: Option<u64>,
}

impl Sweep {
    /// Begins it when another night has come. At the first start everything has just been read.
    pub(super) fn begin_if_due(&mut self, now: Timestamp, shop: &str) {
        let minutes = shop.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let spread = SignedDuration::from_mins((minutes % SPREAD_MINUTES).cast_signed());
        let Ok(shifted) = now.checked_sub(NIGHT + spread) else { return };
        let night = TimeZone::UTC.to_datetime(shifted).date();
        if self.night.is_some_and(|last| last < night) && self.after.is_none() {
            self.after = Some(0);
        }
        if self.night.is_none_or(|last| last < night) {
            self.night = Some(night);
        }
    }

    /// The next page of it, if it is under way.
    pub(super) fn search(&self, size: usize, fields: &'static str) -> Option<Search> {
        let after = self.after?;
        let search = Search::new(size, fields)
            .and(vec![filter("entity_id", "gt", after.to_string())])
            .and(vec![filter("state", "in", OPEN_STATES)]);
        Some(search.ascending("entity_id"))
    }

    /// After this page it goes on behind `last`, or has ended.
    pub(super) fn advance(&mut self, last: Option<u64>, more: bool) {
        self.after = last.filter(|last| more && Some(*last) > self.after);
    }
}

/// A mark of the settings that decide what an order is to this shop.
pub(super) fn mark_of(settings: &MagentoSettings) -> String {
    const BYTES: usize = 8;
    let MagentoSettings { source, store_view, export_states, offline_payments, routing, .. } = settings;
    let deciding = serde_json::to_vec(&(source, store_view, export_states, offline_payments, routing));
    hex(&Sha256::digest(deciding.unwrap_or_default())[..BYTES])
}

/// Where the reading has come to; what a [`FeedCursor`] holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// By which settings the orders were read ([`mark_of`]).
    #[serde(default)]
    settings: String,
    pub(super) step: Step,
    /// Newest `updated_at` that is surely behind us.
    pub(super) watermark: Option<String>,
    /// Newest `updated_at` seen in this round.
    pub(super) newest: Option<String>,
    /// Keys of orders.
    pub(super) orders: Keys,
    /// Keys of shipments; unknown while they cannot be read.
    #[serde(default)]
    shipments: Option<Keys>,
    /// Keys of credit memos.
    #[serde(default)]
    creditmemos: Option<Keys>,
    #[serde(default)]
    pub(super) sweep: Sweep,
}

/// Which request comes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// Everything, by key, after this one.
    All { after: u64 },
    /// A new round of changes.
    Round,
    /// The rest of a round, after this pair.
    Changed { at: String, id: u64 },
}

/// An order's place in the feed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) at: String,
    pub(super) id: u64,
}

impl Position {
    /// Before everything is read.
    pub(super) fn beginning(watermark: Option<String>, settings: &str) -> Self {
        Self {
            settings: settings.to_owned(),
            step: Step::All { after: 0 },
            watermark,
            newest: None,
            orders: Keys::default(),
            shipments: None,
            creditmemos: None,
            sweep: Sweep::default(),
        }
    }

    /// A cursor of another store, or of another version of us, means starting over: reading consumes nothing. So do other
    /// settings, by which orders that were read may be another shop's, or go to the till now.
    pub(super) fn read(cursor: &FeedCursor, settings: &str) -> Option<Self> {
        let position: Result<Self, _> = serde_json::from_str(&cursor.0);
        if let Err(why) = &position {
            tracing::warn!(error = %why, "the order feed's position cannot be read; all orders are read again");
        }
        let position = position.ok()?;
        if position.settings != settings {
            tracing::info!("the settings say otherwise which orders are this shop's; all orders are read again");
            return None;
        }
        Some(position)
    }

    pub(super) fn cursor(&self) -> FeedCursor {
        FeedCursor(serde_json::to_string(self).unwrap_or_default())
    }

    pub(super) fn documents(&mut self, kind: Kind) -> &mut Option<Keys> {
        match kind {
            Kind::Shipments => &mut self.shipments,
            Kind::Creditmemos => &mut self.creditmemos,
        }
    }

    /// The next request.
    pub(super) fn search(&self, size: usize, fields: &'static str, overlap: SignedDuration) -> Search {
        let search = Search::new(size, fields);
        match &self.step {
            Step::All { after } => search.and(vec![filter("entity_id", "gt", after.to_string())]),
            Step::Round => search.and(vec![since(self.watermark.as_deref(), overlap)]).ascending("updated_at"),
            Step::Changed { at, id } => {
                let at = moment(at).map_or_else(|_| at.clone(), written);
                search
                    .and(vec![filter("updated_at", "gteq", &at)])
                    .and(vec![filter("updated_at", "gt", &at), filter("entity_id", "gt", id.to_string())])
                    .ascending("updated_at")
            }
        }
        .ascending("entity_id")
    }

    /// A store that answers the same page again and again (a cache in front of it) would keep us busy for ever.
    pub(super) fn refuse_repetition(&self, keys: &[Key], doing: &str) -> Result<(), StoreError> {
        let went_on = |key: &Key| match &self.step {
            Step::All { after } => key.id > *after,
            Step::Round => true,
            Step::Changed { at, id } => (&key.at, key.id) > (at, *id),
        };
        if keys.iter().all(went_on) {
            return Ok(());
        }
        let what = format!(
            "{doing}: the store answered with a page that it had sent before. Is there a cache in front of it?"
        );
        Err(StoreError::new(FailureClass::Transient, what))
    }

    /// Remembers what was seen.
    pub(super) fn note(&mut self, keys: &[Key], latest: Option<Timestamp>) {
        self.orders.note(keys.iter().map(|key| key.id));
        // While everything is read by key, what is seen proves nothing about changes elsewhere.
        if !matches!(self.step, Step::All { .. }) {
            // A change that is dated far in the store's own future must not hide what changes until then.
            let is_past = |key: &&Key| latest.is_none_or(|latest| moment(&key.at).is_ok_and(|at| at <= latest));
            let newest = keys.iter().filter(is_past).map(|key| key.at.clone()).max();
            self.newest = self.newest.take().max(newest);
        }
    }

    /// Moves to the next request.
    pub(super) fn advance(&mut self, keys: &[Key], more: bool) {
        match keys.iter().max() {
            Some(last) if more => {
                let highest = keys.iter().map(|key| key.id).max().unwrap_or(last.id);
                self.step = match self.step {
                    Step::All { .. } => Step::All { after: highest },
                    Step::Round | Step::Changed { .. } => Step::Changed { at: last.at.clone(), id: last.id },
                };
            }
            Some(_) | None => {
                self.watermark = self.watermark.take().max(self.newest.take());
                self.step = Step::Round;
            }
        }
    }
}

/// Changed since the watermark, less the overlap; in a shop without orders: all.
///
/// `gteq`, not `gt`: an order saved later in the same second would be lost (observed).
fn since(watermark: Option<&str>, overlap: SignedDuration) -> Filter {
    let from = watermark.and_then(|mark| moment(mark).ok()?.checked_sub(overlap).ok());
    match from {
        Some(from) => filter("updated_at", "gteq", written(from)),
        None => filter("entity_id", "gt", "0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_sweep_begins_once_a_night_by_the_stores_clock_and_not_on_the_first_day() {
        let mut sweep = Sweep::default();
        sweep.begin_if_due(at("2026-11-23T15:00:00Z"), "shop1");
        assert!(sweep.search(50, "").is_none(), "all has just been read");
        sweep.begin_if_due(at("2026-11-23T23:59:00Z"), "shop1");
        assert!(sweep.search(50, "").is_none());
        sweep.begin_if_due(at("2026-11-24T04:30:00Z"), "shop1");
        assert!(sweep.search(50, "").is_some());
        sweep.advance(Some(7), true);
        assert!(sweep.search(50, "").unwrap().query().contains("[value]=7"));
        sweep.advance(Some(9), false);
        sweep.begin_if_due(at("2026-11-24T20:00:00Z"), "shop1");
        assert!(sweep.search(50, "").is_none(), "once a night");
        // A clock that goes back begins nothing.
        sweep.begin_if_due(at("2026-11-20T20:00:00Z"), "shop1");
        sweep.begin_if_due(at("2026-11-24T20:00:00Z"), "shop1");
        assert!(sweep.search(50, "").is_none());
        sweep.begin_if_due(at("2026-11-27T12:00:00Z"), "shop1");
        assert!(sweep.search(50, "").is_some());
        sweep.advance(Some(0), true);
        assert!(sweep.search(50, "").is_none(), "a page that is repeated ends it");
    }

    #[test]
    fn missing_keys_are_asked_for_at_once_and_then_in_their_rounds_until_patience_ends() {
        let mut keys = Keys::default();
        keys.note([2, 4]);
        let mut asked = 0;
        for round in 0..2_000_u32 {
            asked += keys.due(round % 12 == 0).len();
        }
        assert_eq!((asked, keys.missing.len()), (2 * PATIENCE as usize, 0), "also one before the first that is there");
        keys.note([500]);
        assert_eq!(keys.missing.len(), 200, "no further behind than that");
    }
}
