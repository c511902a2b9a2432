//! What proves that the till booked an order: every rule of evidence with everything that can happen to an order file, run
//! with the whole agent between a simulated till and a simulated store.
//!
//! Each cell says how far the order is, what is noted as evidence, what the gate makes of an export at that moment, and
//! what the store sells then: never more than there is, except where a rule cannot tell, and then what mends it.

#![allow(clippy::disallowed_methods, reason = "a test may play the till, a person and the network")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

mod shop;

use std::path::PathBuf;

use shop::TestShop;
use tillbridge::config::Config;
use tillbridge::demo::magento::{Mode, Placed};
use tillbridge::demo::till::{AfterImport, AfterRefusal, Habits};
use tillbridge::domain::{OrderState, Quantity};
use tillbridge::epos::evidence_settings::{AnswerFile, GoneProves, ReportFiles};
use tillbridge::ledger::conditions::Severity;
use tillbridge::ledger::declarations::Word;
use tillbridge::ledger::exports::ExportState;
use tillbridge::ledger::files::FileShown;
use tillbridge::ports::Epos;

/// What a rule takes for proof when the till takes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// That the file has gone.
    Gone,
    /// Nothing but a person's word.
    Person,
    /// Where the file is now.
    Place(&'static str),
    /// The till's word about the order.
    Word,
}

/// A rule of evidence, with a till of that kind.
struct Rule {
    proof: Proof,
    is_batch: bool,
    configure: fn(&mut Config),
    habits: fn() -> Habits,
}

const BOOKED: &str = "Order {number} imported";
const REFUSED: &str = "Order {number} has failed";
const PARTLY: &str = "Order {number} imported, but";

fn report(config: &mut Config) {
    let folder = config.epos.import_folder.with_file_name("log");
    let [booked, refused, partly] = [BOOKED, REFUSED, PARTLY].map(|text| vec![text.to_owned()]);
    let files = vec!["import*.log".to_owned()];
    let encoding = Default::default();
    config.epos.evidence.report = Some(ReportFiles { folder, files, encoding, booked, refused, partly });
}

fn answer(config: &mut Config) {
    let [booked, refused, partly] = [BOOKED, REFUSED, PARTLY].map(|text| vec![text.to_owned()]);
    let name = "{stem}.rsp".to_owned();
    let encoding = Default::default();
    config.epos.evidence.answer_file = Some(AnswerFile { name, folder: None, encoding, booked, refused, partly });
}

fn logging() -> Habits {
    Habits { log: true, after_refusal: AfterRefusal::AsImported, ..Habits::default() }
}

fn gone_enough() -> Rule {
    Rule { proof: Proof::Gone, is_batch: false, configure: |_| {}, habits: Habits::default }
}

fn gone_unproved() -> Rule {
    let configure = |config: &mut Config| config.epos.evidence.gone = Some(GoneProves::Unproved);
    Rule { proof: Proof::Person, is_batch: false, configure, habits: Habits::default }
}

fn moved_to() -> Rule {
    let configure =
        |config: &mut Config| config.epos.done_folder = Some(config.epos.import_folder.with_file_name("done"));
    let habits = || Habits { after_import: AfterImport::MoveToDone, ..Habits::default() };
    Rule { proof: Proof::Place("moved to the done folder"), is_batch: false, configure, habits }
}

fn renamed_to() -> Rule {
    let configure = |config: &mut Config| {
        config.epos.evidence.renamed_to = vec!["{name}.bak".into()];
        config.epos.evidence.renamed_rejected = vec!["{name}.err".into()];
    };
    let habits = || Habits {
        after_import: AfterImport::Rename(".bak"),
        after_refusal: AfterRefusal::Rename(".err"),
        ..Habits::default()
    };
    Rule { proof: Proof::Place("renamed to order_"), is_batch: false, configure, habits }
}

fn answer_file() -> Rule {
    let habits = || Habits { answers: true, after_refusal: AfterRefusal::AsImported, ..Habits::default() };
    Rule { proof: Proof::Word, is_batch: false, configure: answer, habits }
}

fn report_or_log() -> Rule {
    Rule { proof: Proof::Word, is_batch: false, configure: report, habits: logging }
}

fn batch_and_report() -> Rule {
    Rule { proof: Proof::Word, is_batch: true, configure: report, habits: logging }
}

/// Orders as they come, in files with running numbers.
const BATCH: &str = r#"
    name = "orders_{sequence:6}.csv"
    batch = { most_orders = 10 }
    columns = [ { name = "OrderNo", value = "order.number" }, { name = "SKU", value = "line.sku" },
                { name = "Qty", value = "line.quantity" } ]
"#;

/// A shop in business with an order in the till's import folder; in a batch a second one beside it in the same file.
struct Cell {
    shop: TestShop,
    proof: Proof,
    /// The order that the case is about.
    order: Placed,
    /// The other one in its file.
    other: Option<Placed>,
    file: String,
}

/// Units of each item at the start, and of all web orders.
const ITEMS: [(&str, i64, i64, i64); 2] = [("1001", 10, 2, 1), ("1003", 48, 1, 0)];

