//! Differences by line, and the arithmetic of corrections against a small till, its staff and a shelf.

use proptest::prelude::*;

use super::*;
use crate::domain::order::{Customer, Standing};
use crate::domain::reconcile::{Claim, ShownRules, StockModel, reconcile};
use crate::domain::stock::Counted;
use crate::domain::{ExportId, OrderId};

fn sku(code: &str) -> Sku {
    Sku::new(code).unwrap()
}

fn units(of: &[(&str, i64)]) -> Units {
    of.iter().map(|(code, units)| (sku(code), Quantity::from(*units))).collect()
}

fn line(id: &str, code: &str, ordered: i64, cancelled: i64) -> OrderLine {
    OrderLine {
        id: id.into(),
        sku: sku(code),
        name: "Teapot".into(),
        ordered: ordered.into(),
        cancelled: cancelled.into(),
        shipped: Quantity::ZERO,
        refunded: Quantity::ZERO,
        returned: Quantity::ZERO,
        price: Decimal::TEN,
        price_incl_tax: Decimal::from(12),
        tax_percent: Decimal::from(20),
        discount: Decimal::ZERO,
        takes_stock: true,
    }
}

fn order(lines: Vec<OrderLine>) -> WebOrder {
    WebOrder {
        id: OrderId("7".into()),
        number: "100".into(),
        placed_at: Timestamp::UNIX_EPOCH,
        standing: Standing::Ready,
        store_status: "processing".into(),
        customer: Customer::default(),
        payment: "checkmo".into(),
        shipping: "Parcel".into(),
        currency: "GBP".into(),
        total: Decimal::from(41),
        shipping_total: Decimal::from(5),
        lines,
    }
}

#[test]
fn the_difference_says_by_sku_what_is_to_be_taken_back_and_what_is_to_be_booked_on_top() {
    let difference =
        Difference::between(&units(&[("A", 3), ("B", 1), ("C", 2)]), &units(&[("A", 1), ("C", 2), ("D", 4)]));
    assert_eq!((difference.back, difference.more), (units(&[("A", 2), ("B", 1)]), units(&[("D", 4)])));
    assert!(Difference::between(&units(&[("A", 3)]), &units(&[("A", 3)])).is_empty());
}

#[test]
fn a_voucher_is_wanted_as_well_but_never_passes_for_stock_of_the_same_code() {
    let voucher = |code: &str| OrderLine { takes_stock: false, ..line("9", code, 2, 0) };
    assert_eq!(wanted(&order(vec![line("1", "A", 3, 1), voucher("V")])), units(&[("A", 2), ("V", 2)]));
    assert_eq!(wanted(&order(vec![line("1", "A", 3, 3), voucher("A")])), Units::new());
    assert_eq!(wanted_stock(&order(vec![line("1", "A", 3, 1), voucher("V")])), units(&[("A", 2)]));
}

#[test]
fn what_is_to_be_taken_back_comes_from_the_lines_that_lost_units_and_money_follows_the_units() {
    let cheap = OrderLine { price_incl_tax: Decimal::ONE, ..line("1", "A", 2, 0) };
    let dear = OrderLine { discount: Decimal::from(4), ..line("2", "A", 4, 1) };
    let back =
        to_take_back(&order(vec![cheap.clone(), dear.clone(), line("3", "B", 1, 0)]), &units(&[("A", 1)])).unwrap();
    assert_eq!(back.lines.len(), 1);
    assert_eq!((back.lines[0].id.as_str(), back.lines[0].ordered), ("2", Quantity::ONE));
    assert_eq!(
        (back.lines[0].discount, back.total, back.shipping_total),
        (Decimal::ONE, Decimal::from(11), Decimal::ZERO)
    );
    // More than the store says was cancelled: an edit took it out of the line altogether.
    let back = to_take_back(&order(vec![cheap, dear]), &units(&[("A", 5)])).unwrap();
    let sum: Quantity = back.lines.iter().map(|line| line.ordered).sum();
    assert_eq!(sum, 5.into());
    assert_eq!(to_take_back(&order(vec![]), &units(&[("A", 1)])), Err(NotInOrder(sku("A"))));
}

