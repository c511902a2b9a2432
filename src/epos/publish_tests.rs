//! Publication and withdrawal of several files that go together, from every state that a crash can leave.

use std::path::PathBuf;

use super::*;
use crate::epos::folder::FolderEpos;
use crate::epos::profile::{Column, StockProfile};
use crate::ports::{Beside, BesideFile, Earlier, Epos, Withdrawal};

const MAIN: &str = "o1.csv";
const LINES: &str = "o1_lines.csv";
const TRIGGER: &str = "o1.done";

struct Folders {
    root: tempfile::TempDir,
    epos: FolderEpos,
}

impl Folders {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut EposSettings)) -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["export", "import", "done", "rejects"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        let mut stock = StockProfile::default();
        stock.columns.sku = Some(Column::Name("SKU".into()));
        stock.columns.quantity = Some(Column::Name("Qty".into()));
        let mut settings = EposSettings::new(root.path().join("export"), root.path().join("import"), stock);
        settings.done_folder = Some(root.path().join("done"));
        settings.rejects_folder = Some(root.path().join("rejects"));
        change(&mut settings);
        let epos = FolderEpos::new(settings, root.path().join("private")).unwrap();
        Self { root, epos }
    }

    /// The same folders after a restart of the agent.
    fn restarted(self) -> Self {
        let epos = FolderEpos::new(self.epos.settings().clone(), self.root.path().join("private")).unwrap();
        Self { root: self.root, epos }
    }

    fn import(&self, name: &str) -> PathBuf {
        self.root.path().join("import").join(name)
    }

    fn staging(&self, name: &str) -> PathBuf {
        self.import(".tillbridge").join(name)
    }

    /// What the till sees.
    fn seen(&self) -> Vec<String> {
        let entries = fs::read_dir(self.root.path().join("import")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.retain(|name| name != ".tillbridge");
        names.sort();
        names
    }

    /// What a person would find in staging, the mark aside: name and length.
    fn left(&self) -> Vec<(String, u64)> {
        let entries = fs::read_dir(self.import(".tillbridge")).unwrap().map(Result::unwrap);
        let mut left: Vec<_> =
            entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len())).collect();
        left.retain(|(name, _)| name != "folder-id");
        left.sort();
        left
    }

    fn staged(self) -> Self {
        self.epos.stage(&file()).unwrap();
        self
    }

    fn published(self) -> Self {
        self.epos.stage(&file()).unwrap();
        assert_eq!(self.epos.reveal(&file().names()).unwrap(), Revealed::Now);
        self
    }

    fn step(&self, from: PathBuf, to: PathBuf) {
        rename_without_replacing(&from, &to).unwrap();
    }
}

fn file() -> OrderFile {
    let beside = |name: &str, role, text: &str| BesideFile { name: name.into(), role, bytes: text.into() };
    OrderFile {
        name: MAIN.into(),
        bytes: "header".into(),
        beside: vec![beside(LINES, Role::Lines, "lines"), beside(TRIGGER, Role::Trigger, "go")],
        ..OrderFile::default()
    }
}

/// After so many of the steps of a reveal: lines, order file, trigger.
fn revealed_up_to(steps: usize) -> Folders {
    let folders = Folders::new().staged();
    for name in [LINES, MAIN, TRIGGER].into_iter().take(steps) {
        folders.step(folders.staging(&format!("{name}.staged")), folders.import(name));
    }
    folders.restarted()
}

/// After so many of the steps of a withdrawal: trigger, order file, lines, and their contents gone.
fn withdrawn_up_to(steps: usize) -> Folders {
    let folders = Folders::new().published();
    for (name, ending) in [(TRIGGER, HELD), (MAIN, WITHDRAWN), (LINES, WITHDRAWN)].into_iter().take(steps) {
        folders.step(folders.import(name), folders.staging(&format!("{name}{ending}")));
    }
    for name in [MAIN, LINES].into_iter().take(steps.saturating_sub(3)) {
        fs::write(folders.staging(&format!("{name}{WITHDRAWN}")), "").unwrap();
    }
    folders.restarted()
}

