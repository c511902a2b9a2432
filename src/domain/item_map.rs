//! Which item of the till is which item of the web store, where the two call it by different names.
//!
//! Promises: strictly one to one, by construction: a till code for two web SKUs would sell one piece twice. A name that
//! is in no pair stands for itself, unless the other side uses that name for another item: then it has no counterpart,
//! and nothing is guessed. Names are compared exactly.

use std::collections::BTreeMap;

use super::Sku;

/// Pairs of web SKU and till code. It may hold only the pairs about some items; it then answers about those.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ItemMap {
    by_web: BTreeMap<Sku, Sku>,
    by_till: BTreeMap<Sku, Sku>,
}

/// Why a pair cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotOneToOne {
    /// The till code is another item's.
    #[error(
        "the till code {till} is already that of {other}; two web SKUs with one till code would sell the same piece twice"
    )]
    TillCodeTaken {
        /// The till code.
        till: Sku,
        /// The web SKU that has it.
        other: Sku,
    },
    /// The web SKU has another code.
    #[error("the web SKU {web} already has the till code {other}; an order can name it by one code only")]
    WebSkuTaken {
        /// The web SKU.
        web: Sku,
        /// The till code that it has.
        other: Sku,
    },
}

/// A web SKU whose till code differs between two maps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairChange {
    /// The web SKU.
    pub web: Sku,
    /// Its till code before, if it was in a pair.
    pub was: Option<Sku>,
    /// Its till code now, if it is in a pair.
    pub now: Option<Sku>,
}

impl ItemMap {
    /// A map of these pairs (web SKU, till code). The same pair twice is one pair.
    ///
    /// # Errors
    /// [`NotOneToOne`] for the first pair that contradicts an earlier one.
    pub fn new(pairs: impl IntoIterator<Item = (Sku, Sku)>) -> Result<Self, NotOneToOne> {
        let mut map = Self::default();
        for (web, till) in pairs {
            map.pair(web, till)?;
        }
        Ok(map)
    }

    /// Adds a pair. True when it is new.
    ///
    /// # Errors
    /// [`NotOneToOne`]; the map is then as it was.
    pub fn pair(&mut self, web: Sku, till: Sku) -> Result<bool, NotOneToOne> {
        match (self.by_web.get(&web), self.by_till.get(&till)) {
            (Some(code), _) if *code == till => Ok(false),
            (Some(other), _) => Err(NotOneToOne::WebSkuTaken { other: other.clone(), web }),
            (None, Some(other)) => Err(NotOneToOne::TillCodeTaken { other: other.clone(), till }),
            (None, None) => {
                self.by_web.insert(web.clone(), till.clone());
                self.by_till.insert(till, web);
                Ok(true)
            }
        }
    }

    /// Takes the pair of this web SKU out. True when there was one.
    pub fn unpair(&mut self, web: &Sku) -> bool {
        let code = self.by_web.remove(web);
        code.is_some_and(|code| self.by_till.remove(&code).is_some())
    }

    /// The till code in this web SKU's pair.
    pub fn paired_code(&self, web: &Sku) -> Option<&Sku> {
        self.by_web.get(web)
    }

    /// The web SKU in this till code's pair.
    pub fn paired_web(&self, till: &Sku) -> Option<&Sku> {
        self.by_till.get(till)
    }

    /// What the till calls this web SKU; `None` when the till uses that name for another item.
    pub fn till_of<'a>(&'a self, web: &'a Sku) -> Option<&'a Sku> {
        match self.by_web.get(web) {
            Some(code) => Some(code),
            None => (!self.by_till.contains_key(web)).then_some(web),
        }
    }

    /// What the web store calls this till code; `None` when the store uses that name for another item.
    pub fn web_of<'a>(&'a self, till: &'a Sku) -> Option<&'a Sku> {
        match self.by_till.get(till) {
            Some(web) => Some(web),
            None => (!self.by_web.contains_key(till)).then_some(till),
        }
    }

    /// What `next` has otherwise, by web SKU.
    pub fn changes_to(&self, next: &Self) -> Vec<PairChange> {
        let change = |web: &Sku| {
            let (was, now) = (self.by_web.get(web).cloned(), next.by_web.get(web).cloned());
            (was != now).then(|| PairChange { web: web.clone(), was, now })
        };
        let mut changes: Vec<PairChange> = self.by_web.keys().filter_map(change).collect();
        changes.extend(next.by_web.keys().filter(|web| !self.by_web.contains_key(*web)).filter_map(change));
        changes.sort_by(|one, other| one.web.cmp(&other.web));
        changes
    }

