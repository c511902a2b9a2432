//! The gate: may this export be believed?
//!
//! Promises: [`admit`] is where an [`AdmittedSnapshot`] comes from, and nothing can be reconciled without one.
//! An order published before the export began, without evidence that the till took it, holds the export; an order whose
//! evidence is younger than the export (less the settle time) counts as not deducted, so that doubt undersells.
//! Exports of changes are admitted in their order, and one before which others are missing waits for them.
//! Does not promise that a held export gets better by waiting: waiting gives the till time for a better one.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub use self::reason::{Gap, HoldReason, RefuseReason};
use super::stock::{Scope, Sequence, Step, Timing};
use super::{ExportId, Quantity};

mod reason;

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
    /// How much of the stock it speaks of.
    pub scope: Scope,
    /// The till's own number of it.
    pub sequence: Option<Sequence>,
    /// SKUs in it.
    pub skus: u64,
    /// SKUs in stock in the last admitted export that are at zero or below, or missing, in this one.
    pub zeroed: u64,
    /// Has a person approved it in spite of the shrink guard, or of its number?
    pub approved: bool,
}

/// The export admitted last, and what counts since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastAdmitted {
    /// When it was made.
    pub timing: Timing,
    /// How much of the stock it spoke of.
    pub scope: Scope,
    /// The till's own number of it.
    pub sequence: Option<Sequence>,
    /// SKUs that count now.
    pub skus: u64,
    /// SKUs in stock (above zero) among them.
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
    /// When the full export that counts was made; `None` where there was none yet.
    pub last_full: Option<Timing>,
    /// The number of the export of the candidate's own scope that was admitted last.
    pub last_of_scope: Option<Sequence>,
    /// The number of the export that was admitted last, whatever its scope.
    pub last_of_any: Option<Sequence>,
    /// Is it the very same file as the last of its scope? Then it confirms that one, under the same number.
    pub is_repeat: bool,
    /// An export of changes that came before this one, and is still held.
    pub earlier_held: Option<String>,
    /// Orders whose files are still with the till, without evidence.
    pub unproved: Vec<PublishedOrder>,
    /// Since when exports have been held without one being admitted.
    pub holding_since: Option<Timestamp>,
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
        /// Exports of its kind that are missing before it.
        gap: Option<Gap>,
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
    if let Some(last) = overtaken_by(candidate, facts, now) {
        return Verdict::Refuse(RefuseReason::OlderThanTheLast { last: last.shown() });
    }
    let began = candidate.timing.began_not_before();
    let unproved: Vec<&PublishedOrder> = facts
        .unproved
        .iter()
        .filter(|order| order.taken_at.is_none() && began.is_some_and(|b| order.published_at < b))
        .collect();
    let gap = gap(candidate, facts);
    let waits = waits(candidate, facts, rules, &unproved, gap, now);
    let mut reasons = if candidate.approved { Vec::new() } else { doubts(candidate, facts, rules) };
    reasons.extend(waits.iter().map(|(reason, _)| reason.clone()));
    if reasons.is_empty() {
        let evidence_until = began.map(|began| began.saturating_sub(rules.settle).unwrap_or(Timestamp::MIN));
        let snapshot = AdmittedSnapshot { export: candidate.export, evidence_until };
        let unproved = unproved.into_iter().map(|order| order.number.clone()).collect();
        return Verdict::Admit { snapshot, unproved, gap };
    }
    let until = if reasons.iter().any(HoldReason::needs_approval) {
        None
    } else {
        waits.iter().map(|(_, end)| *end).reduce(|a, b| Some(a?.max(b?))).flatten()
    };
    Verdict::Hold { reasons, until }
}

/// The export that counts and was made after this one.
///
/// Changes that were merged meanwhile do not overtake a full export: it waited, for a person perhaps, and they are laid
/// over it when it is admitted.
fn overtaken_by(candidate: &Candidate, facts: &Facts, now: Timestamp) -> Option<Timing> {
    let last = facts.last.as_ref()?;
    let timing = match (candidate.scope, last.scope) {
        (Scope::Full, Scope::Delta) => facts.last_full?,
        (Scope::Full, Scope::Full) | (Scope::Delta, Scope::Full | Scope::Delta) => last.timing,
    };
    // A last export from the future was dated by a clock that has been set right since: it says nothing about order.
    let is_older = timing.first_seen <= now && candidate.timing.is_older_than(&timing);
    (is_older && !follows_by_number(candidate, last)).then_some(timing)
}

