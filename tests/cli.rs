//! The command line: the real program in a process of its own, beside a simulated web store over real HTTPS.
//!
//! Every wait is for a state or for the end of a process, and bounded.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use tillbridge::clock::SystemClock;
use tillbridge::config::{Config, EXAMPLE};
use tillbridge::demo::agent_process::{AgentProcess, Pace, config};
use tillbridge::demo::faults::{Count, Fault};
use tillbridge::demo::magento::{Magento, Mode};
use tillbridge::demo::seed;
use tillbridge::demo::server::StoreServer;
use tillbridge::demo::till::{Habits, SimulatedTill};
use tillbridge::ledger::orders::OrderFilter;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tillbridge");
/// Longest that any command may take.
const AT_MOST: Duration = Duration::from_secs(90);

/// What a command left.
#[derive(Debug, Clone)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// The one JSON document on standard output; nothing else is there.
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn is(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    #[track_caller]
    fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.out.contains(word) || self.err.contains(word), "{word:?} is not in {self:?}");
        }
        self
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        tell.send(String::from_utf8(bytes).unwrap())
    });
    told
}

/// Runs the program to its end; one that does not end in time is killed, and the test fails.
fn tillbridge<S: AsRef<OsStr>>(args: &[S], variables: &[(&str, &OsStr)]) -> Said {
    let mut command = Command::new(PROGRAM);
    command.args(args).env_remove("TILLBRIDGE_CONFIG").env_remove("SUDO_USER").env("USER", "ann");
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (out, err) = (read_all(child.stdout.take().unwrap()), read_all(child.stderr.take().unwrap()));
    let Ok(out) = out.recv_timeout(AT_MOST) else {
        child.kill().unwrap();
        panic!("the command did not end: {:?}", err.recv());
    };
    let err = err.recv_timeout(AT_MOST).unwrap();
    Said { code: child.wait().unwrap().code().expect("an exit code"), out, err }
}

/// A shop with a simulated till and web store; its agent runs as a process of its own when started.
struct Shop {
    folder: TempDir,
    magento: Magento,
    server: StoreServer,
    till: SimulatedTill,
    /// Knows the agent's ledger, and waits for states in it. The process itself is `agent`.
    watch: AgentProcess,
    agent: Option<Child>,
    said: Vec<Said>,
}

impl Shop {
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let magento = Magento::new(seed::magento(Mode::Msi, Arc::new(SystemClock)));
        let server = tillbridge::demo::serve(&magento, 0).unwrap();
        tillbridge::demo::write_private(&at.join("store-token"), &server.token).unwrap();
        std::fs::write(at.join("store-ca.pem"), &server.ca_pem).unwrap();
        let till = SimulatedTill::new(at, Habits::default()).unwrap().stocked();
        let pace = Pace { watch: true, hold_at_most_ms: 1500 };
        let text = config(at, &server.url, &pace).replace("log = \"debug\"", "log = \"trace\"");
        let watch = AgentProcess::new(at, Some(PROGRAM.into()), &text).unwrap();
        Self { folder, magento, server, till, watch, agent: None, said: Vec::new() }
    }

    /// A shop whose agent runs and has sent a first export.
    async fn in_business() -> Self {
        let mut shop = Self::open().await;
        shop.start();
        shop.till.export("first.csv").unwrap();
        shop.watch.wait_for_export("first.csv", true).unwrap();
        shop.watch.wait_until_sent().unwrap();
        shop
    }

    fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.watch.log()).unwrap();
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(self.watch.config()).arg("run").env("USER", "ann");
        self.agent = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
        self.watch.health_page().unwrap();
    }

    fn pid(&self) -> u32 {
        self.agent.as_ref().unwrap().id()
    }

    /// Asks the agent to stop, as a service manager does, and says how it ended.
    #[cfg(unix)]
    fn stop(&mut self) -> i32 {
        let mut agent = self.agent.take().unwrap();
        let pid = rustix::process::Pid::from_child(&agent);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(agent.wait()));
        told.recv_timeout(AT_MOST).expect("it stops in time").unwrap().code().expect("it was not killed")
    }

    /// A command on this shop's configuration.
    fn run(&mut self, args: &[&str]) -> Said {
        let config = self.watch.config();
        let mut all = vec!["--config", config.to_str().unwrap()];
        all.extend(args);
        let said = tillbridge(&all, &[]);
        self.said.push(said.clone());
        said
    }

    /// Two teapots are ordered, and lie before the till as a file.
    fn open_order(&mut self) -> String {
        let number = self.magento.place(&[("1001", 2)]).unwrap().increment_id;
        self.watch.wait("the order file", |ledger| Ok(ledger.waiting_for_till()?.len() == 1)).unwrap();
        self.watch.wait_until_sent().unwrap();
        number
    }

    fn till_takes_all(&mut self) {
        assert_eq!(self.till.import_all().unwrap().len(), 1);
        self.watch.wait_until_taken().unwrap();
        self.watch.wait_until_sent().unwrap();
    }

    fn ledger_folder(&self) -> PathBuf {
        self.watch.data_folder()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(mut agent) = self.agent.take() {
            let _gone_already = agent.kill();
            agent.wait().unwrap();
        }
    }
}