#[test]
fn lines_are_seen_before_the_order_file_and_the_trigger_last() {
    let folders = Folders::new().staged();
    assert_eq!(folders.seen(), Vec::<String>::new(), "nothing is seen before all is durable");
    fs::create_dir(folders.import(TRIGGER)).unwrap();
    folders.epos.reveal(&file().names()).unwrap();
    fs::remove_dir(folders.import(TRIGGER)).unwrap();
    assert_eq!(folders.seen(), [MAIN, LINES]);
    // A folder in the place of the order file: nothing of it is shown, the lines neither.
    let folders = Folders::new().staged();
    fs::create_dir(folders.import(MAIN)).unwrap();
    assert_eq!(folders.epos.reveal(&file().names()).unwrap_err().class, FailureClass::Permanent);
    assert_eq!(folders.seen(), [MAIN]);
}

#[test]
fn an_order_file_whose_lines_cannot_be_shown_is_not_shown_either() {
    let folders = Folders::new().staged();
    fs::create_dir(folders.import(LINES)).unwrap();
    assert_eq!(folders.epos.reveal(&file().names()).unwrap_err().class, FailureClass::Permanent);
    assert_eq!(folders.seen(), [LINES], "the folder, and nothing of ours");
    fs::remove_dir(folders.import(LINES)).unwrap();
    assert_eq!(folders.epos.reveal(&file().names()).unwrap(), Revealed::Now, "all of it was still in staging");
    assert_eq!(folders.seen().len(), 3);
}

#[test]
fn what_an_earlier_life_wrote_is_known_by_its_bytes_wherever_the_till_put_it() {
    let folder_of = |folders: &Folders, name: &str| folders.root.path().join(name);
    for place in ["import/o1.csv", "done/O1.CSV", "done/o1.csv.bak", "rejects/o1.csv", "import/o1.csv.imported"] {
        for (content, same) in [("header", true), ("other!", false)] {
            let folders = Folders::new();
            fs::write(folder_of(&folders, place), content).unwrap();
            fs::write(folder_of(&folders, "done/o11.csv"), "header").unwrap();
            let compared = folders.epos.compare(&file());
            match (same, compared) {
                (true, compared) => assert_eq!(compared.unwrap(), Earlier::Same, "{place}"),
                (false, Ok(found)) => panic!("{place}: {found:?}"),
                (false, Err(refused)) => {
                    assert_eq!(refused.class, FailureClass::Permanent);
                    assert!(refused.to_string().contains("with other content"), "{place}: {refused}");
                }
            }
        }
    }
    let folders = Folders::new();
    // Neither a longer name, nor what goes with the file, nor a report of the till about it is the file.
    fs::write(folder_of(&folders, "done/o1.csvx"), "header").unwrap();
    fs::write(folder_of(&folders, "import/o1.done"), "old").unwrap();
    assert_eq!(folders.epos.compare(&file()).unwrap(), Earlier::Nothing);
    // Lines without their order file: a person has to look.
    let folders = Folders::new();
    fs::write(folders.import(LINES), "lines").unwrap();
    let refused = folders.epos.compare(&file()).unwrap_err();
    assert!(refused.class == FailureClass::Permanent && refused.to_string().contains("the lines o1_lines.csv"));
    // A folder that cannot be listed tells nothing, and nothing is written.
    let folders = Folders::new();
    fs::remove_dir(folder_of(&folders, "done")).unwrap();
    assert_eq!(folders.epos.compare(&file()).unwrap_err().class, FailureClass::Transient);
}

#[test]
fn a_reveal_goes_on_from_wherever_it_was_cut_off() {
    for steps in 0..=3 {
        let folders = revealed_up_to(steps);
        let revealed = folders.epos.reveal(&file().names()).unwrap();
        let expected = if steps < 2 { Revealed::Now } else { Revealed::Before };
        assert_eq!((revealed, folders.seen()), (expected, vec![MAIN.into(), TRIGGER.into(), LINES.into()]), "{steps}");
        assert_eq!(folders.left(), []);
        // The till takes it all; doing it again shows nothing more.
        for name in [MAIN, LINES, TRIGGER] {
            fs::remove_file(folders.import(name)).unwrap();
        }
        assert_eq!(folders.epos.reveal(&file().names()).unwrap(), Revealed::Before, "{steps}");
        assert_eq!(folders.seen(), Vec::<String>::new(), "{steps}");
    }
}

