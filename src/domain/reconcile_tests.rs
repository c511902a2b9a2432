//! The arithmetic against an independent ledger of a shop: units are moved one event at a time, as people and
//! machines would, and the formula has to come to what is really left on the shelf.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::domain::ExportId;
use crate::domain::corrections::Taken;
use crate::domain::gate::{self, Candidate, Facts, Policy, Rules, Verdict};
use crate::domain::stock::{Scope, Timing};

const MODELS: [StockModel; 2] = [StockModel::PhysicalPlusReservations, StockModel::DeductAtPlacement];
const SETTLE: i64 = 60;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// An export that began at `second`, through the gate.
fn admitted(second: i64) -> AdmittedSnapshot {
    let timing = Timing { declared: Some(at(second)), first_seen: at(second), last_absent: None, modified: None };
    let (scope, sequence) = (Scope::Full, None);
    let candidate = Candidate { export: ExportId(1), timing, scope, sequence, skus: 1, zeroed: 0, approved: false };
    let rules = Rules {
        policy: Policy::Adjust,
        hold_at_most: SignedDuration::ZERO,
        settle: SignedDuration::from_secs(SETTLE),
        least_rows_percent: 80,
        most_zeroed_percent: 50,
    };
    match gate::admit(&candidate, &Facts::default(), &rules, at(second)) {
        Verdict::Admit { snapshot, .. } => snapshot,
        other => panic!("{other:?}"),
    }
}

fn claim(number: &str, to_take: i64, reserved: i64, taken: Option<(i64, i64)>) -> Claim {
    Claim {
        order: OrderId(number.into()),
        number: number.into(),
        to_take: to_take.into(),
        reserved: reserved.into(),
        shipped: (to_take - reserved).into(),
        booked: Booked::by_file(taken.map(|(units, second)| Taken { units: units.into(), at: at(second) })),
        before_our_time: false,
        apart: None,
    }
}

fn write(counted: i64, claims: &[Claim], model: StockModel) -> Target {
    let counted = Counted { quantity: counted.into(), line: 2 };
    let target = reconcile(&admitted(1000), &counted, claims, &ShownRules::default(), model);
    let steps: Quantity = target.terms.iter().map(Term::change).sum();
    assert_eq!(target.counted + steps, target.write, "the explanation accounts for every unit");
    target
}

#[test]
fn an_order_of_another_item_whose_file_has_this_ones_code_is_taken_from_here_until_the_till_has_booked_it() {
    let other = |taken| Claim { apart: Some(Apart::SoldAs(Sku::new("A").unwrap())), ..claim("1", 2, 0, taken) };
    for model in MODELS {
        assert_eq!(write(10, &[other(None)], model).write, 8.into());
        assert_eq!(write(8, &[other(Some((2, 100)))], model).write, 8.into());
        assert_eq!(moved_by_store(&[other(None)], model), Quantity::ZERO);
    }
}

/// DESIGN §3: ten on hand, two web orders of one unit each.
#[test]
fn ten_on_hand_two_orders_consumed_or_not_shipped_or_not_always_leaves_eight_to_sell() {
    for (consumed, shipped, counted, physical, reservations, msi, legacy) in [
        (false, false, 10, 10, -2, 10, 8),
        (false, true, 10, 8, 0, 8, 8),
        (true, false, 8, 10, -2, 10, 8),
        (true, true, 8, 8, 0, 8, 8),
    ] {
        let reserved = i64::from(!shipped);
        let taken = consumed.then_some((1, 100));
        let claims = [claim("1", 1, reserved, taken), claim("2", 1, reserved, taken)];
        let target = write(counted, &claims, StockModel::PhysicalPlusReservations);
        assert_eq!(
            (target.write, target.sellable),
            (msi.into(), 8.into()),
            "MSI, consumed {consumed}, shipped {shipped}"
        );
        assert_eq!(target.write + reservations.into(), 8.into());
        assert_eq!(target.write, physical.into(), "without walk-in sales nothing has to be written");
        let target = write(counted, &claims, StockModel::DeductAtPlacement);
        assert_eq!(
            (target.write, target.sellable),
            (legacy.into(), 8.into()),
            "legacy, consumed {consumed}, shipped {shipped}"
        );
    }
}

