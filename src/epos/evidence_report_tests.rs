use std::io::Write;

use super::*;
use crate::ports::AnswerSays;

struct Log {
    folder: tempfile::TempDir,
    reports: Reports,
}

impl Log {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = "folder = \"\"\nfiles = [\"import*.log*\"]\nbooked = [\"Order {number} imported\"]\n\
                    refused = [\"Order {number} * failed\"]\npartly = [\"Order {number} imported * skipped\"]";
        let files = ReportFiles { folder: folder.path().to_owned(), ..toml::from_str(text).unwrap() };
        Self { reports: Reports::new(files), folder }
    }

    /// After a restart of the agent nothing of what was read is remembered.
    fn restarted(self) -> Self {
        Self { reports: Reports::new(self.reports.files), folder: self.folder }
    }

    fn write(&self, name: &str, text: &str) {
        let mut file = fs::OpenOptions::new().append(true).create(true).open(self.folder.path().join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn awaited(&self, number: &str) -> Awaited {
        let order = AwaitedOrder { id: OrderId(number.into()), number: number.into() };
        let name = format!("order_{number}.csv");
        Awaited {
            names: name.as_str().into(),
            orders: vec![order],
            marks: self.reports.marks().unwrap(),
            ..Awaited::default()
        }
    }

    fn says(&self, awaited: &[&Awaited], number: &str) -> Option<AnswerSays> {
        let awaited: Vec<Awaited> = awaited.iter().map(|one| (*one).clone()).collect();
        let said = self.reports.look(&awaited).unwrap();
        said.into_iter().find(|(_, answer)| answer.order.0 == number).map(|(_, answer)| answer.says)
    }
}

#[test]
fn only_what_stands_behind_the_mark_counts_and_a_half_line_waits_for_its_end() {
    let log = Log::new();
    log.write("import.log", "Order 100 imported\r\n");
    let order = log.awaited("100");
    assert_eq!(log.says(&[&order], "100"), None, "said before the file was planned");
    log.write("import.log", "Order 100 impo");
    assert_eq!(log.says(&[&order], "100"), None);
    log.write("import.log", "rted");
    assert_eq!(log.says(&[&order], "100"), None, "the line has no end yet");
    log.write("import.log", " 2 lines skipped\n");
    assert_eq!(log.says(&[&order], "100"), Some(AnswerSays::Partly), "a part comes before a booking in one line");
    let log = log.restarted();
    assert_eq!(log.says(&[&order], "100"), Some(AnswerSays::Partly), "nothing is lost by a crash");
}

#[test]
fn the_last_line_about_an_order_counts_because_tills_try_again() {
    let log = Log::new();
    let (one, two) = (log.awaited("100"), log.awaited("101"));
    log.write("import.log", "Order 100 has failed\nOrder 101 imported\n");
    assert_eq!(log.says(&[&one, &two], "100"), Some(AnswerSays::Refused));
    log.write("import.log", "Order 100 imported\nOrder 101 has failed\n");
    assert_eq!(log.says(&[&one, &two], "100"), Some(AnswerSays::Booked));
    assert_eq!(log.says(&[&one, &two], "101"), Some(AnswerSays::Refused));
    log.write("import_2.log", "Order 100 has failed\n");
    assert_eq!(log.says(&[&one], "100"), Some(AnswerSays::Refused), "of several reports a refusal");
}

#[test]
fn an_order_that_is_looked_for_later_gets_what_was_read_before() {
    let log = Log::new();
    let (one, two) = (log.awaited("100"), log.awaited("101"));
    log.write("import.log", "Order 101 imported\nOrder 1");
    assert_eq!(log.says(&[&one], "100"), None);
    log.write("import.log", "01 has failed\nOrder 100 imported\n");
    assert_eq!(log.says(&[&one, &two], "101"), Some(AnswerSays::Refused));
    assert_eq!(log.says(&[&one, &two], "100"), Some(AnswerSays::Booked));
}

#[test]
fn a_report_that_was_begun_anew_counts_from_its_start_and_a_renamed_one_from_its_mark() {
    let log = Log::new();
    log.write("import.log", "Order 100 imported\nsome more text that is long\n");
    let order = log.awaited("100");
    let (old, new) = (log.folder.path().join("import.log"), log.folder.path().join("import.log.1"));
    crate::epos::volume::move_away(&old, &new).unwrap();
    assert_eq!(log.says(&[&order], "100"), None, "the old words are not taken for new ones under another name");
    log.write("import.log", "Order 100 has failed\n");
    assert_eq!(log.says(&[&order], "100"), Some(AnswerSays::Refused), "shorter than its mark");
    // Longer than the mark, and another file.
    fs::write(&old, "Another beginning, and Order 100 imported. And much more text behind it, longer than before\n")
        .unwrap();
    assert_eq!(log.says(&[&order], "100"), Some(AnswerSays::Booked));
    fs::remove_file(&old).unwrap();
    assert_eq!(log.says(&[&order], "100"), None, "a word that is not there any more is no word");
}

#[test]
fn a_folder_that_cannot_be_listed_is_a_failure_and_a_report_that_is_not_there_yet_is_none() {
    let log = Log::new();
    let order = log.awaited("100");
    assert_eq!((log.reports.marks().unwrap(), log.says(&[&order], "100")), (Marks::new(), None));
    fs::create_dir(log.folder.path().join("import_folder.log")).unwrap();
    assert_eq!(log.says(&[&order], "100"), None, "a folder is no report");
    fs::remove_dir_all(log.folder.path()).unwrap();
    assert!(log.reports.look(&[order]).is_err() && log.reports.marks().is_err());
    fs::create_dir(log.folder.path()).unwrap();
}

#[test]
fn of_a_report_that_grew_too_much_the_end_is_read() {
    let log = Log::new();
    let (one, two) = (log.awaited("100"), log.awaited("101"));
    log.write("import.log", "Order 100 imported\n");
    for _ in 0..260 {
        log.write("import.log", &format!("\n{}", "y".repeat(70_000)));
    }
    log.write("import.log", "\nOrder 101 imported\n");
    assert_eq!((log.says(&[&one, &two], "100"), log.says(&[&one, &two], "101")), (None, Some(AnswerSays::Booked)));
}

#[test]
fn a_long_log_is_not_compared_with_every_order() {
    let log = Log::new();
    let orders: Vec<Awaited> = (0..1000).map(|number| log.awaited(&format!("2026-{number}"))).collect();
    let text: String = (0..20_000).map(|line| format!("Order 2026-{} imported\n", line % 2000)).collect();
    log.write("import.log", &text);
    assert_eq!(log.reports.look(&orders).unwrap().len(), 1000);
}

#[test]
fn texts_that_name_orders_within_a_word_are_found_all_the_same() {
    let log = Log::new();
    let files = ReportFiles { booked: vec!["no{number}ok".into()], ..log.reports.files };
    let log = Log { reports: Reports::new(files), folder: log.folder };
    let order = log.awaited("100");
    log.write("import.log", "xx no100ok\n");
    assert_eq!(log.says(&[&order], "100"), Some(AnswerSays::Booked));
}
