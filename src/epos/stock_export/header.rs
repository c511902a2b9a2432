//! Where the columns stand: found in a header of names, or counted.
//!
//! Promises: a column is found by its whole name, or the file is rejected; whether a first row is a header or an item
//! is told by the profile, or is plain from the rows, or rejects the file.

use super::separated::{Kind, Seen, Separated};
use super::tally::At;
use super::{Stop, rejection};
use crate::epos::delimiter::is_name;
use crate::epos::heading::Heading;
use crate::epos::profile::Header;
use crate::epos::profile_words::Column;
use crate::epos::roles::Roles;
use crate::epos::row::{field, is_blank, shortened};

/// Records in which a header is looked for by its names.
const HEADER_WITHIN: u32 = 200;

/// Where the values stand, as fields from 0, and how many there are.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) roles: Roles<usize>,
    pub(super) fields: usize,
}

/// What a record could be.
#[derive(Debug, Clone, Copy)]
struct Look {
    could_be_item: bool,
    could_be_names: bool,
    /// Its SKU has a digit, which names of columns hardly have.
    is_coded: bool,
}

impl Separated<'_, '_> {
    pub(super) fn find_header(&mut self, heading: &mut Heading) -> Result<Option<Place>, Stop> {
        let has_names = self.rules.roles.all().any(|column| matches!(column, Column::Name(_)));
        match (self.profile.profile.header, has_names) {
            (Header::None, _) => Ok(None),
            (Header::Auto, false) => self.header_or_item(heading),
            (Header::FirstRow, _) => self.header_where(heading, |_| true),
            (Header::FindByNames, _) | (Header::Auto, true) => {
                self.header_where(heading, |reading| reading.profile.has_names(reading.rules.roles, &reading.record))
            }
        }
    }

    fn header_where(&mut self, heading: &mut Heading, is_it: impl Fn(&Self) -> bool) -> Result<Option<Place>, Stop> {
        let mut first_row = None;
        for _ in 0..HEADER_WITHIN {
            let Some(seen) = self.next_record()? else { break };
            let is_separator = seen.at.line == 1 && self.is_separator_line();
            let is_passed = is_blank(&self.record) || is_separator || self.is_ignored(0);
            if is_passed || !is_it(self) {
                first_row = first_row.or((!is_passed).then_some(seen.at.line));
                heading.add(&self.line());
                continue;
            }
            self.header = Some(self.record.clone());
            return self.place_in_header(seen.at).map(Some);
        }
        let (sku, quantity) = (&self.rules.roles.sku, self.rules.roles.quantities.first());
        let text = match quantity {
            Some(quantity) => format!("no row has the columns {} and {}", shown(sku), shown(quantity)),
            None => format!("no row has the column {}", shown(sku)),
        };
        let line = first_row.filter(|_| self.profile.profile.header == Header::Auto);
        Err(rejection("missing_column", line, format!("{text}; compare the profile's columns with the file")))
    }

    /// Columns by number, and nobody says whether the first row has their names: its own values and those of the row
    /// below it must leave no doubt.
    fn header_or_item(&mut self, heading: &mut Heading) -> Result<Option<Place>, Stop> {
        let Some(first) = self.next_item(heading)? else { return Ok(None) };
        let (is_trailer, at) = (self.kind() == Kind::Trailer, first.at);
        if is_trailer {
            self.put_back(first);
            return Ok(None);
        }
        let place = self.place_of_first_row(at)?;
        let (names, top) = (self.record.clone(), self.look(&place));
        let top_read = self.taken(first);
        let second = self.next_item(heading)?;
        let below = second.filter(|_| self.kind() != Kind::Trailer).map(|_| self.look(&place));
        if let Some(second) = second {
            self.put_back(second);
        }
        let is_header = match below {
            Some(below) => top.could_be_names && below.could_be_item && below.is_coded,
            None => false,
        };
        if is_header && !top.could_be_item {
            self.header = Some(names);
            return Ok(Some(place));
        }
        if top.could_be_item && !is_header {
            self.put_back_first(top_read);
            return Ok(Some(place));
        }
        let text = "the first row may have the columns' names, or be an item whose quantity is no number; set header to \"first-row\" or \"none\" in the profile";
        Err(rejection("ambiguous_format", Some(at.line), text))
    }

