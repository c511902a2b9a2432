use proptest::prelude::*;

use super::*;

const NAME: &str = "order_1.csv";
const PACE: Pace = Pace { looks: 2, every: SignedDuration::from_secs(5) };
const GONE_IS_ENOUGH: EvidenceRules = EvidenceRules { gone_proves: true, moved_proves: true };
const MOVED_IS_ENOUGH: EvidenceRules = EvidenceRules { gone_proves: false, moved_proves: true };
const WORDS_ONLY: EvidenceRules = EvidenceRules { gone_proves: false, moved_proves: false };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn seen(tracker: &mut EvidenceTracker, sign: Sign, second: i64) -> Whereabouts {
    tracker.observe(NAME, sign, PACE, at(second))
}

#[test]
fn gone_is_believed_after_two_looks_apart_and_counts_from_the_first() {
    let mut tracker = EvidenceTracker::default();
    assert_eq!(seen(&mut tracker, Sign::Gone, 100), Whereabouts::Unsure);
    assert_eq!(seen(&mut tracker, Sign::Gone, 104), Whereabouts::Unsure, "too soon after the first look");
    assert_eq!(seen(&mut tracker, Sign::Gone, 105), Whereabouts::Gone { since: at(100) });
}

#[test]
fn a_file_that_shows_up_again_starts_anew() {
    let mut tracker = EvidenceTracker::default();
    seen(&mut tracker, Sign::Gone, 100);
    assert_eq!(seen(&mut tracker, Sign::Waiting, 105), Whereabouts::Waiting);
    assert_eq!(seen(&mut tracker, Sign::Gone, 110), Whereabouts::Unsure);
    assert_eq!(seen(&mut tracker, Sign::Gone, 120), Whereabouts::Gone { since: at(110) });
}

#[test]
fn a_look_that_failed_is_a_gap_and_the_looks_before_it_do_not_count() {
    let mut tracker = EvidenceTracker::default();
    seen(&mut tracker, Sign::Gone, 100);
    tracker.forget_all();
    assert_eq!(seen(&mut tracker, Sign::Gone, 110), Whereabouts::Unsure);
    assert_eq!(seen(&mut tracker, Sign::Gone, 120), Whereabouts::Gone { since: at(110) });
}

#[test]
fn a_clock_that_is_set_back_starts_anew_and_does_not_stall() {
    let mut tracker = EvidenceTracker::default();
    seen(&mut tracker, Sign::Gone, 10_000);
    assert_eq!(seen(&mut tracker, Sign::Gone, 100), Whereabouts::Unsure);
    assert_eq!(seen(&mut tracker, Sign::Gone, 105), Whereabouts::Gone { since: at(100) });
}

#[test]
fn a_clock_that_is_set_forward_or_a_machine_that_slept_does_not_make_two_looks_of_one() {
    let mut tracker = EvidenceTracker::default();
    seen(&mut tracker, Sign::Gone, 100);
    assert_eq!(seen(&mut tracker, Sign::Gone, 100 + 8 * 3600), Whereabouts::Unsure);
    assert_eq!(seen(&mut tracker, Sign::Gone, 105 + 8 * 3600), Whereabouts::Gone { since: at(100 + 8 * 3600) });
}

#[test]
fn slow_sweeps_count_together_and_so_do_those_that_are_meant_to_be_slower_still() {
    for (every, apart) in [(15, 60), (60, 60), (5, 180), (600, 601), (600, 1_200)] {
        let pace = Pace { looks: 3, every: SignedDuration::from_secs(every) };
        let mut tracker = EvidenceTracker::default();
        let places = [0, 1, 2].map(|look| tracker.observe(NAME, Sign::Gone, pace, at(1_000 + look * apart)));
        assert_eq!(places[2], Whereabouts::Gone { since: at(1_000) }, "every {every} s, looked every {apart} s");
    }
}

#[test]
fn files_that_are_not_looked_for_are_forgotten() {
    let mut tracker = EvidenceTracker::default();
    seen(&mut tracker, Sign::Gone, 100);
    tracker.keep_only(|name| name != NAME);
    assert_eq!(seen(&mut tracker, Sign::Gone, 110), Whereabouts::Unsure);
}

