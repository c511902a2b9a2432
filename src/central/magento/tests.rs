use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::central::StoreKind;
use crate::central::testing::{Answer, Asked, FakeStore, recorded, says, settings, signed_in};
use crate::domain::{OrderId, Quantity};
use crate::ports::{HoldingKind, Stage, StockItem, WriteOutcome};

fn shop(store: &FakeStore) -> Magento {
    let own = MagentoSettings { source: "store_a".into(), ..MagentoSettings::default() };
    with(store, own)
}

fn with(store: &FakeStore, own: MagentoSettings) -> Magento {
    let settings = StoreSettings { magento: Some(own), ..settings(StoreKind::Magento, store) };
    Magento::new(signed_in(&settings, explain).unwrap(), &settings)
}

fn sku(text: &str) -> Sku {
    Sku::new(text).unwrap()
}

fn skus(texts: &[&str]) -> Vec<Sku> {
    texts.iter().map(|text| sku(text)).collect()
}

fn item(text: &str, quantity: &str) -> StockItem {
    StockItem { sku: sku(text), quantity: Quantity::parse(quantity).unwrap(), if_version: None, expected: None }
}

fn batch(items: Vec<StockItem>) -> StockBatch {
    StockBatch { items, snapshot: "1".into(), as_of: Timestamp::UNIX_EPOCH, orders_read: None }
}

/// What became of each, in the order of the SKUs.
fn outcomes(mut written: Vec<Written>) -> Vec<(String, WriteOutcome)> {
    written.sort_by(|a, b| a.sku.cmp(&b.sku));
    written.into_iter().map(|one| (one.sku.to_string(), one.outcome)).collect()
}

fn is_stocks(asked: &Asked) -> bool {
    asked.line() == "GET /rest/V1/inventory/stocks"
}

/// With MSI on; everything but the questions for mode and modules is up to `script`.
fn msi(mut script: impl FnMut(&Asked) -> Answer + Send + 'static) -> FakeStore {
    FakeStore::with(move |asked| match asked.line().as_str() {
        "GET /rest/V1/inventory/stocks" => says(200, recorded!("stocks.json")),
        "GET /rest/V1/modules" => says(200, recorded!("modules.json")),
        _ => script(asked),
    })
}

/// The body that was sent with stock, so many-th of those.
fn sent_stock(store: &FakeStore, place: usize) -> Value {
    let with_items = |asked: &Asked| Some(asked.json()).filter(|body| body["sourceItems"].is_array());
    store.asked().iter().filter_map(with_items).nth(place).unwrap()
}

/// With MSI off.
fn legacy(mut script: impl FnMut(&Asked) -> Answer + Send + 'static) -> FakeStore {
    FakeStore::with(move |asked| match is_stocks(asked) {
        true => says(404, recorded!("legacy-inventory-stocks.json")),
        false => script(asked),
    })
}

// ------------------------------------------------------------------------------------------------------------ the mode

#[tokio::test]
async fn the_store_is_asked_how_it_keeps_its_stock() {
    let date = vec![("Date", "Mon, 23 Nov 2026 16:31:24 GMT".to_owned())];
    let store = FakeStore::in_turn([
        Answer::Says(200, date, recorded!("stocks.json").into()),
        says(200, recorded!("modules.json")),
        says(404, recorded!("legacy-inventory-stocks.json")),
    ]);
    let shop = shop(&store);
    let facts = shop.probe().await.unwrap();
    assert_eq!(facts.model, StockModel::PhysicalPlusReservations);
    assert_eq!(facts.clock.unwrap().to_string(), "2026-11-23T16:31:24Z");
    assert_eq!(facts.shown, "Magento with MSI, source store_a");
    assert_eq!(shop.probe().await.unwrap().model, StockModel::DeductAtPlacement);
}

#[tokio::test]
async fn neither_a_refused_token_nor_a_missing_page_is_taken_for_a_mode() {
    let store = FakeStore::in_turn([
        says(401, recorded!("err-401-bearer-not-enabled.json")),
        says(404, "<html>nothing here</html>"),
        says(503, recorded!("err-503-maintenance.html")),
    ]);
    let shop = shop(&store);
    for class in [FailureClass::Permanent, FailureClass::Permanent, FailureClass::Transient] {
        assert_eq!(shop.probe().await.unwrap_err().class, class);
    }
}

#[tokio::test]
async fn a_configured_mode_that_the_store_contradicts_is_an_error() {
    let store = msi(|_| says(500, ""));
    let own = MagentoSettings { mode: Mode::Legacy, ..MagentoSettings::default() };
    let error = with(&store, own).probe().await.unwrap_err();
    assert_eq!(error.class, FailureClass::Permanent);
    assert!(error.what.contains("keeps its stock by source, but `magento.mode` is \"legacy\""), "{error}");
}

#[tokio::test]
async fn a_store_view_stands_in_every_path() {
    let store = FakeStore::in_turn([says(200, recorded!("stocks.json")), says(200, recorded!("modules.json"))]);
    let own = MagentoSettings { store_view: Some("de".into()), ..MagentoSettings::default() };
    with(&store, own).probe().await.unwrap();
    assert_eq!(store.lines(), ["GET /rest/de/V1/inventory/stocks", "GET /rest/de/V1/modules"]);
}

// ------------------------------------------------------------------------------------------------------------ holdings

