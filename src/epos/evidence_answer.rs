//! Answer files: what the till writes beside each order file, or in a folder of its own.
//!
//! Promises: an answer is read only when it is a plain file that had the same length and time in two looks some time
//! apart, so that a half-written one says nothing; one larger than [`LARGEST`] is not read. A text that names the order
//! wins over one that speaks of the whole file; among equals a refusal comes first.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::evidence_lines::{HEAD, LineCharset};
use super::evidence_settings::{AnswerFile, filled};
use super::evidence_words::{Words, answer, weight};
use super::fault::of_files;
use crate::domain::OrderId;
use crate::ports::{Answer, AnswerSays, Awaited, AwaitedOrder, EposError};

/// Largest answer that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// The till's answers to order files.
#[derive(Debug)]
pub(super) struct Answers {
    name: String,
    folder: PathBuf,
    file: AnswerFile,
    words: Words,
    seen: Mutex<HashMap<String, Seen>>,
}

/// An answer as it was at the looks so far.
#[derive(Debug, Clone)]
struct Seen {
    bytes: u64,
    modified: Option<std::time::SystemTime>,
    since: Timestamp,
    /// What it says, once it has settled and was read.
    read: Option<Read>,
}

/// What an answer says.
#[derive(Debug, Clone, Default)]
pub(super) struct Read {
    /// Of single orders.
    pub(super) answers: Vec<Answer>,
    /// What a person should know of it.
    pub(super) remark: Option<String>,
    /// The orders that were looked for in it.
    asked: Vec<OrderId>,
}

impl Answers {
    /// Of this till.
    pub(super) fn new(file: AnswerFile, import_folder: &Path) -> Self {
        let folder = file.folder.clone().unwrap_or_else(|| import_folder.to_owned());
        let words = Words::new(&file.refused, &file.partly, &file.booked);
        Self { name: file.name.clone(), folder, file, words, seen: Mutex::default() }
    }

    /// Where the answers appear.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of the answer to this file.
    pub(super) fn name_for(&self, order_file: &str) -> String {
        filled(&self.name, order_file)
    }

    /// Forgets answers to files that are not looked for any more.
    pub(super) fn keep_only(&self, is_awaited: impl Fn(&str) -> bool) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).retain(|name, _| is_awaited(name));
    }

    /// What the answer to this file says, which lies there under the name `found_as`. At least `every` lies between the
    /// two looks in which it is the same.
    pub(super) fn look(
        &self,
        file: &Awaited,
        found_as: &str,
        every: Duration,
        now: Timestamp,
    ) -> Result<Read, EposError> {
        let path = self.folder.join(found_as);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Read::default()),
            Err(error) => return Err(cannot_read(&path, error)),
        };
        if !metadata.is_file() || metadata.len() > LARGEST {
            let what = if metadata.is_file() { "is larger than any answer" } else { "is no plain file" };
            let remark = Some(format!("the till's answer {found_as} {what}, and is not read"));
            return Ok(Read { remark, ..Read::default() });
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (bytes, modified) = (metadata.len(), metadata.modified().ok());
        let fresh = Seen { bytes, modified, since: now, read: None };
        let one = seen.entry(file.names.name.clone()).or_insert_with(|| fresh.clone());
        if (one.bytes, one.modified) != (bytes, modified) || now < one.since {
            *one = fresh;
        }
        let is_new = |order: &AwaitedOrder| !one.read.as_ref().is_some_and(|read| read.asked.contains(&order.id));
        if file.orders.iter().any(is_new) && bytes > 0 && now.duration_since(one.since).unsigned_abs() >= every {
            one.read = Some(self.read(&path, file, found_as)?);
        }
        Ok(one.read.clone().unwrap_or_default())
    }

    fn read(&self, path: &Path, file: &Awaited, found_as: &str) -> Result<Read, EposError> {
        let bytes = fs::read(path).map_err(|error| cannot_read(path, error))?;
        let charset = LineCharset::of(&bytes[..bytes.len().min(HEAD)], self.file.encoding);
        let text = charset.decoded(&bytes);
        let lines: Vec<(&str, String)> = text.lines().map(|line| (line, line.to_lowercase())).collect();
        let said = |order: &AwaitedOrder| -> Option<Answer> {
            let words = lines.iter().filter_map(|(line, lower)| {
                let (says, is_named) = self.words.said(lower, order, &file.names)?;
                Some((is_named, weight(says), says, *line))
            });
            let best: Option<(bool, u8, AnswerSays, &str)> = words.max_by_key(|(named, weight, ..)| (*named, *weight));
            best.map(|(_, _, says, line)| answer(order, says, found_as, line))
        };
        let answers: Vec<Answer> = file.orders.iter().filter_map(said).collect();
        let is_understood = !answers.is_empty() || file.orders.is_empty();
        let remark = (!is_understood).then(|| {
            format!("the till's answer {found_as} says nothing that epos.evidence.answer_file knows as booked, refused or partly")
        });
        Ok(Read { answers, remark, asked: file.orders.iter().map(|order| order.id.clone()).collect() })
    }
}

