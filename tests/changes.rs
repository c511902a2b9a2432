//! Orders that change after the till took them, through the whole agent: cancelled, refunded, edited and reinstated, with
//! a till that reads cancellation files and with one that does not.

#![allow(clippy::disallowed_methods, reason = "a till moves files")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use shop::{Step, TestShop};
use tillbridge::demo::magento::{Mode, Placed, Refund};
use tillbridge::domain::{OrderState, Quantity};
use tillbridge::epos::evidence_settings::GoneProves;
use tillbridge::epos::order_profile::OrderProfile;
use tillbridge::ledger::exports::ExportState;

const MODES: [Mode; 2] = [Mode::Msi, Mode::Legacy];

async fn magento(mode: Mode, takes_files: bool) -> TestShop {
    let mut shop = TestShop::in_business(mode).await;
    if takes_files {
        shop.configure(|config| config.epos.cancellation_profile = Some(OrderProfile::of_cancellations()));
    }
    shop
}

async fn store(takes_files: bool) -> TestShop {
    let mut shop = TestShop::open_on_store_api(|router, _| router).await;
    if takes_files {
        shop.configure(|config| config.epos.cancellation_profile = Some(OrderProfile::of_cancellations()));
    }
    shop.go_into_business().await;
    shop
}

/// An order of this many teapots that the till has taken.
async fn taken(shop: &mut TestShop, units: i64) -> Placed {
    let order = shop.place("1001", units);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 1);
    order
}

async fn taken_from_store(shop: &mut TestShop, lines: &[(&str, i64)]) -> (String, String) {
    shop.pass_time(1);
    let id = shop.store.as_ref().unwrap().place(lines).unwrap();
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.till_takes_all(), 1);
    let number = shop.ledger().order(&id).unwrap().unwrap().order.number;
    (id, number)
}

/// The store changed something, and the agent hears of it.
async fn heard(shop: &mut TestShop) {
    shop.pull().await;
    shop.write_orders();
}

/// The till exports, and the store sells no more than there is: ten teapots less those that orders want.
async fn sells_at_most(shop: &mut TestShop, name: &str, truth: i64) -> Quantity {
    shop.pass_time(120);
    shop.export_and_look(name);
    assert_eq!(shop.last_export(), ExportState::Admitted, "{name}");
    shop.deliver().await;
    let sellable = shop.sellable("1001");
    assert!(sellable <= truth.into(), "{name}: {sellable} are sold, {truth} are there");
    sellable
}

fn waiting(shop: &TestShop) -> Vec<String> {
    shop.till.waiting().unwrap()
}

fn text_of(shop: &TestShop, name: &str) -> String {
    std::fs::read_to_string(shop.till.import.join(name)).unwrap()
}

/// The file's lines as number, SKU, units.
fn units_in(shop: &TestShop, name: &str) -> Vec<(String, String)> {
    let text = text_of(shop, name);
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|title| *title == name).unwrap();
    let (sku, units) = (column("SKU"), column("Qty"));
    lines
        .map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            (fields[sku].to_owned(), fields[units].to_owned())
        })
        .collect()
}

fn has_task(shop: &TestShop) -> bool {
    !shop.ledger().order_tasks(10).unwrap().is_empty()
}

