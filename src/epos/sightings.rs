//! Where published order files are now, and what the till says of their orders.
//!
//! Promises: one listing per folder; the import folder is listed first, so that a file on its way to another folder is
//! seen at least once; what is still there waits, whatever lies elsewhere under its name; of files that go together the
//! one that came least far counts, and a trigger proves nothing; a folder that cannot be listed, or is not the one it was,
//! makes the whole look fail.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;

use super::evidence_answer::{Answers, Read};
use super::evidence_report::Reports;
use super::evidence_settings::filled;
use super::evidence_words::weight;
use super::fault::of_files;
use super::publish::Importing;
use super::settings::EposSettings;
use crate::ports::{Answer, Awaited, EposError, FileNames, Marks, Pace, Role, Sighting, Sign};

/// Looks for published files.
#[derive(Debug)]
pub(super) struct Sightings {
    answers: Option<Answers>,
    reports: Option<Reports>,
}

impl Sightings {
    pub(super) fn new(settings: &EposSettings) -> Self {
        let evidence = &settings.evidence;
        let answers = evidence.answer_file.clone().map(|file| Answers::new(file, &settings.import_folder));
        Self { answers, reports: evidence.report.clone().map(Reports::new) }
    }

    /// How far the till's reports are now.
    pub(super) fn marks(&self) -> Result<Marks, EposError> {
        self.reports.as_ref().map_or_else(|| Ok(Marks::new()), Reports::marks)
    }

    /// Looks once for all `files`.
    pub(super) fn look(
        &self,
        settings: &EposSettings,
        importing: &Importing,
        files: &[Awaited],
        pace: &Pace,
        now: Timestamp,
    ) -> Result<Vec<Sighting>, EposError> {
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let places = Places::look(settings, importing, files, self.answers.as_ref())?;
        for file in files.iter().filter(|file| !file.is_expected) {
            for part in parts(&file.names).filter(|part| places.import.contains_key(&key(part))) {
                importing.forget_withdrawal(part);
            }
        }
        let mut words = self.words(files, &places, pace, now)?;
        let sighting = |file: &Awaited| {
            let (sign, found_as, remark) = places.sign_of(&file.names, settings);
            let Read { answers, remark: of_answer, .. } = words.remove(&file.names.name).unwrap_or_default();
            Sighting { name: file.names.name.clone(), sign, found_as, answers, remark: remark.or(of_answer) }
        };
        Ok(files.iter().map(sighting).collect())
    }

    /// What answers and reports say, by order file.
    fn words(
        &self,
        files: &[Awaited],
        places: &Places,
        pace: &Pace,
        now: Timestamp,
    ) -> Result<HashMap<String, Read>, EposError> {
        let mut words: HashMap<String, Read> = HashMap::new();
        if let Some(answers) = &self.answers {
            let names: HashSet<&str> = files.iter().map(|file| file.names.name.as_str()).collect();
            answers.keep_only(|name| names.contains(name));
            for file in files.iter().filter(|file| !file.orders.is_empty()) {
                let name = key(&answers.name_for(&file.names.name));
                if let Some(found_as) = places.answers.get(&name) {
                    words.insert(file.names.name.clone(), answers.look(file, found_as, pace.settle_every, now)?);
                }
            }
        }
        let said = self.reports.as_ref().map_or_else(|| Ok(Vec::new()), |reports| reports.look(files))?;
        for (file, answer) in said {
            add(&mut words.entry(file).or_default().answers, answer);
        }
        Ok(words)
    }
}

/// One answer for each order: of several the one that weighs most, a refusal before all.
fn add(answers: &mut Vec<Answer>, answer: Answer) {
    match answers.iter_mut().find(|old| old.order == answer.order) {
        Some(old) if weight(old.says) < weight(answer.says) => *old = answer,
        Some(_) => {}
        None => answers.push(answer),
    }
}

/// What the folders show of what is looked for: names in lower case, and as they are written there.
struct Places {
    import: HashMap<String, String>,
    done: HashMap<String, String>,
    rejected: HashMap<String, String>,
    answers: HashMap<String, String>,
}

impl Places {
    fn look(
        settings: &EposSettings,
        importing: &Importing,
        files: &[Awaited],
        answers: Option<&Answers>,
    ) -> Result<Self, EposError> {
        let parts: HashSet<String> = files.iter().flat_map(|file| parts(&file.names)).map(key).collect();
        let answer_names: HashSet<String> = answers.map_or_else(HashSet::new, |answers| {
            let asked = files.iter().filter(|file| !file.orders.is_empty());
            asked.map(|file| key(&answers.name_for(&file.names.name))).collect()
        });
        let mut in_import = parts.clone();
        let evidence = &settings.evidence;
        for template in evidence.renamed_to.iter().chain(&evidence.renamed_rejected) {
            in_import.extend(parts.iter().map(|part| key(&filled(template, part))));
        }
        let answers_are_beside = answers.is_some_and(|answers| answers.folder() == settings.import_folder);
        if answers_are_beside {
            in_import.extend(answer_names.iter().cloned());
        }
        let import = listed(&settings.import_folder, &in_import, Match::Exact, settings)?;
        let mut expected = files.iter().filter(|file| file.is_expected).flat_map(|file| self::parts(&file.names));
        if expected.any(|part| import.contains_key(&key(part))) {
            importing.is_proven_right()?;
        } else {
            importing.make_sure_of_folder()?;
        }
        let done = optional(settings.done_folder.as_deref(), &parts, settings, importing)?;
        let rejected = optional(settings.rejects_folder.as_deref(), &parts, settings, importing)?;
        let answers = match answers {
            Some(answers) if !answers_are_beside => listed(answers.folder(), &answer_names, Match::Exact, settings)?,
            Some(_) => import.clone(),
            None => HashMap::new(),
        };
        Ok(Self { import, done, rejected, answers })
    }

