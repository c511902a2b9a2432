//! What a look costs in folders full of old files. Prints; asserts nothing about time.
//!
//! `cargo bench --bench folders` lies 100,000 old files in the export, import and done folders; `FILES=N` other numbers,
//! `SWEEPS=N` more sweeps. System calls: `strace -f -c` around it, once with `SWEEPS=0`.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures, and stops where it cannot go on"
)]

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tillbridge::epos::profile::Column;
use tillbridge::epos::{EposSettings, FolderEpos, StockProfile};
use tillbridge::ports::{Awaited, Epos, OrderFile};

fn number(name: &str, usual: u32) -> u32 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

fn fill(folder: &Path, files: u32) {
    std::fs::create_dir_all(folder).unwrap();
    for number in 0..files {
        let mut file = File::create(folder.join(format!("stock_2019_{number:08}.csv"))).unwrap();
        file.write_all(b"SKU,Qty\n1001,10\n").unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_500_000_000 + u64::from(number))).unwrap();
    }
}

/// Resident memory of this program, in MB; 0 where the system does not say.
fn megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|text| text.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or_default() / 1024
}

fn timed<T>(what: &str, times: u32, mut run: impl FnMut() -> T) -> Option<T> {
    let began = Instant::now();
    let mut last = None;
    for _ in 0..times {
        last = Some(run());
    }
    let each = began.elapsed().as_secs_f64() * 1000.0 / f64::from(times.max(1));
    println!("{what:<46} {each:>9.1} ms, {:>4} MB resident", megabytes());
    last
}

fn main() {
    let (files, sweeps) = (number("FILES", 100_000), number("SWEEPS", 20));
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    for name in ["export", "import", "done"] {
        fill(&at(name), files);
    }
    let mut profile = StockProfile::default();
    profile.columns.sku = Some(Column::Name("SKU".into()));
    profile.columns.quantity = Some(Column::Name("Qty".into()));
    let settings =
        EposSettings { done_folder: Some(at("done")), ..EposSettings::new(at("export"), at("import"), profile) };
    let epos = FolderEpos::new(settings, at("private")).unwrap();
    println!("{files} old files in each folder; before the first look: {} MB resident", megabytes());
    let mut now = Timestamp::from_second(1_800_000_000).unwrap();
    let mut later = || {
        now += SignedDuration::from_secs(30);
        now
    };
    timed("first look at the exports", 1, || epos.look_for_exports(later()).unwrap().settled.len());
    let settled = timed("second look: all have settled", 1, || epos.look_for_exports(later()).unwrap().settled);
    settled.iter().flatten().for_each(|export| epos.set_aside(export));
    drop(settled);
    timed("look after they were dealt with", 1, || epos.look_for_exports(later()).unwrap());
    timed("a sweep from then on", sweeps, || epos.look_for_exports(later()).unwrap());
    let (name, bytes) = ("order_1.csv".to_owned(), b"OrderNo,SKU,Qty\n1,1001,1\n".to_vec());
    epos.stage(&OrderFile { name: name.clone(), bytes, ..OrderFile::default() }).unwrap();
    epos.reveal(&name.as_str().into()).unwrap();
    timed("a look for one order", sweeps, || {
        epos.look_at_orders(&[Awaited { names: name.as_str().into(), ..Awaited::default() }], Timestamp::UNIX_EPOCH)
            .unwrap()
    });
}
