//! When an export began, and which number it has: from its name, its header, or the order of several samples.
//!
//! Promises: a time is proposed only where every sample has exactly one, year first; a number only where it rises
//! from sample to sample as the time does.

use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use toml::{Table as Keys, Value};

use super::Sample;
use super::book::{Book, Confidence};
use super::encoding::Text;
use super::table::{Table, Totals};
use crate::epos::profile::Kind;

/// How times are written in names and headers, longest first. A date without a time comes last.
const PATTERNS: [&str; 19] = [
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%d_%H-%M-%S",
    "%Y-%m-%dT%H-%M-%S",
    "%Y-%m-%d_%H_%M_%S",
    "%Y%m%d_%H%M%S",
    "%Y%m%d-%H%M%S",
    "%Y%m%dT%H%M%S",
    "%Y-%m-%d_%H%M%S",
    "%Y%m%d%H%M%S",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d_%H-%M",
    "%Y%m%d_%H%M",
    "%Y%m%d-%H%M",
    "%Y%m%d%H%M",
    "%Y-%m-%d",
    "%Y%m%d",
];
/// The first of them without a time.
const DATES_FROM: usize = 17;
/// Longest text searched.
const LONGEST: usize = 512;

/// A time in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    from: usize,
    to: usize,
    pattern: usize,
    time: DateTime,
}