impl Cell {
    async fn open(rule: Rule) -> Self {
        let mut shop = TestShop::open(Mode::Msi).await;
        shop.till.habits = (rule.habits)();
        shop.configure(rule.configure);
        if rule.is_batch {
            shop.write_orders_as(BATCH);
        }
        shop.go_into_business().await;
        shop.pass_time(1);
        let order = shop.magento.place(&[("1001", 2), ("1003", 1)]).unwrap();
        let other = rule.is_batch.then(|| shop.place("1001", 1));
        shop.pull().await;
        let mut cell = Self { shop, proof: rule.proof, order, other, file: String::new() };
        cell.shop.write_orders();
        let waiting = cell.shop.till.waiting().unwrap();
        assert_eq!(waiting.len(), 1, "{waiting:?}");
        cell.file = waiting[0].clone();
        cell
    }

    fn both(&self) -> Vec<&Placed> {
        std::iter::once(&self.order).chain(&self.other).collect()
    }

    fn state(&self, order: &Placed) -> OrderState {
        self.shop.ledger().order(&order.increment_id).unwrap().unwrap().state
    }

    /// The newest file of an order.
    fn file_of(&self, order: &Placed) -> FileShown {
        let found = self.shop.ledger().order(&order.increment_id).unwrap().unwrap();
        self.shop.ledger().files_of(&found.order.id).unwrap().pop().unwrap()
    }

    /// The state of an order and of its newest file, and the beginning of its evidence.
    #[track_caller]
    fn is(&self, order: &Placed, state: OrderState, file_state: &str, evidence: &str) {
        let file = self.file_of(order);
        let found = file.evidence.clone().unwrap_or_default();
        assert_eq!((self.state(order), file.state.as_str()), (state, file_state), "{found}");
        assert!(found.starts_with(evidence), "{found:?} is not {evidence:?}");
    }

    #[track_caller]
    fn waits(&self) {
        for order in self.both() {
            self.is(order, OrderState::Published, "visible", "");
        }
    }

    /// What the rule believes of an order that the till has booked (or that it takes for booked).
    #[track_caller]
    fn is_believed_booked(&self, order: &Placed) {
        match self.proof {
            Proof::Gone => self.is(order, OrderState::Consumed, "taken", "gone from the import folder"),
            Proof::Place(place) => self.is(order, OrderState::Consumed, "taken", place),
            Proof::Word => self.is(order, OrderState::Consumed, "taken", "the till says so in "),
            Proof::Person => self.is_unproved(order),
        }
    }

    #[track_caller]
    fn is_unproved(&self, order: &Placed) {
        self.is(order, OrderState::TakenUnproved, "left", "gone from the import folder; nothing proves");
    }

    fn declare(&self, order: &Placed, word: Word) {
        self.shop.ledger().declare_order(&order.increment_id, word, "ann", self.shop.clock_now()).unwrap();
        self.shop.write_orders();
        // What is lost is written at the next turn.
        self.shop.write_orders();
    }

    /// Where only a person's word counts, a person says so.
    fn person_confirms(&self) {
        for order in self.both().into_iter().filter(|_| self.proof == Proof::Person) {
            self.declare(order, Word::Consumed);
            self.is(order, OrderState::Consumed, "taken", "declared consumed by ann");
        }
    }

    /// The till exports, and what the gate admits is sent.
    async fn export(&mut self, name: &str) -> ExportState {
        self.shop.pass_time(120);
        self.shop.export_and_look(name);
        // While a folder is not there it counts as a share, and exports have to stand still for longer.
        for _ in 0..5 {
            self.shop.look();
        }
        assert_eq!(self.shop.ledger().last_export().unwrap().unwrap().name, name);
        self.shop.deliver().await;
        self.shop.last_export()
    }

    /// An export at this moment waits, because of this order; half an hour later it is used with it subtracted.
    async fn gate_holds(&mut self, order: &str, name: &str) {
        assert_eq!(self.export(name).await, ExportState::Held);
        let why = self.shop.condition_text("export_held");
        assert!(why.contains(order), "{why}");
        self.never_oversells();
        self.shop.pass_time(31 * 60);
        self.shop.look();
        self.shop.deliver().await;
        assert_eq!(self.shop.last_export(), ExportState::Admitted);
        let why = self.shop.condition_text("admitted_unproved");
        assert!(why.contains(order), "{why}");
        self.never_oversells();
    }

    /// An export at this moment is used at once, and the store then sells exactly what there is.
    async fn gate_admits_the_truth(&mut self, name: &str) {
        assert_eq!(self.export(name).await, ExportState::Admitted);
        assert!(!self.shop.conditions().contains(&"admitted_unproved".to_owned()));
        for (sku, truth) in self.truth() {
            assert_eq!(self.shop.sellable(sku), truth, "{sku}");
        }
    }

