//! A line of names above fields of fixed width.
//!
//! Promises: names are given to columns only where every row agrees with where they stand; else each column is called
//! by what stands above it, which decides nothing.

use super::book::{Book, Confidence};
use super::column::is_number;
use super::fixed::{Span, cut};

/// Tells which line is one: words without digits, where the lines below have digits; the same in every sample.
pub(super) fn of(samples: &[Vec<String>]) -> Option<String> {
    let has_digit = |line: &&String| line.bytes().any(|byte| byte.is_ascii_digit());
    let first = samples.first()?.first()?;
    let is_shared = samples.iter().all(|lines| lines.first() == Some(first));
    let below = || samples.iter().flat_map(|lines| lines.iter().skip(1));
    let numbered = below().filter(has_digit).count();
    let is_above = numbered > 1 && numbered * 10 >= below().count() * 9;
    (is_shared && is_above && !has_digit(&first) && words(first, 1).len() > 1).then(|| first.clone())
}

/// The names and where each begins, parted by this many blanks at least.
fn words(line: &str, wide: usize) -> Vec<(usize, String)> {
    let (mut found, mut blanks): (Vec<(usize, String)>, usize) = (Vec::new(), wide);
    for (at, c) in line.chars().enumerate() {
        if c == ' ' {
            blanks += 1;
            continue;
        }
        match found.last_mut().filter(|_| blanks < wide) {
            Some((_, word)) => {
                word.extend(std::iter::repeat_n(' ', blanks));
                word.push(c);
            }
            None => found.push((at, c.to_string())),
        }
        blanks = 0;
    }
    found
}

/// The fields and their names, as heading and rows tell them together. `fields` is what the rows tell alone.
pub(super) fn named(heading: &str, lines: &[&String], fields: Vec<Span>, book: &mut Book<'_>) -> Vec<(Span, String)> {
    let shown = words(heading, 1);
    let shown = super::book::some(shown.iter().map(|(_, word)| word.as_str()));
    let why = format!("the first line has words only, where the lines below have numbers: {shown}");
    book.settle("header", "first-row", Confidence::Sure, why);
    let end = fields.last().map_or(0, |(_, to)| *to);
    // Names of several words are parted by more than one blank, or short ones by one: the rows tell.
    for wide in [2, 1] {
        let words = words(heading, wide);
        let starts = words.iter().skip(1).map(|(at, _)| *at);
        let spans: Vec<Span> = [0].into_iter().chain(starts.clone()).zip(starts.chain([end])).collect();
        if spans.len() > 1 && agree(&spans, lines, &fields) {
            return spans.into_iter().zip(words.into_iter().map(|(_, word)| word)).collect();
        }
    }
    if let Some(names) = above(&words(heading, 1), &fields) {
        return fields.into_iter().zip(names).collect();
    }
    book.remark(format!("The names in the first line do not stand above the fields of the rows: {shown}"));
    let under = |field: Span| (field, format!("under {:?}", cut(heading, field)));
    fields.into_iter().map(under).collect()
}

/// Do all rows have a blank before each span, some row a value in it, and none a number together with other text?
fn agree(spans: &[Span], lines: &[&String], fields: &[Span]) -> bool {
    let mostly_numbers =
        |span: Span| lines.iter().filter(|line| is_number(&cut(line, span))).count() * 10 >= lines.len() * 9;
    let is_free = |(from, to): &Span| {
        let before = from.saturating_sub(1);
        let is_blank = |line: &&String| line.chars().nth(before).is_none_or(|c| c == ' ');
        let is_filled = lines.iter().any(|line| !cut(line, (*from, *to)).is_empty());
        from < to && is_filled && (*from == 0 || lines.iter().all(is_blank))
    };
    // Where the values of a field begin; blanks before a number count as its own.
    let begin = |(from, to): Span| {
        let first = |line: &&String| line.chars().skip(from).take(to - from).position(|c| c != ' ');
        from + lines.iter().filter_map(first).min().unwrap_or(0)
    };
    let is_whole = |field: &Span| {
        let around = spans.iter().find(|(from, to)| (*from..*to).contains(&begin(*field)));
        !mostly_numbers(*field) || around.is_some_and(|span| mostly_numbers(*span))
    };
    spans.iter().all(is_free) && fields.iter().all(is_whole)
}

/// The names above each field, if each name stands above one field, and each field below one at least.
fn above(words: &[(usize, String)], fields: &[Span]) -> Option<Vec<String>> {
    let mut names = vec![Vec::new(); fields.len()];
    for (at, word) in words {
        let end = at + word.chars().count();
        let mut below = (0..fields.len()).filter(|field| fields[*field].0 < end && *at < fields[*field].1);
        let (field, None) = (below.next()?, below.next()) else { return None };
        names[field].push(word.as_str());
    }
    names.iter().all(|words| !words.is_empty()).then(|| names.iter().map(|words| words.join(" ")).collect())
}
