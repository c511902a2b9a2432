//! Does the store reserve what is ordered until it is shipped, as a plain Magento with MSI does?
//!
//! Promises: known modules that switch reservations off are recognised by name; what cannot be seen is said, never
//! guessed silently. Does not promise to find modules that it does not know, nor the setting "Decrease Stock When Order is
//! Placed" (no route tells it): for those there is `magento.reservations = "off"`, and the audit of salable figures.

use serde_json::Value;

use super::{Keeping, Magento, refusal};
use crate::central::settings::Reservations;
use crate::ports::{CheckLine, StoreError};

/// When a module takes the units from their source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taking {
    /// When the order is placed.
    Placement,
    /// When it is invoiced; until then nothing is taken.
    Invoice,
}

/// Modules that write no reservations, as their `etc/module.xml` names them, and when they take the units instead (their
/// `etc/di.xml` and `etc/events.xml`).
const MODULES: [(&str, Taking); 3] = [
    ("Ampersand_DisableStockReservation", Taking::Placement),
    ("MageSuite_DisableStockReservation", Taking::Placement),
    ("EightWire_NoReservations", Taking::Invoice),
];

/// What the store's list of modules says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// None of the known ones.
    Plain,
    /// This one.
    Module(&'static str, Taking),
    /// The token may not ask.
    NotAllowed,
}

impl Magento {
    /// Is stock taken before shipment? Only asked of a store that keeps it by source.
    pub(super) async fn takes_before_shipment(&self) -> Result<bool, StoreError> {
        match self.reservations {
            Reservations::On => Ok(false),
            Reservations::Off => Ok(true),
            Reservations::Auto => match self.modules().await? {
                Seen::Module(..) => Ok(true),
                Seen::Plain | Seen::NotAllowed => Ok(false),
            },
        }
    }

    async fn modules(&self) -> Result<Seen, StoreError> {
        let call = self.get("asking which modules the store has", "/modules");
        let reply = self.client.send(&call).await?;
        // Told only to those who have the right Magento_Backend::admin, which few integrations have.
        if refusal::right_refused(&reply).is_some() {
            return Ok(Seen::NotAllowed);
        }
        let names: Vec<Value> = self.client.read(&call, &reply)?;
        let known = |(module, _): &&(&str, Taking)| names.iter().any(|name| name.as_str() == Some(*module));
        Ok(MODULES.iter().find(known).map_or(Seen::Plain, |(module, taking)| Seen::Module(module, *taking)))
    }

    /// What `check` says of it; nothing where there are no sources.
    pub(super) async fn check_reservations(&self, keeping: Keeping) -> Option<CheckLine> {
        if keeping == Keeping::PerProduct {
            return None;
        }
        let what = "reservations of ordered units";
        let (ok, found) = match self.modules().await {
            Ok(seen) => verdict(self.reservations, seen),
            Err(why) => (false, why.to_string()),
        };
        Some(CheckLine { what: what.into(), ok, found })
    }
}

fn verdict(wanted: Reservations, seen: Seen) -> (bool, String) {
    match (wanted, seen) {
        (Reservations::Auto | Reservations::Off, Seen::Module(module, Taking::Invoice)) => (
            false,
            format!(
                "the module {module} takes units only when an order is invoiced: until this agent has seen an order, they \
                 can be sold twice, which no agent outside the store can prevent"
            ),
        ),
        (Reservations::Auto | Reservations::Off, Seen::Module(module, Taking::Placement)) => {
            (true, format!("none: the module {module} takes units when an order is placed"))
        }
        (Reservations::On, Seen::Module(module, _)) => (
            false,
            format!(
                "`magento.reservations` is \"on\", but the store has the module {module}, which switches them off: write \
                 \"auto\", or more is offered than there is"
            ),
        ),
        (Reservations::Auto, Seen::Plain) => (true, "kept, as a plain Magento does".into()),
        (Reservations::On, Seen::Plain | Seen::NotAllowed) => (true, "kept, as `magento.reservations` says".into()),
        (Reservations::Off, Seen::NotAllowed) => (true, "none, as `magento.reservations` says".into()),
        (Reservations::Off, Seen::Plain) => (
            false,
            "`magento.reservations` is \"off\", but none of the known modules that switch them off is there; right only if \
             another one does, or if \"Decrease Stock When Order is Placed\" is No; else write \"auto\", or less is offered \
             than there is"
                .into(),
        ),
        (Reservations::Auto, Seen::NotAllowed) => (
            false,
            "taken as kept; whether a module switches them off cannot be seen without the right Magento_Backend::admin. \
             See in Stores > Configuration > Advanced, or with bin/magento module:status, whether a module's name has \
             Reservation in it, and write `magento.reservations` = \"on\" or \"off\""
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_that_the_store_contradicts_is_said() {
        let module = Seen::Module("Ampersand_DisableStockReservation", Taking::Placement);
        for (wanted, seen, ok) in [
            (Reservations::Auto, Seen::Plain, true),
            (Reservations::Auto, module, true),
            (Reservations::Auto, Seen::NotAllowed, false),
            (Reservations::Auto, Seen::Module("EightWire_NoReservations", Taking::Invoice), false),
            (Reservations::On, Seen::Plain, true),
            (Reservations::On, Seen::NotAllowed, true),
            (Reservations::On, module, false),
            (Reservations::Off, module, true),
            (Reservations::Off, Seen::NotAllowed, true),
            (Reservations::Off, Seen::Plain, false),
        ] {
            let (is_ok, found) = verdict(wanted, seen);
            assert_eq!(is_ok, ok, "{wanted:?} {seen:?}: {found}");
        }
    }
}
