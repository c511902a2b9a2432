//! Two shops that fulfil the orders of one Magento: each with an agent, a till and a source of its own in one stock.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use std::collections::BTreeMap;

use shop::TestShop;
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::demo::magento::{Checkout, Mode, Placed};
use tillbridge::domain::{OrderState, Quantity};
use tillbridge::epos::order_profile::OrderProfile;
use tillbridge::ledger::exports::ExportState;
use tillbridge::ledger::pages::ELSEWHERE;

const SOURCES: [&str; 2] = ["shop1", "shop2"];

/// Orders that are picked up are the shop's where they are; of those that are sent, the second shop has the express ones.
fn rules(shop: usize) -> tillbridge::central::RoutingSettings {
    let (mine, other) = (SOURCES[shop], SOURCES[1 - shop]);
    let (express, otherwise) = if shop == 1 { ("mine", "elsewhere") } else { ("elsewhere", "mine") };
    let text = format!(
        r#"
        otherwise = "{otherwise}"
        rules = [
            {{ pickup_location = ["{mine}"], orders_are = "mine" }},
            {{ pickup_location = ["{other}"], orders_are = "elsewhere" }},
            {{ website = ["base"], shipping_method = ["express_*"], orders_are = "{express}" }},
        ]
        "#
    );
    toml::from_str(&text).unwrap()
}

fn sent_by(method: &str) -> Checkout {
    Checkout { shipping_method: method.into(), ..Checkout::default() }
}

/// Two shops in business, ten teapots in each.
struct Two {
    shops: [TestShop; 2],
    exports: u32,
}

impl Two {
    async fn open() -> Self {
        let first = TestShop::open(Mode::Msi).await;
        let second = TestShop::open_beside(&first, SOURCES[1]);
        let mut two = Self { shops: [first, second], exports: 0 };
        for (at, shop) in two.shops.iter_mut().enumerate() {
            shop.configure(|config| config.store.magento.as_mut().unwrap().routing = Some(rules(at)));
            shop.go_into_business().await;
        }
        assert_eq!(two.sellable(), 20.into());
        two
    }

    fn sellable(&self) -> Quantity {
        self.shops[0].sellable("1001")
    }

    fn place(&self, units: i64, checkout: &Checkout) -> Placed {
        self.shops[0].pass_time(1);
        let lines = [("1001".to_owned(), Quantity::from(units))];
        self.shops[0].magento.with(|books| books.check_out(&lines, checkout)).unwrap()
    }

    fn ship(&self, order: &Placed, source: &str) {
        self.shops[0].pass_time(1);
        self.shops[0].magento.with(|books| books.ship(order.entity_id, None, Some(source))).unwrap();
    }

    fn move_to(&self, order: &Placed, source: &str) {
        self.shops[0].pass_time(1);
        self.shops[0].magento.with(|books| books.move_to(order.entity_id, Some(source))).unwrap();
    }

    /// Both agents hear of what the store did, and write what is theirs.
    async fn hear(&self) {
        for shop in &self.shops {
            shop.pull().await;
            shop.write_orders();
        }
    }

    /// Both tills take what waits.
    fn take(&mut self) -> [usize; 2] {
        self.shops.each_mut().map(TestShop::till_takes_all)
    }

    /// Both tills export, and both agents send.
    async fn export(&mut self) {
        for shop in &mut self.shops {
            self.exports += 1;
            shop.pass_time(120);
            shop.export_and_look(&format!("export{}.csv", self.exports));
            assert_eq!(shop.last_export(), ExportState::Admitted);
            shop.deliver().await;
            assert_eq!(shop.due(), 0);
        }
    }

    fn state(&self, shop: usize, order: &Placed) -> Option<OrderState> {
        self.shops[shop].ledger().order(&order.increment_id).unwrap().map(|order| order.state)
    }

