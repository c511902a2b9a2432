//! The gate: what it holds and for how long, what it refuses, what it admits.

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
    let timing = Timing { declared: Some(at(second)), first_seen: at(second + 5), last_absent: None, modified: None };
    let (scope, sequence) = (Scope::Full, None);
    Candidate { export: ExportId(1), timing, scope, sequence, skus: 100, zeroed: 0, approved: false }
}

fn last(timing: Timing, in_stock: u64) -> LastAdmitted {
    LastAdmitted { timing, scope: Scope::Full, sequence: None, skus: 100, in_stock }
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
    let Verdict::Admit { snapshot, unproved, .. } = verdict else { panic!("{verdict:?}") };
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
    let facts = Facts { last: Some(last(export_of(2000).timing, 100)), ..Facts::default() };
    let verdict = admit(&export_of(1000), &facts, &rules(Policy::Adjust), at(2010));
    assert_eq!(verdict, Verdict::Refuse(RefuseReason::OlderThanTheLast { last: at(2000) }));
    // Unless the last one is from the future: then a clock was wrong, and waiting for it would stop the shop.
    let verdict = admit(&export_of(1000), &facts, &rules(Policy::Adjust), at(1010));
    assert!(matches!(verdict, Verdict::Admit { .. }));
}

#[test]
fn a_shrunken_export_waits_for_a_person_or_for_a_better_one() {
    let facts = Facts { last: Some(last(export_of(0).timing, 90)), ..Facts::default() };
    let half = Candidate { skus: 79, zeroed: 46, ..export_of(1000) };
    let verdict = admit(&half, &facts, &rules(Policy::HoldThenAdjust), at(1_000_000));
    let Verdict::Hold { reasons, until: None } = verdict else { panic!("{verdict:?}") };
    assert_eq!(reasons.len(), 2);
    let approved = admit(&Candidate { approved: true, ..half }, &facts, &rules(Policy::HoldThenAdjust), at(1010));
    assert!(matches!(approved, Verdict::Admit { .. }));
    let fine = Candidate { skus: 80, zeroed: 45, ..half };
    assert!(matches!(admit(&fine, &facts, &rules(Policy::Hold), at(1010)), Verdict::Admit { .. }));
}

// ---------------------------------------------------------------------------------------------- numbers of exports

fn number(text: &str) -> Option<Sequence> {
    Sequence::parse(text)
}

fn changes(second: i64, sequence: &str) -> Candidate {
    Candidate { scope: Scope::Delta, sequence: number(sequence), skus: 3, ..export_of(second) }
}

fn full(second: i64, sequence: &str) -> Candidate {
    Candidate { sequence: number(sequence), ..export_of(second) }
}

/// After `candidate` was admitted, as the last of its scope and of all.
fn after(candidate: Candidate) -> Facts {
    let Candidate { timing, scope, sequence, .. } = candidate;
    let last = LastAdmitted { timing, scope, sequence, skus: 100, in_stock: 90 };
    Facts { last: Some(last), last_of_scope: sequence, last_of_any: sequence, ..Facts::default() }
}

fn held_for(candidate: &Candidate, facts: &Facts, policy: Policy, now: i64) -> Vec<String> {
    match admit(candidate, facts, &rules(policy), at(now)) {
        Verdict::Admit { .. } => Vec::new(),
        Verdict::Hold { reasons, .. } => reasons.iter().map(ToString::to_string).collect(),
        Verdict::Refuse(why) => vec![format!("refused: {why}")],
    }
}

const USUAL: Policy = Policy::HoldThenAdjust;

#[test]
fn changes_that_follow_are_admitted_and_those_without_a_number_too() {
    for (before, now) in [("00004", "00005"), ("99999", "00000"), ("99999", "00001"), ("9", "10")] {
        assert_eq!(held_for(&changes(1000, now), &after(changes(900, before)), USUAL, 1010), [""; 0], "{before} {now}");
    }
    assert_eq!(held_for(&changes(1000, ""), &after(changes(900, "4")), USUAL, 1010), [""; 0]);
    assert_eq!(held_for(&changes(1000, "7"), &after(changes(900, "")), USUAL, 1010), [""; 0]);
    // Nothing counts yet: there is nothing that it could fail to follow.
    assert_eq!(held_for(&changes(1000, "7"), &Facts::default(), USUAL, 1010), [""; 0]);
}

