//! A simulated till: folders, books, and the habits that tills have.
//!
//! Promises: plain files in the folders it was given, nothing else; the same calls give the same files. It reads an
//! order file as it finds it at that moment, and if that is not a whole, well-formed file, it remembers the fault for
//! the test to find. It books what it is given, twice if given twice: noticing that is the test's business, too.
//! Does not promise to be quick or kind: it may reject, and it may write its stock export in pieces.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use self::habits::{AfterImport, AfterRefusal, Columns, ExportStyle, Habits};
use super::till_files::{Orders, csv_of, numbers_of, parsed};
use crate::domain::Quantity;

mod habits;

/// One booked order file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// The file's name.
    pub file: String,
    /// The order's number.
    pub number: String,
    /// What was booked off.
    pub lines: Vec<(String, Quantity)>,
}

/// Something that must never happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Violation {
    /// An order file was visible before it was whole, or is no CSV with the right header.
    HalfWritten {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// An order was booked once more.
    BookedTwice {
        /// Its number.
        number: String,
    },
}

/// What the till counted at one moment, on its way into a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counting {
    rows: Vec<(String, String, Quantity)>,
    written: usize,
    name: Option<String>,
}

/// A till.
#[derive(Debug)]
pub struct SimulatedTill {
    /// Where it looks for orders.
    pub import: PathBuf,
    /// Where it puts its stock exports.
    pub export: PathBuf,
    /// Where it moves orders that it has done.
    pub done: PathBuf,
    /// Where it moves orders that it refuses.
    pub rejects: PathBuf,
    /// Where it writes its log, if it does.
    pub log: PathBuf,
    /// Its habits; may be changed while it runs.
    pub habits: Habits,
    books: BTreeMap<String, (String, Quantity)>,
    bookings: Vec<Booking>,
    imported: BTreeMap<String, u32>,
    rejected: Vec<(String, String)>,
    /// Names that it has read, where it leaves files.
    remembered: BTreeSet<String>,
    violations: Vec<Violation>,
}

impl SimulatedTill {
    /// A till with the folders `import`, `export`, `done`, `rejects` and `log` under `home`, made if missing.
    ///
    /// # Errors
    /// When a folder cannot be made.
    pub fn new(home: &Path, habits: Habits) -> io::Result<Self> {
        let till = Self {
            import: home.join("import"),
            export: home.join("export"),
            done: home.join("done"),
            rejects: home.join("rejects"),
            log: home.join("log"),
            habits,
            books: BTreeMap::new(),
            bookings: Vec::new(),
            imported: BTreeMap::new(),
            rejected: Vec::new(),
            remembered: BTreeSet::new(),
            violations: Vec::new(),
        };
        for folder in [&till.import, &till.export, &till.done, &till.rejects, &till.log] {
            fs::create_dir_all(folder)?;
        }
        Ok(till)
    }

    /// Gives it the goods of the demo shop.
    pub fn stocked(mut self) -> Self {
        for article in super::seed::articles() {
            if let Some(units) = article.units {
                self.books.insert(article.sku, (article.name, units.into()));
            }
        }
        self
    }

    /// Adds an article, or counts it anew.
    pub fn count(&mut self, sku: &str, name: &str, units: Quantity) {
        self.books.insert(sku.to_owned(), (name.to_owned(), units));
    }

    /// What it thinks is on the shelf. Negative when more was booked than counted.
    pub fn units(&self, sku: &str) -> Quantity {
        self.books.get(sku).map(|(_, units)| *units).unwrap_or_default()
    }

    /// A walk-in sale.
    pub fn sell(&mut self, sku: &str, units: Quantity) {
        self.shift(sku, -units);
    }

    /// Goods arrived, or a return was booked.
    pub fn goods_in(&mut self, sku: &str, units: Quantity) {
        self.shift(sku, units);
    }

    fn shift(&mut self, sku: &str, by: Quantity) {
        let entry = self.books.entry(sku.to_owned()).or_default();
        entry.1 = entry.1 + by;
    }

    /// How often each order number was booked.
    pub fn imported(&self) -> &BTreeMap<String, u32> {
        &self.imported
    }

    /// All bookings, oldest first.
    pub fn bookings(&self) -> &[Booking] {
        &self.bookings
    }

    /// Refused files with the reason.
    pub fn rejected(&self) -> &[(String, String)] {
        &self.rejected
    }

