//! The gate: may this export be believed?
//!
//! Promises: [`admit`] is where an [`AdmittedSnapshot`] comes from, and nothing can be reconciled without one.
//! An order published before the export began, without evidence that the till took it, holds the export; an order whose
//! evidence is younger than the export (less the settle time) counts as not deducted, so that doubt undersells.
//! Does not promise that a held export gets better by waiting: waiting gives the till time for a better one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::stock::{Timing, in_words};
use super::{ExportId, Quantity};

/// What to do with an export while orders published before it are unproved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Hold for a while, then admit and subtract the unproved orders.
    HoldThenAdjust,
    /// Hold until there is evidence.
    Hold,
    /// Admit at once and subtract the unproved orders.
    Adjust,
}

/// The gate's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// What to do while orders are unproved.
    pub policy: Policy,
    /// Longest hold under [`Policy::HoldThenAdjust`].
    pub hold_at_most: SignedDuration,
    /// From "the till took the file" to "the till has surely booked it".
    pub settle: SignedDuration,
    /// Hold a full export with fewer rows than this share of the last one, in percent.
    pub least_rows_percent: u32,
    /// Hold a full export in which more than this share of the SKUs in stock falls to zero, in percent.
    pub most_zeroed_percent: u32,
}

/// An export that asks to be admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The ledger's number of it.
    pub export: ExportId,
    /// When it was made.
    pub timing: Timing,
    /// SKUs in it.
    pub skus: u64,
    /// SKUs in stock in the last admitted export that are at zero or below, or missing, in this one.
    pub zeroed: u64,
    /// Has a person approved it in spite of the shrink guard?
    pub approved: bool,
}

/// The export admitted last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAdmitted {
    /// When it was made.
    pub timing: Timing,
    /// SKUs in it.
    pub skus: u64,
    /// SKUs in stock (above zero) in it.
    pub in_stock: u64,
}

/// A published order file, seen from the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedOrder {
    /// The order's number, to show.
    pub number: String,
    /// When the file became visible to the till.
    pub published_at: Timestamp,
    /// When the till was first seen to have taken it.
    pub taken_at: Option<Timestamp>,
}

/// The facts that the gate decides on, all read at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Facts {
    /// The export admitted last.
    pub last: Option<LastAdmitted>,
    /// Orders whose files are still with the till, without evidence.
    pub unproved: Vec<PublishedOrder>,
    /// Since when exports have been held without one being admitted.
    pub holding_since: Option<Timestamp>,
}

/// Why an export is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(tag = "reason", rename_all = "kebab-case")]
pub enum HoldReason {
    /// The till had this order before it exported, and there is no evidence that it took it.
    #[error("order {number} was given to the till at {} and has not been taken yet", in_words(*published_at))]
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
}

impl HoldReason {
    /// Does this reason go away by a person's approval only?
    fn is_shrink(&self) -> bool {
        match self {
            Self::FewerRows { .. } | Self::MuchFallsToZero { .. } => true,
            Self::OrderNotTaken { .. } => false,
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

/// The gate's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Believed. `unproved` names the orders that were subtracted for want of evidence.
    Admit {
        /// The admitted snapshot.
        snapshot: AdmittedSnapshot,
        /// Numbers of the orders that count as not deducted although the till had them.
        unproved: Vec<String>,
    },
    /// Not yet.
    Hold {
        /// Why.
        reasons: Vec<HoldReason>,
        /// When the gate would admit it anyway; `None`: not by itself.
        until: Option<Timestamp>,
    },
    /// Never.
    Refuse(RefuseReason),
}

/// An export that may be believed: the only thing that can be reconciled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmittedSnapshot {
    export: ExportId,
    evidence_until: Option<Timestamp>,
}

impl AdmittedSnapshot {
    /// The admission that the ledger recorded earlier. Only [`admit`] makes new ones.
    ///
    /// `evidence_until` is [`AdmittedSnapshot::evidence_until`] as it was stored.
    pub fn recorded(export: ExportId, evidence_until: Option<Timestamp>) -> Self {
        Self { export, evidence_until }
    }

    /// Which export.
    pub fn export(&self) -> ExportId {
        self.export
    }

    /// Orders taken by this moment were deducted in the export; later ones were not. `None`: none was.
    pub fn evidence_until(&self) -> Option<Timestamp> {
        self.evidence_until
    }