#[test]
fn a_negative_count_is_nothing_to_sell_and_what_is_reserved_stays_shippable() {
    let target = write(-3, &[claim("1", 2, 2, Some((2, 100)))], StockModel::PhysicalPlusReservations);
    assert_eq!((target.sellable, target.write), (Quantity::ZERO, 2.into()));
    let target = write(-3, &[claim("1", 2, 2, Some((2, 100)))], StockModel::DeductAtPlacement);
    assert_eq!((target.sellable, target.write), (Quantity::ZERO, Quantity::ZERO));
}

#[test]
fn evidence_younger_than_the_export_less_the_settle_time_does_not_count() {
    for (second, expected) in [(1000 - SETTLE, 8), (1000 - SETTLE + 1, 6)] {
        let target = write(8, &[claim("1", 2, 0, Some((2, second)))], StockModel::DeductAtPlacement);
        assert_eq!(target.write, expected.into());
    }
}

#[test]
fn an_order_from_before_our_time_counts_while_it_is_unshipped() {
    let open = Claim { before_our_time: true, ..claim("1", 2, 2, None) };
    assert_eq!(write(10, &[open], StockModel::DeductAtPlacement).write, 8.into());
    let shipped = Claim { before_our_time: true, ..claim("1", 2, 0, None) };
    assert_eq!(write(8, &[shipped], StockModel::DeductAtPlacement).write, 8.into());
}

#[test]
fn buffer_and_bounds_are_applied_after_the_truth_and_are_explained() {
    let counted = Counted { quantity: 10.into(), line: 2 };
    let with = |shown: ShownRules| {
        let claims = [claim("1", 1, 1, None)];
        reconcile(&admitted(1000), &counted, &claims, &shown, StockModel::PhysicalPlusReservations)
    };
    let buffered = with(ShownRules { buffer: 2.into(), ..ShownRules::default() });
    assert_eq!((buffered.sellable, buffered.write), (7.into(), 8.into()));
    let greedy = with(ShownRules { buffer: 20.into(), ..ShownRules::default() });
    assert_eq!((greedy.sellable, greedy.write), (0.into(), 1.into()));
    let capped = with(ShownRules { show_at_most: Some(5.into()), ..ShownRules::default() });
    assert_eq!((capped.sellable, capped.write), (5.into(), 6.into()));
    let made_to_order = with(ShownRules { show_at_least: Some(50.into()), ..ShownRules::default() });
    assert_eq!(made_to_order.sellable, 50.into());
    assert!(made_to_order.terms.contains(&Term::ShownAtLeast { units: 41.into() }));
}

#[test]
fn what_the_store_does_itself_is_expected_and_no_drift() {
    let shipped = [claim("1", 2, 0, None)];
    let open = [claim("1", 2, 2, None)];
    let msi = StockModel::PhysicalPlusReservations;
    let acknowledged = Acknowledged { written: 10.into(), moved: moved_by_store(&open, msi) };
    assert_eq!(expected(acknowledged, moved_by_store(&shipped, msi)), 8.into());
    let legacy = StockModel::DeductAtPlacement;
    let acknowledged = Acknowledged { written: 10.into(), moved: moved_by_store(&[], legacy) };
    assert_eq!(expected(acknowledged, moved_by_store(&open, legacy)), 8.into());
}

/// A shop, kept by events alone: nothing here knows the formula.
#[derive(Debug, Clone)]
struct Shop {
    now: i64,
    shelf: i64,
    till: i64,
    msi_source: i64,
    msi_reserved: i64,
    legacy: i64,
    orders: Vec<Sale>,
}

