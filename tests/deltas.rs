//! Exports of changes in the ledger: merged in their order into the full export, each row with its own evidence.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use rust_decimal::Decimal;
use tillbridge::domain::gate::{HoldReason, Policy, Rules, Verdict};
use tillbridge::domain::order::{Customer, OrderLine, Standing};
use tillbridge::domain::stock::{Scope, Sequence, Timing};
use tillbridge::domain::{ExportId, ItemMap, OrderId, Quantity, Sku, WebOrder};
use tillbridge::ledger::exports::{ExportState, Missing};
use tillbridge::ledger::fates::Proof;
use tillbridge::ledger::outbox::Delivered;
use tillbridge::ledger::plans::Plan;
use tillbridge::ledger::stock::RowWriter;
use tillbridge::ledger::{Ledger, LedgerError};
use tillbridge::ports::{
    ExportRow, FeedCursor, Marks, OrderFile, Purpose, ReadSummary, RowError, Says, SettledExport, SpooledExport,
    WrittenOrder,
};

/// SKU and count; none: the till has it no more.
type Rows<'a> = &'a [(&'a str, Option<i64>)];

struct Shop {
    ledger: Ledger,
    _folder: tempfile::TempDir,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn rules(policy: Policy) -> Rules {
    Rules {
        policy,
        hold_at_most: SignedDuration::from_secs(1800),
        settle: SignedDuration::from_secs(60),
        least_rows_percent: 0,
        most_zeroed_percent: 100,
    }
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { ledger: Ledger::open(folder.path()).unwrap(), _folder: folder }
    }

    /// An export that was read, and waits for the gate. Its own time is `second`; it was seen 5 seconds later.
    fn read(&self, name: &str, scope: Scope, sequence: &str, second: i64, rows: Rows<'_>) -> ExportId {
        let declared = Some(at(second));
        self.read_timed(name, scope, sequence, Timing { declared, ..seen(second + 5) }, rows)
    }

    fn read_timed(&self, name: &str, scope: Scope, sequence: &str, timing: Timing, rows: Rows<'_>) -> ExportId {
        let summary = ReadSummary { scope, sequence: Sequence::parse(sequence), ..ReadSummary::default() };
        self.read_with(name, timing, summary, rows)
    }

    fn read_with(&self, name: &str, timing: Timing, summary: ReadSummary, rows: Rows<'_>) -> ExportId {
        let bytes = timing.first_seen.as_second() as u64;
        let source = SettledExport { name: name.into(), bytes, timing, companion: None };
        let fingerprint = format!("{:0<64}", name.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
        let spooled = SpooledExport { source, spooled: "spool".into(), fingerprint };
        let id = self.ledger.export_begun(&spooled, timing.first_seen).unwrap();
        let mut writer = RowWriter::new(&self.ledger, id);
        for (row, (sku, count)) in (1..).zip(rows) {
            let says = count.map_or(Says::Deleted, |count| Says::Count(count.into()));
            writer.take(&ExportRow { sku, says, row, line: row + 1, ordinal: None }).unwrap();
        }
        writer.flush().unwrap();
        let mut summary = ReadSummary { rows: rows.len() as u64, row_error_limit_percent: 100, ..summary };
        self.ledger.settle_duplicates(id, &mut summary).unwrap().unwrap();
        self.ledger.export_read(id, &timing, &summary).unwrap();
        id
    }

    fn decide(&self, id: ExportId, second: i64) -> Verdict {
        self.ledger.decide(id, &rules(Policy::HoldThenAdjust), Missing::Report, at(second)).unwrap()
    }

    fn admit(&self, name: &str, scope: Scope, sequence: &str, second: i64, rows: Rows<'_>) -> ExportId {
        let id = self.read(name, scope, sequence, second, rows);
        let verdict = self.decide(id, second + 6);
        assert!(matches!(verdict, Verdict::Admit { .. }), "{name}: {verdict:?}");
        id
    }

    /// Asks about all that is held, in the ledger's order; the names of what was admitted.
    fn ask(&self, second: i64) -> Vec<String> {
        let mut admitted = Vec::new();
        for scope in [Scope::Full, Scope::Delta] {
            for held in self.ledger.held_exports(scope).unwrap() {
                if matches!(self.decide(held.id, second), Verdict::Admit { .. }) {
                    admitted.push(held.name);
                }
            }
        }
        admitted
    }

    fn state(&self, id: ExportId) -> ExportState {
        self.ledger.export(id).unwrap().unwrap().state
    }

    fn rows(&self, id: ExportId) -> Vec<String> {
        let mut rows = Vec::new();
        self.ledger.for_each_stock_row(id, |sku, quantity, _| rows.push(format!("{sku}={quantity}"))).unwrap();
        rows
    }

    fn counts(&self) -> Vec<String> {
        self.rows(self.ledger.admitted_export().unwrap().unwrap().id)
    }

    /// Units of the order that the till had surely deducted from the item's count.
    fn deducted(&self, text: &str) -> Quantity {
        let (_, facts) = self.ledger.item_facts(&[sku(text)]).unwrap();
        let item = &facts[&sku(text)];
        let taken = item.claims[0].booked.out[0];
        item.counted.as_ref().unwrap().snapshot.deducted(taken.units, Some(taken.at))
    }

    fn due(&self, second: i64) -> Vec<String> {
        let leased = self.ledger.lease_stock(100, at(second + 600), at(second)).unwrap();
        let mut names: Vec<String> = leased.iter().map(|item| item.sku.to_string()).collect();
        let results: Vec<_> = leased.into_iter().map(|item| (item, Delivered::NothingToSend)).collect();
        self.ledger.finish_stock(&results, at(second)).unwrap();
        names.sort();
        names
    }

    /// An order of two of each of A and B lies in the till's import folder since `second`.
    fn publish_order(&self, second: i64) {
        let line = |id: &str, name: &str| OrderLine {
            id: id.into(),
            sku: sku(name),
            name: "Article".into(),
            ordered: 2.into(),
            cancelled: Quantity::ZERO,
            shipped: Quantity::ZERO,
            refunded: Quantity::ZERO,
            returned: Quantity::ZERO,
            price: Decimal::ONE,
            price_incl_tax: Decimal::ONE,
            tax_percent: Decimal::ZERO,
            discount: Decimal::ZERO,
            takes_stock: true,
        };
        let order = WebOrder {
            id: OrderId("1".into()),
            number: "N1".into(),
            placed_at: at(0),
            standing: Standing::Ready,
            store_status: "pending".into(),
            customer: Customer::default(),
            payment: "checkmo".into(),
            shipping: "flat".into(),
            currency: "EUR".into(),
            total: Decimal::ONE,
            shipping_total: Decimal::ZERO,
            lines: vec![line("1", "A"), line("2", "B")],
        };
        let units = vec![(sku("A"), 2.into()), (sku("B"), 2.into())];
        let written = WrittenOrder { order: OrderId("1".into()), copy: 1, units };
        let file =
            OrderFile { name: "o1.csv".into(), bytes: b"x".to_vec(), orders: vec![written], ..OrderFile::default() };
        self.ledger.record_orders(&[order], &FeedCursor("1".into()), Timestamp::MIN, at(second)).unwrap();
        let plan = Plan {
            purpose: Purpose::Order,
            file: &file,
            orders: &[],
            marks: &Marks::new(),
            codes: &ItemMap::default(),
        };
        self.ledger.file_planned(&plan, at(second)).unwrap();
        self.ledger.file_staged("o1.csv").unwrap();
        let open = self.ledger.open_files().unwrap().remove(0);
        self.ledger.file_visible(&open, at(second), at(second)).unwrap();
    }

    fn till_takes_order(&self, second: i64) {
        let open = self.ledger.open_files().unwrap().remove(0);
        self.ledger.order_proved(&open, &open.orders[0], &Proof::seen(at(second), "gone"), at(second)).unwrap();
    }
}

fn seen(second: i64) -> Timing {
    Timing { declared: None, first_seen: at(second), last_absent: None, modified: None }
}

const FULL: Scope = Scope::Full;
const DELTA: Scope = Scope::Delta;

#[test]
fn changes_touch_only_the_items_that_they_mention_and_what_is_deleted_counts_as_none() {
    let shop = Shop::new();
    let base = shop.admit("full.csv", FULL, "", 0, &[("A", Some(1)), ("B", Some(2)), ("C", Some(3))]);
    shop.due(7);
    let delta = shop.admit("inc.csv", DELTA, "", 100, &[("B", None), ("C", Some(3)), ("D", Some(4))]);
    assert_eq!(shop.counts(), ["A=1", "B=0", "C=3", "D=4"]);
    assert_eq!((shop.state(base), shop.state(delta)), (ExportState::Admitted, ExportState::Merged));
    assert_eq!(shop.rows(delta), ["B=DELETE", "C=3", "D=4"], "the report can still show it");
    assert_eq!(shop.due(107), ["B", "D"], "C says what it said before");
    let counts = shop.ledger.admitted_export().unwrap().unwrap();
    assert_eq!(counts.skus, 4);
    while shop.ledger.prune_stock_rows(2).unwrap() > 0 {}
    assert_eq!((shop.rows(delta).len(), shop.counts().len()), (0, 4));
}

#[test]
fn changes_prove_orders_only_for_the_items_that_they_mention() {
    let shop = Shop::new();
    shop.admit("full.csv", FULL, "", 0, &[("A", Some(10)), ("B", Some(10))]);
    shop.publish_order(50);
    shop.till_takes_order(100);
    shop.due(101);
    assert_eq!((shop.deducted("A"), shop.deducted("B")), (0.into(), 0.into()));
    // The count of A is the same again (two came in): it is due all the same, because now the order is proved.
    let delta = shop.admit("inc.csv", DELTA, "", 1000, &[("A", Some(10)), ("Z", Some(1))]);
    assert_eq!(shop.due(1010), ["A", "Z"]);
    assert_eq!((shop.deducted("A"), shop.deducted("B")), (2.into(), 0.into()));
    let (counting, facts) = shop.ledger.item_facts(&[sku("A"), sku("B")]).unwrap();
    let of = |name: &str| facts[&sku(name)].counted.clone().unwrap();
    assert_eq!((of("A").snapshot.export(), of("A").counted.line), (delta, 2));
    assert_ne!(of("B").snapshot.export(), delta);
    assert_eq!(counting.unwrap().made_at, at(1000), "what is sent is as young as the youngest part");
    // The next full export proves it for all.
    shop.admit("full2.csv", FULL, "", 2000, &[("A", Some(10)), ("B", Some(8)), ("Z", Some(1))]);
    assert_eq!(shop.due(2010), ["B"]);
    assert_eq!((shop.deducted("A"), shop.deducted("B")), (2.into(), 2.into()));
}

#[test]
fn without_a_full_export_changes_are_the_start() {
    let shop = Shop::new();
    let first = shop.admit("inc1.csv", DELTA, "7", 0, &[("A", Some(1)), ("B", None)]);
    assert_eq!((shop.state(first), shop.counts()), (ExportState::Admitted, vec!["A=1".into(), "B=0".into()]));
    shop.admit("inc2.csv", DELTA, "8", 100, &[("C", Some(1))]);
    assert_eq!(shop.counts(), ["A=1", "B=0", "C=1"]);
}

#[test]
fn a_full_export_takes_the_place_of_all_before_it_and_of_older_ones_that_wait() {
    let shop = Shop::new();
    let base = shop.admit("full.csv", FULL, "", 0, &[("A", Some(1)), ("B", Some(2))]);
    let merged = shop.admit("inc1.csv", DELTA, "1", 100, &[("A", Some(5))]);
    let older = shop.read("inc3.csv", DELTA, "3", 200, &[("A", Some(6))]);
    assert!(matches!(shop.decide(older, 210), Verdict::Hold { .. }));
    // Made after the full export, seen before it.
    let younger = shop.read("inc4.csv", DELTA, "4", 320, &[("B", Some(9))]);
    let full = shop.read("full2.csv", FULL, "", 300, &[("A", Some(7)), ("B", Some(2))]);
    assert_eq!(shop.ask(400), ["full2.csv"]);
    let states = [base, merged, older, full].map(|id| shop.state(id));
    use ExportState::{Admitted, Superseded};
    assert_eq!(states, [Superseded, Superseded, Superseded, Admitted]);
    assert_eq!(shop.state(younger), ExportState::Held, "numbers 2 and 3 are missing before it");
    assert_eq!(shop.ask(325 + 1800), ["inc4.csv"]);
    assert_eq!(shop.counts(), ["A=7", "B=9"]);
}

#[test]
fn changes_older_than_the_last_are_refused_and_so_is_a_full_export_older_than_the_one_that_counts() {
    let shop = Shop::new();
    shop.admit("full.csv", FULL, "", 100, &[("A", Some(1))]);
    shop.admit("inc.csv", DELTA, "", 300, &[("A", Some(2))]);
    for (name, scope, made) in [("old.csv", FULL, 50), ("late_inc.csv", DELTA, 200)] {
        let late = shop.read(name, scope, "", made, &[("A", Some(9))]);
        assert!(matches!(shop.decide(late, 400), Verdict::Refuse(_)), "{name}");
    }
    assert_eq!(shop.counts(), ["A=2"]);
}

#[test]
fn changes_made_while_a_full_export_waited_are_laid_over_it_and_keep_their_own_evidence() {
    let shop = Shop::new();
    shop.admit("full.csv", FULL, "", 0, &[("A", Some(10)), ("B", Some(10)), ("C", Some(10)), ("D", Some(10))]);
    shop.admit("early.csv", DELTA, "", 50, &[("C", Some(4))]);
    let waits = shop.read("night.csv", FULL, "", 100, &[("A", Some(9)), ("B", Some(9)), ("C", Some(9))]);
    let first = shop.admit("inc1.csv", DELTA, "", 200, &[("A", Some(5)), ("N", Some(1))]);
    let second = shop.admit("inc2.csv", DELTA, "", 300, &[("A", Some(4)), ("B", None)]);
    assert!(matches!(shop.decide(waits, 400), Verdict::Admit { .. }));
    assert_eq!(shop.counts(), ["A=4", "B=0", "C=9", "N=1"], "C's change was before the night");
    assert_eq!([shop.state(first), shop.state(second)], [ExportState::Merged; 2]);
    let record = shop.ledger.export(waits).unwrap().unwrap();
    assert_eq!((record.state, record.skus), (ExportState::Admitted, 4));
    // An older full export stays refused, and later changes go on being merged.
    let late = shop.read("late.csv", FULL, "", 90, &[("A", Some(77))]);
    assert!(matches!(shop.decide(late, 500), Verdict::Refuse(_)));
    shop.admit("inc3.csv", DELTA, "", 600, &[("C", Some(8))]);
    assert_eq!(shop.counts(), ["A=4", "B=0", "C=8", "N=1"]);
}

#[test]
fn two_exports_of_changes_held_by_an_order_are_admitted_in_their_order_once_it_is_taken() {
    let shop = Shop::new();
    shop.admit("full.csv", FULL, "", 0, &[("A", Some(10)), ("B", Some(10))]);
    shop.publish_order(50);
    let first = shop.read("inc1.csv", DELTA, "", 100, &[("A", Some(9)), ("B", Some(9))]);
    let second = shop.read("inc2.csv", DELTA, "", 200, &[("A", Some(8))]);
    assert_eq!(shop.ask(210), [""; 0]);
    let Verdict::Hold { reasons, until } = shop.decide(second, 211) else { panic!() };
    assert!(reasons.contains(&HoldReason::EarlierHeld { export: "inc1.csv".into() }), "{reasons:?}");
    assert_eq!(until, None, "it is the first one that waits for the till");
    shop.till_takes_order(300);
    assert_eq!(shop.ask(310), ["inc1.csv", "inc2.csv"]);
    assert_eq!(shop.counts(), ["A=8", "B=9"]);
    assert_eq!([first, second].map(|id| shop.state(id)), [ExportState::Merged; 2]);
}

/// Neither says when it was made: our own clock saw number 5 first.
#[test]
fn number_five_before_number_four_waits_and_both_are_admitted_in_their_order() {
    let shop = Shop::new();
    shop.admit("full.csv", FULL, "", 0, &[("A", Some(1)), ("B", Some(1))]);
    shop.admit("inc3.csv", DELTA, "0003", 100, &[("A", Some(3))]);
    shop.read_timed("inc5.csv", DELTA, "0005", seen(200), &[("A", Some(5))]);
    assert_eq!(shop.ask(210), [""; 0]);
    shop.read_timed("inc6.csv", DELTA, "0006", seen(205), &[("B", Some(6))]);
    assert_eq!(shop.ask(215), [""; 0]);
    shop.read_timed("inc4.csv", DELTA, "0004", seen(220), &[("A", Some(4)), ("B", Some(4))]);
    assert_eq!(shop.ask(230), ["inc4.csv", "inc5.csv", "inc6.csv"]);
    assert_eq!(shop.counts(), ["A=5", "B=6"]);
}

#[test]
fn the_counter_turns_over_while_changes_wait() {
    let shop = Shop::new();
    shop.admit("full.csv", FULL, "", 0, &[("A", Some(1))]);
    shop.admit("inc97.csv", DELTA, "97", 100, &[("A", Some(3))]);
    for (name, number, count, second) in
        [("inc00.csv", "00", 6, 200), ("inc99.csv", "99", 5, 210), ("inc98.csv", "98", 4, 220)]
    {
        shop.read_timed(name, DELTA, number, seen(second), &[("A", Some(count))]);
    }
    assert_eq!(shop.ask(230), ["inc98.csv", "inc99.csv", "inc00.csv"]);
    assert_eq!(shop.counts(), ["A=6"]);
}

#[test]
fn a_till_that_counts_from_the_start_again_needs_one_approval_of_exactly_one_export() {
    let shop = Shop::new();
    shop.admit("full.csv", FULL, "", 0, &[("A", Some(1))]);
    shop.admit("inc417.csv", DELTA, "0417", 100, &[("A", Some(3))]);
    let approve = |which: Option<&str>| shop.ledger.approve_held(which, "ann", at(300));
    assert!(approve(None).unwrap_err().to_string().contains("no export is held"));
    let first = shop.read("inc1.csv", DELTA, "0001", 200, &[("A", Some(4))]);
    shop.read("inc2.csv", DELTA, "0002", 210, &[("A", Some(5))]);
    assert_eq!(shop.ask(100_000), [""; 0], "no patience ends this");
    let unclear = approve(None).unwrap_err();
    assert!(matches!(unclear, LedgerError::NotPossible(_)), "{unclear}");
    assert!(
        unclear.to_string().contains("inc1.csv (number 3,") && unclear.to_string().contains("inc2.csv"),
        "{unclear}"
    );
    // All names begin with "inc": so do the fingerprints of this test.
    assert!(matches!(approve(Some("696e63")).unwrap_err(), LedgerError::NotPossible(_)));
    for which in ["inc9.csv", "99", "696e", "inc"] {
        let unknown = approve(Some(which)).unwrap_err();
        assert!(matches!(unknown, LedgerError::NoSuchExport { .. }), "{which}: {unknown}");
    }
    for which in ["inc1.csv", "3", "696E6331"] {
        assert_eq!(approve(Some(which)).unwrap().id, first, "{which}");
    }
    assert_eq!(shop.ask(310), ["inc1.csv", "inc2.csv"]);
    let record = shop.ledger.export(first).unwrap().unwrap();
    assert_eq!((record.approved_by.as_deref(), record.approved_at), (Some("ann"), Some(at(300))));
}

#[test]
fn the_same_changes_under_a_newer_time_are_a_confirmation() {
    let shop = Shop::new();
    shop.admit("full.csv", FULL, "", 0, &[("A", Some(10)), ("B", Some(10))]);
    shop.admit("inc.csv", DELTA, "5", 10, &[("A", Some(10))]);
    shop.publish_order(50);
    shop.till_takes_order(100);
    shop.due(101);
    let again = shop.admit("inc.csv", DELTA, "5", 1000, &[("A", Some(10))]);
    assert_eq!((shop.state(again), shop.deducted("A")), (ExportState::Merged, 2.into()));
    assert_eq!(shop.due(1010), ["A"]);
    // Another content under the same number is none.
    let other = shop.read("other.csv", DELTA, "5", 1100, &[("A", Some(9))]);
    let Verdict::Hold { reasons, .. } = shop.decide(other, 1110) else { panic!() };
    assert!(matches!(reasons[..], [HoldReason::SequenceWentBack { .. }]), "{reasons:?}");
}

/// What a full export lacks and the shop wants kept says what it said before, and proves no more than it did then.
#[test]
fn a_kept_count_proves_no_order_that_was_taken_since() {
    let shop = Shop::new();
    shop.admit("full.csv", FULL, "", 0, &[("A", Some(10)), ("B", Some(10))]);
    shop.publish_order(50);
    shop.till_takes_order(100);
    let next = shop.read("full2.csv", FULL, "", 1000, &[("A", Some(8))]);
    shop.ledger.decide(next, &rules(Policy::Hold), Missing::Keep, at(1010)).unwrap();
    assert_eq!(
        (shop.counts(), shop.deducted("A"), shop.deducted("B")),
        (vec!["A=8".into(), "B=10".into()], 2.into(), 0.into())
    );
    // Once the till counts it again, the order is proved, although the count is the same.
    shop.due(1011);
    shop.admit("full3.csv", FULL, "", 2000, &[("A", Some(8)), ("B", Some(10))]);
    assert_eq!((shop.deducted("B"), shop.due(2010)), (2.into(), vec!["B".to_owned()]));
}

#[test]
fn missing_items_are_listed_until_the_till_has_them_again() {
    let shop = Shop::new();
    let listed = || shop.ledger.missing_items(5).unwrap();
    shop.admit("1.csv", FULL, "", 0, &[("A", Some(1)), ("B", Some(2)), ("C", Some(3)), ("D", Some(4))]);
    assert_eq!(listed().count, 0);
    // A row of D could not be read: what it says is unknown, but it is there.
    let reason = "quantity_not_numeric".to_owned();
    let error = RowError { row: 9, line: 9, sku: Some("D".into()), reason, text: String::new() };
    let summary = ReadSummary { row_errors: vec![error], ..ReadSummary::default() };
    let id = shop.read_with("2.csv", Timing { declared: Some(at(100)), ..seen(105) }, summary, &[("A", Some(1))]);
    assert!(matches!(shop.decide(id, 106), Verdict::Admit { .. }));
    assert_eq!((listed().count, listed().first), (2, vec!["B".to_owned(), "C".to_owned()]));
    shop.admit("3.csv", FULL, "", 200, &[("A", Some(1))]);
    assert_eq!(listed().count, 2, "they are still missing");
    shop.admit("inc.csv", DELTA, "", 300, &[("B", None)]);
    assert_eq!(listed().first, ["C"], "the till says what it is about");
    shop.admit("4.csv", FULL, "", 400, &[("A", Some(1)), ("C", Some(3))]);
    assert_eq!(listed().first, ["B"], "the till had it, at none");
    let last = shop.read("5.csv", FULL, "", 500, &[("A", Some(1))]);
    shop.ledger.decide(last, &rules(Policy::Hold), Missing::Zero, at(510)).unwrap();
    assert_eq!(listed().count, 0, "the shop wants them counted as none");
}

#[test]
fn a_ledger_of_the_version_before_is_brought_up_to_date_with_its_export() {
    let folder = tempfile::tempdir().unwrap();
    let file = rusqlite::Connection::open(folder.path().join(tillbridge::ledger::FILE_NAME)).unwrap();
    file.execute_batch(include_str!("../src/ledger/0001_ledger.sql")).unwrap();
    let timing = serde_json::to_string(&seen(0)).unwrap();
    file.execute(
        "INSERT INTO export (name, identity, fingerprint, bytes, timing, state, seen_at, evidence_until, skus, in_stock)
         VALUES ('old.csv', 'i', 'f', 1, ?1, 'admitted', 0, ?2, 1, 1)",
        rusqlite::params![timing, at(0).as_microsecond()],
    )
    .unwrap();
    file.execute("INSERT INTO stock_row (export_id, sku, quantity, line) VALUES (1, 'A', '1', 2)", []).unwrap();
    file.pragma_update(None, "user_version", 1).unwrap();
    drop(file);
    let shop = Shop { ledger: Ledger::open(folder.path()).unwrap(), _folder: folder };
    let late = shop.read_timed("late.csv", FULL, "", seen(-10), &[("A", Some(9))]);
    assert!(matches!(shop.decide(late, 5), Verdict::Refuse(_)));
    shop.admit("inc.csv", DELTA, "", 100, &[("B", Some(2))]);
    assert_eq!(shop.counts(), ["A=1", "B=2"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// The till's shelf changes; full exports and exports of changes come as they like.
    #[test]
    fn a_full_export_and_all_changes_since_are_the_whole_picture(
        steps in prop::collection::vec((0..8u8, prop::collection::btree_map("[A-F]", prop::option::of(-2..6i64), 1..4)), 1..14)
    ) {
        let shop = Shop::new();
        let mut shelf: BTreeMap<String, Option<i64>> = BTreeMap::from([("A".into(), Some(1))]);
        shop.admit("0.csv", FULL, "", 0, &[("A", Some(1))]);
        shop.due(1);
        for (step, (kind, changes)) in (1..).zip(steps) {
            let before = shop.counts();
            shelf.extend(changes.clone());
            let (scope, rows) = if kind == 0 {
                // A full export has no deleted items; here the till writes them as none.
                shelf.values_mut().for_each(|count| *count = Some(count.unwrap_or(0)));
                (FULL, &shelf)
            } else {
                (DELTA, &changes)
            };
            let rows: Vec<(&str, Option<i64>)> = rows.iter().map(|(sku, count)| (sku.as_str(), *count)).collect();
            shop.admit(&format!("{step}.csv"), scope, "", step * 100, &rows);
            let expected: Vec<String> = shelf.iter().map(|(sku, count)| format!("{sku}={}", count.unwrap_or(0))).collect();
            prop_assert_eq!(shop.counts(), expected.clone());
            let base = shop.ledger.admitted_export().unwrap().unwrap();
            prop_assert_eq!(base.skus, expected.len() as u64);
            let changed: Vec<String> = expected.iter().filter(|row| !before.contains(row))
                .map(|row| row.split('=').next().unwrap().to_owned()).collect();
            prop_assert_eq!(shop.due(step * 100 + 10), changed);
            while shop.ledger.prune_stock_rows(3).unwrap() > 0 {}
        }
    }
}
