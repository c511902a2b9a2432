//! Names of order files, and of the files that go with them.
//!
//! Promises: a name is safe on every file system; different orders, and different files of one order, have different
//! names, so that no name is ever used twice.

use super::fault::lasting;
use super::order_values::Values;
use crate::ports::EposError;

/// Longest file name, in bytes: leaves room for what tills append.
const LONGEST_NAME: usize = 150;
/// Characters of a value that stand in a file name as they are, letters and digits aside.
const PLAIN: &str = "-_.#+=@";
/// The placeholder of running numbers, alone or with their digits: `{sequence:4}`.
const SEQUENCE: &str = "sequence";
/// Most digits of a running number.
const MOST_DIGITS: usize = 18;
/// Names that Windows keeps for devices, with any extension.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// The placeholders that stand for the order file's own name, in the names of files that go with it.
const STEM: &str = "{stem}";
const NAME: &str = "{name}";

/// The file's name. Different numbers give different names; what a file system might not take is written as its code.
pub(super) fn file_name(values: &Values<'_>) -> Result<String, EposError> {
    let template = &values.profile.name;
    let name = filled(template, |placeholder| value_of(values, placeholder, safe))?;
    checked(with_copy(template, name, values), values)
}

/// The name of a file that goes with the order file `main`.
pub(super) fn beside_name(values: &Values<'_>, template: &str, main: &str) -> Result<String, EposError> {
    let name = filled(template, |placeholder| beside_value(values, placeholder, main, safe))?;
    checked(with_copy(template, name, values), values)
}

/// A text with the placeholders of names, for the content of a file that goes with the order file `main`.
pub(super) fn filled_text(values: &Values<'_>, template: &str, main: &str) -> Result<String, EposError> {
    filled(template, |placeholder| beside_value(values, placeholder, main, str::to_owned))
}

/// May several order files have the same name by this template? So it is with `endofday.trg` and `{date}.trg`.
pub(super) fn is_shared(template: &str) -> bool {
    let tells = |word: &&str| template.contains(*word);
    !has_sequence(template) && ![STEM, NAME, "{number}", "{id}"].iter().any(tells)
}

fn beside_value(
    values: &Values<'_>,
    placeholder: &str,
    main: &str,
    written: fn(&str) -> String,
) -> Result<String, EposError> {
    match placeholder {
        "stem" => Ok(stem_of(main).to_owned()),
        "name" => Ok(main.to_owned()),
        other => value_of(values, other, written),
    }
}

fn value_of(values: &Values<'_>, placeholder: &str, written: fn(&str) -> String) -> Result<String, EposError> {
    let Some(first) = values.orders.first() else { return Err(lasting("an order file needs an order")) };
    let (order, number) = (first.order, &first.order.number);
    let given = |value: &str| {
        if value.is_empty() {
            return Err(lasting(format!("order {:?} has no number to name its file with", order.id.0)));
        }
        Ok(written(value))
    };
    match placeholder {
        "number" => given(number),
        "id" => given(&order.id.0),
        "date" => values.date(order, "%Y%m%d"),
        other => match sequence_digits(other) {
            Some(digits) => numbered(values.totals.sequence, digits, number),
            None => Err(lasting(format!("order_profile has the unknown placeholder {{{other}}} in a name"))),
        },
    }
}

/// `order_1_2.csv` for the second file of order 1.
fn with_copy(template: &str, name: String, values: &Values<'_>) -> String {
    // Where every file has a number of its own, what stands behind it would not fit the till's pattern; the order file's
    // own name has it already.
    let is_told = has_sequence(template) || template.contains(STEM) || template.contains(NAME) || is_shared(template);
    match values.orders.first().map(|first| first.copy).filter(|copy| *copy > 1 && !is_told) {
        None => name,
        Some(copy) => match name.rsplit_once('.') {
            Some((stem, extension)) if !extension.is_empty() => format!("{stem}_{copy}.{extension}"),
            Some((stem, _)) => format!("{stem}_{copy}"),
            None => format!("{name}_{copy}"),
        },
    }
}

