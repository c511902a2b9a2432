//! Requests taken apart and answers put together, for both simulated stores.
//!
//! Promises: a path segment keeps its encoded slashes until it is split; a query keeps the order of its pairs.

use axum::body::Body;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::Response;
use serde_json::Value;

/// Largest request body taken, in bytes.
pub(crate) const LARGEST_BODY: usize = 16 << 20;

/// A request, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    uri: Uri,
}

impl Request {
    pub(crate) fn new(method: Method, uri: &Uri, headers: HeaderMap, body: &[u8]) -> Self {
        let path = uri.path().split('/').filter(|part| !part.is_empty()).map(|part| decoded(part, false)).collect();
        let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let query = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name, true), decoded(value, true))
        });
        Self { method, path, query: query.collect(), headers, body: body.to_vec(), uri: uri.clone() }
    }

    /// The path's segments, as text.
    pub(crate) fn segments(&self) -> Vec<&str> {
        self.path.iter().map(String::as_str).collect()
    }

    /// The path, encoded as it came.
    pub(crate) fn path_as_sent(&self) -> &str {
        self.uri.path()
    }

    /// The query, encoded as it came.
    pub(crate) fn query_as_sent(&self) -> &str {
        self.uri.query().unwrap_or_default()
    }

    /// The first value of this name in the query.
    pub(crate) fn asked(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// The token after `Bearer`.
    pub(crate) fn bearer(&self) -> Option<&str> {
        let value = self.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        value.strip_prefix("Bearer ").map(str::trim)
    }

    /// The body as JSON; an empty one is null.
    pub(crate) fn json(&self) -> Option<Value> {
        if self.body.is_empty() { Some(Value::Null) } else { serde_json::from_slice(&self.body).ok() }
    }
}

/// Undoes percent-encoding; in a query `+` is a blank as well.
pub(crate) fn decoded(text: &str, plus_is_blank: bool) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let pair = if *first == b'%' { after.get(..2) } else { None };
        let byte = pair.and_then(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if *first == b'+' && plus_is_blank { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

impl Answer {
    /// 200 with JSON.
    pub(crate) fn ok(value: &Value) -> Self {
        Self::json(200, value)
    }

    pub(crate) fn json(status: u16, value: &Value) -> Self {
        Self { status, kind: "application/json; charset=utf-8", body: value.to_string() }
    }

    pub(crate) fn into_response(self, date: &str) -> Response {
        let answer = Response::builder()
            .status(StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            .header(header::CONTENT_TYPE, self.kind)
            .header(header::DATE, date)
            .body(Body::from(self.body));
        answer.unwrap_or_else(|_| Response::new(Body::empty()))
    }
}

/// `Date` as HTTP writes it (RFC 9110), by the store's own clock.
pub(crate) fn http_date(at: jiff::Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_slashes_stay_inside_their_segment_and_plus_means_blank_only_in_a_query() {
        let uri: Uri = "/rest/V1/stockItems/A%2FB+7?a[0]=x+y%20z&b=%C3%9C&c".parse().unwrap();
        let request = Request::new(Method::GET, &uri, HeaderMap::new(), b"");
        assert_eq!(request.segments(), ["rest", "V1", "stockItems", "A/B+7"]);
        assert_eq!(request.asked("a[0]"), Some("x y z"));
        assert_eq!((request.asked("b"), request.asked("c"), request.asked("d")), (Some("Ü"), Some(""), None));
    }
}