    /// `k`: of `units` in an order file taken at `taken_at`, those that the export had already deducted.
    pub fn deducted(&self, units: Quantity, taken_at: Option<Timestamp>) -> Quantity {
        match (taken_at, self.evidence_until) {
            (Some(taken), Some(until)) if taken <= until => units,
            _ => Quantity::ZERO,
        }
    }
}

/// Decides whether an export may be believed.
pub fn admit(candidate: &Candidate, facts: &Facts, rules: &Rules, now: Timestamp) -> Verdict {
    // A last export from the future was dated by a clock that has been set right since: it says nothing about order.
    if let Some(last) = &facts.last
        && last.timing.first_seen <= now
        && candidate.timing.is_older_than(&last.timing)
    {
        return Verdict::Refuse(RefuseReason::OlderThanTheLast { last: last.timing.shown() });
    }
    let began = candidate.timing.began_not_before();
    let unproved: Vec<&PublishedOrder> = facts
        .unproved
        .iter()
        .filter(|order| order.taken_at.is_none() && began.is_some_and(|b| order.published_at < b))
        .collect();
    let mut reasons: Vec<HoldReason> = if candidate.approved { Vec::new() } else { shrinks(candidate, facts, rules) };
    let patience_ends = patience_ends(candidate, facts, rules);
    if !unproved.is_empty() && patience_ends.is_none_or(|end| now < end) {
        reasons.extend(
            unproved.iter().map(|order| HoldReason::OrderNotTaken {
                number: order.number.clone(),
                published_at: order.published_at,
            }),
        );
    }
    if reasons.is_empty() {
        let evidence_until = began.map(|began| began.saturating_sub(rules.settle).unwrap_or(Timestamp::MIN));
        let snapshot = AdmittedSnapshot { export: candidate.export, evidence_until };
        return Verdict::Admit { snapshot, unproved: unproved.into_iter().map(|order| order.number.clone()).collect() };
    }
    let until = patience_ends.filter(|_| !reasons.iter().any(HoldReason::is_shrink));
    Verdict::Hold { reasons, until }
}

/// When the gate stops waiting for evidence. `None`: never.
fn patience_ends(candidate: &Candidate, facts: &Facts, rules: &Rules) -> Option<Timestamp> {
    let since = facts.holding_since.map_or(candidate.timing.first_seen, |since| since.min(candidate.timing.first_seen));
    match rules.policy {
        Policy::HoldThenAdjust => Some(since.saturating_add(rules.hold_at_most).unwrap_or(Timestamp::MAX)),
        Policy::Hold => None,
        Policy::Adjust => Some(Timestamp::MIN),
    }
}

fn shrinks(candidate: &Candidate, facts: &Facts, rules: &Rules) -> Vec<HoldReason> {
    let Some(last) = &facts.last else { return Vec::new() };
    let mut reasons = Vec::new();
    if u128::from(candidate.skus) * 100 < u128::from(last.skus) * u128::from(rules.least_rows_percent) {
        reasons.push(HoldReason::FewerRows { now: candidate.skus, before: last.skus });
    }
    let allowed = u128::from(last.in_stock) * u128::from(rules.most_zeroed_percent);
    if last.in_stock >= LEAST_IN_STOCK && u128::from(candidate.zeroed) * 100 > allowed {
        reasons.push(HoldReason::MuchFallsToZero { zeroed: candidate.zeroed, in_stock: last.in_stock });
    }
    reasons
}

/// Below this many SKUs in stock, a share says nothing: two of three items may well sell out in a day.
pub const LEAST_IN_STOCK: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn rules(policy: Policy) -> Rules {
        Rules {
            policy,
            hold_at_most: SignedDuration::from_secs(1800),
            settle: SignedDuration::from_secs(60),
            least_rows_percent: 80,
            most_zeroed_percent: 50,
        }
    }

    fn export_of(second: i64) -> Candidate {
        let timing =
            Timing { declared: Some(at(second)), first_seen: at(second + 5), last_absent: None, modified: None };
        Candidate { export: ExportId(1), timing, skus: 100, zeroed: 0, approved: false }
    }

    fn waiting(published: i64, taken: Option<i64>) -> Facts {
        let order = PublishedOrder { number: "7".into(), published_at: at(published), taken_at: taken.map(at) };
        Facts { unproved: vec![order], ..Facts::default() }
    }

    #[test]
    fn an_order_given_before_the_export_and_not_taken_holds_it() {
        let verdict = admit(&export_of(1000), &waiting(900, None), &rules(Policy::HoldThenAdjust), at(1010));
        let Verdict::Hold { reasons, until } = verdict else { panic!("{verdict:?}") };
        assert_eq!(reasons, [HoldReason::OrderNotTaken { number: "7".into(), published_at: at(900) }]);
        assert_eq!(until, Some(at(1005 + 1800)));
    }

