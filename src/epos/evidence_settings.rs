//! The settings of what proves that the till booked an order, and what is wrong with them.
//!
//! Promises: unknown keys are refused; each complaint names its key and a remedy; a name or text that could be about
//! another order is refused.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::evidence_pattern::{Pattern, stem_and_ending};
use super::profile::Encoding;
use crate::domain::evidence::EvidenceRules;

/// What proves that the till booked an order (`[epos.evidence]`).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EvidenceSettings {
    /// What a file proves that has merely gone; unset: see [`EvidenceSettings::gone`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<GoneProves>,
    /// Names that the till gives to files that it has taken, in the import folder: `{name}`, `{stem}`, `{ext}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub renamed_to: Vec<String>,
    /// The same for files that it refuses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub renamed_rejected: Vec<String>,
    /// The file that the till writes in answer to an order file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_file: Option<AnswerFile>,
    /// Reports or logs in which the till names orders.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report: Option<ReportFiles>,
}

/// What a file proves that has merely gone from the import folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GoneProves {
    /// That the till booked its orders.
    Enough,
    /// Nothing: the order is taken and unproved until there is better evidence, or a person declares it.
    Unproved,
}

/// The file that the till writes in answer to an order file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerFile {
    /// Its name, from the order file's: `{name}`, `{stem}`, `{ext}`.
    pub name: String,
    /// Where it appears; unset: in the import folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// Its character encoding.
    #[serde(default)]
    pub encoding: Encoding,
    /// Texts that say that an order is booked.
    #[serde(default)]
    pub booked: Vec<String>,
    /// Texts that say that it is refused.
    #[serde(default)]
    pub refused: Vec<String>,
    /// Texts that say that only a part of it is booked.
    #[serde(default)]
    pub partly: Vec<String>,
}

/// Reports or logs in which the till names orders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReportFiles {
    /// Where they are.
    pub folder: PathBuf,
    /// Their names, with `*` and `?`.
    pub files: Vec<String>,
    /// Their character encoding.
    #[serde(default)]
    pub encoding: Encoding,
    /// Lines that say that an order is booked.
    #[serde(default)]
    pub booked: Vec<String>,
    /// Lines that say that it is refused.
    #[serde(default)]
    pub refused: Vec<String>,
    /// Lines that say that only a part of it is booked.
    #[serde(default)]
    pub partly: Vec<String>,
}

impl EvidenceSettings {
    /// Does the till itself say which orders it booked?
    fn has_words_of_booking(&self) -> bool {
        self.answer_file.as_ref().is_some_and(|answer| !answer.booked.is_empty())
            || self.report.as_ref().is_some_and(|report| !report.booked.is_empty())
    }

    /// What a file proves that has merely gone: by default enough, unless something better is configured.
    pub fn gone(&self, has_done_folder: bool) -> GoneProves {
        let has_better = has_done_folder || !self.renamed_to.is_empty() || self.has_words_of_booking();
        self.gone.unwrap_or(if has_better { GoneProves::Unproved } else { GoneProves::Enough })
    }

    /// What the whereabouts of files prove.
    pub(super) fn rules(&self, has_done_folder: bool) -> EvidenceRules {
        let gone_proves = self.gone(has_done_folder) == GoneProves::Enough;
        EvidenceRules { gone_proves, moved_proves: gone_proves || !self.has_words_of_booking() }
    }

    /// What counts as proof, for a person.
    pub(super) fn in_words(&self, has_done_folder: bool) -> String {
        let rules = self.rules(has_done_folder);
        let mut proofs = Vec::new();
        if self.answer_file.as_ref().is_some_and(|answer| !answer.booked.is_empty()) {
            proofs.push("the till's answer file says so");
        }
        if self.report.as_ref().is_some_and(|report| !report.booked.is_empty()) {
            proofs.push("a report of the till says so");
        }
        if rules.moved_proves && has_done_folder {
            proofs.push("its file is in epos.done_folder");
        }
        if rules.moved_proves && !self.renamed_to.is_empty() {
            proofs.push("its file was renamed as the till does");
        }
        if rules.gone_proves {
            proofs.push("its file has gone from the import folder");
        }
        let gone = match (self.gone, rules.gone_proves) {
            (Some(_), true) => "",
            (None, true) => " (gone is enough because nothing better is configured in epos.evidence)",
            (_, false) => {
                "; a file that has merely gone proves nothing: its order is taken-unproved, and counts as not booked"
            }
        };
        let has_moves = has_done_folder || !self.renamed_to.is_empty();
        let moved = if has_moves && !rules.moved_proves { "; one that was moved or renamed neither" } else { "" };
        let proofs = if proofs.is_empty() { "only a person declares it".to_owned() } else { proofs.join(", or ") };
        format!("{proofs}{gone}{moved}")
    }