fn stem_of(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// Digits of a running number: 0 for as many as it has. `None`: the placeholder is another one.
fn sequence_digits(placeholder: &str) -> Option<usize> {
    match placeholder.strip_prefix(SEQUENCE)?.strip_prefix(':') {
        None => (placeholder == SEQUENCE).then_some(0),
        Some(digits) => digits.parse().ok().filter(|digits| (1..=MOST_DIGITS).contains(digits)),
    }
}

fn numbered(sequence: u64, digits: usize, number: &str) -> Result<String, EposError> {
    let name = format!("{sequence:0digits$}");
    if digits > 0 && name.len() > digits {
        let text = format!(
            "order {number}: its file would be number {sequence}, and order_profile.name has room for {digits} digits; write {{sequence:{}}} if the till takes such names",
            name.len()
        );
        return Err(lasting(text));
    }
    Ok(name)
}

/// Do names made by this template have running numbers?
pub(super) fn has_sequence(template: &str) -> bool {
    let mut placeholders = template.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    placeholders.any(|(placeholder, _)| sequence_digits(placeholder).is_some())
}

/// A name as this template makes them for a file that goes with `main`; unknown placeholders stay in it.
pub(super) fn sample_beside(template: &str, main: &str) -> String {
    sample(&template.replace(STEM, stem_of(main)).replace(NAME, main))
}

/// A name as this template makes them; unknown placeholders stay in it.
pub(super) fn sample(template: &str) -> String {
    let value = |placeholder: &str| {
        Ok(match (placeholder, sequence_digits(placeholder)) {
            ("number" | "id", _) => "1".to_owned(),
            ("date", _) => "20260101".to_owned(),
            (_, Some(digits)) => format!("{:0digits$}", 1),
            (other, None) => format!("{{{other}}}"),
        })
    };
    filled(template, value).unwrap_or_else(|_| template.to_owned())
}

/// May two templates give the same name, for whatever orders? In doubt yes. Letters count as equal in either case.
pub(super) fn may_be_same(one: &str, other: &str) -> bool {
    let parts = |template: &str| {
        let lower = template.to_lowercase();
        let (start, rest) = lower.split_once('{').unwrap_or((&lower, ""));
        // Dates and running numbers are digits, the store's numbers and keys may be anything.
        let is_digits = rest.starts_with("date") || rest.starts_with(SEQUENCE);
        let end = lower.rsplit_once('}').map_or("", |(_, end)| end);
        (start.to_owned(), is_digits, end.to_owned())
    };
    let ((start, is_digits, end), (other_start, other_is_digits, other_end)) = (parts(one), parts(other));
    let fits = |shorter: &str, is_digits: bool, longer: &str| {
        longer
            .strip_prefix(shorter)
            .is_some_and(|rest| rest.is_empty() || !is_digits || rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let starts = fits(&start, is_digits, &other_start) || fits(&other_start, other_is_digits, &start);
    starts && (end.ends_with(&other_end) || other_end.ends_with(&end))
}

fn filled(template: &str, value: impl Fn(&str) -> Result<String, EposError>) -> Result<String, EposError> {
    let mut name = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((placeholder, after)) = after.split_once('}') else { break };
        name.push_str(before);
        name.push_str(&value(placeholder)?);
        rest = after;
    }
    name.push_str(rest);
    Ok(name)
}

/// A value as part of a file name: `/` becomes `~2f`, and so does whatever else is not plain.
fn safe(value: &str) -> String {
    let mut name = String::new();
    for (at, c) in value.char_indices() {
        let rest = &value[at + c.len_utf8()..];
        // `1_2` would be the second file of order 1.
        let looks_like_a_copy = c == '_' && !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        let is_plain = c.is_ascii_alphanumeric() || PLAIN.contains(c);
        if is_plain && !looks_like_a_copy {
            name.push(c);
        } else {
            name.push_str(&format!("~{:02x}", u32::from(c)));
        }
    }
    name
}

fn checked(name: String, values: &Values<'_>) -> Result<String, EposError> {
    let number = values.orders.first().map_or("", |first| &first.order.number);
    let refused =
        |why: &str| Err(lasting(format!("order {number:?}: the file name {name:?} {why}; change order_profile.name")));
    let stem = name.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let is_port = (stem.starts_with("COM") || stem.starts_with("LPT")) && stem.len() == 4;
    if DEVICES.contains(&stem.as_str()) || is_port {
        return refused("is kept by Windows for a device");
    }
    if name.len() > LONGEST_NAME {
        return refused("is too long");
    }
    if name.starts_with('.') || name.ends_with(['.', ' ']) || name.contains(['/', '\\', ':', '\0']) {
        return refused("is not safe in a folder");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_that_may_give_one_name_are_told_from_those_that_cannot() {
        for (one, other) in [
            ("order_{number}.csv", "ORDER_{number}.csv"),
            ("order_{number}.csv", "order_{id}_c.csv"),
            ("{number}.csv", "cancel_{number}.csv"),
            ("{sequence:6}.csv", "{date}{sequence}.csv"),
        ] {
            assert!(may_be_same(one, other) && may_be_same(other, one), "{one} {other}");
        }
        for (one, other) in [
            ("order_{number}.csv", "cancel_{number}.csv"),
            ("order_{number}.csv", "order_{number}.can"),
            ("{sequence:6}.csv", "cancel_{number}.csv"),
        ] {
            assert!(!may_be_same(one, other) && !may_be_same(other, one), "{one} {other}");
        }
    }
}
