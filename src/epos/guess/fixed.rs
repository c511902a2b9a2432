//! Fixed width: where the fields begin and end, seen from the characters that stand in each place of all lines.
//!
//! Promises: a field reaches up to where the next begins, and a number begins where the field before ends, so that a
//! longer value than the samples have still fits; no sense is made of lines of prose. Work grows with the bytes only.

use std::collections::BTreeSet;

use toml::Value;

use super::book::{Book, Confidence, some};
use super::encoding::Text;
use super::fixed_heading;
use super::records::{self, Types};
use super::separated::part_of;
use super::table::{Part, Table, Totals};
use crate::epos::profile::Kind;

/// Longest line looked at, in characters.
const LONGEST_LINE: usize = 2000;

/// What stands in one place of all lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place {
    blanks: usize,
    digits: usize,
    signs: usize,
    others: usize,
}

/// What a place is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Blank,
    Digit,
    /// A sign, or nothing.
    Sign,
    /// A digit, a mark or nothing.
    Number,
    Text,
}

impl Place {
    fn class(self) -> Class {
        match (self.blanks, self.digits, self.signs, self.others) {
            (_, 0, 0, 0) => Class::Blank,
            (0, _, 0, 0) => Class::Digit,
            (_, 0, _, 0) => Class::Sign,
            (_, _, _, 0) => Class::Number,
            (_, _, _, _) => Class::Text,
        }
    }
}

/// First character of a field, counted from 0, and the one after its last.
pub(super) type Span = (usize, usize);