fn cannot_read(path: &Path, error: io::Error) -> EposError {
    let shown = path.display();
    of_files(format!("cannot read the till's answer {shown}, so that nothing is known about its order"), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_secs(2);

    fn look(folder: &Path, settings: &str, orders: &[&str]) -> (Answers, Awaited) {
        let file: AnswerFile = toml::from_str(&format!("name = \"{{stem}}.rsp\"\n{settings}")).unwrap();
        let answers = Answers::new(file, folder);
        let orders =
            orders.iter().map(|number| AwaitedOrder { id: OrderId((*number).into()), number: (*number).into() });
        (answers, Awaited { names: "o1.csv".into(), orders: orders.collect(), ..Awaited::default() })
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// What a settled answer with this text says of the orders 100 and 101.
    fn said(settings: &str, text: &str) -> Vec<(String, AnswerSays)> {
        let folder = tempfile::tempdir().unwrap();
        let (answers, awaited) = look(folder.path(), settings, &["100", "101"]);
        fs::write(folder.path().join("o1.rsp"), text).unwrap();
        answers.look(&awaited, "o1.rsp", EVERY, at(0)).unwrap();
        let read = answers.look(&awaited, "o1.rsp", EVERY, at(2)).unwrap();
        read.answers.into_iter().map(|answer| (answer.order.0, answer.says)).collect()
    }

    #[test]
    fn an_answer_is_read_when_it_was_the_same_in_two_looks_apart() {
        let folder = tempfile::tempdir().unwrap();
        let (answers, awaited) = look(folder.path(), "booked = [\"OK\"]\nrefused = [\"ERROR\"]", &["100"]);
        assert_eq!(answers.name_for("o1.csv"), "o1.rsp");
        let path = folder.path().join("o1.rsp");
        let says = |text: Option<&str>, second| {
            if let Some(text) = text {
                fs::write(&path, text).unwrap();
            }
            answers.look(&awaited, "o1.rsp", EVERY, at(second)).unwrap().answers.first().map(|answer| answer.says)
        };
        assert_eq!(says(None, 0), None, "it has gone since it was listed");
        assert_eq!(says(Some(""), 1), None);
        assert_eq!(says(None, 9), None, "an empty one is not written yet");
        assert_eq!(says(Some("OK, "), 10), None);
        assert_eq!(says(None, 11), None, "too soon");
        assert_eq!(says(Some("OK, no: ERROR 5"), 12), None, "it has grown");
        assert_eq!(says(None, 14), Some(AnswerSays::Refused), "a refusal comes first");
        assert_eq!(says(None, 15), Some(AnswerSays::Refused));
    }

    #[test]
    fn in_a_batch_a_text_that_names_the_order_wins_over_one_about_the_file() {
        use AnswerSays as A;
        let two = |first, second| vec![("100".to_owned(), first), ("101".to_owned(), second)];
        let settings = "booked = [\"{number} OK\"]\nrefused = [\"ERROR\"]\npartly = [\"{number} PART\"]";
        assert_eq!(said(settings, "100 OK\n101 ERROR"), two(A::Booked, A::Refused));
        assert_eq!(said(settings, "100 OK\r\n101 PART\r\n"), two(A::Booked, A::Partly));
        let settings = "booked = [\"FILE OK\"]\nrefused = [\"{number} REJECTED\"]";
        assert_eq!(said(settings, "101 REJECTED\nFILE OK"), two(A::Booked, A::Refused));
        assert_eq!(said(settings, "1011 REJECTED\nFILE OK"), two(A::Booked, A::Booked));
    }

    #[test]
    fn an_answer_that_is_not_understood_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let (answers, awaited) = look(folder.path(), "booked = [\"OK\"]", &["100"]);
        fs::write(folder.path().join("o1.rsp"), "HM").unwrap();
        answers.look(&awaited, "o1.rsp", EVERY, at(0)).unwrap();
        let read = answers.look(&awaited, "o1.rsp", EVERY, at(5)).unwrap();
        assert!(read.answers.is_empty() && read.remark.unwrap().contains("o1.rsp"));
        fs::create_dir(folder.path().join("o2.rsp")).unwrap();
        assert!(answers.look(&awaited, "o2.rsp", EVERY, at(5)).unwrap().remark.unwrap().contains("no plain file"));
    }
}
