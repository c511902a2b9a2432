use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::domain::evidence::{EvidenceTracker, Pace, Whereabouts};
use crate::domain::retry::FailureClass;
use crate::domain::stock::Scope;
use crate::domain::stock::Timing;
use crate::epos::profile::{AsOf, AsOfFrom, Column, StockProfile};
use crate::epos::settings::{ExportsAfter, Watch};
use crate::ports::{Beside, Cause, Role, Sign};

/// A shop in a temporary folder.
struct Shop {
    root: tempfile::TempDir,
    epos: FolderEpos,
}

fn profile() -> StockProfile {
    let mut profile = StockProfile::default();
    profile.columns.sku = Some(Column::Name("SKU".into()));
    profile.columns.quantity = Some(Column::Name("Qty".into()));
    profile
}

fn settings(root: &Path) -> EposSettings {
    for folder in ["export", "import", "done", "rejects"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    EposSettings {
        done_folder: Some(root.join("done")),
        rejects_folder: Some(root.join("rejects")),
        watch: Watch::Off,
        ..EposSettings::new(root.join("export"), root.join("import"), profile())
    }
}

/// Both steps of publication in one go.
fn publish(epos: &FolderEpos, file: &OrderFile) -> Result<Revealed, EposError> {
    epos.stage(file)?;
    epos.reveal(&file.names())
}

impl Shop {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut EposSettings)) -> Self {
        let root = tempfile::tempdir().unwrap();
        let mut settings = settings(root.path());
        change(&mut settings);
        let epos = FolderEpos::new(settings, root.path().join("private")).unwrap();
        Self { root, epos }
    }

    /// The same folders after a restart of the agent.
    fn restarted(self) -> Self {
        let epos = FolderEpos::new(self.epos.settings.clone(), self.path("private")).unwrap();
        Self { root: self.root, epos }
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    fn write(&self, below: &str, text: &str) {
        fs::write(self.path(below), text).unwrap();
    }

    fn names(&self, below: &str) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path(below))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != ".tillbridge")
            .collect();
        names.sort();
        names
    }

    fn settled(&self) -> Vec<SettledExport> {
        for second in [0, 10] {
            self.epos.look_for_exports(at(second)).unwrap();
        }
        self.epos.look_for_exports(at(20)).unwrap().settled
    }

    fn sign(&self, name: &str) -> Result<Sign, EposError> {
        self.epos.look_at_orders(&[awaited(name)], at(0)).map(|seen| seen[0].sign)
    }

    fn class_of_sign(&self, name: &str) -> FailureClass {
        self.sign(name).unwrap_err().class
    }
}

