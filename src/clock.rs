//! The system's clock: the only place that reads it.

use jiff::Timestamp;

use crate::ports::Clock;

/// Wall-clock time from the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the adapter that reads the clock for everybody else")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
