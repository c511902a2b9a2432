//! A proposed profile as TOML with its reasons.
//!
//! Promises: what is written reads back as the proposed profile; text from a sample stays inside comments and values,
//! whatever it holds. A key that is undecided is a comment that shows the choices.

use std::fmt::Write as _;

use super::output;
use crate::epos::guess::{Confidence, Finding, Guess};

/// The commented TOML. `samples` names what was looked at, `troubles` what reading them showed.
pub(super) fn written(guess: &Guess, samples: &[String], troubles: &[String]) -> String {
    let mut text = String::new();
    comment(&mut text, "", &format!("Stock profile, proposed from {}.", samples.join(", ")));
    comment(
        &mut text,
        "",
        "Each key says how sure it is and why. Try it on more files: tillbridge profile test --profile THIS FOLDER.",
    );
    comment(&mut text, "", "In the agent's configuration these lines stand under [epos.stock_profile].");
    for trouble in troubles {
        comment(&mut text, "", &format!("Reading it showed: {trouble}"));
    }
    for remark in &guess.remarks {
        comment(&mut text, "", &format!("Note: {remark}"));
    }
    let undecided = guess.undecided();
    if !undecided.is_empty() {
        text.push('\n');
        let why = match &guess.unread {
            Some(trouble) => format!(
                "This proposal does not read its own sample: {trouble}. So something below is wrong, most likely the \
                 columns; correct it. The profile is refused until this line is gone."
            ),
            None => {
                "These keys are for you to decide; the choices stand below. The profile is refused until this line \
                     is gone."
                    .to_owned()
            }
        };
        comment(&mut text, "", &why);
        put(&mut text, "undecided", &toml::Value::from(undecided));
    }
    for finding in &guess.findings {
        text.push('\n');
        key(&mut text, finding);
    }
    text
}

fn key(text: &mut String, finding: &Finding) {
    comment(text, "", &format!("{}: {}", finding.confidence.word(), finding.reason));
    match &finding.value {
        Some(value) => put(text, finding.key, value),
        None => {
            for choice in finding.question.iter().flat_map(|question| &question.choices) {
                comment(text, "  ", &choice.label);
                comment(text, "  ", &format!("{} = {}", finding.key, choice.value));
            }
        }
    }
    if finding.confidence == Confidence::Assumed
        && let Some(question) = &finding.question
    {
        let usual = finding.value.as_ref();
        for choice in question.choices.iter().filter(|choice| Some(&choice.value) != usual) {
            comment(text, "", &format!("else {} = {}: {}", finding.key, choice.value, choice.label));
        }
    }
}

fn put(text: &mut String, key: &str, value: &toml::Value) {
    // Writing into a text cannot fail.
    let _written = writeln!(text, "{key} = {value}");
}

/// A comment of as many lines as it needs; no character of it can end it early.
fn comment(text: &mut String, indent: &str, what: &str) {
    text.push_str(&output::wrapped(what, &format!("# {indent}")));
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epos::StockProfile;
    use crate::epos::guess::{Answers, Sample, guess};

    fn toml_of(text: &str) -> (Guess, String) {
        let sample =
            Sample { name: "a\nb.csv", head: text.as_bytes(), tail: b"", length: text.len() as u64, md5: None };
        let guess = guess(&[sample], &[], &Answers::new());
        let text = written(&guess, &["a\nb.csv".to_owned()], &["line 3\u{2028}\rx".to_owned()]);
        (guess, text)
    }

    #[test]
    fn what_is_written_reads_back_as_the_proposed_profile() {
        for text in [
            "SKU,Qty\nA,1\nB,2\n",
            "\"SK\"\"U \n=x\",Qty,Available\nA,1,2\n\"B\n[x]\",2,3\n",
            "Code;A = 1\n#;1,234\n\u{1b};2,345\n",
            "H,20260314,231500\nD,1,2\nD,2,2\nT,2,4\n",
        ] {
            let (guess, written) = toml_of(text);
            let read: StockProfile = toml::from_str(&written).unwrap_or_else(|error| panic!("{error}\n{written}"));
            assert_eq!(read, guess.profile().unwrap(), "{written}");
        }
    }

    #[test]
    fn no_comment_is_wider_than_a_screen_and_none_is_broken_by_what_it_tells() {
        let (_, written) = toml_of("SKU,Qty\nA\rB,1\n");
        for line in written.lines().filter(|line| line.starts_with('#')) {
            assert!(line.chars().count() <= 120, "{line}");
        }
        assert!(written.contains("a\\u{a}b.csv"), "{written}");
    }
}