#[test]
fn a_reveal_that_was_cut_off_while_the_till_took_what_it_saw_shows_nothing_twice() {
    for steps in 1..=3 {
        let folders = revealed_up_to(steps);
        for name in [LINES, MAIN, TRIGGER].into_iter().take(steps) {
            fs::remove_file(folders.import(name)).unwrap();
        }
        folders.epos.reveal(&file().names()).unwrap();
        let rest: Vec<&str> = [LINES, MAIN, TRIGGER].into_iter().skip(steps).collect();
        let mut seen: Vec<&str> = rest;
        seen.sort_unstable();
        assert_eq!(folders.seen(), seen, "{steps}");
    }
}

#[test]
fn a_file_that_is_called_off_leaves_nothing_to_see_unless_the_order_file_was_seen() {
    for steps in 0..=3 {
        let folders = revealed_up_to(steps);
        for attempt in 0..2 {
            let is_unseen = steps < 2;
            assert_eq!(folders.epos.unstage(&file().names()).unwrap(), is_unseen, "{steps}, {attempt}");
            let seen = if is_unseen { 0 } else { steps };
            assert_eq!(folders.seen().len(), seen, "{steps}, {attempt}");
        }
        if steps < 2 {
            assert!(folders.left().iter().all(|(name, length)| name.ends_with(WITHDRAWN) && *length == 0));
            let folders = folders.restarted().published();
            assert_eq!(folders.seen().len(), 3, "it may come back");
        }
    }
}

#[test]
fn calling_off_goes_on_from_wherever_it_was_cut_off() {
    // Lines were seen; then the order file went out of staging, then the trigger, then the lines.
    for steps in 1..=3 {
        let folders = revealed_up_to(1);
        folders.step(folders.staging("o1.csv.staged"), folders.staging("o1.csv.withdrawn"));
        if steps > 1 {
            fs::remove_file(folders.staging("o1.done.staged")).unwrap();
        }
        if steps > 2 {
            folders.step(folders.import(LINES), folders.staging("o1_lines.csv.withdrawn"));
        }
        let folders = folders.restarted();
        assert!(folders.epos.unstage(&file().names()).unwrap());
        assert_eq!(folders.seen(), Vec::<String>::new(), "{steps}");
        assert!(folders.left().iter().all(|(_, length)| *length == 0), "{:?}", folders.left());
    }
}

#[test]
fn a_withdrawal_goes_on_from_wherever_it_was_cut_off_and_leaves_no_lines_behind() {
    for steps in 0..=5 {
        let folders = withdrawn_up_to(steps);
        for _ in 0..2 {
            assert_eq!(folders.epos.withdraw(&file().names()).unwrap(), Withdrawal::Withdrawn, "{steps}");
            assert_eq!(folders.seen(), Vec::<String>::new(), "{steps}");
        }
        assert!(folders.left().iter().all(|(name, length)| name.ends_with(WITHDRAWN) && *length == 0));
    }
}

#[test]
fn a_withdrawal_that_was_cut_off_is_known_and_ended_and_one_that_never_began_is_not_made_up() {
    for steps in 0..=5 {
        let folders = withdrawn_up_to(steps);
        let expected = (steps > 0).then_some(Withdrawal::Withdrawn);
        assert_eq!(folders.epos.finish_withdrawal(&file().names()).unwrap(), expected, "{steps}");
        assert_eq!(folders.seen().len(), if steps == 0 { 3 } else { 0 }, "{steps}");
    }
}

#[test]
fn a_till_that_has_any_part_of_an_order_keeps_the_rest_of_it() {
    for steps in 0..=2 {
        for taken in [MAIN, LINES] {
            let folders = withdrawn_up_to(steps);
            if !folders.import(taken).exists() {
                continue;
            }
            fs::remove_file(folders.import(taken)).unwrap();
            assert_eq!(folders.epos.withdraw(&file().names()).unwrap(), Withdrawal::Gone, "{steps}, {taken}");
            let mut rest: Vec<&str> = [MAIN, LINES, TRIGGER].into_iter().filter(|name| *name != taken).collect();
            rest.sort_unstable();
            assert_eq!(folders.seen(), rest, "{steps}, {taken}: what was taken away is back");
            assert_eq!(fs::read_to_string(folders.import(TRIGGER)).unwrap(), "go");
        }
    }
}