    /// What must never happen and did. Empty is good.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Order files that lie in the import folder now.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn waiting(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.import)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let of_lines = self.habits.lines_ending.as_ref().is_some_and(|ending| name.ends_with(ending));
            let is_new = !self.remembered.contains(&name) && !of_lines;
            if is_new && name.to_lowercase().ends_with(self.ending()) && !name.starts_with('.') {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The path of a file that goes with the order file of this name.
    fn beside(&self, name: &str, ending: &str) -> PathBuf {
        self.import.join(format!("{}{ending}", &name[..name.len() - self.ending().len()]))
    }

    /// The paths of the order file and of the lines that go with it.
    fn parts(&self, name: &str) -> Vec<PathBuf> {
        let lines = self.habits.lines_ending.iter().map(|ending| self.beside(name, ending));
        std::iter::once(self.import.join(name)).chain(lines).collect()
    }

    /// May it begin with this order file?
    fn is_told_to_begin(&self, name: &str) -> bool {
        self.habits.trigger_ending.as_ref().is_none_or(|ending| self.beside(name, ending).exists())
    }

    fn ending(&self) -> &str {
        if self.habits.ending.is_empty() { ".csv" } else { &self.habits.ending }
    }

    /// Takes the order files that lie in the import folder at this moment, as far as its habits let it.
    ///
    /// # Errors
    /// When a file or folder cannot be read or moved.
    pub fn import_all(&mut self) -> io::Result<Vec<Booking>> {
        let most = self.habits.files_per_import.unwrap_or(usize::MAX);
        let mut booked = Vec::new();
        for name in
            self.waiting()?.into_iter().filter(|name| self.is_told_to_begin(name)).take(most).collect::<Vec<_>>()
        {
            booked.extend(self.import_file(&name)?);
        }
        Ok(booked)
    }

    /// What stands in the order file, and in the lines that go with it.
    fn contents(&self, name: &str) -> io::Result<Result<Orders, String>> {
        let bytes = fs::read(self.import.join(name))?;
        let Some(ending) = &self.habits.lines_ending else { return Ok(parsed(&bytes, &self.habits.columns)) };
        let lines = match fs::read(self.beside(name, ending)) {
            Ok(lines) => lines,
            Err(error) => return Ok(Err(format!("its lines cannot be read: {error}"))),
        };
        let numbers = numbers_of(&bytes, &self.habits.columns);
        Ok(parsed(&lines, &self.habits.columns).and_then(|orders| match numbers? {
            numbers if numbers.iter().eq(orders.keys()) => Ok(orders),
            numbers => Err(format!("its lines are not those of {numbers:?}")),
        }))
    }

    fn import_file(&mut self, name: &str) -> io::Result<Vec<Booking>> {
        let path = self.import.join(name);
        let orders = match self.contents(name)? {
            Ok(orders) => orders,
            Err(why) => {
                self.violations.push(Violation::HalfWritten { file: name.to_owned(), why: why.clone() });
                self.rejected.push((name.to_owned(), why));
                move_file(&path, &self.rejects.join(name))?;
                return Ok(Vec::new());
            }
        };
        let mut lines = orders.values().flatten();
        let unknown = lines.find(|(sku, _)| self.habits.reject_unknown && !self.books.contains_key(sku));
        if let Some((sku, _)) = unknown {
            self.rejected.push((name.to_owned(), format!("article {sku} is unknown")));
            move_file(&path, &self.rejects.join(name))?;
            return Ok(Vec::new());
        }
        let refused = self.habits.refused.clone();
        let mut said = Vec::new();
        let mut booked = Vec::new();
        for (number, mut lines) in orders {
            if refused.contains(&number) {
                self.rejected.push((name.to_owned(), format!("order {number} is refused")));
                said.push(format!("Order {number} has failed: refused"));
                continue;
            }
            let is_part = self.habits.in_part.contains(&number);
            lines.truncate(if is_part { 1 } else { usize::MAX });
            let more = if is_part { ", but lines were skipped" } else { "" };
            said.push(format!("Order {number} imported{more}"));
            booked.push(self.book(name, number, lines));
        }
        self.put_away(name, booked.is_empty())?;
        self.say(name, &said)?;
        Ok(booked)
    }

    /// What becomes of a file that was read.
    fn put_away(&mut self, name: &str, is_refused: bool) -> io::Result<()> {
        if let Some(ending) = &self.habits.trigger_ending {
            fs::remove_file(self.beside(name, ending))?;
        }
        for part in self.parts(name) {
            let name = part.file_name().unwrap_or_default().to_string_lossy().into_owned();
            self.put_part_away(&name, is_refused)?;
        }
        Ok(())
    }

    fn put_part_away(&mut self, name: &str, is_refused: bool) -> io::Result<()> {
        let path = self.import.join(name);
        let renamed = |ending: &str| self.import.join(format!("{name}{ending}"));
        match (is_refused, self.habits.after_refusal, self.habits.after_import) {
            (true, AfterRefusal::MoveToRejects, _) => move_file(&path, &self.rejects.join(name)),
            (true, AfterRefusal::Rename(ending), _) => move_file(&path, &renamed(ending)),
            (_, _, AfterImport::Delete) => fs::remove_file(&path),
            (_, _, AfterImport::MoveToDone) => move_file(&path, &self.done.join(name)),
            (_, _, AfterImport::Rename(ending)) => move_file(&path, &renamed(ending)),
            (_, _, AfterImport::Leave) => {
                self.remembered.insert(name.to_owned());
                Ok(())
            }
        }
    }

    /// Tells what became of the orders in a file, if it tells.
    fn say(&self, name: &str, said: &[String]) -> io::Result<()> {
        let text: String = said.iter().map(|line| format!("{line}\r\n")).collect();
        if self.habits.answers {
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            fs::write(self.import.join(format!("{stem}.rsp")), &text)?;
        }
        if self.habits.log {
            let mut log = fs::OpenOptions::new().create(true).append(true).open(self.log.join("import.log"))?;
            log.write_all(text.as_bytes())?;
        }
        Ok(())
    }

    fn book(&mut self, file: &str, number: String, lines: Vec<(String, Quantity)>) -> Booking {
        for (sku, units) in &lines {
            self.shift(sku, -*units);
        }
        // A file with units below zero takes back.
        if lines.iter().any(|(_, units)| *units > Quantity::ZERO) {
            let times = self.imported.entry(number.clone()).or_default();
            *times += 1;
            if *times > 1 {
                self.violations.push(Violation::BookedTwice { number: number.clone() });
            }
        }
        let booking = Booking { file: file.to_owned(), number, lines };
        self.bookings.push(booking.clone());
        booking
    }

    /// Counts, but writes nothing yet: what is sold from now on is not in this export.
    pub fn begin_export(&self) -> Counting {
        let rows = self.books.iter().map(|(sku, (name, units))| (sku.clone(), name.clone(), *units));
        Counting { rows: rows.collect(), written: 0, name: None }
    }

    /// Writes what was counted, whole, in the till's style of writing.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish_export(&self, mut counting: Counting, name: &str) -> io::Result<PathBuf> {
        match self.habits.export_style {
            ExportStyle::Renamed => {
                let hidden = self.export.join(format!("{name}.part"));
                fs::write(&hidden, csv_of(&counting.rows)?)?;
                move_file(&hidden, &self.export.join(name))?;
            }
            ExportStyle::InPieces => while self.write_piece(&mut counting, name, 1)? {},
        }
        Ok(self.export.join(name))
    }

