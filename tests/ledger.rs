//! What the ledger keeps through attempts, restarts and doubt: a real SQLite file each time.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

use jiff::{SignedDuration, Timestamp};
use rust_decimal::Decimal;
use tillbridge::domain::gate::{Policy, Rules, Verdict};
use tillbridge::domain::order::{Customer, OrderLine, Standing};
use tillbridge::domain::stock::Timing;
use tillbridge::domain::{ExportId, ItemMap, OrderId, OrderState, Quantity, Sku, WebOrder};
use tillbridge::ledger::conditions::{Severity, Trouble};
use tillbridge::ledger::exports::{ExportState, Missing};
use tillbridge::ledger::fates::Proof;
use tillbridge::ledger::files::{FileState, OpenFile};
use tillbridge::ledger::outbox::Delivered;
use tillbridge::ledger::plans::Plan;
use tillbridge::ledger::stock::RowWriter;
use tillbridge::ledger::{Ledger, LedgerError};
use tillbridge::ports::{
    Duplicates, ExportRow, FeedCursor, Marks, OrderFile, Purpose, ReadSummary, Says, SettledExport, SpooledExport,
    Stage, WrittenOrder,
};

struct Kept {
    folder: tempfile::TempDir,
    ledger: Option<Ledger>,
}

impl Kept {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Some(Ledger::open(folder.path()).unwrap());
        Self { folder, ledger }
    }

    fn restart(&mut self) {
        self.ledger = None;
        self.ledger = Some(Ledger::open(self.folder.path()).unwrap());
    }
}

