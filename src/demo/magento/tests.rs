use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;

use super::*;
use crate::demo::clock::HandClock;

pub(super) fn start() -> HandClock {
    HandClock::at("2026-11-23T16:00:00.75Z".parse::<Timestamp>().unwrap())
}

/// Two sources with 10 and 5 of SKU `A`, a configurable child `TEE-RED` and bundles, as in the observed shop.
pub(super) fn shop(mode: Mode, clock: &HandClock) -> MagentoBooks {
    let mut books = MagentoBooks::new(mode, Arc::new(clock.clone()));
    books.add_source("store_a", "Store A");
    books.add_source("wh_b", "Warehouse B");
    let plain = || ProductKind::Simple { parent: None };
    for sku in ["A", "B", "C"] {
        books.add_product(sku, sku, plain(), Decimal::TEN);
    }
    books.add_product("TEE", "T-shirt", ProductKind::Configurable, Decimal::TEN);
    books.add_product("TEE-RED", "T-shirt red", ProductKind::Simple { parent: Some("TEE".into()) }, Decimal::TEN);
    let parts = || vec![("B".to_owned(), Quantity::ONE), ("C".to_owned(), 2.into())];
    books.add_product("FIX", "Set", ProductKind::Bundle { parts: parts(), fixed: true }, Decimal::TEN);
    books.add_product("DYN", "Set", ProductKind::Bundle { parts: parts(), fixed: false }, Decimal::TEN);
    books.add_product("GIFT", "Voucher", ProductKind::Virtual, Decimal::TEN);
    for sku in ["A", "B", "C", "TEE-RED", "GIFT"] {
        count(&mut books, sku, 10);
    }
    if mode == Mode::Msi {
        write(&mut books, "wh_b", "A", 5);
    }
    books
}

fn write(books: &mut MagentoBooks, source: &str, sku: &str, units: i64) {
    let quantity = Decimal::from(units);
    let item = SourceWrite { sku: sku.into(), source: source.into(), quantity, in_stock: true };
    books.write_sources(&[item]).unwrap();
}

fn count(books: &mut MagentoBooks, sku: &str, units: i64) {
    match books.mode() {
        Mode::Msi => write(books, "store_a", sku, units),
        Mode::Legacy => {
            books.write_legacy(sku, Some(Decimal::from(units)), Some(true)).unwrap();
        }
    }
}

pub(super) fn place(books: &mut MagentoBooks, lines: &[(&str, i64)]) -> i64 {
    let lines: Vec<_> = lines.iter().map(|(sku, units)| ((*sku).to_owned(), Quantity::from(*units))).collect();
    books.place(&lines, "checkmo", &guest()).unwrap().entity_id
}

fn row(books: &MagentoBooks, order: i64, at: usize) -> i64 {
    books.order(order).unwrap().rows[at].id
}

fn figures(books: &MagentoBooks, sku: &str) -> (Quantity, Quantity, Quantity) {
    (books.at_source("store_a", sku).unwrap(), books.reserved(sku), books.salable(sku))
}

fn n(a: i64, b: i64, c: i64) -> (Quantity, Quantity, Quantity) {
    (a.into(), b.into(), c.into())
}

fn legacy(books: &MagentoBooks, sku: &str) -> (Quantity, bool) {
    let item = books.legacy_item(sku).unwrap();
    (item.quantity.unwrap(), item.in_stock)
}

#[test]
fn with_msi_sources_reservations_and_salable_move_as_the_observed_table_says() {
    let mut books = shop(Mode::Msi, &start());
    assert_eq!(figures(&books, "A"), n(10, 0, 15), "written 10 + 5");
    let (first, second) = (place(&mut books, &[("A", 2)]), place(&mut books, &[("A", 1)]));
    assert_eq!(figures(&books, "A"), n(10, -3, 12), "two orders, 2 + 1 pieces");
    write(&mut books, "store_a", "A", 8);
    assert_eq!(figures(&books, "A"), n(8, -3, 10), "POS writes store_a = 8");
    books.ship(first, None, Some("store_a")).unwrap();
    assert_eq!(figures(&books, "A"), n(6, -1, 10), "order 1 shipped from store_a");
    write(&mut books, "store_a", "A", 6);
    assert_eq!(figures(&books, "A"), n(6, -1, 10), "POS writes store_a = 6");
    assert_eq!(books.cancel(second), Ok(true));
    assert_eq!(figures(&books, "A"), n(6, 0, 11), "order 2 cancelled");
}

