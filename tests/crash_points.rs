//! The agent dies at every step of publishing, calling off and withdrawing, for every shape of order file, with a till
//! that is quick and one that is slow, while the store leaves the order as it is, cancels it, or changes it: afterwards
//! every order that is wanted was booked exactly once, no other was, and nothing lies about.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use std::collections::BTreeSet;

use jiff::Timestamp;
use shop::{Step, TestShop};
use tillbridge::demo::magento::Mode;
use tillbridge::domain::{OrderId, OrderState, WebOrder};
use tillbridge::ledger::facts::FEED_CURSOR;
use tillbridge::ports::FeedCursor;

const LINES: &str = r#"{ name = "OrderNo", value = "order.number" }, { name = "SKU", value = "line.sku" }, { name = "Qty", value = "line.quantity" }"#;

/// A shape of order files.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// An order, a file.
    Single,
    /// Header, lines and trigger.
    Parts,
    /// Three orders in a file with a running number.
    Batch,
}

impl Shape {
    fn profile(self) -> String {
        match self {
            Self::Single => format!("columns = [{LINES}]"),
            Self::Parts => format!(
                "columns = [{{ name = \"OrderNo\", value = \"order.number\" }}]\n\
                 lines_file = {{ name = \"{{stem}}_lines.csv\", columns = [{LINES}] }}\ntrigger = {{ name = \"{{stem}}.done\" }}"
            ),
            Self::Batch => {
                format!("name = \"orders_{{sequence:6}}.csv\"\nbatch = {{ most_orders = 10 }}\ncolumns = [{LINES}]")
            }
        }
    }

    /// Files that make up an order file.
    fn files(self) -> usize {
        if self == Self::Parts { 3 } else { 1 }
    }

    fn orders(self) -> usize {
        if self == Self::Batch { 3 } else { 1 }
    }
}

/// What the store does with an order.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Store {
    LeavesIt,
    Cancels,
    Changes,
    Reinstates,
    /// Not the store: a person wants the order written again.
    AskedAgain,
}

fn describe(shop: &TestShop, number: &str, store: Store) {
    if store == Store::AskedAgain {
        shop.ledger().ask_for_order(number, true, "ann", shop.clock_now()).unwrap();
        return;
    }
    shop.edit(number, |order: &mut WebOrder| {
        let line = &mut order.lines[0];
        match store {
            Store::LeavesIt | Store::AskedAgain => {}
            Store::Cancels => line.cancelled = line.ordered,
            Store::Changes => line.ordered = 3.into(),
            Store::Reinstates => line.cancelled = 0.into(),
        }
    });
}

/// A shop that goes through one crash after the other.
struct Crashes {
    shop: TestShop,
    shape: Shape,
    /// Names that the till has had; none comes twice.
    had: BTreeSet<String>,
    /// What every order is like, its number aside.
    like: WebOrder,
    placed: u32,
}

impl Crashes {
    async fn of(shape: Shape) -> Self {
        let mut shop = TestShop::open(Mode::Msi).await;
        shop.till.count("1003", "Cup", 100_000.into());
        shop.go_into_business().await;
        let first = shop.place("1003", 2);
        shop.pull().await;
        shop.write_orders();
        shop.till_takes_all();
        let like = shop.ledger().order(&first.increment_id).unwrap().unwrap().order;
        shop.write_orders_as(&shape.profile());
        if shape == Shape::Parts {
            shop.till.habits.lines_ending = Some("_lines.csv".into());
            shop.till.habits.trigger_ending = Some(".done".into());
        }
        Self { shop, shape, had: BTreeSet::new(), like, placed: 0 }
    }

    /// New orders, as the store would tell of them.
    fn placed(&mut self) -> Vec<String> {
        self.shop.pass_time(1);
        let mut numbers = Vec::new();
        for _ in 0..self.shape.orders() {
            self.placed += 1;
            let number = format!("{:09}", 1000 + self.placed);
            let (id, placed_at) = (OrderId(format!("key-{number}")), self.shop.clock_now());
            let order = WebOrder { id, number: number.clone(), placed_at, ..self.like.clone() };
            let cursor = self.shop.ledger().fact(FEED_CURSOR).unwrap().unwrap();
            self.shop.ledger().record_orders(&[order], &FeedCursor(cursor), Timestamp::MIN, placed_at).unwrap();
            numbers.push(number);
        }
        numbers
    }

    /// The agent goes on until this step, and dies there.
    fn dies(&self, step: Step, what: &str) {
        self.shop.agent().epos.die_at(step);
        self.shop.write_orders();
        let ledger = self.shop.ledger();
        let is_dead = self.shop.agent().epos.is_dead();
        assert!(is_dead, "{what}: it never came to {step:?}: {:?}, {:?}", ledger.open_files(), ledger.conditions());
    }

    fn till_imports(&mut self, what: &str) {
        let files: BTreeSet<String> = self.shop.till.import_all().unwrap().into_iter().map(|one| one.file).collect();
        assert!(self.had.is_disjoint(&files), "{what}: a name came twice: {files:?}");
        self.had.extend(files);
    }

    /// The agent is started again, and agent and till go on until all is done.
    fn goes_on(&mut self, what: &str) {
        for _ in 0..4 {
            self.shop.write_orders();
            self.shop.pass_time(5);
            self.till_imports(what);
        }
        self.shop.look_at_orders();
    }