#[test]
fn shipping_goes_back_with_an_order_that_is_cancelled_altogether() {
    let whole = to_take_back(&order(vec![line("1", "A", 3, 3)]), &units(&[("A", 3)])).unwrap();
    assert_eq!((whole.shipping_total, whole.total), (Decimal::from(5), Decimal::from(41)));
    let returned = OrderLine { returned: 3.into(), refunded: 3.into(), ..line("1", "A", 3, 0) };
    let parcel_was_sent = to_take_back(&order(vec![returned]), &units(&[("A", 3)])).unwrap();
    assert_eq!((parcel_was_sent.shipping_total, parcel_was_sent.total), (Decimal::ZERO, Decimal::from(36)));
}

#[test]
fn refunded_units_are_told_as_long_as_they_are_not_known_to_be_back() {
    let refunded_one = OrderLine { refunded: 2.into(), returned: 1.into(), ..line("1", "A", 3, 0) };
    assert_eq!(refunded(&order(vec![refunded_one])), units(&[("A", 1)]));
}

#[test]
fn particulars_tell_what_changed_and_lines_that_came_or_went_are_no_change_of_theirs() {
    let with = |address: &str, lines: &[(&str, &str)]| Particulars {
        customer: address.into(),
        lines: lines.iter().map(|(id, hash)| ((*id).to_owned(), (*hash).to_owned())).collect(),
        ..Particulars::default()
    };
    let before = with("a", &[("1", "x"), ("2", "y")]);
    assert_eq!(before.changes(&with("a", &[("1", "x"), ("3", "z")])), Vec::<String>::new());
    assert_eq!(before.changes(&with("b", &[("1", "w")])), ["customer or address", "names or prices of items"]);
}

#[test]
fn what_was_asked_may_be_booked_although_the_store_no_longer_wants_it() {
    let mut asked = Asked::default();
    asked.also(&Difference { back: units(&[("A", 2)]), more: Units::new() });
    asked.also(&Difference { back: units(&[("A", 1)]), more: units(&[("B", 1)]) });
    assert_eq!((&asked.back, &asked.more), (&units(&[("A", 2)]), &units(&[("B", 1)])));
    // Reinstated: two may have been taken back, and two are booked in their place.
    assert_eq!(asked.done(&Difference::default()), (units(&[("A", 2)]), units(&[("A", 2)])));
    let difference = Difference { back: units(&[("A", 1)]), more: units(&[("B", 1)]) };
    assert_eq!(asked.done(&difference), (units(&[("A", 2)]), units(&[("A", 1), ("B", 1)])));
}

const SETTLE: i64 = 60;
const SHELF: i64 = 100;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cancellation {
    Visible,
    /// The till has dealt with it; the agent has not seen that yet.
    Booked,
    Refused,
    SeenBooked,
    SeenRefused,
    Withdrawn,
}

/// One order of one item: store, till, staff, agent. Positive numbers are units out of the till's stock.
#[derive(Debug, Default)]
struct World {
    now: i64,
    wanted: i64,
    /// The till's own books of the order.
    net: i64,
    /// Units in the order file, when the till took it away, when it books it.
    file: i64,
    gone: Option<i64>,
    books_at: i64,
    is_booked: bool,
    seen_gone: Option<i64>,
    cancellations: Vec<(i64, Cancellation)>,
    /// What staff have corrected since they last said that all is done: positive is taken back.
    corrected: i64,
    asked: Asked,
    back: i64,
    again: Vec<(i64, i64)>,
    is_refused: bool,
    takes_files: bool,
    /// What the agent last compared with; staff are told nothing newer.
    compared: Option<i64>,
    exports: Vec<(i64, i64)>,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    StoreWants(i64),
    TillTakesOrder(i64),
    TillTakesCancellation,
    TillRefusesCancellation,
    AgentLooks,
    AgentCompares,
    StaffCorrect(i64),
    StaffSayDone,
    Export,
}