    /// Web SKUs that the till calls otherwise by `next` than by this map: those of changed pairs, and those that gain or
    /// lose a name because another item's pair takes or frees it.
    pub fn renamed_by(&self, next: &Self) -> Vec<Sku> {
        let changes = self.changes_to(next);
        let named = changes.iter().flat_map(|change| [Some(&change.web), change.was.as_ref(), change.now.as_ref()]);
        let mut renamed: Vec<Sku> =
            named.flatten().filter(|web| self.till_of(web) != next.till_of(web)).cloned().collect();
        renamed.sort();
        renamed.dedup();
        renamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sku(text: &str) -> Sku {
        Sku::new(text).unwrap()
    }

    fn map(pairs: &[(&str, &str)]) -> ItemMap {
        ItemMap::new(pairs.iter().map(|(web, till)| (sku(web), sku(till)))).unwrap()
    }

    fn till_of(map: &ItemMap, web: &str) -> Option<String> {
        map.till_of(&sku(web)).map(Sku::to_string)
    }

    fn web_of(map: &ItemMap, till: &str) -> Option<String> {
        map.web_of(&sku(till)).map(Sku::to_string)
    }

    #[test]
    fn a_name_in_no_pair_stands_for_itself_unless_the_other_side_means_another_item_by_it() {
        let map = map(&[("TEAPOT", "4001"), ("4002", "4003")]);
        for (web, till) in [("TEAPOT", Some("4001")), ("CUP", Some("CUP")), ("4001", None), ("teapot", Some("teapot"))]
        {
            assert_eq!(till_of(&map, web).as_deref(), till, "web {web}");
        }
        for (till, web) in [("4001", Some("TEAPOT")), ("CUP", Some("CUP")), ("4002", None), ("4003", Some("4002"))] {
            assert_eq!(web_of(&map, till).as_deref(), web, "till {till}");
        }
    }

    #[test]
    fn a_till_code_of_two_web_skus_and_a_web_sku_of_two_till_codes_are_refused() {
        let mut map = map(&[("A", "1")]);
        let refused = map.pair(sku("B"), sku("1")).unwrap_err();
        assert_eq!(refused, NotOneToOne::TillCodeTaken { till: sku("1"), other: sku("A") });
        let refused = map.pair(sku("A"), sku("2")).unwrap_err();
        assert_eq!(refused, NotOneToOne::WebSkuTaken { web: sku("A"), other: sku("1") });
        assert_eq!(map.pair(sku("A"), sku("1")), Ok(false));
        assert_eq!((till_of(&map, "A").as_deref(), till_of(&map, "B").as_deref()), (Some("1"), Some("B")));
        assert!(map.unpair(&sku("A")) && !map.unpair(&sku("A")));
        assert_eq!(map, ItemMap::default());
        assert_eq!(map.pair(sku("B"), sku("1")), Ok(true));
    }

    #[test]
    fn every_name_that_has_a_counterpart_is_that_ones_counterpart() {
        for map in [
            map(&[]),
            map(&[("A", "B")]),
            map(&[("A", "B"), ("B", "A")]),
            map(&[("A", "B"), ("B", "C"), ("C", "D")]),
            map(&[("A", "B"), ("B", "C"), ("C", "A")]),
            map(&[("A", "A"), ("B", "C")]),
        ] {
            for name in ["A", "B", "C", "D", "E"].map(sku) {
                if let Some(till) = map.till_of(&name) {
                    assert_eq!(map.web_of(till), Some(&name), "{map:?}");
                }
                if let Some(web) = map.web_of(&name) {
                    assert_eq!(map.till_of(web), Some(&name), "{map:?}");
                }
            }
        }
    }

    #[test]
    fn a_change_names_every_web_sku_that_the_till_calls_otherwise_from_then_on() {
        let renamed = |old: &[(&str, &str)], new: &[(&str, &str)]| {
            let renamed = map(old).renamed_by(&map(new));
            renamed.iter().map(Sku::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(renamed(&[], &[("A", "B")]), "A B");
        assert_eq!(renamed(&[("A", "B")], &[("A", "B"), ("B", "A")]), "B");
        assert_eq!(renamed(&[("A", "B")], &[("A", "C")]), "A B C");
        assert_eq!(renamed(&[("A", "1"), ("B", "2")], &[("A", "2"), ("B", "1")]), "A B");
        assert_eq!(renamed(&[("A", "A")], &[]), "");
        let changes = map(&[("A", "1"), ("B", "2")]).changes_to(&map(&[("B", "3"), ("C", "1")]));
        let shown = |code: &Option<Sku>| code.as_ref().map_or("-".to_owned(), Sku::to_string);
        let changes: Vec<_> = changes
            .iter()
            .map(|change| format!("{} {} {}", change.web, shown(&change.was), shown(&change.now)))
            .collect();
        assert_eq!(changes, ["A 1 -", "B 2 3", "C - 1"]);
    }
}
