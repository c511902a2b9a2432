//! What passes between the agent and the till about order files: what to write, and what became of it.
//!
//! Promises: plain values that can be kept in the ledger; a sighting says what was seen, never what it is worth.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::domain::evidence::{AnswerSays, Sign};
use crate::domain::{OrderId, Quantity, Sku, WebOrder};

/// What an order file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// The till is to book the order.
    Order,
    /// The till is to take back some of what it booked.
    Cancellation,
}

/// One order that is to be written.
#[derive(Debug, Clone, Copy)]
pub struct ToWrite<'a> {
    /// The order; for a cancellation its lines hold what is to be taken back.
    pub order: &'a WebOrder,
    /// 1 for its first file, 2 when it is written again.
    pub copy: u32,
}

/// An order file, ready to be published, with what goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OrderFile {
    /// Its name, without folder.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Files that go with it, in the order in which they are revealed: lines before it, the trigger after it.
    pub beside: Vec<BesideFile>,
    /// The orders in it, at least one.
    pub orders: Vec<WrittenOrder>,
    /// The running number in its name, if it has one; it is used up when the file is journalled.
    pub sequence: Option<u64>,
    /// Remarks for a person (characters that the till's code page lacks).
    pub warnings: Vec<String>,
}

impl OrderFile {
    /// The names that make it up.
    pub fn names(&self) -> FileNames {
        let beside = self.beside.iter().map(|beside| Beside { name: beside.name.clone(), role: beside.role }).collect();
        FileNames { name: self.name.clone(), beside }
    }
}

/// One order in an order file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenOrder {
    /// Which.
    pub order: OrderId,
    /// 1 for its first file, 2 when it is written again.
    pub copy: u32,
    /// Units of each SKU in the file; what a cancellation takes back is positive, too.
    pub units: Vec<(Sku, Quantity)>,
}

/// A file that goes with an order file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BesideFile {
    /// Its name, without folder.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What a file that goes with an order file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It holds the lines, and the order file the header: the order is taken when both are.
    Lines,
    /// It tells the till to begin. What becomes of it proves nothing.
    Trigger,
}

/// The names of an order file and of what goes with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileNames {
    /// The order file's.
    pub name: String,
    /// Of the files that go with it, in the order in which they are revealed.
    pub beside: Vec<Beside>,
}

/// The name of a file that goes with an order file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beside {
    /// Its name, without folder.
    pub name: String,
    /// What it is for.
    pub role: Role,
}

impl From<&str> for FileNames {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), beside: Vec::new() }
    }
}

/// What lies in the till's folders under the name of a file that was never revealed by this ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Earlier {
    /// Nothing: it may be written.
    Nothing,
    /// The same bytes: an earlier life of the agent wrote it. The till has it or had it.
    Same,
}

/// How a file became visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revealed {
    /// Just now.
    Now,
    /// A file of that name with the same bytes lay there already.
    Already,
    /// It is not in staging: it was revealed before (and the till may have taken it since).
    Before,
}

/// What became of taking a file away again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withdrawal {
    /// The till can no longer see it.
    Withdrawn,
    /// It was not there any more: the till may have it.
    Gone,
}

/// How far each of the till's reports and logs was, by name: what stands before that is not about a later file.
pub type Marks = BTreeMap<String, Mark>;

/// How far a report was, and how to know it again when it was renamed or begun anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Its length in bytes.
    pub length: u64,
    /// Hash of its beginning, as far as it went.
    pub head: String,
}

/// A published file that is to be looked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Awaited {
    /// Its names.
    pub names: FileNames,
    /// Should it lie in the import folder, by what is known? Then finding it there proves that this is the folder.
    pub is_expected: bool,
    /// The orders in it that the till may speak of.
    pub orders: Vec<AwaitedOrder>,
    /// The till's reports as they were before it was written.
    pub marks: Marks,
}

/// An order in a published file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwaitedOrder {
    /// The store's key.
    pub id: OrderId,
    /// The number that customer, staff and till use.
    pub number: String,
}

/// Where a published file is now, and what the till says of its orders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// The file's name.
    pub name: String,
    /// What its whereabouts say.
    pub sign: Sign,
    /// The name under which it was found, where the till renamed it.
    pub found_as: Option<String>,
    /// What the till itself says of single orders in it, one answer for each order at most.
    pub answers: Vec<Answer>,
    /// What a person should know of it.
    pub remark: Option<String>,
}

/// What the till says of one order, in an answer file, a report or a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The order.
    pub order: OrderId,
    /// What it says.
    pub says: AnswerSays,
    /// Where that stands, to show: `import.log: "Order 100 imported"`.
    pub by: String,
}