    /// Every order was booked once if it was wanted, as the store last described it if `as_described`.
    fn all_is_well(&self, orders: &[String], as_described: bool, what: &str) {
        let shop = &self.shop;
        assert_eq!(shop.till.violations(), [], "{what}");
        for number in orders {
            let order = shop.ledger().order(number).unwrap().unwrap();
            let times = shop.till.imported().get(number).copied().unwrap_or(0);
            match order.state {
                OrderState::Consumed => assert_eq!(times, 1, "{what}: {number} is believed to be taken"),
                OrderState::Withdrawn => {
                    assert_eq!(times, 0, "{what}: {number} was taken back");
                    assert!(order.order.is_void(), "{what}: {number} is wanted");
                }
                other => panic!("{what}: {number} is {other}"),
            }
            if as_described && times == 1 {
                let booked = shop.till.bookings().iter().find(|one| one.number == *number).unwrap();
                assert_eq!(booked.lines[0].1, order.order.lines[0].ordered, "{what}: {number}");
            }
        }
        let left: Vec<_> = std::fs::read_dir(&shop.till.import).unwrap().map(|one| one.unwrap().file_name()).collect();
        assert_eq!(left, [".tillbridge"], "{what}: nothing lies about");
    }

    fn publishing(&mut self) {
        let files = self.shape.files();
        let mut steps = vec![Step::BeforeCompare, Step::BeforeStage, Step::AfterStage, Step::BeforeReveal];
        steps.extend((0..files).map(Step::Staged));
        steps.extend((0..=files).map(Step::Revealed));
        steps.extend([Step::AfterReveal, Step::BeforeLook]);
        for step in steps {
            for store in [Store::LeavesIt, Store::Cancels, Store::Changes] {
                for till_is_quick in [true, false] {
                    let what = format!("died at {step:?}, the store {store:?}, till quick: {till_is_quick}");
                    let orders = self.placed();
                    self.dies(step, &what);
                    if till_is_quick {
                        self.till_imports(&what);
                    }
                    self.shop.die_and_restart();
                    describe(&self.shop, &orders[0], store);
                    self.goes_on(&what);
                    self.all_is_well(&orders, !till_is_quick, &what);
                }
            }
        }
    }

    fn withdrawing(&mut self) {
        let files = self.shape.files();
        let mut steps = vec![Step::BeforeWithdraw];
        steps.extend((0..=files).map(Step::Withdrawn));
        steps.push(Step::AfterWithdraw);
        for (store, then) in [
            (Store::Cancels, Store::LeavesIt),
            (Store::Cancels, Store::Reinstates),
            (Store::Changes, Store::LeavesIt),
            (Store::Changes, Store::Cancels),
            (Store::AskedAgain, Store::LeavesIt),
            (Store::AskedAgain, Store::Cancels),
        ] {
            let rewriting = [Step::BeforeCompare, Step::BeforeStage, Step::Revealed(1), Step::BeforeLook];
            let is_rewritten = store != Store::Cancels || self.shape == Shape::Batch;
            let steps = steps.iter().chain(rewriting.iter().filter(|_| is_rewritten));
            for step in steps.copied() {
                for till_is_quick in [true, false] {
                    let what =
                        format!("died at {step:?}, the store {store:?} and {then:?}, till quick: {till_is_quick}");
                    let orders = self.placed();
                    self.shop.write_orders();
                    describe(&self.shop, &orders[0], store);
                    self.dies(step, &what);
                    if till_is_quick {
                        self.till_imports(&what);
                    }
                    self.shop.die_and_restart();
                    describe(&self.shop, &orders[0], then);
                    self.goes_on(&what);
                    self.all_is_well(&orders, !till_is_quick, &what);
                }
            }
        }
    }

    fn calling_off(&mut self) {
        let files = self.shape.files();
        let mut steps = vec![Step::BeforeUnstage, Step::AfterUnstage];
        steps.extend((0..=files).map(Step::Unstaged));
        // With its lines visible and its order file not, an order can still be called off.
        for first in [Step::BeforeReveal, Step::Revealed(files.min(2) - 1)] {
            for (store, then) in [
                (Store::Cancels, Store::LeavesIt),
                (Store::Cancels, Store::Reinstates),
                (Store::Changes, Store::LeavesIt),
            ] {
                for step in steps.iter().copied() {
                    let what = format!("died at {first:?} and {step:?}, the store {store:?} and {then:?}");
                    let orders = self.placed();
                    self.dies(first, &what);
                    self.shop.die_and_restart();
                    describe(&self.shop, &orders[0], store);
                    self.dies(step, &what);
                    self.till_imports(&what);
                    self.shop.die_and_restart();
                    describe(&self.shop, &orders[0], then);
                    self.goes_on(&what);
                    self.all_is_well(&orders, true, &what);
                }
            }
        }
    }
}

async fn dies_everywhere(shape: Shape) {
    let mut crashes = Crashes::of(shape).await;
    crashes.publishing();
    crashes.withdrawing();
    crashes.calling_off();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_in_a_file_of_its_own_is_booked_exactly_once_wherever_the_agent_dies() {
    dies_everywhere(Shape::Single).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_header_lines_and_trigger_is_booked_exactly_once_wherever_the_agent_dies() {
    dies_everywhere(Shape::Parts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orders_of_a_batch_are_each_booked_exactly_once_wherever_the_agent_dies() {
    dies_everywhere(Shape::Batch).await;
}