#[tokio::test]
async fn holdings_tell_known_from_unknown_and_from_what_has_no_quantity() {
    let products = r#"{"items":[{"sku":"SKU-020","type_id":"simple"},{"sku":"SKU-023","type_id":"simple"},
        {"sku":"NEW","type_id":"simple"},{"sku":"TEE","type_id":"configurable"}],"total_count":4}"#;
    let store = msi(move |asked| match asked.line().as_str() {
        "GET /rest/V1/products" => says(200, products),
        _ => says(200, recorded!("source-items-by-sku-and-source.json")),
    });
    let asked = skus(&["sku-020", "SKU-023", "NEW", "TEE", "NO-SUCH"]);
    let mut held = shop(&store).holdings(&asked).await.unwrap();
    held.sort_by_key(|holding| asked.iter().position(|sku| *sku == holding.sku));
    let kinds: Vec<HoldingKind> = held.into_iter().map(|holding| holding.kind).collect();
    let spelled = |kind: &HoldingKind| matches!(kind, HoldingKind::NotKept(why) if why.contains("spells it SKU-020"));
    assert!(spelled(&kinds[0]), "matched without regard to case, and its orders could not be told: {:?}", kinds[0]);
    assert_eq!(kinds[1], HoldingKind::Kept(Some(8.into()), None));
    assert_eq!(kinds[2], HoldingKind::Kept(None, None));
    assert!(matches!(&kinds[3], HoldingKind::NotKept(why) if why.contains("configurable")), "{:?}", kinds[3]);
    assert_eq!(kinds[4], HoldingKind::Unknown);
    let question = &store.asked()[2].path;
    assert!(question.contains("[value]=store_a&"), "{question}");
    assert!(question.contains("[value]=SKU-023%2CNEW&"), "only known ones are asked for: {question}");
}

#[tokio::test]
async fn holdings_of_recorded_answers_with_odd_skus() {
    let store = msi(|asked| match asked.line().as_str() {
        "GET /rest/V1/products" => says(200, recorded!("products-by-skus.json")),
        _ => says(200, recorded!("source-items-empty-fields.json")),
    });
    let asked = skus(&["AB/12", "GRÜN-Ü1", "A&B-7", "100%-WOLLE+1", "SKU MIT LEER", "GRUN-U1", "A,B"]);
    let held = shop(&store).holdings(&asked).await.unwrap();
    let unknown: Vec<&str> =
        held.iter().filter(|it| it.kind == HoldingKind::Unknown).map(|it| it.sku.as_str()).collect();
    assert_eq!(unknown, ["GRUN-U1", "A,B"], "an umlaut is no plain letter, whatever the database thinks");
    assert_eq!(held.len(), 7);
    let question = &store.asked()[1].path;
    assert!(question.contains("[value]=AB%2F12%2CGR%C3%9CN-%C3%9C1%2CA%26B-7%2C100%25-WOLLE%2B1%2C"), "{question}");
    assert!(question.contains("[filters][1][conditionType]=eq&"), "a comma cannot stand in a list: {question}");
}

#[tokio::test]
async fn nothing_known_is_one_question() {
    let store = msi(|_| says(200, recorded!("products-empty-fields.json")));
    let held = shop(&store).holdings(&skus(&["A", "B"])).await.unwrap();
    assert!(held.iter().all(|it| it.kind == HoldingKind::Unknown));
    assert_eq!(store.lines(), ["GET /rest/V1/inventory/stocks", "GET /rest/V1/products"]);
}

#[tokio::test]
async fn many_skus_are_asked_for_in_addresses_of_bearable_length() {
    let store = msi(|_| says(200, recorded!("products-empty-fields.json")));
    let many: Vec<Sku> = (0..250).map(|n| sku(&format!("ÄÖÜ-{n}-{}", "ü".repeat(30)))).collect();
    assert_eq!(shop(&store).holdings(&many).await.unwrap().len(), 250);
    assert!(store.asked().iter().all(|asked| asked.path.len() < 6_500));
}

#[tokio::test]
async fn a_page_limit_of_the_shop_splits_the_question_for_products() {
    let store = msi(|asked| {
        if asked.path.contains("[pageSize]=5") {
            return says(400, recorded!("err-400-page-size-over-limit.json").replace("300", "2"));
        }
        let name = |name: &str| format!("{{\"sku\":\"{name}\",\"type_id\":\"simple\",\"quantity\":1}}");
        let named: Vec<String> = ["A", "B", "C", "D", "E"]
            .iter()
            .filter(|it| {
                asked.path.contains(&format!("[value]={it}%2C"))
                    || asked.path.contains(&format!("%2C{it}&"))
                    || asked.path.contains(&format!("[value]={it}&"))
            })
            .map(|it| name(it))
            .collect();
        says(200, format!("{{\"items\":[{}],\"total_count\":9}}", named.join(",")))
    });
    let held = shop(&store).holdings(&skus(&["A", "B", "C", "D", "E"])).await.unwrap();
    assert!(held.iter().all(|it| it.kind == HoldingKind::Kept(Some(1.into()), None)), "{held:?}");
}

#[tokio::test]
async fn without_the_catalogues_right_stock_is_still_read_and_the_lack_is_shown() {
    let store = msi(|asked| match asked.line().as_str() {
        "GET /rest/V1/products" => says(401, recorded!("err-401-bearer-not-enabled.json")),
        _ => says(200, recorded!("source-items-by-sku-and-source.json")),
    });
    let shop = shop(&store);
    for _ in 0..2 {
        let held = shop.holdings(&skus(&["SKU-020"])).await.unwrap();
        assert_eq!(held[0].kind, HoldingKind::Kept(Some(7.into()), None));
    }
    let products = store.lines().iter().filter(|line| line.ends_with("/products")).count();
    assert_eq!(products, 1, "it is asked once");
    assert!(shop.shown(Keeping::BySource).contains("Magento_Catalog::products"));
}

#[tokio::test]
async fn a_token_that_may_nothing_is_no_lack_of_one_right() {
    let store = msi(|_| says(401, recorded!("err-401-bearer-not-enabled.json")));
    assert_eq!(shop(&store).holdings(&skus(&["A"])).await.unwrap_err().class, FailureClass::Permanent);
}

