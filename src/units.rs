//! Durations as people write them in the configuration: `5s`, `30 min`, `1h 30m`.
//!
//! Promises: a duration is never negative, and an unreadable one names what was written and what is wanted.

use std::fmt;
use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(Duration);

impl Span {
    /// So many seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// So many milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// For timers.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// For arithmetic with timestamps.
    pub fn signed(self) -> SignedDuration {
        SignedDuration::try_from(self.0).unwrap_or(SignedDuration::MAX)
    }

    /// Reads `5s`, `30 min`, `1h 30m`, `500ms`.
    ///
    /// # Errors
    /// A sentence for the person who wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wanted = || format!("{text:?} is no duration; write it like \"5s\", \"30 min\" or \"1h 30m\"");
        let span: SignedDuration = text.trim().parse().map_err(|_| wanted())?;
        Duration::try_from(span).map(Self).map_err(|_| wanted())
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.signed())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_str(Reading)
    }
}

/// Says what a duration looks like where something else stands.
struct Reading;

impl serde::de::Visitor<'_> for Reading {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration like \"5s\", \"30 min\" or \"1h 30m\"")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
        Span::parse(text).map_err(E::custom)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, wanted) in [("5s", 5000), ("30 min", 1_800_000), ("1h 30m", 5_400_000), ("500ms", 500), ("0s", 0)] {
            assert_eq!(Span::parse(text).unwrap().duration().as_millis(), wanted, "{text}");
        }
        for text in ["", "5", "-5s", "soon"] {
            assert!(Span::parse(text).is_err(), "{text}");
        }
        assert_eq!(Span::parse(&Span::seconds(90).to_string()), Ok(Span::seconds(90)));
    }
}
