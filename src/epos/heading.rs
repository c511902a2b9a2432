//! When an export began, and which number it has: from its name, or from what stands above its items.
//!
//! Promises: a time or number is taken only from where the profile says; without its word, a time is shown if the
//! heading has exactly one, and decides nothing. Two candidates are none.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time, datetime};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

use super::name_pattern::matches;
use super::profile::{AsOf, AsOfFrom, NumberFrom, StockProfile};
use super::profile_check::{ProfileError, wrong};
use crate::domain::stock::Sequence;
use crate::ports::ReadSummary;

/// Bytes of a heading that are kept. A header record is one line; a printed report's head a few.
pub(super) const LONGEST_HEADING: usize = 4096;
/// Longest text read as a time, in characters.
const LONGEST_TIME: usize = 100;
/// Years in which an export may have been made.
const CENTURY: std::ops::Range<i16> = 2000..2100;
/// Most bytes between a date and its time (`;`, a line end and a key).
const DATE_TO_TIME: usize = 40;

/// What stands above an export's items: header record, lines above the table, root element, control file.
#[derive(Debug, Default)]
pub(super) struct Heading {
    text: String,
    /// What stands where `columns.as_of` points, in the first header record.
    as_of: Vec<String>,
}

impl Heading {
    /// Tells what stands where `columns.as_of` points; the first to tell it is believed.
    pub(super) fn tell_as_of<'t>(&mut self, texts: impl Iterator<Item = &'t str>) {
        if self.as_of.is_empty() {
            self.as_of = texts.map(|text| text.trim().chars().take(LONGEST_TIME).collect()).collect();
        }
    }

    /// The line at the top.
    pub(super) fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// Adds a line, as far as there is room.
    pub(super) fn add(&mut self, line: &str) {
        let room = LONGEST_HEADING.saturating_sub(self.text.len());
        let end = line.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end < room).last();
        self.text.push_str(&line[..end.unwrap_or(0)]);
        if room > 0 {
            self.text.push('\n');
        }
    }
}

impl StockProfile {
    /// When the file's name says that the export began; `None` when it does not say, or is not asked.
    ///
    /// In the hour that a clock change repeats it is the earlier of the two: an export is never believed to be
    /// younger than it is.
    pub fn as_of_from_name(&self, name: &str, zone: &TimeZone) -> Option<Timestamp> {
        let AsOf { from: AsOfFrom::Name, pattern: Some(pattern) } = self.as_of.as_ref()? else { return None };
        zone.to_ambiguous_timestamp(read_time(pattern, name)?).earlier().ok()
    }

    /// When the export began by its own words, in the till's local time.
    pub(super) fn as_of(&self, name: &str, heading: &Heading) -> Option<DateTime> {
        let told = heading.as_of.join(" ");
        match &self.as_of {
            Some(AsOf { from: AsOfFrom::Name, pattern: Some(pattern) }) => read_time(pattern, name),
            Some(AsOf { from: AsOfFrom::Header, pattern: Some(pattern) }) if told.is_empty() => {
                let in_line = heading.text.lines().find_map(|line| read_time(pattern, line));
                in_line.or_else(|| read_time(pattern, &heading.text))
            }
            Some(AsOf { from: AsOfFrom::Header, pattern: Some(pattern) }) => read_time(pattern, told.trim()),
            Some(AsOf { from: AsOfFrom::Header, pattern: None }) => sole_time(&told),
            Some(AsOf { from: AsOfFrom::FirstSeen | AsOfFrom::Name, .. }) | None => sole_time(&heading.text),
        }
    }

    /// The export's number.
    pub(super) fn number(&self, name: &str, heading: &Heading) -> Option<Sequence> {
        let rule = self.sequence.as_ref()?;
        match rule.from {
            NumberFrom::Name => read_number(&rule.pattern, name),
            NumberFrom::Header => {
                let mut found = heading.text.lines().filter_map(|line| read_number(&rule.pattern, line));
                let first = found.next()?;
                found.all(|other| other == first).then_some(first)
            }
        }
    }

    /// What the profile promises of the heading and the file does not have.
    pub(super) fn unfulfilled(&self, summary: &ReadSummary) -> Vec<String> {
        let from = |what, from_name: bool| {
            if from_name { format!("name does not tell {what}") } else { format!("header does not tell {what}") }
        };
        let mut missing = Vec::new();
        if let Some(AsOf { from: source @ (AsOfFrom::Name | AsOfFrom::Header), .. }) = &self.as_of
            && summary.as_of.is_none()
        {
            missing.push(format!(
                "the {}; our own first sight counts instead (as_of)",
                from("when it began", *source == AsOfFrom::Name)
            ));
        }
        if let Some(rule) = self.sequence.as_ref().filter(|_| summary.sequence.is_none()) {
            missing.push(format!(
                "the {}, so that a missing export goes unnoticed (sequence)",
                from("its number", rule.from == NumberFrom::Name)
            ));
        }
        missing
    }