#[test]
fn nothing_that_is_put_back_replaces_what_came_meanwhile() {
    let folders = withdrawn_up_to(2);
    fs::remove_file(folders.import(LINES)).unwrap();
    fs::write(folders.import(MAIN), "somebody else's").unwrap();
    fs::write(folders.import(TRIGGER), "theirs").unwrap();
    assert_eq!(folders.epos.withdraw(&file().names()).unwrap(), Withdrawal::Gone);
    assert_eq!(fs::read_to_string(folders.import(MAIN)).unwrap(), "somebody else's");
    assert_eq!(fs::read_to_string(folders.import(TRIGGER)).unwrap(), "theirs");
}

#[test]
fn a_trigger_that_is_gone_proves_nothing_and_hinders_no_withdrawal() {
    let folders = Folders::new().published();
    fs::remove_file(folders.import(TRIGGER)).unwrap();
    assert_eq!(folders.epos.withdraw(&file().names()).unwrap(), Withdrawal::Withdrawn);
    assert_eq!(folders.seen(), Vec::<String>::new());
}

#[test]
fn a_trigger_of_all_orders_may_lie_there_and_stays_when_one_order_is_withdrawn() {
    let folders = Folders::with(|settings| {
        let (name, content) = ("endofday.trg".into(), String::new());
        settings.order_profile.trigger = Some(crate::epos::order_profile::Trigger { name, content });
    });
    let numbered = |number: u32, content: &str| OrderFile {
        name: format!("o{number}.csv"),
        bytes: "order".into(),
        beside: vec![BesideFile { name: "endofday.trg".into(), role: Role::Trigger, bytes: content.into() }],
        ..OrderFile::default()
    };
    // Whatever stands in it: the till has not begun, or leaves it lying.
    for (number, content) in [(1, "first"), (2, "second")] {
        folders.epos.stage(&numbered(number, content)).unwrap();
        assert_eq!(folders.epos.reveal(&numbered(number, content).names()).unwrap(), Revealed::Now);
    }
    assert_eq!(folders.seen(), ["endofday.trg", "o1.csv", "o2.csv"]);
    assert_eq!(folders.left(), []);
    assert_eq!(folders.epos.withdraw(&numbered(1, "").names()).unwrap(), Withdrawal::Withdrawn);
    assert_eq!(folders.seen(), ["endofday.trg", "o2.csv"]);
}

#[test]
fn leftovers_in_staging_may_be_anything_and_nothing_is_written_through_them() {
    let folders = Folders::new().published();
    fs::write(folders.root.path().join("precious"), "precious").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(folders.root.path().join("precious"), folders.staging("o2.csv.staged")).unwrap();
    let second = OrderFile { name: "o2.csv".into(), bytes: "order".into(), ..OrderFile::default() };
    folders.epos.stage(&second).unwrap();
    folders.epos.reveal(&second.names()).unwrap();
    assert!(fs::symlink_metadata(folders.import("o2.csv")).unwrap().is_file());
    assert_eq!(fs::read_to_string(folders.root.path().join("precious")).unwrap(), "precious");
    // A folder cannot be ours: this order stops, the others go on.
    fs::create_dir(folders.staging("o3.csv.staged")).unwrap();
    let third = OrderFile { name: "o3.csv".into(), ..second };
    let refused = folders.epos.stage(&third).unwrap_err();
    assert_eq!(refused.class, FailureClass::Permanent);
    assert!(refused.to_string().contains("is a folder"), "{refused}");
    assert!(!folders.seen().contains(&"o3.csv".to_owned()));
}

#[test]
fn names_beside_an_order_file_never_lead_out_of_the_folder() {
    let folders = Folders::new();
    let mut bad = file();
    bad.beside[0].name = "../lines.csv".into();
    assert_eq!(folders.epos.stage(&bad).unwrap_err().class, FailureClass::Permanent);
    let names = FileNames { name: MAIN.into(), beside: vec![Beside { name: "a/b".into(), role: Role::Trigger }] };
    assert!(folders.epos.reveal(&names).is_err());
    assert!(folders.epos.withdraw(&names).is_err());
    assert!(folders.epos.unstage(&names).is_err());
}