#[test]
fn a_naive_count_under_msi_sells_twice_or_blocks_as_observed() {
    let mut books = shop(Mode::Msi, &start());
    let order = place(&mut books, &[("B", 3)]);
    write(&mut books, "store_a", "B", 7);
    assert_eq!(books.salable("B"), 4.into(), "the till took it out at the pick");
    books.ship(order, None, Some("store_a")).unwrap();
    assert_eq!(figures(&books, "B"), n(4, 0, 4));
    let order = place(&mut books, &[("C", 3)]);
    books.ship(order, None, Some("store_a")).unwrap();
    write(&mut books, "store_a", "C", 10);
    assert_eq!(books.salable("C"), 10.into(), "three pieces sold twice");
}

#[test]
fn without_msi_the_quantity_moves_as_the_observed_table_says() {
    let mut books = shop(Mode::Legacy, &start());
    let order = place(&mut books, &[("A", 3)]);
    assert_eq!(legacy(&books, "A"), (7.into(), true), "order of 3 placed");
    assert_eq!(books.cancel(order), Ok(true));
    assert_eq!(legacy(&books, "A").0, 10.into(), "cancelled");
    let order = place(&mut books, &[("A", 3)]);
    count(&mut books, "A", 10);
    assert_eq!(books.salable("A"), 10.into(), "a count of 10 with these 3 still open: the 3 can be sold again");
    count(&mut books, "A", 7);
    books.invoice(order, None).unwrap();
    let line = row(&books, order, 0);
    books.ship(order, Some(&[(line, 1.into())]), None).unwrap();
    assert_eq!(legacy(&books, "A").0, 7.into(), "invoicing and shipping do not move it");
    let one = |returned| Refund { lines: Some(vec![(line, 1.into())]), returned, shipping: false };
    books.refund(order, &one(vec![line])).unwrap();
    assert_eq!(legacy(&books, "A").0, 8.into(), "1 refunded, its row named");
    books.refund(order, &one(vec![])).unwrap();
    assert_eq!(legacy(&books, "A").0, 8.into(), "1 refunded, none named");
    let held = place(&mut books, &[("A", 1)]);
    books.hold(held).unwrap();
    assert_eq!(books.cancel(held), Ok(false), "a held order is not cancelled");
    books.unhold(held).unwrap();
    assert_eq!((books.cancel(held), legacy(&books, "A").0), (Ok(true), 8.into()));
}

#[test]
fn without_msi_the_last_piece_puts_out_of_stock_and_a_cancellation_puts_back_in() {
    let mut books = shop(Mode::Legacy, &start());
    count(&mut books, "B", 2);
    let order = place(&mut books, &[("B", 2)]);
    assert_eq!(legacy(&books, "B"), (0.into(), false));
    books.cancel(order).unwrap();
    assert_eq!(legacy(&books, "B"), (2.into(), true));
    let order = place(&mut books, &[("C", 3)]);
    let line = row(&books, order, 0);
    books.invoice(order, Some(&[(line, 1.into())])).unwrap();
    assert_eq!((books.cancel(order), legacy(&books, "C").0), (Ok(true), 9.into()), "only the uninvoiced come back");
    assert_eq!(books.order(order).unwrap().state, State::Processing);
}

#[test]
fn in_stock_follows_its_own_rules_when_written_by_hand() {
    let mut books = MagentoBooks::new(Mode::Legacy, Arc::new(start()));
    books.add_product("A", "A", ProductKind::Simple { parent: None }, Decimal::TEN);
    let steps = [
        (0, None, (0, false)),
        (5, None, (5, false)),
        (5, Some(true), (5, true)),
        (0, Some(true), (0, false)),
        (3, Some(false), (3, true)),
        (4, Some(true), (4, true)),
    ];
    for (units, flag, (held, sold)) in steps {
        books.write_legacy("a", Some(Decimal::from(units)), flag).unwrap();
        assert_eq!(legacy(&books, "A"), (held.into(), sold), "{units} {flag:?}");
    }
}