impl World {
    fn difference(&self) -> Difference {
        let counts = |state: &Cancellation| !matches!(state, Cancellation::SeenRefused | Cancellation::Withdrawn);
        let by_files: i64 = self.cancellations.iter().filter(|(_, state)| counts(state)).map(|(units, _)| units).sum();
        let by_hand: i64 = self.again.iter().map(|(units, _)| units).sum::<i64>() - self.back;
        let booked = units(&[("A", self.file - by_files + by_hand)]);
        Difference::between(&booked, &units(&[("A", self.wanted)]))
    }

    fn booked(&self) -> Booked {
        let mut booked = Booked::by_file(self.seen_gone.map(|gone| Taken { units: self.file.into(), at: at(gone) }));
        booked.out.extend(self.again.iter().map(|(units, when)| Taken { units: (*units).into(), at: at(*when) }));
        let counts = |state: &Cancellation| !matches!(state, Cancellation::SeenRefused | Cancellation::Withdrawn);
        let by_files: i64 = self.cancellations.iter().filter(|(_, state)| counts(state)).map(|(units, _)| units).sum();
        booked.back = of(&self.asked.back, &sku("A")) + Quantity::from(self.back + by_files);
        booked
    }

    fn compare(&mut self) {
        if self.seen_gone.is_none() {
            return;
        }
        self.compared = Some(self.wanted);
        let difference = self.difference();
        let visible = self.cancellations.iter().position(|(_, state)| {
            matches!(state, Cancellation::Visible | Cancellation::Booked | Cancellation::Refused)
        });
        match visible {
            Some(at) if !difference.more.is_empty() => {
                if self.cancellations[at].1 == Cancellation::Visible {
                    self.cancellations[at].1 = Cancellation::Withdrawn;
                }
            }
            _ if self.takes_files && self.asked.is_empty() && !self.is_refused && !difference.back.is_empty() => {
                let back = of(&difference.back, &sku("A")).to_string().parse().unwrap();
                self.cancellations.push((back, Cancellation::Visible));
            }
            _ => self.asked.also(&difference),
        }
    }

    fn say_done(&mut self) {
        let is_under_way = self
            .cancellations
            .iter()
            .any(|(_, state)| matches!(state, Cancellation::Visible | Cancellation::Booked | Cancellation::Refused));
        if self.asked.is_empty() || is_under_way || self.compared != Some(self.wanted) || !self.is_booked {
            return;
        }
        // They make it so, and say so.
        self.net = self.wanted;
        self.corrected = 0;
        let (back, again) = self.asked.done(&self.difference());
        let number = |units: &Units| of(units, &sku("A")).to_string().parse::<i64>().unwrap();
        self.back += number(&back);
        self.again.push((number(&again), self.now));
        (self.asked, self.is_refused) = (Asked::default(), false);
    }

    fn staff_correct(&mut self, wish: i64) {
        let most = |units: &Units| of(units, &sku("A")).to_string().parse::<i64>().unwrap();
        let corrected = wish.clamp(-most(&self.asked.more), most(&self.asked.back));
        self.net += self.corrected - corrected;
        self.corrected = corrected;
    }

    fn till_deals_with(&mut self, becomes: Cancellation) {
        let Some(cancellation) = self.cancellations.iter_mut().find(|(_, state)| *state == Cancellation::Visible)
        else {
            return;
        };
        cancellation.1 = becomes;
        if becomes == Cancellation::Booked {
            self.net -= cancellation.0;
        }
    }

    fn look(&mut self) {
        if self.gone.is_some() {
            self.seen_gone.get_or_insert(self.now);
        }
        for (_, state) in &mut self.cancellations {
            match state {
                Cancellation::Booked => *state = Cancellation::SeenBooked,
                Cancellation::Refused => (*state, self.is_refused) = (Cancellation::SeenRefused, true),
                _ => {}
            }
        }
    }

