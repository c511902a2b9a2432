//! What was found so far: one entry per key, with confidence and reasons.
//!
//! Promises: a key is never settled twice, a person's answer goes before everything, and a doubtful key never has a
//! value.

use std::collections::BTreeMap;

use serde::Serialize;
use toml::Value;

use super::Guess;

/// What a person has decided, by key.
pub type Answers = BTreeMap<String, Value>;

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// A person said so.
    Told,
    /// The samples prove it.
    Proved,
    /// Nothing else fits.
    Sure,
    /// Nothing else fits, but reading the samples went not without trouble.
    Likely,
    /// Nothing in the samples speaks for or against it; it is what nearly all tills do, or what is safe.
    Assumed,
    /// Several things fit; a person has to decide.
    Doubtful,
}

/// What was found about one key.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The key of the profile, with dots (`columns.sku`).
    pub key: &'static str,
    /// What the profile should say; `None` when it is doubtful.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// How sure that is.
    pub confidence: Confidence,
    /// Why.
    pub reason: String,
    /// What to ask a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<Question>,
}

/// What to ask a person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// The question.
    pub text: String,
    /// The answers to choose from.
    pub choices: Vec<Choice>,
    /// Which choice is taken when the person says nothing; only where the key has a value already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usual: Option<usize>,
}

/// One answer to choose.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// What the profile then says.
    pub value: Value,
    /// What that means, for a person.
    pub label: String,
}

impl Choice {
    pub(super) fn new(value: impl Into<Value>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into() }
    }
}

/// The order in which keys are written, that of the vocabulary.
const ORDER: [&str; 30] = [
    "kind",
    "encoding",
    "delimiter",
    "quote",
    "header",
    "skip_lines",
    "comment",
    "record_path",
    "record_types",
    "columns.sku",
    "columns.quantity",
    "columns.branch",
    "columns.action",
    "columns.sequence",
    "columns.as_of",
    "decimal",
    "thousands",
    "implied_decimals",
    "negative",
    "spreadsheet_text_guard",
    "ignore_rows",
    "end_marker",
    "final_newline",
    "branch",
    "export",
    "actions",
    "trailer",
    "completeness",
    "as_of",
    "sequence",
];

/// The findings so far.
pub(super) struct Book<'a> {
    answers: &'a Answers,
    findings: Vec<Finding>,
    remarks: Vec<String>,
}

impl<'a> Book<'a> {
    pub(super) fn new(answers: &'a Answers) -> Self {
        Self { answers, findings: Vec::new(), remarks: Vec::new() }
    }

    /// What the person said about a key.
    pub(super) fn answer(&self, key: &str) -> Option<Value> {
        self.answers.get(key).cloned()
    }

    /// Writes a finding down.
    pub(super) fn settle(
        &mut self,
        key: &'static str,
        value: impl Into<Value>,
        confidence: Confidence,
        reason: impl Into<String>,
    ) {
        let finding = match self.answer(key) {
            Some(told) => Finding::told(key, told),
            None => Finding { key, value: Some(value.into()), confidence, reason: reason.into(), question: None },
        };
        self.enter(finding);
    }

    /// Writes down that a key is doubtful. Gives the person's answer, if there is one.
    pub(super) fn doubt(
        &mut self,
        key: &'static str,
        reason: impl Into<String>,
        text: impl Into<String>,
        choices: Vec<Choice>,
    ) -> Option<Value> {
        let answer = self.answer(key);
        let question = Some(Question { text: text.into(), choices, usual: None });
        let doubtful =
            || Finding { key, value: None, confidence: Confidence::Doubtful, reason: reason.into(), question };
        self.enter(answer.clone().map_or_else(doubtful, |told| Finding::told(key, told)));
        answer
    }

    /// Writes down what nothing speaks against, and what to ask about it all the same.
    pub(super) fn assume(&mut self, key: &'static str, value: impl Into<Value>, reason: &str, question: Question) {
        self.settle(key, value, Confidence::Assumed, reason);
        if let Some(finding) = self.findings.iter_mut().find(|finding| finding.key == key)
            && finding.confidence == Confidence::Assumed
        {
            finding.question = Some(question);
        }
    }

    /// Something worth knowing that leads to no key.
    pub(super) fn remark(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.remarks.contains(&text) {
            self.remarks.push(text);
        }
    }

    /// The value of a key that is settled.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.findings.iter().find(|finding| finding.key == key).and_then(|finding| finding.value.as_ref())
    }

    fn enter(&mut self, finding: Finding) {
        match self.findings.iter_mut().find(|old| old.key == finding.key) {
            Some(old) => *old = finding,
            None => self.findings.push(finding),
        }
    }

    /// The proposal, its keys in order.
    pub(super) fn close(mut self, exports: Vec<usize>, senseless: Option<String>) -> Guess {
        self.findings.sort_by_key(|finding| ORDER.iter().position(|key| *key == finding.key));
        Guess { findings: self.findings, remarks: self.remarks, exports, senseless, ..Guess::default() }
    }
}

impl Confidence {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Proved => "proved",
            Self::Sure => "sure",
            Self::Likely => "likely",
            Self::Assumed => "assumed",
            Self::Doubtful => "doubtful",
        }
    }
}

impl Finding {
    fn told(key: &'static str, value: Value) -> Self {
        let reason = "you said so".to_owned();
        Self { key, value: Some(value), confidence: Confidence::Told, reason, question: None }
    }
}

/// A few texts, for a reason.
pub(super) fn some<'t>(texts: impl IntoIterator<Item = &'t str>) -> String {
    const SHOWN: usize = 5;
    const LONGEST: usize = 24;
    let mut texts = texts.into_iter();
    let mut shown: Vec<String> = texts
        .by_ref()
        .take(SHOWN)
        .map(|text| match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        })
        .collect();
    if texts.next().is_some() {
        shown.push("…".to_owned());
    }
    shown.join(", ")
}