    /// Writes the next `rows` rows of what was counted, under the export's own name: whoever looks now sees half a
    /// file. Says whether there is more to write.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_piece(&self, counting: &mut Counting, name: &str, rows: usize) -> io::Result<bool> {
        let path = self.export.join(name);
        let first = counting.name.is_none();
        let end = counting.rows.len().min(counting.written.saturating_add(rows));
        let piece = counting.rows.get(counting.written..end).unwrap_or_default();
        let text = csv_of(piece)?;
        let header = text.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut file = fs::OpenOptions::new().create(true).write(true).append(!first).truncate(first).open(path)?;
        file.write_all(text.get(if first { 0 } else { header }..).unwrap_or_default())?;
        (counting.written, counting.name) = (end, Some(name.to_owned()));
        Ok(end < counting.rows.len())
    }

    /// Counts and writes at once.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn export(&self, name: &str) -> io::Result<PathBuf> {
        self.finish_export(self.begin_export(), name)
    }

    /// A name for an export begun now: `STOCK_20261123_160000.csv`.
    pub fn export_name(at: Timestamp) -> String {
        format!("STOCK_{}.csv", at.strftime("%Y%m%d_%H%M%S"))
    }
}

#[expect(clippy::disallowed_methods, reason = "a till renames over what is there; that is how tills are")]
fn move_file(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

#[cfg(test)]
#[path = "till_tests.rs"]
mod tests;