#[test]
fn a_configurable_gives_two_rows_and_only_the_childs_row_returns_stock_under_msi() {
    for (mode, by_parent) in [(Mode::Msi, 8), (Mode::Legacy, 9)] {
        let mut books = shop(mode, &start());
        let order = place(&mut books, &[("tee-red", 2)]);
        let (parent, child) = (row(&books, order, 0), row(&books, order, 1));
        let rows = &books.order(order).unwrap().rows;
        assert_eq!((rows[0].kind, rows[0].sku.as_str(), rows[1].parent), ("configurable", "TEE-RED", Some(parent)));
        books.invoice(order, None).unwrap();
        books.ship(order, None, (mode == Mode::Msi).then_some("store_a")).unwrap();
        let rows = &books.order(order).unwrap().rows;
        assert_eq!((rows[0].shipped, rows[1].shipped), (2.into(), Quantity::ZERO), "the child's stays 0");
        let one = |row| Refund { lines: Some(vec![(parent, 1.into())]), returned: vec![row], shipping: false };
        books.refund(order, &one(parent)).unwrap();
        assert_eq!(books.salable("TEE-RED"), by_parent.into());
        books.refund(order, &one(child)).unwrap();
        assert_eq!(books.salable("TEE-RED"), (by_parent + 1).into());
    }
}

#[test]
fn bundles_take_their_parts_from_the_shelf() {
    for mode in [Mode::Msi, Mode::Legacy] {
        for sku in ["FIX", "DYN"] {
            let mut books = shop(mode, &start());
            let order = place(&mut books, &[(sku, 2)]);
            assert_eq!((books.salable("B"), books.salable("C")), (8.into(), 6.into()), "{sku}");
            books.cancel(order).unwrap();
            assert_eq!((books.salable("B"), books.salable("C")), (10.into(), 10.into()), "{sku}");
        }
    }
    let mut books = shop(Mode::Msi, &start());
    let order = place(&mut books, &[("DYN", 1)]);
    assert_eq!(books.order(order).unwrap().rows[0].sku, "DYN-B-C");
    books.ship(order, None, Some("store_a")).unwrap();
    assert_eq!(figures(&books, "C"), n(8, 0, 8));
}

#[test]
fn magento_leaks_a_reservation_when_a_part_shipped_order_is_refunded_to_stock() {
    let mut books = shop(Mode::Msi, &start());
    write(&mut books, "store_a", "B", 26);
    let order = place(&mut books, &[("B", 3)]);
    let line = row(&books, order, 0);
    books.invoice(order, None).unwrap();
    books.ship(order, Some(&[(line, 1.into())]), Some("store_a")).unwrap();
    let refund = Refund { lines: Some(vec![(line, 1.into())]), returned: vec![line], shipping: false };
    books.refund(order, &refund).unwrap();
    books.ship(order, None, Some("store_a")).unwrap();
    assert_eq!(figures(&books, "B"), n(23, 1, 24));
}

#[test]
fn shipping_is_cut_to_what_is_left_and_refused_where_the_source_is_short() {
    let mut books = shop(Mode::Msi, &start());
    let order = place(&mut books, &[("A", 12)]);
    let not_saved = "Could not save a shipment, see error log for details";
    for source in [None, Some("store_a"), Some("nope")] {
        assert_eq!(books.ship(order, None, source).unwrap_err().message, not_saved, "{source:?}");
    }
    assert_eq!(figures(&books, "A"), n(10, -12, 3), "nothing moved");
    let line = row(&books, order, 0);
    books.ship(order, Some(&[(line, 10.into())]), Some("store_a")).unwrap();
    let second = books.ship(order, Some(&[(line, 99.into())]), Some("wh_b")).unwrap();
    assert_eq!(books.shipments()[1].lines, [(line, 2.into())], "shipment {second}");
    assert!(books.ship(order, None, Some("wh_b")).is_err());
}

#[test]
fn a_part_shipped_order_that_is_cancelled_has_still_left_the_shop() {
    let mut books = shop(Mode::Msi, &start());
    let order = place(&mut books, &[("B", 3)]);
    let line = row(&books, order, 0);
    books.ship(order, Some(&[(line, 1.into())]), Some("store_a")).unwrap();
    assert_eq!(books.cancel(order), Ok(true));
    let seen = books.order(order).unwrap();
    assert_eq!((seen.state, seen.rows[0].shipped, seen.rows[0].cancelled), (State::Canceled, 1.into(), 2.into()));
    assert_eq!(figures(&books, "B"), n(9, 0, 9));
    assert_eq!(books.cancel(order), Ok(false), "already cancelled");
}