#[test]
fn the_whole_table_of_what_is_believed() {
    use AnswerSays as A;
    use Whereabouts as W;
    let now = at(50);
    let (word, place) = (Basis::Word, Basis::Whereabouts);
    let gone = W::Gone { since: at(40) };
    for everywhere in [W::Waiting, W::Unsure, W::Rejected, W::MovedToDone, W::Renamed, gone] {
        for rules in [GONE_IS_ENOUGH, MOVED_IS_ENOUGH, WORDS_ONLY] {
            let judged = |said| judge(rules, everywhere, Some(said), now);
            assert_eq!(judged(A::Refused), Judgement::Refused { basis: word }, "{everywhere:?}");
            assert_eq!(judged(A::Booked), Judgement::Booked { at: now, basis: word }, "{everywhere:?}");
            assert_eq!(judged(A::Partly), Judgement::Partly, "{everywhere:?}");
        }
    }
    let moved = Judgement::Booked { at: now, basis: place };
    let refused = Judgement::Refused { basis: place };
    for (rules, in_done, when_gone) in [
        (GONE_IS_ENOUGH, moved, Judgement::Booked { at: at(40), basis: place }),
        (MOVED_IS_ENOUGH, moved, Judgement::Left { at: at(40) }),
        (WORDS_ONLY, Judgement::Left { at: now }, Judgement::Left { at: at(40) }),
    ] {
        let judged = |whereabouts| judge(rules, whereabouts, None, now);
        assert_eq!([judged(W::Waiting), judged(W::Unsure)], [Judgement::Waits; 2], "{rules:?}");
        assert_eq!([judged(W::MovedToDone), judged(W::Renamed)], [in_done; 2], "{rules:?}");
        assert_eq!([judged(W::Rejected), judged(gone)], [refused, when_gone], "{rules:?}");
    }
}

/// One look: what it showed of the file and what the till said; `None`: it failed.
type Look = Option<(Sign, Option<AnswerSays>)>;

fn looks(signs: &'static [Sign], words: &'static [Option<AnswerSays>]) -> impl Strategy<Value = Vec<(Look, i64)>> {
    let look = prop_oneof![
        1 => Just(None),
        5 => (proptest::sample::select(signs), proptest::sample::select(words)).prop_map(Some),
    ];
    proptest::collection::vec((look, 0..20_i64), 0..40)
}

/// Was the order ever believed to be booked, and by what?
fn ever_booked(rules: EvidenceRules, looks: &[(Look, i64)]) -> Option<usize> {
    let (mut tracker, mut second) = (EvidenceTracker::default(), 0);
    looks.iter().position(|(look, pause)| {
        second += pause;
        let Some((sign, said)) = *look else {
            tracker.forget_all();
            return false;
        };
        let place = seen(&mut tracker, sign, second);
        matches!(judge(rules, place, said, at(second)), Judgement::Booked { .. })
    })
}

const NO_GOOD_WORD: [Option<AnswerSays>; 3] = [None, Some(AnswerSays::Partly), Some(AnswerSays::Refused)];

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_sequence_of_looks_without_a_sign_of_booking_of_its_own_leads_to_booked(
        without_words in looks(&[Sign::Waiting, Sign::Gone, Sign::Rejected, Sign::MovedToDone, Sign::Renamed], &NO_GOOD_WORD),
        without_moves in looks(&[Sign::Waiting, Sign::Gone, Sign::Rejected], &NO_GOOD_WORD),
        without_leaving in looks(&[Sign::Waiting, Sign::Rejected], &NO_GOOD_WORD),
    ) {
        prop_assert_eq!(ever_booked(WORDS_ONLY, &without_words), None);
        prop_assert_eq!(ever_booked(MOVED_IS_ENOUGH, &without_moves), None);
        prop_assert_eq!(ever_booked(GONE_IS_ENOUGH, &without_leaving), None);
    }

    #[test]
    fn gone_is_booked_only_by_looks_in_a_row_without_a_failed_one_or_another_sign(
        looks in looks(&[Sign::Waiting, Sign::Gone], &[None]),
    ) {
        if let Some(booked) = ever_booked(GONE_IS_ENOUGH, &looks) {
            let row: Vec<_> = looks[..=booked].iter().rev().take_while(|(look, _)| *look == Some((Sign::Gone, None))).collect();
            let apart: i64 = row.iter().take(row.len() - 1).map(|(_, pause)| pause).sum();
            prop_assert!(row.len() >= 2 && apart >= 5, "{:?}", looks);
        }
    }
}
