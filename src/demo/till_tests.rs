use super::*;

fn till(habits: Habits) -> (tempfile::TempDir, SimulatedTill) {
    let home = tempfile::tempdir().unwrap();
    let till = SimulatedTill::new(home.path(), habits).unwrap().stocked();
    (home, till)
}

fn drop_in(till: &SimulatedTill, name: &str, text: &str) {
    fs::write(till.import.join(name), text).unwrap();
}

const ORDER: &str = "OrderNo,SKU,Qty\r\n000000001,1001,2\r\n000000001,\"A/B-7\",1\r\n";

#[test]
fn the_till_books_whole_order_files_and_deletes_or_moves_them() {
    for (after_import, left) in [(AfterImport::Delete, 0), (AfterImport::MoveToDone, 1)] {
        let (_home, mut till) = till(Habits { after_import, ..Habits::default() });
        drop_in(&till, "a.csv", ORDER);
        drop_in(&till, "a.csv.tmp", "half");
        assert_eq!(till.import_all().unwrap().len(), 1);
        assert_eq!((till.units("1001"), till.units("A/B-7")), (8.into(), 11.into()));
        assert_eq!(till.waiting().unwrap(), Vec::<String>::new());
        assert_eq!(fs::read_dir(&till.done).unwrap().count(), left);
        assert_eq!(till.violations(), []);
    }
}

#[test]
fn half_a_file_and_a_second_booking_are_remembered_as_violations() {
    let (_home, mut till) = till(Habits::default());
    for half in
        ["OrderNo,SKU,Qty\r\n000000001,10", "OrderNo,SKU,Qty\r\n", "", "SKU,Qty\n1001,1\n", "OrderNo,SKU,Qty\n1,2\n"]
    {
        drop_in(&till, "half.csv", half);
        till.import_all().unwrap();
        assert!(matches!(till.violations().last(), Some(Violation::HalfWritten { .. })), "{half:?}");
    }
    assert_eq!(till.violations().len(), 5);
    for name in ["1.csv", "2.csv"] {
        drop_in(&till, name, ORDER);
        till.import_all().unwrap();
    }
    assert_eq!(till.imported()["000000001"], 2);
    assert_eq!(till.violations().last(), Some(&Violation::BookedTwice { number: "000000001".into() }));
}

#[test]
fn a_strict_till_rejects_what_it_does_not_know_and_a_slow_one_takes_one_file_at_a_time() {
    let (_home, mut till) = till(Habits { reject_unknown: true, files_per_import: Some(1), ..Habits::default() });
    drop_in(&till, "1.csv", "OrderNo,SKU,Qty\n1,NOPE,1\n");
    drop_in(&till, "2.csv", "OrderNo,SKU,Qty\n2,1001,1\n");
    assert_eq!(till.import_all().unwrap(), []);
    assert_eq!(till.rejected(), [("1.csv".to_owned(), "article NOPE is unknown".to_owned())]);
    assert!(till.rejects.join("1.csv").exists());
    assert_eq!(till.import_all().unwrap()[0].number, "2");
}

#[test]
fn an_export_holds_what_was_counted_when_it_began() {
    let (_home, mut till) = till(Habits::default());
    let counting = till.begin_export();
    till.sell("1001", 4.into());
    till.finish_export(counting, "early.csv").unwrap();
    till.goods_in("1001", 1.into());
    till.export("late.csv").unwrap();
    let read = |name: &str| fs::read_to_string(till.export.join(name)).unwrap();
    assert!(read("early.csv").contains("\r\n1001,Teapot white,10\r\n"));
    assert!(read("late.csv").starts_with("SKU,Description,Qty\r\n0012345,Tea strainer,20\r\n1001,Teapot white,7\r\n"));
}

#[test]
fn an_export_in_pieces_is_half_there_for_a_while_and_whole_in_the_end() {
    let (_home, till) = till(Habits { export_style: ExportStyle::InPieces, ..Habits::default() });
    let mut counting = till.begin_export();
    assert!(till.write_piece(&mut counting, "s.csv", 2).unwrap());
    let half = fs::read_to_string(till.export.join("s.csv")).unwrap();
    assert_eq!(half.lines().count(), 3);
    till.finish_export(counting, "s.csv").unwrap();
    till.export("whole.csv").unwrap();
    let read = |name: &str| fs::read_to_string(till.export.join(name)).unwrap();
    assert_eq!(read("s.csv"), read("whole.csv"));
    assert_eq!(read("s.csv").matches("SKU").count(), 1);
}

#[test]
fn a_till_that_wants_header_lines_and_a_trigger_begins_when_it_is_told_to_and_takes_all_three() {
    let habits =
        Habits { lines_ending: Some("_lines.csv".into()), trigger_ending: Some(".done".into()), ..Habits::default() };
    let (_home, mut till) = till(habits);
    drop_in(&till, "a.csv", "OrderNo\r\n000000001\r\n");
    drop_in(&till, "a_lines.csv", ORDER);
    assert_eq!(till.import_all().unwrap(), []);
    drop_in(&till, "a.done", "");
    assert_eq!(till.import_all().unwrap().len(), 1);
    assert_eq!(till.units("1001"), 8.into());
    assert_eq!(fs::read_dir(&till.import).unwrap().count(), 0);
    assert_eq!(till.violations(), []);
    // Lines of another order, or none, are a fault.
    for lines in [Some("OrderNo,SKU,Qty\r\n000000009,1001,2\r\n"), None] {
        drop_in(&till, "b.csv", "OrderNo\r\n000000002\r\n");
        drop_in(&till, "b.done", "");
        if let Some(lines) = lines {
            drop_in(&till, "b_lines.csv", lines);
        }
        till.import_all().unwrap();
        assert!(matches!(till.violations().last(), Some(Violation::HalfWritten { .. })), "{lines:?}");
        fs::remove_file(till.import.join("b_lines.csv")).ok();
    }
}

#[test]
fn tills_rename_or_leave_what_they_have_read_and_say_what_they_did() {
    let (_home, mut till) =
        till(Habits { after_import: AfterImport::Rename(".bak"), answers: true, ..Habits::default() });
    drop_in(&till, "a.csv", ORDER);
    till.import_all().unwrap();
    assert!(till.import.join("a.csv.bak").exists() && till.waiting().unwrap().is_empty());
    assert_eq!(fs::read_to_string(till.import.join("a.rsp")).unwrap(), "Order 000000001 imported\r\n");
    till.habits = Habits { after_import: AfterImport::Leave, log: true, ..Habits::default() };
    till.habits.in_part.insert("2".into());
    till.habits.refused.insert("3".into());
    drop_in(&till, "b.csv", "OrderNo,SKU,Qty\n2,1001,1\n2,1003,1\n3,1003,5\n");
    assert_eq!(till.import_all().unwrap().len(), 1);
    assert!(till.import.join("b.csv").exists() && till.waiting().unwrap().is_empty(), "it remembers the name");
    assert_eq!((till.units("1001"), till.units("1003")), (7.into(), 48.into()));
    let log = fs::read_to_string(till.log.join("import.log")).unwrap();
    assert_eq!(log, "Order 2 imported, but lines were skipped\r\nOrder 3 has failed: refused\r\n");
    till.habits.after_refusal = AfterRefusal::Rename(".err");
    drop_in(&till, "c.csv", "OrderNo,SKU,Qty\n3,1003,5\n");
    till.import_all().unwrap();
    assert!(till.import.join("c.csv.err").exists());
}
