//! Tillbridge carries web orders to a shop's till and proven stock back to the web store.

pub mod demo;
pub mod domain;
pub mod ports;
pub mod units;
