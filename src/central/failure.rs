//! What kind of failure it was: said once, here, for every store.
//!
//! | what happened | class | maybe done (of a write) |
//! | --- | --- | --- |
//! | no connection, unknown name | transient | no |
//! | no common encryption | transient | no |
//! | certificate not trusted | permanent: `ca_file` or the shop's certificate | no |
//! | no answer in time, answer cut off | transient | yes |
//! | 401, 403 | permanent | no |
//! | 404, 405, a redirect | permanent: `url`, or the store lacks the route | no |
//! | 400, 409, 422 | bug: the store calls our request malformed | no |
//! | 429, 503 | transient, `Retry-After` kept | no for 429, yes for 503 (a proxy may have given up on it) |
//! | other 5xx | transient | yes |
//! | a web page with 2xx or 5xx | transient: maintenance, or a check for robots | yes |
//! | a web page with 401, 403, 404 | permanent: a firewall, a login, a wrong `url` | no |
//! | 2xx that is not what was asked for | bug | yes |
//!
//! Promises: `what` says what was being done, what came back and what to do, without a secret in it.
//! Does not decide about repeating: [`crate::domain::retry`] reads the class.

use super::client::{Call, Explained, LARGEST_ANSWER, Reply};
use crate::domain::retry::FailureClass;
use crate::ports::StoreError;

/// Most characters of a store's own words that are repeated.
const SHOWN: usize = 300;

/// The request got no whole answer.
pub(crate) fn of_transport(call: &Call, host: &str, why: reqwest::Error) -> StoreError {
    let why = why.without_url();
    let tls = tls_trouble(&why);
    let (said, class) = if let Some(rustls::Error::InvalidCertificate(trouble)) = &tls {
        (certificate_words(host, trouble), FailureClass::Permanent)
    } else if let Some(trouble) = tls.as_ref().filter(|_| why.is_connect()) {
        (
            format!("{host} and this PC cannot agree on encryption ({trouble}); TLS 1.2 is the least"),
            FailureClass::Transient,
        )
    } else if why.is_dns() {
        (format!("the name {host} cannot be found. Is the shop online, and is `url` right?"), FailureClass::Transient)
    } else if why.is_connect() && why.is_timeout() {
        (format!("{host} does not answer. Is the shop online? A firewall may swallow it"), FailureClass::Transient)
    } else if why.is_connect() {
        (format!("no connection to {host}. Is the shop online, and is `url` right?"), FailureClass::Transient)
    } else if why.is_timeout() {
        (format!("{host} did not answer in time; a slow store needs a longer `timeout`"), FailureClass::Transient)
    } else {
        (format!("the answer of {host} broke off"), FailureClass::Transient)
    };
    let never_sent = why.is_connect() || why.is_dns() || why.is_builder();
    StoreError {
        maybe_done: call.changes_something() && !never_sent,
        source: Some(Box::new(why)),
        ..StoreError::new(class, format!("{}: {said}", call.doing))
    }
}

/// Looks for the TLS library's word; `std::io::Error` hides what it wraps from `source`.
fn tls_trouble(why: &(dyn std::error::Error + 'static)) -> Option<rustls::Error> {
    if let Some(trouble) = why.downcast_ref::<rustls::Error>() {
        return Some(trouble.clone());
    }
    let wrapped = why.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match wrapped {
        Some(wrapped) => tls_trouble(wrapped),
        None => tls_trouble(why.source()?),
    }
}

fn certificate_words(host: &str, trouble: &rustls::CertificateError) -> String {
    use rustls::CertificateError as C;
    match trouble {
        C::Expired | C::ExpiredContext { .. } => {
            format!(
                "the certificate of {host} has expired; whoever runs the shop must renew it (or this PC's date is wrong)"
            )
        }
        C::NotValidYet | C::NotValidYetContext { .. } => {
            format!("the certificate of {host} is not valid yet; is this PC's date right?")
        }
        C::NotValidForName | C::NotValidForNameContext { .. } => {
            format!("the certificate belongs to another name than {host}; is `url` right?")
        }
        _ => format!(
            "this PC does not trust the certificate of {host} ({trouble}). If the shop signs its own, or a virus \
             scanner or proxy re-signs the traffic, give that authority's certificate as `ca_file`"
        ),
    }
}

/// The answer was larger than anything a store sends.
pub(crate) fn of_too_large_an_answer(call: &Call, host: &str) -> StoreError {
    let megabytes = LARGEST_ANSWER / (1024 * 1024);
    let what =
        format!("{}: {host} sent more than {megabytes} MB and was cut off; a smaller `page` may help", call.doing);
    StoreError { maybe_done: call.changes_something(), ..StoreError::new(FailureClass::Permanent, what) }
}

/// The answer is JSON of another shape, or no JSON, though the status says that all is well.
pub(crate) fn of_an_odd_answer(call: &Call, host: &str, reply: &Reply, why: serde_json::Error) -> StoreError {
    // Neither the answer nor the reader's words for it: they may hold a customer. `outbox failures` has it, without them.
    let (line, column) = (why.line(), why.column());
    let what = format!(
        "{}: {host} answered {} with something unexpected (line {line}, column {column}; tillbridge outbox failures \
         shows it)",
        call.doing, reply.status
    );
    StoreError { maybe_done: call.changes_something(), ..StoreError::new(FailureClass::Bug, what) }
}

/// The store answered, and it is no success.
pub(crate) fn of_answer(call: &Call, host: &str, reply: &Reply, explained: &Explained) -> StoreError {
    let status = reply.status;
    let (said, remedy) = if reply.is_web_page() {
        (web_page_words(host, reply), web_page_remedy(status).to_owned())
    } else {
        let words = explained.message.as_deref().map(|message| format!(": {}", first_words(message, SHOWN)));
        let said = format!("{host} answered {status}{}", words.unwrap_or_default());
        (said, explained.remedy.clone().unwrap_or_else(|| plain_remedy(reply)))
    };
    let gap = if said.ends_with(['.', '!', '?']) { " " } else { ". " };
    let what = format!("{}: {said}{gap}{remedy}", call.doing);
    StoreError {
        retry_after: reply.retry_after,
        maybe_done: call.changes_something() && (status >= 500 || (200..300).contains(&status)),
        ..StoreError::new(class_of(status, reply.is_web_page()), what.trim_end_matches([' ', '.']))
    }
}

fn class_of(status: u16, web_page: bool) -> FailureClass {
    match status {
        // A success that is a web page: a maintenance page, or a host that checks for robots. It passes.
        200..=299 if web_page => FailureClass::Transient,
        408 | 425 | 429 | 500.. => FailureClass::Transient,
        401 | 402 | 403 | 404 | 405 | 407 | 410 | 413 | 300..=399 => FailureClass::Permanent,
        400..=499 if web_page => FailureClass::Permanent,
        _ => FailureClass::Bug,
    }
}

fn web_page_words(host: &str, reply: &Reply) -> String {
    let words = first_words(&without_tags(&String::from_utf8_lossy(&reply.body)), 120);
    format!("{host} answered {} with a web page instead of data; its first words: \"{words}\"", reply.status)
}

fn web_page_remedy(status: u16) -> &'static str {
    match status {
        403 | 406 | 429 => "A firewall in front of the shop turns us away: have this shop's address let through",
        401 | 407 => "A login stands in front of the shop: have this shop's address let through",
        404 => "Is `url` the shop's address, without anything after it?",
        200..=299 => {
            "Is `url` right? Otherwise a maintenance or login page, or a firewall, stands in front of the shop"
        }
        _ => "The shop is under maintenance or in trouble; this is tried again by itself",
    }
}

