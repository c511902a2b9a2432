//! Tillbridge carries web orders to a shop's till and proven stock back to the web store.

pub mod domain;
pub mod health;
pub mod http;
pub mod ledger;
pub mod ports;
pub mod tasks;
pub mod telemetry;
pub mod units;
