//! A store for tests: plain HTTP on this machine, answering as a script says, or breaking off as a bad line does.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::authorize::Authorization;
use super::client::{Client, Explain};
use super::{SettingsError, StoreSettings};

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Method, path without query.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path.split('?').next().unwrap())
    }
}

/// What the store does.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Status, further headers, body.
    Says(u16, Vec<(&'static str, String)>, String),
    /// The answer breaks off in the middle.
    BreaksOff,
    /// The line breaks before the answer.
    Nothing,
}

pub(crate) fn says(status: u16, body: impl Into<String>) -> Answer {
    Answer::Says(status, Vec::new(), body.into())
}

type Script = Box<dyn FnMut(&Asked) -> Answer + Send>;

/// The store.
pub(crate) struct FakeStore {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl FakeStore {
    /// Answers as `script` says.
    pub(crate) fn with(script: impl FnMut(&Asked) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, mut script): (_, Script) = (asked.clone(), Box::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that goes away early is part of some tests.
                serve(stream.unwrap(), &log, &mut script).ok();
            }
        });
        Self { url, asked }
    }

    /// Answers one after the other, whatever is asked.
    pub(crate) fn in_turn(answers: impl IntoIterator<Item = Answer>) -> Self {
        let mut answers: VecDeque<Answer> = answers.into_iter().collect();
        Self::with(move |asked| answers.pop_front().unwrap_or_else(|| says(599, format!("no answer for {asked:?}"))))
    }

    /// All that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

/// Points settings at the store (which plain settings would refuse: it is no HTTPS).
pub(crate) fn settings(kind: super::StoreKind, store: &FakeStore) -> StoreSettings {
    StoreSettings { token: Some(super::Secret::new("s3cret-token").into()), ..StoreSettings::new(kind, &store.url) }
}

/// A client that signs in with the token of [`settings`].
pub(crate) fn signed_in(settings: &StoreSettings, explain: Explain) -> Result<Client, SettingsError> {
    Client::new(settings, Authorization::bearer(&settings.read_token()?)?, explain)
}

fn serve(mut stream: TcpStream, log: &Mutex<Vec<Asked>>, script: &mut Script) -> std::io::Result<()> {
    let asked = read(&stream)?;
    log.lock().unwrap().push(asked.clone());
    match script(&asked) {
        Answer::Nothing => Ok(()),
        Answer::BreaksOff => stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"items\":["),
        Answer::Says(status, headers, body) => {
            let mut head = format!("HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
            for (name, value) in headers {
                head += &format!("{name}: {value}\r\n");
            }
            stream.write_all((head + "\r\n" + &body).as_bytes())
        }
    }
}

fn read(stream: &TcpStream) -> std::io::Result<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let (mut headers, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Asked { method, path, headers, body: String::from_utf8(body).unwrap() })
}

/// A recorded answer of a real Magento.
macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/magento/", $name))
    };
}
pub(crate) use recorded;