    pub(super) fn check_as_of(&self) -> Result<(), ProfileError> {
        let has_place = self.columns.as_of.is_some();
        match &self.as_of {
            None | Some(AsOf { from: AsOfFrom::FirstSeen | AsOfFrom::Name, .. }) if has_place => wrong(
                "columns.as_of",
                "is where the header tells the time; write as_of = { from = \"header\" } with it",
            ),
            None | Some(AsOf { from: AsOfFrom::FirstSeen, .. }) => Ok(()),
            Some(AsOf { from: AsOfFrom::Header, pattern: None }) if has_place => Ok(()),
            Some(AsOf { from: AsOfFrom::Header, pattern: None }) => {
                wrong("as_of", "needs columns.as_of or a pattern, such as \"*,%Y%m%d,%H%M%S,*\"")
            }
            Some(AsOf { from: AsOfFrom::Name, pattern: None }) => {
                wrong("as_of", "needs a pattern, such as \"stock_%Y%m%d_%H%M%S.csv\"")
            }
            Some(AsOf { from: AsOfFrom::Name | AsOfFrom::Header, pattern: Some(pattern) }) => check_time(pattern),
        }
    }

    pub(super) fn check_sequence(&self) -> Result<(), ProfileError> {
        let Some(rule) = &self.sequence else { return Ok(()) };
        match split_number(&rule.pattern) {
            Some((_, _, rest)) if !rest.contains('#') => Ok(()),
            Some(_) | None => wrong(
                "sequence",
                format!(
                    "the pattern {:?} needs one #, which stands for the number, as in \"STK_*_#.dat\"",
                    rule.pattern
                ),
            ),
        }
    }
}

fn check_time(pattern: &str) -> Result<(), ProfileError> {
    let noon = datetime(2026, 3, 14, 12, 0, 0, 0);
    let core = pattern.trim_matches('*');
    if core.contains('*') {
        return wrong(
            "as_of",
            format!("the pattern {pattern:?} has a * inside; it stands for any text at either end only"),
        );
    }
    // What a pattern writes it must read again.
    let written = strtime::format(core, noon);
    match written.ok().and_then(|name| read_time(pattern, &name)) {
        Some(read) if read.date() == noon.date() => Ok(()),
        Some(_) | None => wrong("as_of", format!("the pattern {pattern:?} does not tell year, month and day")),
    }
}

/// Reads a local time by a pattern that may begin and end with `*`. Where it fits several times, it tells none.
fn read_time(pattern: &str, text: &str) -> Option<DateTime> {
    let (core, open_start, open_end) = (pattern.trim_matches('*'), pattern.starts_with('*'), pattern.ends_with('*'));
    let starts = text.char_indices().map(|(at, _)| at).take_while(|at| open_start || *at == 0);
    let (mut whole, mut within) = (Vec::new(), Vec::new());
    for at in starts {
        let is_within = at > 0 && text.as_bytes()[at - 1].is_ascii_digit();
        let found = if is_within { &mut within } else { &mut whole };
        found.extend(read_time_at(core, &text[at..], open_end));
    }
    // A number's own beginning comes before places within it: of 14.03.2026, 4.03.2026 is a part.
    let found = if whole.is_empty() { within } else { whole };
    let first = found.first()?;
    found.iter().all(|other| other == first).then_some(*first)
}

fn read_time_at(core: &str, text: &str, open_end: bool) -> Option<DateTime> {
    let (told, read) = BrokenDownTime::parse_prefix(core, text).ok()?;
    if !open_end && !text[read..].trim().is_empty() {
        return None;
    }
    // Digits of something else may look like a year long gone or to come.
    let date = told.to_date().ok().filter(|date| CENTURY.contains(&date.year()))?;
    // A date only: the export began at some time of that day, so not before its first moment.
    let time = if told.hour().is_some() { told.to_time().ok()? } else { Time::midnight() };
    Some(date.to_datetime(time))
}

/// The one time that the text tells, year first; `None` when it tells none or several.
fn sole_time(text: &str) -> Option<DateTime> {
    let bytes = text.as_bytes();
    let mut found = (0..bytes.len()).filter_map(|at| {
        let (date, rest) = date_at(&bytes[at..])?;
        let gap = rest.iter().take(DATE_TO_TIME).position(u8::is_ascii_digit)?;
        Some(date.to_datetime(time_at(&rest[gap..])?))
    });
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

fn number_at(bytes: &[u8], digits: usize) -> Option<(i16, &[u8])> {
    let (number, rest) = bytes.split_at_checked(digits)?;
    let add = |sum: i16, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i16::from(digit - b'0'));
    Some((number.iter().try_fold(0, add)?, rest))
}

/// `20260314`, `2026-03-14`, `2026/03/14` or `2026.03.14`, of this century.
fn date_at(bytes: &[u8]) -> Option<(Date, &[u8])> {
    let (year, rest) = number_at(bytes, 4)?;
    let mark = rest.first().copied().filter(|mark| b"-/.".contains(mark));
    let after = |rest: &'_ [u8]| mark.is_none_or(|mark| rest.first() == Some(&mark));
    let skip = usize::from(mark.is_some());
    let (month, rest) = number_at(&rest[skip..], 2)?;
    if !after(rest) || !CENTURY.contains(&year) {
        return None;
    }
    let (day, rest) = number_at(&rest[skip..], 2)?;
    let date = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some((date, rest))
}

