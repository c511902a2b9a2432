//! Questions to a person at a terminal: numbered answers, one line each.
//!
//! Promises: what is not answered stays open; an answer that is none is asked again; the end of the input ends the
//! questions.

use std::io::{self, BufRead, Write};

use toml::Value;

use super::output;
use crate::epos::guess::Finding;

/// What a person said.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// This answer.
    Answer(Value),
    /// They do not know, or the usual answer is right.
    Nothing,
    /// There will be no more answers.
    Gone,
}

/// Asks about one finding.
pub(super) fn ask(finding: &Finding, input: &mut dyn BufRead, out: &mut dyn Write) -> io::Result<Said> {
    let Some(question) = &finding.question else { return Ok(Said::Nothing) };
    writeln!(out)?;
    writeln!(out, "{}", output::shown(&question.text))?;
    writeln!(out, "{}", output::wrapped(&format!("({})", finding.reason), "  "))?;
    for (number, choice) in (1..).zip(&question.choices) {
        let usual = if question.usual == Some(number - 1) { "  [Enter]" } else { "" };
        writeln!(out, "  {number}  {}{usual}", output::shown(&choice.label))?;
    }
    let otherwise = if question.usual.is_some() { "Enter for the usual" } else { "Enter to leave it open" };
    loop {
        write!(out, "1 to {}, or {otherwise}: ", question.choices.len())?;
        out.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            writeln!(out)?;
            return Ok(Said::Gone);
        }
        let line = line.trim();
        if line.is_empty() {
            return Ok(Said::Nothing);
        }
        let chosen = line.parse::<usize>().ok().and_then(|number| question.choices.get(number.checked_sub(1)?));
        match chosen {
            Some(choice) => return Ok(Said::Answer(choice.value.clone())),
            None => writeln!(out, "{} is none of the numbers.", output::shown(line))?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epos::guess::{Answers, Sample, guess};

    fn finding() -> Finding {
        let text = "Code,A,B\nx1,1,5\nx2,2,7\nx3,7,1\n";
        let sample =
            Sample { name: "stock.csv", head: text.as_bytes(), tail: b"", length: text.len() as u64, md5: None };
        let guess = guess(&[sample], &[], &Answers::new());
        guess.findings.into_iter().find(|finding| finding.key == "columns.quantity").unwrap()
    }

    fn said(typed: &str) -> (Said, String) {
        let mut out = Vec::new();
        let said = ask(&finding(), &mut typed.as_bytes(), &mut out).unwrap();
        (said, String::from_utf8(out).unwrap())
    }

    #[test]
    fn a_number_is_an_answer_and_enter_leaves_the_key_open() {
        assert_eq!(said("2\n").0, Said::Answer(Value::from("B")));
        assert_eq!(said("\n").0, Said::Nothing);
        assert_eq!(said("").0, Said::Gone);
    }

    #[test]
    fn what_is_none_of_the_numbers_is_asked_again() {
        let (answer, shown) = said("9\nyes\n0\n1\n");
        assert_eq!(answer, Said::Answer(Value::from("A")));
        assert_eq!(shown.matches("is none of the numbers").count(), 3, "{shown}");
        assert!(shown.contains("\"A\": 1, 2, 7"), "{shown}");
    }
}
