//! A simulated shop: a till, web stores, a line between them that can fail, and the truth about the shelf.
//!
//! Promises: no network beyond this machine, no files outside the folders it is given, and the same story for the
//! same input. It is both what `tillbridge demo` shows and what the tests run against, so it is production code.
//! Does not promise to be a shop: the stores answer as observed, but only what the agent asks.
//!
//! | part | stands for |
//! | --- | --- |
//! | [`magento`] | a Magento 2.4.7-p6, with and without MSI |
//! | [`seed`] | the goods |
//! | [`clock`] | a clock moved by hand |

pub mod clock;
pub(crate) mod http;
pub mod magento;
pub mod seed;