/// `231500`, `23:15` or `23:15:00`.
fn time_at(bytes: &[u8]) -> Option<Time> {
    let (hour, rest) = number_at(bytes, 2)?;
    let colon = rest.first() == Some(&b':');
    let (minute, rest) = number_at(&rest[usize::from(colon)..], 2)?;
    let second = match (colon, rest.first()) {
        (false, _) => number_at(rest, 2)?.0,
        (true, Some(b':')) => number_at(&rest[1..], 2)?.0,
        (true, _) => 0,
    };
    let small = |number| i8::try_from(number).ok();
    Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()
}

/// What stands before the number, how many digits it has (`None`: any), and what stands behind.
fn split_number(pattern: &str) -> Option<(&str, Option<usize>, &str)> {
    let (before, rest) = pattern.split_once('#')?;
    let more = rest.bytes().take_while(|byte| *byte == b'#').count();
    Some((before, (more > 0).then_some(more + 1), &rest[more..]))
}

/// The one number that stands where the pattern says: `#` any digits, `####` exactly four.
fn read_number(pattern: &str, text: &str) -> Option<Sequence> {
    const LONGEST_LINE: usize = 1024;
    let (before, digits, behind) = split_number(pattern)?;
    let bytes = text.as_bytes();
    if bytes.len() > LONGEST_LINE {
        return None;
    }
    let run = |at: usize| bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let spans = (0..bytes.len()).filter_map(|at| match digits {
        Some(digits) => (run(at) >= digits).then_some((at, at + digits)),
        None => (run(at) > 0 && (at == 0 || !bytes[at - 1].is_ascii_digit())).then_some((at, at + run(at))),
    });
    let mut found = spans.filter(|(from, to)| matches(before, &text[..*from]) && matches(behind, &text[*to..]));
    let (from, to) = found.next()?;
    if found.next().is_some() { None } else { Sequence::parse(&text[from..to]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_with_one_time_tells_it_and_with_two_tells_none() {
        let night = Some(datetime(2026, 3, 14, 23, 15, 0, 0));
        for text in [
            "H,STOCK,0012,20260314,231500,00417",
            "H001220260314231500",
            "<StockExport store=\"0012\" generated=\"2026-03-14T23:15:00\" count=\"5\">",
            "EXTRACTION_DATE,2026/03/14\nEXTRACTION_TIME,23:15:00\n",
            "Stock on 2026-03-14 23:15, again 2026-03-14 23:15:00",
        ] {
            assert_eq!(sole_time(text), night, "{text}");
        }
        for text in [
            "",
            "20260314",
            "20260314 12",
            "from 2026-03-14 23:15 to 2026-03-15 23:15",
            "2026-13-14 23:15:00",
            "2026-03/14 23:15:00",
            "14/03/2026 23:15:00",
            "20260314 246000",
            "ä20260314ö",
        ] {
            assert_eq!(sole_time(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_stands_where_the_pattern_says_or_nowhere() {
        let read = |pattern: &str, text: &str| read_number(pattern, text).map(|number| number.to_string());
        for (pattern, text, wanted) in [
            ("STK_*_#.dat", "stk_20260314_00417.dat", Some("00417")),
            ("??????####.XFI", "0012340417.XFI", Some("0417")),
            ("H,STOCK,*,#", "H,STOCK,0012,20260314,231500,00417", Some("00417")),
            ("*sequence=\"#\"*", "<Export sequence=\"9\" count=\"5\">", Some("9")),
            ("*#*", "a1b2", None),
            ("STK_#.dat", "STK_.dat", None),
            ("STK_#.dat", "STK_12x.dat", None),
            ("é#é", "é7é", Some("7")),
        ] {
            assert_eq!(read(pattern, text).as_deref(), wanted, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_that_fits_two_times_tells_none() {
        let read = |pattern: &str, text: &str| read_time(pattern, text).map(|at| at.to_string());
        assert_eq!(read("*%Y%m%d*", "20260314_20260315.csv"), None);
        assert_eq!(read("*%Y%m%d*", "STK_20260101101000.csv").as_deref(), Some("2026-01-01T00:00:00"));
        assert_eq!(read("*%d.%m.%Y*", "Stand: 14.03.2026").as_deref(), Some("2026-03-14T00:00:00"));
        assert_eq!(read("*%Y%m%d%H%M%S", "H001220260314231500").as_deref(), Some("2026-03-14T23:15:00"));
        assert_eq!(read("*_%Y%m%d*", "x_20260314_y.csv").as_deref(), Some("2026-03-14T00:00:00"));
    }

    #[test]
    fn a_long_heading_is_cut_between_characters() {
        let mut heading = Heading::default();
        (0..10).for_each(|_| heading.add(&"é".repeat(700)));
        assert!(heading.text.len() <= LONGEST_HEADING + 1);
    }
}