/// The table that the samples make, or why they are not of fixed width.
pub(super) fn table(texts: &[Text], book: &mut Book<'_>) -> Result<Table, &'static str> {
    let lines = |text: &Text| -> Vec<String> {
        text.head.iter().chain(&text.tail).filter(|line| !line.trim().is_empty()).cloned().collect()
    };
    let mut samples: Vec<Vec<String>> = texts.iter().map(lines).collect();
    let heading = fixed_heading::of(&samples);
    if heading.is_some() {
        samples.iter_mut().for_each(|lines| drop(lines.remove(0)));
    }
    let types = types(&samples);
    let is_detail = |line: &&String| types.as_ref().is_none_or(|types| types.is_detail(first(line)));
    let details: Vec<&String> = samples.iter().flatten().filter(is_detail).collect();
    let mark = usize::from(types.is_some());
    let fields = fields(&places(&details), mark, glued(&details, mark));
    if !are_of_one_length(&details) {
        return Err("they are not of one length either");
    } else if fields.len() < 2 || !has_numbers(&details, &fields) {
        return Err("though they are of one length, no fields with numbers show in them");
    }
    book.settle("kind", "fixed", Confidence::Sure, "no character separates fields, and the lines are of one length");
    if let Some(types) = &types {
        types.settle("in the first character", book);
    }
    let named: Vec<(Span, Option<String>)> = match &heading {
        Some(heading) => {
            let named = fixed_heading::named(heading, &details, fields, book);
            named.into_iter().map(|(field, name)| (field, Some(name))).collect()
        }
        None => fields.into_iter().map(|field| (field, None)).collect(),
    };
    Ok(of_fields(texts, &samples, named, types.as_ref(), book))
}

fn of_fields(
    texts: &[Text],
    samples: &[Vec<String>],
    named: Vec<(Span, Option<String>)>,
    types: Option<&Types>,
    book: &mut Book<'_>,
) -> Table {
    let (fields, names): (Vec<Span>, Vec<Option<String>>) = named.into_iter().unzip();
    let shown: Vec<String> = fields.iter().map(|(from, to)| format!("{}-{to}", from + 1)).collect();
    let shown = some(shown.iter().map(String::as_str));
    book.remark(format!("The fields stand at characters {shown}, as far as the samples show; compare this with the till's documentation."));
    let part = |(text, lines): (&Text, &Vec<String>)| part(text, lines, &fields, types);
    let place = |(from, to): &Span| Value::Array(vec![Value::from(*from as i64 + 1), Value::from(*to as i64)]);
    Table {
        kind: Kind::Fixed,
        places: fields.iter().map(place).collect(),
        names,
        parts: texts.iter().zip(samples).map(part).collect(),
    }
}

/// Where digits follow letters at the start of all lines, letters that are the same in many: one code, not two fields.
fn glued(lines: &[&String], mark: usize) -> Option<usize> {
    let prefix = |line: &&String| {
        let letters: String = line.chars().skip(mark).take_while(|c| c.is_alphabetic()).take(LONGEST_LINE).collect();
        let next = line.chars().nth(mark + letters.chars().count());
        (!letters.is_empty() && next.is_some_and(|c| c.is_ascii_digit())).then_some(letters)
    };
    let prefixes: BTreeSet<String> = lines.iter().map(prefix).collect::<Option<_>>()?;
    let length = prefixes.first()?.chars().count();
    let is_alike = prefixes.iter().all(|other| other.chars().count() == length);
    (is_alike && prefixes.len() * 2 <= lines.len()).then_some(mark + length)
}

fn first(line: &str) -> &str {
    line.chars().next().map_or("", |c| &line[..c.len_utf8()])
}

fn types(samples: &[Vec<String>]) -> Option<Types> {
    let marks: Vec<Vec<(&str, usize)>> =
        samples.iter().map(|lines| lines.iter().map(|line| (first(line), line.trim_end().len())).collect()).collect();
    let marks: Vec<&[(&str, usize)]> = marks.iter().map(Vec::as_slice).filter(|marks| !marks.is_empty()).collect();
    records::of_marks(&marks)
}

/// Nearly all lines as long as the longest, but for a sign or blanks at the end.
fn are_of_one_length(lines: &[&String]) -> bool {
    let lengths: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let alike = lengths.iter().filter(|length| **length + 1 >= longest).count();
    lines.len() > 1 && longest <= LONGEST_LINE && alike * 10 >= lines.len() * 8
}

fn places(lines: &[&String]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::new();
    for line in lines {
        for (at, c) in line.chars().take(LONGEST_LINE).enumerate() {
            if places.len() <= at {
                places.push(Place::default());
            }
            let place = &mut places[at];
            match c {
                ' ' => place.blanks += 1,
                '0'..='9' => place.digits += 1,
                '-' | '+' | '.' | ',' => place.signs += 1,
                _ => place.others += 1,
            }
        }
    }
    places
}

/// The fields behind the record's mark; none begins where what precedes is glued to it.
fn fields(places: &[Place], mark: usize, glued: Option<usize>) -> Vec<Span> {
    let classes: Vec<Class> = places.iter().map(|place| place.class()).collect();
    let mut starts = Vec::new();
    for at in mark..classes.len() {
        let before = if at == mark { Class::Blank } else { classes[at - 1] };
        if glued != Some(at) && begins_field(before, classes[at], &classes[at..]) {
            starts.push(number_start(&classes, at, mark));
        }
    }
    let ends = starts.iter().skip(1).copied().chain([classes.len()]);
    starts.iter().copied().zip(ends).collect()
}

/// Where a number begins that may be longer than the samples show: blanks before it are its own, so that its first
/// digits never fall to the field before. One that is filled with zeros has its full length.
fn number_start(classes: &[Class], at: usize, mark: usize) -> usize {
    const FILLED: usize = 5;
    let digits = classes[at..].iter().take_while(|class| **class == Class::Digit).count();
    let may_be_longer = match classes[at] {
        Class::Number | Class::Sign => true,
        Class::Digit => digits < FILLED,
        Class::Blank | Class::Text => false,
    };
    let blanks = classes[mark..at].iter().rev().take_while(|class| **class == Class::Blank).count();
    // Blanks at the start of the line stand before the first field in any case.
    if may_be_longer && blanks < at - mark { at - blanks } else { at }
}

fn begins_field(before: Class, class: Class, rest: &[Class]) -> bool {
    match (before, class) {
        (_, Class::Blank) | (Class::Digit | Class::Number, Class::Sign) => false,
        (Class::Blank, _) => true,
        // A number that is filled up with blanks from the left begins behind digits, and ends in digits itself.
        (Class::Digit, Class::Number) => {
            rest.iter().find(|class| **class != Class::Number && **class != Class::Sign) == Some(&Class::Digit)
        }
        (Class::Text, Class::Digit) | (Class::Digit | Class::Number | Class::Sign, Class::Text) => true,
        (Class::Text, Class::Number | Class::Sign) => false,
        (_, _) => false,
    }
}

pub(super) fn cut(line: &str, (from, to): Span) -> String {
    line.chars().skip(from).take(to - from).collect::<String>().trim().to_owned()
}

/// Is at least one of the fields a number in nearly all lines?
fn has_numbers(lines: &[&String], fields: &[Span]) -> bool {
    const TRIED_ON: usize = 200;
    let tried = &lines[..lines.len().min(TRIED_ON)];
    fields.iter().any(|field| {
        let numbers = tried.iter().filter(|line| super::column::is_number(&cut(line, *field))).count();
        numbers * 10 >= tried.len() * 9
    })
}

fn part(text: &Text, lines: &[String], fields: &[Span], types: Option<&Types>) -> Part {
    let row = |line: &String| {
        // One pass over the line for all fields together.
        let chars: Vec<char> = line.chars().take(LONGEST_LINE).collect();
        let field = |(from, to): &Span| -> String {
            chars.get(*from..(*to).min(chars.len())).unwrap_or_default().iter().collect::<String>().trim().to_owned()
        };
        fields.iter().map(field).collect::<Vec<String>>()
    };
    let is_detail = |line: &&String| types.is_none_or(|types| types.is_detail(first(line)));
    let rows: Vec<Vec<String>> = lines.iter().filter(is_detail).map(row).collect();
    let header = types
        .and_then(|types| types.header.as_deref())
        .and_then(|mark| lines.first().filter(|line| first(line) == mark));
    let trailer = types.and_then(|types| lines.iter().rev().find(|line| types.is_trailer(first(line))));
    Part {
        records: rows.len(),
        rows,
        heading: header.cloned().into_iter().collect(),
        totals: trailer.map_or(Totals::None, |line| Totals::Line(line.clone())),
        ..part_of(text)
    }
}
