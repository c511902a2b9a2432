//! Many exports at once: the first start beside a till that has exported for years, and long absences.

#![allow(clippy::disallowed_methods, reason = "a test may play the till")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use jiff::{SignedDuration, Timestamp};
use shop::TestShop;
use tillbridge::demo::magento::Mode;
use tillbridge::domain::stock::Scope;
use tillbridge::epos::profile::StockProfile;
use tillbridge::ledger::exports::ExportState;

/// A full export of the shop's items with this many teapots.
fn stock(teapots: u32) -> String {
    format!("SKU,Description,Qty\r\n1001,Teapot,{teapots}\r\n1002,Cup,6\r\n1003,Saucer,4\r\n1004,Mug,48\r\n")
}

/// A file that has lain in the export folder since then.
fn lay(shop: &TestShop, name: &str, content: &str, modified: Timestamp) {
    let path = shop.till.export.join(name);
    std::fs::write(&path, content).unwrap();
    std::fs::File::options().write(true).open(path).unwrap().set_modified(shop::modified(modified)).unwrap();
}

fn minutes_ago(shop: &TestShop, minutes: i64) -> Timestamp {
    shop.clock_now() - SignedDuration::from_mins(minutes)
}

/// So many old exports, each a minute younger than the one before it; none has the teapots of today.
fn lay_old(shop: &TestShop, count: i64) {
    for number in 0..count {
        lay(shop, &format!("stock_{number:05}.csv"), &stock(3), minutes_ago(shop, count - number));
    }
}

/// Private copies of this kind (`archive`, `quarantine`), without the notes beside them.
fn copies(shop: &TestShop, kind: &str) -> usize {
    let Ok(days) = std::fs::read_dir(shop.config.agent.data_folder.join(kind)) else { return 0 };
    let files = days.flat_map(|day| std::fs::read_dir(day.unwrap().path()).unwrap());
    files.filter(|file| !file.as_ref().unwrap().file_name().to_string_lossy().ends_with(".reason.txt")).count()
}

fn counts(shop: &TestShop) -> String {
    shop.ledger().admitted_export().unwrap().unwrap().name
}