impl std::ops::Deref for Kept {
    type Target = Ledger;
    fn deref(&self) -> &Ledger {
        self.ledger.as_ref().unwrap()
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn order(id: &str, units: i64, cancelled: i64) -> WebOrder {
    let line = OrderLine {
        id: "1".into(),
        sku: sku("A"),
        name: "Article".into(),
        ordered: units.into(),
        cancelled: cancelled.into(),
        shipped: Quantity::ZERO,
        refunded: Quantity::ZERO,
        returned: Quantity::ZERO,
        price: Decimal::ONE,
        price_incl_tax: Decimal::ONE,
        tax_percent: Decimal::ZERO,
        discount: Decimal::ZERO,
        takes_stock: true,
    };
    WebOrder {
        id: OrderId(id.into()),
        number: format!("N{id}"),
        placed_at: at(0),
        standing: Standing::Ready,
        store_status: "pending".into(),
        customer: Customer::default(),
        payment: "checkmo".into(),
        shipping: "flat".into(),
        currency: "EUR".into(),
        total: Decimal::ONE,
        shipping_total: Decimal::ZERO,
        lines: vec![line],
    }
}

fn record(ledger: &Ledger, orders: &[WebOrder], second: i64) {
    ledger.record_orders(orders, &FeedCursor(second.to_string()), Timestamp::MIN, at(second)).unwrap();
}

fn file(name: &str) -> OrderFile {
    OrderFile { name: name.into(), bytes: b"x".to_vec(), ..OrderFile::default() }
}

/// Plans a file of this one order.
fn plan(ledger: &Ledger, id: &OrderId, copy: u32, file: &OrderFile, second: i64) {
    try_plan(ledger, id, copy, file, second).unwrap();
}

fn try_plan(ledger: &Ledger, id: &OrderId, copy: u32, file: &OrderFile, second: i64) -> Result<(), LedgerError> {
    let written = WrittenOrder { order: id.clone(), copy, units: vec![(sku("A"), 2.into())] };
    let file = OrderFile { orders: vec![written], ..file.clone() };
    let plan =
        Plan { purpose: Purpose::Order, file: &file, orders: &[], marks: &Marks::new(), codes: &ItemMap::default() };
    ledger.file_planned(&plan, at(second)).map(|_| ())
}

fn rules() -> Rules {
    Rules {
        policy: Policy::HoldThenAdjust,
        hold_at_most: SignedDuration::from_secs(1800),
        settle: SignedDuration::from_secs(60),
        least_rows_percent: 80,
        most_zeroed_percent: 50,
    }
}

/// Stores an export that was first seen at `second`.
fn export(ledger: &Ledger, second: i64, rows: &[(&str, i64)], duplicates: Duplicates) -> (ExportId, ReadSummary) {
    let timing = Timing {
        declared: None,
        first_seen: at(second),
        last_absent: Some(at(second - 5)),
        modified: Some(at(second)),
    };
    let source = SettledExport { name: format!("stock{second}.csv"), bytes: 1, timing, companion: None };
    let spooled = SpooledExport { source, spooled: "spool".into(), fingerprint: "f".into() };
    let id = ledger.export_begun(&spooled, at(second)).unwrap();
    let mut writer = RowWriter::new(ledger, id);
    for (at, (sku, units)) in rows.iter().enumerate() {
        let (says, row) = (Says::Count((*units).into()), at as u64 + 1);
        writer.take(&ExportRow { sku, says, row, line: row + 1, ordinal: None }).unwrap();
    }
    writer.flush().unwrap();
    let summary = ReadSummary { rows: rows.len() as u64, duplicates, ..ReadSummary::default() };
    let mut summary = ReadSummary { row_error_limit_percent: 100, ..summary };
    ledger.settle_duplicates(id, &mut summary).unwrap().unwrap();
    ledger.export_read(id, &timing, &summary).unwrap();
    (id, summary)
}

fn admit(ledger: &Ledger, second: i64, rows: &[(&str, i64)]) -> ExportId {
    let (id, _) = export(ledger, second, rows, Duplicates::default());
    let verdict = ledger.decide(id, &rules(), Missing::Report, at(second)).unwrap();
    assert!(matches!(verdict, Verdict::Admit { .. }), "{verdict:?}");
    id
}

fn rows_of(ledger: &Ledger, id: ExportId) -> Vec<String> {
    let mut rows = Vec::new();
    ledger.for_each_stock_row(id, |sku, quantity, _| rows.push(format!("{sku}={quantity}"))).unwrap();
    rows
}

fn due(ledger: &Ledger, second: i64) -> Vec<String> {
    let leased = ledger.lease_stock(100, at(second + 600), at(second)).unwrap();
    let names = leased.iter().map(|item| item.sku.to_string()).collect();
    ledger.return_lease(&leased).unwrap();
    names
}

#[test]
fn an_item_that_becomes_due_while_it_is_being_sent_stays_due() {
    let kept = Kept::new();
    kept.mark_due(&[sku("A")], at(0)).unwrap();
    let leased = kept.lease_stock(10, at(600), at(1)).unwrap();
    assert!(kept.lease_stock(10, at(600), at(1)).unwrap().is_empty(), "nobody else gets it meanwhile");
    kept.mark_due(&[sku("A")], at(2)).unwrap();
    let stored = Delivered::Stored { written: 8.into(), moved: 0.into(), export: ExportId(1), version: None };
    kept.finish_stock(&[(leased[0].clone(), stored.clone())], at(3)).unwrap();
    assert_eq!(due(&kept, 4), ["A"]);
    let leased = kept.lease_stock(10, at(600), at(5)).unwrap();
    kept.finish_stock(&[(leased[0].clone(), stored)], at(6)).unwrap();
    assert!(due(&kept, 7).is_empty());
}

#[test]
fn what_a_dead_agent_had_leased_is_due_again_at_the_next_start() {
    let mut kept = Kept::new();
    kept.mark_due(&[sku("A")], at(0)).unwrap();
    assert_eq!(kept.lease_stock(10, at(600), at(1)).unwrap().len(), 1);
    kept.restart();
    assert_eq!(due(&kept, 2), ["A"]);
}

#[test]
fn a_failed_item_waits_for_its_time_and_a_new_change_does_not_wait() {
    let kept = Kept::new();
    kept.mark_due(&[sku("A")], at(0)).unwrap();
    let leased = kept.lease_stock(10, at(600), at(1)).unwrap();
    let again = Delivered::Again { not_before: at(100), why: "the line was down".into() };
    kept.finish_stock(&[(leased[0].clone(), again)], at(1)).unwrap();
    assert!(due(&kept, 50).is_empty());
    assert_eq!(kept.next_due(at(50)).unwrap(), Some(at(100)));
    kept.mark_due(&[sku("A")], at(51)).unwrap();
    assert_eq!(due(&kept, 52), ["A"]);
}

#[test]
fn a_clock_that_was_wrong_by_years_does_not_make_anything_wait_for_years() {
    let kept = Kept::new();
    let wrong = 20 * 365 * 86_400;
    kept.mark_due(&[sku("A")], at(wrong)).unwrap();
    let leased = kept.lease_stock(10, at(wrong + 600), at(wrong)).unwrap();
    let again = Delivered::Again { not_before: at(wrong + 300), why: "the line was down".into() };
    kept.finish_stock(&[(leased[0].clone(), again)], at(wrong)).unwrap();
    assert!(due(&kept, 0).is_empty());
    kept.distrust_far_times(at(0)).unwrap();
    assert_eq!(due(&kept, 0), ["A"]);
}

#[test]
fn what_is_about_to_be_sent_is_unknown_until_it_has_been_read_back() {
    let kept = Kept::new();
    kept.mark_due(&[sku("A")], at(0)).unwrap();
    let leased = kept.lease_stock(10, at(600), at(1)).unwrap();
    let stored = Delivered::Stored { written: 8.into(), moved: 0.into(), export: ExportId(1), version: None };
    kept.finish_stock(&[(leased[0].clone(), stored)], at(2)).unwrap();
    let known = |kept: &Kept| kept.item_facts(&[sku("A")]).unwrap().1[&sku("A")].store.clone().unwrap().acknowledged;
    assert_eq!(known(&kept).unwrap().written, 8.into());
    kept.about_to_write(&[sku("A")]).unwrap();
    assert_eq!(known(&kept), None);
}

#[test]
fn reading_the_same_orders_twice_changes_nothing() {
    let kept = Kept::new();
    let orders = [order("1", 2, 0)];
    let first = kept.record_orders(&orders, &FeedCursor("a".into()), Timestamp::MIN, at(0)).unwrap();
    let second = kept.record_orders(&orders, &FeedCursor("a".into()), Timestamp::MIN, at(9)).unwrap();
    assert_eq!((first.new, first.changed, second.new, second.changed), (1, 0, 0, 0));
    assert!(kept.knows_orders(&orders, &FeedCursor("a".into()), Timestamp::MIN).unwrap());
    assert!(!kept.knows_orders(&orders, &FeedCursor("b".into()), Timestamp::MIN).unwrap());
    assert_eq!(kept.order_history(&OrderId("1".into())).unwrap().len(), 1);
}

#[test]
fn a_staged_file_is_known_as_such_after_a_restart_and_a_planned_one_is_planned_anew() {
    let mut kept = Kept::new();
    record(&kept, &[order("1", 2, 0)], 0);
    let id = OrderId("1".into());
    plan(&kept, &id, 1, &file("o1.csv"), 1);
    kept.restart();
    assert_eq!(kept.open_files().unwrap()[0].state, FileState::Planned);
    plan(&kept, &id, 1, &file("o1.csv"), 2);
    kept.file_staged("o1.csv").unwrap();
    kept.restart();
    let open = kept.open_files().unwrap();
    assert_eq!((open.len(), open[0].state), (1, FileState::Staged));
    kept.file_visible(&open[0], at(3), at(3)).unwrap();
    assert_eq!(kept.order("N1").unwrap().unwrap().state, OrderState::Published);
}

#[test]
fn a_running_number_belongs_to_one_file_for_good_and_is_used_up_only_by_planning_it() {
    let mut kept = Kept::new();
    record(&kept, &[order("1", 2, 0), order("2", 1, 0)], 0);
    let (one, two) = (OrderId("1".into()), OrderId("2".into()));
    let numbered = |name: &str, sequence| OrderFile { sequence: Some(sequence), ..file(name) };
    assert_eq!(
        (kept.file_sequence(Purpose::Order, &one, 1).unwrap(), kept.file_sequence(Purpose::Order, &two, 1).unwrap()),
        (1, 1),
        "only looked at"
    );
    plan(&kept, &one, 1, &numbered("1.csv", 1), 1);
    kept.restart();
    assert_eq!(
        kept.file_sequence(Purpose::Order, &one, 1).unwrap(),
        1,
        "planned anew after a crash, it keeps its number"
    );
    plan(&kept, &one, 1, &numbered("1.csv", 1), 2);
    assert_eq!(
        (kept.file_sequence(Purpose::Order, &two, 1).unwrap(), kept.file_sequence(Purpose::Order, &one, 2).unwrap()),
        (2, 2)
    );
    assert!(try_plan(&kept, &two, 1, &numbered("2.csv", 1), 3).is_err(), "a number that is another's");
    assert_eq!(kept.open_files().unwrap().len(), 1);
}

#[test]
fn an_order_that_was_called_off_before_it_was_seen_and_is_reinstated_is_planned_anew_under_the_same_name() {
    let kept = Kept::new();
    record(&kept, &[order("1", 2, 0)], 1);
    let id = OrderId("1".into());
    plan(&kept, &id, 1, &file("o1.csv"), 1);
    kept.file_staged("o1.csv").unwrap();
    record(&kept, &[order("1", 2, 2)], 2);
    let staged = kept.staged_file("o1.csv").unwrap().unwrap();
    assert!(staged.orders[0].void);
    kept.file_unstaged(&staged, at(2)).unwrap();
    assert_eq!(kept.order("1").unwrap().unwrap().state, OrderState::Withdrawn);
    record(&kept, &[order("1", 2, 0)], 3);
    let again = kept.orders_to_publish(10).unwrap();
    plan(&kept, &id, again[0].copies + 1, &file("o1.csv"), 3);
    assert_eq!(kept.open_files().unwrap()[0].state, FileState::Planned);
}

#[test]
fn an_order_from_before_our_time_is_written_only_when_asked_for_and_history_is_not_kept() {
    let kept = Kept::new();
    let shipped = |mut order: WebOrder| {
        order.lines[0].shipped = order.lines[0].ordered;
        order
    };
    let (open, over) = (order("1", 2, 0), shipped(order("2", 2, 0)));
    kept.record_orders(&[open, over], &FeedCursor("a".into()), at(100), at(200)).unwrap();
    assert!(kept.order("N2").unwrap().is_none());
    assert!(kept.orders_to_publish(10).unwrap().is_empty());
    kept.ask_for_order("N1", false, "ann", at(201)).unwrap();
    let wanted = kept.orders_to_publish(10).unwrap();
    assert_eq!((wanted.len(), wanted[0].before_our_time), (1, false));
}

/// The order of 2 was in the till's file and is gone: the gate and the arithmetic hear of it, the store is to be told.
#[test]
fn a_taken_order_is_evidence_and_news_in_one_step() {
    let kept = Kept::new();
    record(&kept, &[order("1", 2, 0)], 0);
    plan(&kept, &OrderId("1".into()), 1, &file("o1.csv"), 1);
    kept.file_staged("o1.csv").unwrap();
    let open = kept.open_files().unwrap().remove(0);
    kept.file_visible(&open, at(2), at(2)).unwrap();
    assert_eq!(kept.waiting_for_till().unwrap().len(), 1);
    kept.order_proved(&open, &open.orders[0], &Proof::seen(at(5), "gone"), at(9)).unwrap();
    assert!(kept.waiting_for_till().unwrap().is_empty());
    assert_eq!(kept.outbox_depth().unwrap().acknowledgements, 1);
    let (_, facts) = kept.item_facts(&[sku("A")]).unwrap();
    let taken = facts[&sku("A")].claims[0].booked.out[0];
    assert_eq!((taken.units, taken.at), (2.into(), at(5)));
    let (news, _) = kept.lease_acknowledgements(10, at(600), at(10)).unwrap().remove(0);
    kept.acknowledged(&news, at(11)).unwrap();
    assert_eq!(kept.order("1").unwrap().unwrap().state, OrderState::Acknowledged);
    assert_eq!(kept.outbox_depth().unwrap().acknowledgements, 0);
}

/// What waits to be told of orders, oldest first.
fn told(kept: &Kept, second: i64) -> Vec<Stage> {
    let news = kept.lease_acknowledgements(10, at(second + 1000), at(second)).unwrap();
    news.into_iter().map(|(news, _)| news.stage).collect()
}

fn visible(kept: &Kept) -> OpenFile {
    record(kept, &[order("1", 2, 0)], 0);
    plan(kept, &OrderId("1".into()), 1, &file("o1.csv"), 1);
    kept.file_staged("o1.csv").unwrap();
    let open = kept.open_files().unwrap().remove(0);
    kept.file_visible(&open, at(2), at(2)).unwrap();
    kept.open_files().unwrap().remove(0)
}

#[test]
fn a_published_order_is_news_until_there_is_newer_news_of_it() {
    let kept = Kept::new();
    let open = visible(&kept);
    assert_eq!(kept.outbox_depth().unwrap().acknowledgements, 1);
    kept.order_proved(&open, &open.orders[0], &Proof::seen(at(5), "gone"), at(9)).unwrap();
    assert_eq!(told(&kept, 10), [Stage::Consumed], "the till took it: that it lay there is not told any more");
}

#[test]
fn news_that_failed_to_be_told_is_not_told_after_newer_news() {
    let kept = Kept::new();
    let open = visible(&kept);
    let (published, _) = kept.lease_acknowledgements(10, at(600), at(3)).unwrap().remove(0);
    assert_eq!((published.stage, published.reference.as_str()), (Stage::Published, "o1.csv"));
    kept.order_proved(&open, &open.orders[0], &Proof::seen(at(5), "gone"), at(9)).unwrap();
    assert_eq!(kept.outbox_depth().unwrap().acknowledgements, 2, "one is on its way, the other waits");
    kept.acknowledge_again(&published, at(20), "the line was down").unwrap();
    assert_eq!(told(&kept, 30), [Stage::Consumed]);
}

#[test]
fn news_that_was_given_up_and_is_not_true_any_more_is_not_told_later() {
    let kept = Kept::new();
    let open = visible(&kept);
    kept.order_proved(&open, &open.orders[0], &Proof::seen(at(5), "gone"), at(9)).unwrap();
    for second in 10..30 {
        for (news, _) in kept.lease_acknowledgements(10, at(second + 1000), at(second)).unwrap() {
            kept.news_failed(&news, at(second), "the store fails at it", true, at(second)).unwrap();
        }
    }
    assert_eq!((kept.dead_letters(9).unwrap().0, kept.outbox_depth().unwrap().acknowledgements), (1, 0));
    kept.order_left(&open, &open.orders[0], &Proof::seen(at(40), "the till booked a part"), at(41)).unwrap();
    kept.revive_old_news(at(40 + 48 * 3_600)).unwrap();
    assert_eq!(told(&kept, 50 + 48 * 3_600), [], "the till has not booked it after all");
}

#[test]
fn that_an_order_was_given_to_the_till_is_not_told_of_one_that_was_taken_back_unseen() {
    let kept = Kept::new();
    visible(&kept);
    record(&kept, &[order("1", 2, 2)], 3);
    let open = kept.open_files().unwrap().remove(0);
    kept.file_withdrawn(&open, at(4)).unwrap();
    assert_eq!(kept.order("1").unwrap().unwrap().state, OrderState::Withdrawn);
    assert_eq!(told(&kept, 5), []);
}

#[test]
fn an_order_that_cannot_be_written_is_news_with_the_reason() {
    let kept = Kept::new();
    record(&kept, &[order("1", 2, 0)], 0);
    kept.order_unwritable(&OrderId("1".into()), "the street is longer than 30 characters", at(1)).unwrap();
    let (news, _) = kept.lease_acknowledgements(10, at(600), at(2)).unwrap().remove(0);
    assert_eq!((news.stage, news.number.as_str()), (Stage::Failed, "N1"));
    assert_eq!(news.reference, "the street is longer than 30 characters");
    kept.acknowledged(&news, at(3)).unwrap();
    assert_eq!(kept.order("1").unwrap().unwrap().state, OrderState::Failed);
    assert_eq!(kept.outbox_depth().unwrap().acknowledgements, 0);
}

#[test]
fn an_order_is_not_written_twice_unless_a_person_says_so_and_that_is_recorded() {
    let kept = Kept::new();
    record(&kept, &[order("1", 2, 0), order("2", 2, 2)], 0);
    let refused = kept.ask_for_order("N1", false, "ann", at(1)).unwrap_err().to_string();
    assert!(refused.contains("waiting to be written anyway"), "{refused}");
    let refused = kept.ask_for_order("N2", true, "ann", at(1)).unwrap_err().to_string();
    assert!(refused.contains("nothing left to book"), "{refused}");
    let refused = kept.ask_for_order("N3", true, "ann", at(1)).unwrap_err().to_string();
    assert!(refused.contains("orders list"), "{refused}");
    plan(&kept, &OrderId("1".into()), 1, &file("o1.csv"), 1);
    kept.file_staged("o1.csv").unwrap();
    let open = kept.open_files().unwrap().remove(0);
    kept.file_visible(&open, at(2), at(2)).unwrap();
    kept.order_proved(&open, &open.orders[0], &Proof::seen(at(5), "gone"), at(9)).unwrap();
    let refused = kept.ask_for_order("N1", false, "ann", at(10)).unwrap_err().to_string();
    assert!(refused.contains("--again"), "{refused}");
    kept.ask_for_order("N1", true, "ann", at(11)).unwrap();
    let history = kept.order_history(&OrderId("1".into())).unwrap();
    assert_eq!(history.last().unwrap().by, "ann");
    assert_eq!(kept.orders_to_publish(10).unwrap().len(), 1);
}

#[test]
fn several_rows_of_an_item_are_settled_as_the_profile_says_and_a_conflict_is_nobodys_count() {
    let rows = [("A", 1), ("B", 5), ("A", 1), ("B", 7), ("C", 9), ("B", 5)];
    let kept = Kept::new();
    let (id, summary) = export(&kept, 10, &rows, Duplicates::IdenticalCollapseConflictRowError);
    assert_eq!(rows_of(&kept, id), ["A=1", "C=9"]);
    let lines: Vec<u64> = summary.row_errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [3, 5, 7], "{:?}", summary.row_errors);
    let (id, summary) = export(&kept, 20, &rows, Duplicates::LastInFile);
    assert_eq!((rows_of(&kept, id), summary.row_errors.len()), (vec!["A=1".into(), "B=5".into(), "C=9".into()], 0));
    let (id, _) = export(&kept, 30, &rows, Duplicates::Sum);
    assert_eq!(rows_of(&kept, id), ["A=2", "B=17", "C=9"]);
}

#[test]
fn only_what_changed_becomes_due_and_an_item_that_is_missing_is_left_alone_unless_told_otherwise() {
    let kept = Kept::new();
    admit(&kept, 10, &[("A", 1), ("B", 2), ("C", 3), ("D", 4), ("E", 5)]);
    for item in kept.lease_stock(100, at(600), at(11)).unwrap() {
        kept.finish_stock(&[(item, Delivered::NothingToSend)], at(11)).unwrap();
    }
    admit(&kept, 20, &[("A", 1), ("B", 3), ("C", 3), ("D", 4)]);
    assert_eq!(due(&kept, 21), ["B"]);
    for (missing, expected) in [(Missing::Zero, "D=0"), (Missing::Keep, "D=4")] {
        let kept = Kept::new();
        admit(&kept, 10, &[("A", 1), ("B", 2), ("C", 3), ("D", 4), ("E", 5)]);
        let (id, _) = export(&kept, 20, &[("A", 1), ("B", 2), ("C", 3), ("E", 5)], Duplicates::default());
        kept.decide(id, &rules(), missing, at(21)).unwrap();
        assert!(rows_of(&kept, id).contains(&expected.to_owned()), "{missing:?}");
    }
}

#[test]
fn a_held_export_is_overtaken_by_a_newer_one_and_the_patience_counts_from_the_first() {
    let kept = Kept::new();
    record(&kept, &[order("1", 2, 0)], 0);
    plan(&kept, &OrderId("1".into()), 1, &file("o1.csv"), 1);
    kept.file_staged("o1.csv").unwrap();
    let open = kept.open_files().unwrap().remove(0);
    kept.file_visible(&open, at(2), at(2)).unwrap();
    let (first, _) = export(&kept, 100, &[("A", 10)], Duplicates::default());
    assert!(matches!(kept.decide(first, &rules(), Missing::Report, at(101)).unwrap(), Verdict::Hold { .. }));
    let (second, _) = export(&kept, 1000, &[("A", 9)], Duplicates::default());
    assert!(matches!(kept.decide(second, &rules(), Missing::Report, at(1001)).unwrap(), Verdict::Hold { .. }));
    assert_eq!(kept.held_export().unwrap().unwrap().id, second);
    let verdict = kept.decide(second, &rules(), Missing::Report, at(100 + 1800)).unwrap();
    assert!(matches!(&verdict, Verdict::Admit { unproved, .. } if unproved == &["N1"]), "{verdict:?}");
    assert_eq!(kept.admitted_export().unwrap().unwrap().id, second);
    assert!(kept.held_export().unwrap().is_none(), "the older one is overtaken");
}

#[test]
fn a_trouble_keeps_the_time_at_which_it_began_for_as_long_as_it_lasts() {
    let kept = Kept::new();
    let trouble = |text: &str| Trouble {
        code: "export_held",
        subject: "stock.csv".into(),
        severity: Severity::Notice,
        text: text.into(),
        remedy: "wait".into(),
    };
    kept.set_conditions(&["export_held"], &[trouble("one")], at(1)).unwrap();
    kept.set_conditions(&["export_held"], &[trouble("two")], at(2)).unwrap();
    kept.set_conditions(&["other"], &[], at(3)).unwrap();
    let lasting = kept.conditions().unwrap();
    assert_eq!((lasting[0].since, lasting[0].text.as_str()), (at(1), "two"));
    kept.set_conditions(&["export_held"], &[], at(4)).unwrap();
    assert!(kept.conditions().unwrap().is_empty());
}

#[test]
fn rows_of_exports_that_no_longer_count_are_removed_a_bounded_number_at_a_time() {
    let kept = Kept::new();
    let old = admit(&kept, 10, &[("A", 1), ("B", 2), ("C", 3), ("D", 4)]);
    let new = admit(&kept, 20, &[("A", 1), ("B", 2), ("C", 3), ("D", 4)]);
    let mut rounds = 0;
    while kept.prune_stock_rows(2).unwrap() > 0 {
        rounds += 1;
        assert!(rounds < 10, "it comes to an end");
    }
    assert!(rounds >= 2);
    assert_eq!((rows_of(&kept, old).len(), rows_of(&kept, new).len()), (0, 4));
    assert_eq!(kept.admitted_export().unwrap().unwrap().state, ExportState::Admitted);
}
