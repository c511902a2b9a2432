//! No secret is found in anything that the agent wrote: the real program, all its commands, in quiet and in trouble.
//!
//! What is searched for is each secret as it is, percent-encoded, and as base64 at every alignment, alone or within
//! something longer (`Authorization: Basic …` of a proxy). What is searched is every file of the shop's folder (ledger and
//! its WAL, logs at trace level, the till's folders, the agent's own output) and what commands and pages said. Left out
//! are only the places where a secret is kept on purpose.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;
use tillbridge::clock::SystemClock;
use tillbridge::demo::agent_process::{AgentProcess, Pace, config};
use tillbridge::demo::magento::{Integration, Magento, Mode};
use tillbridge::demo::server::StoreServer;
use tillbridge::demo::till::{Habits, SimulatedTill};
use tillbridge::demo::{TOKEN, magento, seed, write_private};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tillbridge");
const PROXY_PASSWORD: &str = "pr0xy-p?ss/word that opens nothing";

/// A proxy that asks for a password and leads anywhere (RFC 9110, CONNECT).
struct Proxy {
    port: u16,
    led: Arc<AtomicUsize>,
    refuses: Arc<AtomicBool>,
}

impl Proxy {
    fn start(password: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (led, refuses) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let wanted = format!("basic {}", STANDARD.encode(format!("agent:{password}")));
        let (count, no) = (led.clone(), refuses.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (wanted, count, no) = (wanted.clone(), count.clone(), no.clone());
                // A client that goes away early is part of the test.
                std::thread::spawn(move || lead(stream.unwrap(), &wanted, &count, &no).ok());
            }
        });
        Self { port, led, refuses }
    }

    fn address(&self) -> String {
        let password: String = PROXY_PASSWORD.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("http://agent:{password}@127.0.0.1:{}", self.port)
    }
}

fn lead(mut client: TcpStream, wanted: &str, led: &AtomicUsize, refuses: &AtomicBool) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut first, mut let_in) = (String::new(), false);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.trim().split_once(':').unwrap_or_default();
        let is_right = value.trim().to_lowercase() == wanted.to_lowercase();
        let_in |= name.eq_ignore_ascii_case("proxy-authorization") && is_right;
    }
    if !let_in || refuses.load(Ordering::Relaxed) {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }
    led.fetch_add(1, Ordering::Relaxed);
    let mut store = TcpStream::connect(first.split_whitespace().nth(1).unwrap_or_default())?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut up, mut down) = (store.try_clone()?, client.try_clone()?);
    let other = std::thread::spawn(move || {
        std::io::copy(&mut reader, &mut up).ok();
        up.shutdown(Shutdown::Write).ok();
    });
    std::io::copy(&mut store, &mut down).ok();
    down.shutdown(Shutdown::Both).ok();
    other.join().ok();
    Ok(())
}

/// A shop whose agent signs its requests and goes through the proxy; the secrets come from everywhere.
struct Shop {
    folder: TempDir,
    magento: Magento,
    server: StoreServer,
    till: SimulatedTill,
    agent: AgentProcess,
    proxy: Proxy,
    own: Integration,
    /// All that commands and pages said.
    said: Vec<u8>,
}