#[tokio::test]
async fn without_msi_each_stock_item_is_read() {
    let products = r#"{"items":[{"sku":"A/1","type_id":"simple"},{"sku":"B","type_id":"simple"},
        {"sku":"C","type_id":"simple"},{"sku":"D","type_id":"simple"}],"total_count":4}"#;
    let store = legacy(move |asked| match asked.line().as_str() {
        "GET /rest/V1/products" => says(200, products),
        "GET /rest/V1/stockItems/A%2F1" => says(200, r#"{"qty":2.5,"manage_stock":true}"#),
        "GET /rest/V1/stockItems/B" => says(200, recorded!("legacy-stock-item-get.json")),
        "GET /rest/V1/stockItems/C" => says(200, r#"{"qty":2,"manage_stock":false}"#),
        _ => says(404, recorded!("legacy-stock-item-get-404.json")),
    });
    let held = shop(&store).holdings(&skus(&["A/1", "B", "C", "D"])).await.unwrap();
    assert_eq!(held[0].kind, HoldingKind::Kept(Some(Quantity::parse("2.5").unwrap()), None));
    assert_eq!(held[1].kind, HoldingKind::Kept(None, None));
    assert!(matches!(&held[2].kind, HoldingKind::NotKept(why) if why.contains("Manage Stock")));
    assert_eq!(held[3].kind, HoldingKind::Unknown);
}

// ------------------------------------------------------------------------------------------------------- writing stock

/// Takes source items as Magento does: the whole request or nothing; the SKU "BAD" is bad.
fn takes(most: usize) -> FakeStore {
    msi(move |asked| {
        match asked.line().as_str() {
            "GET /rest/V1/inventory/sources/store_a" => return says(200, recorded!("source-store-a.json")),
            "GET /rest/V1/products" => return says(401, recorded!("err-401-bearer-not-enabled.json")),
            _ => {}
        }
        let body = asked.json();
        let items = body["sourceItems"].as_array().unwrap();
        if items.len() > most {
            let over = recorded!("err-400-source-items-over-input-limit.json");
            return says(400, over.replace("20", &most.to_string()));
        }
        match items.iter().any(|item| item["sku"].as_str().unwrap().starts_with("BAD")) {
            true => says(400, recorded!("err-400-source-items-unknown-source.json")),
            false => says(200, recorded!("source-items-post.json")),
        }
    })
}

fn posts(store: &FakeStore) -> Vec<usize> {
    let post = |asked: &Asked| asked.json()["sourceItems"].as_array().map(Vec::len);
    store.asked().iter().filter_map(post).collect()
}

#[tokio::test]
async fn all_four_fields_are_written_and_nothing_in_stock_is_switched_off() {
    let store = takes(100);
    let shop = shop(&store);
    let written = shop.write_stock(&batch(vec![item("A/1", "7"), item("B", "0"), item("C", "1.25678")])).await.unwrap();
    let stored = |text: &str| WriteOutcome::Stored(Quantity::parse(text).unwrap());
    let expected = [("A/1", stored("7")), ("B", stored("0")), ("C", stored("1.2567"))];
    assert_eq!(outcomes(written), expected.map(|(name, outcome)| (name.to_owned(), outcome)));
    let sent = sent_stock(&store, 0);
    let row = |sku, quantity: Value, status| json!({"sku": sku, "source_code": "store_a", "quantity": quantity, "status": status});
    let exact: Value = serde_json::from_str("1.2567").unwrap();
    assert_eq!(sent["sourceItems"], json!([row("A/1", 7.into(), 1), row("B", 0.into(), 0), row("C", exact, 1)]));
    shop.write_stock(&batch(vec![item("B", "1")])).await.unwrap();
    let modes = store.lines().iter().filter(|line| line.ends_with("/inventory/stocks")).count();
    assert_eq!((modes, posts(&store).len()), (1, 2), "the mode is asked once");
}

#[tokio::test]
async fn a_limit_of_the_shop_is_learned_and_remembered() {
    let store = takes(20);
    let shop = shop(&store);
    let items: Vec<StockItem> = (0..50).map(|n| item(&format!("S{n}"), "1")).collect();
    let written = shop.write_stock(&batch(items.clone())).await.unwrap();
    assert_eq!((written.len(), posts(&store)), (50, vec![50, 20, 20, 10]));
    assert_eq!(shop.batch_size(), 20);
    shop.write_stock(&batch(items)).await.unwrap();
    assert_eq!(posts(&store)[4..], [20, 20, 10]);
}

#[tokio::test]
async fn one_bad_item_does_not_hinder_the_others() {
    let store = takes(100);
    let mut items: Vec<StockItem> = (0..99).map(|n| item(&format!("S{n}"), "1")).collect();
    items.insert(41, item("BAD", "1"));
    let written = shop(&store).write_stock(&batch(items)).await.unwrap();
    let refused: Vec<Written> =
        written.iter().filter(|one| matches!(one.outcome, WriteOutcome::Refused(_))).cloned().collect();
    assert_eq!(outcomes(refused), [("BAD".to_owned(), WriteOutcome::Refused("Could not save Source Item".into()))]);
    let stored = written.iter().filter(|one| matches!(one.outcome, WriteOutcome::Stored(_))).count();
    assert_eq!((written.len(), stored), (100, 99));
    assert!(posts(&store).len() <= 15, "{:?}", posts(&store));
}

#[tokio::test]
async fn a_source_that_does_not_exist_is_named_instead_of_every_item() {
    let store = msi(|asked| match asked.method.as_str() {
        "POST" => says(400, recorded!("err-400-source-items-unknown-source.json")),
        _ if asked.path.contains("/products?") => says(401, recorded!("err-401-bearer-not-enabled.json")),
        _ => says(404, recorded!("err-404-source.json")),
    });
    let error = shop(&store).write_stock(&batch(vec![item("A", "1"), item("B", "1")])).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Permanent);
    assert!(error.what.contains("no source \"store_a\"") && error.what.contains("`magento.source`"), "{error}");
}

#[tokio::test]
async fn a_request_that_is_refused_whatever_is_in_it_is_a_failure_and_not_a_hundred_bad_items() {
    let store = msi(|asked| match asked.method.as_str() {
        "POST" => says(400, recorded!("err-400-source-items-unknown-source.json")),
        _ if asked.path.contains("/products?") => says(401, recorded!("err-401-bearer-not-enabled.json")),
        _ => says(200, recorded!("source-store-a.json")),
    });
    let items = (0..100).map(|n| item(&format!("S{n}"), "1")).collect();
    let error = shop(&store).write_stock(&batch(items)).await.unwrap_err();
    assert!(error.what.contains("Could not save Source Item"), "{error}");
    assert!(posts(&store).len() < 30, "{:?}", posts(&store));
}

