//! A simulated shop: a till, web stores, a line between them that can fail, and the truth about the shelf.
//!
//! Promises: no network beyond this machine, no files outside the folders it is given, and the same story for the
//! same input. It is both what `tillbridge demo` shows and what the tests run against, so it is production code.
//! Does not promise to be a shop: the stores answer as observed, but only what the agent asks.
//!
//! | part | stands for |
//! | --- | --- |
//! | [`magento`] | a Magento 2.4.7-p6, with and without MSI |
//! | [`store_api`] | a store that speaks our own store API |
//! | [`shopify`] | a Shopify with two locations |
//! | [`till`] | the till: folders, books and habits |
//! | [`shop`] | the shelf itself, and a naive agent for comparison |
//! | [`seed`] | the goods |
//! | [`server`], [`tls`], [`faults`] | HTTPS, and the line that fails |
//! | [`clock`] | a clock moved by hand |
//! | [`world`], [`story`], [`agent_process`] | the demo: all of it together, and the real agent in a process of its own |
//! | [`only_store`] | the store alone, for a till played by hand |

pub mod agent_process;
pub mod clock;
pub mod faults;
pub(crate) mod http;
mod line;
pub mod magento;
pub mod only_store;
pub mod seed;
pub mod server;
pub mod shop;
pub mod shopify;
pub mod store_api;
pub mod story;
pub mod till;
mod till_files;
pub mod tls;
pub mod world;

pub use agent_process::DemoError;

/// The bearer token of the simulated stores. It opens nothing else.
pub const TOKEN: &str = "demo-token-that-opens-nothing";

/// Serves a simulated Magento on this machine; port 0 is any free one. Has to be called inside a tokio runtime.
///
/// # Errors
/// When the port cannot be had.
pub fn serve(magento: &magento::Magento, port: u16) -> Result<server::StoreServer, server::ServerError> {
    server::StoreServer::start_on(port, magento::rest::router(magento.clone(), TOKEN), TOKEN)
}
