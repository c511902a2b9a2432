//! Tillbridge carries web orders to a shop's till and proven stock back to the web store.
//!
//! **Orders**: the store's feed → [`tasks::intake`] → journal → [`tasks::orders`] → order file → evidence that the till
//! took it → the store is told.
//!
//! **Stock**: the till's export → settled → private copy → profile → [`tasks::stock`] → [`domain::gate`] →
//! [`tasks::delivery`]: orders read again, [`domain::reconcile`], send, read back.
//!
//! Dependencies point inwards: `domain` knows nobody; `ports` knows `domain`; the adapters `epos`, `central` and
//! [`ledger`] know those two; [`tasks`] knows `domain`, `ports` and `ledger`; only `agent` names concrete adapters.
//! ARCHITECTURE.md has the map and four walkthroughs, CONTRIBUTING.md the words.

pub mod agent;
pub mod central;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod domain;
pub mod epos;
pub mod health;
pub mod http;
pub mod ledger;
pub mod ports;
pub mod tasks;
pub mod telemetry;
pub mod units;
