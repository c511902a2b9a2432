//! Exports in fixed width: each value in its span of characters.
//!
//! Promises: spans count characters, not bytes; a line that ends before its values do is an error or a cut, and never
//! gives part of a number for a number. Blanks that an editor took off a line's end are put up with where the line has
//! its line end and no digit can be missing: of an SKU, and of a sign behind a number.

use std::io::{BufRead, BufReader};

use super::proof::Claim;
use super::tally::{At, Tally};
use super::{Ended, Stop, Text, rejection};
use crate::epos::heading::Heading;
use crate::epos::layout::{Span, TrailerRule};
use crate::epos::profile::{Header, Negative};
use crate::epos::profile_check::CheckedProfile;
use crate::epos::roles::Roles;
use crate::epos::row::{Fields, shortened};

/// The parts of a layout in fixed width.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'p> {
    pub(super) roles: &'p Roles<Span>,
    pub(super) trailer: &'p TrailerRule<Span>,
    pub(super) as_of: &'p [Span],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Header,
    Detail,
    Trailer,
    Unknown,
}

/// One line.
struct Line<'l> {
    text: &'l str,
    /// Characters in it.
    length: usize,
    kind: Kind,
    is_cut: bool,
    profile: &'l CheckedProfile,
}

impl Fields for Line<'_> {
    type Place = Span;

    fn text(&self, place: Span) -> &str {
        cut_out(self.text, place)
    }

    fn is_quoted(&self, _: Span) -> bool {
        false
    }

    fn damage(&self, roles: &Roles<Span>) -> Option<(&'static str, String)> {
        if self.kind == Kind::Unknown {
            let text = format!("the line starts with {:?}, which is none of record_types", shortened(self.text));
            return Some(("wrong_field_count", text));
        }
        let needed = roles.all().map(|place| self.least_length(*place, roles)).max().unwrap_or(0);
        let (found, whole) = (self.length, roles.all().map(|place| place.to).max().unwrap_or(0));
        (found < needed)
            .then(|| ("wrong_field_count", format!("the line has {found} characters where {whole} are expected")))
    }
}

impl Line<'_> {
    /// Characters that the line must have for this value to be whole.
    fn least_length(&self, place: Span, roles: &Roles<Span>) -> usize {
        if self.is_cut {
            return place.to;
        }
        if !roles.quantities.contains(&place) {
            return place.from + 1;
        }
        // A digit less is another number: only the blank of a sign behind it may be gone.
        place.to - usize::from(self.profile.profile.negative.0.contains(&Negative::TrailingMinus))
    }
}

/// The characters of a span; what the line does not have is not there.
fn cut_out(line: &str, span: Span) -> &str {
    if line.is_ascii() {
        return line.get(span.from.min(line.len())..span.to.min(line.len())).unwrap_or_default();
    }
    let at = |characters: usize| line.char_indices().nth(characters).map_or(line.len(), |(at, _)| at);
    line.get(at(span.from)..at(span.to)).unwrap_or_default()
}

/// Reads the lines of `text`.
pub(super) fn read(
    profile: &CheckedProfile,
    rules: Rules<'_>,
    text: Text<'_>,
    tally: &mut Tally<'_, '_, '_>,
    heading: &mut Heading,
) -> Result<Ended, Stop> {
    let mut lines = Lines { text: BufReader::new(text), line: Vec::new(), number: profile.profile.skip_lines, at: 0 };
    let (mut ended, end_marker) = (Ended::default(), profile.profile.end_marker.as_deref().map(str::trim));
    let mut header_is_open = profile.profile.header != Header::None;
    while let Some(at) = lines.next()? {
        let text = lines.shown();
        if end_marker == Some(text.trim()) {
            ended.is_closed = true;
            break;
        }
        if text.trim().is_empty() || profile.is_ignored_line(text, cut_out(text, rules.roles.sku)) {
            heading.add(text);
            continue;
        }
        ended.refuse_more(at.line)?;
        let line = Line { text, length: text.chars().count(), kind: kind(profile, text), is_cut: at.is_cut, profile };
        match line.kind {
            Kind::Header => {
                heading.add(text);
                heading.tell_as_of(rules.as_of.iter().map(|span| cut_out(text, *span)));
            }
            Kind::Trailer => ended.claim = Some((claim(profile, rules.trailer, text), at.line)),
            Kind::Detail | Kind::Unknown => {
                if std::mem::take(&mut header_is_open) && is_header(profile, rules.roles, &line, at)? {
                    heading.add(text);
                    ended.has_header = true;
                } else {
                    tally.take(&line, rules.roles, at)?;
                }
            }
        }
    }
    let text = lines.text.get_ref();
    text.skipped().lines().for_each(|line| heading.add(line));
    ended.ends_with_line_end = text.ends_with_line_end();
    Ok(ended)
}

fn kind(profile: &CheckedProfile, line: &str) -> Kind {
    let Some(types) = &profile.profile.record_types else { return Kind::Detail };
    let starts = |mark: &Option<String>| mark.as_deref().is_some_and(|mark| line.starts_with(mark));
    match (starts(&types.trailer), starts(&types.header), starts(&types.detail), &types.detail) {
        (true, _, _, _) => Kind::Trailer,
        (_, true, _, _) => Kind::Header,
        (_, _, true, _) | (_, _, _, None) => Kind::Detail,
        (false, false, false, Some(_)) => Kind::Unknown,
    }
}

fn claim(profile: &CheckedProfile, rule: &TrailerRule<Span>, line: &str) -> Claim {
    let told = |place: &Option<Span>| place.map(|span| profile.trimmed(cut_out(line, span)).to_owned());
    Claim { count: told(&rule.count), sum: told(&rule.sum) }
}

/// Is the first line the columns' names? Without the profile's word only a quantity that reads says that it is not.
fn is_header(profile: &CheckedProfile, roles: &Roles<Span>, first: &Line<'_>, at: At) -> Result<bool, Stop> {
    if profile.profile.header == Header::FirstRow {
        return Ok(true);
    }
    let is_item = profile.meaning(first, roles).is_ok() || first.damage(roles).is_some();
    let is_word = |span: &Span| !cut_out(first.text, *span).contains(|c: char| c.is_ascii_digit());
    if is_item || !roles.quantities.iter().all(is_word) {
        return Ok(false);
    }
    let text = "the first line may have the columns' names, or be an item whose quantity is no number; set header to \"first-row\" or \"none\" in the profile";
    Err(rejection("ambiguous_format", Some(at.line), text))
}

/// Lines of a text, one at a time.
struct Lines<'f> {
    text: BufReader<Text<'f>>,
    line: Vec<u8>,
    number: u64,
    at: u64,
}

impl Lines<'_> {
    fn next(&mut self) -> Result<Option<At>, Stop> {
        self.line.clear();
        self.text.get_mut().record_starts_at(self.at);
        let read = self.text.read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.at += read as u64;
        self.number += 1;
        let is_cut = self.line.last() != Some(&b'\n');
        if !is_cut {
            self.line.pop();
        }
        Ok(Some(At { line: self.number, is_cut }))
    }

    fn shown(&self) -> &str {
        std::str::from_utf8(&self.line).unwrap_or_default()
    }
}