    #[test]
    fn after_half_an_hour_it_is_admitted_and_the_order_counts_as_not_deducted() {
        let facts = waiting(900, None);
        let verdict = admit(&export_of(1000), &facts, &rules(Policy::HoldThenAdjust), at(1005 + 1800));
        let Verdict::Admit { snapshot, unproved } = verdict else { panic!("{verdict:?}") };
        assert_eq!(unproved, ["7"]);
        assert_eq!(snapshot.deducted(2.into(), None), Quantity::ZERO);
        let strict = admit(&export_of(1000), &facts, &rules(Policy::Hold), at(1_000_000));
        assert!(matches!(strict, Verdict::Hold { until: None, .. }));
        let at_once = admit(&export_of(1000), &facts, &rules(Policy::Adjust), at(1006));
        assert!(matches!(at_once, Verdict::Admit { .. }));
    }

    #[test]
    fn exports_that_keep_coming_do_not_prolong_the_hold() {
        let facts = Facts { holding_since: Some(at(100)), ..waiting(900, None) };
        let verdict = admit(&export_of(1895), &facts, &rules(Policy::HoldThenAdjust), at(1901));
        assert!(matches!(verdict, Verdict::Admit { .. }), "{verdict:?}");
    }

    #[test]
    fn evidence_counts_only_if_older_than_the_export_less_the_settle_time() {
        let verdict = admit(&export_of(1000), &Facts::default(), &rules(Policy::Hold), at(1010));
        let Verdict::Admit { snapshot, .. } = verdict else { panic!("{verdict:?}") };
        assert_eq!(snapshot.deducted(2.into(), Some(at(940))), 2.into());
        assert_eq!(snapshot.deducted(2.into(), Some(at(941))), Quantity::ZERO);
    }

    #[test]
    fn an_export_of_unknown_age_proves_no_order() {
        let timing = Timing { declared: None, first_seen: at(1000), last_absent: None, modified: Some(at(999)) };
        let verdict = admit(&Candidate { timing, ..export_of(0) }, &Facts::default(), &rules(Policy::Hold), at(1010));
        let Verdict::Admit { snapshot, .. } = verdict else { panic!("{verdict:?}") };
        assert_eq!(snapshot.deducted(2.into(), Some(at(0))), Quantity::ZERO);
    }

    #[test]
    fn an_order_given_after_the_export_began_does_not_hold_it() {
        let verdict = admit(&export_of(1000), &waiting(1001, None), &rules(Policy::Hold), at(1010));
        assert!(matches!(verdict, Verdict::Admit { .. }));
    }

    #[test]
    fn an_export_older_than_the_last_is_refused() {
        let last = LastAdmitted { timing: export_of(2000).timing, skus: 100, in_stock: 100 };
        let facts = Facts { last: Some(last), ..Facts::default() };
        let verdict = admit(&export_of(1000), &facts, &rules(Policy::Adjust), at(2010));
        assert_eq!(verdict, Verdict::Refuse(RefuseReason::OlderThanTheLast { last: at(2000) }));
        // Unless the last one is from the future: then a clock was wrong, and waiting for it would stop the shop.
        let verdict = admit(&export_of(1000), &facts, &rules(Policy::Adjust), at(1010));
        assert!(matches!(verdict, Verdict::Admit { .. }));
    }

    #[test]
    fn a_shrunken_export_waits_for_a_person_or_for_a_better_one() {
        let last = LastAdmitted { timing: export_of(0).timing, skus: 100, in_stock: 90 };
        let facts = Facts { last: Some(last), ..Facts::default() };
        let half = Candidate { skus: 79, zeroed: 46, ..export_of(1000) };
        let verdict = admit(&half, &facts, &rules(Policy::HoldThenAdjust), at(1_000_000));
        let Verdict::Hold { reasons, until: None } = verdict else { panic!("{verdict:?}") };
        assert_eq!(reasons.len(), 2);
        let approved = admit(&Candidate { approved: true, ..half }, &facts, &rules(Policy::HoldThenAdjust), at(1010));
        assert!(matches!(approved, Verdict::Admit { .. }));
        let fine = Candidate { skus: 80, zeroed: 45, ..half };
        assert!(matches!(admit(&fine, &facts, &rules(Policy::Hold), at(1010)), Verdict::Admit { .. }));
    }
}