fn passed_over(shop: &TestShop) -> u64 {
    shop.ledger().passed_over_exports().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thousands_of_old_exports_only_the_newest_is_copied_and_read() {
    let mut shop = TestShop::open(Mode::Msi).await;
    lay_old(&shop, 3000);
    lay(&shop, "stock_03000.csv", &stock(7), shop.clock_now());
    shop.look();
    shop.deliver().await;
    assert_eq!((shop.sellable("1001"), counts(&shop).as_str()), (7.into(), "stock_03000.csv"));
    assert_eq!((copies(&shop, "archive"), passed_over(&shop)), (1, 3000));
    assert_eq!((shop.last_export(), shop.conditions()), (ExportState::Admitted, vec![]));
    let told: Vec<_> = shop.ledger().runs(50).unwrap().into_iter().filter(|run| run.outcome == "passed-over").collect();
    assert_eq!(told.len(), 1, "one line tells of all");
    assert!(told[0].message.as_ref().unwrap().starts_with("3000 older export(s), up to stock_02999.csv"), "{told:?}");
    let report = tillbridge::health::report(shop.ledger(), "shop", None, true, shop.clock_now()).unwrap();
    assert_eq!(report.passed_over_exports, 3000);
    assert_eq!(report.last_export.unwrap().name, "stock_03000.csv");
    shop.die_and_restart();
    shop.look();
    assert_eq!((copies(&shop, "archive"), passed_over(&shop)), (1, 3000), "nothing is looked at again");
    shop.put_export("stock_03001.csv", stock(5).as_bytes());
    assert_eq!(counts(&shop), "stock_03001.csv");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_newest_of_many_cannot_be_believed_the_next_older_one_counts() {
    let shop = TestShop::open(Mode::Msi).await;
    lay_old(&shop, 200);
    lay(&shop, "stock_00200.csv", &stock(7), minutes_ago(&shop, 0));
    shop.pass_time(60);
    lay(&shop, "stock_00201.csv", "Not,Stock\r\n1,2\r\n", shop.clock_now());
    shop.look();
    assert_eq!(counts(&shop), "stock_00200.csv");
    assert_eq!((copies(&shop, "archive"), copies(&shop, "quarantine"), passed_over(&shop)), (1, 1, 200));
    assert_eq!(shop.conditions(), ["export_rejected"], "that the newest is damaged goes on being said");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_newest_of_many_is_held_the_next_older_one_counts_and_the_newest_can_still_be_approved() {
    let mut shop = TestShop::open(Mode::Msi).await;
    shop.put_export("first.csv", stock(9).as_bytes());
    shop.pass_time(24 * 3600);
    lay_old(&shop, 200);
    lay(&shop, "stock_00200.csv", &stock(7), shop.clock_now());
    shop.pass_time(60);
    lay(&shop, "stock_00201.csv", "SKU,Description,Qty\r\n1001,Teapot,1\r\n", shop.clock_now());
    shop.look();
    assert_eq!((counts(&shop).as_str(), passed_over(&shop)), ("stock_00200.csv", 200));
    assert_eq!(shop.conditions(), ["export_held"]);
    shop.ledger().approve_held(None, "Ann", shop.clock_now()).unwrap();
    shop.look();
    assert_eq!(counts(&shop), "stock_00201.csv");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_none_of_many_is_admitted_a_few_more_are_read_at_each_look_and_none_is_given_up() {
    let shop = TestShop::open(Mode::Msi).await;
    for number in 0..50 {
        let content = if number == 15 { stock(7) } else { "Not,Stock\r\n1,2\r\n".to_owned() };
        lay(&shop, &format!("stock_{number:05}.csv"), &content, minutes_ago(&shop, 50 - number));
    }
    while shop.ledger().rejected_export().unwrap().is_none() {
        shop.agent().stock.reconcile().unwrap();
        shop.pass_time(3);
    }
    assert_eq!((copies(&shop, "quarantine"), passed_over(&shop)), (10, 0));
    shop.look();
    assert_eq!(counts(&shop), "stock_00015.csv");
    assert_eq!((copies(&shop, "quarantine"), passed_over(&shop)), (34, 15));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_exports_whose_order_is_not_sure_all_are_read() {
    let shop = TestShop::open(Mode::Msi).await;
    let same = minutes_ago(&shop, 5);
    for number in 0..20 {
        lay(&shop, &format!("stock_{number:05}.csv"), &stock(number), same);
    }
    shop.look();
    assert_eq!((copies(&shop, "archive"), passed_over(&shop)), (20, 0));
    assert_eq!(counts(&shop), "stock_00019.csv");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_after_the_newest_full_export_of_many_are_all_read_in_their_order() {
    let shop = TestShop::open(Mode::Msi).await;
    let changes = |teapots: u32| format!("SKU,Qty\r\n1001,{teapots}\r\n");
    for number in 0..50 {
        lay(&shop, &format!("stock_{number:05}.csv"), &stock(3), minutes_ago(&shop, 200 - number * 2));
        lay(&shop, &format!("changes_{number:04}.csv"), &changes(4), minutes_ago(&shop, 199 - number * 2));
    }
    // After the last full export one of changes was laid already: four more.
    for number in 50..54 {
        lay(&shop, &format!("changes_{number:04}.csv"), &changes(number as u32), minutes_ago(&shop, 99 - number));
    }
    shop.look();
    assert_eq!(counts(&shop), "stock_00049.csv");
    assert_eq!(shop.ledger().merged_exports().unwrap().0, 5);
    assert_eq!((copies(&shop, "archive"), passed_over(&shop)), (6, 98));
    shop.deliver().await;
    assert_eq!((shop.sellable("1001"), shop.conditions()), (53.into(), vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_exports_that_come_late_and_say_that_they_are_older_are_told_of_once() {
    let mut shop = TestShop::in_business(Mode::Msi).await;
    shop.pass_time(3600);
    // The till's clock was set back.
    for number in 0..30 {
        lay(&shop, &format!("stock_{number:05}.csv"), &stock(3), minutes_ago(&shop, 3000 - number));
    }
    shop.look();
    assert_eq!((counts(&shop).as_str(), passed_over(&shop)), ("first.csv", 30));
    assert_eq!(shop.conditions(), ["export_refused"]);
    let text = shop.condition_text("export_refused");
    assert!(text.starts_with("30 export(s) that came after first.csv") && text.contains("stock_00029.csv"), "{text}");
    shop.export_and_look("next.csv");
    assert_eq!(shop.conditions(), [] as [&str; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_exports_tell_their_time_inside_only_those_that_no_clock_can_make_newer_are_passed_over() {
    let mut shop = TestShop::open(Mode::Msi).await;
    let profile = "kind = 'csv'\ndelimiter = ','\nheader = 'none'\n\
                   columns = { sku = 2, quantity = 3, as_of = [2, 3] }\nrecord_types = { header = 'H', detail = 'D' }\n\
                   as_of = { from = 'header', pattern = '%Y%m%d %H%M%S' }\n";
    let profile: StockProfile = toml::from_str(profile).unwrap();
    shop.configure(|config| {
        config.epos.stock_profile = profile;
        config.epos.time_zone = Some("UTC".to_owned());
    });
    let hour = |hours: i64| minutes_ago(&shop, hours * 60);
    for number in 0..100 {
        let made = hour(100 - number);
        // The newest by its own words was copied into the folder as one of the older ones.
        let told = if number == 70 { hour(0) } else { made };
        let teapots = if number == 70 { 7 } else { 3 };
        let content = format!("H,{}\r\nD,1001,{teapots}\r\nD,1002,6\r\n", told.strftime("%Y%m%d,%H%M%S"));
        lay(&shop, &format!("stock_{number:05}.csv"), &content, made);
    }
    shop.look();
    assert_eq!(counts(&shop), "stock_00070.csv");
    assert_eq!(copies(&shop, "archive") as u64 + passed_over(&shop), 100);
    assert!((45..55).contains(&copies(&shop, "archive")), "{}", copies(&shop, "archive"));
    assert_eq!(shop.ledger().held_exports(Scope::Full).unwrap().len(), 0);
}
