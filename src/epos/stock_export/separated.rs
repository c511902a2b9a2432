//! Exports whose fields are separated by a character.
//!
//! Promises: physical lines are right for every kind of line end, quoted ones included; a stray quotation mark never
//! makes one row of two; what stands above the table, between its pages and below its end is told from items by the
//! profile's words only.

use std::collections::VecDeque;

use csv::StringRecord;

use super::header::Place;
use super::proof::Claim;
use super::tally::{At, Tally};
use super::{Ended, Stop, Text, rejection};
use crate::epos::delimiter::csv_reader;
use crate::epos::heading::{Heading, LONGEST_HEADING};
use crate::epos::layout::TrailerRule;
use crate::epos::profile_check::CheckedProfile;
use crate::epos::profile_words::Column;
use crate::epos::roles::Roles;
use crate::epos::row::{Fields, field, is_blank, shortened};

/// The parts of a layout that separated fields have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'p> {
    pub(super) roles: &'p Roles<Column>,
    pub(super) trailer: &'p TrailerRule<usize>,
    pub(super) as_of: &'p [usize],
}

/// A record as it lies in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) at: At,
    /// It goes on over a line end inside quotes.
    spans_lines: bool,
    has_broken_quote: bool,
}

/// What a record is, by its first field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Header,
    Detail,
    Trailer,
    Unknown,
}

/// One record with the number of fields that it should have.
struct Record<'r> {
    record: &'r StringRecord,
    fields: usize,
    kind: Kind,
    has_broken_quote: bool,
    quoted: &'r [u32],
}

impl Fields for Record<'_> {
    type Place = usize;

    fn text(&self, place: usize) -> &str {
        field(self.record, place)
    }

    fn is_quoted(&self, place: usize) -> bool {
        self.quoted.iter().any(|at| usize::try_from(*at) == Ok(place))
    }

    fn damage(&self, _: &Roles<usize>) -> Option<(&'static str, String)> {
        if self.has_broken_quote {
            let text = "a quotation mark inside quotes is not doubled; if the till does not quote its fields, set quote = \"\"";
            return Some(("wrong_field_count", text.to_owned()));
        }
        if self.kind == Kind::Unknown {
            let text = format!("the record type {:?} is none of those in record_types", shortened(self.text(0)));
            return Some(("wrong_field_count", text));
        }
        let (found, wanted) = (self.record.len(), self.fields);
        let extras_are_blank = || (wanted..found).all(|at| self.text(at).trim().is_empty());
        if found < wanted || (found > wanted && !extras_are_blank()) {
            return Some(("wrong_field_count", format!("{found} fields where {wanted} are expected")));
        }
        None
    }
}

/// A file of separated fields, being read.
pub(super) struct Separated<'p, 'f> {
    pub(super) profile: &'p CheckedProfile,
    pub(super) rules: Rules<'p>,
    csv: csv::Reader<Text<'f>>,
    pub(super) record: StringRecord,
    pub(super) header: Option<StringRecord>,
    delimiter: u8,
    /// Records that go on over a line end, and the first one's line.
    spanning: Option<(u64, u64)>,
    /// Fields of the present record that are quoted, where it matters.
    quoted: Vec<u32>,
    /// Records that were read, and are to be read again.
    ahead: VecDeque<Ahead>,
}

/// A record with its place and its quoted fields.
pub(super) type Ahead = (Seen, StringRecord, Vec<u32>);

impl<'p, 'f> Separated<'p, 'f> {
    pub(super) fn new(profile: &'p CheckedProfile, rules: Rules<'p>, text: Text<'f>, delimiter: u8) -> Self {
        let csv = csv_reader(delimiter, profile.profile.quote.0).from_reader(text);
        let (record, quoted, ahead) = (StringRecord::new(), Vec::new(), VecDeque::new());
        Self { profile, rules, csv, record, header: None, delimiter, spanning: None, quoted, ahead }
    }

