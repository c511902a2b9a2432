//! Tells an address, or a program on this PC, that quantities were stored.
//!
//! Promises: JSON `{account, skus, count, at}`, where `skus` is a list, or `"all"`; bounded in time and in what is read
//! of an answer; no shell; the store's token is in neither a program's arguments nor its environment. A program that does
//! not end in time is ended; what it started itself is not.

use std::io;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, Url};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use super::client::{self, Call, Explained, Reply};
use super::failure::{self, first_words};
use super::settings::{AfterPushSettings, SettingsError, StoreSettings};
use crate::domain::retry::FailureClass;
use crate::ports::{NotTold, PushListener, Pushed, StoreError};

/// Most that is kept of an answer or of what a program wrote, in bytes.
const KEPT: usize = 4_096;
/// Most characters of it that are repeated.
const SHOWN: usize = 300;
/// How long a program's last words are waited for once it has ended; something that it started may hold the line open.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Whoever is to be told after a push, when the settings name someone. Nothing is asked of it before.
///
/// # Errors
/// When the client cannot be set up.
pub fn push_listener(settings: &StoreSettings) -> Result<Option<Arc<dyn PushListener>>, SettingsError> {
    let Some(wanted) = &settings.after_push else { return Ok(None) };
    if let Some(words) = &wanted.command {
        let secret_variables = settings.secret_variables();
        let (words, timeout) = (words.clone(), wanted.timeout.duration());
        return Ok(Some(Arc::new(Program { words, timeout, secret_variables })));
    }
    let senseless = |complaint: String| SettingsError::Senseless { key: "after_push.url", complaint };
    let url = Url::parse(wanted.url.as_deref().unwrap_or_default()).map_err(|why| senseless(why.to_string()))?;
    let http = client::http_client(&StoreSettings { timeout: wanted.timeout, ..settings.clone() }, &url)?;
    Ok(Some(Arc::new(Address { http, url, settings: wanted.clone() })))
}

fn json(pushed: &Pushed) -> String {
    // Our own type serialises; it has no map with keys that are no texts.
    serde_json::to_string(pushed).unwrap_or_default()
}

// --------------------------------------------------------------------------------------------------------- an address

struct Address {
    http: reqwest::Client,
    url: Url,
    settings: AfterPushSettings,
}

#[async_trait]
impl PushListener for Address {
    async fn tell(&self, pushed: &Pushed) -> Result<(), NotTold> {
        let body = json(pushed);
        let call =
            Call::write(Method::POST, "telling `after_push.url` what was written", self.url.path(), body.clone());
        let host = self.url.host_str().unwrap_or_default();
        let mut request = self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        let token = self.settings.read_token().map_err(|why| NotTold {
            what: with_reason(&why),
            class: FailureClass::Permanent,
            retry_after: None,
        })?;
        if let Some(token) = token {
            request = request.bearer_auth(token.reveal());
        }
        let lost = |why| not_told(failure::of_transport(&call, host, why));
        let response = request.send().await.map_err(lost)?;
        let status = response.status().as_u16();
        if response.status().is_success() {
            return Ok(());
        }
        let (date, retry_after, location) = client::what_headers_say(response.headers());
        let reply = Reply {
            status,
            date,
            retry_after,
            location,
            total: None,
            api_version: None,
            body: beginning(response).await,
        };
        Err(not_told(failure::of_answer(&call, host, &reply, &Explained::default())))
    }
}

fn with_reason(why: &SettingsError) -> String {
    std::error::Error::source(why).map_or_else(|| why.to_string(), |source| format!("{why}: {source}"))
}

fn not_told(error: StoreError) -> NotTold {
    NotTold { what: error.what, class: error.class, retry_after: error.retry_after }
}

/// The beginning of an answer; what breaks off is as good as short.
async fn beginning(mut response: reqwest::Response) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < KEPT
        && let Ok(Some(chunk)) = response.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.truncate(KEPT);
    body
}

// ---------------------------------------------------------------------------------------------------------- a program

struct Program {
    words: Vec<String>,
    timeout: Duration,
    /// The variables that hold secrets, which are none of the program's business.
    secret_variables: Vec<String>,
}

#[async_trait]
impl PushListener for Program {
    async fn tell(&self, pushed: &Pushed) -> Result<(), NotTold> {
        let program = self.words.first().map(String::as_str).unwrap_or_default();
        let failed = |what: String, class| NotTold { what, class, retry_after: None };
        let said = Mutex::new(Vec::new());
        let ran = tokio::time::timeout(self.timeout, self.run(json(pushed), &said)).await;
        let said = String::from_utf8_lossy(&said.into_inner().unwrap_or_else(PoisonError::into_inner)).into_owned();
        let words = match first_words(&said, SHOWN) {
            words if words.is_empty() => "it wrote nothing".to_owned(),
            words => format!("it wrote: {words}"),
        };
        match ran {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed(format!("{program} failed ({status}); {words}"), FailureClass::Transient)),
            Ok(Err(why)) => {
                let remedy = "Does it stand there, and may the agent's user start it?";
                Err(failed(format!("{program} could not be started ({why}). {remedy}"), FailureClass::Permanent))
            }
            Err(_) => {
                let seconds = self.timeout.as_secs_f64();
                let what = format!("{program} had not ended after {seconds} s (`after_push.timeout`) and was ended");
                Err(failed(format!("{what}; {words}"), FailureClass::Transient))
            }
        }
    }
}

impl Program {
    async fn run(&self, body: String, said: &Mutex<Vec<u8>>) -> io::Result<std::process::ExitStatus> {
        let (program, arguments) =
            self.words.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut command = Command::new(program);
        for name in &self.secret_variables {
            command.env_remove(name);
        }
        let mut child = command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let talking = async {
            tokio::join!(feed(stdin, body.as_bytes()), keep(stdout, said), keep(stderr, said));
        };
        tokio::pin!(talking);
        let status = tokio::select! {
            status = child.wait() => {
                // What it started may live on and hold the line open.
                let _open = tokio::time::timeout(LAST_WORDS, &mut talking).await;
                status
            }
            () = &mut talking => child.wait().await,
        };
        status
    }
}

/// A program need not read what it is told.
async fn feed(stdin: Option<tokio::process::ChildStdin>, body: &[u8]) {
    if let Some(mut stdin) = stdin
        && let Err(why) = stdin.write_all(body).await
    {
        tracing::debug!(error = %why, "the program did not read what was pushed");
    }
}

/// Reads all, keeps the beginning.
async fn keep(from: Option<impl AsyncRead + Unpin>, said: &Mutex<Vec<u8>>) {
    let Some(mut from) = from else { return };
    let mut piece = [0; 1_024];
    while let Ok(read @ 1..) = from.read(&mut piece).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        let room = KEPT.saturating_sub(said.len()).min(read);
        said.extend_from_slice(piece.get(..room).unwrap_or_default());
    }
}

#[cfg(test)]
#[path = "after_push_tests.rs"]
mod tests;