impl Shop {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let (books, own) = (Magento::new(seed::magento(Mode::Msi, Arc::new(SystemClock))), Integration::of_the_demo());
        books.with(|books| {
            books.sign_in.refuses_bearer = true;
            books.sign_in.integration = Some(own.clone());
        });
        let server = StoreServer::start(magento::rest::router(books.clone(), TOKEN), TOKEN).unwrap();
        std::fs::write(at.join("store-ca.pem"), &server.ca_pem).unwrap();
        write_private(&at.join("store-token"), TOKEN).unwrap();
        write_private(&at.join("consumer-secret"), &own.consumer_secret).unwrap();
        let till = SimulatedTill::new(at, Habits::default()).unwrap().stocked();
        let text = configuration(at, &server.url, &own);
        let agent = AgentProcess::new(at, Some(PROGRAM.into()), &text).unwrap();
        let proxy = Proxy::start(PROXY_PASSWORD);
        let mut shop = Self { folder, magento: books, server, till, agent, proxy, own, said: Vec::new() };
        let (token, proxy) = (shop.own.access_token.clone(), shop.proxy.address());
        shop.run(&["secret", "set", "access-token"], &token);
        shop.run(&["secret", "set", "proxy"], &proxy);
        shop
    }

    /// Its secrets.
    fn secrets(&self) -> Vec<String> {
        let Integration { consumer_secret, access_token, access_token_secret, consumer_key: _ } = self.own.clone();
        vec![consumer_secret, access_token, access_token_secret, PROXY_PASSWORD.into(), TOKEN.into()]
    }

    /// What the service manager hands to the agent.
    fn variables(&self) -> [(&'static str, String); 2] {
        let folder = self.folder.path().display().to_string();
        [("SHOP_TOKEN_SECRET", self.own.access_token_secret.clone()), ("CREDENTIALS_DIRECTORY", folder)]
    }

    /// A command; what it says is kept.
    fn run(&mut self, args: &[&str], stdin: &str) -> (i32, String) {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(self.agent.config()).args(args).envs(self.variables());
        command.env("RUST_BACKTRACE", "1").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        self.said.extend_from_slice(&text);
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }

    fn page(&mut self, path: &str) {
        let health = self.agent.health_page().unwrap();
        let address = health.trim_start_matches("http://").trim_end_matches("/health").to_owned();
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = Vec::new();
        stream.read_to_end(&mut text).unwrap();
        assert!(text.starts_with(b"HTTP/1.1"), "{path}");
        self.said.extend(text);
    }

    fn look_at_everything(&mut self) {
        for args in [
            &["check"][..],
            &["check", "--format", "json"],
            &["status"],
            &["status", "--format", "json"],
            &["orders", "list"],
            &["items", "list"],
            &["stock", "explain", "1001"],
            &["secret", "list"],
            &["secret", "list", "--format", "json"],
            &["sync", "now"],
        ] {
            self.run(args, "");
        }
        for path in ["/", "/health", "/healthz", "/readyz", "/metrics"] {
            self.page(path);
        }
    }

    /// Everything that was written, by where: files (not those where a secret lies on purpose), and what was said.
    fn written(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let at = self.folder.path();
        let on_purpose = [at.join("agent/secrets"), at.join("store-token"), at.join("consumer-secret")];
        let mut found = vec![("what commands and pages said".into(), self.said.clone())];
        let mut folders = vec![at.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if on_purpose.contains(&path) {
                    continue;
                }
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(bytes) = std::fs::read(&path) {
                    // A file that has gone meanwhile is a file of the agent's that says nothing any more.
                    found.push((path, bytes));
                }
            }
        }
        found
    }

    #[track_caller]
    fn holds_no_secret(&self) {
        let written = self.written();
        let names: Vec<String> = written.iter().map(|(path, _)| path.display().to_string()).collect();
        for place in ["-wal", "ledger", ".log", "config.toml", "import"] {
            assert!(names.iter().any(|name| name.contains(place)), "{place} was searched: {names:?}");
        }
        for secret in self.secrets() {
            for (path, bytes) in &written {
                assert!(!holds(bytes, &secret), "{secret:?} stands in {}", path.display());
            }
        }
    }
}

fn configuration(at: &Path, url: &str, own: &Integration) -> String {
    let oauth = format!(
        "[store.magento.oauth]\nconsumer_key = \"{}\"\nconsumer_secret = {{ file = \"consumer-secret\" }}\n\
         access_token = {{ kept = \"access-token\" }}\naccess_token_secret = {{ env = \"SHOP_TOKEN_SECRET\" }}\n\n[orders]",
        own.consumer_key
    );
    let text = config(at, url, &Pace { watch: true, hold_at_most_ms: 1500 });
    let token = text.lines().find(|line| line.starts_with("token_file")).unwrap().to_owned();
    text.replace("log = \"debug\"", "log = \"trace\"")
        .replace(&token, "proxy = { kept = \"proxy\" }")
        .replace("[orders]", &oauth)
}