    pub(super) fn run(mut self, tally: &mut Tally<'_, '_, '_>, heading: &mut Heading) -> Result<Ended, Stop> {
        let mut places = self.find_header(heading)?;
        let mut ended = Ended { has_header: places.is_some(), ..Ended::default() };
        while let Some(seen) = self.next_record()? {
            if self.is_end_marker() {
                ended.is_closed = true;
                break;
            }
            if self.is_passed_over(seen, tally.rows(), places.as_ref(), heading) {
                continue;
            }
            ended.refuse_more(seen.at.line)?;
            match self.kind() {
                Kind::Header => self.take_header_record(heading),
                Kind::Trailer => ended.claim = Some((self.claim(), seen.at.line)),
                kind @ (Kind::Detail | Kind::Unknown) => {
                    let place = match &places {
                        Some(place) => place,
                        None => places.insert(self.place_of_first_row(seen.at)?),
                    };
                    self.take_row(place, kind, seen, tally)?;
                }
            }
        }
        let text = self.csv.get_ref();
        text.skipped().lines().for_each(|line| heading.add(line));
        ended.ends_with_line_end = text.ends_with_line_end();
        ended.warning = self.spanning.map(|(count, first)| {
            format!("{count} records go on over a line end inside quotes, the first on line {first}")
        });
        Ok(ended)
    }

    /// Is the record blank, a comment or passed over by a rule? What stands above the items is kept as heading.
    fn is_passed_over(&self, seen: Seen, rows: u64, places: Option<&Place>, heading: &mut Heading) -> bool {
        let sku = places.map_or(0, |places| places.roles.sku);
        let is_passed =
            is_blank(&self.record) || self.is_ignored(sku) || (seen.at.line == 1 && self.is_separator_line());
        if is_passed && rows == 0 {
            heading.add(&self.line());
        }
        is_passed
    }

    /// Is the record no data, by the profile's rules? A quoted value is no comment, whatever it begins with.
    pub(super) fn is_ignored(&self, sku: usize) -> bool {
        self.profile.is_ignored(&self.record, sku, self.header.as_ref(), self.quoted.first() == Some(&0))
    }

    /// Takes the present record out, to be put back later.
    pub(super) fn taken(&mut self, seen: Seen) -> Ahead {
        (seen, std::mem::take(&mut self.record), std::mem::take(&mut self.quoted))
    }

    /// The present record will be read again, after those put back before.
    pub(super) fn put_back(&mut self, seen: Seen) {
        let ahead = self.taken(seen);
        self.ahead.push_back(ahead);
    }

    /// This record will be read next.
    pub(super) fn put_back_first(&mut self, ahead: Ahead) {
        self.ahead.push_front(ahead);
    }

    /// `sep=;`: how a file tells a spreadsheet its delimiter.
    pub(super) fn is_separator_line(&self) -> bool {
        let start = field(&self.record, 0).get(..4);
        start.is_some_and(|start| start.eq_ignore_ascii_case("sep=")) && field(&self.record, 0).len() <= 5
    }

    pub(super) fn kind(&self) -> Kind {
        let Some(types) = &self.profile.profile.record_types else { return Kind::Detail };
        let first = field(&self.record, 0).trim();
        let is = |mark: &Option<String>| mark.as_deref().is_some_and(|mark| mark.trim() == first);
        match (is(&types.trailer), is(&types.header), is(&types.detail), &types.detail) {
            (true, _, _, _) => Kind::Trailer,
            (_, true, _, _) => Kind::Header,
            (_, _, true, _) | (_, _, _, None) => Kind::Detail,
            (false, false, false, Some(_)) => Kind::Unknown,
        }
    }

    /// The record as a line again, for its heading, as far as a heading keeps it.
    pub(super) fn line(&self) -> String {
        let mut line = String::new();
        for at in (0..self.record.len()).take_while(|at| *at <= LONGEST_HEADING) {
            if at > 0 {
                line.push(char::from(self.delimiter));
            }
            line.push_str(field(&self.record, at));
        }
        line
    }

    pub(super) fn take_header_record(&self, heading: &mut Heading) {
        heading.add(&self.line());
        heading.tell_as_of(self.rules.as_of.iter().map(|at| field(&self.record, *at)));
    }