/// Does its number say that it came after the last export of changes, whatever the times say? One that was held until a
/// missing one arrived is older than that one by our clock; and in autumn the till's clock shows an hour twice.
fn follows_by_number(candidate: &Candidate, last: &LastAdmitted) -> bool {
    let (Some(now), Some(before)) = (&candidate.sequence, &last.sequence) else { return false };
    let is_later = match now.after(before) {
        Step::Next => true,
        Step::Gap(_) => candidate.timing.declared.is_none() || last.timing.declared.is_none(),
        Step::Same | Step::Back => false,
    };
    candidate.scope == Scope::Delta && last.scope == Scope::Delta && is_later
}

/// Exports missing before this one. Some tills number all exports together, some each kind by itself: it is enough to
/// come next in either.
fn gap(candidate: &Candidate, facts: &Facts) -> Option<Gap> {
    let now = candidate.sequence?;
    let after = |before: Option<Sequence>| {
        let before = before?;
        match now.after(&before) {
            Step::Next | Step::Same | Step::Back => None,
            Step::Gap(missing) => Some(Gap { missing, before, now }),
        }
    };
    if comes_next(candidate, facts) {
        return None;
    }
    match (facts.last_of_scope, facts.last_of_any) {
        (Some(of_scope), _) if !matches!(now.after(&of_scope), Step::Gap(_)) => None,
        (of_scope, any) => [after(of_scope), after(any)].into_iter().flatten().min_by_key(|gap| gap.missing),
    }
}

/// Is it the successor of the last export of its scope, or of any?
fn comes_next(candidate: &Candidate, facts: &Facts) -> bool {
    let is_next = |before: Sequence| candidate.sequence.is_some_and(|now| now.after(&before) == Step::Next);
    [facts.last_of_scope, facts.last_of_any].into_iter().flatten().any(is_next)
}

/// What holds it and may end by itself, each with the time at which the gate stops waiting (`None`: never).
fn waits(
    candidate: &Candidate,
    facts: &Facts,
    rules: &Rules,
    unproved: &[&PublishedOrder],
    gap: Option<Gap>,
    now: Timestamp,
) -> Vec<(HoldReason, Option<Timestamp>)> {
    let since = facts.holding_since.map_or(candidate.timing.first_seen, |since| since.min(candidate.timing.first_seen));
    let orders_until = patience_ends(since, rules);
    // What is missing may still be on its way: that began with this very export.
    let gap_until = patience_ends(candidate.timing.first_seen, rules);
    let is_on = |until: Option<Timestamp>| until.is_none_or(|end| now < end);
    let not_taken = |order: &&PublishedOrder| HoldReason::OrderNotTaken {
        number: order.number.clone(),
        published_at: order.published_at,
    };
    let mut waits = Vec::new();
    if is_on(orders_until) {
        waits.extend(unproved.iter().map(|order| (not_taken(order), orders_until)));
    }
    // A full export replaces everything, so that nothing is missing after it.
    if let Some(gap) = gap.filter(|_| candidate.scope == Scope::Delta && !candidate.approved && is_on(gap_until)) {
        waits.push((HoldReason::SequenceGap(gap), gap_until));
    }
    if let Some(export) = &facts.earlier_held {
        waits.push((HoldReason::EarlierHeld { export: export.clone() }, None));
    }
    waits
}

/// When the gate stops waiting for what it has waited for since then. `None`: never.
fn patience_ends(since: Timestamp, rules: &Rules) -> Option<Timestamp> {
    match rules.policy {
        Policy::HoldThenAdjust => Some(since.saturating_add(rules.hold_at_most).unwrap_or(Timestamp::MAX)),
        Policy::Hold => None,
        Policy::Adjust => Some(Timestamp::MIN),
    }
}

/// What only a person can judge.
fn doubts(candidate: &Candidate, facts: &Facts, rules: &Rules) -> Vec<HoldReason> {
    let mut reasons = match candidate.scope {
        Scope::Full => shrinks(candidate, facts, rules),
        Scope::Delta => Vec::new(),
    };
    if let (Some(now), Some(before)) = (candidate.sequence, facts.last_of_scope)
        && !comes_next(candidate, facts)
    {
        let went_back = match now.after(&before) {
            Step::Next | Step::Gap(_) => false,
            Step::Same => !facts.is_repeat,
            Step::Back => true,
        };
        reasons.extend(went_back.then_some(HoldReason::SequenceWentBack { now, before }));
    }
    reasons
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
#[path = "gate_tests.rs"]
mod tests;