#[test]
fn nobody_buys_more_than_is_salable_and_the_journal_remembers_who_was_turned_away() {
    for mode in [Mode::Msi, Mode::Legacy] {
        let mut books = shop(mode, &start());
        let refusal = books.place(&[("b".into(), 11.into())], "checkmo", &guest()).unwrap_err();
        assert_eq!(refusal.message, "The requested qty is not available");
        assert_eq!(books.journal().last().unwrap().what, What::TurnedAway);
        assert_eq!(books.salable("B"), 10.into());
    }
}

#[test]
fn source_items_are_taken_whole_or_not_at_all_and_orphans_without_a_word() {
    let mut books = shop(Mode::Msi, &start());
    let item = |sku: &str, source: &str, quantity: &str| SourceWrite {
        sku: sku.into(),
        source: source.into(),
        quantity: quantity.parse().unwrap(),
        in_stock: true,
    };
    let refusal = books.write_sources(&[item("B", "store_a", "1"), item("B", "nope", "1")]).unwrap_err();
    assert_eq!((refusal.message.as_str(), books.salable("B")), ("Could not save Source Item", 10.into()));
    books.write_sources(&[item("b", "store_a", "3.14159"), item("NEW", "store_a", "33")]).unwrap();
    assert_eq!(books.at_source("store_a", "B").unwrap().to_string(), "3.1416", "case-blind, four places");
    books.add_product("new", "Later", ProductKind::Simple { parent: None }, Decimal::ONE);
    assert_eq!(books.salable("NEW"), 33.into(), "an orphan row waits for its product");
    books.write_sources(&[item("B", "store_a", "-3"), item("C", "store_a", "1e12")]).unwrap();
    assert_eq!((books.at_source("store_a", "B").unwrap(), books.salable("B")), ((-3).into(), Quantity::ZERO));
    assert_eq!(books.at_source("store_a", "C").unwrap().to_string(), "99999999.9999");
}

#[test]
fn virtual_goods_leave_their_source_when_invoiced() {
    let mut books = shop(Mode::Msi, &start());
    let order = place(&mut books, &[("GIFT", 2)]);
    assert_eq!(figures(&books, "GIFT"), n(10, -2, 8));
    books.invoice(order, None).unwrap();
    assert_eq!(figures(&books, "GIFT"), n(8, 0, 8));
    assert_eq!(books.order(order).unwrap().state, State::Complete);
}

#[test]
fn updated_at_moves_in_whole_seconds_and_not_for_a_comment() {
    let clock = start();
    let mut books = shop(Mode::Msi, &clock);
    let order = place(&mut books, &[("A", 1)]);
    let placed = books.order(order).unwrap().updated;
    assert_eq!(placed.subsec_nanosecond(), 0);
    clock.advance(SignedDuration::from_secs(5));
    books.comment(order, "set aside 👍", None, None).unwrap();
    assert_eq!(books.order(order).unwrap().updated, placed);
    assert_eq!(books.order(order).unwrap().comments[0].text, "set aside ????");
    assert!(books.comment(order, "x", Some("complete"), None).is_err());
    books.hold(order).unwrap();
    assert_eq!(books.order(order).unwrap().updated, placed + SignedDuration::from_secs(5));
}

#[test]
fn the_designs_table_of_what_to_write_leaves_eight_to_sell_in_every_cell() {
    // 10 on hand, two orders of one: (till took them, shipped) → what to write.
    let table = [
        (Mode::Msi, false, false, 10),
        (Mode::Msi, false, true, 8),
        (Mode::Msi, true, false, 10),
        (Mode::Msi, true, true, 8),
        (Mode::Legacy, false, false, 8),
        (Mode::Legacy, false, true, 8),
        (Mode::Legacy, true, false, 8),
        (Mode::Legacy, true, true, 8),
    ];
    for (mode, taken, shipped, to_write) in table {
        let mut books = shop(mode, &start());
        let orders = [place(&mut books, &[("B", 1)]), place(&mut books, &[("B", 1)])];
        if shipped {
            for order in orders {
                books.ship(order, None, (mode == Mode::Msi).then_some("store_a")).unwrap();
            }
        }
        assert_eq!(books.salable("B"), 8.into(), "before the write");
        count(&mut books, "B", to_write);
        assert_eq!(books.salable("B"), 8.into(), "{mode:?} taken {taken} shipped {shipped}");
    }
}

