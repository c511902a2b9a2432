//! How records are laid out, made from a profile: typed places for each kind of file.
//!
//! Promises: a [`Layout`] has no place that its kind of file cannot have, and every refusal names the key.

use super::profile::{Completeness, Header, Kind, StockProfile, Trailer};
use super::profile_check::{CheckedProfile, ProfileError, wrong};
use super::profile_words::Column;
use super::roles::Roles;

/// Where everything stands, by kind of file.
#[derive(Debug, Clone)]
pub(super) enum Layout {
    /// Fields with something between them.
    Separated { roles: Roles<Column>, trailer: TrailerRule<usize>, as_of: Vec<usize> },
    /// Fixed spans of characters.
    Fixed { roles: Roles<Span>, trailer: TrailerRule<Span>, as_of: Vec<Span> },
    /// Elements and attributes.
    Xml { record: String, roles: Roles<XmlPlace>, trailer: TrailerRule<XmlPlace>, as_of: Vec<XmlPlace> },
}

/// What the end of the file, or an attribute, proves.
#[derive(Debug, Clone, Default)]
pub(super) struct TrailerRule<P> {
    pub(super) is_required: bool,
    pub(super) count: Option<P>,
    pub(super) sum: Option<P>,
}

/// Characters of a line, counted from 0, `to` not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: usize,
    pub(super) to: usize,
}

/// An element or attribute, by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct XmlPlace {
    /// Element names with `/` between them; empty for the element at hand.
    pub(super) path: String,
    pub(super) attribute: Option<String>,
}

impl Layout {
    /// Must the file prove itself whole?
    pub(super) fn requires_trailer(&self) -> bool {
        match self {
            Self::Separated { trailer, .. } => trailer.is_required,
            Self::Fixed { trailer, .. } => trailer.is_required,
            Self::Xml { trailer, .. } => trailer.is_required,
        }
    }
}

impl Completeness {
    /// The name of the file that proves this export whole, beside it.
    pub fn companion_of(&self, export: &str) -> Option<String> {
        let pattern = self.control_file.as_ref().or(self.marker_file.as_ref())?;
        let stem = export.rsplit_once('.').map_or(export, |(stem, _)| stem);
        Some(pattern.replace("{name}", export).replace("{stem}", stem))
    }
}

impl CheckedProfile {
    /// Does a proof need the sum of all quantities?
    pub(super) fn asks_for_sum(&self) -> bool {
        let in_file = match &self.layout {
            Layout::Separated { trailer, .. } => trailer.sum.is_some(),
            Layout::Fixed { trailer, .. } => trailer.sum.is_some(),
            Layout::Xml { trailer, .. } => trailer.sum.is_some(),
        };
        in_file || self.profile.completeness.as_ref().is_some_and(|proof| proof.sum_key.is_some())
    }
}

impl StockProfile {
    /// The layout that the profile describes.
    pub(super) fn layout(&self) -> Result<Layout, ProfileError> {
        self.check_trailer_keys()?;
        let (roles, trailer) = (self.roles()?, self.trailer.clone().unwrap_or_default());
        if roles.counts_twice() {
            return wrong("columns.quantity", "names the same place twice, or the SKU's");
        }
        match self.kind {
            Kind::Csv => self.separated(roles, &trailer),
            Kind::Fixed => self.fixed(&roles, &trailer),
            Kind::Xml => self.xml(&roles, &trailer),
        }
    }