    fn happens(&mut self, event: Event) {
        if self.gone.is_some() && !self.is_booked && self.now >= self.books_at {
            (self.net, self.is_booked) = (self.net + self.file, true);
        }
        match event {
            Event::StoreWants(wanted) => self.wanted = wanted,
            Event::TillTakesOrder(takes) if self.gone.is_none() => {
                (self.gone, self.books_at) = (Some(self.now), self.now + takes);
            }
            Event::TillTakesOrder(_) => {}
            Event::TillTakesCancellation => self.till_deals_with(Cancellation::Booked),
            Event::TillRefusesCancellation => self.till_deals_with(Cancellation::Refused),
            Event::AgentLooks => self.look(),
            Event::AgentCompares => self.compare(),
            Event::StaffCorrect(wish) => self.staff_correct(wish),
            Event::StaffSayDone => self.say_done(),
            Event::Export => self.exports.push((self.now, SHELF - self.net)),
        }
    }

    /// What the store would be told may be sold, by each export so far.
    fn sellable(&self) -> Vec<Quantity> {
        let claim = Claim {
            order: OrderId("7".into()),
            number: "100".into(),
            to_take: self.wanted.into(),
            reserved: Quantity::ZERO,
            shipped: Quantity::ZERO,
            booked: self.booked(),
            before_our_time: false,
            apart: None,
        };
        let of_export = |(began, counted): &(i64, i64)| {
            let snapshot = AdmittedSnapshot::recorded(ExportId(1), Some(at(began - SETTLE)));
            let counted = Counted { quantity: (*counted).into(), line: 2 };
            let claims = std::slice::from_ref(&claim);
            reconcile(&snapshot, &counted, claims, &ShownRules::default(), StockModel::DeductAtPlacement).sellable
        };
        self.exports.iter().map(of_export).collect()
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (0..6_i64).prop_map(Event::StoreWants),
        2 => (0..=SETTLE).prop_map(Event::TillTakesOrder),
        2 => Just(Event::TillTakesCancellation),
        1 => Just(Event::TillRefusesCancellation),
        4 => Just(Event::AgentLooks),
        4 => Just(Event::AgentCompares),
        3 => (-5..6_i64).prop_map(Event::StaffCorrect),
        2 => Just(Event::StaffSayDone),
        4 => Just(Event::Export),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    /// Whatever store, till, staff and agent do, and in whatever order: no export makes more sellable than there is.
    #[test]
    fn corrections_never_make_more_sellable_than_there_is(
        takes_files in any::<bool>(),
        ordered in 1..5_i64,
        events in proptest::collection::vec((0..90_i64, event()), 1..60),
    ) {
        let mut world = World { wanted: ordered, file: ordered, takes_files, ..World::default() };
        for (at, (pause, event)) in events.iter().enumerate() {
            world.now += pause;
            world.happens(*event);
            let truth = Quantity::from(SHELF - world.wanted);
            for (sellable, export) in world.sellable().into_iter().zip(&world.exports) {
                prop_assert!(sellable <= truth, "{sellable} > {truth} by {export:?} after {:?}: {world:?}", &events[..=at]);
            }
        }
    }

    /// And once all is done, everything is sellable again.
    #[test]
    fn once_all_is_done_nothing_is_kept_back(
        takes_files in any::<bool>(),
        events in proptest::collection::vec((0..90_i64, event()), 1..60),
    ) {
        let mut world = World { wanted: 3, file: 3, takes_files, ..World::default() };
        for (pause, event) in events {
            world.now += pause;
            world.happens(event);
        }
        let ending = [Event::TillTakesOrder(0), Event::AgentLooks];
        let settled = [
            Event::AgentCompares, Event::TillTakesCancellation, Event::AgentLooks, Event::AgentCompares,
            Event::TillTakesCancellation, Event::AgentLooks, Event::AgentCompares, Event::StaffSayDone,
        ];
        for event in ending.into_iter().chain(settled).chain(settled).chain([Event::Export]) {
            world.now += 100;
            world.happens(event);
        }
        let truth = Quantity::from(SHELF - world.wanted);
        prop_assert_eq!(world.sellable().last().copied(), Some(truth), "{:?}", world);
    }
}
