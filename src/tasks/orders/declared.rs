//! What a person said of orders, carried out.
//!
//! Promises: an order that is declared consumed is taken away from the till first if its file still waits, so that it is
//! not booked once more; one that is declared lost is written again only when a successful look showed that its file does
//! not wait and the till does not say that it booked it. Who said so, and when, stands in the order's history.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::observe::Seen;
use super::{Figures, Orders, go_on};
use crate::domain::OrderId;
use crate::domain::evidence::{Basis, Judgement, Whereabouts, declared_by, is_weak};
use crate::ledger::Result;
use crate::ledger::declarations::{Declaration, Word};
use crate::ledger::fates::Proof;
use crate::ledger::files::{FileOrder, FileState, OpenFile};
use crate::ledger::watched::Ended;
use crate::ports::{EposError, Purpose, Withdrawal};

/// For how long a declaration that could not be carried out is shown.
const REFUSAL_SHOWN: SignedDuration = SignedDuration::from_hours(24);

impl Orders {
    /// What persons said, without what was shown for long enough.
    pub(super) fn declarations(&self, now: Timestamp) -> Result<Vec<Declaration>> {
        let mut declared = self.shop.ledger.declarations()?;
        let is_over = |one: &Declaration| match one.word {
            Word::Consumed | Word::Lost => false,
            Word::LostButWaits | Word::LostButBooked => one.at < now - REFUSAL_SHOWN,
        };
        for over in declared.iter().filter(|one| is_over(one)) {
            self.shop.ledger.declaration_ended(&over.order)?;
        }
        declared.retain(|one| !is_over(one));
        Ok(declared)
    }

    /// Orders of which a person says that the till booked them, until that is carried out.
    pub(super) fn declared_booked(&self) -> Result<HashSet<OrderId>> {
        let declared = self.shop.ledger.declarations()?;
        Ok(declared.into_iter().filter(|one| one.word == Word::Consumed).map(|one| one.order).collect())
    }

    /// Orders that a person declared consumed.
    pub(super) fn carry_out_booked(
        &self,
        declared: &[Declaration],
        figures: &mut Figures,
    ) -> Result<Option<EposError>> {
        let mut trouble = None;
        for one in declared.iter().filter(|one| one.word == Word::Consumed) {
            let mut open = self.shop.ledger.open_files()?;
            open.retain(|file| file.purpose == Purpose::Order);
            let is_meant = |order: &&FileOrder| order.id == one.order;
            let found = open.iter().find_map(|file| Some((file, file.orders.iter().find(is_meant)?)));
            match found {
                Some((file, _)) if matches!(file.state, FileState::Planned | FileState::Staged) => {}
                // What lies there is not the agent's to take away; and what another program holds has to wait.
                Some((file, _)) if self.is_strange(&file.names.name) || self.rests(&file.names.name) => {}
                Some((file, order)) => match self.declare_booked(one, file, order, &open, figures)? {
                    Ok(true) => self.shop.ledger.declaration_ended(&one.order)?,
                    Ok(false) => {}
                    Err(error) => trouble = trouble.or(Some(error)),
                },
                None => {
                    self.declare_ended_booked(one, figures)?;
                    self.shop.ledger.declaration_ended(&one.order)?;
                }
            }
        }
        Ok(trouble)
    }

    /// `false`: another program holds its file; what the person said is kept.
    fn declare_booked(
        &self,
        one: &Declaration,
        file: &OpenFile,
        order: &FileOrder,
        open: &[OpenFile],
        figures: &mut Figures,
    ) -> Result<std::result::Result<bool, EposError>> {
        let mut others: Vec<FileOrder> = Vec::new();
        if file.state == FileState::Visible || file.left_at.is_none() {
            let waiting = open.iter().filter(|one| one.names == file.names && one.state == FileState::Visible);
            let beside = waiting.flat_map(|one| &one.orders).filter(|other| other.id != order.id);
            match self.unless_held(&file.names.name, self.shop.epos.withdraw(&file.names)) {
                // What the till had not begun with, it has not booked of the others either.
                Ok(Some(Withdrawal::Withdrawn)) => others.extend(beside.cloned()),
                Ok(Some(Withdrawal::Gone)) => {}
                Ok(None) => return Ok(Ok(false)),
                Err(error) => return Ok(Err(error)),
            }
        }
        let evidence = declared_by("consumed", &one.by);
        let proof = Proof { at: one.at, evidence: &evidence, in_place: false, by: &one.by };
        let now = self.shop.clock.now();
        let noted = go_on(self.shop.ledger.order_declared_booked(file, order, &others, &proof, now))?;
        figures.taken += u64::from(noted.is_some());
        Ok(Ok(true))
    }

    /// The same of an order whose file is done with: refused, or taken on weak evidence.
    fn declare_ended_booked(&self, one: &Declaration, figures: &mut Figures) -> Result<()> {
        let now = self.shop.clock.now();
        let ended = self.shop.ledger.watched_files(now)?;
        let is_meant = |order: &FileOrder| order.id == one.order;
        let newest = ended.iter().filter(|ended| !ended.is_superseded && ended.file.purpose == Purpose::Order);
        let Some((file, order)) = newest.into_iter().find_map(|ended| {
            let is_open_to_it = match ended.ended {
                Ended::Taken => ended.file.orders.iter().all(|order| is_weak(&order.evidence)),
                Ended::Rejected => true,
                Ended::Lost => false,
            };
            let order = ended.file.orders.iter().find(|order| is_meant(order))?;
            is_open_to_it.then_some((&ended.file, order))
        }) else {
            return Ok(());
        };
        let evidence = declared_by("consumed", &one.by);
        let proof = Proof { at: one.at, evidence: &evidence, in_place: false, by: &one.by };
        let noted = go_on(self.shop.ledger.order_proved(file, order, &proof, now))?;
        figures.taken += u64::from(noted.is_some());
        Ok(())
    }

    /// An order that a person declared lost, after a successful look. `true`: nothing else is to be concluded of it.
    pub(super) fn carry_out_lost(&self, one: &Declaration, seen: &Seen<'_>, figures: &mut Figures) -> Result<bool> {
        if let Judgement::Booked { basis: Basis::Word, .. } = seen.judgement {
            let why = "the till itself says that it booked the order";
            self.shop.ledger.declaration_refused(one, Word::LostButBooked, why, seen.now)?;
            return Ok(false);
        }
        if seen.in_place() {
            let why = format!("{} still waits in the till's import folder", seen.file.names.name);
            self.shop.ledger.declaration_refused(one, Word::LostButWaits, &why, seen.now)?;
            return Ok(false);
        }
        if seen.place == Whereabouts::Unsure {
            return Ok(true);
        }
        let evidence = declared_by("lost", &one.by);
        let proof = Proof { at: seen.now, evidence: &evidence, in_place: false, by: &one.by };
        let noted = go_on(self.shop.ledger.order_lost(seen.file, seen.order, &proof, seen.now))?;
        figures.lost += u64::from(noted.is_some());
        self.shop.ledger.declaration_ended(&one.order)?;
        Ok(true)
    }
}
