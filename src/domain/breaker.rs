//! When a store that does not answer is asked again: a circuit breaker.
//!
//! Promises: after [`OPENS_AFTER`] failures in a row, or as soon as the store asks for a pause, it is left alone until a
//! time that comes with full jitter over a growing ceiling; then one asks, and all others wait for what that one finds. One
//! success closes it. Does not promise anything about failures that a store answers in full: whoever knows what was asked
//! judges those.

use jiff::{SignedDuration, Timestamp};

use super::retry::{self, FailureClass, LONGEST_PAUSE};

/// Failures in a row after which the store is left alone.
pub const OPENS_AFTER: u32 = 3;
/// Whoever asks first after a pause has so long to find out; longer than any request may take.
pub const ASKING_TAKES_AT_MOST: SignedDuration = SignedDuration::from_mins(3);
/// How long the others wait meanwhile before they look again.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// How one kind of request to the store fares.
#[derive(Debug, Clone, Default)]
pub struct Breaker {
    /// Failures in a row.
    failures: u32,
    /// When the first of them was.
    since: Option<Timestamp>,
    /// Open: nobody asks before then.
    next_try: Option<Timestamp>,
    /// The store itself asked to be left alone until then: a success of a request under way does not end that.
    rests_until: Option<Timestamp>,
    /// Since when one asks, on behalf of all.
    asking_since: Option<Timestamp>,
}

impl Breaker {
    /// May the store be asked now? Whoever gets a yes from an open breaker asks for all, and has to tell how it went.
    ///
    /// # Errors
    /// How long to wait.
    pub fn may_ask(&mut self, now: Timestamp) -> Result<(), SignedDuration> {
        match self.wait(now) {
            Some(wait) => Err(wait),
            None => {
                self.asking_since = self.next_try.map(|_| now);
                Ok(())
            }
        }
    }

    /// For how long the store is not to be asked. Asks for nobody.
    pub fn wait(&self, now: Timestamp) -> Option<SignedDuration> {
        let left = self.next_try?.duration_since(now);
        // A longer pause was set under a clock that was wrong.
        if left.is_positive() && left <= LONGEST_PAUSE {
            return Some(left);
        }
        let asking = self.asking_since.map(|since| now.duration_since(since));
        asking.filter(|asking| !asking.is_negative() && *asking < ASKING_TAKES_AT_MOST).map(|_| LOOK_AGAIN)
    }

    /// Whoever asked for all found out nothing about the store: what was asked may have been at fault. The next one asks.
    pub fn undecided(&mut self) {
        self.asking_since = None;
    }

    /// Does one ask for all just now?
    pub fn is_asking(&self) -> bool {
        self.asking_since.is_some()
    }

    /// The store did what was asked. Says how long it had not, if it was left alone meanwhile.
    pub fn served(&mut self, now: Timestamp) -> Option<SignedDuration> {
        if self.rests_until.is_some_and(|until| until > now && until.duration_since(now) <= LONGEST_PAUSE) {
            return None;
        }
        let outage = self.next_try.and(self.since).map(|since| now.duration_since(since));
        *self = Self::default();
        outage
    }

    /// The store failed. `jitter` is a random number in 0.0 ..= 1.0.
    pub fn failed(&mut self, class: FailureClass, retry_after: Option<SignedDuration>, now: Timestamp, jitter: f64) {
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert(now);
        self.asking_since = None;
        if self.failures < OPENS_AFTER && retry_after.is_none() {
            return;
        }
        let until = now.saturating_add(retry::pause(self.failures, class, retry_after, jitter));
        let until = until.unwrap_or(Timestamp::MAX);
        self.next_try = self.next_try.max(Some(until));
        if retry_after.is_some() {
            self.rests_until = self.rests_until.max(Some(until));
        }
    }

    /// It is known that the store fails: it is left alone at once.
    pub fn open(&mut self, class: FailureClass, retry_after: Option<SignedDuration>, now: Timestamp, jitter: f64) {
        self.failures = self.failures.max(OPENS_AFTER - 1);
        self.failed(class, retry_after, now, jitter);
    }

    /// A person says that the store may be asked at once.
    pub fn ask_now(&mut self) {
        (self.rests_until, self.asking_since) = (None, None);
        self.next_try = self.next_try.map(|_| Timestamp::MIN);
    }

