//! Texts as a till can read them: one line, in its code page, with nothing that breaks the record.
//!
//! Promises: whatever a customer typed, a record stays one record with its number of fields; every change made to a
//! value is told as a warning that names the column, once per column.

use std::collections::BTreeSet;

use super::order_profile::{LineEnd, OrderEncoding, OrderProfile, QuoteFields};

/// Characters at the start of a text that make a spreadsheet compute.
const FORMULA_STARTS: [char; 4] = ['=', '+', '-', '@'];

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

    /// Adds a field to the present line. `column` names it in warnings.
    pub(super) fn field(&mut self, column: &str, value: &str, is_free_text: bool) {
        if !self.is_first_field {
            self.put(self.profile.delimiter);
        }
        self.is_first_field = false;
        let mut value = self.in_one_line(column, value);
        if self.profile.formula_guard && is_free_text && value.trim_start().starts_with(FORMULA_STARTS) {
            value.insert(0, '\'');
        }
        let value = self.in_code_page(column, &value);
        match self.profile.quote {
            QuoteFields::Always => self.quoted(&value),
            QuoteFields::Needed if value.contains([self.profile.delimiter, '"']) || value.trim() != value => {
                self.quoted(&value);
            }
            QuoteFields::Needed => value.chars().for_each(|c| self.put(c)),
            QuoteFields::Never => self.unquoted(column, &value),
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

    fn in_one_line(&mut self, column: &str, value: &str) -> String {
        if !value.contains(char::is_control) {
            return value.to_owned();
        }
        self.warnings.insert(format!("{column}: line ends and control characters were replaced by a space"));
        value.replace("\r\n", " ").replace(char::is_control, " ")
    }

    fn in_code_page(&mut self, column: &str, value: &str) -> String {
        let (encoding, name) = (self.profile.encoding, encoding_name(self.profile.encoding));
        let mut lost = BTreeSet::new();
        let keep = |c: char| {
            if encoded(encoding, c).is_some() {
                return c;
            }
            lost.insert(c);
            '?'
        };
        let kept: String = value.chars().map(keep).collect();
        if !lost.is_empty() {
            let lost: Vec<String> = lost.into_iter().map(String::from).collect();
            self.warnings.insert(format!("{column}: {name} has no {}, written as ?", lost.join(" ")));
        }
        kept
    }

    fn quoted(&mut self, value: &str) {
        self.put('"');
        for c in value.chars() {
            if c == '"' {
                self.put('"');
            }
            self.put(c);
        }
        self.put('"');
    }

    fn unquoted(&mut self, column: &str, value: &str) {
        let breaks = [self.profile.delimiter, '"'];
        if value.contains(breaks) {
            self.warnings.insert(format!("{column}: delimiters and quotation marks were replaced by a space"));
        }
        value.replace(breaks, " ").chars().for_each(|c| self.put(c));
    }

    fn put(&mut self, c: char) {
        match encoded(self.profile.encoding, c) {
            Some(Encoded::Byte(byte)) => self.bytes.push(byte),
            Some(Encoded::Utf8) => self.bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            None => self.bytes.push(b'?'),
        }
    }
}

enum Encoded {
    Byte(u8),
    Utf8,
}

fn encoded(encoding: OrderEncoding, c: char) -> Option<Encoded> {
    match encoding {
        OrderEncoding::Utf8 => Some(Encoded::Utf8),
        OrderEncoding::Iso88591 => u8::try_from(u32::from(c)).ok().map(Encoded::Byte),
        OrderEncoding::Windows1252 => {
            let mut text = [0; 4];
            let (bytes, _, is_lossy) = encoding_rs::WINDOWS_1252.encode(c.encode_utf8(&mut text));
            (!is_lossy).then(|| bytes.first().copied()).flatten().map(Encoded::Byte)
        }
    }
}

fn encoding_name(encoding: OrderEncoding) -> &'static str {
    match encoding {
        OrderEncoding::Utf8 => "UTF-8",
        OrderEncoding::Windows1252 => "Windows-1252",
        OrderEncoding::Iso88591 => "ISO-8859-1",
    }
}
