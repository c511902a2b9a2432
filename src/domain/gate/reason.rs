//! Why the gate holds or refuses an export, in words that a person can act on.
//!
//! Promises: each reason carries the facts that it is about; who can end it is told by [`HoldReason::needs_approval`].

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::stock::{Sequence, in_words};

/// Why an export is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum HoldReason {
    /// The till had this order before it exported, and there is no evidence that it took it.
    #[error("order {number} was given to the till at {} and nothing proves yet that the till booked it", in_words(*published_at))]
    OrderNotTaken {
        /// The order's number.
        number: String,
        /// When the till got it.
        published_at: Timestamp,
    },
    /// Far fewer rows than last time.
    #[error("only {now} items, the last export had {before}")]
    FewerRows {
        /// SKUs in this export.
        now: u64,
        /// SKUs in the last one.
        before: u64,
    },
    /// Far too much falls to zero at once.
    #[error("{zeroed} of {in_stock} items in stock fall to zero at once")]
    MuchFallsToZero {
        /// SKUs that fall to zero or are missing.
        zeroed: u64,
        /// SKUs in stock in the last one.
        in_stock: u64,
    },
    /// Its number does not come after the last one: an old file, or a till that was set up anew.
    #[error("its number {now} does not come after {before}, the last one")]
    SequenceWentBack {
        /// Its number.
        now: Sequence,
        /// The last one's.
        before: Sequence,
    },
    /// Changes are missing between it and the last one.
    #[error("it is number {} and the last one was {}: {} missing", .0.now, .0.before, exports(.0.missing))]
    SequenceGap(Gap),
    /// Changes have to be taken in their order.
    #[error("it waits for {export}, which came before it")]
    EarlierHeld {
        /// The earlier export's name.
        export: String,
    },
}

/// Exports that are missing before one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// How many.
    pub missing: u64,
    /// The number of the last one.
    pub before: Sequence,
    /// The number of this one.
    pub now: Sequence,
}

fn exports(missing: u64) -> String {
    if missing == 1 { "one between them is".to_owned() } else { format!("{missing} between them are") }
}

impl HoldReason {
    /// Does this reason go away by a person's approval only?
    pub fn needs_approval(&self) -> bool {
        match self {
            Self::FewerRows { .. } | Self::MuchFallsToZero { .. } | Self::SequenceWentBack { .. } => true,
            Self::OrderNotTaken { .. } | Self::SequenceGap(_) | Self::EarlierHeld { .. } => false,
        }
    }
}

/// Why an export is refused for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum RefuseReason {
    /// It was made before the one that counts now.
    #[error("it was made before the export of {} that counts now", in_words(*last))]
    OlderThanTheLast {
        /// The last admitted export's time.
        last: Timestamp,
    },
}