    /// Failures in a row, and since when.
    pub fn failing(&self) -> Option<(u32, Timestamp)> {
        self.since.map(|since| (self.failures, since))
    }

    /// When the store is asked next, while it is left alone.
    pub fn next_try(&self) -> Option<Timestamp> {
        self.next_try.filter(|next| *next > Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn failed(breaker: &mut Breaker, second: i64) {
        breaker.failed(FailureClass::Transient, None, at(second), 1.0);
    }

    #[test]
    fn three_failures_open_it_and_then_one_asks_for_all_once_a_pause() {
        let mut breaker = Breaker::default();
        for second in 0..3 {
            assert_eq!(breaker.may_ask(at(second)), Ok(()), "after {second} failures");
            failed(&mut breaker, second);
        }
        assert_eq!(breaker.may_ask(at(3)), Err(SignedDuration::from_secs(7)), "8 s after the third");
        assert_eq!(breaker.may_ask(at(10)), Ok(()));
        assert_eq!(breaker.may_ask(at(10)), Err(LOOK_AGAIN), "one asks already");
        failed(&mut breaker, 11);
        assert_eq!(breaker.may_ask(at(26)), Err(SignedDuration::from_secs(1)), "16 s after the fourth");
        assert_eq!(breaker.may_ask(at(27)), Ok(()));
        assert_eq!(breaker.served(at(28)), Some(SignedDuration::from_secs(28)), "so long was it away");
        assert_eq!((breaker.may_ask(at(28)), breaker.may_ask(at(28))), (Ok(()), Ok(())));
        assert_eq!((breaker.failing(), breaker.next_try()), (None, None));
    }

    #[test]
    fn a_day_of_failures_costs_no_more_than_one_request_a_pause() {
        let (mut breaker, mut asked) = (Breaker::default(), 0);
        for second in 0..86_400 {
            for _task in 0..3 {
                if breaker.may_ask(at(second)).is_ok() {
                    asked += 1;
                    failed(&mut breaker, second);
                }
            }
        }
        assert!((288..310).contains(&asked), "{asked}: every five minutes, and a few at first");
    }

    #[test]
    fn a_success_between_failures_starts_the_count_anew() {
        let mut breaker = Breaker::default();
        for second in 0..20 {
            failed(&mut breaker, second);
            failed(&mut breaker, second);
            assert_eq!(breaker.served(at(second)), None, "it was never left alone");
        }
        assert_eq!(breaker.may_ask(at(20)), Ok(()));
    }

    #[test]
    fn a_pause_that_the_store_asked_for_is_kept_whatever_succeeds_meanwhile() {
        let mut breaker = Breaker::default();
        breaker.failed(FailureClass::Transient, Some(SignedDuration::from_secs(120)), at(0), 0.0);
        assert_eq!(breaker.served(at(1)), None);
        assert_eq!(breaker.may_ask(at(2)), Err(SignedDuration::from_secs(118)));
        failed(&mut breaker, 3);
        assert_eq!(breaker.may_ask(at(4)), Err(SignedDuration::from_secs(116)), "a shorter pause does not shorten it");
        breaker.ask_now();
        assert_eq!(breaker.may_ask(at(5)), Ok(()), "a person may");
        assert!(breaker.served(at(6)).is_some());
        assert_eq!(breaker.next_try(), None);
    }

    #[test]
    fn one_that_asked_for_all_and_died_does_not_block_the_others_for_ever() {
        let mut breaker = Breaker::default();
        breaker.open(FailureClass::Transient, None, at(0), 0.0);
        assert_eq!(breaker.may_ask(at(1)), Ok(()));
        assert_eq!(breaker.may_ask(at(100)), Err(LOOK_AGAIN));
        assert_eq!(breaker.may_ask(at(1 + ASKING_TAKES_AT_MOST.as_secs())), Ok(()));
    }

    #[test]
    fn a_clock_that_was_wrong_leaves_nobody_waiting_for_years() {
        let mut breaker = Breaker::default();
        breaker.open(FailureClass::Transient, Some(SignedDuration::from_secs(60)), at(86_400 * 365), 0.0);
        assert_eq!(breaker.may_ask(at(0)), Ok(()));
        assert!(breaker.served(at(1)).is_some());
    }
}
