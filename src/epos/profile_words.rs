//! The words that stock profiles are written in, where a plain `serde` type does not express them.
//!
//! Promises: each value reads from TOML and from JSON, and is written back in the same words.

use std::fmt;

use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What separates the fields of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Delimiter {
    /// Found out from the first records; not clear rejects the file.
    #[default]
    Auto,
    /// This character.
    Is(u8),
    /// There is none (fixed width, XML).
    None,
}

/// Delimiters that a till may use.
pub(super) const DELIMITERS: [u8; 5] = [b',', b';', b'\t', b'|', b'~'];

impl<'de> Deserialize<'de> for Delimiter {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Option::<String>::deserialize(from)?.as_deref() {
            None | Some("") => Ok(Self::None),
            Some("auto") => Ok(Self::Auto),
            Some("tab") => Ok(Self::Is(b'\t')),
            Some(text) => match text.as_bytes() {
                [byte] if DELIMITERS.contains(byte) => Ok(Self::Is(*byte)),
                _ => Err(de::Error::custom(format!("delimiter {text:?} is not one of auto , ; tab | ~"))),
            },
        }
    }
}

impl Serialize for Delimiter {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => to.serialize_str("auto"),
            Self::Is(byte) => to.serialize_char(char::from(*byte)),
            Self::None => to.serialize_str(""),
        }
    }
}

/// The quotation mark, if fields are quoted. In TOML, which has no null, an empty text means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quote(pub Option<u8>);

impl Default for Quote {
    fn default() -> Self {
        Self(Some(b'"'))
    }
}

impl<'de> Deserialize<'de> for Quote {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match Option::<String>::deserialize(from)?.as_deref() {
            None | Some("") => Ok(Self(None)),
            Some(text) => match text.as_bytes() {
                [byte @ (b'"' | b'\'')] => Ok(Self(Some(*byte))),
                _ => Err(de::Error::custom(format!("quote {text:?} is neither a quotation mark nor null"))),
            },
        }
    }
}

impl Serialize for Quote {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let text = self.0.map(char::from).map(String::from).unwrap_or_default();
        to.serialize_str(&text)
    }
}

/// Where a value stands in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    /// Under this name in the header; in XML a path.
    Name(String),
    /// In this field, counted from 1.
    Number(usize),
    /// In fixed width: first and last character, or a list of columns to add.
    List(Vec<Self>),
}

impl Serialize for Column {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Name(name) => to.serialize_str(name),
            Self::Number(number) => number.serialize(to),
            Self::List(list) => list.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ColumnVisitor)
    }
}

struct ColumnVisitor;

impl<'de> Visitor<'de> for ColumnVisitor {
    type Value = Column;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column name, a column number from 1, or a list of them")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Column, E> {
        Ok(Column::Name(name.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Column, E> {
        usize::try_from(number).map(Column::Number).map_err(de::Error::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Column, E> {
        usize::try_from(number).map(Column::Number).map_err(|_| de::Error::custom("column numbers count from 1"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Column, A::Error> {
        let mut columns = Vec::new();
        while let Some(column) = list.next_element()? {
            columns.push(column);
        }
        Ok(Column::List(columns))
    }
}

/// Rows that are no data: page heads, subtotals, repeated headers of printed reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IgnoreRow {
    /// The header again.
    RepeatedHeader,
    /// No SKU, and this text somewhere in the row.
    SkuEmptyAndDescriptionContains(String),
    /// A line with one field only.
    SingleFieldLine,
    /// The first field starts with this text.
    StartsWith(String),
}

const DESCRIPTION_CONTAINS: &str = "sku-empty-and-description-contains:";
const STARTS_WITH: &str = "starts-with:";

impl<'de> Deserialize<'de> for IgnoreRow {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let rule = String::deserialize(from)?;
        let text_after = |prefix| rule.strip_prefix(prefix).filter(|text| !text.is_empty()).map(str::to_owned);
        match rule.as_str() {
            "repeated-header" => Ok(Self::RepeatedHeader),
            "single-field-line" => Ok(Self::SingleFieldLine),
            _ => text_after(STARTS_WITH)
                .map(Self::StartsWith)
                .or_else(|| text_after(DESCRIPTION_CONTAINS).map(Self::SkuEmptyAndDescriptionContains))
                .ok_or_else(|| {
                    let known = "repeated-header, single-field-line, starts-with:TEXT or sku-empty-and-description-contains:TEXT";
                    de::Error::custom(format!("ignore_rows {rule:?} is none of {known}"))
                }),
        }
    }
}

impl Serialize for IgnoreRow {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::RepeatedHeader => to.serialize_str("repeated-header"),
            Self::SingleFieldLine => to.serialize_str("single-field-line"),
            Self::StartsWith(text) => to.serialize_str(&format!("{STARTS_WITH}{text}")),
            Self::SkuEmptyAndDescriptionContains(text) => to.serialize_str(&format!("{DESCRIPTION_CONTAINS}{text}")),
        }
    }
}
