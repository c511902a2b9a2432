use super::*;

fn samples(folder: &Path, files: &[(&str, &str)]) -> Vec<PathBuf> {
    let write = |(name, text): &(&str, &str)| {
        std::fs::write(folder.join(name), text).unwrap();
        folder.join(name)
    };
    files.iter().map(write).collect()
}

fn args(samples: Vec<PathBuf>, out: Option<PathBuf>, format: Format) -> Args {
    Args { samples, out, force: false, yes: true, format }
}

fn run(args: &Args) -> (Exit, String) {
    let mut out = Vec::new();
    let exit = guess(args, &mut out).unwrap();
    (exit, String::from_utf8(out).unwrap())
}

const TWO_COLUMNS: &str = "Code,Front,Back\nx1,1,1.234\nx2,2,7\nx3,7,1\n";

#[test]
fn a_complete_proposal_is_a_profile_that_reads_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let files = samples(folder.path(), &[("stock.csv", "SKU,Qty\nA,1\nB,2\n")]);
    let (exit, toml) = run(&args(files, None, Format::Table));
    assert_eq!(exit, Exit::Done, "{toml}");
    let profile: StockProfile = toml::from_str(&toml).unwrap();
    profile.check().unwrap();
}

#[test]
fn what_is_doubtful_stays_undecided_when_nobody_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let files = samples(folder.path(), &[("stock.csv", TWO_COLUMNS)]);
    let (exit, toml) = run(&args(files, None, Format::Table));
    assert_eq!(exit, Exit::Found);
    assert!(
        toml.contains("undecided = [\"columns.quantity\"]") && toml.contains("columns.quantity = \"Back\""),
        "{toml}"
    );
    let profile: StockProfile = toml::from_str(&toml).unwrap();
    assert_eq!(profile.check().unwrap_err().key, "undecided");
}

#[test]
fn answers_decide_and_may_raise_the_next_question() {
    let folder = tempfile::tempdir().unwrap();
    let files = samples(folder.path(), &[("stock.csv", TWO_COLUMNS)]);
    let samples = Samples::load(&files).unwrap();
    let mut terminal = Vec::new();
    let first = samples.guess(&Answers::new());
    // The second column; thousands; all items.
    let told = converse(&samples, first, &mut "2\n1\n\n".as_bytes(), &mut terminal).unwrap();
    let terminal = String::from_utf8(terminal).unwrap();
    assert!(told.undecided().is_empty(), "{terminal}");
    let profile = told.profile().unwrap();
    assert_eq!((profile.thousands.as_str(), terminal.matches("Which column is the stock?").count()), (".", 1));
    assert!(terminal.contains("What does 1.234 mean?"), "{terminal}");
}

#[test]
fn the_end_of_the_answers_leaves_the_rest_open() {
    let folder = tempfile::tempdir().unwrap();
    let samples = Samples::load(&samples(folder.path(), &[("stock.csv", TWO_COLUMNS)])).unwrap();
    let told = converse(&samples, samples.guess(&Answers::new()), &mut "".as_bytes(), &mut Vec::new()).unwrap();
    assert_eq!(told.undecided(), ["columns.quantity"]);
}

#[test]
fn a_file_that_exists_is_replaced_only_when_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let files = samples(folder.path(), &[("stock.csv", "SKU,Qty\nA,1\nB,2\n"), ("profile.toml", "mine")]);
    let [sample, profile] = files.as_slice() else { panic!() };
    let mut args = args(vec![sample.clone()], Some(profile.clone()), Format::Table);
    let error = guess(&args, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, CliError::Told(Exit::Refused, _)));
    assert_eq!(std::fs::read_to_string(profile).unwrap(), "mine");
    args.force = true;
    let (exit, shown) = run(&args);
    assert_eq!(exit, Exit::Done);
    assert!(shown.contains("The profile is complete."), "{shown}");
    super::super::profile_file::load(profile).unwrap();
}

#[test]
fn a_row_that_cannot_be_read_is_shown_and_lowers_confidence() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "SKU,Qty\n".to_owned();
    (0..40)
        .for_each(|at| text.push_str(&format!("A{at},{}\n", if at == 7 { "n/a".to_owned() } else { at.to_string() })));
    let files = samples(folder.path(), &[("stock.csv", &text)]);
    let (exit, json) = run(&args(files, None, Format::Json));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((exit, &json["complete"]), (Exit::Done, &true.into()));
    assert_eq!(json["samples"][0]["row_errors"][0]["line"], 9);
    assert_eq!(json["samples"][0]["first_rows"][1]["sku"], "A1");
    let quantity = json["findings"].as_array().unwrap().iter().find(|finding| finding["key"] == "columns.quantity");
    assert_eq!(quantity.unwrap()["confidence"], "likely");
}

#[test]
fn a_sample_that_is_not_there_and_one_without_sense_have_their_own_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let files = samples(folder.path(), &[("letter.txt", "Dear Sir,\nnothing to see here\n")]);
    let exit = |files: Vec<PathBuf>| match guess(&args(files, None, Format::Table), &mut Vec::new()) {
        Err(CliError::Told(exit, _)) => exit,
        other => panic!("{other:?}"),
    };
    assert_eq!(exit(files), Exit::Rejected);
    assert_eq!(exit(vec![folder.path().join("nowhere.csv")]), Exit::NotThere);
}

#[test]
fn control_files_are_recognised_when_they_lie_beside_the_sample() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/epos-samples");
    let (exit, toml) = run(&args(vec![fixtures.join("s09_stock_with_control.csv")], None, Format::Table));
    assert_eq!(exit, Exit::Done, "{toml}");
    assert!(toml.contains("md5_key = \"MD5_STOCK\"") && toml.contains("sum_key = \"VALIDATION_STOCK\""), "{toml}");
}

#[test]
fn a_proposal_that_does_not_read_its_own_sample_is_refused_until_a_person_has_looked() {
    let folder = tempfile::tempdir().unwrap();
    let mut text = "SKU,Qty\n".to_owned();
    (0..40).for_each(|at| text.push_str(&format!("A{at},{}\n", if at % 10 == 7 { "n/a" } else { "5" })));
    let files = samples(folder.path(), &[("stock.csv", &text)]);
    let (exit, toml) = run(&args(files.clone(), None, Format::Table));
    assert_eq!(exit, Exit::Found);
    assert!(toml.contains("undecided = [\"columns\"]") && toml.contains("does not read its own sample"), "{toml}");
    let profile: StockProfile = toml::from_str(&toml).unwrap();
    assert_eq!(profile.check().unwrap_err().key, "undecided");
    let (_, json) = run(&args(files.clone(), None, Format::Json));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["complete"], &json["undecided"][0]), (&false.into(), &"columns".into()));
    let (exit, shown) = run(&args(files, Some(folder.path().join("till.toml")), Format::Table));
    assert!(exit == Exit::Found && shown.contains("For you to decide: columns."), "{shown}");
}
