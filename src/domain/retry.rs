//! When to try again, and when not to.
//!
//! Promises: full jitter over an exponential ceiling (so that five hundred shops do not come back in step), the
//! store's own `Retry-After` is not undercut (up to an hour), and a permanent failure is never repeated blindly.

use jiff::SignedDuration;

/// First ceiling of the backoff.
pub const FIRST_CEILING: SignedDuration = SignedDuration::from_secs(2);
/// Last ceiling: after a night offline the agent is back within five minutes of the line.
pub const LAST_CEILING: SignedDuration = SignedDuration::from_secs(300);
/// Least pause between two attempts, so that jitter near zero does not hammer a store.
pub const LEAST_PAUSE: SignedDuration = SignedDuration::from_millis(250);
/// No pause is longer, whatever a store asks for: and what seems to wait longer waits for a clock that was wrong.
pub const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// Pause after a failure that only a person can end (a revoked token): slow, yet the agent notices the mend itself.
pub const PAUSE_WHEN_REFUSED: SignedDuration = SignedDuration::from_secs(60);

/// What kind of failure it was; said once, where it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// Will pass by itself: the line, a timeout, 429, 503.
    Transient,
    /// Will not pass until someone changes something: a wrong token, an unknown SKU.
    Permanent,
    /// Our own mistake: an answer we do not understand, a request the store calls malformed.
    Bug,
}

impl FailureClass {
    /// Its word in tables.
    pub fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Bug => "bug",
        }
    }
}

/// The pause before the next attempt.
///
/// `attempt` counts from 1 (the attempt that just failed). `jitter` is a random number in 0.0 ..= 1.0, passed in.
pub fn pause(attempt: u32, class: FailureClass, retry_after: Option<SignedDuration>, jitter: f64) -> SignedDuration {
    let own = match class {
        FailureClass::Transient => scaled(ceiling(attempt), jitter).max(LEAST_PAUSE),
        FailureClass::Permanent | FailureClass::Bug => PAUSE_WHEN_REFUSED.max(scaled(ceiling(attempt), jitter)),
    };
    own.max(retry_after.unwrap_or(SignedDuration::ZERO)).min(LONGEST_PAUSE)
}

fn ceiling(attempt: u32) -> SignedDuration {
    let doublings = attempt.saturating_sub(1).min(16);
    FIRST_CEILING.saturating_mul(1 << doublings).min(LAST_CEILING)
}

fn scaled(whole: SignedDuration, part: f64) -> SignedDuration {
    whole.mul_f64(part.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_respect_retry_after() {
        let full = |attempt| pause(attempt, FailureClass::Transient, None, 1.0);
        assert_eq!(full(1), SignedDuration::from_secs(2));
        assert_eq!(full(4), SignedDuration::from_secs(16));
        assert_eq!(full(1000), LAST_CEILING);
        assert_eq!(pause(3, FailureClass::Transient, None, 0.0), LEAST_PAUSE);
        let told = Some(SignedDuration::from_secs(900));
        assert_eq!(pause(1, FailureClass::Transient, told, 0.5), SignedDuration::from_secs(900));
        let absurd = Some(SignedDuration::from_hours(24 * 365));
        assert_eq!(pause(1, FailureClass::Transient, absurd, 0.5), LONGEST_PAUSE);
    }

    #[test]
    fn what_only_a_person_can_mend_is_tried_slowly() {
        assert_eq!(pause(1, FailureClass::Permanent, None, 0.0), PAUSE_WHEN_REFUSED);
        assert_eq!(pause(1, FailureClass::Bug, None, 1.0), PAUSE_WHEN_REFUSED);
    }
}