    fn claim(&self) -> Claim {
        let told = |place: &Option<usize>| place.map(|at| self.profile.trimmed(field(&self.record, at)).to_owned());
        Claim { count: told(&self.rules.trailer.count), sum: told(&self.rules.trailer.sum) }
    }

    fn take_row(&self, place: &Place, kind: Kind, seen: Seen, tally: &mut Tally<'_, '_, '_>) -> Result<(), Stop> {
        let (record, has_broken_quote, quoted) = (&self.record, seen.has_broken_quote, self.quoted.as_slice());
        let fields = Record { record, fields: place.fields, kind, has_broken_quote, quoted };
        tally.take(&fields, &place.roles, seen.at)
    }

    /// Reads on to the next record that is not blank.
    pub(super) fn next_record(&mut self) -> Result<Option<Seen>, Stop> {
        if let Some((seen, record, quoted)) = self.ahead.pop_front() {
            (self.record, self.quoted) = (record, quoted);
            return Ok(Some(seen));
        }
        let start = self.csv.position().clone();
        self.csv.get_mut().record_starts_at(start.byte());
        match self.csv.read_record(&mut self.record) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) => return Err(stopped(error)),
        }
        let end = self.csv.position().clone();
        let has_broken_quote = self.csv.get_mut().is_quoting_broken_before(end.byte());
        self.quoted.clear();
        self.csv.get_mut().quoted_fields_before(end.byte(), &mut self.quoted);
        let is_cut = self.is_last_and_cut();
        let ends_inside = self.ends_inside_quotes();
        let is_open = is_cut || ends_inside;
        let inside = if end.line() - start.line() <= 1 && !is_open { 0 } else { line_ends(&self.record) };
        // The reader skips blank lines before a record, so that its line is counted from its end.
        let line = end.line() + u64::from(is_open) - inside - 1 + self.profile.profile.skip_lines;
        if inside > 0 {
            let (count, first) = self.spanning.unwrap_or((0, line));
            self.spanning = Some((count + 1, first));
        }
        let seen = Seen { at: At { line, is_cut }, spans_lines: inside > 0, has_broken_quote };
        // A stray quotation mark may make one row of two: then one item would get the count of another.
        if ends_inside || (seen.has_broken_quote && seen.spans_lines) {
            let text = "a quotation mark is never closed; if the till does not quote its fields, set quote = \"\" in the profile";
            return Err(rejection("unterminated_quote", Some(line), text));
        }
        Ok(Some(seen))
    }

    /// Is the record just read the last one of a text without final line end?
    fn is_last_and_cut(&self) -> bool {
        let text = self.csv.get_ref();
        text.is_at_end() && !text.ends_with_line_end() && self.csv.position().byte() >= text.made()
    }

    /// Did the text end inside quotes, so that the record just read is its last?
    fn ends_inside_quotes(&self) -> bool {
        let text = self.csv.get_ref();
        text.is_at_end() && text.is_quote_open() && self.csv.position().byte() >= text.made()
    }

    fn is_end_marker(&self) -> bool {
        let Some(marker) = self.profile.profile.end_marker.as_deref() else { return false };
        let mut rest = marker.trim();
        for at in 0..self.record.len() {
            let part = field(&self.record, at);
            let part = if at == 0 { part.trim_start() } else { part };
            let part = if at + 1 == self.record.len() { part.trim_end() } else { part };
            if at > 0 {
                match rest.strip_prefix(char::from(self.delimiter)) {
                    Some(after) => rest = after,
                    // Delimiters behind the marker (a spreadsheet fills rows up) do not matter.
                    None => {
                        return rest.is_empty()
                            && (at..self.record.len()).all(|at| field(&self.record, at).trim().is_empty());
                    }
                }
            }
            match rest.strip_prefix(part) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

fn stopped(error: csv::Error) -> Stop {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.into(),
        other => Stop::Io(std::io::Error::other(format!("{other:?}"))),
    }
}

fn line_ends(record: &StringRecord) -> u64 {
    memchr::memchr_iter(b'\n', record.as_slice().as_bytes()).count() as u64
}