#[test]
fn a_module_without_reservations_takes_units_when_an_order_is_placed_and_none_when_it_is_shipped() {
    let mut books = shop(Mode::Msi, &start());
    books.install_reservation_module();
    let order = place(&mut books, &[("A", 3), ("GIFT", 1)]);
    assert_eq!(figures(&books, "A"), n(7, 0, 12), "placed");
    books.invoice(order, None).unwrap();
    assert_eq!(books.at_source("store_a", "GIFT"), Some(9.into()), "a voucher is taken once");
    books.ship(order, None, Some("store_a")).unwrap();
    assert_eq!(figures(&books, "A"), n(7, 0, 12), "shipped");
    let line = row(&books, order, 0);
    let one = |returned| Refund { lines: Some(vec![(line, 1.into())]), returned, shipping: false };
    books.refund(order, &one(vec![line])).unwrap();
    assert_eq!(figures(&books, "A"), n(8, 0, 13), "one came back");
    books.refund(order, &one(Vec::new())).unwrap();
    assert_eq!(figures(&books, "A"), n(8, 0, 13), "one did not");
    let order = place(&mut books, &[("A", 2)]);
    assert_eq!(books.cancel(order), Ok(true));
    assert_eq!(figures(&books, "A"), n(8, 0, 13), "placed and cancelled");
}

#[test]
fn a_shop_that_takes_nothing_at_placement_takes_units_at_shipment_only() {
    let mut books = shop(Mode::Msi, &start());
    books.habits.reserving = Reserving::Never;
    let order = place(&mut books, &[("A", 3)]);
    assert_eq!(figures(&books, "A"), n(10, 0, 15));
    books.ship(order, None, Some("store_a")).unwrap();
    assert_eq!(figures(&books, "A"), n(7, 0, 12));
}

#[test]
fn after_a_shipment_the_figure_can_be_nought_until_a_consumer_runs_as_observed() {
    let mut books = shop(Mode::Msi, &start());
    books.habits.consumers_wait = true;
    write(&mut books, "store_a", "B", 5);
    let order = place(&mut books, &[("B", 3)]);
    books.ship(order, None, Some("store_a")).unwrap();
    assert_eq!((figures(&books, "B"), books.shown_salable("B")), (n(2, 0, 2), 0.into()));
    books.run_consumers();
    assert_eq!(books.shown_salable("B"), 2.into());
    let order = place(&mut books, &[("C", 3)]);
    books.ship(order, None, Some("store_a")).unwrap();
    assert_eq!(books.shown_salable("C"), 7.into(), "7 less 3 is something");
}

#[test]
fn a_sku_that_is_being_written_cannot_be_bought_for_that_moment() {
    let mut books = shop(Mode::Msi, &start());
    books.set_gap("A", true);
    assert_eq!(books.shown_salable("A"), 0.into());
    let refused = books.place(&[("A".into(), 1.into())], "checkmo", &guest()).unwrap_err();
    let text = "Product that you are trying to add is not available.";
    assert_eq!((refused.status, refused.message.as_str()), (400, text));
    books.set_gap("A", false);
    place(&mut books, &[("A", 1)]);
}

#[test]
fn a_status_with_a_comment_is_taken_as_the_version_takes_it() {
    for (habit, sent, becomes) in [
        (CommentStatus::Refused, Some("in_epos"), None),
        (CommentStatus::Refused, Some("mine"), Some("mine")),
        (CommentStatus::Refused, None, Some("pending")),
        (CommentStatus::Ignored, Some("in_epos"), Some("pending")),
        (CommentStatus::Any, Some("in_epos"), Some("in_epos")),
        (CommentStatus::Any, None, Some("")),
    ] {
        let mut books = shop(Mode::Msi, &start());
        books.habits.comment_status = habit;
        books.habits.statuses.push((State::New, "mine".into()));
        let order = place(&mut books, &[("A", 1)]);
        let done = books.comment(order, "x", sent, None);
        assert_eq!(done.is_ok(), becomes.is_some(), "{habit:?} {sent:?}");
        assert_eq!(books.order(order).unwrap().status, becomes.unwrap_or("pending"), "{habit:?} {sent:?}");
    }
}

#[test]
fn a_product_that_is_removed_takes_its_quantities_along() {
    let mut books = shop(Mode::Msi, &start());
    books.remove_product("a");
    assert!(books.product("A").is_none() && books.at_source("store_a", "A").is_none());
    assert!(books.write_legacy("A", None, None).is_err());
}