    fn separated(&self, roles: Roles<Column>, trailer: &Trailer) -> Result<Layout, ProfileError> {
        let roles = roles.resolve(|key, column| self.field(key, column))?;
        let number = |key, column: &Option<Column>| match column {
            None => Ok(None),
            Some(Column::Number(number)) if *number >= 1 => Ok(Some(number - 1)),
            Some(Column::Number(_) | Column::Name(_) | Column::List(_)) => {
                wrong(key, "is no field number; the trailer's fields count from 1")
            }
        };
        let trailer = TrailerRule {
            is_required: trailer.required,
            count: number("trailer.count_column", &trailer.count_column)?,
            sum: number("trailer.sum_column", &trailer.sum_column)?,
        };
        let as_of = many(self.columns.as_of.as_ref(), false)
            .into_iter()
            .map(|column| number("columns.as_of", &Some(column)))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Layout::Separated { roles, trailer, as_of: as_of.into_iter().flatten().collect() })
    }

    fn field(&self, key: &'static str, column: &Column) -> Result<Column, ProfileError> {
        match (column, self.header) {
            (Column::List(_), _) => {
                wrong(key, "is a list of columns; only branch.mode = \"sum-of-columns\" adds several")
            }
            (Column::Number(0), _) => wrong(key, "is 0; column numbers count from 1"),
            (Column::Name(name), _) if name.trim().is_empty() => wrong(key, "is empty"),
            (Column::Name(name), Header::None) => {
                wrong(key, format!("is the name {name:?}, but header is \"none\"; give the column's number"))
            }
            (Column::Number(_), Header::FindByNames) => {
                wrong(key, "is a number, but header is \"find-by-names\"; give the column's name")
            }
            (column, _) => Ok(column.clone()),
        }
    }

    fn fixed(&self, roles: &Roles<Column>, trailer: &Trailer) -> Result<Layout, ProfileError> {
        let optional = |key, column: &Option<Column>| column.as_ref().map(|column| span(key, column)).transpose();
        Ok(Layout::Fixed {
            roles: roles.resolve(span)?,
            trailer: TrailerRule {
                is_required: trailer.required,
                count: optional("trailer.count_at", &trailer.count_at)?,
                sum: optional("trailer.sum_at", &trailer.sum_at)?,
            },
            as_of: many(self.columns.as_of.as_ref(), true)
                .iter()
                .map(|column| span("columns.as_of", column))
                .collect::<Result<_, _>>()?,
        })
    }

    fn xml(&self, roles: &Roles<Column>, trailer: &Trailer) -> Result<Layout, ProfileError> {
        let record = self.record_path.as_deref().map_or("", |path| path.trim_matches('/')).to_owned();
        if record.split('/').any(|name| name.trim().is_empty() || name.contains('@')) {
            return wrong(
                "record_path",
                "must name the element of one item from the root on, as in \"StockExport/Item\"",
            );
        }
        let count = trailer.count_attribute.as_ref();
        let count = count.map(|path| xml_place("trailer.count_attribute", path)).transpose()?;
        if count.as_ref().is_some_and(|place| place.path.is_empty()) {
            let what = "has no element; write the path from the root on, as in \"StockExport/@count\"";
            return wrong("trailer.count_attribute", what);
        }
        Ok(Layout::Xml {
            record,
            roles: roles.resolve(xml_column)?,
            trailer: TrailerRule { is_required: trailer.required, count, sum: None },
            as_of: many(self.columns.as_of.as_ref(), false)
                .iter()
                .map(|column| xml_column("columns.as_of", column))
                .collect::<Result<_, _>>()?,
        })
    }

    fn check_trailer_keys(&self) -> Result<(), ProfileError> {
        let Some(trailer) = &self.trailer else { return Ok(()) };
        let fields = trailer.count_column.is_some() || trailer.sum_column.is_some();
        let spans = trailer.count_at.is_some() || trailer.sum_at.is_some();
        let foreign = match self.kind {
            Kind::Csv if spans => Some("count_at and sum_at are for fixed width; use count_column and sum_column"),
            Kind::Fixed if fields => Some("count_column and sum_column are for csv; use count_at and sum_at"),
            Kind::Xml if fields || spans => Some("XML has count_attribute only"),
            Kind::Csv | Kind::Fixed if trailer.count_attribute.is_some() => Some("count_attribute is for XML"),
            Kind::Xml if trailer.required && trailer.count_attribute.is_none() => {
                Some("is required, but nothing says where it stands; give count_attribute")
            }
            Kind::Csv | Kind::Fixed | Kind::Xml => None,
        };
        let has_mark = self.record_types.as_ref().is_some_and(|types| types.trailer.is_some());
        let proves_nothing =
            !fields && !spans && self.record_types.as_ref().is_some_and(|types| types.detail.is_none());
        match (foreign, self.kind) {
            (Some(what), _) => wrong("trailer", what),
            (None, Kind::Csv | Kind::Fixed) if !has_mark => {
                wrong("record_types.trailer", "is missing: it tells the trailer from an item")
            }
            (None, Kind::Csv | Kind::Fixed) if proves_nothing => wrong(
                "trailer",
                "could be an item that begins like it; say where its count or sum stands, or give record_types.detail",
            ),
            (None, Kind::Csv | Kind::Fixed | Kind::Xml) => Ok(()),
        }
    }
}

/// One place, or the several of a list. In fixed width a list of two numbers is one place.
fn many(column: Option<&Column>, is_fixed: bool) -> Vec<Column> {
    match column {
        None => Vec::new(),
        Some(Column::List(list)) if !(is_fixed && list.iter().all(|part| matches!(part, Column::Number(_)))) => {
            list.clone()
        }
        Some(one) => vec![one.clone()],
    }
}

fn span(key: &'static str, column: &Column) -> Result<Span, ProfileError> {
    const LONGEST_LINE: usize = 65_536;
    match column {
        Column::List(list) => match list.as_slice() {
            [Column::Number(first), Column::Number(last)] if *first >= 1 && first <= last && *last <= LONGEST_LINE => {
                Ok(Span { from: first - 1, to: *last })
            }
            _ => wrong(key, "is no span; write the first and the last character, counted from 1, as in [2, 15]"),
        },
        Column::Name(_) | Column::Number(_) => {
            wrong(key, "is no span; write the first and the last character, counted from 1, as in [2, 15]")
        }
    }
}

fn xml_column(key: &'static str, column: &Column) -> Result<XmlPlace, ProfileError> {
    match column {
        Column::Name(path) => xml_place(key, path),
        Column::Number(_) | Column::List(_) => wrong(
            key,
            "is no path; write the element's name, a path as in \"Stock/OnHand\", or \"@code\" for an attribute",
        ),
    }
}

fn xml_place(key: &'static str, text: &str) -> Result<XmlPlace, ProfileError> {
    let text = text.trim().trim_matches('/');
    let (path, attribute) = match text.rsplit_once('@') {
        Some((path, attribute)) => (path.trim_end_matches('/'), Some(attribute.to_owned())),
        None => (text, None),
    };
    let is_name = |name: &str| !name.trim().is_empty() && !name.contains('@') && name != "." && name != "..";
    let is_path = path.split('/').all(is_name) || (path.is_empty() && attribute.is_some());
    if !is_path || attribute.as_deref().is_some_and(|name| !is_name(name) || name.contains('/')) {
        return wrong(key, format!("{text:?} is no path; write it like \"Stock/OnHand\" or \"Stock/@units\""));
    }
    Ok(XmlPlace { path: path.to_owned(), attribute })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_companions_name_is_made_from_the_exports() {
        let named = |pattern: &str| {
            let rule = Completeness { marker_file: Some(pattern.to_owned()), ..Completeness::default() };
            rule.companion_of("STK_1.dat").unwrap()
        };
        assert_eq!(named("{name}.complete"), "STK_1.dat.complete");
        assert_eq!(named("{stem}.ok"), "STK_1.ok");
        assert_eq!(named("control.csv"), "control.csv");
    }
}
