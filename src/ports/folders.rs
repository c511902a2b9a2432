//! What the till's folders ask of whoever looks at them: how often, and what may keep a file from being read.
//!
//! Promises: words only; who gives them is [`Epos`](super::Epos).

use std::time::Duration;

/// How often the till's folders are looked at, and how much has to stand still for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Between two looks while something is awaited.
    pub sweep_awaiting: Duration,
    /// Between two looks else.
    pub sweep_idle: Duration,
    /// Equal looks before an export counts as whole.
    pub settle_looks: u32,
    /// Between two of those looks at least.
    pub settle_every: Duration,
    /// Least age of an export by our own clock.
    pub settle_age: Duration,
    /// Successful looks in which an order file must be gone.
    pub order_gone_looks: u32,
    /// Between two of those looks at least.
    pub order_gone_every: Duration,
}

/// A file of the export folder that cannot be read yet, or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// Its name, without folder; as far as it is text.
    pub name: String,
    /// The reason to show.
    pub reason: String,
    /// What keeps it.
    pub cause: Cause,
}

/// What keeps a file from being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It changes, is empty, or waits for the file beside it: the till may be at work.
    Unfinished,
    /// It cannot be opened: another program has it, or the agent has no right to read it.
    Held,
    /// It is nothing that is ever read: a link, a folder, a name that is no text.
    Unfit,
}