// ------------------------------------------------------------------------------------------------- the configuration

#[test]
fn config_example_prints_the_documented_file_to_the_byte() {
    let said = tillbridge(&["config", "example"], &[]).is(0);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    assert_eq!(said.out, std::fs::read_to_string(file).unwrap());
    assert_eq!(said.err, "");
}

#[test]
fn config_example_prints_each_ready_section_for_order_files_and_names_those_there_are() {
    for (name, _, section) in tillbridge::epos::order_profiles::READY {
        assert_eq!(tillbridge(&["config", "example", "--orders", name], &[]).is(0).out, section);
    }
    tillbridge(&["config", "example", "--orders", "nobody"], &[]).is(2).says(&[
        "evopos",
        "khaos",
        "records",
        "headerlines",
        "xml",
    ]);
}

#[test]
fn an_unknown_key_ends_with_78_and_names_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.toml");
    std::fs::write(&path, EXAMPLE.replace("[gate]", "[gate]\nsettel = \"1 min\"")).unwrap();
    let line = EXAMPLE.lines().position(|line| line == "[gate]").unwrap() + 2;
    let (path, line) = (path.to_str().unwrap(), format!("line {line}"));
    for command in [["run"].as_slice(), &["status"], &["check"], &["orders", "list"]] {
        let said = tillbridge(&[&["--config", path], command].concat(), &[]).is(78);
        assert_eq!(said.out, "");
        said.says(&["tillbridge: ", path, &line, "settel", "settle"]);
    }
}

#[test]
fn profile_guess_asks_nothing_without_a_terminal_and_profile_test_reads_what_it_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(at("stock.csv"), "SKU,Qty\n1001,5\n1002,0\n").unwrap();
    std::fs::write(at("doubt.csv"), "Code,Front,Back\nx1,1,5\nx2,0,7\nx3,7,1\n").unwrap();
    let profile = at("till.toml");
    tillbridge(&["profile", "guess", &at("stock.csv"), "--out", &profile], &[])
        .is(0)
        .says(&["1002", "The profile is complete."]);
    let tested = tillbridge(&["profile", "test", "--profile", &profile, &at("stock.csv"), "--format", "json"], &[]);
    assert_eq!(tested.is(0).json()[0]["items"], 2);
    tillbridge(&["profile", "guess", &at("stock.csv"), "--out", &profile], &[]).is(5).says(&["--force"]);
    let doubtful = tillbridge(&["profile", "guess", &at("doubt.csv")], &[]).is(3);
    assert!(doubtful.out.contains("undecided = [\"columns.quantity\"]"), "{doubtful:?}");
    std::fs::write(&profile, &doubtful.out).unwrap();
    let refused = tillbridge(&["profile", "test", "--profile", &profile, &at("doubt.csv")], &[]);
    refused.is(78).says(&["till.toml", "undecided", "columns.quantity"]);
    tillbridge(&["profile", "guess", &at("nowhere.csv")], &[]).is(4).says(&["nowhere.csv"]);
}

#[test]
fn without_a_configuration_it_ends_with_78_and_says_how_to_make_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.toml");
    let how = format!("tillbridge config example > {}", path.display());
    tillbridge(&["--config", path.to_str().unwrap(), "run"], &[]).is(78).says(&[&how]);
    tillbridge(&["status"], &[("TILLBRIDGE_CONFIG", path.as_os_str())]).is(78).says(&[&how]);
}

#[test]
fn wrong_arguments_end_with_2_and_help_lists_the_exit_codes() {
    tillbridge(&["orders", "list", "--status", "eaten"], &[]).is(2).says(&["known states are received"]);
    tillbridge(&["sell"], &[]).is(2);
    tillbridge(&["--help"], &[]).is(0).says(&["69  no agent is running", "78  the configuration is missing"]);
}

