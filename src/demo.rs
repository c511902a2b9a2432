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
//! | [`woocommerce`] | a WooCommerce, from its documentation and source |
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
pub mod woocommerce;
pub mod world;

use std::io::Write;

pub use agent_process::DemoError;

/// The bearer token of the simulated stores. It opens nothing else.
pub const TOKEN: &str = "demo-token-that-opens-nothing";

/// Writes a file that only its owner may read: the agent refuses a token that lies open to others.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(std::path::Path::new("."));
    // On Unix such a file has mode 600 from its first moment on.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Serves a simulated Magento on this machine; port 0 is any free one. Has to be called inside a tokio runtime.
///
/// # Errors
/// When the port cannot be had.
pub fn serve(magento: &magento::Magento, port: u16) -> Result<server::StoreServer, server::ServerError> {
    server::StoreServer::start_on(port, magento::rest::router(magento.clone(), TOKEN), TOKEN)
}
