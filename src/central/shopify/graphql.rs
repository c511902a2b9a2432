//! Sending a document and reading its answer: cost, throttling, and errors under HTTP 200.
//!
//! Promises: an answer with any error in it is no answer, whatever else it holds; a request that would be refused for its
//! cost waits for at most [`LONGEST_WAIT`], and else fails as transient with the pause that is needed; a question is never
//! reported as perhaps carried out.
//!
//! | code | what it is |
//! | --- | --- |
//! | `THROTTLED` (HTTP 200, or 429) | transient, with the pause; or too dear, when the bucket never holds so much |
//! | `MAX_COST_EXCEEDED`, `MAX_INPUT_SIZE_EXCEEDED` | too dear: ask for less |
//! | `ACCESS_DENIED` | permanent: a scope is missing |
//! | `SHOP_INACTIVE` | permanent |
//! | `INTERNAL_SERVER_ERROR`, `TIMEOUT` | transient; a change may have been made |
//! | others | bug: the document does not fit the interface |

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Shopify;
use super::documents::Document;
use super::throttle::Cost;
use crate::central::client::{Call, Reply};
use crate::central::failure;
use crate::domain::retry::FailureClass;
use crate::ports::StoreError;

/// Longest wait for points before a request is put off.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// The pause when the store says slow down and not for how long.
const PAUSE: SignedDuration = SignedDuration::from_secs(2);
/// The pause after 430: whoever is taken for an attacker had better be quiet.
const AFTER_REJECTION: SignedDuration = SignedDuration::from_mins(15);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Too much was asked for at once; less may go.
    TooDear(StoreError),
    /// Anything else.
    Other(StoreError),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooDear(error) | Failure::Other(error) => error,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Other(error)
    }
}

/// An answer (GraphQL over HTTP).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    data: Option<Value>,
    /// A list of errors; a bare text from what stands before GraphQL.
    errors: Option<Value>,
    extensions: Extensions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Extensions {
    cost: Option<Cost>,
}

/// One error.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GraphqlError {
    message: String,
    extensions: ErrorExtensions,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ErrorExtensions {
    code: Option<String>,
    required_access: Option<String>,
}

