//! The folders as they are in shops: on a real network share (Samba on this machine, and a client in user space), on a disk
//! that is full or may only be read.
//!
//! Ignored by a plain `cargo test`, because they mount: `tests/run` installs what they need and runs them. Where
//! something is missing, a test says `skipped:` with the reason, and proves nothing. Every process and mount of a test
//! ends with it; the server listens on a free port of the loopback interface.

#![cfg(target_os = "linux")]
#![allow(clippy::disallowed_methods, reason = "a till renames, a test unplugs folders")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]
#![allow(clippy::print_stdout, reason = "what is skipped is said")]

mod mounts;
mod shop;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mounts::{Mounted, Samba, eventually};
use shop::TestShop;
use tillbridge::clock::SystemClock;
use tillbridge::demo::agent_process::{AgentProcess, Pace, config};
use tillbridge::demo::magento::{Magento, Mode};
use tillbridge::demo::server::StoreServer;
use tillbridge::demo::till::{Habits, SimulatedTill};
use tillbridge::demo::{seed, serve};
use tillbridge::domain::OrderState;
use tillbridge::domain::retry::FailureClass;
use tillbridge::epos::volume::{FolderKind, kind_of};
use tillbridge::epos::{EposSettings, ExportsAfter, FolderEpos, StockProfile};
use tillbridge::ledger::Ledger;
use tillbridge::ledger::exports::ExportState;
use tillbridge::ports::{Awaited, Clock, Epos, OrderFile, Revealed, Sign};

/// Exports of which no event tells: three are enough, and the first may come before the agent listens.
const UNANNOUNCED_EXPORTS: u32 = 5;
/// Order files in the test with a reader that does not pause.
const FILES: usize = 40;

fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| name != ".tillbridge");
    names.sort();
    names
}

/// The agent sees the shop's folders through the share from now on; the till goes on working on the server's disk.
fn move_to_share(shop: &mut TestShop, samba: &Samba) {
    let share = samba.share.clone();
    shop.configure(|config| {
        config.epos.export_folder = share.join("export");
        config.epos.import_folder = share.join("import");
        config.epos.rejects_folder = Some(share.join("rejects"));
    });
}

/// So many activations of both that look at folders, so far apart.
fn look(shop: &TestShop, times: usize, seconds: i64) {
    for _ in 0..times {
        shop.pass_time(seconds);
        shop.agent().stock.reconcile().unwrap();
        shop.write_orders();
    }
}