fn plain_remedy(reply: &Reply) -> String {
    match (reply.status, &reply.location) {
        (300..=399, Some(place)) => {
            format!("It sends us to {}; write that address as `url`", first_words(place, SHOWN))
        }
        (401 | 403, _) => "Is the token right, and does it still hold?".into(),
        (404 | 405, _) => "Is `url` the shop's address, without anything after it?".into(),
        (429, _) => "It asks us to slow down; this is tried again by itself".into(),
        (500.., _) => "The shop is in trouble; this is tried again by itself".into(),
        _ => String::new(),
    }
}

/// The first words of a text, on one line.
pub(crate) fn first_words(text: &str, most: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A web page's text, without tags; a tag that never ends ends the text.
fn without_tags(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        rest = tag.split_once('>').map_or("", |(_, after)| after);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status,
            date: None,
            retry_after: None,
            location: None,
            total: None,
            api_version: None,
            body: body.into(),
        }
    }

    #[test]
    fn every_status_has_its_class() {
        use FailureClass::{Bug, Permanent, Transient};
        for (status, class) in
            [(400, Bug), (401, Permanent), (403, Permanent), (404, Permanent), (409, Bug), (422, Bug), (301, Permanent)]
        {
            assert_eq!(class_of(status, false), class, "{status}");
        }
        for status in [408, 429, 500, 502, 503, 504, 520] {
            assert_eq!(class_of(status, false), Transient, "{status}");
            assert_eq!(class_of(status, true), Transient, "{status}");
        }
        assert_eq!((class_of(200, true), class_of(403, true), class_of(400, true)), (Transient, Permanent, Permanent));
    }

    #[test]
    fn a_web_page_is_named_with_its_first_words() {
        let page = include_str!("../../tests/fixtures/magento/err-503-maintenance.html");
        let error =
            of_answer(&Call::get("reading orders", "/"), "shop.example", &reply(503, page), &Explained::default());
        let start = "reading orders: shop.example answered 503 with a web page instead of data; its first words: \
                     \"Error 503: Service Unavailable Service Temporarily Unavailable";
        assert!(error.what.starts_with(start), "{}", error.what);
        assert_eq!((error.class, error.maybe_done), (FailureClass::Transient, false));
    }

    #[test]
    fn a_write_that_ended_in_a_server_fault_may_have_been_done() {
        let write = Call::write(reqwest::Method::POST, "writing stock", "/", "{}".into());
        for (status, done) in [(500, true), (503, true), (429, false), (400, false), (401, false)] {
            assert_eq!(
                of_answer(&write, "h", &reply(status, "{}"), &Explained::default()).maybe_done,
                done,
                "{status}"
            );
        }
    }

    #[test]
    fn a_redirect_says_where_to() {
        let answer = Reply { location: Some("https://www.shop.example/rest/V1/x".into()), ..reply(301, "") };
        let error = of_answer(&Call::get("reading", "/"), "shop.example", &answer, &Explained::default());
        assert!(error.what.contains("write that address as `url`"), "{}", error.what);
    }
}
