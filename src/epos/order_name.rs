//! Names of order files.
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

/// The file's name. Different numbers give different names; what a file system might not take is written as its code.
pub(super) fn file_name(values: &Values<'_>, copy: u32, sequence: u64) -> Result<String, EposError> {
    let (profile, order) = (values.profile, values.order);
    let wanted_but_empty = (profile.name.contains("{number}") && order.number.is_empty())
        || (profile.name.contains("{id}") && order.id.0.is_empty());
    if wanted_but_empty {
        return Err(lasting(format!("order {:?} has no number to name its file with", order.id.0)));
    }
    let name = filled(&profile.name, |placeholder| match placeholder {
        "number" => Ok(safe(&order.number)),
        "id" => Ok(safe(&order.id.0)),
        "date" => values.date("%Y%m%d"),
        other => match sequence_digits(other) {
            Some(digits) => numbered(sequence, digits, &order.number),
            None => Err(lasting(format!("order_profile.name has the unknown placeholder {{{other}}}"))),
        },
    })?;
    // Every file has a number of its own then; what stands behind it would not fit the till's pattern.
    if has_sequence(&profile.name) {
        return checked(name, &order.number);
    }
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let stem = if copy > 1 { format!("{stem}_{copy}") } else { stem.to_owned() };
    let name = if extension.is_empty() { stem } else { format!("{stem}.{extension}") };
    checked(name, &order.number)
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

fn checked(name: String, number: &str) -> Result<String, EposError> {
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
