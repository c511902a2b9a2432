//! Ready order profiles, to print and adapt.
//!
//! Promises: each is a section of a configuration that works as it stands, says whose import it is for, and where that is
//! known from. Does not promise that a till's make has only one kind of import: try one order first.

/// The ready profiles: name, for what, and the section of a configuration.
pub const READY: [(&str, &str, &str); 5] = [
    ("evopos", "EVOPOS, columns A to R, a line per item", include_str!("order_profiles/evopos.toml")),
    ("khaos", "Khaos Control, tab separated, payment once", include_str!("order_profiles/khaos.toml")),
    ("records", "header, line, payment and trailer records", include_str!("order_profiles/records.toml")),
    ("headerlines", "header and lines as two files", include_str!("order_profiles/headerlines.toml")),
    ("xml", "an order as XML, by template", include_str!("order_profiles/xml.toml")),
];

/// The ready profile of this name.
pub fn ready(name: &str) -> Option<&'static str> {
    READY.iter().find(|(known, _, _)| *known == name).map(|(_, _, text)| *text)
}