fn done(shop: &TestShop, number: &str) -> Result<String, tillbridge::ledger::LedgerError> {
    let takes_files = shop.config.epos.cancellation_profile.is_some();
    let done = shop.ledger().order_done(number, takes_files, "ann", shop.clock_now());
    shop.write_orders();
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_cancelled_after_the_till_took_it_becomes_a_task_that_ends_when_staff_say_so() {
    for mode in MODES {
        let mut shop = magento(mode, false).await;
        let order = taken(&mut shop, 2).await;
        shop.cancel(&order);
        heard(&mut shop).await;
        assert_eq!(waiting(&shop), Vec::<String>::new());
        let text = shop.condition_text("order_cancelled_after_taken");
        let number = &order.increment_id;
        assert!(text.contains("the till booked 2 × 1001, and the web store now wants 0"), "{text}");
        assert!(text.contains(&format!("tillbridge orders done {number} --by NAME")), "{text}");
        assert_eq!(sells_at_most(&mut shop, "before.csv", 10).await, 8.into(), "{mode:?}: until staff book the return");
        // They book it, and say so the next day.
        shop.till.goods_in("1001", 2.into());
        assert_eq!(sells_at_most(&mut shop, "after.csv", 10).await, 10.into(), "{mode:?}");
        shop.pass_time(8 * 86_400);
        shop.write_orders();
        assert!(has_task(&shop), "it does not go away by itself");
        assert_eq!(&done(&shop, number).unwrap(), number);
        assert!(!has_task(&shop) && !shop.conditions().contains(&"order_cancelled_after_taken".to_owned()));
        assert_eq!(sells_at_most(&mut shop, "said.csv", 10).await, 10.into(), "{mode:?}");
        let refused = done(&shop, number).unwrap_err().to_string();
        assert!(refused.contains("nothing to do"), "{refused}");
        let id = shop.ledger().order(number).unwrap().unwrap().order.id;
        let history = shop.ledger().order_history(&id).unwrap();
        assert!(history.iter().any(|entry| entry.by == "ann" && entry.what == "dealt with in the till"), "{history:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_cancelled_after_the_till_took_it_is_taken_back_by_a_file_where_the_till_reads_them() {
    for mode in MODES {
        let mut shop = magento(mode, true).await;
        let order = taken(&mut shop, 2).await;
        shop.deliver().await;
        assert_eq!(shop.states(), [OrderState::Acknowledged]);
        shop.cancel(&order);
        heard(&mut shop).await;
        let name = format!("cancel_{}.csv", order.increment_id);
        assert_eq!(waiting(&shop), [name.as_str()]);
        assert_eq!(units_in(&shop, &name), [("1001".to_owned(), "-2".to_owned())]);
        assert!(done(&shop, &order.increment_id).is_err(), "nobody was asked");
        assert_eq!(sells_at_most(&mut shop, "before.csv", 10).await, 8.into(), "{mode:?}");
        shop.till_takes_all();
        assert_eq!((shop.till.units("1001"), waiting(&shop).len()), (10.into(), 0));
        assert_eq!(shop.states(), [OrderState::Acknowledged], "the order itself does not move");
        assert_eq!(sells_at_most(&mut shop, "after.csv", 10).await, 10.into(), "{mode:?}");
        assert!(!has_task(&shop), "{:?}", shop.conditions());
        assert_eq!(shop.till.violations(), []);
        // Nothing more comes of it.
        shop.look_at_orders();
        assert_eq!(waiting(&shop), Vec::<String>::new());
        let comments = shop.magento.with(|books| books.order(order.entity_id).unwrap().comments.len());
        assert_eq!(comments, 1, "the store was told of the order and of nothing else");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_lines_that_were_cancelled_are_taken_back() {
    for mode in MODES {
        for takes_files in [true, false] {
            let mut shop = magento(mode, takes_files).await;
            shop.pass_time(1);
            let order = shop.magento.place(&[("1001", 3), ("1004", 2)]).unwrap();
            heard(&mut shop).await;
            assert_eq!(shop.till_takes_all(), 1);
            // Invoiced in part, then cancelled: only the rest is freed (observed).
            shop.magento.with(|books| {
                let rows: Vec<_> = books.order(order.entity_id).unwrap().rows.iter().map(|row| row.id).collect();
                books.invoice(order.entity_id, Some(&[(rows[0], 1.into()), (rows[1], 2.into())])).unwrap();
                assert!(books.cancel(order.entity_id).unwrap());
            });
            shop.pass_time(1);
            heard(&mut shop).await;
            if takes_files {
                assert_eq!(units_in(&shop, &waiting(&shop)[0]), [("1001".to_owned(), "-2".to_owned())]);
                shop.till_takes_all();
                assert!(!has_task(&shop));
            } else {
                let text = shop.condition_text("order_changed_after_taken");
                assert!(text.contains("booked 3 × 1001, and the web store now wants 1"), "{text}");
                assert!(text.contains("book the return of 2 × 1001,"), "{text}");
                shop.till.goods_in("1001", 2.into());
                done(&shop, &order.increment_id).unwrap();
            }
            assert_eq!(sells_at_most(&mut shop, "after.csv", 9).await, 9.into(), "{mode:?} {takes_files}");
            assert_eq!((shop.till.units("1001"), shop.till.units("1004")), (9.into(), 46.into()));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_partial_cancellation_takes_back_only_what_the_first_did_not() {
    for takes_files in [true, false] {
        let mut shop = store(takes_files).await;
        let (id, number) = taken_from_store(&mut shop, &[("1001", 4)]).await;
        for round in 1..=3 {
            shop.pass_time(1);
            shop.store.as_ref().unwrap().with(|books| books.cancel_some(&id, "1001", 1.into())).unwrap();
            heard(&mut shop).await;
            if takes_files {
                let again = if round == 1 { String::new() } else { format!("_{round}") };
                assert_eq!(waiting(&shop), [format!("cancel_{number}{again}.csv")]);
                assert_eq!(units_in(&shop, &waiting(&shop)[0]), [("1001".to_owned(), "-1".to_owned())]);
                shop.till_takes_all();
            } else {
                assert!(shop.condition_text("order_changed_after_taken").contains("book the return of 1 × 1001,"));
                shop.till.goods_in("1001", 1.into());
                done(&shop, &number).unwrap();
            }
            assert!(!has_task(&shop));
            let left = 10 - 4 + round;
            assert_eq!(sells_at_most(&mut shop, &format!("after{round}.csv"), left).await, left.into());
        }
        assert_eq!(shop.till.violations(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn further_cancellations_while_the_first_file_waits_each_take_back_their_own_units() {
    let mut shop = store(true).await;
    let (id, number) = taken_from_store(&mut shop, &[("1001", 4)]).await;
    for _ in 0..2 {
        shop.pass_time(1);
        shop.store.as_ref().unwrap().with(|books| books.cancel_some(&id, "1001", 1.into())).unwrap();
        heard(&mut shop).await;
    }
    assert_eq!(waiting(&shop), [format!("cancel_{number}.csv"), format!("cancel_{number}_2.csv")]);
    shop.till_takes_all();
    let files = shop.ledger().files_of(&tillbridge::domain::OrderId(id)).unwrap();
    assert!(files.iter().all(|file| file.state == "taken"), "each is proved: {files:?}");
    assert_eq!(shop.till.units("1001"), 8.into());
    assert_eq!(sells_at_most(&mut shop, "after.csv", 8).await, 8.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn refunded_units_are_taken_back_if_they_are_known_to_be_returned_and_else_told_to_staff() {
    for takes_files in [true, false] {
        let mut shop = store(takes_files).await;
        let (id, number) = taken_from_store(&mut shop, &[("1001", 3)]).await;
        let refund = |returned| {
            let books = shop.store.as_ref().unwrap();
            books.with(|books| books.refund_some(&id, "1001", 1.into(), returned)).unwrap();
        };
        refund(true);
        heard(&mut shop).await;
        if takes_files {
            assert_eq!(units_in(&shop, &waiting(&shop)[0]), [("1001".to_owned(), "-1".to_owned())]);
            shop.till_takes_all();
        } else {
            assert!(shop.condition_text("order_changed_after_taken").contains("return of 1 × 1001"));
            shop.till.goods_in("1001", 1.into());
            done(&shop, &number).unwrap();
        }
        assert!(!has_task(&shop));
        assert_eq!(sells_at_most(&mut shop, "returned.csv", 8).await, 8.into());
        let refund = |returned| {
            let books = shop.store.as_ref().unwrap();
            books.with(|books| books.refund_some(&id, "1001", 1.into(), returned)).unwrap();
        };
        shop.pass_time(1);
        refund(false);
        heard(&mut shop).await;
        assert_eq!(waiting(&shop), Vec::<String>::new());
        let text = shop.condition_text("order_refunded");
        assert!(text.contains("1 × 1001 of it were refunded") && text.contains("not known to be back"), "{text}");
        done(&shop, &number).unwrap();
        assert!(!has_task(&shop), "and it is not asked again");
        shop.look_at_orders();
        assert!(!has_task(&shop));
        assert_eq!(sells_at_most(&mut shop, "refunded.csv", 8).await, 8.into());
    }
}

/// Magento's credit memo does not say whether the units are back (observed).
#[tokio::test(flavor = "multi_thread")]
async fn what_magento_refunds_is_told_to_staff() {
    for mode in MODES {
        let mut shop = magento(mode, true).await;
        let order = taken(&mut shop, 3).await;
        shop.magento.with(|books| {
            books.invoice(order.entity_id, None).unwrap();
            let row = books.order(order.entity_id).unwrap().rows[0].id;
            let refund = Refund { lines: Some(vec![(row, 1.into())]), returned: vec![row], shipping: false };
            books.refund(order.entity_id, &refund).unwrap();
        });
        shop.pass_time(1);
        heard(&mut shop).await;
        assert_eq!(waiting(&shop), Vec::<String>::new(), "nothing is taken back that may be gone");
        assert!(shop.condition_text("order_refunded").contains("1 × 1001"), "{mode:?}");
        done(&shop, &order.increment_id).unwrap();
        assert!(!has_task(&shop));
        sells_at_most(&mut shop, "after.csv", 8).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_file_that_the_till_refuses_becomes_a_task() {
    for is_late in [false, true] {
        let mut shop = store(true).await;
        let (id, number) = taken_from_store(&mut shop, &[("1001", 3)]).await;
        shop.store.as_ref().unwrap().with(|books| books.cancel_some(&id, "1001", 2.into())).unwrap();
        heard(&mut shop).await;
        let name = waiting(&shop)[0].clone();
        let work = shop.folder.path().join("till-work.csv");
        if is_late {
            std::fs::rename(shop.till.import.join(&name), &work).unwrap();
            shop.look_at_orders();
            assert!(!has_task(&shop), "it counts as taken");
            std::fs::rename(&work, shop.till.rejects.join(&name)).unwrap();
        } else {
            std::fs::rename(shop.till.import.join(&name), shop.till.rejects.join(&name)).unwrap();
        }
        shop.look_at_orders();
        shop.write_orders();
        assert_eq!(shop.states(), [OrderState::Consumed], "the order itself was not refused");
        let text = shop.condition_text("order_changed_after_taken");
        assert!(text.contains(&format!("the till refused the cancellation file {name}")), "{text}");
        assert!(text.contains("return of 2 × 1001"), "{text}");
        assert_eq!(waiting(&shop), Vec::<String>::new(), "it is not written again");
        assert_eq!(sells_at_most(&mut shop, "before.csv", 9).await, 7.into());
        shop.till.goods_in("1001", 2.into());
        done(&shop, &number).unwrap();
        assert!(!has_task(&shop));
        assert_eq!(sells_at_most(&mut shop, "after.csv", 9).await, 9.into());
        // The next one is tried by file again.
        shop.store.as_ref().unwrap().with(|books| books.cancel_some(&id, "1001", 1.into())).unwrap();
        heard(&mut shop).await;
        assert_eq!(waiting(&shop), [format!("cancel_{number}_2.csv")]);
        assert_eq!(units_in(&shop, &waiting(&shop)[0]), [("1001".to_owned(), "-1".to_owned())]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_is_booked_exactly_once_even_if_the_agent_is_killed_at_any_moment() {
    for step in [Step::BeforeStage, Step::AfterStage, Step::BeforeReveal, Step::AfterReveal] {
        for till_is_quick in [true, false] {
            let mut shop = magento(Mode::Msi, true).await;
            let order = taken(&mut shop, 2).await;
            shop.cancel(&order);
            shop.pull().await;
            shop.agent().epos.die_at(step);
            shop.write_orders();
            if till_is_quick {
                shop.till.import_all().unwrap();
            }
            shop.die_and_restart();
            shop.write_orders();
            shop.till_takes_all();
            shop.till_takes_all();
            assert_eq!(shop.till.units("1001"), 10.into(), "died at {step:?}, till quick: {till_is_quick}");
            assert_eq!((waiting(&shop).len(), has_task(&shop)), (0, false), "died at {step:?}");
            assert_eq!(shop.till.violations(), []);
            assert_eq!(sells_at_most(&mut shop, "after.csv", 10).await, 10.into(), "died at {step:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_reinstated_while_its_cancellation_is_staged_keeps_what_the_till_booked() {
    for step in [Step::BeforeStage, Step::AfterStage, Step::BeforeReveal] {
        let mut shop = magento(Mode::Msi, true).await;
        let order = taken(&mut shop, 2).await;
        shop.cancel(&order);
        shop.pull().await;
        shop.agent().epos.die_at(step);
        shop.write_orders();
        shop.die_and_restart();
        shop.pass_time(1);
        shop.magento.with(|books| books.reinstate(order.entity_id)).unwrap();
        heard(&mut shop).await;
        assert_eq!((waiting(&shop).len(), has_task(&shop)), (0, false), "died at {step:?}");
        let staged = std::fs::read_dir(shop.config.epos.staging()).unwrap();
        let left = staged.filter(|entry| entry.as_ref().unwrap().path().extension() == Some("staged".as_ref()));
        assert_eq!(left.count(), 0, "died at {step:?}");
        assert_eq!(sells_at_most(&mut shop, "after.csv", 8).await, 8.into(), "died at {step:?}");
        // Cancelled once more, it goes out under the name that nobody has seen.
        shop.cancel(&order);
        heard(&mut shop).await;
        assert_eq!(waiting(&shop), [format!("cancel_{}.csv", order.increment_id)]);
        shop.till_takes_all();
        assert_eq!(shop.till.units("1001"), 10.into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_reinstated_while_its_cancellation_waits_takes_the_file_away_again() {
    for till_is_quick in [false, true] {
        let mut shop = magento(Mode::Legacy, true).await;
        let order = taken(&mut shop, 2).await;
        shop.cancel(&order);
        heard(&mut shop).await;
        assert_eq!(waiting(&shop).len(), 1);
        if till_is_quick {
            shop.till.import_all().unwrap();
        }
        shop.pass_time(1);
        shop.magento.with(|books| books.reinstate(order.entity_id)).unwrap();
        heard(&mut shop).await;
        assert_eq!(waiting(&shop), Vec::<String>::new());
        sells_at_most(&mut shop, "at_once.csv", 8).await;
        shop.look_at_orders();
        assert_eq!(has_task(&shop), till_is_quick, "the till was faster: its books lack two");
        sells_at_most(&mut shop, "later.csv", 8).await;
        if till_is_quick {
            let text = shop.condition_text("order_changed_after_taken");
            assert!(text.contains("book 2 × 1001 on top"), "{text}");
            shop.till.sell("1001", 2.into());
            sells_at_most(&mut shop, "booked.csv", 8).await;
            done(&shop, &order.increment_id).unwrap();
        }
        assert_eq!(sells_at_most(&mut shop, "after.csv", 8).await, 8.into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_is_taken_away_again_is_not_believed_to_be_booked_wherever_the_agent_dies() {
    for step in [Step::BeforeWithdraw, Step::Withdrawn(1), Step::AfterWithdraw] {
        for till_is_quick in [false, true] {
            let told = format!("died at {step:?}, till quick: {till_is_quick}");
            let mut shop = magento(Mode::Legacy, true).await;
            let order = taken(&mut shop, 2).await;
            shop.cancel(&order);
            heard(&mut shop).await;
            shop.pass_time(1);
            shop.magento.with(|books| books.reinstate(order.entity_id)).unwrap();
            shop.pull().await;
            shop.agent().epos.die_at(step);
            shop.write_orders();
            if till_is_quick {
                shop.till.import_all().unwrap();
            }
            let is_booked = shop.till.units("1001") == 10.into();
            assert_eq!(is_booked, till_is_quick && step == Step::BeforeWithdraw, "{told}");
            shop.die_and_restart();
            shop.look_at_orders();
            assert_eq!((waiting(&shop).len(), has_task(&shop)), (0, is_booked), "{told}");
            sells_at_most(&mut shop, "after.csv", 8).await;
            if is_booked {
                shop.till.sell("1001", 2.into());
                done(&shop, &order.increment_id).unwrap();
                sells_at_most(&mut shop, "booked.csv", 8).await;
            }
            assert_eq!(sells_at_most(&mut shop, "rest.csv", 8).await, 8.into(), "{told}");
        }
    }
}

/// Ordered, taken, cancelled, taken back, reinstated: the teapots are sold once.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_and_is_wanted_again_is_not_sold_twice() {
    for mode in MODES {
        for takes_files in [true, false] {
            let mut shop = magento(mode, takes_files).await;
            let order = taken(&mut shop, 2).await;
            sells_at_most(&mut shop, "taken.csv", 8).await;
            shop.cancel(&order);
            heard(&mut shop).await;
            sells_at_most(&mut shop, "cancelled.csv", 10).await;
            if takes_files {
                shop.till_takes_all();
            } else {
                // Staff book the return, and say nothing.
                shop.till.goods_in("1001", 2.into());
            }
            assert_eq!(sells_at_most(&mut shop, "taken_back.csv", 10).await, 10.into());
            shop.pass_time(1);
            shop.magento.with(|books| books.reinstate(order.entity_id)).unwrap();
            heard(&mut shop).await;
            shop.deliver().await;
            assert_eq!(shop.sellable("1001"), 8.into(), "{mode:?} {takes_files}: by the export that counts");
            assert_eq!(sells_at_most(&mut shop, "reinstated.csv", 8).await, 8.into(), "{mode:?} {takes_files}");
            let text = shop.condition_text("order_changed_after_taken");
            assert!(text.contains("has booked 2 × 1001 for the order in all"), "{text}");
            shop.till.sell("1001", 2.into());
            sells_at_most(&mut shop, "booked_again.csv", 8).await;
            done(&shop, &order.increment_id).unwrap();
            sells_at_most(&mut shop, "said.csv", 8).await;
            assert_eq!(sells_at_most(&mut shop, "after.csv", 8).await, 8.into(), "{mode:?} {takes_files}");
            assert!(!has_task(&shop));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_the_till_may_have_booked_counts_before_that_is_proved() {
    for mode in MODES {
        let mut shop = magento(mode, true).await;
        let order = taken(&mut shop, 2).await;
        shop.pass_time(120);
        shop.cancel(&order);
        heard(&mut shop).await;
        shop.till.import_all().unwrap();
        shop.export_and_look("taken_back.csv");
        assert_eq!(shop.last_export(), ExportState::Admitted);
        shop.pass_time(1);
        shop.magento.with(|books| books.reinstate(order.entity_id)).unwrap();
        shop.deliver().await;
        assert_eq!(shop.sellable("1001"), 8.into(), "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_withdrawal_came_too_late_is_taken_back_or_becomes_a_task() {
    for takes_files in [true, false] {
        let mut shop = magento(Mode::Msi, takes_files).await;
        let order = shop.place("1001", 2);
        heard(&mut shop).await;
        shop.till.import_all().unwrap();
        shop.cancel(&order);
        heard(&mut shop).await;
        assert_eq!((shop.states(), waiting(&shop).len()), (vec![OrderState::Published], 0), "nothing is proved yet");
        shop.look_at_orders();
        assert_eq!(shop.states(), [OrderState::Consumed]);
        if takes_files {
            assert_eq!(waiting(&shop).len(), 1);
            shop.till_takes_all();
            assert!(!has_task(&shop));
        } else {
            assert!(shop.conditions().contains(&"order_cancelled_after_taken".to_owned()));
            shop.till.goods_in("1001", 2.into());
            done(&shop, &order.increment_id).unwrap();
        }
        assert_eq!(sells_at_most(&mut shop, "after.csv", 10).await, 10.into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn units_that_an_edit_added_are_a_task_and_never_a_file() {
    let mut shop = store(true).await;
    let (id, number) = taken_from_store(&mut shop, &[("1001", 2), ("1004", 3)]).await;
    shop.store.as_ref().unwrap().with(|books| {
        books.edit(&id, "1001", 3.into()).unwrap();
        books.edit(&id, "1004", 1.into()).unwrap();
    });
    heard(&mut shop).await;
    assert_eq!(waiting(&shop), [format!("cancel_{number}.csv")]);
    assert_eq!(units_in(&shop, &waiting(&shop)[0]), [("1004".to_owned(), "-2".to_owned())]);
    let text = shop.condition_text("order_changed_after_taken");
    assert!(
        text.contains("booked 2 × 1001, and the web store now wants 3") && text.contains("1 × 1001 on top"),
        "{text}"
    );
    let refused = done(&shop, &number).unwrap_err().to_string();
    assert!(refused.contains("has not taken the cancellation file"), "{refused}");
    sells_at_most(&mut shop, "edited.csv", 7).await;
    shop.till_takes_all();
    shop.till.sell("1001", 1.into());
    done(&shop, &number).unwrap();
    assert_eq!(sells_at_most(&mut shop, "after.csv", 7).await, 7.into());
    assert!(!has_task(&shop));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_that_the_store_no_longer_lists_is_taken_back_by_staff() {
    for takes_files in [true, false] {
        let mut shop = magento(Mode::Legacy, takes_files).await;
        shop.pass_time(1);
        let order = shop.magento.place(&[("1004", 2), ("1001", 3)]).unwrap();
        heard(&mut shop).await;
        assert_eq!(shop.till_takes_all(), 1);
        shop.magento.with(|books| {
            let rows = books.order(order.entity_id).unwrap().rows[..1].to_vec();
            books.replace_rows(order.entity_id, rows).unwrap();
        });
        shop.pass_time(1);
        heard(&mut shop).await;
        assert_eq!(waiting(&shop), Vec::<String>::new());
        let text = shop.condition_text("order_changed_after_taken");
        assert!(text.contains("booked 3 × 1001, and the web store now wants 0"), "{text}");
        assert_eq!(text.contains("no longer lists an item"), takes_files, "{text}");
        shop.till.goods_in("1001", 3.into());
        done(&shop, &order.increment_id).unwrap();
        assert_eq!(sells_at_most(&mut shop, "after.csv", 10).await, 10.into());
        assert!(!has_task(&shop));
    }
}

/// An order that is edited in Magento is cancelled, and a new one placed.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_in_magento_is_a_cancellation_and_a_new_order() {
    for mode in MODES {
        let mut shop = magento(mode, true).await;
        let order = taken(&mut shop, 3).await;
        shop.cancel(&order);
        let edited = shop.place("1001", 1);
        heard(&mut shop).await;
        let expected = [format!("cancel_{}.csv", order.increment_id), format!("order_{}.csv", edited.increment_id)];
        assert_eq!(waiting(&shop), expected);
        shop.till_takes_all();
        assert_eq!(shop.till.units("1001"), 9.into());
        assert_eq!(sells_at_most(&mut shop, "after.csv", 9).await, 9.into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_price_that_was_changed_is_told_once() {
    let mut shop = magento(Mode::Msi, true).await;
    let order = taken(&mut shop, 2).await;
    shop.magento.with(|books| {
        let mut rows = books.order(order.entity_id).unwrap().rows.clone();
        rows[0].price += rust_decimal::Decimal::ONE;
        books.replace_rows(order.entity_id, rows).unwrap();
    });
    shop.pass_time(1);
    heard(&mut shop).await;
    let text = shop.condition_text("order_changed_after_taken");
    assert!(text.contains("names or prices of items") && !text.contains("return"), "{text}");
    let notice = shop.ledger().conditions().unwrap();
    assert!(notice.iter().all(|condition| condition.severity == tillbridge::ledger::conditions::Severity::Notice));
    done(&shop, &order.increment_id).unwrap();
    assert!(!has_task(&shop));
    // A shipment changes nothing for the till.
    shop.ship(&order);
    heard(&mut shop).await;
    assert!(!has_task(&shop));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_of_which_it_is_unproved_that_the_till_booked_it_is_asked_about_and_no_file_is_written() {
    let mut shop = magento(Mode::Msi, true).await;
    let order = taken(&mut shop, 2).await;
    shop.stop();
    let ledger = rusqlite::Connection::open(shop.config.agent.data_folder.join("ledger.db")).unwrap();
    ledger.execute("UPDATE order_file SET state = 'left', left_at = ended_at, ended_at = NULL", []).unwrap();
    ledger.execute("UPDATE web_order SET state = 'taken-unproved'", []).unwrap();
    drop(ledger);
    shop.restart();
    shop.cancel(&order);
    heard(&mut shop).await;
    assert_eq!(waiting(&shop), Vec::<String>::new());
    let text = shop.condition_text("order_cancelled_after_taken");
    assert!(text.contains("may have booked 2 × 1001") && text.contains("nothing proves"), "{text}");
    assert!(text.contains("If the till shows the order, book the return of 2 × 1001"), "{text}");
    shop.till.goods_in("1001", 2.into());
    // Proof turns up; staff were asked already, and a file would take back what they have booked.
    shop.stop();
    let ledger = rusqlite::Connection::open(shop.config.agent.data_folder.join("ledger.db")).unwrap();
    ledger.execute("UPDATE order_file SET state = 'taken', ended_at = left_at", []).unwrap();
    ledger.execute("UPDATE web_order SET state = 'consumed'", []).unwrap();
    drop(ledger);
    shop.restart();
    heard(&mut shop).await;
    assert_eq!(waiting(&shop), Vec::<String>::new());
    assert!(shop.condition_text("order_cancelled_after_taken").contains("the till booked 2 × 1001"));
    done(&shop, &order.increment_id).unwrap();
    assert!(!has_task(&shop));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_the_till_lost_is_not_taken_back_and_what_was_taken_back_of_it_is_told() {
    for is_visible in [true, false] {
        let mut shop = magento(Mode::Msi, true).await;
        let order = taken(&mut shop, 2).await;
        shop.cancel(&order);
        heard(&mut shop).await;
        if !is_visible {
            shop.till_takes_all();
        }
        shop.stop();
        let ledger = rusqlite::Connection::open(shop.config.agent.data_folder.join("ledger.db")).unwrap();
        ledger.execute("UPDATE order_file SET state = 'lost' WHERE kind = 'order'", []).unwrap();
        ledger.execute("UPDATE web_order SET state = 'received'", []).unwrap();
        drop(ledger);
        // The till never booked the order: its books have two more now.
        shop.till.goods_in("1001", 2.into());
        shop.restart();
        heard(&mut shop).await;
        assert_eq!(waiting(&shop), Vec::<String>::new(), "the cancellation is taken away again");
        assert_eq!(has_task(&shop), !is_visible);
        sells_at_most(&mut shop, "lost.csv", 10).await;
        if !is_visible {
            let text = shop.condition_text("order_changed_after_taken");
            assert!(text.contains("took back 2 × 1001 more than it had booked"), "{text}");
            shop.till.sell("1001", 2.into());
            done(&shop, &order.increment_id).unwrap();
        }
        sells_at_most(&mut shop, "mended.csv", 10).await;
        assert_eq!(sells_at_most(&mut shop, "after.csv", 10).await, 10.into());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_file_that_has_gone_without_proof_is_asked_about() {
    let mut shop = magento(Mode::Legacy, true).await;
    let order = taken(&mut shop, 2).await;
    shop.cancel(&order);
    heard(&mut shop).await;
    let name = waiting(&shop)[0].clone();
    shop.configure(|config| config.epos.evidence.gone = Some(GoneProves::Unproved));
    shop.till.import_all().unwrap();
    shop.look_at_orders();
    heard(&mut shop).await;
    assert_eq!(shop.states(), [OrderState::Consumed], "what becomes of a cancellation file moves no order");
    let found = shop.ledger().order(&order.increment_id).unwrap().unwrap();
    let history = shop.ledger().order_history(&found.order.id).unwrap();
    assert!(history.iter().any(|one| one.what == "cancellation taken, unproved"), "{history:?}");
    let text = shop.condition_text("order_cancelled_after_taken");
    assert!(text.contains(&format!("{name} has gone, and nothing proves")), "{text}");
    assert!(text.contains("it has booked nothing for the order in all"), "{text}");
    assert_eq!(waiting(&shop), Vec::<String>::new());
    sells_at_most(&mut shop, "unproved.csv", 10).await;
    done(&shop, &order.increment_id).unwrap();
    assert!(!has_task(&shop));
    let id = shop.ledger().order(&order.increment_id).unwrap().unwrap().order.id;
    let files = shop.ledger().files_of(&id).unwrap();
    let file = files.iter().find(|file| file.name == name).unwrap();
    assert_eq!((file.state.as_str(), file.evidence.as_deref()), ("taken", Some("said by ann")));
    assert_eq!(sells_at_most(&mut shop, "after.csv", 10).await, 10.into());
}

/// Files that an older version wrote tell of units that take stock, and of nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn of_an_order_that_an_older_version_wrote_only_units_are_compared() {
    let mut shop = store(false).await;
    let (id, number) = taken_from_store(&mut shop, &[("1001", 3)]).await;
    shop.stop();
    let ledger = rusqlite::Connection::open(shop.config.agent.data_folder.join("ledger.db")).unwrap();
    ledger.execute("UPDATE order_file SET version = ''", []).unwrap();
    ledger.execute("DELETE FROM order_compared", []).unwrap();
    drop(ledger);
    shop.restart();
    shop.store.as_ref().unwrap().with(|books| books.ship(&id)).unwrap();
    heard(&mut shop).await;
    assert!(!has_task(&shop));
    shop.store.as_ref().unwrap().with(|books| books.refund_some(&id, "1001", 1.into(), true)).unwrap();
    heard(&mut shop).await;
    assert!(shop.condition_text("order_changed_after_taken").contains("return of 1 × 1001"));
    shop.till.goods_in("1001", 1.into());
    done(&shop, &number).unwrap();
    assert_eq!(sells_at_most(&mut shop, "after.csv", 8).await, 8.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_that_cannot_be_written_becomes_a_task_with_the_reason() {
    let mut shop = magento(Mode::Msi, false).await;
    shop.configure(|config| {
        let mut profile = OrderProfile::of_cancellations();
        profile.columns.iter_mut().find(|column| column.name == "Company").unwrap().required = true;
        config.epos.cancellation_profile = Some(profile);
    });
    let order = taken(&mut shop, 2).await;
    shop.cancel(&order);
    heard(&mut shop).await;
    let text = shop.condition_text("order_cancelled_after_taken");
    assert!(text.contains("no cancellation file can be written") && text.contains("Company"), "{text}");
    assert!(!text.contains("orders export"), "{text}");
    shop.till.goods_in("1001", 2.into());
    done(&shop, &order.increment_id).unwrap();
    assert_eq!(sells_at_most(&mut shop, "after.csv", 10).await, 10.into());
    assert!(!has_task(&shop));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_store_changed_since_the_task_was_shown_cannot_be_said_to_be_done() {
    let mut shop = store(false).await;
    let (id, number) = taken_from_store(&mut shop, &[("1001", 3)]).await;
    shop.store.as_ref().unwrap().with(|books| books.cancel_some(&id, "1001", 1.into())).unwrap();
    heard(&mut shop).await;
    shop.store.as_ref().unwrap().with(|books| books.cancel_some(&id, "1001", 1.into())).unwrap();
    shop.pull().await;
    let refused = shop.ledger().order_done(&number, false, "ann", shop.clock_now()).unwrap_err().to_string();
    assert!(refused.contains("changed order") && refused.contains("orders tasks"), "{refused}");
    shop.write_orders();
    assert!(shop.condition_text("order_changed_after_taken").contains("return of 2 × 1001"));
    shop.till.goods_in("1001", 2.into());
    done(&shop, &number).unwrap();
    assert_eq!(sells_at_most(&mut shop, "after.csv", 9).await, 9.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_file_that_the_till_does_not_take_is_told() {
    let mut shop = magento(Mode::Msi, true).await;
    let order = taken(&mut shop, 2).await;
    shop.cancel(&order);
    heard(&mut shop).await;
    shop.pass_time(31 * 60);
    shop.write_orders();
    let text = shop.condition_text("order_not_taken");
    assert!(text.contains(&format!("cancel_{}.csv", order.increment_id)), "{text}");
    shop.till_takes_all();
    assert!(!shop.conditions().contains(&"order_not_taken".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_nobody_touches_are_not_compared_again() {
    let mut shop = magento(Mode::Msi, true).await;
    let order = taken(&mut shop, 2).await;
    shop.write_orders();
    assert_eq!(shop.ledger().orders_to_compare(10).unwrap(), []);
    shop.deliver().await;
    assert_eq!(shop.states(), [OrderState::Acknowledged]);
    shop.pull().await;
    assert_eq!(shop.ledger().orders_to_compare(10).unwrap(), []);
    shop.ship(&order);
    shop.pull().await;
    assert_eq!(shop.ledger().orders_to_compare(10).unwrap().len(), 1);
    shop.write_orders();
    assert_eq!(shop.ledger().orders_to_compare(10).unwrap(), []);
}

/// One order of teapots, and whatever store, till, staff and agent may do about it, in any order.
struct Storm {
    shop: TestShop,
    id: String,
    number: String,
    wanted: i64,
    /// What staff corrected since they last said that all is done; positive is taken back.
    corrected: i64,
    asked: (i64, i64),
    exports: u32,
}

fn number_of(units: &tillbridge::domain::corrections::Units) -> i64 {
    units.values().next().map_or(0, |units| units.to_string().parse().unwrap())
}

impl Storm {
    async fn begin(takes_files: bool) -> Self {
        let mut shop = store(takes_files).await;
        shop.configure(|config| config.gate.policy = tillbridge::domain::gate::Policy::Adjust);
        shop.pass_time(1);
        let id = shop.store.as_ref().unwrap().place(&[("1001", 3)]).unwrap();
        heard(&mut shop).await;
        let number = shop.ledger().order(&id).unwrap().unwrap().order.number;
        Self { shop, id, number, wanted: 3, corrected: 0, asked: (0, 0), exports: 0 }
    }

    fn note_asked(&mut self) {
        for found in self.shop.ledger().order_tasks(10).unwrap() {
            let (back, more) = (number_of(&found.task.asked_back), number_of(&found.task.asked_more));
            self.asked = (self.asked.0.max(back), self.asked.1.max(more));
        }
    }

    fn correct(&mut self, to: i64) {
        let to = to.clamp(-self.asked.1, self.asked.0);
        self.shop.till.goods_in("1001", (to - self.corrected).into());
        self.corrected = to;
    }

    fn say_done(&mut self) {
        let Some(found) = self.shop.ledger().order_tasks(10).unwrap().pop() else { return };
        // They make it so before they say so; where that is refused, they leave it as it was.
        let change = Quantity::from(10 - number_of(&found.task.wanted)) - self.shop.till.units("1001");
        self.shop.till.goods_in("1001", change);
        let takes_files = self.shop.config.epos.cancellation_profile.is_some();
        let said = self.shop.ledger().order_done(&self.number, takes_files, "ann", self.shop.clock_now());
        match said {
            Ok(_) => (self.corrected, self.asked) = (0, (0, 0)),
            Err(_) => self.shop.till.goods_in("1001", -change),
        }
    }

    async fn one(&mut self, random: &mut fastrand::Rng) -> String {
        self.shop.pass_time(random.i64(1..40));
        let what = random.u8(0..11);
        match what {
            0 | 1 => {
                self.wanted = random.i64(0..5);
                let wanted = self.wanted.into();
                self.shop.store.as_ref().unwrap().with(|books| books.edit(&self.id, "1001", wanted)).unwrap();
            }
            2 => drop(self.shop.till.import_all().unwrap()),
            3 => {
                let refused = waiting(&self.shop).into_iter().find(|name| name.starts_with("cancel"));
                if let Some(name) = refused {
                    std::fs::rename(self.shop.till.import.join(&name), self.shop.till.rejects.join(&name)).unwrap();
                }
            }
            4 => self.shop.look_at_orders(),
            5 => {
                let steps = [Step::BeforeStage, Step::AfterStage, Step::BeforeReveal, Step::AfterReveal];
                self.shop.agent().epos.die_at(*random.choice(&steps).unwrap());
                heard(&mut self.shop).await;
                if random.bool() {
                    self.shop.till.import_all().unwrap();
                }
                self.shop.die_and_restart();
            }
            6 => self.correct(random.i64(-4..5)),
            7 | 8 => self.say_done(),
            _ => {
                self.exports += 1;
                self.shop.pass_time(random.i64(1..100));
                self.shop.export_and_look(&format!("storm{}.csv", self.exports));
            }
        }
        heard(&mut self.shop).await;
        self.note_asked();
        self.shop.deliver().await;
        self.note_asked();
        format!("{what} (wanted {}, till {}, corrected {})", self.wanted, self.shop.till.units("1001"), self.corrected)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_to_a_changed_order_the_store_never_sells_more_than_there_is() {
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut storm = Storm::begin(seed % 2 == 0).await;
        let mut told = Vec::new();
        for _ in 0..60 {
            told.push(storm.one(&mut random).await);
            let (sellable, truth) = (storm.shop.sellable("1001"), Quantity::from(10 - storm.wanted));
            assert!(sellable <= truth, "seed {seed}: {sellable} sold, {truth} there, after\n{}", told.join("\n"));
        }
        // And it comes to rest: nothing is kept back for ever.
        for _ in 0..4 {
            storm.shop.till_takes_all();
            heard(&mut storm.shop).await;
            storm.say_done();
        }
        let truth = 10 - storm.wanted;
        assert_eq!(
            sells_at_most(&mut storm.shop, "rest.csv", truth).await,
            truth.into(),
            "seed {seed}\n{}",
            told.join("\n")
        );
        let tasks = storm.shop.ledger().order_tasks(10).unwrap();
        assert_eq!(tasks, [], "seed {seed}\n{}", told.join("\n"));
        assert_eq!(storm.shop.till.violations(), [], "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_report_shows_cancellation_files_that_wait_and_what_staff_are_to_do() {
    for takes_files in [false, true] {
        let mut shop = magento(Mode::Legacy, takes_files).await;
        let order = taken(&mut shop, 2).await;
        shop.cancel(&order);
        heard(&mut shop).await;
        let report = tillbridge::health::report(shop.ledger(), "till", None, true, shop.clock_now()).unwrap();
        let waiting: Vec<_> = report.waiting_cancellations.iter().map(|file| file.number.as_str()).collect();
        let tasks: Vec<_> = report.staff_tasks.iter().map(|task| task.number.as_str()).collect();
        let number = [order.increment_id.as_str()];
        assert_eq!(
            (waiting.as_slice(), tasks.as_slice()),
            if takes_files { (&number[..], &[][..]) } else { (&[][..], &number[..]) }
        );
    }
}
