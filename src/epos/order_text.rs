//! Texts as a till can read them: one line, in its code page, with nothing that breaks the record.
//!
//! Promises: whatever a customer typed, a record stays one record with its number of fields, and XML stays the
//! template's XML; every change made to a value is told as a warning that names the column, once per column.

use std::collections::{BTreeMap, BTreeSet};

use super::order_charset::{Encoded, encoded, encoding_name, nearest};
use super::order_column::OrderValue;
use super::order_profile::{
    Align, LineEnd, OrderColumn, OrderKind, OrderProfile, QuoteFields, TooLong, UnknownCharacters,
};
use super::order_values::Place;
use crate::ports::EposError;

/// Characters at the start of a text that make a spreadsheet compute.
const FORMULA_STARTS: [char; 4] = ['=', '+', '-', '@'];
/// Characters that some programs take for a line end although they are no control characters, and two that XML refuses.
const ODD_CHARACTERS: [char; 4] = ['\u{2028}', '\u{2029}', '\u{fffe}', '\u{ffff}'];
/// Stands for a character that the code page lacks.
const LACKING: char = '?';

/// An order file in the making.
pub(super) struct OrderText<'p> {
    profile: &'p OrderProfile,
    bytes: Vec<u8>,
    is_first_field: bool,
    warnings: BTreeSet<String>,
}

impl<'p> OrderText<'p> {
    pub(super) fn new(profile: &'p OrderProfile) -> Self {
        Self { profile, bytes: Vec::new(), is_first_field: true, warnings: BTreeSet::new() }
    }

    /// Adds a column's name to the present line.
    pub(super) fn heading(&mut self, column: &OrderColumn) {
        let name = self.in_one_line(column, &column.name);
        let name = self.with_stand_ins(column, &name).0;
        self.laid_out(&OrderColumn { align: Align::Left, fill: ' ', ..column.clone() }, &name);
    }

    /// Adds a field to the present line.
    ///
    /// # Errors
    /// When the field cannot hold the value, and the profile says that the order is refused then.
    pub(super) fn field(&mut self, column: &OrderColumn, value: &str, place: Place<'_>) -> Result<(), EposError> {
        let value = self.cleaned(column, value, place)?;
        self.laid_out(column, &value);
        Ok(())
    }

    /// Adds a value to the XML.
    ///
    /// # Errors
    /// As [`OrderText::field`].
    pub(super) fn xml_value(&mut self, column: &OrderColumn, value: &str, place: Place<'_>) -> Result<(), EposError> {
        let value = self.cleaned(column, value, place)?;
        for c in value.chars() {
            match c {
                '&' => self.plain("&amp;"),
                '<' => self.plain("&lt;"),
                '>' => self.plain("&gt;"),
                '"' => self.plain("&quot;"),
                '\'' => self.plain("&apos;"),
                _ if encoded(self.profile.encoding, c).is_none() => self.plain(&format!("&#{};", u32::from(c))),
                _ => self.put(c),
            }
        }
        Ok(())
    }

    /// Adds what the template says outside of values.
    pub(super) fn literal(&mut self, text: &str) {
        for c in text.chars().filter(|c| *c != '\r') {
            if c == '\n' { self.end_line() } else { self.put(c) }
        }
    }

    /// Ends the present line.
    pub(super) fn end_line(&mut self) {
        let end: &[u8] = match self.profile.line_end {
            LineEnd::Crlf => b"\r\n",
            LineEnd::Lf => b"\n",
        };
        self.bytes.extend_from_slice(end);
        self.is_first_field = true;
    }

    /// The bytes and the warnings.
    pub(super) fn finished(self) -> (Vec<u8>, Vec<String>) {
        (self.bytes, self.warnings.into_iter().collect())
    }

    fn cleaned(&mut self, column: &OrderColumn, value: &str, place: Place<'_>) -> Result<String, EposError> {
        self.check_exact(column, value, place)?;
        let value = self.in_one_line(column, value);
        let mut value = match self.profile.kind {
            OrderKind::Xml => value,
            OrderKind::Csv | OrderKind::Fixed => self.in_code_page(column, &value, place)?,
        };
        if self.profile.formula_guard && column.value.is_free_text() && value.trim_start().starts_with(FORMULA_STARTS) {
            value.insert(0, '\'');
        }
        self.within_length(column, value, place)
    }

    /// An SKU with a character replaced would be another item.
    fn check_exact(&self, column: &OrderColumn, value: &str, place: Place<'_>) -> Result<(), EposError> {
        let (is_xml, is_csv) = (self.profile.kind == OrderKind::Xml, self.profile.kind == OrderKind::Csv);
        let breaks_field =
            |c: char| is_csv && self.profile.quote == QuoteFields::Never && (c == self.profile.delimiter || c == '"');
        let is_lost = |c: char| {
            let is_lacking = !is_xml && encoded(self.profile.encoding, c).is_none();
            is_lacking || breaks_field(c) || c.is_control() || ODD_CHARACTERS.contains(&c)
        };
        match value.chars().find(|c| is_lost(*c)).filter(|_| column.value == OrderValue::LineSku) {
            None => Ok(()),
            Some(lost) => {
                let why = format!(
                    "{value:?} cannot be written as it is: the till's file has no place for {lost:?}, and with another character it would be another item; change encoding, delimiter or quote, or give the item another SKU"
                );
                Err(place.refused(column, &why))
            }
        }
    }

