//! Samples for `profile guess`, and what must hold of its proposal.
//!
//! The first byte of an input chooses names, the second how the rest is dealt out: one sample, two, or the head and the
//! tail of one that is longer.

use tillbridge::epos::guess::{Answers, Guess, Sample, guess};

use crate::bounded;

/// Characters of a text that a person still reads.
const LONGEST_TEXT: usize = 2000;
const NAMES: [&str; 5] = ["stock.csv", "STK_20260314_00417.dat", "stock.xml", "stock_20260314.txt", "control.csv"];

/// Asks for a proposal, twice, and looks at it.
///
/// # Panics
/// When the proposal breaks a promise: that is the finding.
pub fn run_guess(data: &[u8]) {
    crate::unlimited_on_panic();
    let [named, dealt, file @ ..] = data else { return };
    let name = |add: usize| NAMES[(usize::from(*named) + add) % NAMES.len()];
    let (first, second) = file.split_at(file.len() * usize::from(dealt >> 3) / 32);
    let whole = |name, head| Sample { name, head, tail: b"", length: head.len() as u64, md5: None };
    let samples = match dealt & 3 {
        0 => vec![whole(name(0), first), whole(name(1), second)],
        1 => vec![Sample { tail: second, length: file.len() as u64 + 1_000_000, ..whole(name(0), first) }],
        _ => vec![whole(name(0), file)],
    };
    let proposal = bounded(|| guess(&samples, &[], &Answers::new()));
    assert_eq!(format!("{proposal:?}"), format!("{:?}", guess(&samples, &[], &Answers::new())));
    check(&proposal, samples.len());
}

fn check(proposal: &Guess, samples: usize) {
    assert!(proposal.exports.iter().all(|at| *at < samples), "{:?} of {samples} samples", proposal.exports);
    for finding in &proposal.findings {
        check_text(&finding.reason);
        finding.question.iter().for_each(|question| check_text(&question.text));
    }
    proposal.remarks.iter().chain(&proposal.senseless).for_each(|text| check_text(text));
    let profile = proposal.profile().expect("the proposal follows the vocabulary");
    if proposal.senseless.is_none() && profile.undecided.is_empty() {
        assert!(profile.check().is_ok(), "{:?} of a profile without doubts: {profile:?}", profile.check().err());
    }
}

/// Whoever shows it escapes it.
fn check_text(text: &str) {
    assert!(text.chars().count() <= LONGEST_TEXT, "a text of {} bytes", text.len());
}
