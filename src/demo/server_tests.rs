use std::sync::Arc;

use jiff::Timestamp;
use reqwest::{Client, StatusCode};

use super::*;
use crate::demo::clock::HandClock;
use crate::demo::faults::{Count, Fault};
use crate::demo::magento::{Magento, Mode, rest};
use crate::demo::seed;

fn client(store: &StoreServer) -> Client {
    client_trusting(&store.ca_pem)
}

fn client_trusting(ca_pem: &str) -> Client {
    let mut roots = rustls::RootCertStore::empty();
    let pem = rustls_pki_types::pem::PemObject::from_pem_slice(ca_pem.as_bytes()).unwrap();
    roots.add(pem).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap()
}

fn shop() -> (Magento, StoreServer) {
    let clock = HandClock::at("2026-11-23T16:00:00Z".parse::<Timestamp>().unwrap());
    let magento = Magento::new(seed::magento(Mode::Msi, Arc::new(clock)));
    let store = StoreServer::start(rest::router(magento.clone(), "secret"), "secret").unwrap();
    (magento, store)
}

fn orders(store: &StoreServer) -> String {
    format!("{}/rest/V1/orders?searchCriteria%5BpageSize%5D=5", store.url)
}

async fn fetch(client: &Client, store: &StoreServer) -> reqwest::Result<(StatusCode, String)> {
    let answer = client.get(orders(store)).bearer_auth(&store.token).send().await?;
    Ok((answer.status(), answer.text().await?))
}

async fn place(client: &Client, store: &StoreServer) -> reqwest::Result<String> {
    let body = "{\"lines\":[{\"sku\":\"1001\",\"qty\":1}]}";
    client.post(format!("{}/demo/orders", store.url)).body(body).send().await?.text().await
}

#[tokio::test]
async fn the_store_answers_over_https_with_its_own_authority() {
    let (_, store) = shop();
    let client = client(&store);
    let answer = client.get(orders(&store)).bearer_auth(&store.token).send().await.unwrap();
    assert_eq!(answer.headers()["date"], "Mon, 23 Nov 2026 16:00:00 GMT");
    assert!(answer.text().await.unwrap().contains("\"total_count\":0"));
    let stranger = client_trusting(&Tls::new().unwrap().ca_pem);
    assert!(fetch(&stranger, &store).await.is_err(), "another authority is not trusted");
}

#[tokio::test]
async fn a_dead_line_answers_nothing_and_carries_nothing_out() {
    let (magento, store) = shop();
    let client = client(&store);
    assert!(fetch(&client, &store).await.is_ok());
    store.faults.set(Fault::Offline, Count::UntilCleared);
    for _ in 0..3 {
        assert!(place(&client, &store).await.is_err());
    }
    store.faults.clear();
    assert_eq!(magento.with(|books| books.orders().count()), 0);
    assert!(place(&client, &store).await.is_ok());
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_call_was_carried_out() {
    let (magento, store) = shop();
    let client = client(&store);
    store.faults.set_for("POST /demo/orders", Fault::AnswerLost, Count::Next(1));
    assert!(fetch(&client, &store).await.is_ok(), "other routes are not touched");
    assert!(place(&client, &store).await.is_err());
    assert_eq!(magento.with(|books| books.orders().count()), 1);
    assert!(place(&client, &store).await.is_ok());
    assert_eq!(store.faults.count("POST /demo/orders"), 2);
}

#[tokio::test]
async fn a_call_can_be_carried_out_long_after_the_client_gave_up() {
    let (magento, store) = shop();
    let client = client(&store);
    store.faults.set_for("POST /demo/orders", Fault::Late, Count::Next(1));
    assert!(place(&client, &store).await.is_err());
    assert_eq!(magento.with(|books| books.orders().count()), 0);
    assert!(place(&client, &store).await.is_ok());
    assert_eq!((store.faults.carry_out_late().await, store.faults.carry_out_late().await), (1, 0));
    assert_eq!(magento.with(|books| books.orders().count()), 2);
}

#[tokio::test]
async fn something_can_happen_exactly_between_two_requests() {
    let (magento, store) = shop();
    let client = client(&store);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let (books, counts) = (magento.clone(), seen.clone());
    store.faults.after_each("", move || counts.lock().unwrap().push(books.with(|books| books.orders().count())));
    let books = magento.clone();
    store.faults.before("POST /demo/orders", 1, move || drop(books.place(&[("1002", 1)]).unwrap()));
    assert!(fetch(&client, &store).await.is_ok());
    assert!(!store.faults.all_happened());
    assert!(place(&client, &store).await.is_ok());
    assert!(fetch(&client, &store).await.is_ok());
    assert!(store.faults.all_happened());
    assert_eq!(*seen.lock().unwrap(), [0, 2, 2]);
}

#[tokio::test]
async fn a_body_can_stop_in_the_middle_after_a_good_head() {
    let (_, store) = shop();
    let client = client(&store);
    store.faults.set(Fault::CutBody, Count::Next(1));
    let answer = client.get(orders(&store)).bearer_auth(&store.token).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.text().await.is_err());
    assert!(fetch(&client, &store).await.is_ok());
}

#[tokio::test]
async fn the_store_can_be_unwell_in_every_observed_way() {
    let (_, store) = shop();
    let client = client(&store);
    for (fault, status, word) in [
        (Fault::Maintenance, 503, "<!doctype html>"),
        (Fault::Unauthorised, 401, "isn't authorized"),
        (Fault::TooMany(Duration::from_secs(7)), 429, "Too Many"),
        (Fault::ServerError, 500, "<base href="),
        (Fault::Latency(Duration::ZERO), 200, "total_count"),
    ] {
        store.faults.set(fault, Count::Next(1));
        let (got, body) = fetch(&client, &store).await.unwrap();
        assert_eq!(got.as_u16(), status, "{fault:?}");
        assert!(body.contains(word), "{fault:?}: {body}");
    }
    store.faults.set(Fault::TooMany(Duration::from_secs(7)), Count::Next(1));
    let answer = client.get(orders(&store)).send().await.unwrap();
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[tokio::test]
async fn after_a_stop_nobody_listens_and_a_restart_takes_the_same_port() {
    let (_, mut store) = shop();
    let client = client(&store);
    let url = store.url.clone();
    assert!(fetch(&client, &store).await.is_ok());
    store.stop().await;
    assert!(fetch(&client, &store).await.unwrap_err().is_connect());
    store.restart().unwrap();
    assert_eq!(store.url, url);
    assert!(fetch(&client, &store).await.is_ok());
}