    /// What is left of each item when all web orders are served.
    fn truth(&self) -> [(&'static str, Quantity); 2] {
        let other = i64::from(self.other.is_some());
        ITEMS.map(|(sku, start, ordered, by_other)| (sku, (start - ordered - by_other * other).into()))
    }

    #[track_caller]
    fn never_oversells(&self) {
        for (sku, truth) in self.truth() {
            assert!(self.shop.sellable(sku) <= truth, "{sku}: {} of {truth}", self.shop.sellable(sku));
        }
    }

    fn has(&self, code: &str) -> bool {
        self.shop.conditions().contains(&code.to_owned())
    }

    fn booked(&self, order: &Placed) -> u32 {
        self.shop.till.imported().get(&order.increment_id).copied().unwrap_or(0)
    }

    fn path(&self) -> PathBuf {
        self.shop.till.import.join(&self.file)
    }

    /// A folder that the rule needs, besides the import folder.
    fn other_folder(&self) -> PathBuf {
        let epos = &self.shop.config.epos;
        let report = epos.evidence.report.as_ref().map(|report| report.folder.clone());
        report.or(epos.done_folder.clone()).or(epos.rejects_folder.clone()).unwrap()
    }
}

// ---------------------------------------------------------------------------------------------------------- cases

async fn taken(rule: Rule) {
    let mut cell = Cell::open(rule).await;
    cell.shop.till_takes_all();
    for order in cell.both() {
        cell.is_believed_booked(order);
        assert_eq!(cell.booked(order), 1);
    }
    if cell.proof == Proof::Person {
        let number = cell.order.increment_id.clone();
        let now = cell.shop.clock_now();
        let shown = tillbridge::health::report(cell.shop.ledger(), "till", None, true, now).unwrap().taken_unproved;
        assert_eq!(shown.iter().map(|one| one.number.as_str()).collect::<Vec<_>>(), [&number], "shown at once");
        cell.gate_holds(&number, "unproved.csv").await;
        cell.shop.write_orders();
        assert!(cell.shop.condition_text("order_taken_unproved").contains("declare"));
    }
    cell.person_confirms();
    cell.gate_admits_the_truth("after.csv").await;
    cell.shop.write_orders();
    assert!(!cell.has("order_taken_unproved"));
}

async fn rejected(rule: Rule) {
    let mut cell = Cell::open(rule).await;
    cell.shop.till.habits.refused.insert(cell.order.increment_id.clone());
    cell.shop.till_takes_all();
    let evidence = match (cell.proof, &cell.shop.config.epos.evidence.renamed_rejected[..]) {
        (Proof::Word, _) => "the till says so in ",
        (_, [_]) => "renamed to order_",
        _ => "found in the rejects folder",
    };
    cell.is(&cell.order, OrderState::Rejected, "rejected", evidence);
    cell.other.iter().for_each(|other| cell.is_believed_booked(other));
    assert!(cell.shop.condition_text("order_rejected").contains(&cell.order.increment_id));
    assert!(!cell.path().exists());
    // Nothing waits for the till, so that nothing is held; the refused order is subtracted.
    cell.gate_admits_the_truth("refused.csv").await;
    // Staff book it by hand.
    cell.shop.till.sell("1001", 2.into());
    cell.shop.till.sell("1003", 1.into());
    cell.declare(&cell.order, Word::Consumed);
    cell.is(&cell.order, OrderState::Consumed, "taken", "declared consumed by ann");
    cell.gate_admits_the_truth("by_hand.csv").await;
    cell.shop.look_at_orders();
    assert!(cell.state(&cell.order) != OrderState::Rejected, "a person's word is the last one");
}

async fn partly_booked(rule: Rule) {
    let mut cell = Cell::open(rule).await;
    cell.shop.till.habits.in_part.insert(cell.order.increment_id.clone());
    cell.shop.till_takes_all();
    let number = cell.order.increment_id.clone();
    cell.other.iter().for_each(|other| cell.is_believed_booked(other));
    match cell.proof {
        // The file's fate says nothing about its lines: the order is believed, and the cup that the till did not book
        // is offered although it is sold. A person who sees that says so.
        Proof::Gone | Proof::Place(_) => {
            cell.is_believed_booked(&cell.order);
            assert_eq!(cell.export("believed.csv").await, ExportState::Admitted);
            assert_eq!((cell.shop.sellable("1001"), cell.shop.sellable("1003")), (8.into(), 48.into()));
            cell.declare(&cell.order, Word::Lost);
            cell.is(&cell.order, OrderState::Published, "visible", "");
            cell.shop.deliver().await;
            cell.never_oversells();
            cell.gate_holds(&number, "mended.csv").await;
        }
        Proof::Person | Proof::Word => {
            if cell.proof == Proof::Word {
                cell.is(&cell.order, OrderState::TakenUnproved, "left", "booked in part, as the till says in ");
                assert!(cell.shop.condition_text("order_partly_booked").contains(&number), "at once");
            } else {
                cell.is_unproved(&cell.order);
            }
            cell.gate_holds(&number, "in_part.csv").await;
            cell.shop.till.sell("1003", 1.into()); // booked by hand
            cell.declare(&cell.order, Word::Consumed);
            assert!(!cell.has("order_partly_booked"));
            cell.gate_admits_the_truth("by_hand.csv").await;
        }
    }
}

async fn deleted_by_hand(rule: Rule) {
    let mut cell = Cell::open(rule).await;
    std::fs::remove_file(cell.path()).unwrap();
    cell.shop.look_at_orders();
    let number = cell.order.increment_id.clone();
    if cell.proof == Proof::Gone {
        // Gone is gone: the order is believed, and what the till never booked is offered although it is sold.
        cell.is_believed_booked(&cell.order);
        assert_eq!(cell.export("believed.csv").await, ExportState::Admitted);
        assert_eq!(cell.shop.sellable("1001"), 10.into());
    } else {
        cell.both().into_iter().for_each(|order| cell.is_unproved(order));
        cell.gate_holds(&number, "unproved.csv").await;
        cell.shop.write_orders();
        assert!(cell.shop.condition_text("order_taken_unproved").contains("lost"));
    }
    for order in cell.both() {
        cell.declare(order, Word::Lost);
        cell.is(order, OrderState::Published, "visible", "");
        assert_ne!(cell.file_of(order).name, cell.file, "it is written again under another name");
    }
    cell.shop.deliver().await;
    cell.never_oversells();
    cell.shop.till_takes_all();
    cell.person_confirms();
    cell.gate_admits_the_truth("written_again.csv").await;
    cell.both().into_iter().for_each(|order| assert_eq!(cell.booked(order), 1));
}

async fn came_back(rule: Rule) {
    let mut cell = Cell::open(rule).await;
    let bytes = std::fs::read(cell.path()).unwrap();
    cell.shop.till_takes_all();
    cell.both().into_iter().for_each(|order| cell.is_believed_booked(order));
    cell.shop.pass_time(3600);
    std::fs::write(cell.path(), bytes).unwrap();
    cell.shop.write_orders();
    let number = cell.order.increment_id.clone();
    assert!(cell.shop.condition_text("order_file_came_back").contains(&number));
    match cell.proof {
        // It may never have been booked: it counts as not deducted, and a person decides.
        Proof::Gone | Proof::Person => {
            cell.is(&cell.order, OrderState::Published, "visible", "the file came back");
            cell.gate_holds(&number, "came_back.csv").await;
            cell.declare(&cell.order, Word::Consumed);
            cell.is(&cell.order, OrderState::Consumed, "taken", "declared consumed by ann");
        }
        // The till has booked it: the file would double it.
        Proof::Place(_) | Proof::Word => {
            cell.is_believed_booked(&cell.order);
            assert!(
                cell.file_of(&cell.order)
                    .evidence
                    .unwrap()
                    .ends_with("was taken away, so that the till does not book it twice")
            );
        }
    }
    assert!(!cell.path().exists());
    cell.shop.till_takes_all();
    cell.gate_admits_the_truth("after.csv").await;
    cell.both().into_iter().for_each(|order| assert_eq!(cell.booked(order), 1));
    if cell.proof != Proof::Gone && cell.proof != Proof::Person {
        assert!(cell.has("order_file_came_back"));
        cell.shop.pass_time(7 * 86_400);
        cell.shop.write_orders();
    }
    assert!(!cell.has("order_file_came_back"));
}

async fn share_lost(rule: Rule) {
    let mut cell = Cell::open(rule).await;
    let (import, away) = (cell.shop.till.import.clone(), cell.shop.folder.path().join("unplugged"));
    std::fs::rename(&import, &away).unwrap();
    cell.shop.look_at_orders();
    cell.waits();
    assert!(cell.has("import_folder"));
    std::fs::create_dir(&import).unwrap();
    cell.shop.look_at_orders();
    cell.waits();
    assert!(cell.has("import_folder"), "an empty folder in its place");
    let number = cell.order.increment_id.clone();
    cell.gate_holds(&number, "unplugged.csv").await;
    std::fs::remove_dir(&import).unwrap();
    std::fs::rename(&away, &import).unwrap();
    cell.shop.look_at_orders();
    cell.waits();
    assert!(!cell.has("import_folder"));
    cell.shop.till_takes_all();
    cell.both().into_iter().for_each(|order| cell.is_believed_booked(order));
    cell.person_confirms();
    cell.gate_admits_the_truth("after.csv").await;
}

async fn listing_failing(rule: Rule) {
    let mut cell = Cell::open(rule).await;
    let (folder, away) = (cell.other_folder(), cell.shop.folder.path().join("unplugged"));
    if matches!(cell.proof, Proof::Gone | Proof::Person) {
        cell.shop.till.import_all().unwrap();
        cell.shop.pass_time(5);
        cell.shop.write_orders();
    }
    std::fs::rename(&folder, &away).unwrap();
    if !matches!(cell.proof, Proof::Gone | Proof::Person) {
        // It takes the file, and cannot put it where it belongs.
        std::fs::rename(&away, &folder).unwrap();
        cell.shop.till.import_all().unwrap();
        std::fs::rename(&folder, &away).unwrap();
    }
    cell.shop.look_at_orders();
    cell.waits();
    assert!(cell.has("import_folder"));
    let number = cell.order.increment_id.clone();
    cell.gate_holds(&number, "unknown.csv").await;
    std::fs::rename(&away, &folder).unwrap();
    if matches!(cell.proof, Proof::Gone | Proof::Person) {
        cell.shop.write_orders();
        cell.waits(); // The look before the failed ones and this one are not two in a row.
    }
    cell.shop.look_at_orders();
    cell.both().into_iter().for_each(|order| cell.is_believed_booked(order));
    assert!(!cell.has("import_folder"));
    cell.person_confirms();
    cell.gate_admits_the_truth("after.csv").await;
}

async fn slow_by_a_day(rule: Rule) {
    let mut cell = Cell::open(rule).await;
    cell.shop.pass_time(31 * 60);
    cell.shop.look_at_orders();
    cell.waits();
    let number = cell.order.increment_id.clone();
    assert!(cell.shop.condition_text("order_not_taken").contains(&number));
    cell.gate_holds(&number, "slow.csv").await;
    for (sku, truth) in cell.truth() {
        assert_eq!(cell.shop.sellable(sku), truth, "{sku}: nothing of it is deducted by the till, all of it by us");
    }
    cell.shop.pass_time(86_400);
    cell.shop.look_at_orders();
    cell.waits();
    let conditions = cell.shop.ledger().conditions().unwrap();
    let is_alarm = |code: &str| conditions.iter().any(|one| one.code == code && one.severity == Severity::Error);
    assert!(is_alarm("order_not_taken"));
    cell.shop.till_takes_all();
    cell.both().into_iter().for_each(|order| cell.is_believed_booked(order));
    cell.person_confirms();
    cell.gate_admits_the_truth("after.csv").await;
    assert!(!cell.has("order_not_taken"));
}

macro_rules! matrix {
    ($($name:ident: $rule:ident, $case:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            $case($rule()).await;
        })*
    };
}

