//! What the client does on the wire: HTTP/2 where it is offered, compressed bodies, answers that never end.

use std::io::{Read, Write};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::{Response, StatusCode, Version, header};
use axum::{Json, Router};
use http_body::Frame;

use super::*;
use crate::central::testing::signed_in;
use crate::central::{Secret, StoreKind, magento};
use crate::demo::server::StoreServer;

/// A client of this server, which trusts its certificate.
fn client(server: &StoreServer, change: impl FnOnce(&mut StoreSettings)) -> (Client, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &server.ca_pem).unwrap();
    let mut settings = StoreSettings {
        ca_file: Some(ca),
        token: Some(Secret::new("s3cret-token")),
        ..StoreSettings::new(StoreKind::Magento, &server.url)
    };
    change(&mut settings);
    (signed_in(&settings, magento::explain).unwrap(), folder)
}

fn large() -> Call {
    Call::write(Method::PUT, "writing stock", "/v1/stock", "[\"quantity\"]".repeat(1000))
}

#[tokio::test]
async fn http_2_is_spoken_where_the_store_offers_it_and_http_1_where_not() {
    let version = |version: Version| async move { Json(format!("{version:?}")) };
    let router = || Router::new().fallback(version);
    let server = StoreServer::start_with_http2(router(), "t").unwrap();
    let (speaks, _ca) = client(&server, |_| {});
    assert_eq!(speaks.ask::<String>(&Call::get("asking", "/")).await.unwrap(), "HTTP/2.0");
    assert_eq!(speaks.ask::<String>(&large()).await.unwrap(), "HTTP/2.0");
    let server = StoreServer::start(router(), "t").unwrap();
    let (speaks, _ca) = client(&server, |_| {});
    assert_eq!(speaks.ask::<String>(&Call::get("asking", "/")).await.unwrap(), "HTTP/1.1");
}

/// A body that is reset after its first part.
struct Reset(bool);

impl http_body::Body for Reset {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(Some(Err(std::io::ErrorKind::ConnectionReset.into())));
        }
        cx.waker().wake_by_ref();
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"[1,")))))
    }
}

#[tokio::test]
async fn a_stream_that_is_reset_in_the_middle_of_its_answer_is_transient_and_a_write_may_be_done() {
    let router = Router::new().fallback(|| async { Response::new(Body::new(Reset(false))) });
    for server in [StoreServer::start_with_http2(router.clone(), "t"), StoreServer::start(router, "t")] {
        let server = server.unwrap();
        let (client, _ca) = client(&server, |_| {});
        let read = client.ask::<Vec<u8>>(&Call::get("reading orders", "/")).await.unwrap_err();
        assert_eq!((read.class, read.maybe_done), (FailureClass::Transient, false), "{read}");
        let write = client.ask::<Vec<u8>>(&large()).await.unwrap_err();
        assert_eq!((write.class, write.maybe_done), (FailureClass::Transient, true), "{write}");
        assert_eq!(write.exchange.unwrap().status, None, "no whole answer came");
    }
}

#[tokio::test]
async fn an_answer_that_unpacks_to_more_than_any_store_sends_is_cut_off() {
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    for _ in 0..(4 * LARGEST_ANSWER / 65_536) {
        bomb.write_all(&[b' '; 65_536]).unwrap();
    }
    let bomb = Bytes::from(bomb.finish().unwrap());
    assert!(bomb.len() < LARGEST_ANSWER / 100, "{} bytes on the line", bomb.len());
    let router = Router::new().fallback(move || {
        let bomb = bomb.clone();
        async move { ([(header::CONTENT_ENCODING, "gzip")], bomb) }
    });
    let server = StoreServer::start(router, "t").unwrap();
    let (client, _ca) = client(&server, |_| {});
    let error = client.ask::<Vec<u8>>(&Call::get("reading orders", "/")).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Permanent);
    assert!(error.what.contains("more than 32 MB"), "{error}");
}

#[tokio::test]
async fn large_bodies_are_compressed_when_the_settings_say_so_and_plain_again_when_the_store_refuses() {
    type Seen = Arc<Mutex<Vec<(Option<String>, Vec<u8>)>>>;
    let (seen, takes) = (Seen::default(), Arc::new(AtomicBool::new(true)));
    let (log, open) = (seen.clone(), takes.clone());
    let router = Router::new().fallback(move |headers: HeaderMap, body: Bytes| async move {
        let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap().to_owned());
        let refused = encoding.is_some() && !open.load(Ordering::Relaxed);
        log.lock().unwrap().push((encoding, body.to_vec()));
        if refused { (StatusCode::UNSUPPORTED_MEDIA_TYPE, Json(0)) } else { (StatusCode::OK, Json(1)) }
    });
    let server = StoreServer::start(router, "t").unwrap();
    let (plain, _ca) = client(&server, |_| {});
    let (packs, _ca) = client(&server, |settings| settings.compress_requests = true);
    let small = Call::write(Method::PUT, "writing stock", "/v1/stock", "[]".into());
    for (client, call) in [(&plain, large()), (&packs, small), (&packs, large())] {
        assert_eq!(client.ask::<u8>(&call).await.unwrap(), 1);
    }
    let whole = large().body.unwrap();
    let sent = std::mem::take(&mut *seen.lock().unwrap());
    let encodings: Vec<_> = sent.iter().map(|(encoding, _)| encoding.as_deref()).collect();
    assert_eq!(encodings, [None, None, Some("gzip")]);
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(sent[2].1.as_slice()).read_to_string(&mut unpacked).unwrap();
    assert_eq!((unpacked == whole, sent[2].1.len() < whole.len() / 10), (true, true));

    takes.store(false, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(packs.ask::<u8>(&large()).await.unwrap(), 1);
    }
    let encodings: Vec<_> = seen.lock().unwrap().iter().map(|(encoding, _)| encoding.clone()).collect();
    assert_eq!(encodings, [Some("gzip".to_owned()), None, None], "refused once, then plain for good");
}

#[tokio::test]
async fn a_store_that_repeats_the_token_gets_it_into_no_message_and_no_record() {
    let router = Router::new().fallback(|headers: HeaderMap| async move {
        let sent = headers.get(header::AUTHORIZATION).unwrap().to_str().unwrap().to_owned();
        (StatusCode::BAD_REQUEST, Json(serde_json::json!({ "message": format!("no idea what {sent} means") })))
    });
    let server = StoreServer::start(router, "t").unwrap();
    let (client, _ca) = client(&server, |_| {});
    let call = Call::write(Method::POST, "writing stock", "/x?token=s3cret-token", "\"s3cret-token\"".into());
    let error = client.ask::<u8>(&call).await.unwrap_err();
    assert!(error.what.contains("no idea what Bearer *** means"), "{error}");
    let kept = error.exchange.unwrap();
    assert_eq!((kept.request.as_str(), kept.sent.as_str()), ("POST /x?token=***", "\"***\""));
    assert!(kept.answered.contains("Bearer ***"), "{kept:?}");
    assert!(!format!("{kept:?}").contains("s3cret"), "{kept:?}");
}
