//! The edges of the agent: time, the till, the web store, and whoever listens for what was pushed.
//!
//! Promises: everything that the reconcilers need from outside passes through here, with failures already classified.
//! Production, the demo and the tests differ only in what stands behind these traits.

use jiff::Timestamp;

mod after_push;
mod epos;
mod folders;
mod order_files;
mod store;

pub use after_push::*;
pub use epos::*;
pub use folders::*;
pub use order_files::*;
pub use store::*;

/// Wall-clock time.
pub trait Clock: Send + Sync {
    /// Now, in UTC.
    fn now(&self) -> Timestamp;
}
