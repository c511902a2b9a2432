//! What was learned of the store while working: its limits, and what it does not take.
//!
//! Promises: limits are kept over a restart and never raised by a note that is not understood; what the store refused
//! is shown with a remedy until it was taken.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};

use super::Magento;
use crate::central::settings::LARGEST_PAGE;
use crate::ports::{CheckLine, Shortcoming};

/// What became of an order status of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StatusFate {
    /// The order has it.
    Taken,
    /// The store says that it does not belong to the order's state.
    Refused,
    /// The store took the comment and not the status.
    Ignored,
}

/// As it is kept.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Learned {
    /// Most rows on a page.
    most_rows: Option<usize>,
    /// Most items in a write.
    most_items: Option<usize>,
    /// Order statuses that were tried.
    statuses: BTreeMap<String, StatusFate>,
}

impl Magento {
    pub(super) fn what_was_learned(&self) -> Option<String> {
        let (rows, items) = (self.most_rows.load(Ordering::Relaxed), self.most_items.load(Ordering::Relaxed));
        let learned = Learned {
            most_rows: (rows < LARGEST_PAGE).then_some(rows),
            most_items: (items < usize::MAX).then_some(items),
            statuses: self.status_fates.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        if learned == Learned::default() { None } else { serde_json::to_string(&learned).ok() }
    }

    pub(super) fn take_up(&self, learned: &str) {
        let Ok(learned) = serde_json::from_str::<Learned>(learned) else { return };
        if let Some(rows) = learned.most_rows.filter(|rows| *rows > 0) {
            self.most_rows.fetch_min(rows, Ordering::Relaxed);
        }
        if let Some(items) = learned.most_items.filter(|items| *items > 0) {
            self.most_items.fetch_min(items, Ordering::Relaxed);
        }
        *self.status_fates.lock().unwrap_or_else(PoisonError::into_inner) = learned.statuses;
    }

    /// Notes what became of a status. It is tried anew with every order, so that a mend shows by itself.
    pub(super) fn note_status(&self, status: &str, fate: StatusFate) {
        let mut fates = self.status_fates.lock().unwrap_or_else(PoisonError::into_inner);
        if fates.insert(status.to_owned(), fate) == Some(fate) {
            return;
        }
        match fate {
            StatusFate::Taken => tracing::info!(order.status = status, "the web store takes this order status"),
            StatusFate::Refused | StatusFate::Ignored => {
                tracing::warn!(order.status = status, "{}", status_shortcoming(status, fate).text);
            }
        }
    }

    pub(super) fn fallen_short(&self) -> Vec<Shortcoming> {
        let fates = self.status_fates.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = |status: &str| self.statuses.set().any(|(_, own)| own == status);
        let bad = fates.iter().filter(|(status, fate)| **fate != StatusFate::Taken && wanted(status));
        bad.map(|(status, fate)| status_shortcoming(status, *fate)).collect()
    }

    /// What `check` says of the order statuses that are to be set; nothing when there are none.
    pub(super) fn check_statuses(&self) -> Option<CheckLine> {
        let names: Vec<&str> = self.statuses.set().map(|(_, status)| status).collect();
        if names.is_empty() {
            return None;
        }
        let short = self.fallen_short();
        let found = if short.is_empty() {
            format!("{}: tried with the next order. {ASSIGN}", names.join(", "))
        } else {
            short.iter().map(|one| format!("{}. {}", one.text, one.remedy)).collect::<Vec<_>>().join(" ")
        };
        Some(CheckLine { what: "order statuses".into(), ok: short.is_empty(), found })
    }
}

/// What Magento wants before it takes a status of the shop's own.
const ASSIGN: &str = "Each has to be assigned to both states, new and processing: Stores > Settings > Order Status > \
                      Assign Status to State";

fn status_shortcoming(status: &str, fate: StatusFate) -> Shortcoming {
    let (text, remedy) = match fate {
        StatusFate::Refused => (
            format!("the web store refuses the order status {status:?}; comments are written all the same"),
            ASSIGN.to_owned(),
        ),
        StatusFate::Taken | StatusFate::Ignored => (
            format!("the web store took a comment and left the order's status as it was instead of {status:?}"),
            format!("{ASSIGN}; Magento 2.4.7 before its patches cannot change it over REST at all (magento2#38659)"),
        ),
    };
    Shortcoming { about: format!("status {status}"), text, remedy }
}