#[derive(Debug, Clone)]
struct Sale {
    units: i64,
    cancelled: i64,
    shipped: i64,
    booked: Option<(i64, i64)>,
    seen: Option<i64>,
    cancelled_after_booking: bool,
}

#[derive(Debug, Clone)]
enum Event {
    Place(i64),
    Cancel(usize),
    Ship(usize, i64),
    Import(usize),
    SeeEvidence,
    Sell(i64),
    GoodsIn(i64),
    Wait(i64),
}

impl Shop {
    fn opened_with(units: i64) -> Self {
        Self {
            now: 0,
            shelf: units,
            till: units,
            msi_source: units,
            msi_reserved: 0,
            legacy: units,
            orders: Vec::new(),
        }
    }

    fn promised(&self) -> i64 {
        self.orders.iter().map(|sale| sale.units - sale.cancelled - sale.shipped).sum()
    }

    fn truly_sellable(&self) -> i64 {
        self.shelf - self.promised()
    }

    fn play(&mut self, event: &Event) {
        self.now += 1;
        match *event {
            Event::Place(units) if units <= self.truly_sellable() => {
                self.msi_reserved += units;
                self.legacy -= units;
                let sale =
                    Sale { units, cancelled: 0, shipped: 0, booked: None, seen: None, cancelled_after_booking: false };
                self.orders.push(sale);
            }
            Event::Cancel(which) => {
                let Some(sale) = self.orders.get_mut(which) else { return };
                let units = sale.units - sale.cancelled - sale.shipped;
                sale.cancelled += units;
                sale.cancelled_after_booking |= sale.booked.is_some() && units > 0;
                self.msi_reserved -= units;
                self.legacy += units;
            }
            Event::Ship(which, at_most) => {
                let Some(sale) = self.orders.get_mut(which) else { return };
                let units = at_most.min(sale.units - sale.cancelled - sale.shipped);
                sale.shipped += units;
                self.shelf -= units;
                self.msi_source -= units;
                self.msi_reserved -= units;
            }
            Event::Import(which) => {
                let Some(sale) = self.orders.get_mut(which) else { return };
                let units = sale.units - sale.cancelled;
                if sale.booked.is_none() && units > 0 {
                    sale.booked = Some((units, self.now));
                    self.till -= units;
                }
            }
            Event::SeeEvidence => {
                for sale in &mut self.orders {
                    if sale.booked.is_some() && sale.seen.is_none() {
                        sale.seen = Some(self.now);
                    }
                }
            }
            // A walk-in customer takes from the shelf, never what is promised.
            Event::Sell(units) if units <= self.truly_sellable() => {
                self.shelf -= units;
                self.till -= units;
            }
            Event::GoodsIn(units) => {
                self.shelf += units;
                self.till += units;
            }
            Event::Wait(seconds) => self.now += seconds,
            Event::Place(_) | Event::Sell(_) => {}
        }
    }

    fn claims(&self) -> Vec<Claim> {
        let claim_of = |(place, sale): (usize, &Sale)| Claim {
            order: OrderId(place.to_string()),
            number: place.to_string(),
            to_take: (sale.units - sale.cancelled).into(),
            reserved: (sale.units - sale.cancelled - sale.shipped).into(),
            shipped: sale.shipped.into(),
            booked: Booked::by_file(
                sale.booked.zip(sale.seen).map(|((units, _), seen)| Taken { units: units.into(), at: at(seen) }),
            ),
            before_our_time: false,
            apart: None,
        };
        self.orders.iter().enumerate().map(claim_of).collect()
    }

