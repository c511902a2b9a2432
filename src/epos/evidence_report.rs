//! Reports and logs of the till: what their lines say of orders.
//!
//! Promises: a line counts for an order only if it stands behind the report's length at the time when the order's file
//! was planned; a report that is shorter than that, or another file under its name, counts from its start, and one that
//! was renamed is known again by its beginning. Of lines about one order in one report the last counts, because tills try
//! again; of several reports a refusal. What was read is remembered while the agent runs, and only to spare the reading:
//! without it everything is read again from the marks.
//! Does not promise to read more than [`MOST_READ`] of one report at once: what lies before is told and passed over.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::evidence_lines::{HEAD, LineCharset, whole_lines};
use super::evidence_pattern::words_of;
use super::evidence_settings::ReportFiles;
use super::evidence_words::{Words, answer, weight};
use super::fault::of_files;
use super::name_pattern::matches;
use crate::domain::OrderId;
use crate::ports::{Answer, Awaited, AwaitedOrder, EposError, FileNames, Mark, Marks, hex};

/// Most bytes of one report that are read at once.
const MOST_READ: u64 = 16 * 1024 * 1024;

/// The till's reports, and what was read of them.
#[derive(Debug)]
pub(super) struct Reports {
    files: ReportFiles,
    words: Words,
    read: Mutex<HashMap<String, Progress>>,
}

/// An order in one file: what is looked for.
type Key = (String, OrderId);

/// How far one report was read.
#[derive(Debug)]
struct Progress {
    mark: Mark,
    /// What was found of each order that was looked for; `None`: nothing.
    found: HashMap<Key, Option<Answer>>,
}

/// An order that is looked for in one report.
struct Wanted<'a> {
    key: Key,
    order: &'a AwaitedOrder,
    names: &'a FileNames,
    from: u64,
}

impl Reports {
    pub(super) fn new(files: ReportFiles) -> Self {
        let words = Words::new(&files.refused, &files.partly, &files.booked);
        Self { files, words, read: Mutex::default() }
    }

    /// How far the reports are now.
    pub(super) fn marks(&self) -> Result<Marks, EposError> {
        let mut marks = Marks::new();
        for name in self.names()? {
            if let Some((_, length, head)) = self.opened(&name)? {
                marks.insert(name, Mark { length, head: head_of(&head, length) });
            }
        }
        Ok(marks)
    }

