use super::*;

fn read(text: &str) -> Result<StoreSettings, String> {
    toml::from_str(text).map_err(|why| why.to_string())
}

fn complaint(text: &str) -> String {
    read(text).unwrap().validate().unwrap_err().to_string()
}

const LEAST: &str = "kind = \"magento\"\nurl = \"https://shop.example\"\ntoken = \"abc\"\n";

#[test]
fn the_least_settings_are_kind_address_and_token() {
    let settings = read(LEAST).unwrap();
    settings.validate().unwrap();
    assert_eq!((settings.batch, settings.page, settings.timeout), (BATCH, PAGE, TIMEOUT));
    let full = format!(
        "{LEAST}timeout = \"30s\"\nproxy = \"http://proxy:3128\"\n[magento]\nsource = \"shop1\"\nmode = \"msi\"\n\
         overlap = \"20 min\"\nstore_view = \"de\"\nexport_states = [\"processing\"]\nacknowledge = false\n"
    );
    let settings = read(&full).unwrap();
    settings.validate().unwrap();
    assert_eq!(settings.magento.unwrap().mode, Mode::Msi);
}

#[test]
fn a_token_is_never_shown() {
    let settings = read(LEAST).unwrap();
    assert!(!format!("{settings:?}").contains("abc"));
    assert!(!serde_json::to_string(&settings).unwrap().contains("abc"));
    let proxied = read(&format!("{LEAST}proxy = \"http://me:pw@proxy:3128\"\n")).unwrap();
    assert!(!format!("{proxied:?}").contains("pw"));
    assert_eq!(settings.read_token().unwrap().reveal(), "abc");
}

#[test]
fn a_token_file_may_end_with_a_newline_and_must_not_be_empty() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = tempfile::NamedTempFile::new_in(folder.path()).unwrap();
    let mut write = |text: &str| {
        file.as_file_mut().set_len(0).unwrap();
        std::fs::write(file.path(), text).unwrap();
        StoreSettings {
            token_file: Some(file.path().into()),
            ..StoreSettings::new(StoreKind::StoreApi, "https://shop.example")
        }
    };
    assert_eq!(write("s3cret\r\n").read_token().unwrap().reveal(), "s3cret");
    let why = write(" \n").read_token().unwrap_err().to_string();
    assert!(why.starts_with("store.token_file: ") && why.ends_with("is empty"), "{why}");
    let nowhere = StoreSettings { token_file: Some(folder.path().join("none")), ..write("") };
    let why = nowhere.read_token().unwrap_err().to_string();
    assert!(why.starts_with("store.token_file: the secret cannot be read from "), "{why}");
}

#[test]
fn a_token_says_where_it_is_in_one_way() {
    for (keys, said) in [
        ("token = { kept = \"shop\" }", None),
        ("token = { credential = \"shop\" }", None),
        ("token = { file = \"t\" }", None),
        ("token_env = \"T\"", None),
        ("token_file = \"t\"", None),
        ("token = { kept = \"shop\" }\ntoken_file = \"t\"", Some("store.token: give only one")),
        ("", Some("store.token: is missing")),
    ] {
        let settings = read(&LEAST.replace("token = \"abc\"", keys)).unwrap();
        match (settings.validate(), said) {
            (Ok(()), None) => {}
            (Err(why), Some(said)) => assert!(why.to_string().starts_with(said), "{why}"),
            (found, _) => panic!("{keys}: {found:?}"),
        }
    }
}

#[test]
fn every_complaint_names_the_key() {
    for (text, key) in [
        (LEAST.replace("https", "http"), "store.url: must begin with https://"),
        (LEAST.replace("https://", ""), "store.url: "),
        (LEAST.replace("shop.example", "me:pw@shop.example"), "store.url: must not hold"),
        (LEAST.replace("shop.example", "shop.example/rest/V1"), "store.url: is the shop's address only"),
        (LEAST.replace("token = \"abc\"", ""), "store.token: is missing"),
        (format!("{LEAST}token_env = \"T\""), "store.token: give only one"),
        (format!("{LEAST}batch = 0"), "store.batch: is 0; write a number from 1 to 500"),
        (format!("{LEAST}page = 301"), "store.page: is 301"),
        (format!("{LEAST}timeout = \"0s\""), "store.timeout: is zero"),
        (format!("{LEAST}[store_api]\nlocation = \"a\""), "store.store_api: belongs to"),
        (format!("{LEAST}[magento]\nexport_states = []"), "store.magento.export_states: is empty"),
        (format!("{LEAST}[magento]\nstore_view = \"a/b\""), "store.magento.store_view: "),
        (format!("{LEAST}[magento]\nsource = \"\""), "store.magento.source: "),
    ] {
        let said = complaint(&text);
        assert!(said.starts_with(key), "{said} for {text}");
        assert!(!said.contains("pw"), "{said}");
    }
    assert!(read(&format!("{LEAST}tiemout = \"5s\"")).unwrap_err().contains("tiemout"));
    assert!(read(&format!("{LEAST}[magento]\nsources = \"a\"")).unwrap_err().contains("sources"));
}
