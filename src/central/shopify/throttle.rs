//! Shopify's budget: a bucket of points that refills by itself, and what our documents have cost so far.
//!
//! Promises: a request that would surely be refused is not sent; a wait is never longer than it takes to refill. A
//! document of which no cost is known yet is sent. Does not know what others spend with the same app.
//!
//! Facts: <https://shopify.dev/docs/apps/build/apis/graphql-admin/rate-limits>; the refusal is by the *requested* cost, and
//! the difference to the actual one is given back.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Deserialize;

/// What an answer says of its cost.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cost {
    pub(super) requested_query_cost: Option<f64>,
    pub(super) throttle_status: Option<Status>,
}

/// How full the bucket is, in points.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    pub(super) maximum_available: f64,
    pub(super) currently_available: f64,
    /// Points a second.
    pub(super) restore_rate: f64,
}

impl Status {
    /// How long until so many points are there, when this is how it stood so long ago.
    fn until(&self, points: f64, ago: Duration) -> Duration {
        let now = (self.currently_available + self.restore_rate * ago.as_secs_f64()).min(self.maximum_available);
        let missing = points.min(self.maximum_available) - now;
        if missing <= 0.0 || self.restore_rate <= 0.0 {
            return Duration::ZERO;
        }
        Duration::try_from_secs_f64(missing / self.restore_rate).unwrap_or(Duration::MAX)
    }

    /// Can so much never be paid, however long one waits?
    pub(super) fn never(&self, points: f64) -> bool {
        points > self.maximum_available
    }
}

/// What is known of the budget.
#[derive(Debug, Default)]
pub(super) struct Budget {
    seen: Option<(Status, Instant)>,
    costs: HashMap<&'static str, f64>,
}

impl Budget {
    /// How long to wait before this document is sent.
    pub(super) fn pause(&self, document: &str, now: Instant) -> Duration {
        match (self.seen, self.costs.get(document)) {
            (Some((status, at)), Some(cost)) => status.until(*cost, now.saturating_duration_since(at)),
            (Some(_) | None, _) => Duration::ZERO,
        }
    }

    /// Remembers what an answer said. A refused request says what it would have cost as well.
    pub(super) fn note(&mut self, document: &'static str, cost: Cost, now: Instant) {
        if let Some(points) = cost.requested_query_cost {
            self.costs.insert(document, points);
        }
        if let Some(status) = cost.throttle_status {
            self.seen = Some((status, now));
        }
    }

    /// What this document was is not what it costs any more: its page has become another.
    pub(super) fn forget(&mut self, document: &str) {
        self.costs.remove(document);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: Status = Status { maximum_available: 2000.0, currently_available: 40.0, restore_rate: 100.0 };

    fn budget(cost: f64) -> (Budget, Instant) {
        let (mut budget, now) = (Budget::default(), Instant::now());
        budget.note("Q", Cost { requested_query_cost: Some(cost), throttle_status: Some(STATUS) }, now);
        (budget, now)
    }

    #[test]
    fn it_waits_until_the_points_are_there_and_no_longer() {
        let (budget, now) = budget(540.0);
        assert_eq!(budget.pause("Q", now), Duration::from_secs(5));
        assert_eq!(budget.pause("Q", now + Duration::from_secs(3)), Duration::from_secs(2));
        assert_eq!(budget.pause("Q", now + Duration::from_secs(60)), Duration::ZERO);
        assert_eq!(budget.pause("another", now), Duration::ZERO, "its cost is not known");
        assert_eq!(Budget::default().pause("Q", now), Duration::ZERO);
    }

    #[test]
    fn what_the_bucket_never_holds_is_not_waited_for_longer_than_it_takes_to_fill() {
        let (budget, now) = budget(5000.0);
        assert_eq!(budget.pause("Q", now), Duration::from_millis(19_600));
        assert!(STATUS.never(5000.0) && !STATUS.never(2000.0));
        let dry = Status { restore_rate: 0.0, ..STATUS };
        assert_eq!(dry.until(540.0, Duration::ZERO), Duration::ZERO, "nothing comes of waiting: ask");
    }
}