matrix! {
    evidence_gone_enough_and_taken: gone_enough, taken;
    evidence_gone_enough_and_rejected: gone_enough, rejected;
    evidence_gone_enough_and_partly_booked: gone_enough, partly_booked;
    evidence_gone_enough_and_deleted_by_hand: gone_enough, deleted_by_hand;
    evidence_gone_enough_and_came_back: gone_enough, came_back;
    evidence_gone_enough_and_share_lost: gone_enough, share_lost;
    evidence_gone_enough_and_listing_failing: gone_enough, listing_failing;
    evidence_gone_enough_and_till_slow_by_a_day: gone_enough, slow_by_a_day;

    evidence_gone_unproved_and_taken: gone_unproved, taken;
    evidence_gone_unproved_and_rejected: gone_unproved, rejected;
    evidence_gone_unproved_and_partly_booked: gone_unproved, partly_booked;
    evidence_gone_unproved_and_deleted_by_hand: gone_unproved, deleted_by_hand;
    evidence_gone_unproved_and_came_back: gone_unproved, came_back;
    evidence_gone_unproved_and_share_lost: gone_unproved, share_lost;
    evidence_gone_unproved_and_listing_failing: gone_unproved, listing_failing;
    evidence_gone_unproved_and_till_slow_by_a_day: gone_unproved, slow_by_a_day;

    evidence_moved_to_and_taken: moved_to, taken;
    evidence_moved_to_and_rejected: moved_to, rejected;
    evidence_moved_to_and_partly_booked: moved_to, partly_booked;
    evidence_moved_to_and_deleted_by_hand: moved_to, deleted_by_hand;
    evidence_moved_to_and_came_back: moved_to, came_back;
    evidence_moved_to_and_share_lost: moved_to, share_lost;
    evidence_moved_to_and_listing_failing: moved_to, listing_failing;
    evidence_moved_to_and_till_slow_by_a_day: moved_to, slow_by_a_day;

    evidence_renamed_to_and_taken: renamed_to, taken;
    evidence_renamed_to_and_rejected: renamed_to, rejected;
    evidence_renamed_to_and_partly_booked: renamed_to, partly_booked;
    evidence_renamed_to_and_deleted_by_hand: renamed_to, deleted_by_hand;
    evidence_renamed_to_and_came_back: renamed_to, came_back;
    evidence_renamed_to_and_share_lost: renamed_to, share_lost;
    evidence_renamed_to_and_listing_failing: renamed_to, listing_failing;
    evidence_renamed_to_and_till_slow_by_a_day: renamed_to, slow_by_a_day;

    evidence_answer_file_and_taken: answer_file, taken;
    evidence_answer_file_and_rejected: answer_file, rejected;
    evidence_answer_file_and_partly_booked: answer_file, partly_booked;
    evidence_answer_file_and_deleted_by_hand: answer_file, deleted_by_hand;
    evidence_answer_file_and_came_back: answer_file, came_back;
    evidence_answer_file_and_share_lost: answer_file, share_lost;
    evidence_answer_file_and_listing_failing: answer_file, listing_failing;
    evidence_answer_file_and_till_slow_by_a_day: answer_file, slow_by_a_day;

    evidence_report_and_taken: report_or_log, taken;
    evidence_report_and_rejected: report_or_log, rejected;
    evidence_report_and_partly_booked: report_or_log, partly_booked;
    evidence_report_and_deleted_by_hand: report_or_log, deleted_by_hand;
    evidence_report_and_came_back: report_or_log, came_back;
    evidence_report_and_share_lost: report_or_log, share_lost;
    evidence_report_and_listing_failing: report_or_log, listing_failing;
    evidence_report_and_till_slow_by_a_day: report_or_log, slow_by_a_day;

    evidence_batch_and_report_and_taken: batch_and_report, taken;
    evidence_batch_and_report_and_rejected: batch_and_report, rejected;
    evidence_batch_and_report_and_partly_booked: batch_and_report, partly_booked;
    evidence_batch_and_report_and_deleted_by_hand: batch_and_report, deleted_by_hand;
    evidence_batch_and_report_and_came_back: batch_and_report, came_back;
    evidence_batch_and_report_and_share_lost: batch_and_report, share_lost;
    evidence_batch_and_report_and_listing_failing: batch_and_report, listing_failing;
    evidence_batch_and_report_and_till_slow_by_a_day: batch_and_report, slow_by_a_day;
}

