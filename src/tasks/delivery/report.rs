//! What delivery tells people: items that the store does not take, what was given up, quantities that somebody else changed.

use super::{Delivery, Figures, audit};
use crate::ledger::LedgerError;
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::explain::UnusualItem;
use crate::ledger::outbox_trouble::DeadLetter;

/// Condition: the store does not take some of the till's items.
pub const ITEMS_NOT_TAKEN: &str = "items_not_taken";
/// Condition: the store held other quantities than those we had written.
pub const DRIFT: &str = "drift";
/// Condition: quantities or notes were given up, because the store kept failing at them.
pub const DEAD_LETTERS: &str = "dead_letters";
/// How many are named.
const NAMED: u32 = 5;

impl Delivery {
    pub(super) fn report(&self, figures: &Figures) -> Result<(), LedgerError> {
        let not_taken: Vec<Trouble> = self.items_not_taken()?.into_iter().collect();
        self.shop.conditions(&[ITEMS_NOT_TAKEN], &not_taken);
        let dead: Vec<Trouble> = self.dead_letters()?.into_iter().collect();
        self.shop.conditions(&[DEAD_LETTERS], &dead);
        if figures.drifted > 0 || figures.delivered > 0 {
            let drifted = figures.drifted > 0;
            let drift = drifted.then(|| audit::drift(&self.shop.ledger, DRIFT, figures.drifted)).transpose()?;
            self.shop.conditions(&[DRIFT], &drift.into_iter().collect::<Vec<_>>());
        }
        Ok(())
    }

    fn items_not_taken(&self) -> Result<Option<Trouble>, LedgerError> {
        let (count, first) = self.shop.ledger.unusual_items(NAMED)?;
        let code = |item: &UnusualItem| match &item.till_code {
            Some(code) if *code != item.sku => format!(", the till's {code}"),
            Some(_) | None => String::new(),
        };
        let named: Vec<String> =
            first.iter().map(|item| format!("{}{} ({})", item.sku, code(item), item.why)).collect();
        Ok((count > 0).then(|| Trouble {
            code: ITEMS_NOT_TAKEN,
            subject: String::new(),
            severity: if first.iter().any(|item| item.kind == "refused") { Severity::Warning } else { Severity::Notice },
            text: format!("the web store does not take {count} of the till's items, for example {}", named.join(", ")),
            remedy: "Nothing to do if they are not sold on the web. Else create them in the web store, or, where it calls them otherwise, say so (tillbridge items list --unmapped); they are tried again every day and with every new count.".into(),
        }))
    }

    fn dead_letters(&self) -> Result<Option<Trouble>, LedgerError> {
        let (count, first) = self.shop.ledger.dead_letters(NAMED)?;
        let what = |letter: &DeadLetter| {
            let of = if letter.kind == "stock" { "the quantity of" } else { "a note on order" };
            format!("{of} {} ({})", letter.shown, letter.reason)
        };
        let named: Vec<String> = first.iter().map(what).collect();
        Ok((count > 0).then(|| Trouble {
            code: DEAD_LETTERS,
            subject: String::new(),
            severity: Severity::Error,
            text: format!("{count} thing(s) that the web store kept failing at were given up: {}", named.join("; ")),
            remedy: "All others go on. See them with tillbridge outbox list --dead, and the store's answers with tillbridge outbox failures. Once it is mended: tillbridge outbox retry NAME; if it is not to be sent: tillbridge outbox drop NAME --reason TEXT. A new count or order tries again, and so does every new day.".into(),
        }))
    }
}
