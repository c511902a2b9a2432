//! The pure core: what is true about orders and stock, and what follows from it.
//!
//! Promises: no I/O, no clock, no async, no SQL. Time comes in as an argument, decisions go out as values.
//! Does not promise: anything about how facts were obtained. The adapters do that, and hand over what they can prove.

pub mod breaker;
pub mod corrections;
pub mod evidence;
pub mod gate;
pub mod isolate;
pub mod item_map;
pub mod order;
pub mod quantity;
pub mod reconcile;
pub mod retry;
pub mod stock;

pub use gate::AdmittedSnapshot;
pub use item_map::ItemMap;
pub use order::{OrderId, OrderLine, OrderState, WebOrder};
pub use quantity::Quantity;
pub use stock::{ExportId, Sku};