// ------------------------------------------------------------------------------------------- beside the matrix

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_words_written_before_the_file_was_planned_is_about_another_file() {
    let mut cell = Cell::open(report_or_log()).await;
    cell.shop.till_takes_all();
    cell.is_believed_booked(&cell.order);
    // The till lost it after all, and a person has it written again: the old word says nothing about the new file.
    let number = cell.order.increment_id.clone();
    let refused = cell.shop.ledger().declare_order(&number, Word::Lost, "ann", cell.shop.clock_now());
    assert!(refused.unwrap_err().to_string().contains("--again"), "its own word is stronger than a person's");
    cell.shop.ledger().ask_for_order(&number, true, "ann", cell.shop.clock_now()).unwrap();
    cell.shop.write_orders();
    cell.shop.look_at_orders();
    cell.waits();
    cell.shop.die_and_restart();
    cell.shop.look_at_orders();
    cell.waits();
    cell.shop.till_takes_all();
    cell.is_believed_booked(&cell.order);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_came_while_the_agent_was_dead_is_found_by_the_next_one() {
    let mut cell = Cell::open(report_or_log()).await;
    cell.shop.stop();
    cell.shop.till.import_all().unwrap();
    cell.shop.restart();
    cell.shop.write_orders();
    cell.is_believed_booked(&cell.order);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_a_till_that_leaves_its_files_is_its_word_and_the_file_stays() {
    let mut cell = Cell::open(report_or_log()).await;
    cell.shop.till.habits.after_import = AfterImport::Leave;
    cell.shop.till_takes_all();
    cell.is_believed_booked(&cell.order);
    cell.shop.look_at_orders();
    assert!(cell.path().exists() && !cell.has("order_file_came_back"), "it never left");
    cell.gate_admits_the_truth("after.csv").await;
    // Someone tidies up, and then the file lies there again: that would be a second time.
    let bytes = std::fs::read(cell.path()).unwrap();
    std::fs::remove_file(cell.path()).unwrap();
    cell.shop.look_at_orders();
    std::fs::write(cell.path(), bytes).unwrap();
    cell.shop.look_at_orders();
    assert!(!cell.path().exists() && cell.has("order_file_came_back"));
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_a_refusal_beside_a_file_that_stays_takes_it_away_from_the_till() {
    let mut cell = Cell::open(report_or_log()).await;
    cell.shop.till.habits.after_import = AfterImport::Leave;
    cell.shop.till.habits.refused.insert(cell.order.increment_id.clone());
    cell.shop.till_takes_all();
    cell.is(&cell.order, OrderState::Rejected, "rejected", "the till says so in ");
    assert!(!cell.path().exists(), "it could be booked later, beside what is written again");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_comes_later_counts_a_refusal_as_well_as_a_second_try_that_went_well() {
    let mut cell = Cell::open(report_or_log()).await;
    let number = cell.order.increment_id.clone();
    let say = |cell: &Cell, what: &str| {
        let log = cell.shop.till.log.join("import.log");
        let old = std::fs::read_to_string(&log).unwrap_or_default();
        std::fs::write(log, format!("{old}Order {number} {what}\r\n")).unwrap();
        cell.shop.look_at_orders();
    };
    cell.shop.till_takes_all();
    say(&cell, "has failed: posted to a closed period");
    cell.is(&cell.order, OrderState::Rejected, "rejected", "the till says so in ");
    assert_eq!(cell.export("refused.csv").await, ExportState::Admitted);
    cell.never_oversells();
    say(&cell, "imported");
    cell.is(&cell.order, OrderState::Consumed, "taken", "the till says so in ");
    say(&cell, "imported, but without its discount");
    cell.is(&cell.order, OrderState::TakenUnproved, "left", "booked in part");
    say(&cell, "imported");
    cell.gate_admits_the_truth("after.csv").await;
    // A day later the till's words about it are no news any more.
    cell.shop.pass_time(25 * 3600);
    say(&cell, "has failed: what was this?");
    assert_eq!(cell.file_of(&cell.order).state, "taken");
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_a_file_in_the_rejects_folder_counts_also_when_it_comes_later() {
    for rule in [gone_enough(), moved_to()] {
        let mut cell = Cell::open(rule).await;
        cell.shop.till_takes_all();
        cell.is_believed_booked(&cell.order);
        std::fs::write(cell.shop.till.rejects.join(format!("{}.err", cell.file)), "").unwrap();
        cell.shop.look_at_orders();
        cell.is(&cell.order, OrderState::Rejected, "rejected", "found in the rejects folder");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_by_a_persons_word_takes_a_waiting_file_away_and_never_calls_it_lost() {
    let mut cell = Cell::open(gone_enough()).await;
    let number = cell.order.increment_id.clone();
    cell.declare(&cell.order, Word::Lost);
    cell.waits();
    let told = cell.shop.condition_text("declaration_refused");
    assert!(told.contains(&number) && told.contains("still waits") && told.contains("ann"), "{told}");
    assert!(cell.path().exists());
    cell.declare(&cell.order, Word::Consumed);
    cell.is(&cell.order, OrderState::Consumed, "taken", "declared consumed by ann");
    assert!(!cell.path().exists() && !cell.has("declaration_refused"));
    let found = cell.shop.ledger().order(&number).unwrap().unwrap();
    let history = cell.shop.ledger().order_history(&found.order.id).unwrap();
    let by_ann: Vec<&str> = history.iter().filter(|one| one.by == "ann").map(|one| one.what.as_str()).collect();
    assert_eq!(by_ann, ["declared lost", "declared consumed", "consumed"]);
    let again = cell.shop.ledger().declare_order(&number, Word::Consumed, "ann", cell.shop.clock_now());
    assert!(again.unwrap_err().to_string().contains("already"));
    // She was wrong, and says so.
    cell.declare(&cell.order, Word::Lost);
    cell.waits();
    assert_eq!(cell.shop.till_takes_all(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_by_a_persons_word_about_one_order_of_a_batch_has_the_others_written_anew() {
    let mut cell = Cell::open(batch_and_report()).await;
    let other = cell.other.clone().unwrap();
    cell.declare(&cell.order, Word::Consumed);
    cell.is(&cell.order, OrderState::Consumed, "taken", "declared consumed by ann");
    cell.is(&other, OrderState::Published, "visible", "");
    assert!(!cell.path().exists());
    cell.shop.till_takes_all();
    assert_eq!((cell.booked(&cell.order), cell.booked(&other)), (0, 1));
    cell.is_believed_booked(&other);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_was_lost_and_shows_up_again_beside_its_second_file_is_taken_away() {
    let mut cell = Cell::open(gone_enough()).await;
    let bytes = std::fs::read(cell.path()).unwrap();
    std::fs::remove_file(cell.path()).unwrap();
    cell.shop.look_at_orders();
    cell.declare(&cell.order, Word::Lost);
    std::fs::write(cell.path(), bytes).unwrap();
    cell.shop.write_orders();
    assert!(!cell.path().exists() && cell.has("order_file_came_back"));
    cell.shop.till_takes_all();
    assert_eq!(cell.booked(&cell.order), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_is_asked_of_a_person_only_about_orders_that_the_till_can_have_seen() {
    let shop = TestShop::in_business(Mode::Msi).await;
    let order = shop.place("1001", 1);
    shop.pull().await;
    let refused = |word| {
        let declared = shop.ledger().declare_order(&order.increment_id, word, "ann", shop.clock_now());
        declared.unwrap_err().to_string()
    };
    for word in [Word::Consumed, Word::Lost] {
        assert!(refused(word).contains("nothing to declare"), "{}", refused(word));
    }
    assert!(shop.ledger().declare_order("nowhere", Word::Lost, "ann", shop.clock_now()).is_err());
    assert!(shop.ledger().declarations().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_is_missing_forbids_writing_an_order_again_without_saying_so() {
    let cell = Cell::open(gone_unproved()).await;
    std::fs::remove_file(cell.path()).unwrap();
    cell.shop.look_at_orders();
    let number = cell.order.increment_id.clone();
    let refused = cell.shop.ledger().ask_for_order(&number, false, "ann", cell.shop.clock_now()).unwrap_err();
    assert!(refused.to_string().contains("declare"), "{refused}");
    cell.shop.ledger().ask_for_order(&number, true, "ann", cell.shop.clock_now()).unwrap();
    cell.shop.look_at_orders();
    cell.waits();
    // The older file, of which nobody knows, holds no export any more; and it must not come back beside the new one.
    assert_eq!(cell.shop.ledger().unproved_orders().unwrap().len(), 0);
    std::fs::write(cell.path(), "the older file").unwrap();
    cell.shop.write_orders();
    assert!(!cell.path().exists() && cell.has("order_file_came_back"));
    assert_eq!(cell.shop.till.waiting().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_an_earlier_withdrawal_is_not_taken_for_one_of_the_file_that_came_back() {
    let cell = Cell::open(gone_enough()).await;
    let bytes = std::fs::read(cell.path()).unwrap();
    // It is taken away on a person's word, put back, and taken away again: that leaves its trace in staging. Then it is
    // put back once more, and the till is faster.
    cell.declare(&cell.order, Word::Consumed);
    std::fs::write(cell.path(), &bytes).unwrap();
    cell.shop.write_orders();
    assert!(!cell.path().exists(), "taken away again");
    let staging = cell.shop.till.import.join(".tillbridge");
    let trace = staging.join(format!("{}.withdrawn", cell.file));
    assert!(trace.exists());
    std::fs::write(cell.path(), &bytes).unwrap();
    let now = cell.shop.clock_now();
    let awaited = tillbridge::ports::Awaited { names: cell.file.as_str().into(), ..Default::default() };
    cell.shop.agent().epos.look_at_orders(std::slice::from_ref(&awaited), now).unwrap();
    std::fs::remove_file(cell.path()).unwrap();
    let outcome = cell.shop.agent().epos.withdraw(&awaited.names).unwrap();
    assert_eq!(outcome, tillbridge::ports::Withdrawal::Gone);
}

/// A hundred thousand orders that are done with, of which none ended in the last week, cost the sweeps nothing.
#[tokio::test(flavor = "multi_thread")]
async fn evidence_of_orders_that_are_done_with_is_not_read_again() {
    let mut cell = Cell::open(gone_enough()).await;
    cell.shop.till_takes_all();
    assert_eq!(cell.shop.ledger().watched_files(cell.shop.clock_now()).unwrap().len(), 0);
    let week = jiff::SignedDuration::from_hours(7 * 24);
    assert_eq!(cell.shop.ledger().watched_files(cell.shop.clock_now() - week).unwrap().len(), 1);
    cell.shop.pass_time(8 * 86_400);
    assert_eq!(cell.shop.ledger().watched_files(cell.shop.clock_now() - week).unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_by_a_persons_word_survives_an_agent_that_dies_between_taking_the_file_away_and_noting_it() {
    let mut cell = Cell::open(batch_and_report()).await;
    let other = cell.other.clone().unwrap();
    let number = &cell.order.increment_id;
    cell.shop.ledger().declare_order(number, Word::Consumed, "ann", cell.shop.clock_now()).unwrap();
    let names = tillbridge::ports::FileNames::from(cell.file.as_str());
    cell.shop.agent().epos.withdraw(&names).unwrap();
    cell.shop.die_and_restart();
    cell.shop.look_at_orders();
    cell.is(&cell.order, OrderState::Consumed, "taken", "declared consumed by ann");
    cell.is(&other, OrderState::Published, "visible", "");
    cell.shop.till_takes_all();
    assert_eq!((cell.booked(&cell.order), cell.booked(&other)), (0, 1));
}

/// One file that cannot be taken away must not keep the agent from noting what became of the others.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn evidence_about_other_orders_is_noted_while_a_file_cannot_be_taken_away() {
    let mut cell = Cell::open(report_or_log()).await;
    let bytes = std::fs::read(cell.path()).unwrap();
    cell.shop.till_takes_all();
    let second = cell.shop.place("1001", 1);
    cell.shop.pull().await;
    cell.shop.write_orders();
    std::fs::write(cell.path(), bytes).unwrap();
    cell.shop.till.habits.refused.insert(second.increment_id.clone());
    // Nothing can be moved over a folder that is not empty.
    let in_the_way = cell.shop.till.import.join(".tillbridge").join(format!("{}.withdrawn", cell.file)).join("x");
    std::fs::create_dir_all(&in_the_way).unwrap();
    std::fs::remove_file(cell.shop.till.import.join(format!("order_{}.csv", second.increment_id))).unwrap();
    std::fs::write(cell.shop.till.log.join("import.log"), format!("\r\nOrder {} imported\r\n", second.increment_id))
        .unwrap();
    cell.shop.look_at_orders();
    assert!(cell.has("import_folder"));
    cell.is(&second, OrderState::Consumed, "taken", "the till says so in ");
    std::fs::remove_dir_all(in_the_way.parent().unwrap()).unwrap();
    cell.shop.look_at_orders();
    assert!(!cell.path().exists() && !cell.has("import_folder"));
}

/// A till that reads a file again, or half of it, must not find the older one beside the new one.
#[tokio::test(flavor = "multi_thread")]
async fn evidence_that_an_order_was_booked_in_part_or_refused_keeps_its_older_file_from_lying_beside_the_new_one() {
    for is_refused in [false, true] {
        let mut cell = Cell::open(if is_refused { batch_and_report() } else { report_or_log() }).await;
        let number = cell.order.increment_id.clone();
        cell.shop.till.habits.after_import = AfterImport::Leave;
        let told = if is_refused { "has failed" } else { "imported, but" };
        std::fs::write(cell.shop.till.log.join("import.log"), format!("Order {number} {told}\r\n")).unwrap();
        cell.shop.look_at_orders();
        let state = if is_refused { OrderState::Rejected } else { OrderState::TakenUnproved };
        assert_eq!((cell.state(&cell.order), cell.path().exists()), (state, true));
        // While the older file cannot be taken away there is no new one.
        cell.shop.agent().epos.hold_order_file(&cell.file);
        cell.shop.ledger().ask_for_order(&number, true, "ann", cell.shop.clock_now()).unwrap();
        cell.shop.write_orders();
        assert_eq!(cell.shop.till.waiting().unwrap(), [cell.file.clone()]);
        cell.shop.agent().epos.free_order_files();
        cell.shop.write_orders();
        assert!(!cell.path().exists() && cell.shop.till.waiting().unwrap().len() == 1);
        cell.is(&cell.order, OrderState::Published, "visible", "");
        let Some(other) = cell.other.clone() else { continue };
        // The till had begun with the file: what became of the other order in it, its word or a person says.
        cell.is(&other, OrderState::TakenUnproved, "left", "taken away after the till had begun with the file");
        let log = format!("Order {number} has failed\r\nOrder {} imported\r\n", other.increment_id);
        std::fs::write(cell.shop.till.log.join("import.log"), log).unwrap();
        cell.shop.look_at_orders();
        cell.is(&other, OrderState::Consumed, "taken", "the till says so in ");
        cell.is(&cell.order, OrderState::Published, "visible", "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_in_reports_is_marked_once_for_all_new_orders_and_anew_for_one_that_was_written_before() {
    let cell = Cell::open(report_or_log()).await;
    let before = cell.shop.agent().epos.times_marked();
    let more: Vec<Placed> = (0..4).map(|_| cell.shop.place("1003", 1)).collect();
    cell.shop.pull().await;
    cell.shop.write_orders();
    assert_eq!(cell.shop.till.waiting().unwrap().len(), 5);
    assert_eq!(cell.shop.agent().epos.times_marked() - before, 1);
    // The till may speak of an older file at the last moment: that is not about the new one.
    for order in [&cell.order, &more[1]] {
        cell.shop.ledger().ask_for_order(&order.increment_id, true, "ann", cell.shop.clock_now()).unwrap();
    }
    cell.shop.write_orders();
    assert_eq!(cell.shop.agent().epos.times_marked() - before, 3, "once for each that is written again");
}