#[tokio::test]
async fn bad_items_side_by_side_do_not_hinder_the_others() {
    let store = takes(100);
    let name = |n: usize| if n < 30 { format!("BAD{n}") } else { format!("S{n}") };
    let items = (0..100).map(|n| item(&name(n), "1")).collect();
    let written = shop(&store).write_stock(&batch(items)).await.unwrap();
    let stored = written.iter().filter(|one| matches!(one.outcome, WriteOutcome::Stored(_))).count();
    assert_eq!((written.len(), stored), (100, 70));
}

#[tokio::test]
async fn what_magento_would_store_otherwise_than_said_is_not_sent() {
    let store = takes(100);
    let long = "x".repeat(65);
    let items = vec![item(" A", "1"), item(&long, "1"), item("B", "100000000"), item("C", "1"), item("c", "2")];
    let written = outcomes(shop(&store).write_stock(&batch(items)).await.unwrap());
    let refused: Vec<&str> = written
        .iter()
        .filter(|(_, outcome)| matches!(outcome, WriteOutcome::Refused(_)))
        .map(|(sku, _)| sku.as_str())
        .collect();
    assert_eq!(refused, [" A", "B", "c", long.as_str()]);
    assert_eq!(posts(&store), [1]);
}

#[tokio::test]
async fn a_lost_answer_leaves_it_open_whether_stock_was_written() {
    for answer in [Answer::Nothing, Answer::BreaksOff, says(500, recorded!("err-500-database-down.txt"))] {
        let store = msi(move |asked| match asked.method.as_str() {
            "GET" => says(401, recorded!("err-401-bearer-not-enabled.json")),
            _ => answer.clone(),
        });
        let error = shop(&store).write_stock(&batch(vec![item("A", "1")])).await.unwrap_err();
        assert_eq!((error.class, error.maybe_done), (FailureClass::Transient, true));
    }
}

#[tokio::test]
async fn a_store_whose_msi_was_switched_off_is_asked_again() {
    let mut on = true;
    let store = FakeStore::with(move |asked| match (is_stocks(asked), asked.method.as_str()) {
        (true, _) if std::mem::take(&mut on) => says(200, recorded!("stocks.json")),
        (_, "PUT") => says(200, recorded!("legacy-stock-item-put.json")),
        (_, "GET") if asked.path.contains("/products?") => says(401, recorded!("err-401-bearer-not-enabled.json")),
        _ => says(404, recorded!("err-404-route.json")),
    });
    let shop = shop(&store);
    assert!(shop.write_stock(&batch(vec![item("A", "1")])).await.is_err());
    assert_eq!(shop.probe().await.unwrap().model, StockModel::DeductAtPlacement);
}

