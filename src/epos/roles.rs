//! What the columns of an export mean: which of them is the SKU, the quantity, the branch.
//!
//! Promises: the meanings are the same for every kind of file; only what a place is differs (a field, a span of
//! characters, a path).

use super::profile::{Branch, Columns, Kind, StockProfile};
use super::profile_check::{ProfileError, wrong};
use super::profile_words::Column;
use crate::domain::stock::Scope;

/// Where the values that count stand in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Roles<P> {
    pub(super) sku: P,
    /// One place, or several to be added.
    pub(super) quantities: Vec<P>,
    /// Only where branches are told apart.
    pub(super) branch: Option<P>,
    pub(super) action: Option<P>,
    pub(super) ordinal: Option<P>,
}

impl<P> Roles<P> {
    /// The same roles with other places; `place` gets the profile's key, for messages.
    pub(super) fn resolve<'r, Q, E>(
        &'r self,
        mut place: impl FnMut(&'static str, &'r P) -> Result<Q, E>,
    ) -> Result<Roles<Q>, E> {
        let mut quantities = Vec::with_capacity(self.quantities.len());
        let sku = place("columns.sku", &self.sku)?;
        for quantity in &self.quantities {
            quantities.push(place("columns.quantity", quantity)?);
        }
        let mut optional = |key, role: &'r Option<P>| role.as_ref().map(|role| place(key, role)).transpose();
        Ok(Roles {
            sku,
            quantities,
            branch: optional("columns.branch", &self.branch)?,
            action: optional("columns.action", &self.action)?,
            ordinal: optional("columns.sequence", &self.ordinal)?,
        })
    }

    /// Is one place meant as two of SKU and quantities? Then units would be counted twice.
    pub(super) fn counts_twice(&self) -> bool
    where
        P: PartialEq,
    {
        let is_again = |(at, place): (usize, &P)| *place == self.sku || self.quantities[..at].contains(place);
        self.quantities.iter().enumerate().any(is_again)
    }

    /// All places, the SKU's first.
    pub(super) fn all(&self) -> impl Iterator<Item = &P> {
        let optional = [&self.branch, &self.action, &self.ordinal];
        std::iter::once(&self.sku).chain(&self.quantities).chain(optional.into_iter().flatten())
    }
}

impl StockProfile {
    /// The roles as the profile writes them.
    pub(super) fn roles(&self) -> Result<Roles<Column>, ProfileError> {
        let Columns { sku, quantity, branch, action, sequence, as_of: _ } = &self.columns;
        let missing = |key| wrong(key, "is missing; name the column or give its place, counted from 1");
        let Some(sku) = sku.clone() else { return missing("columns.sku") };
        let Some(quantity) = quantity.clone() else { return missing("columns.quantity") };
        let is_one = self.kind == Kind::Fixed && is_span(&quantity);
        let quantities = match (&self.branch, quantity) {
            (Some(Branch::SumOfColumns {}), Column::List(list)) if !is_one && !list.is_empty() => list,
            (Some(Branch::SumOfColumns {}), _) if !is_one => {
                return wrong("columns.quantity", "is one column, but branch.mode adds several; write them as a list");
            }
            (_, one) => vec![one],
        };
        let branch = match &self.branch {
            Some(Branch::Only { codes }) => Some(self.branch_column(branch.as_ref(), codes)?),
            Some(Branch::SumOfColumns {}) | None => None,
        };
        self.check_delta_columns()?;
        Ok(Roles { sku, quantities, branch, action: action.clone(), ordinal: sequence.clone() })
    }

    fn branch_column(&self, column: Option<&Column>, codes: &[String]) -> Result<Column, ProfileError> {
        if codes.is_empty() || codes.iter().any(|code| code.trim().is_empty()) {
            return wrong("branch", "needs the codes of this shop's branches, as the till writes them");
        }
        match column {
            Some(column) => Ok(column.clone()),
            None => wrong("columns.branch", "is missing, but branch picks rows by it; name the column"),
        }
    }

    fn check_delta_columns(&self) -> Result<(), ProfileError> {
        let columns = &self.columns;
        match (self.export, columns.action.is_some(), !self.actions.is_empty()) {
            (Scope::Full, true, _) | (Scope::Full, _, true) => {
                wrong("actions", "are for an export of changes; write export = \"delta\", or leave them out")
            }
            (Scope::Delta, true, false) => wrong(
                "actions",
                "is missing: say what the words in columns.action do, as in { A = \"set\", D = \"delete\" }",
            ),
            (Scope::Delta, false, true) => wrong("columns.action", "is missing, but actions has words for it"),
            (Scope::Full, false, false) if columns.sequence.is_some() => wrong(
                "columns.sequence",
                "orders the rows of an export of changes; for the number of the export itself use sequence",
            ),
            (Scope::Full, false, false) | (Scope::Delta, true, true) | (Scope::Delta, false, false) => Ok(()),
        }
    }
}

/// In fixed width, one column is a list of two numbers.
fn is_span(column: &Column) -> bool {
    matches!(column, Column::List(list) if matches!(list.as_slice(), [Column::Number(_), Column::Number(_)]))
}