    /// Everything that is wrong: the key within `evidence`, and what to do.
    pub(super) fn problems(&self, sample_name: &str, import_folder: &Path) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        for (key, templates) in
            [("evidence.renamed_to", &self.renamed_to), ("evidence.renamed_rejected", &self.renamed_rejected)]
        {
            found.extend(templates.iter().filter_map(|template| Some((key, name_problem(template, sample_name)?))));
        }
        let same = self.renamed_to.iter().find(|template| self.renamed_rejected.contains(template));
        found.extend(same.map(|template| {
            let what = format!("{template:?} is in renamed_to as well; a name means taken or refused, not both");
            ("evidence.renamed_rejected", what)
        }));
        self.answer_problems(sample_name, import_folder, &mut found);
        self.report_problems(&mut found);
        found
    }

    fn answer_problems(&self, sample_name: &str, import_folder: &Path, found: &mut Vec<(&'static str, String)>) {
        const KEY: &str = "evidence.answer_file";
        let Some(answer) = &self.answer_file else { return };
        // In a folder of its own the answer may have the order file's very name.
        let is_elsewhere = answer.folder.as_ref().is_some_and(|folder| folder != import_folder);
        let other = if is_elsewhere { "" } else { sample_name };
        found.extend(answer.folder.as_deref().and_then(folder_problem).map(|what| (KEY, what)));
        found.extend(name_problem_beside(&answer.name, sample_name, other).map(|what| (KEY, format!("name {what}"))));
        found.extend(text_problems([&answer.booked, &answer.refused, &answer.partly], false).map(|what| (KEY, what)));
        if [&answer.booked, &answer.refused, &answer.partly].iter().all(|texts| texts.is_empty()) {
            found.push((
                KEY,
                "says nothing about what answers mean; write booked = [\"OK\"], refused = [\"ERROR\"]".into(),
            ));
        }
    }

    fn report_problems(&self, found: &mut Vec<(&'static str, String)>) {
        const KEY: &str = "evidence.report";
        let Some(report) = &self.report else { return };
        found.extend(folder_problem(&report.folder).map(|what| (KEY, what)));
        if report.files.is_empty() {
            found.push((KEY, "names no files; write files = [\"import*.log\"]".into()));
        }
        found.extend(text_problems([&report.booked, &report.refused, &report.partly], true).map(|what| (KEY, what)));
        if [&report.booked, &report.refused, &report.partly].iter().all(|texts| texts.is_empty()) {
            let what = "says nothing about what its lines mean; write booked = [\"Order {number} imported\"]";
            found.push((KEY, what.into()));
        }
    }
}

fn folder_problem(folder: &Path) -> Option<String> {
    let is_full = !folder.as_os_str().is_empty() && folder.is_absolute();
    (!is_full).then(|| format!("folder {:?} is no full path; write it from the drive or root on", folder.display()))
}

fn text_problems(texts: [&Vec<String>; 3], must_name: bool) -> impl Iterator<Item = String> {
    texts.into_iter().flatten().filter_map(move |text| match Pattern::parse(text) {
        Err(why) => Some(format!("{text:?} {why}")),
        Ok(pattern) if must_name && !pattern.names_its_subject() => Some(format!(
            "{text:?} names no order, so that a line about one would count for all; write {{number}}, {{id}}, {{name}} or {{stem}} into it"
        )),
        Ok(_) => None,
    })
}

fn name_problem(template: &str, sample_name: &str) -> Option<String> {
    name_problem_beside(template, sample_name, sample_name)
}

/// What is wrong with a template of names for files that lie where the file `other` lies.
fn name_problem_beside(template: &str, sample_name: &str, other: &str) -> Option<String> {
    let name = filled(template, sample_name);
    let (stem, ending) = stem_and_ending(sample_name);
    let copy = name.strip_prefix(stem).and_then(|rest| rest.strip_suffix(ending)?.strip_prefix('_')?.strip_suffix('.'));
    if name.contains(['{', '}']) {
        Some(format!("{template:?} has an unknown placeholder; known are {{name}}, {{stem}} and {{ext}}"))
    } else if !template.contains("{name}") && !template.contains("{stem}") {
        Some(format!("{template:?} is the same for every order; write {{name}} or {{stem}} into it"))
    } else if name.contains(['/', '\\', ':', '*', '?']) {
        Some(format!("{template:?} is no file name; write it without folders and without * and ?"))
    } else if name.eq_ignore_ascii_case(other) {
        Some(format!("{template:?} is the order file's own name"))
    } else if copy.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())) {
        Some(format!("{template:?} is the name of an order's further file; choose another"))
    } else {
        None
    }
}

