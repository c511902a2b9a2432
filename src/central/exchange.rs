//! What went over the line when a request failed, for whoever has to find out why.
//!
//! Promises: no header is kept, so that no authorization is; every secret of the configuration is cut out by its value,
//! wherever it stands and however it is encoded; what is known by its name to be about a person (an e-mail address, a street)
//! is cut out as well; a body is cut to [`MOST_KEPT`]. Does not promise to know a person by other signs.

use super::Secret;
use super::client::{Call, encoded};
use crate::ports::Exchange;

/// Most of a body that is kept, in bytes.
const MOST_KEPT: usize = 4096;
/// Shorter texts are not cut out: they would tear everything to pieces, and no secret is so short.
const SHORTEST_SECRET: usize = 4;
/// What stands instead.
const CUT_OUT: &str = "***";
/// Members of JSON objects that are about a person, as Magento, WooCommerce, Shopify and our own contract name them.
const PERSONAL: [&str; 32] = [
    "address1",
    "address2",
    "address_1",
    "address_2",
    "city",
    "company",
    "customer_email",
    "customer_dob",
    "customer_firstname",
    "customer_lastname",
    "customer_middlename",
    "customer_note",
    "dob",
    "email",
    "fax",
    "first_name",
    "firstName",
    "firstname",
    "last_name",
    "lastName",
    "lastname",
    "middlename",
    "name",
    "phone",
    "postcode",
    "province",
    "remote_ip",
    "street",
    "taxvat",
    "telephone",
    "vat_id",
    "zip",
];

/// What must not be kept.
#[derive(Clone, Default)]
pub(crate) struct Masks(Vec<String>);

impl std::fmt::Debug for Masks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Masks").field(&self.0.len()).finish()
    }
}

impl Masks {
    /// From now on this is cut out.
    pub(crate) fn hide(&mut self, secret: &Secret) {
        let text = secret.reveal();
        let quoted = serde_json::to_string(text).unwrap_or_default();
        for form in [text, &encoded(text), quoted.trim_matches('"')] {
            if form.len() >= SHORTEST_SECRET && !self.0.iter().any(|known| known == form) {
                self.0.push(form.to_owned());
            }
        }
        // One secret may stand in another: the longest one first.
        self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// What is kept of a request and its answer.
    pub(crate) fn seen(&self, call: &Call, status: Option<u16>, answered: &[u8]) -> Exchange {
        Exchange {
            request: self.masked(&format!("{} {}", call.method, call.path)),
            sent: self.masked(call.body.as_deref().unwrap_or_default()),
            status,
            answered: self.masked(&String::from_utf8_lossy(answered.get(..MOST_KEPT * 2).unwrap_or(answered))),
        }
    }

    /// The text without the secrets in it.
    pub(crate) fn without_secrets(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, CUT_OUT))
    }

    fn masked(&self, text: &str) -> String {
        let text = self.without_secrets(&without_persons(text));
        match text.char_indices().find(|(at, c)| at + c.len_utf8() > MOST_KEPT) {
            Some((end, _)) => format!("{}… ({} bytes in all)", &text[..end], text.len()),
            None => text,
        }
    }
}

/// Cuts out the values of members that are about a person. A text that breaks off is no obstacle.
fn without_persons(text: &str) -> String {
    let (mut kept, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('"') {
        let (before, quoted) = rest.split_at(at);
        kept.push_str(before);
        let end = string_end(quoted);
        let (name, after) = quoted.split_at(end);
        kept.push_str(name);
        let value = after.trim_start();
        let is_personal = PERSONAL.contains(&name.trim_matches('"'));
        let value = value.strip_prefix(':').filter(|_| is_personal).map(str::trim_start);
        rest = match value {
            Some(value) if value.starts_with('"') => {
                kept.push_str(":\"***\"");
                &value[string_end(value)..]
            }
            Some(value) if value.starts_with('[') => {
                kept.push_str(":[\"***\"]");
                value.split_once(']').map_or("", |(_, after)| after)
            }
            Some(_) | None => after,
        };
    }
    kept + rest
}

/// Where the JSON string that begins here ends, behind its quotation mark.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use reqwest::Method;

    use super::*;

    fn seen(path: &str, sent: &str, answered: &str) -> Exchange {
        let mut masks = Masks::default();
        masks.hide(&Secret::new("s3cr\"et/token"));
        masks.hide(&Secret::new("x"));
        masks.seen(&Call::write(Method::POST, "writing", path, sent.into()), Some(400), answered.as_bytes())
    }

    #[test]
    fn secrets_are_cut_out_by_value_however_they_are_written() {
        let seen = seen("/a?key=s3cr%22et%2Ftoken", r#"{"a":"s3cr\"et/token x"}"#, "no s3cr\"et/token here");
        assert_eq!((seen.request.as_str(), seen.sent.as_str()), ("POST /a?key=***", r#"{"a":"*** x"}"#));
        assert_eq!((seen.status, seen.answered.as_str()), (Some(400), "no *** here"));
    }

    #[test]
    fn what_is_about_a_person_is_cut_out_also_of_a_text_that_breaks_off() {
        let answer =
            r#"{"email": "ann@example.com","sku":"A\"1","street":["12 High St","Flat 2"],"qty":1,"lastname":"O'"#;
        let kept = seen("/", "", answer).answered;
        assert_eq!(kept, r#"{"email":"***","sku":"A\"1","street":["***"],"qty":1,"lastname":"***""#);
        let no_json = "<html class=\"name\">said \"hello";
        assert_eq!(seen("/", "", no_json).answered, no_json);
    }

    #[test]
    fn long_bodies_are_cut_between_characters() {
        let kept = seen("/", "", &"ü".repeat(5000)).answered;
        assert!(kept.len() < MOST_KEPT + 40 && kept.starts_with("üü") && kept.contains("… ("), "{}", kept.len());
    }
}
