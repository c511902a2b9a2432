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
        "{WOO}consumer_secret = {{ file = \"/x\" }}\nexport_statuses = [\"processing\", \"packing\"]\noffline_payments = []\n\
         overlap = \"20 min\"\nacknowledge = false\nstatus_consumed = \"at-till\"\nstatus_rejected = \"till-refused\"\n"
    );
    read(&full).unwrap().validate().unwrap();
}

#[test]
fn a_consumer_secret_in_a_file_has_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    let own = WooCommerceSettings {
        consumer_key: Some(Secret::new("ck_a").into()),
        consumer_secret: Some(SecretFrom::File(path.clone())),
        ..WooCommerceSettings::default()
    };
    let why = own.read_key().unwrap_err().to_string();
    assert!(why.starts_with("store.woocommerce.consumer_secret: the secret cannot be read"), "{why}");
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    for (text, fits) in [("cs_1\r\n", true), ("ck_1\n", false)] {
        std::io::Write::write_all(&mut options.open(&path).unwrap(), text.as_bytes()).unwrap();
        assert_eq!(own.read_key().is_ok(), fits, "{text}");
    }
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
        (least.replace("cs_abc", "xyz"), "store.woocommerce.consumer_secret: must begin with cs_"),
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

const SHOPIFY: &str = "kind = \"shopify\"\nurl = \"https://name.myshopify.com\"\ntoken = \"shpat_abc\"\n";

#[test]
fn the_least_settings_for_shopify_are_those_and_the_location() {
    let settings = read(&format!("{SHOPIFY}[shopify]\nlocation = \"High Street\"\n")).unwrap();
    settings.validate().unwrap();
    let own = settings.shopify.unwrap();
    assert_eq!((own.api_version.as_str(), own.acknowledge, own.client_id), (API_VERSION, true, None));
    for (own, key) in [
        ("", "store.shopify.location: is missing"),
        ("location = \" \"", "store.shopify.location: is missing"),
        (
            "location = \"a\"\napi_version = \"2026-01\"",
            "store.shopify.api_version: is \"2026-01\"; write a version from",
        ),
        ("location = \"a\"\napi_version = \"unstable\"", "store.shopify.api_version"),
        ("location = \"a\"\nclient_id = \"\"", "store.shopify.client_id"),
        ("location = \"a\"\nexport_states = []", "store.shopify.export_states"),
        ("location = \"a\"\nexport_states = [\"paid\"]", "store.shopify.export_states"),
        ("location = \"a\"\ncustom_sku = \"\"", "store.shopify.custom_sku"),
        ("location = \"a\"\ntag_prefix = \"a,b\"", "store.shopify.tag_prefix"),
    ] {
        let said = complaint(&format!("{SHOPIFY}[shopify]\n{own}\n"));
        assert!(said.starts_with(key), "{said} for {own}");
    }
    let path = SHOPIFY.replace(".com", ".com/admin");
    assert!(
        complaint(&format!("{path}[shopify]\nlocation = \"a\"\n")).starts_with("store.url: is the shop's address only")
    );
    assert!(complaint(&format!("{LEAST}[shopify]\nlocation = \"a\"\n")).starts_with("store.shopify: belongs to"));
}

#[test]
fn the_example_for_shopify_shows_the_defaults() {
    let example = include_str!("../../config.example.toml").split("# [store.shopify]\n").nth(1).unwrap();
    let lines = example.lines().map_while(|line| line.strip_prefix("# "));
    let own: ShopifySettings = toml::from_str(&lines.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(own, ShopifySettings { location: "High Street".into(), ..ShopifySettings::default() });
}
