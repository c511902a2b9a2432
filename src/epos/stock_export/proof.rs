//! Proof that an export is whole: what a trailer, an attribute or a control file says against what was read.
//!
//! Promises: a proof that the profile asks for and that is missing, unreadable or different rejects the file; nothing
//! that was proved otherwise is believed. The control file is hostile input too: it is small, or it is refused.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::tally::Tally;
use super::{Stop, rejection};
use crate::epos::export_file::{NoText, first_look};
use crate::epos::profile::{Completeness, Encoding, Kind};
use crate::epos::profile_check::CheckedProfile;
use crate::epos::row::shortened;
use crate::epos::text::CleanText;

/// Largest control file read, in bytes.
const LARGEST_CONTROL: u64 = 64 * 1024;

/// What the export, or a file beside it, says of itself.
#[derive(Debug, Default)]
pub(super) struct Claim {
    pub(super) count: Option<String>,
    pub(super) sum: Option<String>,
}

/// Who says it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Witness {
    Trailer,
    Control,
}

impl Witness {
    fn reason(self) -> &'static str {
        match self {
            Self::Trailer => "trailer_mismatch",
            Self::Control => "control_mismatch",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Trailer => "trailer",
            Self::Control => "control file",
        }
    }
}

/// Holds a claim against what was read.
pub(super) fn prove(
    profile: &CheckedProfile,
    tally: &Tally<'_, '_, '_>,
    who: Witness,
    claim: &Claim,
    line: Option<u64>,
) -> Result<(), Stop> {
    let differs = |text: String| Err(rejection(who.reason(), line, text));
    let name = who.name();
    if let Some(told) = &claim.count {
        let rows = tally.rows();
        match told.trim().parse::<u64>() {
            Ok(count) if count == rows => {}
            Ok(count) => {
                return differs(format!(
                    "the {name} says {count} records, the file has {rows}; let the till export again"
                ));
            }
            Err(_) => return differs(format!("the {name}'s count {:?} is not a number", shortened(told))),
        }
    }
    let Some(told) = &claim.sum else { return Ok(()) };
    match (profile.numbers.read_sum(told.trim()), tally.sum()) {
        (Some(sum), Some(read)) if sum == read => Ok(()),
        (Some(sum), Some(read)) => {
            let (sum, read) = (sum.normalize(), read.normalize());
            differs(format!(
                "the {name} says that all quantities add up to {sum}, those in the file to {read}; let the till export again"
            ))
        }
        // A row in error has no quantity to add. The count is then the proof, and without one there is none.
        (Some(_), None) if claim.count.is_some() => Ok(()),
        (Some(_), None) => differs(format!(
            "the {name}'s sum cannot be compared, since some quantities cannot be read; correct them in the till"
        )),
        (None, _) => differs(format!("the {name}'s sum {:?} is not a number", shortened(told))),
    }
}

/// What a control file says.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) text: String,
    claim: Claim,
    md5: Option<String>,
}

impl Control {
    /// Reads the file beside the export; `None` where the profile asks for none, or only for its presence.
    pub(super) fn beside(rule: Option<&Completeness>, path: Option<&Path>) -> Result<Option<Self>, Stop> {
        let Some(rule) = rule else { return Ok(None) };
        let wanted = rule.control_file.as_ref().or(rule.marker_file.as_ref()).map_or("", String::as_str);
        let missing = |why: &str| {
            let text = format!("the file {wanted:?} beside the export, which proves it whole, {why}");
            rejection("control_mismatch", None, text)
        };
        let file = path.map(File::open).transpose();
        let mut file = match file {
            Ok(Some(file)) => file,
            Ok(None) => return Err(missing("is missing; the till had not written all of it")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(missing("is missing; the till had not written all of it"));
            }
            Err(error) => return Err(Stop::Io(error)),
        };
        if rule.control_file.is_none() {
            return Ok(None);
        }
        let text = control_text(&mut file).map_err(|why| match why {
            NoText::Io(error) => Stop::Io(error),
            NoText::Rejected(why) => missing(&format!("cannot be read: {}", why.text)),
        })?;
        Self::understood(rule, text, missing).map(Some)
    }

    fn understood(rule: &Completeness, text: String, missing: impl Fn(&str) -> Stop) -> Result<Self, Stop> {
        let find = |key: &Option<String>| match key {
            None => Ok(None),
            Some(key) => match value_of(&text, key) {
                Some(value) => Ok(Some(value)),
                None => Err(missing(&format!("has no {key:?} with a value, or several"))),
            },
        };
        let claim = Claim { count: find(&rule.count_key)?, sum: find(&rule.sum_key)? };
        let md5 = find(&rule.md5_key)?;
        Ok(Self { claim, md5, text })
    }

    /// Holds it against what was read.
    pub(super) fn prove(
        &self,
        profile: &CheckedProfile,
        tally: &Tally<'_, '_, '_>,
        md5: Option<&str>,
    ) -> Result<(), Stop> {
        if let (Some(told), Some(is)) = (&self.md5, md5)
            && !told.trim().eq_ignore_ascii_case(is)
        {
            let text = "the control file has another MD5 sum than the export: one of them is from another time, or not whole; let the till export again";
            return Err(rejection("control_mismatch", None, text));
        }
        // Where the MD5 proves every byte, a sum that rows in error leave unknown need not prove it again.
        let is_proved = self.md5.is_some() && tally.sum().is_none();
        let sum = self.claim.sum.clone().filter(|_| !is_proved);
        prove(profile, tally, Witness::Control, &Claim { count: self.claim.count.clone(), sum }, None)
    }
}

fn control_text(file: &mut File) -> Result<String, NoText> {
    if file.metadata()?.len() > LARGEST_CONTROL {
        let text = format!("it is larger than {LARGEST_CONTROL} bytes");
        return Err(NoText::Rejected(crate::ports::Rejection { reason: "wrong_file_type".into(), line: None, text }));
    }
    let look = first_look(file, Encoding::Auto, Kind::Csv, false)?;
    let mut text = String::new();
    let length = look.end - look.start;
    io::Seek::seek(file, io::SeekFrom::Start(look.start))?;
    CleanText::new(file.take(length), look.charset, 0, None).read_to_string(&mut text)?;
    Ok(text)
}

/// The value of a key; `None` unless exactly one line has it.
fn value_of(text: &str, key: &str) -> Option<String> {
    let plain = |text: &str| text.trim().trim_matches('"').trim().to_owned();
    let mut found = text.lines().filter_map(|line| {
        let (name, value) = line.split_once([',', ';', '=', '\t', ':', '|'])?;
        plain(name).eq_ignore_ascii_case(key.trim()).then(|| plain(value.trim_end_matches([',', ';', '\t', '|'])))
    });
    let value = found.next().filter(|value| !value.is_empty())?;
    found.next().is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_files_values_are_found_once_or_not() {
        let text = "INTERFACE_VERSION,2.0\nMD5_STOCK,\"3d99\"\nsum = 66 \nTWICE,1\nTWICE,2\nEMPTY,\n";
        assert_eq!(value_of(text, "md5_stock").as_deref(), Some("3d99"));
        assert_eq!(value_of(text, "SUM").as_deref(), Some("66"));
        for key in ["TWICE", "EMPTY", "NONE"] {
            assert_eq!(value_of(text, key), None, "{key}");
        }
    }
}
