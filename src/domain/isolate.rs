//! Which item of a batch makes the store fail, or is it the store itself?
//!
//! Promises: every item that the store takes is sent in some part that succeeds, and is then done with; a culprit is found
//! with about log₂(n) failing requests; that the store as such fails is concluded only when two single items failed and
//! none was taken, which costs three requests. Does not promise to tell a culprit from a store that fails when there is
//! nothing to compare with: such an item is handed out as [`Search::unproved`] at the end.

use std::collections::VecDeque;

/// A search among the items of one batch.
#[derive(Debug)]
pub struct Search<T, E> {
    /// What is still to be sent, the next one first.
    parts: VecDeque<Part<T>>,
    /// Was any part taken?
    taken: bool,
    /// Failed alone, while nothing was taken yet.
    alone: Vec<(T, E)>,
}

#[derive(Debug)]
struct Part<T> {
    items: Vec<T>,
    /// It holds a culprit, because the rest of what failed was taken: it is not sent as it is.
    spoilt: bool,
    /// The part behind it is spoilt if this one is taken.
    vouches: bool,
}

impl<T> Part<T> {
    fn plain(items: Vec<T>) -> Self {
        Self { items, spoilt: false, vouches: false }
    }
}

/// What follows from a failure.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<T, E> {
    /// The search goes on.
    GoOn,
    /// This item makes requests fail; others are taken.
    Culprit(T, E),
    /// It is the store: these are the items that are left, and why the last one failed.
    Store(Vec<T>, E),
}

impl<T, E> Search<T, E> {
    /// Among these items. The first one should be the one that is most surely good.
    pub fn new(items: Vec<T>) -> Self {
        let parts = if items.is_empty() { VecDeque::new() } else { VecDeque::from([Part::plain(items)]) };
        Self { parts, taken: false, alone: Vec::new() }
    }

    /// What to send next; tell with [`Search::taken`] or [`Search::failed`] how it went.
    pub fn next_part(&mut self) -> Option<(Vec<T>, bool)> {
        let mut part = self.parts.pop_front()?;
        while part.spoilt && part.items.len() > 1 {
            part = self.halved(part.items);
        }
        Some((part.items, part.vouches))
    }

    /// Puts the second half back, and gives the first one out.
    fn halved(&mut self, mut items: Vec<T>) -> Part<T> {
        let second = items.split_off(items.len().div_ceil(2));
        self.parts.push_front(Part::plain(second));
        Part { items, spoilt: false, vouches: true }
    }

    /// The part was taken. Hands out those that had failed alone before: now it is known that it was them.
    pub fn taken(&mut self, vouches: bool) -> Vec<(T, E)> {
        self.taken = true;
        if vouches && let Some(behind) = self.parts.front_mut() {
            behind.spoilt = true;
        }
        std::mem::take(&mut self.alone)
    }

    /// The part failed.
    pub fn failed(&mut self, mut items: Vec<T>, why: E) -> Step<T, E> {
        if items.len() > 1 {
            if self.taken {
                let first = self.halved(items);
                self.parts.push_front(first);
            } else {
                // Is it the store? The item that is most surely good tells, alone.
                let rest = items.split_off(1);
                self.parts.push_front(Part::plain(rest));
                self.parts.push_front(Part { items, spoilt: false, vouches: true });
            }
            return Step::GoOn;
        }
        let Some(item) = items.pop() else { return Step::GoOn };
        if self.taken {
            return Step::Culprit(item, why);
        }
        if self.alone.is_empty() {
            self.alone.push((item, why));
            self.single_out_the_last();
            return Step::GoOn;
        }
        let mut left: Vec<T> = self.alone.drain(..).map(|(item, _)| item).collect();
        left.push(item);
        left.extend(self.rest());
        Step::Store(left, why)
    }

    /// Bad items may stand side by side: the next one to be tried alone is from the other end.
    fn single_out_the_last(&mut self) {
        let Some(part) = self.parts.front_mut() else { return };
        if part.items.len() > 1
            && let Some(last) = part.items.pop()
        {
            self.parts.push_front(Part::plain(vec![last]));
        }
    }