    /// Writes `target` to the store as it is now; what shoppers can buy afterwards.
    fn sellable_after(&self, target: &Target, model: StockModel) -> Quantity {
        match model {
            StockModel::PhysicalPlusReservations => target.write - self.msi_reserved.into(),
            StockModel::DeductAtPlacement => target.write,
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (1..4i64).prop_map(Event::Place),
        1 => (0..6usize).prop_map(Event::Cancel),
        2 => (0..6usize, 1..4i64).prop_map(|(which, units)| Event::Ship(which, units)),
        3 => (0..6usize).prop_map(Event::Import),
        2 => Just(Event::SeeEvidence),
        2 => (1..4i64).prop_map(Event::Sell),
        1 => (1..5i64).prop_map(Event::GoodsIn),
        2 => (1..90i64).prop_map(Event::Wait),
    ]
}

/// What may happen between the export and the write, without the till's count changing again.
fn later_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (1..4i64).prop_map(Event::Place),
        (0..6usize).prop_map(Event::Cancel),
        (0..6usize, 1..4i64).prop_map(|(which, units)| Event::Ship(which, units)),
        (0..6usize).prop_map(Event::Import),
        Just(Event::SeeEvidence),
        (1..90i64).prop_map(Event::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_never_offers_more_than_the_shop_can_still_sell(
        opening in 0..20i64,
        before in prop::collection::vec(event(), 0..40),
        after in prop::collection::vec(later_event(), 0..12),
    ) {
        let mut shop = Shop::opened_with(opening);
        before.iter().for_each(|event| shop.play(event));
        shop.now += 1;
        let (counted, began) = (Counted { quantity: shop.till.into(), line: 1 }, shop.now);
        after.iter().for_each(|event| shop.play(event));
        for model in MODELS {
            let target = reconcile(&admitted(began), &counted, &shop.claims(), &ShownRules::default(), model);
            let steps: Quantity = target.terms.iter().map(Term::change).sum();
            prop_assert_eq!(target.counted + steps, target.write);
            let sellable = shop.sellable_after(&target, model);
            prop_assert!(sellable <= Quantity::from(shop.truly_sellable()).or_zero(), "{:?}: {} of {}", model, sellable, shop.truly_sellable());
        }
    }

    #[test]
    fn once_all_is_taken_and_seen_the_store_offers_exactly_what_is_there(
        opening in 0..20i64,
        before in prop::collection::vec(event(), 0..40),
        after in prop::collection::vec(later_event(), 0..12),
    ) {
        let mut shop = Shop::opened_with(opening);
        before.iter().for_each(|event| shop.play(event));
        shop.play(&Event::SeeEvidence);
        shop.play(&Event::Wait(SETTLE));
        let (counted, began) = (Counted { quantity: shop.till.into(), line: 1 }, shop.now);
        after.iter().for_each(|event| shop.play(event));
        // Units of orders that were cancelled after the till booked them stay off sale until staff book the return.
        prop_assume!(shop.orders.iter().all(|sale| !sale.cancelled_after_booking));
        for model in MODELS {
            let target = reconcile(&admitted(began), &counted, &shop.claims(), &ShownRules::default(), model);
            prop_assert_eq!(shop.sellable_after(&target, model), shop.truly_sellable().into());
        }
    }

    #[test]
    fn any_doubt_about_evidence_lowers_the_quantity(
        counted in -5..50i64,
        units in prop::collection::vec((1..5i64, 0..5i64, 0..2000i64), 0..6),
    ) {
        let counted = Counted { quantity: counted.into(), line: 1 };
        let claims: Vec<Claim> = units.iter().enumerate()
            .map(|(place, (n, r, seen))| claim(&place.to_string(), *n, *r.min(n), Some((*n, *seen)))).collect();
        let doubted: Vec<Claim> = claims.iter().map(|claim| Claim { booked: Booked::default(), ..claim.clone() }).collect();
        for model in MODELS {
            let known = reconcile(&admitted(1000), &counted, &claims, &ShownRules::default(), model);
            let in_doubt = reconcile(&admitted(1000), &counted, &doubted, &ShownRules::default(), model);
            prop_assert!(in_doubt.write <= known.write);
        }
    }
}