/// Looks for times and numbers.
pub(super) fn decide(samples: &[&Sample<'_>], texts: &[Text], table: &Table, book: &mut Book<'_>) {
    let names: Vec<&str> = texts.iter().map(|text| text.name.as_str()).collect();
    let in_names: Option<Vec<Found>> = names.iter().map(|name| sole(name, false)).collect();
    match &in_names {
        Some(found) if !samples.is_empty() => from_names(&names, found, book),
        Some(_) | None => from_header(table, book),
    }
    if samples.len() > 1 {
        number(&names, in_names.as_deref(), table, book);
    }
}

/// The one time of a text: with a time of day before one without. `inside`: also within a longer run of digits.
fn sole(text: &str, inside: bool) -> Option<Found> {
    if text.len() > LONGEST || !text.is_ascii() {
        return None;
    }
    let mut all = (0..text.len()).filter_map(|at| time_at(text, at, inside));
    let mut best = all.next()?;
    let mut end = best.to;
    for other in all {
        // The same time again from a later digit is no other one.
        if other.from < end {
            continue;
        }
        let (is_timed, was_timed) = (other.pattern < DATES_FROM, best.pattern < DATES_FROM);
        if is_timed == was_timed {
            return None;
        }
        if is_timed {
            best = other;
        }
        end = other.to;
    }
    Some(best)
}

fn time_at(text: &str, at: usize, inside: bool) -> Option<Found> {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    if !is_digit(at) || (!inside && at > 0 && is_digit(at - 1)) {
        return None;
    }
    PATTERNS.iter().enumerate().find_map(|(index, pattern)| {
        let (told, read) = BrokenDownTime::parse_prefix(pattern, &text[at..]).ok()?;
        let to = at + read;
        let date = told.to_date().ok()?;
        let time = if index < DATES_FROM { told.to_time().ok()? } else { jiff::civil::Time::midnight() };
        let time = date.to_datetime(time);
        // What was read must be written the same: no digit left out, none too many.
        let is_exact = strtime::format(pattern, time).ok().as_deref() == text.get(at..to);
        let is_free = inside || !is_digit(to);
        ((2000..2100).contains(&date.year()) && is_exact && is_free).then_some(Found {
            from: at,
            to,
            pattern: index,
            time,
        })
    })
}

fn from_names(names: &[&str], found: &[Found], book: &mut Book<'_>) {
    let (Some(first), Some(name)) = (found.first(), names.first()) else { return };
    if found.iter().any(|other| other.pattern != first.pattern) {
        return book.remark(
            "The names of the samples tell times in different ways; as_of is left to when a file is first seen.",
        );
    }
    let parts = |at: usize| (&names[at][..found[at].from], &names[at][found[at].to..]);
    let (before, behind) = parts(0);
    let is_same = |pick: fn((&'_ str, &'_ str)) -> usize| (0..names.len()).all(|at| pick(parts(at)) == pick(parts(0)));
    let has_digits = |text: &str| text.bytes().any(|byte| byte.is_ascii_digit());
    let same_before = (0..names.len()).all(|at| parts(at).0 == before) && !has_digits(before) && is_same(|p| p.0.len());
    let same_behind = (0..names.len()).all(|at| parts(at).1 == behind) && !has_digits(behind);
    let literal = |text: &str, is_same: bool| if is_same { text.replace('%', "%%") } else { "*".to_owned() };
    let pattern =
        format!("{}{}{}", literal(before, same_before), PATTERNS[first.pattern], literal(behind, same_behind));
    let why = if first.pattern < DATES_FROM {
        format!("the name {name} tells when the export began: {}", first.time)
    } else {
        format!("the name {name} tells the day only, so that the export counts as begun at the first moment of it")
    };
    book.settle("as_of", as_of("name", Some(&pattern)), Confidence::Sure, why);
}

fn as_of(from: &str, pattern: Option<&str>) -> Value {
    let mut keys = Keys::from_iter([("from".to_owned(), Value::from(from))]);
    if let Some(pattern) = pattern {
        keys.insert("pattern".into(), Value::from(pattern));
    }
    Value::Table(keys)
}

fn from_header(table: &Table, book: &mut Book<'_>) {
    let places: Option<Vec<(Value, DateTime)>> = table.parts.iter().map(|part| place(table.kind, part)).collect();
    let Some(places) = places else { return };
    let Some((place, time)) = places.first() else { return };
    if places.iter().all(|(other, _)| other == place) {
        let why = format!("what stands above the items tells when the export began: {time}");
        book.settle("columns.as_of", place.clone(), Confidence::Sure, why.clone());
        book.settle("as_of", as_of("header", None), Confidence::Sure, why);
    }
}

/// Where the header of a sample tells its time.
fn place(kind: Kind, part: &super::table::Part) -> Option<(Value, DateTime)> {
    match (kind, &part.totals) {
        (Kind::Xml, Totals::Attributes(above)) => {
            let mut timed = above.iter().filter_map(|(path, value)| Some((path, sole(value, false)?)));
            let (path, found) = timed.next()?;
            (found.pattern < DATES_FROM && timed.next().is_none()).then(|| (Value::from(path.as_str()), found.time))
        }
        (Kind::Fixed, _) => {
            let found = sole(part.heading.first()?, true)?;
            let span = vec![Value::from(found.from as i64 + 1), Value::from(found.to as i64)];
            (found.pattern < DATES_FROM).then_some((Value::Array(span), found.time))
        }
        (Kind::Csv, Totals::Fields(_)) => fields(part.heading.first()?),
        (Kind::Csv | Kind::Xml, _) => None,
    }
}

/// The field of a header record that has the time, or the two that have date and time.
fn fields(header: &str) -> Option<(Value, DateTime)> {
    let fields: Vec<&str> =
        header.split([',', ';', '\t', '|', '~']).map(|field| field.trim_matches(['"', ' '])).collect();
    let number = |at: usize| Value::from(at as i64 + 1);
    let single = fields.iter().enumerate().find_map(|(at, field)| {
        sole(field, false).filter(|found| found.pattern < DATES_FROM).map(|found| (number(at), found.time))
    });
    single.or_else(|| {
        fields.windows(2).enumerate().find_map(|(at, pair)| {
            let joined = format!("{} {}", sole(pair[0], false).map(|found| found.time.date())?, clock(pair[1])?);
            let found = sole(&joined, false)?;
            Some((Value::Array(vec![number(at), number(at + 1)]), found.time))
        })
    })
}

/// `231500`, `2315`, `23:15` or `23:15:00` with colons and seconds.
fn clock(text: &str) -> Option<String> {
    let digits: String = text.chars().filter(|c| *c != ':').collect();
    let is_time = digits.bytes().all(|byte| byte.is_ascii_digit())
        && matches!((text.len(), digits.len()), (4 | 5, 4) | (6 | 8, 6));
    is_time.then(|| format!("{}:{}:{}", &digits[..2], &digits[2..4], digits.get(4..6).unwrap_or("00")))
}

/// The export's number: digits that differ from sample to sample, and rise as the time does.
fn number(names: &[&str], times: Option<&[Found]>, table: &Table, book: &mut Book<'_>) {
    let in_name = |at: usize| {
        let found = times.and_then(|times| times.get(at))?;
        let (before, behind) = (names[at].get(..found.from)?, names[at].get(found.to..)?);
        let start = behind.find(|c: char| c.is_ascii_digit())?;
        let rest = &behind[start..];
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let before = if before.bytes().any(|byte| byte.is_ascii_digit()) { "" } else { before };
        Some((format!("{before}*{}#{}", &behind[..start], &rest[end..]), rest[..end].parse::<u64>().ok()?))
    };
    if rise(&(0..names.len()).map(in_name).collect::<Vec<_>>(), times, "name", book) {
        return;
    }
    let in_header = |part: &super::table::Part| {
        let header = part.heading.first()?;
        let start = header.rfind(|c: char| !c.is_ascii_digit())? + 1;
        let mark = header.split([',', ';', '\t', '|', '~']).next()?;
        let delimiter = header.get(mark.len()..mark.len() + 1)?;
        matches!(part.totals, Totals::Fields(_)).then_some(())?;
        Some((format!("{mark}{delimiter}*{delimiter}#"), header.get(start..)?.parse::<u64>().ok()?))
    };
    rise(&table.parts.iter().map(in_header).collect::<Vec<_>>(), times, "header", book);
}

fn rise(found: &[Option<(String, u64)>], times: Option<&[Found]>, from: &'static str, book: &mut Book<'_>) -> bool {
    let Some(mut all) = found
        .iter()
        .cloned()
        .enumerate()
        .map(|(at, one)| Some((times.and_then(|times| times.get(at)).map(|t| t.time), one?)))
        .collect::<Option<Vec<_>>>()
    else {
        return false;
    };
    all.sort_by_key(|(time, (_, number))| (*time, *number));
    let is_rising = all.windows(2).all(|pair| pair[0].1.1 < pair[1].1.1 && pair[0].1.0 == pair[1].1.0);
    let Some((_, (pattern, number))) = all.first().filter(|_| is_rising && all.len() > 1) else { return false };
    let keys = Keys::from_iter([
        ("from".to_owned(), Value::from(from)),
        ("pattern".to_owned(), Value::from(pattern.as_str())),
    ]);
    let why = format!("a number ({number} in the first) rises from sample to sample");
    book.settle("sequence", Value::Table(keys), Confidence::Sure, why);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_one_time_tells_it_and_with_two_tells_none() {
        let told = |name: &str| sole(name, false).map(|found| (PATTERNS[found.pattern], found.time.to_string()));
        let night = "2026-03-14T23:15:00".to_owned();
        assert_eq!(told("stock_20260314_231500.csv"), Some(("%Y%m%d_%H%M%S", night.clone())));
        assert_eq!(told("FULL_store1_2026-03-14T23:15:00.csv"), Some(("%Y-%m-%dT%H:%M:%S", night.clone())));
        assert_eq!(told("STK_20260314231500_12.dat"), Some(("%Y%m%d%H%M%S", night)));
        assert_eq!(told("stock_20260314.csv"), Some(("%Y%m%d", "2026-03-14T00:00:00".to_owned())));
        assert_eq!(told("20260314_120000-20260315_120000.csv"), None);
        assert_eq!(told("stock_0012_5000000010011.csv"), None);
        assert_eq!(told("stock.csv"), None);
    }
}