/// Moves a whole folder, as an unplugged share does for us.
fn replug(from: &Path, to: &Path) {
    crate::epos::volume::move_away(from, to).unwrap();
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn awaited(name: &str) -> Awaited {
    Awaited { names: name.into(), is_expected: true, ..Awaited::default() }
}

fn order(name: &str, text: &str) -> OrderFile {
    OrderFile { name: name.into(), bytes: text.into(), ..OrderFile::default() }
}

// ------------------------------------------------------------------------------------------------------- exports

/// Reads what was spooled; the rows are of no interest.
fn read(shop: &Shop, spooled: &SpooledExport) -> Result<ReadSummary, ReadError> {
    shop.epos.read(&spooled.spooled, &spooled.source.name, &mut |_: &crate::ports::ExportRow<'_>| Ok(()))
}

#[test]
fn an_export_waits_for_the_file_that_proves_it_whole_and_the_two_go_together() {
    let shop = Shop::with(|settings| {
        settings.exports_after = ExportsAfter::Delete;
        settings.stock_profile.completeness = Some(crate::epos::profile::Completeness {
            control_file: Some("{stem}_control.csv".into()),
            count_key: Some("ROWS".into()),
            ..Default::default()
        });
    });
    shop.write("export/stock.csv", "SKU,Qty\nA,1\n");
    assert!(shop.settled().is_empty());
    let look = shop.epos.look_for_exports(at(30)).unwrap();
    assert!(look.unsettled[0].reason.contains("stock_control.csv"), "{look:?}");
    shop.write("export/stock_control.csv", "ROWS,2\n");
    let settled = shop.settled();
    assert_eq!(settled.len(), 1, "the control file is no export, though it is named like one");
    let spooled = shop.epos.take(&settled[0]).unwrap();
    let Err(ReadError::Rejected(why)) = read(&shop, &spooled) else { panic!() };
    assert_eq!(why.reason, "control_mismatch");
    shop.epos.finish(&spooled, ExportFate::Quarantined { reason: "mismatch" }, at(30)).unwrap();
    assert!(shop.names("export").is_empty());
    let day = format!("private/quarantine/{}", at(30).strftime("%Y-%m-%d"));
    assert_eq!(shop.names(&day).len(), 3, "export, companion and reason: {:?}", shop.names(&day));
}

#[test]
fn a_control_file_that_is_put_right_has_its_export_read_again() {
    let shop = Shop::with(|settings| {
        settings.stock_profile.completeness = Some(crate::epos::profile::Completeness {
            control_file: Some("control.csv".into()),
            count_key: Some("ROWS".into()),
            ..Default::default()
        });
    });
    shop.write("export/control.csv", "ROWS,22\n");
    shop.write("export/stock.csv", "SKU,Qty\nA,1\n");
    let stale = shop.settled().remove(0);
    let spooled = shop.epos.take(&stale).unwrap();
    assert!(read(&shop, &spooled).is_err());
    shop.epos.finish(&spooled, ExportFate::Quarantined { reason: "stale" }, at(30)).unwrap();
    shop.write("export/control.csv", "ROWS,1\n");
    let fresh = shop.settled().remove(0);
    assert_ne!(fresh.identity(), stale.identity());
    assert!(shop.epos.take(&stale).is_err(), "it is no longer what it was");
    let spooled = shop.epos.take(&fresh).unwrap();
    assert_eq!(read(&shop, &spooled).unwrap().rows, 1);
}

#[test]
fn an_export_goes_from_the_folder_through_the_spool_into_the_archive() {
    let shop = Shop::new();
    shop.write("export/stock.csv", "SKU,Qty\nA,1\n");
    shop.write("export/notes.doc", "no export");
    fs::create_dir(shop.path("export/folder.csv")).unwrap();
    let settled = shop.settled();
    assert_eq!(settled.len(), 1);
    let spooled = shop.epos.take(&settled[0]).unwrap();
    assert_eq!(spooled.fingerprint.len(), 64);
    let mut rows = Vec::new();
    let mut sink = |row: &crate::ports::ExportRow<'_>| {
        rows.push((row.sku.to_owned(), row.says));
        Ok(())
    };
    shop.epos.read(&spooled.spooled, "stock.csv", &mut sink).unwrap();
    assert_eq!(rows, [("A".to_owned(), crate::ports::Says::Count(1.into()))]);
    for _ in 0..2 {
        shop.epos.finish(&spooled, ExportFate::Archived, at(30)).unwrap();
    }
    assert_eq!(shop.names("private/archive/2027-01-15"), ["080030_stock.csv"]);
    assert!(shop.names("private/spool").is_empty());
    assert_eq!(shop.names("export").len(), 3, "the till's own file stays");
    assert!(shop.epos.look_for_exports(at(40)).unwrap().settled.is_empty());
}

#[test]
fn a_quarantined_export_has_its_reason_beside_it() {
    let shop = Shop::new();
    shop.write("export/stock.csv", "rubbish");
    let spooled = shop.epos.take(&shop.settled()[0]).unwrap();
    let reason = "no row has the columns; compare the profile";
    shop.epos.finish(&spooled, ExportFate::Quarantined { reason }, at(30)).unwrap();
    assert_eq!(shop.names("private/quarantine/2027-01-15"), ["080030_stock.csv", "080030_stock.csv.reason.txt"]);
    let note = fs::read_to_string(shop.path("private/quarantine/2027-01-15/080030_stock.csv.reason.txt")).unwrap();
    assert_eq!(note, reason);
}

#[test]
fn an_export_that_changed_since_the_look_is_not_taken() {
    let shop = Shop::new();
    shop.write("export/stock.csv", "SKU,Qty\nA,1\n");
    let settled = shop.settled();
    shop.write("export/stock.csv", "SKU,Qty\nA,1\nB,2\n");
    assert_eq!(shop.epos.take(&settled[0]).unwrap_err().class, FailureClass::Transient);
    assert!(shop.names("private/spool").is_empty());
    fs::remove_file(shop.path("export/stock.csv")).unwrap();
    assert_eq!(shop.epos.take(&settled[0]).unwrap_err().class, FailureClass::Transient);
}

#[test]
fn the_tills_file_is_deleted_only_if_told_and_only_while_it_is_the_same() {
    let shop = Shop::with(|settings| settings.exports_after = ExportsAfter::Delete);
    shop.write("export/a.csv", "SKU,Qty\nA,1\n");
    shop.write("export/b.csv", "SKU,Qty\nB,1\n");
    let taken: Vec<_> = shop.settled().iter().map(|export| shop.epos.take(export).unwrap()).collect();
    shop.write("export/b.csv", "SKU,Qty\nB,1\nC,1\n");
    for export in &taken {
        shop.epos.finish(export, ExportFate::Archived, at(30)).unwrap();
        shop.epos.finish(export, ExportFate::Archived, at(30)).unwrap();
    }
    assert_eq!(shop.names("export"), ["b.csv"]);
}

#[test]
fn a_failed_listing_concludes_nothing() {
    let shop = Shop::new();
    shop.write("export/stock.csv", "SKU,Qty\nA,1\n");
    let before = shop.settled();
    replug(&shop.path("export"), &shop.path("unplugged"));
    assert!(shop.epos.look_for_exports(at(30)).is_err());
    assert_eq!(shop.epos.last_look(), None, "the export is still to be dealt with");
    replug(&shop.path("unplugged"), &shop.path("export"));
    assert_eq!(shop.epos.look_for_exports(at(40)).unwrap().settled, before, "nothing was forgotten");
}

#[cfg(unix)]
#[test]
fn links_are_never_followed() {
    let shop = Shop::new();
    shop.write("secret", "SKU,Qty\nA,1\n");
    std::os::unix::fs::symlink(shop.path("secret"), shop.path("export/stock.csv")).unwrap();
    assert!(shop.settled().is_empty());
    let timing = Timing { declared: None, first_seen: at(0), last_absent: None, modified: None };
    assert!(shop.epos.take(&SettledExport { name: "stock.csv".into(), bytes: 12, timing, companion: None }).is_err());
}

#[cfg(unix)]
#[test]
fn what_is_named_like_an_export_and_is_never_read_is_named_with_the_reason() {
    use std::os::unix::ffi::OsStrExt;
    let shop = Shop::new();
    std::os::unix::fs::symlink(shop.path("nowhere"), shop.path("export/link.csv")).unwrap();
    fs::create_dir(shop.path("export/folder.csv")).unwrap();
    fs::create_dir(shop.path("export/done")).unwrap();
    fs::write(shop.path("export").join(std::ffi::OsStr::from_bytes(b"caf\xe9.csv")), "SKU,Qty\nA,1\n").unwrap();
    let look = shop.epos.look_for_exports(at(0)).unwrap();
    let mut said: Vec<String> = look.unsettled.iter().map(|it| format!("{}: {}", it.name, it.reason)).collect();
    said.sort();
    assert_eq!(said.len(), 3, "{said:?}");
    for (said, part) in
        said.iter().zip(["caf\u{fffd}.csv: its name", "folder.csv: it is a folder", "link.csv: it is a link"])
    {
        assert!(said.contains(part), "{said}");
    }
    assert!(look.unsettled.iter().all(|it| it.cause == Cause::Unfit));
}

#[test]
fn names_that_differ_in_case_or_have_any_letters_are_exports_of_their_own_and_masks_see_whole_names() {
    let shop = Shop::new();
    let names = ["Bestand_\u{1f9f5}.csv", "Stock.CSV", "étoffe.csv", "e\u{301}toffe.csv", "stock.csv", "在庫.csv"];
    for name in names {
        shop.write(&format!("export/{name}"), "SKU,Qty\nA,1\n");
    }
    // Windows would find this one by its 8.3 name STOCK~1.CSV.
    shop.write("export/stock.csvtmp", "half");
    let is_case_sensitive = !shop.path("export/STOCK.csv").exists();
    let settled = shop.settled();
    assert_eq!(settled.len(), if is_case_sensitive { names.len() } else { names.len() - 1 }, "{settled:?}");
    for export in &settled {
        let spooled = shop.epos.take(export).unwrap();
        shop.epos.finish(&spooled, ExportFate::Archived, at(30)).unwrap();
    }
    let kept: usize =
        shop.names("private/archive").iter().map(|day| shop.names(&format!("private/archive/{day}")).len()).sum();
    assert!(kept >= 2, "copies of different names do not replace each other by accident: {kept}");
}

#[cfg(target_os = "linux")]
#[test]
fn of_many_old_exports_a_sweep_looks_at_few() {
    const MANY: usize = 10_000;
    let shop = Shop::new();
    for number in 0..MANY {
        let file = fs::File::create(shop.path(&format!("export/old_{number}.csv"))).unwrap();
        (&file).write_all(b"SKU,Qty\nA,1\n").unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    for export in shop.settled() {
        shop.epos.set_aside(&export);
    }
    shop.epos.look_for_exports(at(30)).unwrap();
    let look = |second, told: &[&str]| {
        let told = told.iter().map(|name| (*name).to_owned()).collect();
        let tracker = shop.epos.tracker();
        let kind = shop.epos.kind();
        let sweep = Sweep { settings: &shop.epos.settings, tracker: &tracker, kind, told: &told, now: at(second) };
        sweep.observe().unwrap()
    };
    let listing = look(40, &[]);
    assert_eq!(listing.files.len(), MANY);
    assert!(listing.looked_at < MANY / 3, "{} of {MANY} were looked at", listing.looked_at);
    shop.write("export/new.csv", "SKU,Qty\nA,1\n");
    let has_seen = |listing: &super::super::sweep::Listing, name: &str| {
        listing.files.iter().any(|(seen, what)| seen == name && !matches!(what, super::super::settle::Seen::Resting))
    };
    assert!(has_seen(&look(50, &[]), "new.csv"), "a new one is seen at once");
    let resting = listing.files.iter().find(|(_, seen)| matches!(seen, super::super::settle::Seen::Resting)).unwrap();
    assert!(has_seen(&look(50, &[&resting.0]), &resting.0), "and one of which the system told");
    // Another file under a name that was dealt with: the listing itself shows that.
    let path = shop.path("export").join(&resting.0);
    fs::write(shop.path("other"), "SKU,Qty\nB,1\n").unwrap();
    replug(&shop.path("other"), &path);
    if shop.epos.kind() == FolderKind::Local {
        assert!(has_seen(&look(50, &[]), &resting.0));
    }
}

#[test]
fn copies_are_pruned_by_age() {
    let shop = Shop::new();
    shop.write("export/stock.csv", "SKU,Qty\nA,1\n");
    let spooled = shop.epos.take(&shop.settled()[0]).unwrap();
    shop.epos.finish(&spooled, ExportFate::Archived, at(30)).unwrap();
    let day = |days: i64| at(86_400 * days);
    assert_eq!(shop.epos.prune(day(29), 30).unwrap(), 0);
    assert_eq!(shop.epos.prune(day(40), 30).unwrap(), 1);
    assert!(shop.names("private/archive").is_empty());
}

// -------------------------------------------------------------------------------------------------------- orders

#[test]
fn publishing_shows_the_whole_file_once() {
    let shop = Shop::new();
    assert_eq!(publish(&shop.epos, &order("o1.csv", "text")).unwrap(), Revealed::Now);
    assert_eq!(publish(&shop.epos, &order("o1.csv", "text")).unwrap(), Revealed::Already);
    assert_eq!(fs::read_to_string(shop.path("import/o1.csv")).unwrap(), "text");
    assert_eq!(shop.names("import"), ["o1.csv"]);
    assert_eq!(shop.names("import/.tillbridge"), ["folder-id"]);
    assert_eq!(shop.sign("o1.csv").unwrap(), Sign::Waiting);
}

#[test]
fn a_foreign_file_is_never_replaced() {
    let shop = Shop::new();
    shop.write("import/o1.csv", "somebody else's");
    let refused = publish(&shop.epos, &order("o1.csv", "text")).unwrap_err();
    assert_eq!(refused.class, FailureClass::Permanent);
    assert_eq!(fs::read_to_string(shop.path("import/o1.csv")).unwrap(), "somebody else's");
}

#[test]
fn a_reader_never_sees_part_of_a_file() {
    const FILES: usize = 40;
    let shop = Shop::new();
    let text = "x".repeat(300_000);
    let (folder, length, done) = (shop.path("import"), text.len() as u64, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for entry in fs::read_dir(&folder).unwrap().filter_map(Result::ok) {
                    let metadata = entry.metadata().unwrap();
                    assert!(
                        metadata.is_dir() || metadata.len() == length,
                        "{:?} shows {}",
                        entry.path(),
                        metadata.len()
                    );
                }
            }
        });
        for number in 0..FILES {
            publish(&shop.epos, &order(&format!("o{number}.csv"), &text)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(shop.names("import").len(), FILES);
}

#[test]
fn leftovers_of_a_crash_in_staging_do_no_harm() {
    let shop = Shop::new();
    publish(&shop.epos, &order("o0.csv", "first")).unwrap();
    shop.write("import/.tillbridge/o1.csv.staged", "half of it");
    assert_eq!(publish(&shop.epos, &order("o1.csv", "text")).unwrap(), Revealed::Now);
    assert_eq!(fs::read_to_string(shop.path("import/o1.csv")).unwrap(), "text");
    fs::copy(shop.path("import/o1.csv"), shop.path("import/.tillbridge/o1.csv.staged")).unwrap();
    let shop = shop.restarted();
    assert!(publish(&shop.epos, &order("o1.csv", "other")).is_err());
    assert_eq!(fs::read_to_string(shop.path("import/o1.csv")).unwrap(), "text");
}

#[test]
fn a_staged_file_that_is_gone_was_revealed_before_and_one_that_is_there_was_not() {
    let shop = Shop::new();
    shop.epos.stage(&order("o1.csv", "text")).unwrap();
    let shop = shop.restarted();
    assert_eq!(shop.epos.reveal(&"o1.csv".into()).unwrap(), Revealed::Now, "it was still in staging");
    fs::remove_file(shop.path("import/o1.csv")).unwrap();
    let shop = shop.restarted();
    assert_eq!(shop.epos.reveal(&"o1.csv".into()).unwrap(), Revealed::Before, "the till has had it");
    assert!(shop.names("import").is_empty());
    // A folder that is not the right one proves nothing about what was revealed.
    shop.epos.stage(&order("o2.csv", "text")).unwrap();
    replug(&shop.path("import"), &shop.path("unplugged"));
    fs::create_dir(shop.path("import")).unwrap();
    assert_eq!(shop.epos.reveal(&"o2.csv".into()).unwrap_err().class, FailureClass::Transient);
}

#[test]
fn a_publication_that_failed_half_way_is_never_taken_for_a_consumed_one() {
    let shop = Shop::new();
    publish(&shop.epos, &order("o0.csv", "first")).unwrap();
    // Something makes the attempt fail.
    fs::create_dir(shop.path("import/.tillbridge/o1.csv.staged")).unwrap();
    assert!(publish(&shop.epos, &order("o1.csv", "text")).is_err());
    fs::remove_dir(shop.path("import/.tillbridge/o1.csv.staged")).unwrap();
    let shop = shop.restarted();
    assert_eq!(publish(&shop.epos, &order("o1.csv", "text")).unwrap(), Revealed::Now);
}

#[test]
fn a_withdrawal_that_was_not_remembered_is_told_again_but_never_of_a_later_file() {
    let shop = Shop::new();
    publish(&shop.epos, &order("o1.csv", "text")).unwrap();
    shop.epos.withdraw(&"o1.csv".into()).unwrap();
    let shop = shop.restarted();
    assert_eq!(shop.epos.withdraw(&"o1.csv".into()).unwrap(), Withdrawal::Withdrawn);
    assert_eq!(fs::metadata(shop.path("import/.tillbridge/o1.csv.withdrawn")).unwrap().len(), 0);
    publish(&shop.epos, &order("o1.csv", "text")).unwrap();
    fs::remove_file(shop.path("import/o1.csv")).unwrap();
    assert_eq!(shop.epos.withdraw(&"o1.csv".into()).unwrap(), Withdrawal::Gone);
    // Pruning goes by the age of files, and takes neither the mark nor what is staged.
    publish(&shop.epos, &order("o2.csv", "text")).unwrap();
    shop.epos.withdraw(&"o2.csv".into()).unwrap();
    shop.epos.stage(&order("o3.csv", "text")).unwrap();
    let later = Timestamp::MAX;
    assert_eq!(shop.epos.prune(later, 30).unwrap(), 1);
    assert_eq!(shop.names("import/.tillbridge"), ["folder-id", "o3.csv.staged"]);
}

#[test]
fn a_withdrawn_order_is_away_and_may_come_back() {
    let shop = Shop::new();
    publish(&shop.epos, &order("o1.csv", "text")).unwrap();
    assert_eq!(shop.epos.withdraw(&"o1.csv".into()).unwrap(), Withdrawal::Withdrawn);
    assert!(shop.names("import").is_empty());
    assert_eq!(shop.epos.withdraw(&"never.csv".into()).unwrap(), Withdrawal::Gone);
    assert_eq!(publish(&shop.epos, &order("o1.csv", "text")).unwrap(), Revealed::Now);
    assert_eq!(shop.names("import/.tillbridge"), ["folder-id"]);
}

#[test]
fn a_staged_file_that_is_called_off_is_gone_and_one_that_was_revealed_is_not_claimed_to_be() {
    let shop = Shop::new();
    shop.epos.stage(&order("o1.csv", "text")).unwrap();
    assert!(shop.epos.unstage(&"o1.csv".into()).unwrap());
    assert!(shop.epos.unstage(&"o1.csv".into()).unwrap(), "a crash before it was noted leads to the same answer");
    assert!(shop.names("import").is_empty());
    assert_eq!(fs::read(shop.path("import/.tillbridge/o1.csv.withdrawn")).unwrap(), b"", "no customer's data stay");
    assert_eq!(publish(&shop.epos, &order("o1.csv", "text")).unwrap(), Revealed::Now, "it may come back");
    assert!(!shop.epos.unstage(&"o1.csv".into()).unwrap());
    assert_eq!(shop.names("import"), ["o1.csv"]);
}

#[test]
fn whereabouts_are_told_what_waits_waits_and_then_a_refusal_wins() {
    let shop = Shop::new();
    for name in ["w.csv", "d.csv", "r.csv", "g.csv"] {
        publish(&shop.epos, &order(name, name)).unwrap();
    }
    for name in ["d.csv", "r.csv", "g.csv"] {
        fs::remove_file(shop.path("import").join(name)).unwrap();
    }
    for name in ["done/D.CSV", "done/r.csv", "rejects/R.csv.err", "rejects/w.csvx", "done/w.csv", "rejects/w.csv"] {
        shop.write(name, "");
    }
    for (name, sign) in
        [("w.csv", Sign::Waiting), ("d.csv", Sign::MovedToDone), ("r.csv", Sign::Rejected), ("g.csv", Sign::Gone)]
    {
        assert_eq!(shop.sign(name).unwrap(), sign, "{name}");
    }
}

#[test]
fn evidence_of_a_renamed_file_is_its_new_name_unless_it_waits() {
    let shop = Shop::with(|settings| {
        settings.evidence.renamed_to = vec!["{name}.bak".into(), "{stem}_processed.{ext}".into()];
        settings.evidence.renamed_rejected = vec!["{stem}.err".into()];
    });
    shop.epos.accept_folders().unwrap();
    for name in ["A.csv.BAK", "b_processed.csv", "c.err", "c.csv.bak", "w.csv", "w.csv.bak"] {
        shop.write(&format!("import/{name}"), "");
    }
    for (name, sign, found_as) in [
        ("a.csv", Sign::Renamed, Some("A.csv.BAK")),
        ("b.csv", Sign::Renamed, Some("b_processed.csv")),
        ("c.csv", Sign::Rejected, Some("c.err")),
        ("w.csv", Sign::Waiting, None),
        ("d.csv", Sign::Gone, None),
    ] {
        let seen = shop.epos.look_at_orders(&[awaited(name)], at(0)).unwrap().remove(0);
        assert_eq!((seen.sign, seen.found_as.as_deref()), (sign, found_as), "{name}");
    }
}

#[test]
fn evidence_of_files_that_go_together_is_that_of_the_one_that_came_least_far_and_a_trigger_proves_nothing() {
    let shop = Shop::new();
    let beside = |name: &str, role| Beside { name: name.into(), role };
    let names =
        FileNames { name: "h.csv".into(), beside: vec![beside("l.csv", Role::Lines), beside("go.trg", Role::Trigger)] };
    let look =
        || shop.epos.look_at_orders(&[Awaited { names: names.clone(), ..awaited("") }], at(0)).unwrap().remove(0);
    shop.epos.accept_folders().unwrap();
    shop.write("import/h.csv", "");
    shop.write("import/l.csv", "");
    shop.write("import/go.trg", "");
    assert_eq!((look().sign, look().remark), (Sign::Waiting, None));
    fs::remove_file(shop.path("import/h.csv")).unwrap();
    shop.write("done/h.csv", "");
    assert_eq!(look().sign, Sign::Waiting);
    let remark = look().remark.unwrap();
    assert!(remark.contains("h.csv has left") && remark.contains("l.csv still waits"), "{remark}");
    fs::remove_file(shop.path("import/l.csv")).unwrap();
    assert_eq!((look().sign, look().remark), (Sign::Gone, None), "the lines may be lost");
    shop.write("done/l.csv", "");
    assert_eq!(look().sign, Sign::MovedToDone, "the trigger still lies there");
    shop.write("rejects/l.csv", "");
    assert_eq!(look().sign, Sign::Rejected);
}

#[test]
fn a_file_that_is_not_expected_there_does_not_prove_a_folder_right() {
    let shop = Shop::new();
    publish(&shop.epos, &order("o1.csv", "text")).unwrap();
    fs::remove_dir_all(shop.path("import/.tillbridge")).unwrap();
    let old = Awaited { names: "o1.csv".into(), ..Awaited::default() };
    assert!(shop.epos.look_at_orders(&[old], at(0)).is_err(), "it may be the copy of a folder");
    assert_eq!(shop.sign("o1.csv").unwrap(), Sign::Waiting);
}

#[test]
fn an_import_folder_that_proves_itself_right_says_nothing_of_where_refused_orders_lie() {
    let shop = Shop::new();
    publish(&shop.epos, &order("o1.csv", "text")).unwrap();
    assert_eq!(shop.sign("o1.csv").unwrap(), Sign::Waiting);
    let private = shop.path("private");
    let known = fs::read_dir(&private).unwrap().map(|entry| entry.unwrap().path());
    let known =
        known.into_iter().find(|path| fs::read_to_string(path).is_ok_and(|text| text.contains("on a local disk")));
    let known = known.expect("it is kept where the folders lie");
    let text = fs::read_to_string(&known).unwrap();
    fs::write(&known, text.replace("on a local disk", "on a share")).unwrap();
    fs::remove_dir_all(shop.path("import/.tillbridge")).unwrap();
    assert!(shop.sign("o1.csv").is_err(), "the rejects folder is not where it was");
}

#[test]
fn a_till_that_deletes_at_once_is_still_seen_to_have_taken_the_order() {
    let shop = Shop::new();
    let pace = shop.epos.pace();
    let every = SignedDuration::try_from(pace.order_gone_every).unwrap();
    let pace = Pace { looks: pace.order_gone_looks, every };
    let mut tracker = EvidenceTracker::default();
    publish(&shop.epos, &order("o1.csv", "text")).unwrap();
    fs::remove_file(shop.path("import/o1.csv")).unwrap();
    let mut found = |second| {
        let seen = shop.epos.look_at_orders(&[awaited("o1.csv")], at(second)).unwrap();
        tracker.observe("o1.csv", seen[0].sign, pace, at(second))
    };
    assert_eq!(found(0), Whereabouts::Unsure);
    assert_eq!(found(5), Whereabouts::Gone { since: at(0) });
}

#[test]
fn an_empty_folder_in_place_of_the_import_folder_is_unknown_and_not_consumed() {
    let shop = Shop::new();
    publish(&shop.epos, &order("o1.csv", "text")).unwrap();
    replug(&shop.path("import"), &shop.path("unplugged"));
    assert_eq!(shop.class_of_sign("o1.csv"), FailureClass::Transient);
    fs::create_dir(shop.path("import")).unwrap();
    let shop = shop.restarted();
    assert_eq!(shop.class_of_sign("o1.csv"), FailureClass::Transient);
    assert_eq!(shop.epos.withdraw(&"o1.csv".into()).unwrap_err().class, FailureClass::Transient);
    assert_eq!(publish(&shop.epos, &order("o2.csv", "text")).unwrap_err().class, FailureClass::Transient);
    assert!(shop.names("import").is_empty(), "no order goes into a folder that is not the till's");
    fs::remove_dir(shop.path("import")).unwrap();
    replug(&shop.path("unplugged"), &shop.path("import"));
    assert_eq!(shop.sign("o1.csv").unwrap(), Sign::Waiting);
}

#[test]
fn a_lost_mark_is_renewed_where_an_awaited_file_proves_the_folder_right_or_a_person_says_so() {
    let shop = Shop::new();
    publish(&shop.epos, &order("o1.csv", "text")).unwrap();
    fs::remove_dir_all(shop.path("import/.tillbridge")).unwrap();
    assert_eq!(shop.class_of_sign("o2.csv"), FailureClass::Transient);
    assert_eq!(shop.sign("o1.csv").unwrap(), Sign::Waiting);
    assert_eq!(shop.sign("o2.csv").unwrap(), Sign::Gone, "now it is known");
    fs::remove_dir_all(shop.path("import/.tillbridge")).unwrap();
    fs::remove_file(shop.path("import/o1.csv")).unwrap();
    assert_eq!(shop.class_of_sign("o1.csv"), FailureClass::Transient);
    shop.epos.accept_folders().unwrap();
    assert_eq!(shop.sign("o1.csv").unwrap(), Sign::Gone);
}

#[cfg(unix)]
#[test]
fn with_staging_elsewhere_the_folders_own_number_tells_it_from_another() {
    let shop = Shop::with(|settings| settings.staging_folder = Some(settings.import_folder.with_file_name("staging")));
    publish(&shop.epos, &order("o1.csv", "text")).unwrap();
    assert_eq!(fs::read_dir(shop.path("import")).unwrap().count(), 1);
    replug(&shop.path("import"), &shop.path("unplugged"));
    fs::create_dir(shop.path("import")).unwrap();
    assert_eq!(shop.class_of_sign("o1.csv"), FailureClass::Transient);
    shop.epos.accept_folders().unwrap();
    assert_eq!(shop.sign("o1.csv").unwrap(), Sign::Gone);
}

#[cfg(unix)]
#[test]
fn a_link_in_place_of_an_order_or_of_our_own_files_is_never_followed() {
    use std::os::unix::fs::symlink;
    let shop = Shop::new();
    shop.write("victim", "precious");
    publish(&shop.epos, &order("o1.csv", "text")).unwrap();
    fs::remove_file(shop.path("import/o1.csv")).unwrap();
    symlink(shop.path("victim"), shop.path("import/o1.csv")).unwrap();
    assert_eq!(shop.sign("o1.csv").unwrap(), Sign::Waiting, "in doubt it waits");
    let error = shop.epos.withdraw(&"o1.csv".into()).unwrap_err();
    assert!(error.what.contains("is a link"), "{error}");
    // One that leads to the very bytes of the order is not the order.
    shop.write("same", "text");
    symlink(shop.path("same"), shop.path("import/o2.csv")).unwrap();
    let error = publish(&shop.epos, &order("o2.csv", "text")).unwrap_err();
    assert_eq!(error.class, FailureClass::Permanent, "{error}");
    assert!(error.what.contains("no plain file"), "{error}");
    fs::create_dir(shop.path("import/o3.csv")).unwrap();
    let error = publish(&shop.epos, &order("o3.csv", "text")).unwrap_err();
    assert_eq!(error.class, FailureClass::Permanent, "{error}");
    // Staged files, what was taken away, the mark, and the staging folder itself.
    for name in ["o4.csv.staged", "o4.csv.withdrawn"] {
        symlink(shop.path("victim"), shop.path(&format!("import/.tillbridge/{name}"))).unwrap();
    }
    publish(&shop.epos, &order("o4.csv", "text")).unwrap();
    shop.epos.withdraw(&"o4.csv".into()).unwrap();
    fs::remove_file(shop.path("import/.tillbridge/folder-id")).unwrap();
    symlink(shop.path("victim"), shop.path("import/.tillbridge/folder-id")).unwrap();
    assert_eq!(publish(&shop.epos, &order("o5.csv", "text")).unwrap_err().class, FailureClass::Transient);
    shop.epos.accept_folders().unwrap();
    publish(&shop.epos, &order("o5.csv", "text")).unwrap();
    replug(&shop.path("import/.tillbridge"), &shop.path("elsewhere"));
    symlink(shop.path("elsewhere"), shop.path("import/.tillbridge")).unwrap();
    assert!(publish(&shop.epos, &order("o6.csv", "text")).is_err());
    assert_eq!(fs::read_to_string(shop.path("victim")).unwrap(), "precious");
}

#[test]
fn a_share_that_spells_letters_in_its_own_way_still_shows_our_file() {
    let shop = Shop::new();
    publish(&shop.epos, &order("Aufträge_1.csv", "text")).unwrap();
    replug(&shop.path("import/Aufträge_1.csv"), &shop.path("import/Auftra\u{308}ge_1.csv"));
    assert_eq!(shop.sign("Aufträge_1.csv").unwrap(), Sign::Waiting);
    replug(&shop.path("import/Auftra\u{308}ge_1.csv"), &shop.path("rejects/AUFTRA\u{308}GE_1.CSV.err"));
    assert_eq!(shop.sign("Aufträge_1.csv").unwrap(), Sign::Rejected);
}

#[test]
fn a_folder_that_cannot_be_listed_makes_the_whole_look_fail() {
    let shop = Shop::new();
    publish(&shop.epos, &order("o1.csv", "text")).unwrap();
    fs::remove_dir(shop.path("rejects")).unwrap();
    assert!(shop.sign("o1.csv").is_err());
}

#[test]
fn names_never_lead_out_of_the_folder() {
    let shop = Shop::new();
    for name in ["../o.csv", "a/b.csv", "", ".", "..", ".hidden", "c:x", "a\\b.csv", "o.csv.", "o.csv ", "o\n.csv"] {
        assert_eq!(publish(&shop.epos, &order(name, "text")).unwrap_err().class, FailureClass::Permanent, "{name}");
        assert!(shop.epos.withdraw(&name.into()).is_err());
    }
}

// ------------------------------------------------------------------------------------------------------ settings

#[test]
fn settings_read_from_toml_with_their_defaults() {
    let text = "export_folder = \"/till/export\"\nimport_folder = \"/till/import\"\n\
                [stock_profile]\ncolumns = { sku = \"SKU\", quantity = \"Qty\" }";
    let settings: EposSettings = toml::from_str(text).unwrap();
    assert_eq!(settings, EposSettings::new("/till/export".into(), "/till/import".into(), profile()));
    assert!(settings.problems().is_empty());
    assert_eq!(settings.staging(), Path::new("/till/import/.tillbridge"));
    assert!(toml::from_str::<EposSettings>(&text.replace("[stock", "sweep = 1\n[stock")).is_err());
}

#[test]
fn settings_that_cannot_work_name_the_key() {
    let root = tempfile::tempdir().unwrap();
    let problem = |change: &dyn Fn(&mut EposSettings)| {
        let mut settings = settings(root.path());
        change(&mut settings);
        let problems: Vec<String> = settings.problems().iter().map(ToString::to_string).collect();
        problems.first().cloned().unwrap_or_default()
    };
    assert_eq!(problem(&|_| {}), "");
    let import = root.path().join("import");
    assert!(
        problem(&|s| s.export_folder = import.clone())
            .starts_with("epos.import_folder: is the same folder as export_folder")
    );
    assert!(problem(&|s| s.done_folder = Some("done".into())).starts_with("epos.done_folder"));
    assert!(problem(&|s| s.staging_folder = Some(import.clone())).starts_with("epos.staging_folder"));
    assert!(problem(&|s| s.export_files.clear()).starts_with("epos.export_files"));
    assert!(problem(&|s| s.settle_looks = Some(1)).starts_with("epos.settle_looks"));
    assert!(problem(&|s| s.time_zone = Some("Mars".into())).starts_with("epos.time_zone"));
    let pattern = Some("%Y%m%d_%H%M.csv".to_owned());
    let named = AsOf { from: AsOfFrom::Name, pattern };
    assert!(problem(&|s| s.stock_profile.as_of = Some(named.clone())).starts_with("epos.time_zone: is missing"));
    // A profile for files of changes: it needs names, the right scope, and a time zone as soon as it reads a time.
    let delta = || StockProfile { export: Scope::Delta, ..profile() };
    assert!(problem(&|s| s.delta_profile = Some(delta())).starts_with("epos.delta_profile: is there, but delta_files"));
    let with = |s: &mut EposSettings, profile| (s.delta_files, s.delta_profile) = (vec!["*Inc*".into()], Some(profile));
    assert!(problem(&|s| with(s, profile())).starts_with("epos.delta_profile: must say export"));
    let timed = || StockProfile { as_of: Some(named.clone()), ..delta() };
    assert!(problem(&|s| with(s, timed())).starts_with("epos.time_zone: is missing"));
    assert!(problem(&|s| s.order_profile.name = "x.csv".into()).starts_with("epos.order_profile: name"));
    assert!(problem(&|s| s.stock_profile.columns.sku = None).starts_with("epos.stock_profile"));
}

#[test]
fn files_of_changes_are_told_by_their_names_and_look_like_full_ones_unless_told_otherwise() {
    let mut settings = EposSettings::new("/till/export".into(), "/till/import".into(), profile());
    assert_eq!(settings.profile_of_deltas(), None);
    settings.delta_files = vec!["*Incremental*".into()];
    let like_full = settings.profile_of_deltas().unwrap();
    assert_eq!((like_full.export, like_full.columns), (Scope::Delta, profile().columns));
    assert!(settings.is_delta_name("StockFeedIncremental.dat") && !settings.is_delta_name("StockFeedInit.csv"));
    assert!(settings.is_export_name("StockFeedIncremental.dat") && settings.is_export_name("StockFeedInit.csv"));
    let other = StockProfile { export: Scope::Delta, skip_lines: 3, ..profile() };
    settings.delta_profile = Some(other.clone());
    assert_eq!(settings.profile_of_deltas(), Some(other));
}

#[test]
fn a_time_inside_the_export_is_the_tills_and_in_the_repeated_hour_the_earlier_one() {
    let header = StockProfile { as_of: Some(AsOf { from: AsOfFrom::Header, pattern: None }), ..profile() };
    let zone = jiff::tz::TimeZone::get("Europe/London").unwrap();
    let told = |profile: &StockProfile, local: &str| {
        declared_inside(profile, local.parse().unwrap(), &zone).map(|at| at.to_string())
    };
    assert_eq!(told(&header, "2026-07-01T09:30:00").unwrap(), "2026-07-01T08:30:00Z");
    assert_eq!(told(&header, "2026-10-25T01:30:00").unwrap(), "2026-10-25T00:30:00Z");
    assert_eq!(told(&profile(), "2026-07-01T09:30:00"), None, "the profile does not believe it");
}

#[test]
fn the_check_tries_everything_and_leaves_nothing_behind() {
    let shop = Shop::new();
    let lines = shop.epos.check_folders();
    assert!(lines.iter().all(|line| line.ok), "{lines:?}");
    assert!(shop.names("import").is_empty());
    assert!(shop.names("import/.tillbridge").is_empty());
    fs::remove_dir(shop.path("rejects")).unwrap();
    let failed: Vec<_> = shop.epos.check_folders().into_iter().filter(|line| !line.ok).collect();
    assert_eq!(failed.len(), 1);
    assert!(failed[0].found.contains("make it, or correct the path"));
}