impl Shopify {
    /// Sends a document and reads what it asked for.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        document: &Document,
        doing: &str,
        variables: &Value,
    ) -> Result<T, Failure> {
        let body = json!({ "query": document.text, "operationName": document.name, "variables": variables });
        let call = Call::write(Method::POST, doing, self.path.clone(), body.to_string());
        let asked = self.send(document, &call).await;
        // A question changes nothing, though it is a POST.
        let honest = |error: StoreError| StoreError { maybe_done: error.maybe_done && document.changes, ..error };
        let (data, reply) = asked.map_err(|failure| match failure {
            Failure::TooDear(error) => Failure::TooDear(honest(error)),
            Failure::Other(error) => Failure::Other(honest(error)),
        })?;
        serde_json::from_value(data)
            .map_err(|why| Failure::Other(honest(failure::of_an_odd_answer(&call, self.client.host(), &reply, why))))
    }

    async fn send(&self, document: &Document, call: &Call) -> Result<(Value, Reply), Failure> {
        self.sign_in.ready(&self.client).await?;
        self.wait_for_points(document, call).await?;
        let mut reply = self.client.send(call).await?;
        if reply.status == 401 && self.sign_in.forget().await {
            self.sign_in.ready(&self.client).await?;
            reply = self.client.send(call).await?;
        }
        let mut answer: Option<Answer> = serde_json::from_slice(&reply.body).ok();
        if let Some(answer) = &mut answer {
            answer.errors = answer.errors.take().filter(|errors| errors.as_array().is_none_or(|list| !list.is_empty()));
        }
        self.note(document, &reply, answer.as_ref());
        match answer {
            Some(Answer { errors: Some(errors), extensions, .. }) if is_list_of_errors(&errors) => {
                Err(self.failure(call, &reply, errors, extensions.cost))
            }
            Some(Answer { data: Some(data), errors: None, .. }) if reply.is_success() => Ok((data, reply)),
            Some(_) | None => Err(Failure::Other(self.refusal(call, &reply))),
        }
    }

    async fn wait_for_points(&self, document: &Document, call: &Call) -> Result<(), StoreError> {
        let pause = self.seen().budget.pause(document.name, Instant::now());
        if pause > LONGEST_WAIT {
            let what = format!("{}: Shopify asks us to slow down; this is tried again by itself", call.doing);
            let retry_after = SignedDuration::try_from(pause).ok();
            return Err(StoreError { retry_after, ..StoreError::new(FailureClass::Transient, what) });
        }
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    fn note(&self, document: &Document, reply: &Reply, answer: Option<&Answer>) {
        let mut seen = self.seen();
        seen.clock = reply.date.or(seen.clock);
        if let Some(version) = &reply.api_version {
            if *version != self.version && seen.version.as_ref() != Some(version) {
                tracing::warn!("Shopify answers as version {version} instead of {}", self.version);
            }
            seen.version = Some(version.clone());
        }
        if let Some(cost) = answer.and_then(|answer| answer.extensions.cost) {
            seen.budget.note(document.name, cost, Instant::now());
        }
    }

    /// The failure that a list of errors stands for; the first with a known code decides.
    fn failure(&self, call: &Call, reply: &Reply, errors: Value, cost: Option<Cost>) -> Failure {
        let errors: Vec<GraphqlError> = serde_json::from_value(errors).unwrap_or_default();
        let coded = errors.iter().find(|error| error.extensions.code.is_some());
        let unknown = GraphqlError::default();
        let error = coded.or(errors.first()).unwrap_or(&unknown);
        let code = error.extensions.code.as_deref().unwrap_or_default();
        let said = failure::first_words(&error.message, 300);
        let failed = |class, remedy: String| {
            let what = format!("{}: {} answered: {said}. {remedy}", call.doing, self.client.host());
            StoreError::new(class, what.trim_end_matches([' ', '.']))
        };
        match code {
            "THROTTLED" => {
                throttled(failed(FailureClass::Transient, "This is tried again by itself".into()), reply, cost)
            }
            "MAX_COST_EXCEEDED" | "MAX_INPUT_SIZE_EXCEEDED" => {
                Failure::TooDear(failed(FailureClass::Permanent, "A smaller `page` or `batch` may help".into()))
            }
            "ACCESS_DENIED" => {
                let needed = error.extensions.required_access.as_deref().unwrap_or("a scope that the app lacks");
                let remedy = format!("Needed: {needed}. Give the app the scope and install it again");
                Failure::Other(failed(FailureClass::Permanent, remedy))
            }
            "SHOP_INACTIVE" => Failure::Other(failed(FailureClass::Permanent, "The shop is not active".into())),
            "INTERNAL_SERVER_ERROR" | "TIMEOUT" => {
                let error =
                    failed(FailureClass::Transient, "Shopify is in trouble; this is tried again by itself".into());
                Failure::Other(StoreError { maybe_done: true, ..error })
            }
            _ => Failure::Other(failed(
                FailureClass::Bug,
                format!("Does `shopify.api_version` ({}) know this? Else it is a fault of Tillbridge", self.version),
            )),
        }
    }

    /// The failure that an answer without GraphQL in it stands for.
    fn refusal(&self, call: &Call, reply: &Reply) -> StoreError {
        let error = self.client.refusal(call, reply);
        match reply.status {
            423 => StoreError { class: FailureClass::Permanent, ..error },
            430 => StoreError { class: FailureClass::Transient, retry_after: Some(AFTER_REJECTION), ..error },
            429 => StoreError { retry_after: error.retry_after.or(Some(PAUSE)), ..error },
            _ => error,
        }
    }
}

/// The bucket is too empty now; or it never holds so much.
fn throttled(error: StoreError, reply: &Reply, cost: Option<Cost>) -> Failure {
    let known = cost.and_then(|cost| Some((cost.requested_query_cost?, cost.throttle_status?)));
    if known.is_some_and(|(points, status)| status.never(points)) {
        return Failure::TooDear(error);
    }
    let missing = known.map(|(points, status)| points - status.currently_available);
    let rate = known.map_or(0.0, |(_, status)| status.restore_rate);
    let refill = missing.filter(|points| *points > 0.0 && rate > 0.0);
    let refill = refill.and_then(|points| SignedDuration::try_from_secs_f64((points / rate).ceil()).ok());
    Failure::Other(StoreError { retry_after: reply.retry_after.or(refill).or(Some(PAUSE)), ..error })
}

/// Errors of GraphQL are a list; what stands before it writes a text.
fn is_list_of_errors(errors: &Value) -> bool {
    errors.as_array().is_some_and(|list| list.iter().all(Value::is_object))
}
