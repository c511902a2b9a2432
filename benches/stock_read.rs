//! How fast exports are read, beside the bare `csv` crate on the same bytes. Prints; asserts nothing about time.
//!
//! `cargo bench --bench stock_read` reads 1,000,000 rows; `ROWS=N` other numbers, `ROUNDS=N` more often,
//! `CASE=xml` only the cases of that name.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its figures, and stops where it cannot go on"
)]

use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use tillbridge::epos::{ExportFile, StockProfile, read_export};
use tillbridge::ports::ExportRow;

/// A file and the profiles that it is read by.
struct Case {
    name: &'static str,
    file: &'static str,
    text: fn(u64) -> String,
    profile: &'static str,
}

const PLAIN: &str = "columns = { sku = \"SKU\", quantity = \"Qty\" }\nheader = \"first-row\"\ndelimiter = \",\"\n";

const CASES: [Case; 5] = [
    Case { name: "csv", file: "plain.csv", text: separated, profile: "encoding = \"utf-8\"\n" },
    Case { name: "csv, encoding found out", file: "plain.csv", text: separated, profile: "" },
    Case { name: "csv, windows-1252", file: "plain.csv", text: separated, profile: "encoding = \"windows-1252\"\n" },
    Case {
        name: "fixed width",
        file: "fixed.txt",
        text: fixed,
        profile: "kind = \"fixed\"\ncolumns = { sku = [1, 13], quantity = [34, 43] }\nimplied_decimals = 3\nheader = \"none\"\n",
    },
    Case {
        name: "xml",
        file: "stock.xml",
        text: xml,
        profile: "kind = \"xml\"\nrecord_path = \"Stock/Item\"\ncolumns = { sku = \"Code\", quantity = \"OnHand\" }\n",
    },
];

fn item(n: u64) -> (u64, String, u64) {
    (5_000_000_000_000 + n, format!("Teapot, no {n}"), n * 7919 % 51)
}

fn separated(rows: u64) -> String {
    let mut text = "SKU,Description,Price,Qty\r\n".to_owned();
    (0..rows)
        .map(item)
        .for_each(|(sku, name, units)| write!(text, "{sku},\"{name}\",{}.99,{units}\r\n", units + 1).unwrap());
    text
}

fn fixed(rows: u64) -> String {
    let mut text = String::new();
    (0..rows).map(item).for_each(|(sku, name, units)| write!(text, "{sku}{name:<20}{units:07}000\r\n").unwrap());
    text
}

fn xml(rows: u64) -> String {
    let mut text = "<?xml version=\"1.0\"?>\n<Stock>\n".to_owned();
    (0..rows).map(item).for_each(|(sku, name, units)| {
        writeln!(text, "<Item><Code>{sku}</Code><Name>{name}</Name><OnHand>{units}</OnHand></Item>").unwrap();
    });
    text + "</Stock>\n"
}

/// The shortest of several rounds: the one that the rest of the machine disturbed least.
fn fastest(rounds: u32, mut run: impl FnMut() -> u64, rows: u64) -> Duration {
    let round = |run: &mut dyn FnMut() -> u64| {
        let began = Instant::now();
        assert_eq!(run(), rows);
        began.elapsed()
    };
    (0..rounds).map(|_| round(&mut run)).min().unwrap()
}

fn bare(path: &Path) -> u64 {
    let mut reader = csv::ReaderBuilder::new().from_reader(File::open(path).unwrap());
    let (mut record, mut rows) = (csv::ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record).unwrap() {
        rows += 1;
    }
    rows
}

fn ours(profile: &str, path: &Path) -> u64 {
    let profile: StockProfile = toml::from_str(profile).unwrap();
    let mut rows = 0;
    let mut sink = |_: &ExportRow<'_>| {
        rows += 1;
        Ok(())
    };
    let export = ExportFile { path, name: "stock", companion: None };
    let summary = read_export(&profile.check().unwrap(), export, &mut sink).unwrap();
    assert_eq!(summary.rows, rows);
    rows
}

/// The most memory that a whole `stock read --format json` into a file had at once, in KiB, and how long it took.
#[cfg(target_os = "linux")]
fn whole_command(folder: &Path, export: &Path) -> (u64, Duration) {
    let profile = folder.join("profile.toml");
    std::fs::write(&profile, PLAIN).unwrap();
    let (began, mut peak) = (Instant::now(), 0);
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tillbridge"));
    command.args(["stock", "read", "--format", "json", "--profile"]).arg(profile).arg(export);
    let mut child = command.stdout(File::create(folder.join("report.json")).unwrap()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let found = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = found.and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    (peak, began.elapsed())
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let (rows, rounds) = (number("ROWS", 1_000_000), u32::try_from(number("ROUNDS", 5)).unwrap());
    let folder = tempfile::tempdir().unwrap();
    let per_second = |took: Duration| format!("{:>6.2} million rows/s", rows as f64 / took.as_secs_f64() / 1e6);
    let path = folder.path().join("plain.csv");
    std::fs::write(&path, separated(rows)).unwrap();
    let bare = fastest(rounds, || bare(&path), rows);
    println!("{rows} rows, fastest of {rounds} rounds");
    println!("{:<24} {}", "the csv crate, bare", per_second(bare));
    let wanted = std::env::var("CASE").unwrap_or_default();
    for case in CASES.into_iter().filter(|case| wanted.is_empty() || case.name == wanted) {
        let path = folder.path().join(case.file);
        if !path.exists() {
            std::fs::write(&path, (case.text)(rows)).unwrap();
        }
        let profile =
            if case.file == "plain.csv" { format!("{PLAIN}{}", case.profile) } else { case.profile.to_owned() };
        let took = fastest(rounds, || ours(&profile, &path), rows);
        println!(
            "{:<24} {}  {:.2} times the bare crate's time",
            case.name,
            per_second(took),
            took.as_secs_f64() / bare.as_secs_f64()
        );
    }
    #[cfg(target_os = "linux")]
    if wanted.is_empty() {
        let (peak, took) = whole_command(folder.path(), &path);
        let seconds = took.as_secs_f64();
        println!(
            "stock read --format json into a file: {seconds:.1} s, at most {:.1} MiB of memory",
            peak as f64 / 1024.0
        );
    }
}