#[test]
fn changes_with_some_missing_before_them_wait_as_for_an_order_and_are_then_admitted_with_the_gap_named() {
    let (candidate, facts) = (changes(1000, "0007"), after(changes(900, "0004")));
    let text = "it is number 0007 and the last one was 0004: 2 between them are missing";
    let ends = 1005 + 1800;
    assert_eq!(held_for(&candidate, &facts, USUAL, ends - 1), [text]);
    let Verdict::Hold { until, .. } = admit(&candidate, &facts, &rules(USUAL), at(1010)) else { panic!() };
    assert_eq!(until, Some(at(ends)));
    let verdict = admit(&candidate, &facts, &rules(USUAL), at(ends));
    let Verdict::Admit { gap: Some(gap), .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!((gap.missing, gap.before.number, gap.now.number), (2, 4, 7));
    assert_eq!(held_for(&candidate, &facts, Policy::Hold, 1_000_000).len(), 1, "hold: never by itself");
    assert_eq!(held_for(&candidate, &facts, Policy::Adjust, 1006), [""; 0], "adjust: at once");
    let approved = Candidate { approved: true, ..candidate };
    assert_eq!(held_for(&approved, &facts, Policy::Hold, 1010), [""; 0]);
    // Patience that ran out for something else is none with this one.
    let facts = Facts { holding_since: Some(at(-90_000)), ..facts };
    assert_eq!(held_for(&candidate, &facts, USUAL, 1010).len(), 1);
}

#[test]
fn one_numbering_for_all_exports_and_one_for_each_kind_are_both_understood() {
    // Number 6 was a full export.
    let facts = Facts { last_of_any: number("6"), ..after(changes(900, "5")) };
    assert_eq!(held_for(&changes(1000, "7"), &facts, USUAL, 1010), [""; 0], "one numbering for all");
    assert_eq!(held_for(&changes(1000, "6"), &facts, USUAL, 1010), [""; 0], "one for each kind");
    let held = held_for(&changes(1000, "8"), &facts, USUAL, 1010);
    assert!(held[0].contains("the last one was 6") && held[0].contains("one between them is missing"), "{held:?}");
}

#[test]
fn a_full_export_needs_none_of_those_before_it() {
    let verdict = admit(&full(1000, "9"), &after(full(900, "4")), &rules(Policy::Hold), at(1010));
    let Verdict::Admit { gap: Some(gap), .. } = verdict else { panic!("{verdict:?}") };
    assert_eq!(gap.missing, 4);
}

#[test]
fn a_number_that_went_back_waits_for_a_person() {
    for (candidate, facts) in [
        (full(1000, "0001"), after(full(900, "0417"))),
        (changes(1000, "0001"), after(changes(900, "0417"))),
        (full(1000, "0417"), after(full(900, "0417"))),
    ] {
        let held = held_for(&candidate, &facts, USUAL, 1_000_000);
        assert_eq!(held.len(), 1, "{held:?}");
        assert!(held[0].contains("does not come after 0417"), "{held:?}");
        assert_eq!(held_for(&Candidate { approved: true, ..candidate }, &facts, USUAL, 1010), [""; 0]);
    }
    // After the approval the till goes on from there.
    assert_eq!(held_for(&full(1100, "0002"), &after(full(1000, "0001")), USUAL, 1110), [""; 0]);
    // The same file once more is a confirmation.
    let again = Facts { is_repeat: true, ..after(changes(900, "0417")) };
    assert_eq!(held_for(&changes(1000, "0417"), &again, USUAL, 1010), [""; 0]);
    // An old file put back is older, whatever its number.
    assert!(held_for(&full(800, "0416"), &after(full(900, "0417")), USUAL, 1010)[0].starts_with("refused"));
}

#[test]
fn changes_wait_for_earlier_ones_even_if_a_person_approves_them() {
    let facts = Facts { earlier_held: Some("inc_5.csv".into()), ..after(changes(900, "4")) };
    for approved in [false, true] {
        let candidate = Candidate { approved, ..changes(1000, "5") };
        assert_eq!(
            held_for(&candidate, &facts, Policy::Adjust, 1010),
            ["it waits for inc_5.csv, which came before it"]
        );
    }
}

#[test]
fn the_number_tells_that_changes_are_younger_where_our_clock_cannot() {
    let seen = |second: i64, sequence: &str| {
        let timing = Timing { declared: None, first_seen: at(second), last_absent: None, modified: None };
        Candidate { timing, ..changes(0, sequence) }
    };
    // Number 5 was seen first and held; number 4 came later and was admitted.
    assert_eq!(held_for(&seen(1000, "5"), &after(seen(1100, "4")), USUAL, 1110), [""; 0]);
    assert!(held_for(&seen(1000, "3"), &after(seen(1100, "4")), USUAL, 1110)[0].starts_with("refused"));
    // Never against a full export: that has its own numbers.
    let facts = Facts { last_of_scope: number("4"), ..after(Candidate { scope: Scope::Full, ..seen(1100, "4") }) };
    assert!(held_for(&seen(1000, "5"), &facts, USUAL, 1110)[0].starts_with("refused"));
}

#[test]
fn changes_are_few_by_nature_and_no_shrunken_export() {
    let few = Candidate { skus: 1, zeroed: 80, ..changes(1000, "5") };
    assert_eq!(held_for(&few, &after(changes(900, "4")), USUAL, 1010), [""; 0]);
}