#[tokio::test]
async fn without_msi_each_product_is_written_by_its_encoded_name() {
    let store = legacy(|asked| match asked.line().as_str() {
        "PUT /rest/V1/products/NO-SUCH/stockItems/1" => says(404, recorded!("legacy-stock-item-put-404.json")),
        "PUT /rest/V1/products/B%2FLOCKED/stockItems/1" => says(404, "<html>Not Found</html>"),
        _ => says(200, recorded!("legacy-stock-item-put.json")),
    });
    let items = vec![item("AB/12", "0"), item("B/LOCKED", "1"), item("GRÜN", "3.5"), item("NO-SUCH", "1")];
    let written = outcomes(shop(&store).write_stock(&batch(items)).await.unwrap());
    assert_eq!(written[0].1, WriteOutcome::Stored(Quantity::ZERO));
    assert!(matches!(&written[1].1, WriteOutcome::Refused(why) if why.contains("AllowEncodedSlashes")));
    assert_eq!(written[3].1, WriteOutcome::Unknown);
    let asked = store.asked();
    assert_eq!(asked[1].line(), "PUT /rest/V1/products/AB%2F12/stockItems/1");
    assert_eq!(asked[1].json(), json!({"stockItem": {"qty": 0, "is_in_stock": false}}));
    assert_eq!(asked[3].line(), "PUT /rest/V1/products/GR%C3%9CN/stockItems/1");
    assert_eq!(asked[3].body, r#"{"stockItem":{"is_in_stock":true,"qty":3.5}}"#);
}

// ------------------------------------------------------------------------------------------------------------ comments

fn taken() -> Acknowledgement {
    Acknowledgement {
        order: OrderId("19".into()),
        number: "000000019".into(),
        stage: Stage::Consumed,
        reference: "web_000000019.csv \u{1F600}<b>".into(),
        at: "2026-11-23T16:35:00Z".parse().unwrap(),
        idempotency_key: "19:consumed".into(),
    }
}

/// An order with comments; `lose` answers are lost after the comment was written, `refuse` statuses are refused.
fn commented(mut lose: usize, refuse: &'static str) -> FakeStore {
    let mut comments: Vec<Value> = vec![json!({"comment": null}), json!({"comment": "by hand"})];
    let mut status = "pending";
    FakeStore::with(move |asked| {
        if asked.method == "GET" {
            return says(200, json!({"status": status, "status_histories": comments}).to_string());
        }
        let body = asked.json();
        if body["statusHistory"]["status"] == refuse {
            status = "processing";
            return says(400, recorded!("comment-400-status.json"));
        }
        comments.push(body["statusHistory"].clone());
        if lose > 0 {
            lose -= 1;
            return Answer::Nothing;
        }
        says(200, recorded!("comment.json"))
    })
}

#[tokio::test]
async fn an_order_gets_one_comment_with_its_present_status() {
    let store = commented(0, "none");
    let shop = shop(&store);
    shop.acknowledge(&taken()).await.unwrap();
    shop.acknowledge(&taken()).await.unwrap();
    let order = "GET /rest/V1/orders/19";
    assert_eq!(store.lines(), [order, "POST /rest/V1/orders/19/comments", order]);
    let sent = &store.asked()[1].json()["statusHistory"];
    let text = sent["comment"].as_str().unwrap();
    assert!(
        text.starts_with("The till took this order (web_000000019.csv b, 2026-11-23 16:35:00 UTC). [tillbridge:"),
        "{text}"
    );
    assert_eq!((&sent["status"], &sent["is_customer_notified"]), (&json!("pending"), &json!(0)));
}

#[tokio::test]
async fn a_lost_answer_does_not_double_the_comment() {
    let store = commented(1, "none");
    let shop = shop(&store);
    assert!(shop.acknowledge(&taken()).await.unwrap_err().maybe_done);
    shop.acknowledge(&taken()).await.unwrap();
    assert_eq!(store.lines().iter().filter(|line| line.starts_with("POST")).count(), 1);
}

#[tokio::test]
async fn another_message_is_another_comment() {
    let store = commented(0, "none");
    let shop = shop(&store);
    shop.acknowledge(&taken()).await.unwrap();
    let refused = Acknowledgement { stage: Stage::Rejected, idempotency_key: "19:rejected".into(), ..taken() };
    shop.acknowledge(&refused).await.unwrap();
    assert!(store.asked()[3].body.contains("The till refused this order"));
}

#[tokio::test]
async fn a_status_that_moved_on_is_read_again() {
    let store = commented(0, "pending");
    shop(&store).acknowledge(&taken()).await.unwrap();
    let sent: Vec<Value> = store.asked().iter().map(|asked| asked.json()["statusHistory"]["status"].clone()).collect();
    assert_eq!(sent, [Value::Null, json!("pending"), Value::Null, json!("processing")]);
}

#[tokio::test]
async fn a_status_that_is_never_right_is_left_out() {
    let store = FakeStore::with(|asked| match asked.method.as_str() {
        "GET" => says(200, recorded!("order-commented.json")),
        _ if asked.body.contains("\"status\"") => says(400, recorded!("comment-400-status.json")),
        _ => says(200, recorded!("comment.json")),
    });
    shop(&store).acknowledge(&taken()).await.unwrap();
    assert_eq!(store.lines().iter().filter(|line| line.starts_with("POST")).count(), 3);
}

#[tokio::test]
async fn an_order_that_is_gone_cannot_be_commented() {
    let store = FakeStore::in_turn([says(404, recorded!("comment-404.json"))]);
    assert_eq!(shop(&store).acknowledge(&taken()).await.unwrap_err().class, FailureClass::Permanent);
}

#[tokio::test]
async fn without_acknowledgements_nothing_is_sent() {
    let store = FakeStore::in_turn([]);
    let own = MagentoSettings { acknowledge: false, ..MagentoSettings::default() };
    with(&store, own).acknowledge(&taken()).await.unwrap();
    assert_eq!(store.lines(), [""; 0]);
}

// -------------------------------------------------------------------------------------------------------------- signed

/// Without MSI, signed; everything but the mode is up to `script`.
fn signed_legacy(store: &FakeStore) -> Magento {
    let given = |text: &str| crate::central::Secret::new(text).into();
    let oauth = crate::central::OAuthSettings {
        consumer_key: "ck".into(),
        consumer_secret: given("a"),
        access_token: given("b"),
        access_token_secret: given("c"),
    };
    let settings = StoreSettings {
        magento: Some(MagentoSettings { oauth: Some(oauth), ..MagentoSettings::default() }),
        ..StoreSettings::new(StoreKind::Magento, &store.url)
    };
    let authorization = crate::central::authorize::Authorization::oauth(settings.oauth().unwrap()).unwrap();
    Magento::new(Client::new(&settings, authorization, explain_signed).unwrap(), &settings)
}

#[tokio::test]
async fn a_sku_in_whose_address_magento_gets_the_signature_wrong_is_said_to_be_so_and_stops_no_other() {
    let store = legacy(|asked| match asked.line().as_str() {
        "GET /rest/V1/products" => says(
            200,
            r#"{"items":[{"sku":"AB/12","type_id":"simple"},{"sku":"PLAIN","type_id":"simple"}],"total_count":2}"#,
        ),
        line if line.contains('%') => says(401, recorded!("err-401-oauth-signature.json")),
        line if line.starts_with("GET") => says(200, recorded!("legacy-stock-item-get.json")),
        _ => says(200, recorded!("legacy-stock-item-put.json")),
    });
    let shop = signed_legacy(&store);
    let held = shop.holdings(&skus(&["AB/12", "PLAIN"])).await.unwrap();
    let kind = |name: &str| held.iter().find(|holding| holding.sku.as_str() == name).unwrap().kind.clone();
    assert!(matches!(kind("AB/12"), HoldingKind::NotKept(why) if why.contains("magento2#37830")), "{held:?}");
    assert!(matches!(kind("PLAIN"), HoldingKind::Kept(..)), "{held:?}");
    let written = outcomes(shop.write_stock(&batch(vec![item("AB/12", "1"), item("PLAIN", "2")])).await.unwrap());
    assert!(matches!(&written[0].1, WriteOutcome::Refused(why) if why.contains("letters, digits")), "{written:?}");
    assert_eq!(written[1].1, WriteOutcome::Stored(2.into()));
}

#[tokio::test]
async fn a_wrong_secret_is_not_taken_for_a_property_of_the_skus() {
    let store = legacy(|_| says(401, recorded!("err-401-oauth-signature.json")));
    for result in [
        signed_legacy(&store).holdings(&skus(&["PLAIN"])).await.err(),
        signed_legacy(&store).write_stock(&batch(vec![item("PLAIN", "2")])).await.err(),
    ] {
        let error = result.unwrap();
        assert_eq!(error.class, FailureClass::Permanent);
        assert!(error.what.contains("consumer secret"), "{error}");
    }
}

/// From ten on, Magento sorts the numbers in names otherwise than RFC 5849 (strnatcmp), and every signature would fail.
#[tokio::test]
async fn no_question_has_ten_filters() {
    let store = msi(|_| says(200, r#"{"items":null,"total_count":0}"#));
    let many: Vec<Sku> = (0..40).map(|number| sku(&format!("A,{number}"))).collect();
    shop(&store).holdings(&many).await.unwrap();
    let asked = store.asked();
    assert!(asked.iter().any(|one| one.path.contains("[filters][7]")), "{asked:?}");
    assert!(
        !asked.iter().any(|one| one.path.contains("[filters][9]") || one.path.contains("[filters][10]")),
        "{asked:?}"
    );
}

// ------------------------------------------------------------------------------------------------------------ statuses

/// Statuses of the shop's own for everything.
fn with_statuses() -> MagentoSettings {
    let named = |name: &str| Some(name.to_owned());
    let statuses = Statuses {
        published: named("sent_to_epos"),
        consumed: named("in_epos"),
        rejected: named("refused_by_epos"),
        failed: named("not_for_epos"),
        ..Statuses::default()
    };
    MagentoSettings { statuses, ..MagentoSettings::default() }
}

fn published() -> Acknowledgement {
    Acknowledgement { stage: Stage::Published, idempotency_key: "19:published".into(), ..taken() }
}

/// An order in this status; a status that is sent becomes the order's, is refused, or is ignored.
fn in_status(status: &'static str, fate: learned::StatusFate) -> FakeStore {
    let (mut status, mut comments) = (status.to_owned(), Vec::<Value>::new());
    FakeStore::with(move |asked| {
        if asked.method == "GET" {
            return says(200, json!({"status": status, "status_histories": comments}).to_string());
        }
        let said = asked.json()["statusHistory"].clone();
        let sent = said["status"].as_str().unwrap_or_default().to_owned();
        if fate == learned::StatusFate::Refused && sent != status {
            return says(400, recorded!("comment-400-status.json").replace("\"complete\"", &format!("\"{sent}\"")));
        }
        comments.push(said);
        if fate == learned::StatusFate::Taken {
            status = sent;
        }
        says(200, recorded!("comment.json"))
    })
}

fn sent_statuses(store: &FakeStore) -> Vec<String> {
    let said = |asked: &Asked| Some(asked.json()["statusHistory"]["status"].as_str()?.to_owned());
    store.asked().iter().filter_map(said).collect()
}

#[tokio::test]
async fn an_order_gets_the_statuses_of_the_shop_one_after_the_other() {
    let store = in_status("processing", learned::StatusFate::Taken);
    let shop = with(&store, with_statuses());
    for news in [published(), taken(), published(), taken()] {
        shop.acknowledge(&news).await.unwrap();
    }
    assert_eq!(sent_statuses(&store), ["sent_to_epos", "in_epos"], "each once, whatever is repeated");
    assert_eq!(shop.shortcomings(), []);
}

#[tokio::test]
async fn a_status_that_is_not_ours_nor_a_plain_one_is_never_replaced() {
    for theirs in ["picked", "complete", "canceled", "fraud"] {
        let store = in_status(theirs, learned::StatusFate::Taken);
        let shop = with(&store, with_statuses());
        shop.acknowledge(&published()).await.unwrap();
        shop.acknowledge(&taken()).await.unwrap();
        assert_eq!(sent_statuses(&store), [theirs], "only the comment, with the status that the order has");
    }
    let store = in_status("picked", learned::StatusFate::Taken);
    let mut own = with_statuses();
    own.statuses.replace.push("picked".into());
    with(&store, own).acknowledge(&taken()).await.unwrap();
    assert_eq!(sent_statuses(&store), ["in_epos"], "unless the shop says so");
}

#[tokio::test]
async fn a_status_that_is_refused_costs_no_comment_and_is_shown_with_what_to_do() {
    let store = in_status("pending", learned::StatusFate::Refused);
    let shop = with(&store, with_statuses());
    shop.acknowledge(&published()).await.unwrap();
    shop.acknowledge(&taken()).await.unwrap();
    assert_eq!(sent_statuses(&store), ["sent_to_epos", "in_epos", "pending"]);
    let short = shop.shortcomings();
    assert_eq!(short.len(), 2);
    assert!(short[0].text.contains("\"in_epos\"") && short[0].remedy.contains("Assign Status to State"), "{short:?}");
    // It outlives a restart, and is gone when the store takes the status.
    let mended = in_status("pending", learned::StatusFate::Taken);
    let later = with(&mended, with_statuses());
    later.recall(&shop.learned().unwrap());
    assert_eq!(later.shortcomings(), short);
    later.acknowledge(&taken()).await.unwrap();
    assert_eq!(later.shortcomings().len(), 1);
}

#[tokio::test]
async fn a_status_that_is_silently_ignored_is_noticed_by_reading_back() {
    let store = in_status("pending", learned::StatusFate::Ignored);
    let shop = with(&store, with_statuses());
    shop.acknowledge(&taken()).await.unwrap();
    assert_eq!(sent_statuses(&store), ["in_epos"], "the comment is written, once");
    assert!(shop.shortcomings()[0].text.contains("left the order's status as it was"), "{:?}", shop.shortcomings());
}

#[tokio::test]
async fn that_an_order_was_given_to_the_till_asks_nothing_of_a_shop_without_a_status_for_it() {
    let store = FakeStore::in_turn([]);
    shop(&store).acknowledge(&published()).await.unwrap();
    assert_eq!(store.lines(), [""; 0]);
}

// ------------------------------------------------------------------------------------------------------------ shipping

fn shipping() -> MagentoSettings {
    MagentoSettings { source: "wh_b".into(), ship_when_taken: true, ..MagentoSettings::default() }
}

/// An order of two units, and its shipments; `lose` answers to shipping are lost.
fn shippable(state: &'static str, mode: Option<&'static str>, mut lose: usize) -> FakeStore {
    let mut shipments: Vec<Value> = Vec::new();
    let script = move |asked: &Asked| match (asked.method.as_str(), asked.line().as_str()) {
        (_, "GET /rest/V1/shipments") => says(200, json!({"items": shipments, "total_count": 1}).to_string()),
        (_, "POST /rest/V1/order/19/ship") => {
            let body = asked.json();
            shipments.push(json!({"comments": [body["comment"]]}));
            if lose > 0 {
                lose -= 1;
                return Answer::Nothing;
            }
            says(200, recorded!("ship-full.json"))
        }
        ("GET", _) => {
            let shipped = if shipments.is_empty() { 0 } else { 2 };
            let item = json!({"item_id": 1, "sku": "A", "qty_ordered": 2, "qty_shipped": shipped});
            says(200, json!({"state": state, "status": "pending", "items": [item]}).to_string())
        }
        _ => says(200, recorded!("comment.json")),
    };
    if mode.is_some() { msi(script) } else { legacy(script) }
}

fn shipped(store: &FakeStore) -> Vec<Value> {
    let ship = |asked: &Asked| asked.line().ends_with("/ship").then(|| asked.json());
    store.asked().iter().filter_map(ship).collect()
}

#[tokio::test]
async fn an_order_that_the_till_took_is_shipped_once_from_this_shops_source() {
    let store = shippable("processing", Some("msi"), 1);
    let shop = with(&store, shipping());
    assert!(shop.acknowledge(&taken()).await.unwrap_err().maybe_done);
    shop.acknowledge(&taken()).await.unwrap();
    shop.acknowledge(&taken()).await.unwrap();
    let sent = shipped(&store);
    assert_eq!(sent.len(), 1, "a lost answer does not double the shipment");
    assert_eq!(sent[0]["arguments"]["extension_attributes"]["source_code"], "wh_b");
    assert_eq!((&sent[0]["notify"], sent[0].get("items")), (&json!(false), None));
    let before_comment = store.lines().iter().position(|line| line.ends_with("/ship"));
    assert!(before_comment < store.lines().iter().position(|line| line.ends_with("/comments")));
}

#[tokio::test]
async fn without_msi_no_source_is_named() {
    let store = shippable("new", None, 0);
    with(&store, shipping()).acknowledge(&taken()).await.unwrap();
    assert_eq!(shipped(&store)[0].get("arguments"), None, "it would be refused");
}

#[tokio::test]
async fn only_what_the_till_took_is_shipped_and_only_where_that_is_wished() {
    let store = shippable("processing", Some("msi"), 0);
    with(&store, shipping()).acknowledge(&published()).await.unwrap();
    with(&store, MagentoSettings::default()).acknowledge(&taken()).await.unwrap();
    assert_eq!(shipped(&store).len(), 0);
}

#[tokio::test]
async fn an_order_on_hold_is_noted_and_its_shipping_is_asked_for_again() {
    let store = shippable("holded", Some("msi"), 0);
    let error = with(&store, shipping()).acknowledge(&taken()).await.unwrap_err();
    assert!(error.what.contains("it is on hold"), "{error}");
    assert_eq!(
        (shipped(&store).len(), store.lines().last().unwrap().as_str()),
        (0, "POST /rest/V1/orders/19/comments")
    );
}

#[tokio::test]
async fn an_order_with_nothing_to_ship_is_passed_over() {
    let store = msi(|asked| match asked.method.as_str() {
        "GET" => says(200, recorded!("order-virtual.json")),
        _ => says(200, recorded!("comment.json")),
    });
    with(&store, shipping()).acknowledge(&taken()).await.unwrap();
    assert_eq!(shipped(&store).len(), 0);
}

#[tokio::test]
async fn a_shipment_that_is_refused_names_the_source() {
    let store = msi(|asked| match asked.line().as_str() {
        "GET /rest/V1/shipments" => says(200, recorded!("shipments-empty.json")),
        "POST /rest/V1/order/19/ship" => says(400, recorded!("ship-400-no-source-code.json")),
        "GET /rest/V1/orders/19" => says(200, recorded!("order-commented.json")),
        _ => says(200, recorded!("comment.json")),
    });
    let error = with(&store, shipping()).acknowledge(&taken()).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Permanent);
    assert!(error.what.contains("does the source wh_b hold as much"), "{error}");
}

// --------------------------------------------------------------------------------------- reservations, limits, catalogue

#[tokio::test]
async fn a_module_that_switches_reservations_off_makes_stock_fall_when_an_order_is_placed() {
    let store = FakeStore::with(|asked| match asked.line().as_str() {
        "GET /rest/V1/modules" => says(200, r#"["Magento_Inventory","Ampersand_DisableStockReservation"]"#),
        _ => says(200, recorded!("stocks.json")),
    });
    let facts = shop(&store).probe().await.unwrap();
    assert_eq!(facts.model, StockModel::DeductAtPlacement);
    assert_eq!(facts.shown, "Magento with MSI, source store_a, without reservations");
    let on = MagentoSettings { reservations: Reservations::On, ..MagentoSettings::default() };
    assert_eq!(with(&store, on).probe().await.unwrap().model, StockModel::PhysicalPlusReservations);
}

#[tokio::test]
async fn a_token_that_may_not_see_the_modules_is_no_failure() {
    let store = FakeStore::with(|asked| match asked.line().as_str() {
        "GET /rest/V1/modules" => says(401, recorded!("err-401-bearer-not-enabled.json")),
        _ => says(200, recorded!("stocks.json")),
    });
    assert_eq!(shop(&store).probe().await.unwrap().model, StockModel::PhysicalPlusReservations);
    let off = MagentoSettings { reservations: Reservations::Off, ..MagentoSettings::default() };
    assert_eq!(with(&store, off).probe().await.unwrap().model, StockModel::DeductAtPlacement);
}

#[tokio::test]
async fn an_answer_that_is_no_word_about_rights_is_not_taken_for_a_plain_store() {
    for (status, body) in [
        (401, recorded!("err-401-oauth-nonce-used.json")),
        (403, r#"{"message":"Request blocked."}"#),
        (404, recorded!("err-404-route.json")),
    ] {
        let store = FakeStore::with(move |asked| match asked.line().as_str() {
            "GET /rest/V1/modules" => says(status, body),
            _ => says(200, recorded!("stocks.json")),
        });
        assert!(shop(&store).probe().await.is_err(), "{status}: the arithmetic of the two is opposite");
    }
}

#[tokio::test]
async fn a_limit_that_was_learned_counts_after_a_restart() {
    let store = takes(20);
    let before = shop(&store);
    before.write_stock(&batch((0..50).map(|n| item(&format!("S{n}"), "1")).collect())).await.unwrap();
    let after = shop(&store);
    after.recall(&before.learned().unwrap());
    assert_eq!(after.batch_size(), 20);
    after.recall("not understood");
    assert_eq!(after.batch_size(), 20);
    assert_eq!(shop(&store).learned(), None, "nothing learned, nothing kept");
}

#[tokio::test]
async fn a_product_that_is_gone_from_the_catalogue_leaves_no_orphan_row() {
    let store = msi(|asked| match asked.line().as_str() {
        "GET /rest/V1/products" => {
            says(200, r#"{"items":[{"sku":"A","type_id":"simple"},{"sku":"SET","type_id":"bundle"}],"total_count":2}"#)
        }
        _ => says(200, recorded!("source-items-post.json")),
    });
    let items = vec![item("A", "1"), item("GONE", "1"), item("SET", "1")];
    let shop = shop(&store);
    let written = outcomes(shop.write_stock(&batch(items)).await.unwrap());
    assert_eq!(written[0].1, WriteOutcome::Stored(1.into()));
    assert_eq!(written[1].1, WriteOutcome::Unknown);
    assert!(matches!(&written[2].1, WriteOutcome::Refused(why) if why.contains("bundle")), "{written:?}");
    assert_eq!(posts(&store), [1]);
    // What was read a moment ago is not asked for again.
    let asked = |store: &FakeStore| store.lines().iter().filter(|line| line.ends_with("/products")).count();
    shop.note_looked_up(&[&sku("A")]);
    shop.write_stock(&batch(vec![item("A", "2")])).await.unwrap();
    assert_eq!(asked(&store), 1);
}

// ------------------------------------------------------------------------------------------------------- salable figures

/// A shop whose stock has these sources, with the recorded figures.
fn exporting(links: &'static str) -> FakeStore {
    msi(move |asked| match asked.line().as_str() {
        "GET /rest/V1/inventory/stock-source-links" => says(200, links),
        "GET /rest/V1/inventory/stocks/2" => says(200, recorded!("stock-2.json")),
        "GET /rest/V1/inventory/export-stock-salable-qty/website/base" => {
            says(200, recorded!("export-stock-salable-qty.json"))
        }
        _ => says(599, ""),
    })
}

#[tokio::test]
async fn salable_figures_are_told_of_a_stock_with_one_source_and_not_of_composites() {
    let store = exporting(r#"{"items":[{"stock_id":2,"source_code":"store_a"}],"total_count":1}"#);
    let shop = shop(&store);
    let mut told = shop.sellable(&skus(&["SKU-010", "AB/12", "TEE", "sku-020"])).await.unwrap();
    told.sort();
    let quantity = |text: &str| Quantity::parse(text).unwrap();
    assert_eq!(told, [(sku("AB/12"), quantity("7.5")), (sku("SKU-010"), quantity("12"))]);
    shop.sellable(&skus(&["SKU-010"])).await.unwrap();
    let links = store.lines().iter().filter(|line| line.ends_with("/stock-source-links")).count();
    assert_eq!(links, 2, "the stock is found out once");
}

#[tokio::test]
async fn nothing_is_told_where_figures_cannot_be_compared() {
    let store = exporting(recorded!("stock-source-links.json"));
    assert_eq!(shop(&store).sellable(&skus(&["SKU-010"])).await.unwrap(), [], "several sources");
    let store = msi(|_| says(401, recorded!("err-401-bearer-not-enabled.json")));
    assert_eq!(shop(&store).sellable(&skus(&["SKU-010"])).await.unwrap(), [], "no right to see");
    let store = legacy(|_| says(599, ""));
    assert_eq!(shop(&store).sellable(&skus(&["SKU-010"])).await.unwrap(), [], "no sources");
}

// --------------------------------------------------------------------------------------------------------------- check

#[tokio::test]
async fn check_tries_everything_and_changes_nothing() {
    let store = msi(|asked| match asked.line().as_str() {
        "GET /rest/V1/orders" => says(200, r#"{"items":[{"entity_id":1}],"total_count":27}"#),
        "GET /rest/V1/inventory/sources/store_a" => says(200, recorded!("source-store-a.json")),
        "POST /rest/V1/inventory/source-items" => says(400, recorded!("err-400-source-items-empty.json")),
        "POST /rest/V1/orders/0/comments" => says(401, recorded!("err-401-acl-comment.json")),
        _ => says(200, r#"{"items":null,"total_count":0}"#),
    });
    let lines = shop(&store).check().await;
    let failed: Vec<&str> = lines.iter().filter(|line| !line.ok).map(|line| line.what.as_str()).collect();
    assert_eq!(failed, ["the right to comment on orders"], "{lines:#?}");
    assert_eq!(lines.len(), 12);
    assert!(lines[2].found.contains("27"));
    assert!(lines[4].found.contains("Store A"), "{lines:#?}");
    assert!(lines[10].found.contains("Magento_Sales::comment"));
    assert!(lines[11].found.contains("kept, as a plain Magento does"), "{lines:#?}");
    assert_eq!(posts(&store), [0], "an empty list");
}

#[tokio::test]
async fn check_of_a_store_that_is_not_there_is_one_line() {
    let store = FakeStore::in_turn([Answer::Nothing]);
    let lines = shop(&store).check().await;
    assert_eq!((lines.len(), lines[0].ok), (1, false));
}