fn export(shop: &mut TestShop, samba: &Samba, name: &str) {
    shop.agent().stock.reconcile().unwrap();
    shop.pass_time(2);
    let path = shop.till.export(name).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(shop::modified(shop.clock_now())).unwrap();
    eventually("the export shows on the share", || samba.share.join("export").join(name).exists());
    shop.agent().stock.reconcile().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Samba and FUSE; tests/run has them"]
async fn on_a_real_share_the_rules_hold_and_a_share_that_is_lost_proves_nothing() {
    let mut shop = TestShop::open(Mode::Msi).await;
    let Some(mut samba) = Samba::start(shop.folder.path()) else { return };
    assert_eq!(kind_of(&samba.share.join("import")).unwrap(), FolderKind::Share);
    move_to_share(&mut shop, &samba);
    let pace = shop.agent().epos.pace();
    assert_eq!((pace.settle_looks, pace.order_gone_looks, pace.sweep_idle.as_secs()), (3, 3, 60));

    // What would have settled on a local disk has not settled here.
    export(&mut shop, &samba, "first.csv");
    look(&shop, 3, 3);
    assert!(shop.ledger().last_export().unwrap().is_none(), "it has not stood still for long enough");
    look(&shop, 4, 10);
    assert_eq!(shop.last_export(), ExportState::Admitted);
    shop.deliver().await;

    // An order goes to the till; three looks prove that it was taken, two do not.
    shop.place("1001", 3);
    shop.pull().await;
    shop.write_orders();
    assert_eq!((shop.states(), shop.till.waiting().unwrap().len()), (vec![OrderState::Published], 1));
    let booked = shop.till.import_all().unwrap();
    assert_eq!(booked.len(), 1);
    eventually("the file is gone from the share", || names_in(&samba.share.join("import")).is_empty());
    look(&shop, 2, 15);
    assert_eq!(shop.states(), [OrderState::Published]);
    look(&shop, 1, 15);
    assert_eq!(shop.states(), [OrderState::Consumed]);

    // The share goes away with an order waiting: nothing is concluded, and both folders are named as troubles.
    shop.place("1002", 1);
    shop.pull().await;
    shop.write_orders();
    samba.stop();
    look(&shop, 5, 60);
    assert_eq!(shop.states(), [OrderState::Consumed, OrderState::Published]);
    let conditions = shop.conditions();
    for code in ["import_folder", "export_folder"] {
        assert!(conditions.contains(&code.to_owned()), "{conditions:?}");
    }
    // It comes back, after the till has worked on.
    shop.till.import_all().unwrap();
    samba.start_again();
    eventually("the share is back", || fs::read_dir(samba.share.join("import")).is_ok());
    look(&shop, 2, 15);
    assert_eq!(shop.states()[1], OrderState::Published, "looks before the loss count for nothing by themselves");
    look(&shop, 2, 15);
    assert_eq!(shop.states()[1], OrderState::Consumed);
    for code in ["import_folder", "export_folder"] {
        assert!(!shop.conditions().contains(&code.to_owned()), "{:?}", shop.conditions());
    }
    shop.pass_time(120);
    export(&mut shop, &samba, "after.csv");
    look(&shop, 5, 10);
    shop.deliver().await;
    assert_eq!((shop.last_export(), shop.sellable("1001")), (ExportState::Admitted, 7.into()));
}

fn settings_on(share: &Path) -> EposSettings {
    let mut profile = StockProfile::default();
    profile.columns.sku = Some(tillbridge::epos::profile::Column::Name("SKU".into()));
    profile.columns.quantity = Some(tillbridge::epos::profile::Column::Name("Qty".into()));
    EposSettings::new(share.join("export"), share.join("import"), profile)
}

fn epos_on(share: &Path, private: &Path) -> FolderEpos {
    FolderEpos::new(settings_on(share), private.to_owned()).unwrap()
}

fn awaited(name: &str) -> Awaited {
    Awaited { names: name.into(), ..Awaited::default() }
}

fn order(name: &str, bytes: Vec<u8>) -> OrderFile {
    OrderFile { name: name.into(), bytes, ..OrderFile::default() }
}

#[test]
#[ignore = "needs Samba and FUSE; tests/run has them"]
fn through_a_real_share_a_till_that_never_pauses_sees_every_order_whole_and_once() {
    let (folder, private) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["export", "import"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let Some(samba) = Samba::start(folder.path()) else { return };
    let epos = epos_on(&samba.share, private.path());
    let (import, bytes, done) = (folder.path().join("import"), vec![b'x'; 200_000], AtomicBool::new(false));
    let taken = std::thread::scope(|scope| {
        let till = scope.spawn(|| {
            let mut taken: BTreeMap<String, usize> = BTreeMap::new();
            let mut last = false;
            while !last {
                last = done.load(Ordering::Relaxed);
                for name in names_in(&import) {
                    let found = fs::read(import.join(&name)).unwrap();
                    assert!(found == bytes, "{name} shows {} bytes", found.len());
                    fs::remove_file(import.join(&name)).unwrap();
                    *taken.entry(name).or_default() += 1;
                }
            }
            taken
        });
        for number in 0..FILES {
            let name = format!("order_{number}.csv");
            epos.stage(&order(&name, bytes.clone())).unwrap();
            assert_eq!(epos.reveal(&name.as_str().into()).unwrap(), Revealed::Now);
        }
        done.store(true, Ordering::Relaxed);
        till.join().unwrap()
    });
    assert_eq!(taken.len(), FILES);
    assert!(taken.values().all(|times| *times == 1), "{taken:?}");
    let names: Vec<Awaited> = taken.keys().map(|name| awaited(name)).collect();
    let gone = || epos.look_at_orders(&names, SystemClock.now()).unwrap().iter().all(|seen| seen.sign == Sign::Gone);
    eventually("the agent sees that all are gone", gone);
    // A name that is taken, by the till or in other letters, is never written over.
    fs::write(import.join("ORDER_A.CSV"), "somebody else's").unwrap();
    eventually("it shows on the share", || names_in(&samba.share.join("import")) == ["ORDER_A.CSV"]);
    epos.stage(&order("order_a.csv", bytes.clone())).unwrap();
    assert!(epos.reveal(&"order_a.csv".into()).is_err());
    assert_eq!(fs::read(import.join("ORDER_A.CSV")).unwrap(), b"somebody else's");
}

/// A shop with a real agent whose folders lie on the share, quick enough for a test.
struct QuickShop {
    agent: AgentProcess,
    till: SimulatedTill,
    _server: StoreServer,
    samba: Samba,
    folder: tempfile::TempDir,
}

impl QuickShop {
    fn open(watch: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let till = SimulatedTill::new(at, Habits::default()).unwrap().stocked();
        let samba = Samba::start(at)?;
        let server = serve(&Magento::new(seed::magento(Mode::Msi, Arc::new(SystemClock))), 0).unwrap();
        tillbridge::demo::write_private(&at.join("store-token"), &server.token).unwrap();
        fs::write(at.join("store-ca.pem"), &server.ca_pem).unwrap();
        let text = config(at, &server.url, &Pace { watch: true, hold_at_most_ms: 600_000 });
        let mut text = text.replace("watch = \"native\"", &format!("watch = \"{watch}\""));
        for name in ["export", "import"] {
            let there = |path: &Path| format!("{name}_folder = {:?}", path.join(name).to_str().unwrap());
            text = text.replace(&there(at), &there(&samba.share));
        }
        assert!(text.contains("mounted"), "{text}");
        let mut agent = AgentProcess::new(at, Some(env!("CARGO_BIN_EXE_tillbridge").into()), &text).unwrap();
        agent.start().unwrap();
        agent.health_page().unwrap();
        Some(Self { agent, till, _server: server, samba, folder })
    }

    fn conditions(&self) -> Vec<String> {
        self.agent.ledger().unwrap().conditions().unwrap().into_iter().map(|condition| condition.code).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Samba and FUSE; tests/run has them"]
async fn an_agent_that_relies_on_events_notices_by_itself_that_a_share_does_not_tell_of_changes() {
    let Some(shop) = QuickShop::open("native") else { return };
    for number in 1..=UNANNOUNCED_EXPORTS {
        let name = format!("stock_{number}.csv");
        shop.till.export(&name).unwrap();
        shop.agent.wait_for_export(&name, true).unwrap();
    }
    shop.agent
        .wait("the notice", |ledger| {
            Ok(ledger.conditions()?.iter().any(|condition| condition.code == "events_not_trusted"))
        })
        .unwrap();
    assert!(!shop.conditions().contains(&"not_watched".to_owned()), "the system did promise to tell");
    assert!(shop.samba.share.exists() && shop.folder.path().exists());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Samba and FUSE; tests/run has them"]
async fn an_agent_left_to_itself_does_not_rely_on_events_of_a_share_and_says_so() {
    let Some(mut shop) = QuickShop::open("auto") else { return };
    shop.till.export("stock_1.csv").unwrap();
    shop.agent.wait_for_export("stock_1.csv", true).unwrap();
    let conditions = shop.conditions();
    assert!(!conditions.iter().any(|code| code.contains("trusted") || code.contains("watched")), "{conditions:?}");
    let log = fs::read_to_string(shop.agent.log()).unwrap();
    assert!(log.contains("cannot be trusted to tell of changes"), "{log}");
    // The server dies and comes back, under the running agent.
    shop.samba.stop();
    let lost = |ledger: &Ledger| Ok(ledger.conditions()?.iter().any(|condition| condition.code == "export_folder"));
    shop.agent.wait("the loss being noticed", lost).unwrap();
    shop.samba.start_again();
    shop.till.export("stock_2.csv").unwrap();
    shop.agent.wait_for_export("stock_2.csv", true).unwrap();
    shop.agent.wait("the trouble being over", |ledger| lost(ledger).map(|lost| !lost)).unwrap();
}

#[test]
#[ignore = "needs the right to mount; tests/run has it"]
fn a_disk_that_is_full_while_publishing_leaves_nothing_visible_and_goes_on_once_there_is_room() {
    let (folder, private) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let Some(disk) = Mounted::small_disk(folder.path(), "64k") else { return };
    for name in ["export", "import"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let epos = epos_on(folder.path(), private.path());
    let import = folder.path().join("import");
    epos.stage(&order("small.csv", b"fits".to_vec())).unwrap();
    assert_eq!(epos.reveal(&"small.csv".into()).unwrap(), Revealed::Now);
    let large = order("large.csv", vec![b'x'; 200_000]);
    let error = epos.stage(&large).unwrap_err();
    assert_eq!(error.source.as_ref().unwrap().kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(error.class, FailureClass::Transient);
    assert!(error.what.contains("is the disk full"), "{error}");
    assert_eq!(names_in(&import), ["small.csv"], "nothing of it is visible");
    assert_eq!(names_in(&import.join(".tillbridge")), ["folder-id"], "and no part of it takes room");
    disk.change("size=1m");
    epos.stage(&large).unwrap();
    assert_eq!(epos.reveal(&"large.csv".into()).unwrap(), Revealed::Now);
    assert_eq!(fs::read(import.join("large.csv")).unwrap(), large.bytes);
}

#[test]
#[ignore = "needs the right to mount; tests/run has it"]
fn a_rejects_folder_whose_volume_is_not_mounted_proves_nothing_about_orders() {
    let (folder, private) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let at = |name: &str| folder.path().join(name);
    for name in ["export", "import", "rejects"] {
        fs::create_dir(at(name)).unwrap();
    }
    let Some(disk) = Mounted::small_disk(&at("rejects"), "1m") else { return };
    let settings = EposSettings { rejects_folder: Some(at("rejects")), ..settings_on(folder.path()) };
    let epos = FolderEpos::new(settings, private.path().to_owned()).unwrap();
    epos.stage(&order("o1.csv", b"text".to_vec())).unwrap();
    epos.reveal(&"o1.csv".into()).unwrap();
    let looked_for = [awaited("o1.csv")];
    assert_eq!(epos.look_at_orders(&looked_for, SystemClock.now()).unwrap()[0].sign, Sign::Waiting);
    // The till refuses it, and then the volume is gone: what lies there now is the empty folder under it.
    fs::remove_file(at("import").join("o1.csv")).unwrap();
    drop(disk);
    let error = epos.look_at_orders(&looked_for, SystemClock.now()).unwrap_err();
    assert!(error.what.contains("rejects") && error.what.contains("is the share connected?"), "{error}");
    let Some(_disk) = Mounted::small_disk(&at("rejects"), "1m") else { return };
    fs::write(at("rejects").join("o1.csv.err"), "text").unwrap();
    assert_eq!(epos.look_at_orders(&looked_for, SystemClock.now()).unwrap()[0].sign, Sign::Rejected);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the right to mount; tests/run has it"]
async fn folders_that_may_only_be_read_are_named_with_what_to_do_and_everything_goes_on_once_they_are_mended() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    let disk_at = shop.folder.path().join("disk");
    let Some(disk) = Mounted::small_disk(&disk_at, "4m") else { return };
    for name in ["export", "import", "rejects", "done"] {
        fs::create_dir(disk_at.join(name)).unwrap();
    }
    shop.till = SimulatedTill::new(&disk_at, Habits::default()).unwrap().stocked();
    shop.configure(|config| {
        config.epos.export_folder = disk_at.join("export");
        config.epos.import_folder = disk_at.join("import");
        config.epos.rejects_folder = Some(disk_at.join("rejects"));
        config.epos.done_folder = Some(disk_at.join("done"));
        config.epos.exports_after = ExportsAfter::Delete;
    });
    shop.export_and_look("old.csv");
    assert!(!disk_at.join("export/old.csv").exists());
    shop.look();
    shop.pass_time(2);
    let path = shop.till.export("stock.csv").unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(shop::modified(shop.clock_now())).unwrap();
    disk.change("ro");
    shop.look();
    assert_eq!(shop.last_export(), ExportState::Admitted, "it can be read");
    let text = shop.condition_text("export_not_deleted");
    assert!(text.contains("stock.csv") && text.contains("right to delete"), "{text}");
    shop.place("1001", 1);
    shop.pull().await;
    shop.write_orders();
    assert_eq!(shop.states(), [OrderState::Received], "the order is not at fault");
    let text = shop.condition_text("import_folder");
    assert!(text.contains(".tillbridge") && text.contains("Read-only file system"), "{text}");
    let epos = FolderEpos::new(shop.config.epos.clone(), shop.config.agent.data_folder.clone()).unwrap();
    let lines = epos.check_folders();
    let wrong: Vec<&str> = lines.iter().filter(|line| !line.ok).map(|line| line.found.as_str()).collect();
    assert!(wrong.len() == 2 && wrong.iter().all(|found| found.contains("the right to")), "{lines:?}");
    disk.change("rw");
    shop.look();
    shop.write_orders();
    assert!(!disk_at.join("export/stock.csv").exists());
    assert_eq!(shop.states(), [OrderState::Published]);
    for code in ["import_folder", "export_not_deleted"] {
        assert!(!shop.conditions().contains(&code.to_owned()), "{:?}", shop.conditions());
    }
}
