//! Proposes a stock profile from samples of one till's export.
//!
//! Promises: bytes in, a proposal out, nothing else: no files, no clock, no panic, and no more work than the pieces of
//! the samples are long. Every key comes with how sure it is and why. What stays doubtful has no value: it is named,
//! with what was seen and what the choices are, and the profile is refused until a person has decided.
//! Does not promise that the profile reads the samples: whoever asks for it reads them with it and sees.
//!
//! How it goes: `encoding` makes text of bytes, `companion` sets files aside that only speak of others,
//! `shape` tells CSV, fixed width and XML apart, and `separated`, `fixed` and `xml` each make a
//! `table::Table` of it. From there on all are alike: `columns` finds SKU and quantity by the words of `words`
//! and by the content that `column` describes, `numbers` the style of the numbers, `proof` what shows that an
//! export is whole, `scope` full or changes, and `when` its time and number.

use toml::Value;

use super::profile::StockProfile;

mod book;
mod branches;
mod column;
mod columns;
mod companion;
mod encoding;
mod fixed;
mod fixed_fields;
mod fixed_heading;
mod guards;
mod leftovers;
mod numbers;
mod preamble;
mod proof;
mod records;
mod scope;
mod separated;
mod shape;
mod table;
mod totals;
mod when;
mod words;
mod xml;

use book::Book;
pub use book::{Answers, Choice, Confidence, Finding, Question};
use table::Table;

/// Bytes at the start of a sample that are worth giving.
pub const HEAD: usize = 256 * 1024;
/// Bytes at the end of a sample that are worth giving.
pub const TAIL: usize = 64 * 1024;
/// Most samples that are looked at.
pub const MOST_SAMPLES: usize = 16;
/// Most columns that are looked at.
const MOST_COLUMNS: usize = 512;

/// Pieces of one file.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Its name, without folder.
    pub name: &'a str,
    /// Its first bytes, [`HEAD`] at most.
    pub head: &'a [u8],
    /// Its last bytes, as far as they are not in `head`; [`TAIL`] at most.
    pub tail: &'a [u8],
    /// How long the file is.
    pub length: u64,
    /// MD5 of the whole file in lower-case hex digits, where known: control files speak of it.
    pub md5: Option<&'a str>,
}

impl Sample<'_> {
    /// Is all of the file in `head`?
    fn is_whole(&self) -> bool {
        self.head.len() as u64 >= self.length
    }
}

/// A proposal.
#[derive(Debug, Clone, Default)]
pub struct Guess {
    /// One for each key about which there is something to say, in the order of the vocabulary.
    pub findings: Vec<Finding>,
    /// What was seen and leads to no key.
    pub remarks: Vec<String>,
    /// The columns as they were seen: name or number, and a few values.
    pub columns: Vec<SeenColumn>,
    /// Which samples are exports, by position.
    pub exports: Vec<usize>,
    /// Why no sense can be made of the samples at all.
    pub senseless: Option<String>,
    /// Why the proposal cannot be right although nothing in it is doubtful: it does not read its own samples.
    pub unread: Option<String>,
}

/// A column as it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenColumn {
    /// How a profile names it.
    pub place: Value,
    /// Its name in the header.
    pub name: Option<String>,
    /// Its first values.
    pub values: Vec<String>,
}

/// Looks at samples, and proposes a profile. `beside` are small files from the samples' folder that may speak of
/// them; `answers` is what a person has decided already.
pub fn guess(samples: &[Sample<'_>], beside: &[Sample<'_>], answers: &Answers) -> Guess {
    let mut book = Book::new(answers);
    let samples = &samples[..samples.len().min(MOST_SAMPLES)];
    let exports = companion::exports(samples);
    match propose(samples, &exports, beside, &mut book) {
        Ok(table) => Guess { columns: table.seen(), ..book.close(exports, None) },
        Err(why) => book.close(exports, Some(why)),
    }
}

fn propose(
    samples: &[Sample<'_>],
    exports: &[usize],
    beside: &[Sample<'_>],
    book: &mut Book<'_>,
) -> Result<Table, String> {
    let chosen: Vec<&Sample<'_>> = exports.iter().filter_map(|at| samples.get(*at)).collect();
    if chosen.is_empty() {
        return Err("none of the files is a stock export: they are empty, or only speak of other files".into());
    }
    let texts = encoding::decode(&chosen, book)?;
    let mut table = shape::table(&texts, book)?;
    let guards = guards::take_off(&mut table);
    let roles = columns::decide(&mut table, book);
    guards::decide(&guards, &table, &roles, book);
    let closing = totals::take(&mut table, &roles, book);
    numbers::decide(&table, &roles, book);
    leftovers::decide(&texts, &table, &roles, &closing, book);
    totals::decide(&table, &roles, book);
    proof::decide(&table, &roles, book);
    proof::final_newline(&texts, &table, book);
    let given: Vec<&Sample<'_>> =
        (0..samples.len()).filter(|at| !exports.contains(at)).filter_map(|at| samples.get(at)).collect();
    companion::decide(&chosen, companion::Companions { given: &given, beside }, &table, &roles, book);
    scope::decide(&chosen, &table, &roles, book);
    scope::ordinal(&table, book);
    when::decide(&chosen, &texts, &table, book);
    Ok(table)
}

impl Guess {
    /// The keys that a person has to decide about.
    pub fn undecided(&self) -> Vec<String> {
        let open = self.findings.iter().filter(|finding| finding.value.is_none()).map(|finding| finding.key.to_owned());
        open.chain(self.unread.as_ref().map(|_| "columns".to_owned())).collect()
    }

    /// Leaves the proposal as a whole to a person: reading a sample by it failed.
    pub fn distrust(&mut self, why: String) {
        self.unread.get_or_insert(why);
    }

    /// The profile, its undecided keys named in it.
    ///
    /// # Errors
    /// When the proposal does not follow the vocabulary: a defect of this program.
    pub fn profile(&self) -> Result<StockProfile, toml::de::Error> {
        let mut profile: StockProfile = Value::Table(self.values()).try_into()?;
        profile.undecided = self.undecided();
        Ok(profile)
    }

    /// Takes back some of the confidence in the columns and their numbers: reading a sample showed otherwise.
    pub fn lower_confidence(&mut self, why: &str) {
        const TOUCHED: [&str; 5] = ["columns.sku", "columns.quantity", "decimal", "quote", "header"];
        let is_touched =
            |finding: &&mut Finding| TOUCHED.contains(&finding.key) && finding.confidence == Confidence::Sure;
        for finding in self.findings.iter_mut().filter(is_touched) {
            finding.confidence = Confidence::Likely;
            finding.reason = format!("{}; but {why}", finding.reason);
        }
    }

    fn values(&self) -> toml::Table {
        let mut values = toml::Table::new();
        for finding in &self.findings {
            let Some(value) = finding.value.clone() else { continue };
            match finding.key.split_once('.') {
                None => {
                    values.insert(finding.key.to_owned(), value);
                }
                Some((outer, inner)) => {
                    let outer = values.entry(outer).or_insert_with(|| Value::Table(toml::Table::new()));
                    if let Value::Table(outer) = outer {
                        outer.insert(inner.to_owned(), value);
                    }
                }
            }
        }
        values
    }
}

#[cfg(test)]
#[path = "guess_tests.rs"]
mod tests;