/// The name that a template makes of an order file's; unknown placeholders stay in it.
pub(super) fn filled(template: &str, name: &str) -> String {
    let (stem, ending) = stem_and_ending(name);
    template.replace("{name}", name).replace("{stem}", stem).replace("{ext}", ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> EvidenceSettings {
        toml::from_str(text).unwrap()
    }

    fn problems(text: &str) -> String {
        let found = settings(text).problems("order_1.csv", Path::new("/import"));
        found.iter().map(|(key, what)| format!("{key}: {what}\n")).collect()
    }

    const REPORT: &str = "[report]\nfolder = \"/log\"\nfiles = [\"*.log\"]\nbooked = [\"Order {number} imported\"]";
    const ANSWER: &str = "[answer_file]\nname = \"{stem}.rsp\"\nbooked = [\"OK\"]\nrefused = [\"ERROR\"]";

    #[test]
    fn gone_is_enough_only_where_nothing_better_is_configured_or_it_is_said() {
        let rules = |text: &str, done| {
            let rules = settings(text).rules(done);
            (rules.gone_proves, rules.moved_proves)
        };
        assert_eq!((rules("", false), rules("", true)), ((true, true), (false, true)));
        assert_eq!(rules("renamed_to = [\"{name}.bak\"]", false), (false, true));
        assert_eq!(rules("gone = \"unproved\"", false), (false, true));
        assert_eq!((rules(REPORT, true), rules(ANSWER, true)), ((false, false), (false, false)));
        assert_eq!(rules(&format!("gone = \"enough\"\n{REPORT}"), true), (true, true));
        // Answers only where something was refused prove no booking.
        assert_eq!(rules("[answer_file]\nname = \"{stem}.err\"\nrefused = [\"*ERR*\"]", false), (true, true));
        assert!(settings("").in_words(false).contains("nothing better is configured"));
        assert!(settings("gone = \"unproved\"").in_words(false).contains("only a person"));
        assert!(settings(REPORT).in_words(true).contains("a report of the till"));
    }

    #[test]
    fn settings_that_cannot_work_name_the_key_and_the_remedy() {
        for (text, words) in [
            ("renamed_to = [\"done.csv\"]", ["evidence.renamed_to", "{stem}"]),
            ("renamed_to = [\"{name}\"]", ["evidence.renamed_to", "own name"]),
            ("renamed_to = [\"{stem}_2.csv\"]", ["evidence.renamed_to", "further file"]),
            ("renamed_to = [\"{nam}.bak\"]", ["evidence.renamed_to", "{name}"]),
            ("renamed_rejected = [\"err/{name}\"]", ["evidence.renamed_rejected", "without folders"]),
            ("renamed_to = [\"{name}.x\"]\nrenamed_rejected = [\"{name}.x\"]", ["evidence.renamed_rejected", "both"]),
            ("[answer_file]\nname = \"{name}\"\nbooked = [\"OK\"]", ["evidence.answer_file", "own name"]),
            (
                "[answer_file]\nname = \"{name}\"\nfolder = \"/import\"\nbooked = [\"OK\"]",
                ["evidence.answer_file", "own name"],
            ),
            (
                "[answer_file]\nname = \"{name}\"\nfolder = \"rsp\"\nbooked = [\"OK\"]",
                ["evidence.answer_file", "full path"],
            ),
            ("[answer_file]\nname = \"{stem}.rsp\"", ["evidence.answer_file", "booked = "]),
            ("[report]\nfolder = \"/l\"\nfiles = []\nbooked = [\"{number}\"]", ["evidence.report", "files = "]),
            ("[report]\nfolder = \"/l\"\nfiles = [\"*\"]\nbooked = [\"imported\"]", ["evidence.report", "{number}"]),
            ("[report]\nfolder = \"/l\"\nfiles = [\"*\"]", ["evidence.report", "booked = "]),
        ] {
            let said = problems(text);
            assert!(words.iter().all(|word| said.contains(word)), "{text}: {said}");
        }
        assert_eq!(
            problems(&format!("renamed_to = [\"{{name}}.bak\", \"{{stem}}_processed.{{ext}}\"]\n{REPORT}\n{}", ANSWER)),
            ""
        );
        assert!(toml::from_str::<EvidenceSettings>("gon = \"enough\"").is_err());
        assert!(toml::from_str::<EvidenceSettings>(&format!("{REPORT}\nbookd = []")).is_err());
    }
}
