//! The `[store.store_api]` part of the configuration.

use serde::{Deserialize, Serialize};

use super::{SettingsError, senseless};

/// Where this shop's stock lives on our own store API.
pub const LOCATION: &str = "default";

/// What only our own store API has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreApiSettings {
    /// The store's name for this shop ([`LOCATION`]).
    pub location: String,
}

impl Default for StoreApiSettings {
    fn default() -> Self {
        Self { location: LOCATION.into() }
    }
}

impl StoreApiSettings {
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        if self.location.trim().is_empty() {
            return Err(senseless("store_api.location", "is empty; write the store's name for this shop"));
        }
        Ok(())
    }
}