// --------------------------------------------------------------------------------------------------- agent or no agent

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_start_commands_say_what_to_do() {
    let mut shop = Shop::open().await;
    let folder = shop.ledger_folder();
    shop.run(&["status"]).is(1).says(&["there is no ledger", folder.to_str().unwrap(), "tillbridge run"]);
    shop.run(&["check"]).is(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_agent_ends_with_73_and_names_the_process_that_has_the_ledger() {
    let mut shop = Shop::in_business().await;
    let (process, folder) = (format!("process {}", shop.pid()), shop.ledger_folder());
    let said = shop.run(&["run"]).is(73);
    assert_eq!(said.out, "");
    said.says(&["another Tillbridge agent", &process, folder.to_str().unwrap(), "stop that one first"]);
    shop.run(&["status"]).is(0);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_signal_drains_and_ends_with_0_and_commands_then_end_with_69() {
    let mut shop = Shop::in_business().await;
    let number = shop.open_order();
    assert_eq!(shop.stop(), 0);
    let log = std::fs::read_to_string(shop.watch.log()).unwrap();
    assert!(log.contains("what is under way ends first") && log.contains("the agent has stopped"), "{log}");
    let said = shop.run(&["status"]).is(69).says(&["is NOT running", "tillbridge run", &number]);
    assert_eq!(said.err, "");
    assert_eq!(shop.run(&["status", "--format", "json"]).is(69).json()["running"], false);
    shop.run(&["sync", "now"]).is(69).says(&["no agent is running", "tillbridge run"]);
    // What came meanwhile is dealt with by the next one.
    shop.till.import_all().unwrap();
    shop.start();
    shop.watch.wait_until_taken().unwrap();
    assert_eq!(shop.till.imported().get(&number), Some(&1));
}

// --------------------------------------------------------------------------------------------- beside a running agent

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_the_same_to_people_and_to_programs() {
    let mut shop = Shop::in_business().await;
    let number = shop.open_order();
    let (named, waits) =
        (format!("order {number} waits for the till since"), "Last export seen   first.csv, 48 item(s)");
    let count = seed::shelf().len();
    let waits = waits.replace("48", &count.to_string());
    shop.run(&["status"]).is(0).says(&["Tillbridge", "demo till", "is well", "Magento with MSI", &waits, &named]);
    let said = shop.run(&["status", "--format", "json"]).is(0);
    assert_eq!(said.err, "");
    let report = said.json();
    assert_eq!((&report["status"], &report["running"]), (&"ok".into(), &true.into()));
    assert_eq!(report["waiting_for_till"][0]["number"], number.as_str());
    assert_eq!(report["admitted_export"]["name"], "first.csv");
    assert_eq!(report["outbox"]["stock"], 0);
    // A trouble is named, and changes the exit code.
    shop.server.faults.set(Fault::Unauthorised, Count::UntilCleared);
    let troubled = |ledger: &tillbridge::ledger::Ledger| {
        Ok(ledger.conditions()?.iter().any(|condition| condition.code == "store_refuses"))
    };
    shop.watch.wait("the trouble", troubled).unwrap();
    shop.run(&["status"]).is(3).says(&["✗", "answered 401", "[store_refuses, since", "→ Run tillbridge check"]);
    let report = shop.run(&["status", "--format", "json"]).is(3).json();
    assert_eq!((&report["status"], &report["conditions"][0]["code"]), (&"error".into(), &"store_refuses".into()));
    shop.server.faults.clear();
    shop.run(&["sync", "now"]).is(0);
    shop.watch.wait("its end", |ledger| Ok(!troubled(ledger)?)).unwrap();
    shop.run(&["status"]).is(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_listed_and_shown_with_files_and_history() {
    let mut shop = Shop::in_business().await;
    shop.run(&["orders", "list"]).is(0).says(&["No orders."]);
    assert_eq!(shop.run(&["orders", "list", "--format", "json"]).is(0).json(), serde_json::json!([]));
    let number = shop.open_order();
    shop.run(&["orders", "list"]).is(0).says(&["NUMBER", &number, "published"]);
    shop.run(&["orders", "list", "--status", "rejected"]).is(0).says(&["No orders."]);
    shop.run(&["orders", "list", "--since", "2999-01-01"]).is(0).says(&["No orders."]);
    let list = shop.run(&["orders", "list", "--status", "published", "--format", "json"]).is(0).json();
    assert_eq!((&list[0]["number"], &list[0]["state"]), (&number.as_str().into(), &"published".into()));
    shop.till_takes_all();
    let file = format!("order_{number}.csv");
    shop.run(&["orders", "show", &number]).is(0).says(&[
        &number,
        "is acknowledged",
        "Teapot white",
        &file,
        "gone from the import folder",
        "received",
        "agent",
    ]);
    let order = shop.run(&["orders", "show", &number, "--format", "json"]).is(0).json();
    assert_eq!((&order["files"][0]["name"], &order["files"][0]["state"]), (&file.as_str().into(), &"taken".into()));
    assert_eq!(order["lines"][0]["sku"], "1001");
    let said = shop.run(&["orders", "show", "999"]).is(4).says(&["no order 999", "orders list"]);
    assert_eq!(said.out, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_preview_prints_the_file_that_the_till_gets_byte_for_byte_and_changes_nothing() {
    let mut shop = Shop::in_business().await;
    let number = shop.open_order();
    let import = Config::load(Some(&shop.watch.config())).unwrap().0.epos.import_folder;
    let waiting = shop.till.waiting().unwrap();
    let published = std::fs::read(import.join(&waiting[0])).unwrap();
    let said = shop.run(&["orders", "preview", &number]).is(0);
    assert_eq!(said.out.as_bytes(), published);
    assert!(said.err.contains(&format!("order_{number}_2.csv")), "{said:?}");
    assert_eq!(shop.till.waiting().unwrap(), waiting);
    shop.run(&["orders", "preview", "999"]).is(4);
}

#[cfg(unix)]
#[allow(clippy::disallowed_methods, reason = "a test may take a share away")]
#[tokio::test(flavor = "multi_thread")]
async fn orders_preview_prints_the_cancellation_file_that_the_till_gets_byte_for_byte_or_says_why_there_is_none() {
    let mut shop = Shop::in_business().await;
    let number = shop.open_order();
    let preview = ["orders", "preview", &number, "--cancellation"];
    let said = shop.run(&preview).is(5).says(&["the till reads no cancellation files", "orders tasks"]);
    assert_eq!(said.out, "");
    shop.stop();
    let mut config = std::fs::OpenOptions::new().append(true).open(shop.watch.config()).unwrap();
    let profile = "\n[epos.cancellation_profile]\nname = \"cancelled_{number}.csv\"\n\
                   columns = [{ name = \"OrderNo\", value = \"order.number\" }, { name = \"SKU\", value = \"line.sku\" },\n\
                   { name = \"Qty\", value = \"line.quantity\" }]\n";
    std::io::Write::write_all(&mut config, profile.as_bytes()).unwrap();
    shop.start();
    shop.run(&preview).is(5).says(&["no cancellation file would be written", "the till has not taken order"]);
    let checked = shop.run(&["check"]);
    for line in [
        "an order counts as refused when: ",
        "an order is written as: order_{number}.csv; one order per file",
        "what the till is to take back of an order: written as cancelled_{number}.csv; one order per file",
    ] {
        assert!(checked.out.contains(line), "{line}: {checked:?}");
    }
    shop.till_takes_all();
    shop.run(&preview).is(5).says(&["the till has booked no more of order"]);
    // While the share is away, nothing can be written.
    let import = Config::load(Some(&shop.watch.config())).unwrap().0.epos.import_folder;
    let away = import.with_extension("away");
    std::fs::rename(&import, &away).unwrap();
    let id = shop.magento.with(|books| books.order_by_number(&number).unwrap().id);
    assert!(shop.magento.with(|books| books.cancel(id)).unwrap());
    shop.watch.wait("the cancellation", |ledger| Ok(ledger.order(&number)?.unwrap().order.is_void())).unwrap();
    let said = shop.run(&preview).is(0);
    assert!(said.err.starts_with(&format!("cancelled_{number}.csv (")), "{said:?}");
    assert_eq!(shop.till.waiting().unwrap_or_default(), Vec::<String>::new());
    std::fs::rename(&away, &import).unwrap();
    let file = import.join(format!("cancelled_{number}.csv"));
    shop.watch.wait("the cancellation file", |_| Ok(file.exists())).unwrap();
    assert_eq!(said.out.as_bytes(), std::fs::read(file).unwrap());
    // The file is visible before the agent has noted that it is.
    let config = shop.watch.config();
    let args = [&["--config", config.to_str().unwrap()], &preview[..]].concat();
    let is_noted = |_: &tillbridge::ledger::Ledger| Ok(!tillbridge(&args, &[]).err.contains("at the next look"));
    shop.watch.wait("the cancellation file being noted", is_noted).unwrap();
    shop.run(&preview).is(5).says(&["the till has the cancellation file", "already"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_the_till_took_is_written_again_only_when_a_person_says_so_and_that_is_recorded() {
    let mut shop = Shop::in_business().await;
    let number = shop.open_order();
    shop.run(&["orders", "export", &number]).is(5).says(&[&number, "import folder already", "--again"]);
    shop.till_takes_all();
    shop.run(&["orders", "export", &number]).is(5).says(&[&number, "may book it twice", "--again"]);
    shop.run(&["orders", "export", "999"]).is(4).says(&["no order 999"]);
    assert_eq!(shop.till.waiting().unwrap().len(), 0, "nothing was written");
    shop.run(&["orders", "export", &number, "--again", "--by", "Bob"]).is(0).says(&["will be written"]);
    shop.watch.wait("the second file", |ledger| Ok(ledger.waiting_for_till()?.len() == 1)).unwrap();
    assert_eq!(shop.till.waiting().unwrap(), [format!("order_{number}_2.csv")]);
    shop.till_takes_all();
    shop.run(&["orders", "export", &number, "--again"]).is(0);
    let order = shop.run(&["orders", "show", &number, "--format", "json"]).is(0).json();
    let asked = |by: &str| {
        let history = order["history"].as_array().unwrap();
        history.iter().filter(|entry| entry["by"] == by && entry["detail"] == "asked for by a person").count()
    };
    assert_eq!((asked("Bob"), asked("ann")), (1, 1), "{order:#}");
    shop.run(&["orders", "show", &number]).is(0).says(&["Bob"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_staff_are_to_do_is_listed_until_somebody_says_that_it_is_done_and_that_is_recorded() {
    let mut shop = Shop::in_business().await;
    let number = shop.open_order();
    shop.till_takes_all();
    shop.run(&["orders", "tasks"]).is(0).says(&["Nothing to do"]);
    shop.run(&["orders", "done", &number]).is(5).says(&["nothing to do about order"]);
    shop.run(&["orders", "done", "999"]).is(4);
    let id = shop.magento.with(|books| books.order_by_number(&number).unwrap().id);
    assert!(shop.magento.with(|books| books.cancel(id)).unwrap());
    shop.watch.wait("the task", |ledger| Ok(!ledger.order_tasks(1)?.is_empty())).unwrap();
    shop.run(&["orders", "tasks"]).is(0).says(&["the till booked 2 × 1001", "now wants 0", "orders done"]);
    let tasks = shop.run(&["orders", "tasks", "--format", "json"]).is(0).json();
    assert_eq!((&tasks[0]["number"], &tasks[0]["take_back"]["1001"]), (&json!(number), &json!("2")), "{tasks:#}");
    shop.run(&["orders", "done", &number, "--by", "Bob"]).is(0).says(&["is dealt with in the till, says Bob"]);
    shop.run(&["orders", "tasks"]).is(0).says(&["Nothing to do"]);
    shop.run(&["orders", "show", &number]).is(0).says(&[
        "booked by staff, no file",
        "said by Bob",
        "dealt with in the till",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_says_what_became_of_an_order_and_the_agent_carries_it_out() {
    let mut shop = Shop::in_business().await;
    let number = shop.open_order();
    let checked = shop.run(&["check"]);
    assert!(checked.out.contains("an order counts as booked when: its file has gone"), "{checked:?}");
    shop.run(&["orders", "declare", "999", "lost"]).is(4).says(&["no order 999"]);
    shop.run(&["orders", "declare", &number, "gone"]).is(2).says(&["consumed", "lost"]);
    shop.run(&["orders", "declare", &number, "consumed", "--by", "Bob"]).is(0).says(&[&number, "taken away"]);
    shop.watch.wait("the file is away", |ledger| Ok(ledger.waiting_for_till()?.is_empty())).unwrap();
    assert_eq!(shop.till.waiting().unwrap().len(), 0);
    shop.run(&["orders", "show", &number]).is(0).says(&["declared consumed by Bob"]);
    shop.run(&["orders", "declare", &number, "consumed"]).is(5).says(&["already", "Bob"]);
    shop.run(&["orders", "declare", &number, "lost"]).is(0).says(&["written for the till again"]);
    shop.watch.wait("the second file", |ledger| Ok(ledger.waiting_for_till()?.len() == 1)).unwrap();
    assert_eq!(shop.till.waiting().unwrap(), [format!("order_{number}_2.csv")]);
    shop.run(&["orders", "show", &number]).is(0).says(&["declared lost by ann"]);
}

fn units(value: &Value) -> tillbridge::domain::Quantity {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    tillbridge::domain::Quantity::parse(&text).unwrap()
}

/// What the till counted and every term, added up.
fn sum_of(explanation: &Value) -> tillbridge::domain::Quantity {
    let terms = explanation["terms"].as_array().unwrap().iter();
    terms.fold(units(&explanation["counted"]), |sum, term| match term["why"].as_str().unwrap() {
        "not-yet-deducted" | "buffer" | "shown-at-most" => sum - units(&term["units"]),
        "negative-count" | "shown-at-least" | "reserved" | "raised-to-zero" => sum + units(&term["units"]),
        other => panic!("{other}"),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_explain_accounts_for_every_unit_with_an_open_order() {
    let mut shop = Shop::in_business().await;
    let number = shop.open_order();
    let explained = shop.run(&["stock", "explain", "1001", "--format", "json"]).is(0);
    assert_eq!(explained.err, "");
    let explained = explained.json();
    assert_eq!((units(&explained["counted"]), units(&explained["sellable"])), (10.into(), 8.into()));
    assert_eq!(sum_of(&explained), units(&explained["write"]), "{explained:#}");
    assert_eq!(explained["export"], "first.csv");
    let text = shop.magento.with(|books| books.salable("1001"));
    assert_eq!(text, 8.into(), "and that is what the web store offers");
    let table = shop.run(&["stock", "explain", "1001"]).is(0).says(&[
        "the till's count, from first.csv of",
        &format!("order {number}: the till had not taken it out when it exported"),
        "(8 can be sold)",
        "Sent: ",
    ]);
    // The figures of the table add up to the one under the line.
    let figures = |line: &str| line.split_whitespace().next().and_then(|word| word.parse::<i64>().ok());
    let (above, below) = table.out.split_once("————————").unwrap();
    let total: i64 = above.lines().skip(1).filter_map(figures).sum();
    assert_eq!(Some(total), below.lines().find_map(figures), "{}", table.out);
    // A slash is a letter like any other; and what is not there is said to be not there.
    let slash = shop.run(&["stock", "explain", "A/B-7", "--format", "json"]).is(0).json();
    assert_eq!((sum_of(&slash), units(&slash["sellable"])), (units(&slash["write"]), 12.into()));
    shop.run(&["stock", "explain", "NOPE"]).is(4).says(&["NOPE is not in first.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_preview_shows_what_an_export_would_do_and_does_nothing() {
    let mut shop = Shop::in_business().await;
    let path = shop.folder.path().join("tomorrow.csv");
    let file = path.to_str().unwrap().to_owned();
    let whole = std::fs::read_to_string(shop.till.export.join("first.csv")).unwrap();
    std::fs::write(&path, whole.replace("1001,Teapot white,10", "1001,Teapot white,7")).unwrap();
    shop.run(&["stock", "preview", &file]).is(0).says(&["It would be used at once.", "1001", "7", "stay as they are"]);
    let preview = shop.run(&["stock", "preview", &file, "--format", "json"]).is(0).json();
    assert_eq!((&preview["gate"], preview["would_send"].as_array().unwrap().len()), (&"admit".into(), 1));
    assert_eq!(
        (&preview["would_send"][0]["sku"], units(&preview["would_send"][0]["write"])),
        (&"1001".into(), 7.into())
    );
    // One that shrinks would wait for a person, exactly as the gate will say.
    std::fs::write(&path, "SKU,Description,Qty\r\n1001,Teapot white,7\r\n1002,Teapot blue,6\r\n").unwrap();
    let preview = shop.run(&["stock", "preview", &file, "--format", "json"]).is(0).json();
    assert_eq!(preview["gate"], "hold", "{preview:#}");
    shop.run(&["stock", "preview", &file]).is(0).says(&["It would wait:", "only 2 items", "fall to zero at once"]);
    std::fs::write(&path, "nonsense").unwrap();
    shop.run(&["stock", "preview", &file]).is(6).says(&["cannot be believed", "column"]);
    shop.run(&["stock", "preview", "/nowhere/at/all.csv"]).is(4).says(&["/nowhere/at/all.csv"]);
    assert_eq!(shop.watch.ledger().unwrap().admitted_export().unwrap().unwrap().name, "first.csv");
    assert_eq!(shop.magento.with(|books| books.salable("1001")), 10.into());
    shop.run(&["stock", "approve"]).is(5).says(&["no export is held"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_means_one_export_and_is_recorded_with_who_and_when() {
    let mut shop = Shop::in_business().await;
    let few = "SKU,Description,Qty\r\n1001,Teapot white,7\r\n1002,Teapot blue,6\r\n";
    std::fs::write(shop.till.export.join("small.csv"), few).unwrap();
    shop.watch.wait_for_export("small.csv", false).unwrap();
    let held = |report: &Value| report["conditions"].as_array().unwrap().iter().any(|c| c["code"] == "export_held");
    let report = shop.run(&["status", "--format", "json"]).json();
    assert!(held(&report), "{report:#}");
    shop.run(&["status"]).is(3).says(&["tillbridge stock approve small.csv"]);
    shop.run(&["stock", "approve", "other.csv"])
        .is(4)
        .says(&["no held export is named other.csv", "small.csv (number 2,"]);
    let approved = shop.run(&["stock", "approve", "small.csv", "--format", "json"]).is(0).json();
    assert_eq!((&approved["name"], &approved["approved_by"]), (&"small.csv".into(), &"ann".into()));
    shop.watch.wait_for_export("small.csv", true).unwrap();
    shop.run(&["status"]).says(&["Export that counts small.csv", "approved by ann at"]);
    shop.run(&["stock", "explain", "1001"]).is(0).says(&["from small.csv", "The export was approved by ann at"]);
    shop.run(&["stock", "approve", "small.csv"]).is(5).says(&["no export is held"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn items_are_paired_and_taken_apart_beside_a_running_agent() {
    let mut shop = Shop::in_business().await;
    shop.run(&["items", "list"]).is(0).says(&["No pairs", "items import"]);
    shop.till.count("T-1", "Teapot white", 4.into());
    shop.till.export("second.csv").unwrap();
    shop.watch.wait_for_export("second.csv", true).unwrap();
    shop.watch.wait_until_sent().unwrap();
    shop.run(&["items", "list", "--unmapped"]).is(0).says(&[
        "Till codes that the web store lacks: 1",
        "T-1",
        "items add",
    ]);
    let unmapped = shop.run(&["items", "list", "--unmapped", "--format", "json"]).is(0).json();
    assert_eq!((&unmapped["till_count"], &unmapped["till"][0]["till_code"]), (&1.into(), &"T-1".into()));
    shop.run(&["items", "add", "1001", "T-1"]).is(0).says(&["The till's T-1 is now the web store's 1001."]);
    shop.watch.wait_until_sent().unwrap();
    assert_eq!(shop.magento.with(|books| books.salable("1001")), 4.into());
    for name in ["1001", "T-1"] {
        shop.run(&["stock", "explain", name])
            .is(0)
            .says(&["1001 (the till's T-1)", "the till's count, from second.csv"]);
    }
    let explained = shop.run(&["stock", "explain", "T-1", "--format", "json"]).is(0).json();
    assert_eq!((&explained["sku"], &explained["till_code"]), (&"1001".into(), &"T-1".into()));
    let pairs = shop.run(&["items", "list", "--format", "json"]).is(0).json();
    assert_eq!((&pairs["count"], &pairs["pairs"][0]["by"]), (&1.into(), &"ann".into()));
    // What cannot be is refused, and says what can.
    let refused = shop.run(&["items", "add", "1002", "T-1"]).is(5);
    refused.says(&["T-1 is already that of 1001", "sell the same piece twice", "tillbridge items remove 1001"]);
    shop.run(&["items", "remove", "T-1"]).is(4).says(&["no pair with the web SKU T-1", "the till code of 1001"]);
    shop.run(&["items", "remove", "1001"]).is(0).says(&["1001 has no till code of its own any more."]);
    shop.watch.wait_until_sent().unwrap();
    assert_eq!(shop.magento.with(|books| books.salable("1001")), 10.into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_pairs_is_taken_whole_or_not_at_all() {
    let mut shop = Shop::in_business().await;
    let path = shop.folder.path().join("pairs.csv");
    let file = path.to_str().unwrap().to_owned();
    let pairs = |shop: &mut Shop| shop.run(&["items", "list", "--format", "json"]).is(0).json()["count"].clone();
    std::fs::write(&path, "web_sku;till_code\n1001;T-1\n1002;\n1003;T-1\n1004;5,01E+12\n").unwrap();
    let wrong = shop.run(&["items", "import", &file]).is(6);
    assert_eq!(wrong.out, "");
    wrong.says(&[
        "3 wrong line(s), and nothing was changed",
        "line 3:",
        "line 4:",
        "1003: the till code T-1 is already that of 1001",
        "see line 2",
        "5,01E+12",
    ]);
    assert_eq!(pairs(&mut shop), 0);
    std::fs::write(&path, "name;till_code;web_sku\nTeapot;T-1;1001\nBlue;T-2;1002\n").unwrap();
    let tried = shop.run(&["items", "import", &file, "--dry-run"]).is(0);
    assert!(tried.err.contains("the column \"name\" is not used"), "{tried:?}");
    tried.says(&["T-1", "Would be: 2 new, 0 changed, 0 as before."]);
    assert_eq!(pairs(&mut shop), 0);
    shop.run(&["items", "import", &file, "--by", "bob"]).is(0).says(&["Done: 2 new, 0 changed, 0 as before."]);
    let again = shop.run(&["items", "import", &file, "--format", "json"]).is(0).json();
    assert_eq!((&again["new"], &again["same"], &again["dry_run"]), (&0.into(), &2.into(), &false.into()));
    shop.run(&["items", "list"]).is(0).says(&["1002", "T-2", "bob"]);
    // A code of an item that is not in the file is not taken away from it.
    std::fs::write(&path, "web_sku,till_code\n1003,T-3\n1004,T-2\n").unwrap();
    let refused = shop.run(&["items", "import", &file]).is(6);
    refused.says(&["line 3: 1004:", "that of 1002", "tillbridge items remove 1002"]);
    assert_eq!(pairs(&mut shop), 2);
    let replaced = shop.run(&["items", "import", &file, "--replace"]).is(0);
    replaced.says(&["1002", "Done: 2 new, 0 changed, 0 as before, 2 removed."]);
    shop.run(&["items", "import", "/nowhere/pairs.csv"]).is(4).says(&["/nowhere/pairs.csv"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn previews_of_orders_and_exports_speak_of_the_tills_codes() {
    let mut shop = Shop::in_business().await;
    shop.run(&["items", "add", "1001", "T-1"]).is(0);
    let number = shop.open_order();
    let preview = shop.run(&["orders", "preview", &number]).is(0);
    assert!(preview.out.contains("T-1") && !preview.out.contains("1001"), "{preview:?}");
    let path = shop.folder.path().join("tomorrow.csv");
    let whole = std::fs::read_to_string(shop.till.export.join("first.csv")).unwrap();
    std::fs::write(&path, format!("{whole}T-1,Teapot white,7\r\n")).unwrap();
    let file = path.to_str().unwrap();
    let preview = shop.run(&["stock", "preview", file, "--format", "json"]).is(0).json();
    let change = &preview["would_send"][0];
    assert_eq!((&change["sku"], &change["till_code"]), (&"1001".into(), &"T-1".into()), "{preview:#}");
    assert_eq!((units(&change["counted"]), units(&change["sellable"])), (7.into(), 5.into()));
    shop.run(&["stock", "preview", file]).is(0).says(&["T-1", "1 item(s) are not used", "(1001)"]);
    // An order under the old code is told where its units are missing.
    shop.run(&["items", "add", "1001", "T-2"]).is(0).says(&[
        "1001 went to the till as T-1 in 1 order(s), 0 of them taken",
        "tillbridge items add 1001 T-2 --booked",
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_agent_does_nothing_until_it_is_resumed() {
    let mut shop = Shop::in_business().await;
    shop.run(&["sync", "pause"]).is(0).says(&["nothing is lost", "sync resume"]);
    shop.run(&["status"]).is(0).says(&["is paused", "Paused by ann at"]);
    assert_eq!(shop.run(&["status", "--format", "json"]).is(0).json()["status"], "paused");
    shop.run(&["sync", "now"]).is(5).says(&["paused by ann", "sync resume"]);
    let number = shop.magento.place(&[("1001", 2)]).unwrap().increment_id;
    shop.run(&["sync", "resume"]).is(0).says(&["It was paused by ann"]);
    shop.run(&["sync", "resume"]).is(0).says(&["It was not paused"]);
    shop.run(&["sync", "now"]).is(0).says(&["Done. Still waiting to be sent:"]);
    shop.watch.wait("the order file", |ledger| Ok(ledger.waiting_for_till()?.len() == 1)).unwrap();
    let orders = shop.watch.ledger().unwrap().orders(&OrderFilter::default()).unwrap();
    assert_eq!(orders[0].order.number, number);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tries_everything_and_names_what_to_mend() {
    let mut shop = Shop::in_business().await;
    let good = shop.run(&["check"]).is(0).says(&["✓ configuration", "✓ ledger", "✓ the right to write stock"]);
    assert!(!good.out.contains('✗'), "{}", good.out);
    let lines = shop.run(&["check", "--format", "json"]).is(0).json();
    assert!(lines.as_array().unwrap().iter().all(|line| line["ok"] == true), "{lines:#}");
    shop.server.faults.set(Fault::Unauthorised, Count::UntilCleared);
    shop.run(&["check"]).is(3).says(&["✗", "answered 401", "standalone Bearer tokens"]);
    shop.server.faults.clear();
    std::fs::remove_dir_all(&shop.till.export).unwrap();
    let lines = shop.run(&["check", "--format", "json"]).is(3).json();
    let bad: Vec<_> = lines.as_array().unwrap().iter().filter(|line| line["ok"] == false).collect();
    assert_eq!(bad.len(), 1, "{lines:#}");
    assert!(bad[0]["found"].as_str().unwrap().contains(shop.till.export.to_str().unwrap()), "{bad:?}");
}

// ------------------------------------------------------------------------------------------------------------ secrets

fn files_under(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_under(&path, found) } else { found.push(path) }
    }
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// At the most talkative level, with refusals, a dead line and an order on the way.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_token_is_in_no_output_no_log_and_no_ledger_and_no_customer_is_in_a_log() {
    let mut shop = Shop::in_business().await;
    let number = shop.open_order();
    let seen = |code: &'static str| {
        move |ledger: &tillbridge::ledger::Ledger| {
            Ok(ledger.conditions()?.iter().any(|condition| condition.code == code))
        }
    };
    for (fault, code) in [(Fault::Unauthorised, "store_refuses"), (Fault::Offline, "store_unreachable")] {
        shop.server.faults.set(fault, Count::UntilCleared);
        shop.run(&["sync", "now"]);
        shop.watch.wait(code, seen(code)).unwrap();
        shop.run(&["check"]).is(3);
        shop.run(&["status"]);
        shop.run(&["status", "--format", "json"]);
        shop.server.faults.clear();
        shop.run(&["sync", "now"]);
        shop.watch.wait("its end", |ledger| Ok(!seen(code)(ledger)?)).unwrap();
    }
    shop.till_takes_all();
    shop.run(&["orders", "show", &number, "--format", "json"]);
    shop.run(&["stock", "explain", "1001", "--format", "json"]);
    shop.run(&["check", "--format", "json"]);
    assert_eq!(shop.stop(), 0);
    let token = shop.server.token.clone();
    for said in &shop.said {
        assert!(!said.out.contains(&token) && !said.err.contains(&token), "{said:?}");
    }
    let mut files = vec![shop.watch.log()];
    files_under(&shop.ledger_folder(), &mut files);
    files_under(&shop.till.import, &mut files);
    let logs = files.iter().filter(|path| path.to_str().unwrap().contains("log")).count();
    assert!(logs >= 2 && files.len() >= 5, "{files:?}");
    let customer = tillbridge::demo::magento::guest();
    let mut said_something = false;
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!holds(&bytes, &token), "{} holds the token", path.display());
        let name = path.to_str().unwrap();
        if name.ends_with(".log") {
            said_something |= holds(&bytes, &number) || holds(&bytes, "the agent is running");
            for private in [&customer.email, &customer.name, &customer.street] {
                assert!(!holds(&bytes, private), "{name} holds {private}");
            }
        }
    }
    assert!(said_something, "the logs were read");
}