    /// Where a file is: of its parts the one that came least far counts.
    fn sign_of(&self, names: &FileNames, settings: &EposSettings) -> (Sign, Option<String>, Option<String>) {
        let mut signs: Vec<(&str, Sign, Option<String>)> = parts(names)
            .map(|part| (part, self.sign_of_part(part, settings)))
            .map(|(part, (sign, as_))| (part, sign, as_))
            .collect();
        signs.sort_by_key(|(_, sign, _)| progress(*sign));
        let waits = signs.iter().filter(|(_, sign, _)| *sign == Sign::Waiting).count();
        let left = signs.get(waits).filter(|_| waits > 0);
        let remark = left.map(|(part, ..)| {
            let still = signs.first().map_or("", |(part, ..)| *part);
            format!("{part} has left the import folder, but {still} still waits there; the till needs both")
        });
        let first = signs.into_iter().next();
        first.map_or((Sign::Gone, None, remark.clone()), |(_, sign, found_as)| (sign, found_as, remark))
    }

    fn sign_of_part(&self, part: &str, settings: &EposSettings) -> (Sign, Option<String>) {
        let own = key(part);
        // What still waits was not taken, whatever an earlier file of that name left elsewhere.
        if self.import.contains_key(&own) {
            return (Sign::Waiting, None);
        }
        let renamed = |templates: &[String]| {
            templates.iter().find_map(|template| self.import.get(&key(&filled(template, part)))).cloned()
        };
        let evidence = &settings.evidence;
        let refused_as = self.rejected.contains_key(&own).then_some(None);
        if let Some(found_as) = refused_as.or_else(|| renamed(&evidence.renamed_rejected).map(Some)) {
            (Sign::Rejected, found_as)
        } else if self.done.contains_key(&own) {
            (Sign::MovedToDone, None)
        } else if let Some(found_as) = renamed(&evidence.renamed_to) {
            (Sign::Renamed, Some(found_as))
        } else {
            (Sign::Gone, None)
        }
    }
}

/// How far a sign shows that the till came; the least counts.
fn progress(sign: Sign) -> u8 {
    match sign {
        Sign::Waiting => 0,
        Sign::Rejected => 1,
        Sign::Gone => 2,
        Sign::Renamed => 3,
        Sign::MovedToDone => 4,
    }
}

/// The files that tell what became of the order: itself, and its lines where they are in a file of their own.
fn parts(names: &FileNames) -> impl Iterator<Item = &str> {
    let beside = names.beside.iter().filter(|beside| beside.role == Role::Lines);
    std::iter::once(names.name.as_str()).chain(beside.map(|beside| beside.name.as_str()))
}

/// What stands for a name when names are compared: volumes change the case of letters, and take é for e with an accent
/// of its own. In doubt a file is ours, and waits.
pub(super) fn key(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let plain: String = name.chars().map(|c| deunicode::deunicode_char(c).unwrap_or_default()).collect();
    plain.to_lowercase()
}

/// How a name in a folder counts as that of an order file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Match {
    Exact,
    /// Tills append `.err`, `.bak`, `.done`.
    WithExtension,
}

fn optional(
    folder: Option<&Path>,
    wanted: &HashSet<String>,
    settings: &EposSettings,
    importing: &Importing,
) -> Result<HashMap<String, String>, EposError> {
    let Some(folder) = folder else { return Ok(HashMap::new()) };
    let found = listed(folder, wanted, Match::WithExtension, settings)?;
    // Inside the import folder it is where that is; it need not be there yet.
    if !is_inside(folder, settings) {
        importing.places.make_sure_of(folder)?;
    }
    Ok(found)
}

/// The wanted names that the folder shows, by their [`key`], and as they are written there.
fn listed(
    folder: &Path,
    wanted: &HashSet<String>,
    how: Match,
    settings: &EposSettings,
) -> Result<HashMap<String, String>, EposError> {
    let failed = |error| {
        let shown = folder.display();
        of_files(format!("cannot list {shown}, so that nothing is known about orders; is the share connected?"), error)
    };
    let entries = match fs::read_dir(folder) {
        // Tills make their folders inside the import folder when they first need them; that folder was just proven.
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_inside(folder, settings) => {
            return Ok(HashMap::new());
        }
        other => other.map_err(failed)?,
    };
    let mut found = HashMap::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if let Some(key) = wanted_name(&key(&name), wanted, how) {
            found.insert(key, name);
        }
    }
    Ok(found)
}

fn is_inside(folder: &Path, settings: &EposSettings) -> bool {
    folder != settings.import_folder && folder.starts_with(&settings.import_folder)
}

fn wanted_name(name: &str, wanted: &HashSet<String>, how: Match) -> Option<String> {
    if wanted.contains(name) {
        return Some(name.to_owned());
    }
    let mut points = name.match_indices('.').map(|(at, _)| at).filter(|_| how == Match::WithExtension);
    points.find(|at| wanted.contains(&name[..*at])).map(|at| name[..at].to_owned())
}