    fn waiting(&self, shop: usize) -> usize {
        self.shops[shop].till.waiting().unwrap().len()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_order_goes_to_the_till_of_its_shop_and_each_agent_writes_its_own_source() {
    let mut two = Two::open().await;
    let picked_up = SOURCES.map(|source| two.place(1, &Checkout::picked_up_at(source)));
    let (sent, express) = (two.place(2, &sent_by("flatrate_flatrate")), two.place(3, &sent_by("express_day")));
    two.hear().await;
    assert_eq!(two.take(), [2, 2]);
    for (order, its) in [(&picked_up[0], 0), (&picked_up[1], 1), (&sent, 0), (&express, 1)] {
        assert_eq!(two.state(its, order), Some(OrderState::Consumed));
        assert_eq!(two.state(1 - its, order), None, "another shop's order is not even noted");
    }
    two.shops[1].till.sell("1001", 2.into());
    two.export().await;
    assert_eq!(two.sellable(), (20 - 1 - 1 - 2 - 3 - 2).into());
    let sources = |two: &Two| SOURCES.map(|source| two.shops[0].magento.with(|books| books.at_source(source, "1001")));
    // The store itself takes off what is reserved: three here, four there.
    assert_eq!(sources(&two), [Some(10.into()), Some(8.into())]);
    two.ship(&express, "shop2");
    two.ship(&picked_up[0], "shop1");
    two.hear().await;
    two.export().await;
    assert_eq!((sources(&two), two.sellable()), ([Some(9.into()), Some(5.into())], 11.into()));
    assert!(two.shops.iter().all(|shop| shop.conditions().is_empty()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_goes_to_another_shop_before_the_till_took_it_is_taken_back_and_reinstated_when_it_returns() {
    let mut two = Two::open().await;
    let order = two.place(2, &Checkout::picked_up_at("shop1"));
    two.hear().await;
    assert_eq!((two.waiting(0), two.waiting(1)), (1, 0));
    two.move_to(&order, "shop2");
    two.hear().await;
    assert_eq!((two.waiting(0), two.waiting(1)), (0, 1));
    assert_eq!(
        (two.state(0, &order), two.state(1, &order)),
        (Some(OrderState::Withdrawn), Some(OrderState::Published))
    );
    let kept = two.shops[0].ledger().order(&order.increment_id).unwrap().unwrap();
    assert!(kept.elsewhere && kept.order.is_void());
    assert_eq!(kept.order.store_status, ELSEWHERE);
    assert!(kept.reason.unwrap().contains("it went to another shop"));
    let refused = two.shops[0].ledger().ask_for_order(&order.increment_id, true, "ann", two.shops[0].clock_now());
    assert!(refused.unwrap_err().to_string().contains("it went to another shop"));
    // A restart and further pages change nothing.
    two.shops[0].die_and_restart();
    two.hear().await;
    assert_eq!(two.state(0, &order), Some(OrderState::Withdrawn));
    assert_eq!(two.sellable(), 18.into(), "while it waits for the second till");
    two.move_to(&order, "shop1");
    two.hear().await;
    assert_eq!((two.waiting(0), two.waiting(1)), (1, 0));
    assert_eq!(two.take(), [1, 0]);
    two.export().await;
    assert_eq!(two.sellable(), 18.into());
    assert_eq!(two.shops[0].till.units("1001"), 8.into());
    assert_eq!(two.shops[1].till.units("1001"), 10.into());
    let history =
        two.shops[0].ledger().order_history(&tillbridge::domain::OrderId(order.entity_id.to_string())).unwrap();
    let said: Vec<&str> = history.iter().map(|entry| entry.what.as_str()).collect();
    assert!(
        said.contains(&"went to another shop, or was deleted in the web store")
            && said.contains(&"is this shop's again"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_order_that_went_to_another_shop_nothing_is_told_or_shipped_from_here() {
    let mut two = Two::open().await;
    two.shops[0].configure(|config| config.store.magento.as_mut().unwrap().ship_when_taken = true);
    let order = two.place(3, &Checkout::picked_up_at("shop1"));
    two.hear().await;
    // The store takes no notes; meanwhile the till takes the order, and the order goes elsewhere.
    let faults = two.shops[0].server.faults.clone();
    faults.set_for("/ship", Fault::ServerError, Count::UntilCleared);
    faults.set_for("/comments", Fault::ServerError, Count::UntilCleared);
    assert_eq!(two.take(), [1, 0]);
    two.shops[0].deliver().await;
    two.move_to(&order, "shop2");
    two.hear().await;
    faults.clear();
    two.shops[0].pass_time(3_600);
    two.shops[0].deliver().await;
    two.shops[0].magento.with(|books| {
        let order = books.order(order.entity_id).unwrap();
        assert!(order.rows.iter().all(|row| row.shipped.is_zero()), "it is shipped by the shop that has it");
        assert!(order.comments.is_empty(), "{:?}", order.comments);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_goes_to_another_shop_after_the_till_took_it_is_taken_back_by_a_file_or_by_staff() {
    for takes_files in [true, false] {
        let mut two = Two::open().await;
        if takes_files {
            let profile = OrderProfile::of_cancellations();
            two.shops[0].configure(|config| config.epos.cancellation_profile = Some(profile));
        }
        let order = two.place(3, &Checkout::picked_up_at("shop1"));
        two.hear().await;
        assert_eq!(two.take(), [1, 0]);
        two.move_to(&order, "shop2");
        two.hear().await;
        if takes_files {
            assert_eq!((two.waiting(0), two.waiting(1)), (1, 1));
            assert_eq!(two.take(), [1, 1]);
        } else {
            let text = two.shops[0].condition_text("order_cancelled_after_taken");
            assert!(
                text.contains("it went to another shop, or was deleted") && text.contains("book the return of 3"),
                "{text}"
            );
            assert_eq!(two.take(), [0, 1]);
            two.export().await;
            assert_eq!(two.sellable(), 14.into(), "until staff book the return, both tills have taken it off");
            two.shops[0].till.goods_in("1001", 3.into());
            let now = two.shops[0].clock_now();
            two.shops[0].ledger().order_done(&order.increment_id, false, "ann", now).unwrap();
        }
        two.export().await;
        assert_eq!(two.sellable(), 17.into(), "files: {takes_files}");
        assert_eq!(two.shops.each_ref().map(|shop| shop.till.units("1001")), [10.into(), 7.into()]);
        assert!(two.shops.iter().all(|shop| shop.conditions().is_empty()), "files: {takes_files}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_shipped_from_another_source_takes_from_that_shop_whoever_the_order_was_routed_to() {
    let mut two = Two::open().await;
    let (before, after) = (two.place(2, &Checkout::picked_up_at("shop1")), two.place(1, &sent_by("flatrate_flatrate")));
    two.hear().await;
    two.ship(&before, "shop2");
    two.hear().await;
    assert_eq!((two.waiting(0), two.waiting(1)), (1, 1), "the units left the second shop, so its till is told");
    assert_eq!(two.take(), [1, 1]);
    assert_eq!(
        (two.state(0, &before), two.state(1, &before)),
        (Some(OrderState::Withdrawn), Some(OrderState::Consumed))
    );
    two.export().await;
    assert_eq!(two.sellable(), 17.into());
    // The first till has taken this one when the second shop ships it.
    two.ship(&after, "shop2");
    two.hear().await;
    assert!(two.shops[0].condition_text("order_cancelled_after_taken").contains("book the return of 1"));
    two.shops[0].till.goods_in("1001", 1.into());
    two.shops[0].ledger().order_done(&after.increment_id, false, "ann", two.shops[0].clock_now()).unwrap();
    two.take();
    two.export().await;
    assert_eq!(two.sellable(), 17.into());
    assert_eq!(two.shops.each_ref().map(|shop| shop.till.units("1001")), [10.into(), 7.into()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_rules_count_for_orders_that_were_read_before() {
    let mut two = Two::open().await;
    let (first, second) = (two.place(1, &sent_by("flatrate_flatrate")), two.place(1, &sent_by("express_day")));
    two.hear().await;
    assert_eq!((two.waiting(0), two.waiting(1)), (1, 1));
    // Long ago, so that neither comes again by itself.
    two.shops[0].pass_time(3 * 3_600);
    two.place(1, &Checkout::picked_up_at("shop1"));
    two.hear().await;
    for (at, shop) in two.shops.iter_mut().enumerate() {
        let swapped = rules(at).rules.into_iter().map(|mut rule| {
            if !rule.website.is_empty() {
                rule.orders_are = rules(at).otherwise;
            }
            rule
        });
        let swapped =
            tillbridge::central::RoutingSettings { otherwise: rules(1 - at).otherwise, rules: swapped.collect() };
        shop.configure(|config| config.store.magento.as_mut().unwrap().routing = Some(swapped));
    }
    // What is sent has changed hands: express by its rule, the rest by `otherwise`.
    two.hear().await;
    assert_eq!(
        (two.state(0, &first), two.state(1, &first)),
        (Some(OrderState::Withdrawn), Some(OrderState::Published))
    );
    assert_eq!(
        (two.state(0, &second), two.state(1, &second)),
        (Some(OrderState::Published), Some(OrderState::Withdrawn))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_another_shop_that_cannot_be_read_is_that_shops_trouble() {
    let two = Two::open().await;
    let order = two.place(1, &Checkout::picked_up_at("shop2"));
    two.shops[0].magento.with(|books| books.replace_rows(order.entity_id, Vec::new())).unwrap();
    two.hear().await;
    assert!(!two.shops[0].conditions().contains(&"order_unreadable".to_owned()));
    assert!(two.shops[1].conditions().contains(&"order_unreadable".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_names_of_websites_cannot_be_looked_up_no_order_is_routed() {
    let mut two = Two::open().await;
    two.shops[0].die_and_restart();
    two.shops[0].magento.with(|books| books.sign_in.rights_missing.insert("Magento_Backend::store".into()));
    let order = two.place(1, &sent_by("express_day"));
    assert!(two.shops[0].agent().intake.pull().await.is_err());
    assert!(two.shops[0].condition_text("store_refuses").contains("Magento_Backend::store"));
    let check = two.shops[0].agent().shop.store.check().await;
    assert!(check.iter().any(|line| !line.ok && line.what == "look up store views"), "{check:?}");
    two.shops[0].magento.with(|books| books.sign_in.rights_missing.clear());
    two.hear().await;
    assert_eq!((two.state(0, &order), two.state(1, &order)), (None, Some(OrderState::Published)));
}

// ------------------------------------------------------------------------------------------------------- at random

/// What really is so of an order.
struct Really {
    placed: Placed,
    units: i64,
    /// Where it was picked up; `None`: it is sent.
    pickup: bool,
    /// Whose it is.
    shop: usize,
    is_shipped: bool,
    is_cancelled: bool,
}

struct Storm {
    two: Two,
    rng: fastrand::Rng,
    /// Teapots on each shelf.
    shelf: [i64; 2],
    orders: Vec<Really>,
    /// What each till has booked of an order by hand, beside files.
    by_hand: [BTreeMap<String, Quantity>; 2],
}

impl Storm {
    fn promised(&self, shop: usize) -> i64 {
        let open = |order: &&Really| order.shop == shop && !order.is_shipped && !order.is_cancelled;
        self.orders.iter().filter(open).map(|order| order.units).sum()
    }

    fn free(&self, shop: usize) -> i64 {
        self.shelf[shop] - self.promised(shop)
    }

    /// An order that was neither shipped nor cancelled.
    fn any_open(&mut self) -> Option<usize> {
        let open: Vec<usize> = (0..self.orders.len())
            .filter(|at| !self.orders[*at].is_shipped && !self.orders[*at].is_cancelled)
            .collect();
        self.rng.choice(open)
    }

    fn place(&mut self) {
        let (shop, units, pickup) = (self.rng.usize(0..2), self.rng.i64(1..3), self.rng.bool());
        if self.free(shop) < units || self.two.sellable() < units.into() {
            return;
        }
        let checkout = match (pickup, shop) {
            (true, shop) => Checkout::picked_up_at(SOURCES[shop]),
            (false, 0) => sent_by("flatrate_flatrate"),
            (false, _) => sent_by("express_day"),
        };
        let placed = self.two.place(units, &checkout);
        self.orders.push(Really { placed, units, pickup, shop, is_shipped: false, is_cancelled: false });
    }

    /// Mostly from the shop that has it; now and then the other one is quicker.
    fn ship(&mut self) {
        let Some(at) = self.any_open() else { return };
        let from = if self.rng.u8(0..5) == 0 { 1 - self.orders[at].shop } else { self.orders[at].shop };
        let units = self.orders[at].units;
        if from != self.orders[at].shop && self.free(from) < units {
            return;
        }
        let id = self.orders[at].placed.entity_id;
        // The store refuses where its source has too little, because the other shop's count came first.
        if self.two.shops[0].magento.with(|books| books.ship(id, None, Some(SOURCES[from]))).is_ok() {
            self.shelf[from] -= units;
            (self.orders[at].shop, self.orders[at].is_shipped) = (from, true);
        }
    }

    fn cancel(&mut self) {
        let Some(at) = self.any_open() else { return };
        let id = self.orders[at].placed.entity_id;
        assert!(self.two.shops[0].magento.with(|books| books.cancel(id)).unwrap());
        self.orders[at].is_cancelled = true;
    }

    fn move_away(&mut self) {
        let Some(at) = self.any_open() else { return };
        let to = 1 - self.orders[at].shop;
        if self.orders[at].pickup && self.free(to) >= self.orders[at].units {
            self.two.move_to(&self.orders[at].placed, SOURCES[to]);
            self.orders[at].shop = to;
        }
    }

    fn walk_in(&mut self) {
        let shop = self.rng.usize(0..2);
        if self.free(shop) > 3 {
            self.two.shops[shop].till.sell("1001", 1.into());
            self.shelf[shop] -= 1;
        }
    }

    async fn agent(&mut self) {
        let shop = self.rng.usize(0..2);
        let what = self.rng.u8(0..6);
        self.two.exports += 1;
        let (shop, name) = (&mut self.two.shops[shop], format!("storm{}.csv", self.two.exports));
        match what {
            0 | 1 => shop.pull().await,
            2 => shop.write_orders(),
            3 => drop(shop.till_takes_all()),
            4 => shop.export_and_look(&name),
            _ => shop.deliver().await,
        }
    }

    async fn step(&mut self) {
        self.two.shops[0].pass_time(self.rng.i64(0..40));
        match self.rng.u8(0..20) {
            0..4 => self.place(),
            4 | 5 => self.ship(),
            6 => self.cancel(),
            7 | 8 => self.move_away(),
            9 => self.walk_in(),
            _ => self.agent().await,
        }
    }

    /// Staff do what they are asked to.
    fn do_tasks(&mut self) -> bool {
        let mut any = false;
        for (at, shop) in self.two.shops.iter_mut().enumerate() {
            for found in shop.ledger().order_tasks(100).unwrap() {
                let (back, more) = (&found.task.difference.back, &found.task.difference.more);
                for (units, sign) in [(back, -1), (more, 1)] {
                    for (sku, units) in units {
                        let change = if sign > 0 { *units } else { -*units };
                        shop.till.sell(sku.as_str(), change);
                        let sum = self.by_hand[at].entry(found.number.clone()).or_default();
                        *sum = *sum + change;
                    }
                }
                shop.ledger().order_done(&found.number, false, "ann", shop.clock_now()).unwrap();
                any = true;
            }
        }
        any
    }

    /// Everything that is under way comes to its end.
    async fn settle(&mut self) {
        for _ in 0..6 {
            self.two.hear().await;
            self.two.take();
            self.two.hear().await;
            if !self.do_tasks() {
                break;
            }
        }
        self.two.export().await;
        self.two.hear().await;
        self.two.export().await;
    }

    /// Units of an order that a till has booked, by file and by hand.
    fn booked(&self, shop: usize, number: &str) -> Quantity {
        let lines = self.two.shops[shop].till.bookings().iter().filter(|booking| booking.number == number);
        let by_file: Quantity = lines.flat_map(|booking| &booking.lines).map(|(_, units)| *units).sum();
        by_file + self.by_hand[shop].get(number).copied().unwrap_or_default()
    }
}

/// Whatever happens in which order: at the end the store sells what lies on both shelves and is not promised, and each
/// order stands in the books of the till of the shop that fulfils it, and in no other's.
#[tokio::test(flavor = "multi_thread")]
async fn two_agents_with_two_sources_in_one_stock_end_with_the_truth() {
    for seed in 0..5 {
        let rng = fastrand::Rng::with_seed(seed);
        let by_hand = [BTreeMap::new(), BTreeMap::new()];
        let mut storm = Storm { two: Two::open().await, rng, shelf: [10, 10], orders: Vec::new(), by_hand };
        for _ in 0..90 {
            storm.step().await;
        }
        storm.settle().await;
        let truth = storm.free(0) + storm.free(1);
        assert_eq!(storm.two.sellable(), truth.into(), "seed {seed}");
        for order in &storm.orders {
            let number = &order.placed.increment_id;
            let wanted = |shop: usize| if order.is_cancelled || order.shop != shop { 0 } else { order.units };
            for shop in 0..2 {
                assert_eq!(storm.booked(shop, number), wanted(shop).into(), "seed {seed}: {number} at shop {shop}");
            }
        }
        for (at, shop) in storm.two.shops.iter().enumerate() {
            assert_eq!(shop.till.violations(), [], "seed {seed}");
            assert_eq!(
                shop.till.units("1001"),
                storm.free(at).into(),
                "seed {seed}: what the till of shop {at} counts"
            );
        }
        assert!(storm.orders.iter().any(|order| order.is_shipped) && storm.orders.len() > 5, "seed {seed}");
    }
}

// ------------------------------------------------------------------------------------------------------------- feed

#[tokio::test(flavor = "multi_thread")]
async fn all_orders_arrive_whatever_a_page_past_the_end_is_and_however_small_pages_are() {
    for (repeats_last_page, limit) in [(false, None), (true, None), (true, Some(20))] {
        let mut shop = TestShop::open(Mode::Msi).await;
        shop.magento.with(|books| {
            books.quirks.repeats_last_page = repeats_last_page;
            books.input_limit = limit;
        });
        shop.configure(|config| config.store.page = 7);
        let first: Vec<Placed> = (0..14).map(|_| shop.place("1003", 1)).collect();
        shop.pull().await;
        let then: Vec<Placed> = (0..21).map(|_| shop.place("1004", 1)).collect();
        shop.pull().await;
        shop.pull().await;
        for order in first.iter().chain(&then) {
            assert!(shop.ledger().order(&order.increment_id).unwrap().is_some(), "{repeats_last_page} {limit:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_show_up_late_or_from_a_lagging_replica_arrive() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let first = shop.place("1003", 1);
    shop.pull().await;
    // Its key is lower than the next one's, and it is committed after that was seen.
    let late = shop.place("1003", 1);
    shop.magento.with(|books| books.quirks.uncommitted.insert(late.entity_id));
    let next = shop.place("1003", 1);
    shop.pull().await;
    assert!(shop.ledger().order(&next.increment_id).unwrap().is_some());
    shop.pass_time(3_600);
    shop.place("1004", 1);
    shop.pull().await;
    shop.magento.with(|books| books.quirks.uncommitted.clear());
    shop.pull().await;
    assert!(shop.ledger().order(&late.increment_id).unwrap().is_some());
    // A replica that has the newest order, and of the others not what happened since.
    shop.magento.with(|books| books.lag());
    shop.ship(&first);
    shop.pull().await;
    shop.magento.with(|books| books.catch_up());
    shop.pass_time(60);
    shop.pull().await;
    let lines = shop.ledger().order(&first.increment_id).unwrap().unwrap().order.lines;
    assert_eq!(lines[0].shipped, 1.into());
}

/// magento2#10287: nothing but the list of shipments tells of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_shipment_that_leaves_its_order_unchanged_is_heard_of_within_minutes_and_else_the_night_after() {
    for may_read_shipments in [true, false] {
        let shop = TestShop::in_business(Mode::Msi).await;
        shop.magento.with(|books| {
            books.quirks.shipments_leave_orders = true;
            if !may_read_shipments {
                books.sign_in.rights_missing.insert("Magento_Sales::shipment".into());
            }
        });
        let order = shop.place("1003", 2);
        shop.pull().await;
        shop.pass_time(3_600);
        shop.place("1004", 1);
        shop.pull().await;
        shop.ship(&order);
        let shipped =
            |shop: &TestShop| shop.ledger().order(&order.increment_id).unwrap().unwrap().order.lines[0].shipped;
        for _ in 0..24 {
            shop.pull().await;
        }
        assert_eq!(shipped(&shop) == 2.into(), may_read_shipments);
        shop.pass_time(86_400);
        shop.pull().await;
        assert_eq!(shipped(&shop), 2.into());
        if !may_read_shipments {
            let check = shop.agent().shop.store.check().await;
            assert!(check.iter().any(|line| !line.ok && line.what == "read shipments"), "{check:?}");
        }
    }
}

#[test]
fn the_rules_in_the_example_of_a_configuration_can_be_used() {
    let example = tillbridge::config::EXAMPLE;
    let (before, from) = example.split_once("# [store.magento.routing]\n").unwrap();
    let (rules, after) = from.split_once("# ]\n").unwrap();
    let rules: String = rules.lines().map(|line| format!("{}\n", line.strip_prefix("# ").unwrap())).collect();
    let text = format!("{before}[store.magento.routing]\n{rules}]\n{after}");
    let config = tillbridge::config::Config::parse(&text, std::path::Path::new("/shop/config.toml")).unwrap();
    let routing = config.store.magento.unwrap().routing.unwrap();
    assert_eq!((routing.otherwise, routing.rules.len()), (tillbridge::central::Whose::Elsewhere, 3));
    // A complaint names file, key and rule.
    let senseless = text.replace("pickup_location = [\"shop1\"], ", "");
    let message = tillbridge::config::Config::parse(&senseless, std::path::Path::new("/shop/config.toml")).unwrap_err();
    assert!(message.to_string().contains("store.magento.routing.rules: rule 1: it has no condition"), "{message}");
}