    fn in_one_line(&mut self, column: &OrderColumn, value: &str) -> String {
        let breaks = |c: char| c.is_control() || ODD_CHARACTERS.contains(&c);
        if !value.contains(breaks) {
            return value.to_owned();
        }
        let with = self.profile.replace_with;
        self.warn(column, &format!("line ends and control characters were replaced by {}", shown(with)));
        value.replace("\r\n", "\n").replace(breaks, &with.to_string())
    }

    fn in_code_page(&mut self, column: &OrderColumn, value: &str, place: Place<'_>) -> Result<String, EposError> {
        let (kept, lost) = self.with_stand_ins(column, value);
        match (self.profile.unknown_characters, lost.is_empty()) {
            (UnknownCharacters::QuestionMark | UnknownCharacters::Transliterate, _) | (_, true) => Ok(kept),
            (UnknownCharacters::Refuse, false) => {
                let name = encoding_name(self.profile.encoding);
                let lost: Vec<String> = lost.into_keys().map(String::from).collect();
                let why = format!(
                    "the till's code page {name} has no {}; write it otherwise in the web store, or set unknown_characters = \"transliterate\"",
                    lost.join(" ")
                );
                Err(place.refused(column, &why))
            }
        }
    }

    /// The value with what stands for characters that the code page lacks; and those characters.
    fn with_stand_ins(&mut self, column: &OrderColumn, value: &str) -> (String, BTreeMap<char, String>) {
        let mut lost = BTreeMap::new();
        let mut kept = String::new();
        for c in value.chars() {
            if encoded(self.profile.encoding, c).is_some() {
                kept.push(c);
                continue;
            }
            let near = match self.profile.unknown_characters {
                UnknownCharacters::Transliterate => nearest(c).map(str::to_owned),
                UnknownCharacters::QuestionMark | UnknownCharacters::Refuse => None,
            };
            kept.push_str(lost.entry(c).or_insert_with(|| near.unwrap_or_else(|| LACKING.to_string())));
        }
        let name = encoding_name(self.profile.encoding);
        let mut by_stand_in: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        lost.iter().for_each(|(c, stand_in)| by_stand_in.entry(stand_in).or_default().push(c.to_string()));
        for (stand_in, lost) in by_stand_in {
            self.warn(column, &format!("{name} has no {}, written as {stand_in}", lost.join(" ")));
        }
        (kept, lost)
    }

    fn within_length(&mut self, column: &OrderColumn, value: String, place: Place<'_>) -> Result<String, EposError> {
        let (count, Some(most)) = (value.chars().count(), column.length) else { return Ok(value) };
        match column.too_long {
            _ if count <= most => Ok(value),
            TooLong::Cut => {
                self.warn(column, &format!("cut to {most} characters"));
                Ok(value.chars().take(most).collect())
            }
            TooLong::Refuse => {
                let shown = if column.value.is_private() { column.value.to_string() } else { format!("{value:?}") };
                let why = format!(
                    "{shown} has {count} characters, and the till takes {most}; shorten it in the web store, or set the field's length or too_long = \"cut\""
                );
                Err(place.refused(column, &why))
            }
        }
    }

    fn laid_out(&mut self, column: &OrderColumn, value: &str) {
        match self.profile.kind {
            OrderKind::Fixed => self.padded(column, value),
            OrderKind::Csv | OrderKind::Xml => self.separated(column, value),
        }
    }

    fn padded(&mut self, column: &OrderColumn, value: &str) {
        let missing = column.length.unwrap_or_default().saturating_sub(value.chars().count());
        let fill = column.fill.to_string().repeat(missing);
        match (column.align, value.strip_prefix('-').filter(|_| column.fill == '0')) {
            (Align::Left, _) => self.plain(&format!("{value}{fill}")),
            (Align::Right, Some(digits)) => self.plain(&format!("-{fill}{digits}")),
            (Align::Right, None) => self.plain(&format!("{fill}{value}")),
        }
    }

    fn separated(&mut self, column: &OrderColumn, value: &str) {
        if !self.is_first_field {
            self.put(self.profile.delimiter);
        }
        self.is_first_field = false;
        match self.profile.quote {
            QuoteFields::Always => self.quoted(value),
            QuoteFields::Needed if value.contains([self.profile.delimiter, '"']) || value.trim() != value => {
                self.quoted(value);
            }
            QuoteFields::Needed => self.plain(value),
            QuoteFields::Never => self.unquoted(column, value),
        }
    }

    fn quoted(&mut self, value: &str) {
        self.plain(&format!("\"{}\"", value.replace('"', "\"\"")));
    }

    fn unquoted(&mut self, column: &OrderColumn, value: &str) {
        let (breaks, with) = ([self.profile.delimiter, '"'], self.profile.replace_with);
        if value.contains(breaks) {
            self.warn(column, &format!("delimiters and quotation marks were replaced by {}", shown(with)));
        }
        self.plain(&value.replace(breaks, &with.to_string()));
    }

    fn warn(&mut self, column: &OrderColumn, what: &str) {
        self.warnings.insert(format!("{}: {what}", column.name));
    }

    fn plain(&mut self, text: &str) {
        text.chars().for_each(|c| self.put(c));
    }

    fn put(&mut self, c: char) {
        match encoded(self.profile.encoding, c) {
            Some(Encoded::Byte(byte)) => self.bytes.push(byte),
            Some(Encoded::Utf8) => self.bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            None => self.bytes.push(b'?'),
        }
    }
}

fn shown(c: char) -> String {
    if c == ' ' { "a space".to_owned() } else { c.to_string() }
}