    /// What was not sent, or failed alone with nothing to compare it with.
    pub fn rest(&mut self) -> Vec<T> {
        let alone = self.alone.drain(..).map(|(item, _)| item);
        alone.chain(self.parts.drain(..).flat_map(|part| part.items)).collect()
    }

    /// At the end: what failed alone while nothing else was there to compare it with.
    pub fn unproved(&mut self) -> Vec<(T, E)> {
        std::mem::take(&mut self.alone)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What came out.
    #[derive(Debug, Default)]
    struct Found {
        taken: Vec<usize>,
        culprits: BTreeSet<usize>,
        unproved: Vec<usize>,
        store: Option<Vec<usize>>,
        failing: usize,
        requests: usize,
    }

    fn search(size: usize, poison: &BTreeSet<usize>, store_fails: bool) -> Found {
        let (mut search, mut found) = (Search::new((0..size).collect()), Found::default());
        while let Some((part, vouches)) = search.next_part() {
            found.requests += 1;
            if !store_fails && part.iter().all(|item| !poison.contains(item)) {
                found.taken.extend(&part);
                found.culprits.extend(search.taken(vouches).into_iter().map(|(item, ())| item));
                continue;
            }
            found.failing += 1;
            match search.failed(part, ()) {
                Step::GoOn => {}
                Step::Culprit(item, ()) => {
                    found.culprits.insert(item);
                }
                Step::Store(left, ()) => {
                    assert!(search.next_part().is_none());
                    found.store = Some(left);
                }
            }
        }
        found.unproved = search.unproved().into_iter().map(|(item, ())| item).collect();
        found
    }

    #[test]
    fn one_culprit_among_a_hundred_is_found_with_eight_failures_wherever_it_stands() {
        let log2 = 7;
        for poison in 1..100 {
            let found = search(100, &BTreeSet::from([poison]), false);
            assert_eq!((found.taken.len(), found.culprits), (99, BTreeSet::from([poison])));
            assert!(found.failing <= log2 + 2, "{poison}: {} failing requests", found.failing);
            assert!(found.requests <= 2 * log2 + 4, "{poison}: {} requests", found.requests);
        }
        let found = search(100, &BTreeSet::from([0]), false);
        assert_eq!((found.failing, found.requests), (2, 4), "whole, alone, another alone, and all the others");
    }

    #[test]
    fn a_store_that_fails_is_known_after_three_requests_and_blames_nobody() {
        for size in [3, 100, 500] {
            let found = search(size, &BTreeSet::new(), true);
            assert_eq!((found.requests, found.culprits.len(), found.unproved.len()), (3, 0, 0));
            assert_eq!(found.store.unwrap().into_iter().collect::<BTreeSet<_>>(), (0..size).collect());
        }
    }

    #[test]
    fn a_single_item_with_nothing_to_compare_it_with_is_unproved() {
        let found = search(1, &BTreeSet::from([0]), false);
        assert_eq!((found.unproved, found.store), (vec![0], None));
    }

    proptest! {
        #[test]
        fn whatever_is_bad_the_good_ones_are_taken_once_and_nobody_good_is_blamed(
            size in 1usize..130,
            poison in proptest::collection::btree_set(0usize..130, 0..6),
        ) {
            let poison: BTreeSet<usize> = poison.into_iter().filter(|item| *item < size).collect();
            let found = search(size, &poison, false);
            let mut taken = found.taken.clone();
            taken.sort_unstable();
            taken.dedup();
            prop_assert_eq!(taken.len(), found.taken.len(), "none is taken twice");
            prop_assert!(found.culprits.is_subset(&poison));
            // Two bad ones at both ends, or nothing but bad ones, look like a store that fails; nothing is lost then.
            if let Some(left) = found.store {
                prop_assert!(poison.len() >= 2 && taken.is_empty());
                prop_assert_eq!(left.len(), size);
            } else {
                prop_assert_eq!(taken.len(), size - poison.len());
                prop_assert_eq!(found.culprits.len() + found.unproved.len(), poison.len());
                let log2 = (usize::BITS - size.leading_zeros()) as usize;
                prop_assert!(found.failing <= poison.len() * (log2 + 2) + 2, "{} failing", found.failing);
            }
        }
    }
}
