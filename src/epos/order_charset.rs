//! The code pages of order files, character by character.
//!
//! Promises: a character is written as exactly itself, or said to be lacking; what could stand for it is told apart.

use oem_cp::code_table::{ENCODING_TABLE_CP437, ENCODING_TABLE_CP850};

use super::order_profile::OrderEncoding;

/// A character's bytes.
pub(super) enum Encoded {
    /// One byte of a code page.
    Byte(u8),
    /// As UTF-8 has it.
    Utf8,
}

/// The bytes of a character, if the encoding has it.
pub(super) fn encoded(encoding: OrderEncoding, c: char) -> Option<Encoded> {
    match encoding {
        OrderEncoding::Utf8 => Some(Encoded::Utf8),
        OrderEncoding::Iso88591 => u8::try_from(u32::from(c)).ok().map(Encoded::Byte),
        OrderEncoding::Ascii => ascii(c).map(Encoded::Byte),
        OrderEncoding::Cp850 => ascii(c).or_else(|| ENCODING_TABLE_CP850.get(&c).copied()).map(Encoded::Byte),
        OrderEncoding::Cp437 => ascii(c).or_else(|| ENCODING_TABLE_CP437.get(&c).copied()).map(Encoded::Byte),
        OrderEncoding::Windows1252 => {
            let mut text = [0; 4];
            let (bytes, _, is_lossy) = encoding_rs::WINDOWS_1252.encode(c.encode_utf8(&mut text));
            (!is_lossy).then(|| bytes.first().copied()).flatten().map(Encoded::Byte)
        }
    }
}

fn ascii(c: char) -> Option<u8> {
    u8::try_from(u32::from(c)).ok().filter(u8::is_ascii)
}

/// The encoding's name for people, which is the one in an XML declaration as well.
pub(super) fn encoding_name(encoding: OrderEncoding) -> &'static str {
    match encoding {
        OrderEncoding::Utf8 => "UTF-8",
        OrderEncoding::Windows1252 => "Windows-1252",
        OrderEncoding::Iso88591 => "ISO-8859-1",
        OrderEncoding::Cp850 => "IBM850",
        OrderEncoding::Cp437 => "IBM437",
        OrderEncoding::Ascii => "US-ASCII",
    }
}

/// The nearest English letters to a character that the encoding lacks; `None` where there are none.
pub(super) fn nearest(c: char) -> Option<&'static str> {
    deunicode::deunicode_char(c).map(str::trim_end).filter(|text| !text.is_empty() && !text.contains(char::is_control))
}