/// Every form in which a secret could stand in a text.
fn forms(secret: &str) -> Vec<Vec<u8>> {
    let percent = |keep: fn(u8) -> bool| -> String {
        let one = |byte: u8| if keep(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        secret.bytes().map(one).collect()
    };
    let encoded = percent(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~'));
    let every = percent(|_| false);
    let twice = encoded.replace('%', "%25");
    let mut forms = vec![secret.to_owned(), encoded.clone(), encoded.to_lowercase(), every, twice];
    forms.push(encoded.replace("%20", "+"));
    for before in 0..3 {
        let padded = [vec![b'x'; before], secret.as_bytes().to_vec()].concat();
        let text = STANDARD.encode(&padded);
        // What is the same whatever stands before and behind.
        let (first, last) = ((before * 8).div_ceil(6), padded.len() * 8 / 6);
        let middle = &text[first..last];
        forms.extend([middle.to_owned(), middle.replace('+', "-").replace('/', "_")]);
    }
    forms.into_iter().map(String::into_bytes).collect()
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    forms(secret).iter().any(|form| bytes.windows(form.len()).any(|window| window == form))
}

#[test]
fn the_search_finds_every_form() {
    let secret = "a b/c+d?geheim&wort=1";
    for text in [
        format!("xx{secret}yy"),
        "q=a%20b%2Fc%2Bd%3Fgeheim%26wort%3D1".into(),
        "q=a+b%2Fc%2Bd%3Fgeheim%26wort%3D1".into(),
        format!("Basic {}", STANDARD.encode(format!("me:{secret}"))),
        format!("Basic {}", STANDARD.encode(format!("you:{secret}more"))),
        format!("Basic {}", STANDARD.encode(format!("a:{secret}"))),
    ] {
        assert!(holds(text.as_bytes(), secret), "{text}");
    }
    assert!(!holds(b"nothing of the kind", secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_the_agent_writes_holds_a_secret() {
    let mut shop = Shop::open();
    start(&mut shop);
    shop.till.export("first.csv").unwrap();
    shop.agent.wait_for_export("first.csv", true).unwrap();
    shop.agent.wait_until_sent().unwrap();
    shop.magento.place(&[("1001", 2)]).unwrap();
    shop.agent.wait("the order file", |ledger| Ok(ledger.waiting_for_till()?.len() == 1)).unwrap();
    let (code, said) = shop.run(&["check"], "");
    assert_eq!(code, 0, "{said}");
    shop.look_at_everything();
    assert!(shop.proxy.led.load(Ordering::Relaxed) > 0, "the proxy was used");
    assert!(shop.magento.with(|books| books.sign_in.signed()) > 5, "requests were signed");
    shop.holds_no_secret();

    // The proxy refuses, then the store does: what is said of failures holds no secret either.
    shop.proxy.refuses.store(true, Ordering::Relaxed);
    shop.server.stop().await;
    shop.server.restart().unwrap();
    shop.run(&["check"], "");
    shop.proxy.refuses.store(false, Ordering::Relaxed);
    shop.magento.with(|books| books.sign_in.integration = None);
    let (code, said) = shop.run(&["check"], "");
    assert_eq!(code, 3, "{said}");
    assert!(said.contains("magento.oauth.consumer_key"), "{said}");
    let refused = |ledger: &tillbridge::ledger::Ledger| {
        Ok(ledger.conditions()?.iter().any(|condition| condition.code == "store_refuses"))
    };
    shop.agent.wait("the store refusing the agent", refused).unwrap();
    shop.look_at_everything();
    shop.holds_no_secret();
    shop.agent.kill().unwrap();
    shop.holds_no_secret();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_is_in_nothing_that_the_agent_writes() {
    let mut shop = Shop::open();
    shop.magento.with(|books| books.sign_in.refuses_bearer = false);
    let text = std::fs::read_to_string(shop.agent.config()).unwrap();
    let (before, rest) = text.split_once("[store.magento.oauth]").unwrap();
    let after = rest.split_once("[orders]").unwrap().1;
    let text =
        format!("{before}[orders]{after}").replace("proxy = {", "token = { credential = \"store-token\" }\nproxy = {");
    std::fs::write(shop.agent.config(), text).unwrap();
    start(&mut shop);
    shop.till.export("first.csv").unwrap();
    shop.agent.wait_for_export("first.csv", true).unwrap();
    shop.agent.wait_until_sent().unwrap();
    shop.look_at_everything();
    shop.magento.with(|books| books.sign_in.refuses_bearer = true);
    let (code, said) = shop.run(&["check"], "");
    assert!(code == 3 && said.contains("enable_integration_as_bearer"), "{said}");
    shop.magento.place(&[("1001", 1)]).unwrap();
    shop.look_at_everything();
    std::fs::write(shop.folder.path().join("import/x"), "").unwrap();
    shop.holds_no_secret();
}

fn start(shop: &mut Shop) {
    let variables = shop.variables();
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    shop.agent.start_with(&variables).unwrap();
    shop.agent.health_page().unwrap();
}

#[test]
fn a_secret_is_kept_listed_used_and_forgotten_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let text = config(at, "https://127.0.0.1:1", &Pace { watch: true, hold_at_most_ms: 1500 });
    let token = text.lines().find(|line| line.starts_with("token_file")).unwrap().to_owned();
    std::fs::write(at.join("store-ca.pem"), "").unwrap();
    std::fs::write(at.join("config.toml"), text.replace(&token, "token = { kept = \"shop\" }")).unwrap();
    let run = |args: &[&str], stdin: &str| {
        let mut command = Command::new(PROGRAM);
        command.arg("--config").arg(at.join("config.toml")).args(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).ok();
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(!text.contains("s3cret"), "{text}");
        (output.status.code().unwrap(), text)
    };
    for (args, stdin, code, words) in [
        (&["secret", "list"][..], "", 3, "tillbridge secret set shop"),
        (&["check"], "", 3, "tillbridge secret set shop"),
        (&["secret", "set", "shop"], "", 5, "it is empty"),
        (&["secret", "set", "../shop"], "s3cret", 5, "is no name for a secret"),
        (&["secret", "set", "shop"], "s3cret\n", 0, "store.token uses it"),
        (&["secret", "set", "other"], "s3cret", 0, "Nothing in the configuration wants it yet"),
        (&["secret", "list"], "", 0, "store.token"),
        (&["secret", "remove", "none"], "", 4, "no secret is kept"),
        (&["secret", "remove", "other"], "", 0, "Forgot the secret other."),
        (&["secret", "remove", "shop"], "", 0, "store.token wants it"),
        (&["secret", "list"], "", 3, "tillbridge secret set shop"),
    ] {
        let (found, said) = run(args, stdin);
        assert_eq!(found, code, "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[cfg(unix)]
#[test]
fn check_names_a_secret_that_stands_in_a_configuration_that_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let text = config(at, "https://127.0.0.1:1", &Pace { watch: true, hold_at_most_ms: 1500 });
    let token = text.lines().find(|line| line.starts_with("token_file")).unwrap().to_owned();
    std::fs::write(at.join("store-ca.pem"), "").unwrap();
    let path = at.join("config.toml");
    std::fs::write(&path, text.replace(&token, "token = \"s3cret-token\"")).unwrap();
    for (mode, is_open) in [(0o644, true), (0o640, false), (0o600, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let output = Command::new(PROGRAM).arg("--config").arg(&path).arg("check").output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(said.contains("store.token stands in") && said.contains("chmod 600"), is_open, "{mode:o}: {said}");
        assert!(!said.contains("s3cret"), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn check_names_a_token_file_that_is_open_to_others_and_how_to_close_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let text = config(at, "https://127.0.0.1:1", &Pace { watch: true, hold_at_most_ms: 1500 });
    std::fs::write(at.join("config.toml"), text).unwrap();
    std::fs::write(at.join("store-ca.pem"), "").unwrap();
    std::fs::write(at.join("store-token"), TOKEN).unwrap();
    std::fs::set_permissions(at.join("store-token"), std::fs::Permissions::from_mode(0o644)).unwrap();
    for command in ["check", "run"] {
        let output = Command::new(PROGRAM).arg("--config").arg(at.join("config.toml")).arg(command).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("mode 644") && said.contains("chmod 600"), "{command}: {said}");
        assert!(!said.contains(TOKEN), "{said}");
    }
}
