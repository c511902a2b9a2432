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
    let path = folder.path().join("token");
    let settings = StoreSettings {
        token_file: Some(path.clone()),
        ..StoreSettings::new(StoreKind::StoreApi, "https://shop.example")
    };
    assert!(settings.read_token().unwrap_err().to_string().starts_with("store.token_file: the token cannot be read"));
    std::fs::write(&path, "s3cret\r\n").unwrap();
    assert_eq!(settings.read_token().unwrap().reveal(), "s3cret");
    std::fs::write(&path, " \n").unwrap();
    assert_eq!(settings.read_token().unwrap_err().to_string(), "store.token_file: the token is empty");
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

const WOO: &str = "kind = \"woocommerce\"\nurl = \"https://shop.example\"\n[woocommerce]\nconsumer_key = \"ck_a\"\n";

#[test]
fn a_woocommerce_store_needs_its_key_and_secret() {
    let settings = read(&format!("{WOO}consumer_secret = \"cs_abc\"")).unwrap();
    settings.validate().unwrap();
    assert_eq!(settings.kind, StoreKind::WooCommerce);
    let own = settings.woocommerce.clone().unwrap();
    let (key, secret) = own.read_key().unwrap();
    assert_eq!((key.reveal(), secret.reveal()), ("ck_a", "cs_abc"));
    for shown in [format!("{settings:?}"), serde_json::to_string(&settings).unwrap()] {
        assert!(!shown.contains("cs_abc") && !shown.contains("ck_a"), "{shown}");
    }
    let full = format!(
        "{WOO}consumer_secret_file = \"/x\"\nexport_statuses = [\"processing\", \"packing\"]\noffline_payments = []\n\
         overlap = \"20 min\"\nacknowledge = false\nstatus_consumed = \"at-till\"\nstatus_rejected = \"till-refused\"\n"
    );
    read(&full).unwrap().validate().unwrap();
}

#[test]
fn a_consumer_secret_file_may_end_with_a_newline_and_must_hold_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let own = WooCommerceSettings {
        consumer_key: Some(Secret::new("ck_a")),
        consumer_secret_file: Some(path.clone()),
        ..WooCommerceSettings::default()
    };
    let why = own.read_key().unwrap_err().to_string();
    assert!(why.starts_with("store.woocommerce.consumer_secret_file: the token cannot be read"), "{why}");
    std::fs::write(&path, "cs_1\r\n").unwrap();
    assert_eq!(own.read_key().unwrap().1.reveal(), "cs_1");
    std::fs::write(&path, "ck_1\n").unwrap();
    assert!(own.read_key().unwrap_err().to_string().contains("must begin with cs_"));
}

#[test]
fn every_complaint_about_a_woocommerce_store_names_the_key() {
    let least = format!("{WOO}consumer_secret = \"cs_abc\"\n");
    for (text, key) in [
        ("kind = \"woocommerce\"\nurl = \"https://shop.example\"".to_owned(), "store.woocommerce: is missing"),
        (least.replace("https", "http"), "store.url: must begin with https://"),
        (
            least.replace("shop.example", "shop.example/wp-json/wc/v3"),
            "store.url: is the shop's address only; /wp-json",
        ),
        (least.replace("[woo", "token = \"t\"\n[woo"), "store.token: is not used by WooCommerce"),
        (least.replace("[woo", "page = 101\n[woo"), "store.page: is 101; write a number from 1 to 100"),
        (least.replace("[woo", "batch = 101\n[woo"), "store.batch: is 101"),
        (
            least.replace("[woo", "[magento]\n[woo"),
            "store.magento: belongs to `kind = \"magento\"`; this store is \"woocommerce\"",
        ),
        (WOO.to_owned(), "store.woocommerce.consumer_secret: is missing"),
        (format!("{least}consumer_secret_env = \"X\""), "store.woocommerce.consumer_secret: give only one"),
        (least.replace("ck_a", "cs_a"), "store.woocommerce.consumer_key: must begin with ck_"),
        (format!("{least}export_statuses = []"), "store.woocommerce.export_statuses: is empty"),
        (
            format!("{least}status_consumed = \"wc-at-till\""),
            "store.woocommerce.status_consumed: \"wc-at-till\" is no order",
        ),
    ] {
        let said = complaint(&text);
        assert!(said.starts_with(key), "{said} for {text}");
        assert!(!said.contains("cs_abc"), "{said}");
    }
}