    /// What the reports say of these orders: the order's file, and the answer.
    pub(super) fn look(&self, awaited: &[Awaited]) -> Result<Vec<(String, Answer)>, EposError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let names = self.names()?;
        read.retain(|name, _| names.contains(name));
        let mut weightiest: HashMap<Key, Answer> = HashMap::new();
        for name in &names {
            let Some(progress) = self.read_on(name, read.remove(name), awaited)? else { continue };
            for (key, found) in &progress.found {
                let Some(found) = found else { continue };
                let old = weightiest.get(key).map(|old| weight(old.says));
                if old.is_none_or(|old| old < weight(found.says)) {
                    weightiest.insert(key.clone(), found.clone());
                }
            }
            read.insert(name.clone(), progress);
        }
        Ok(weightiest.into_iter().map(|((file, _), answer)| (file, answer)).collect())
    }

    /// The names of the reports, sorted.
    fn names(&self) -> Result<Vec<String>, EposError> {
        let folder = &self.files.folder;
        let failed = |error| {
            let shown = folder.display();
            of_files(
                format!(
                    "cannot list the till's reports in {shown}, so that nothing is known about orders; is the share connected?"
                ),
                error,
            )
        };
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_report = self.files.files.iter().any(|pattern| matches(pattern, &name));
            if is_report && entry.file_type().map_err(failed)?.is_file() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The report, its length and its beginning; `None`: it has gone since it was listed.
    fn opened(&self, name: &str) -> Result<Option<(File, u64, Vec<u8>)>, EposError> {
        let path = self.files.folder.join(name);
        let opened = || -> io::Result<(File, u64, Vec<u8>)> {
            let mut file = File::open(&path)?;
            let length = file.metadata()?.len();
            let mut head = Vec::new();
            file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
            Ok((file, length, head))
        };
        match opened() {
            Ok(opened) => Ok(Some(opened)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(cannot_read(&path, error)),
        }
    }

    /// Reads what was added to one report since, and for orders that were not looked for before what they may count.
    fn read_on(
        &self,
        name: &str,
        before: Option<Progress>,
        awaited: &[Awaited],
    ) -> Result<Option<Progress>, EposError> {
        let Some((mut file, length, head)) = self.opened(name)? else { return Ok(None) };
        let before = before.filter(|before| is_same(&before.mark, length, &head));
        let (read_to, mut known) = before.map_or((0, HashMap::new()), |before| (before.mark.length, before.found));
        let (mut old, mut new) = (Vec::new(), Vec::new());
        for one in awaited.iter().flat_map(|file| wanted_in(file, name, length, &head)) {
            if known.contains_key(&one.key) { old.push(one) } else { new.push(one) }
        }
        let mut found: HashMap<Key, Option<Answer>> =
            old.iter().chain(&new).map(|one| (one.key.clone(), known.remove(&one.key).flatten())).collect();
        if found.is_empty() {
            return Ok(None);
        }
        let charset = LineCharset::of(&head, self.files.encoding);
        let mut end = length;
        for (wanted, from) in [(&new, new.iter().map(|one| one.from).min()), (&old, Some(read_to))] {
            if let Some(from) = from.filter(|_| !wanted.is_empty()) {
                end = end.min(self.pass(name, &mut file, charset, wanted, (from, length), &mut found)?);
            }
        }
        Ok(Some(Progress { mark: Mark { length: end, head: head_of(&head, end) }, found }))
    }

    fn pass(
        &self,
        name: &str,
        file: &mut File,
        charset: LineCharset,
        wanted: &[Wanted<'_>],
        (from, to): (u64, u64),
        found: &mut HashMap<Key, Option<Answer>>,
    ) -> Result<u64, EposError> {
        let path = self.files.folder.join(name);
        let first = from.max(to.saturating_sub(MOST_READ));
        if first > from {
            tracing::warn!(path = %path.display(), bytes = first - from, "a report has grown by more than is read at once; what it said before its last 16 MiB is passed over, and orders named only there stay unproved");
        }
        if first >= to {
            return Ok(to);
        }
        file.seek(SeekFrom::Start(0)).map_err(|error| cannot_read(&path, error))?;
        let index = Index::new(&self.words, wanted);
        let read = whole_lines(file, charset, (first, to), |at, line| {
            let lower = line.to_lowercase();
            if !self.words.may_speak(&lower) {
                return;
            }
            for one in index.find(&lower).into_iter().filter(|one| one.from <= at) {
                if let Some((says, _)) = self.words.said(&lower, one.order, one.names) {
                    found.insert(one.key.clone(), Some(answer(one.order, says, name, line)));
                }
            }
        });
        read.map_err(|error| cannot_read(&path, error))
    }
}

/// Finds the orders of which a line may speak, so that a long log is not compared with each of a thousand orders.
struct Index<'w, 'a> {
    wanted: &'w [Wanted<'a>],
    /// `None`: some order cannot be found by words, so that each line is compared with all.
    by_word: Option<HashMap<String, Vec<usize>>>,
}

impl<'w, 'a> Index<'w, 'a> {
    fn new(words: &Words, wanted: &'w [Wanted<'a>]) -> Self {
        let mut by_word: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, one) in wanted.iter().enumerate() {
            let Some(of_order) = words.index(one.order, one.names) else { return Self { wanted, by_word: None } };
            for word in of_order {
                by_word.entry(word).or_default().push(at);
            }
        }
        let by_word = Some(by_word);
        Self { wanted, by_word }
    }

    fn find(&self, line: &str) -> Vec<&'w Wanted<'a>> {
        let Some(by_word) = &self.by_word else { return self.wanted.iter().collect() };
        let mut found: Vec<usize> = words_of(line).filter_map(|word| by_word.get(word)).flatten().copied().collect();
        found.sort_unstable();
        found.dedup();
        found.into_iter().filter_map(|at| self.wanted.get(at)).collect()
    }
}

fn cannot_read(path: &Path, error: io::Error) -> EposError {
    let shown = path.display();
    of_files(format!("cannot read the till's report {shown}, so that nothing is known about orders"), error)
}

/// The orders of a file, with the place from which this report may speak of them.
fn wanted_in<'a>(
    file: &'a Awaited,
    report: &str,
    length: u64,
    head: &[u8],
) -> impl Iterator<Item = Wanted<'a>> + use<'a> {
    let from = start_of(&file.marks, report, length, head);
    file.orders.iter().map(move |order| Wanted {
        key: (file.names.name.clone(), order.id.clone()),
        order,
        names: &file.names,
        from,
    })
}

/// Where a report begins to speak of a file that was planned when the reports were so far.
fn start_of(marks: &Marks, report: &str, length: u64, head: &[u8]) -> u64 {
    if let Some(mark) = marks.get(report).filter(|mark| is_same(mark, length, head)) {
        return mark.length;
    }
    // Begun anew, or renamed: the largest of those that began like it says least that is not sure.
    let like_it = marks.values().filter(|mark| is_same(mark, length, head));
    like_it.map(|mark| mark.length).max().unwrap_or(0)
}

/// Can this report be the one that was so far then?
fn is_same(mark: &Mark, length: u64, head: &[u8]) -> bool {
    mark.length <= length && head_of(head, mark.length) == mark.head
}

/// What tells a file of this length from another: the hash of its beginning.
fn head_of(head: &[u8], length: u64) -> String {
    let end = usize::try_from(length).unwrap_or(usize::MAX).min(head.len());
    hex(&Sha256::digest(&head[..end])[..8])
}

#[cfg(test)]
#[path = "evidence_report_tests.rs"]
mod tests;