    /// Reads on to the next record that is neither passed over nor a header record.
    fn next_item(&mut self, heading: &mut Heading) -> Result<Option<Seen>, Stop> {
        while let Some(seen) = self.next_record()? {
            let is_separator = seen.at.line == 1 && self.is_separator_line();
            if is_blank(&self.record) || is_separator || self.is_ignored(0) {
                heading.add(&self.line());
                continue;
            }
            match self.kind() {
                Kind::Header => self.take_header_record(heading),
                Kind::Trailer | Kind::Detail | Kind::Unknown => return Ok(Some(seen)),
            }
        }
        Ok(None)
    }

    /// What the present record could be, by the values in these places.
    fn look(&self, place: &Place) -> Look {
        let has_digit = |text: &str| text.contains(|c: char| c.is_ascii_digit());
        let is_word = |text: &str| text.chars().any(char::is_alphabetic) && !has_digit(text);
        let (sku, quantities) = (field(&self.record, place.roles.sku), self.quantities(place));
        let reads = |text: &String| text.is_empty() || self.profile.numbers.read(text).is_ok();
        let could_be_item = quantities.iter().all(reads);
        // A branch's number may well stand as a name above its quantities.
        let could_be_names = is_word(sku) && (could_be_item || quantities.iter().all(|text| is_word(text)));
        Look {
            could_be_item,
            could_be_names: could_be_names && !quantities.iter().all(String::is_empty),
            is_coded: has_digit(sku),
        }
    }

    fn quantities(&self, place: &Place) -> Vec<String> {
        place.roles.quantities.iter().map(|at| self.profile.trimmed(field(&self.record, *at)).to_owned()).collect()
    }

    fn place_in_header(&self, at: At) -> Result<Place, Stop> {
        let filled = |at: &usize| !field(&self.record, *at).trim().is_empty();
        let named = (0..self.record.len()).rev().find(filled).map_or(0, |last| last + 1);
        let fields = self.profile.profile.expected_fields.unwrap_or(named);
        if fields != named {
            let text = format!("the header has {named} columns where the profile expects {fields}");
            return Err(rejection("wrong_field_count", Some(at.line), text));
        }
        self.place(fields, at)
    }

    /// Without a header the first row tells how many fields there are.
    pub(super) fn place_of_first_row(&self, at: At) -> Result<Place, Stop> {
        self.place(self.profile.profile.expected_fields.unwrap_or(self.record.len()), at)
    }

    fn place(&self, fields: usize, at: At) -> Result<Place, Stop> {
        let roles = self.rules.roles.resolve(|_, column| self.position(column, at))?;
        if roles.counts_twice() {
            let text = "two of the profile's columns are one and the same in this file; correct columns in the profile";
            return Err(rejection("ambiguous_format", Some(at.line), text));
        }
        let needed = roles.all().map(|at| at + 1).max().unwrap_or(0);
        Ok(Place { fields: fields.max(needed), roles })
    }

    fn position(&self, column: &Column, at: At) -> Result<usize, Stop> {
        let missing = || {
            let text = format!("the file has no column {}; compare the profile's columns with the file", shown(column));
            rejection("missing_column", Some(at.line), text)
        };
        let name = match column {
            Column::Number(number) if *number >= 1 && *number <= self.record.len() => return Ok(number - 1),
            Column::Number(_) | Column::List(_) => return Err(missing()),
            Column::Name(name) => name,
        };
        let exact: Vec<usize> =
            (0..self.record.len()).filter(|at| field(&self.record, *at).trim() == name.trim()).collect();
        let alike: Vec<usize> = (0..self.record.len()).filter(|at| is_name(field(&self.record, *at), name)).collect();
        match (exact.as_slice(), alike.as_slice()) {
            ([one], _) | ([], [one]) => Ok(*one),
            ([], []) => Err(missing()),
            _ => {
                let text = format!("there are several columns {}; give the column's number", shown(column));
                Err(rejection("ambiguous_format", Some(at.line), text))
            }
        }
    }
}

fn shown(column: &Column) -> String {
    match column {
        Column::Name(name) => format!("{:?}", shortened(name)),
        Column::Number(number) => format!("number {number}"),
        Column::List(_) => "list".to_owned(),
    }
}
