//! The real agent in a process of its own, so that it can be killed for real.
//!
//! Promises: the agent is the same program, started as an installed one is, with a configuration file; what is known of
//! it is read from its ledger. Every wait is for a state, and bounded.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::domain::OrderState;
use crate::ledger::{Ledger, LedgerError, facts};

/// Longest wait for anything in the demo.
const WAIT_AT_MOST: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// Why the demo could not go on.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A file or process of the demo.
    #[error("the demo cannot {what}")]
    Io {
        /// What was attempted.
        what: String,
        /// The system's reason.
        #[source]
        source: std::io::Error,
    },
    /// The agent's ledger.
    #[error("the demo cannot read the agent's ledger")]
    Ledger(#[from] LedgerError),
    /// Something did not happen.
    #[error("{what} did not happen within {WAIT_AT_MOST:?}; the agent's log is {}", log.display())]
    Waited {
        /// What was waited for.
        what: String,
        /// Where to look.
        log: PathBuf,
    },
    /// The simulated store.
    #[error("the simulated web store does not start")]
    Store(#[from] super::server::ServerError),
}

impl DemoError {
    /// For `map_err`.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}

/// The agent, running or not.
pub struct AgentProcess {
    folder: PathBuf,
    program: PathBuf,
    child: Option<Child>,
}

impl AgentProcess {
    /// An agent whose configuration and ledger live in `folder`; not started yet.
    ///
    /// # Errors
    /// When the program cannot find itself, or the folder cannot be written.
    pub fn new(folder: &Path, program: Option<PathBuf>, config: &str) -> Result<Self, DemoError> {
        let program = match program {
            Some(program) => program,
            None => std::env::current_exe().map_err(DemoError::io("find its own program"))?,
        };
        std::fs::write(folder.join("config.toml"), config).map_err(DemoError::io("write the agent's configuration"))?;
        Ok(Self { folder: folder.to_owned(), program, child: None })
    }

    /// The agent's configuration file.
    pub fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// The agent's ledger folder.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.join("agent")
    }

    /// Where the agent's messages go.
    pub fn log(&self) -> PathBuf {
        self.folder.join("agent.log")
    }

    /// Starts it.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(&mut self) -> Result<(), DemoError> {
        self.start_with(&[])
    }

    /// Starts it with these environment variables.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start_with(&mut self, variables: &[(&str, &str)]) -> Result<(), DemoError> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log())
            .map_err(DemoError::io("open the agent's log"))?;
        let child = Command::new(&self.program)
            .arg("--config")
            .arg(self.config())
            .arg("run")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .map_err(DemoError::io(format!("start {}", self.program.display())))?;
        self.child = Some(child);
        Ok(())
    }

    /// Kills it without a warning (SIGKILL), as a power cut would.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<(), DemoError> {
        if let Some(mut child) = self.child.take() {
            child.kill().and_then(|()| child.wait()).map_err(DemoError::io("kill the agent"))?;
        }
        Ok(())
    }

    /// Its process number, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Its ledger, to look at.
    ///
    /// # Errors
    /// When there is none yet.
    pub fn ledger(&self) -> Result<Ledger, DemoError> {
        Ok(Ledger::open_beside(&self.data_folder())?)
    }

    /// Waits until `there` says yes, looking at the ledger again and again.
    ///
    /// # Errors
    /// [`DemoError::Waited`] when it does not come to pass.
    pub fn wait(
        &self,
        what: &str,
        mut there: impl FnMut(&Ledger) -> Result<bool, LedgerError>,
    ) -> Result<(), DemoError> {
        let started = Instant::now();
        let mut ledger = None;
        loop {
            // Until the agent has made its ledger there is nothing to look at.
            if ledger.is_none() {
                ledger = self.ledger().ok();
            }
            if let Some(ledger) = &ledger
                && there(ledger)?
            {
                return Ok(());
            }
            if started.elapsed() > WAIT_AT_MOST {
                return Err(DemoError::Waited { what: what.to_owned(), log: self.log() });
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    /// Waits until this export has been decided about; says whether it was admitted.
    ///
    /// # Errors
    /// [`DemoError::Waited`].
    pub fn wait_for_export(&self, name: &str, admitted: bool) -> Result<(), DemoError> {
        let what = format!("the export {name} being {}", if admitted { "admitted" } else { "held" });
        self.wait(&what, |ledger| {
            let export = if admitted {
                ledger.admitted_export()?
            } else {
                ledger.held_export()?.filter(|held| held.verdict.is_some())
            };
            Ok(export.is_some_and(|export| export.name == name))
        })
    }

    /// Waits until nothing is due any more.
    ///
    /// # Errors
    /// [`DemoError::Waited`].
    pub fn wait_until_sent(&self) -> Result<(), DemoError> {
        self.wait("everything being sent", |ledger| {
            let depth = ledger.outbox_depth()?;
            Ok(depth.stock + depth.acknowledgements == 0)
        })
    }

    /// Waits until no quantity is due any more.
    ///
    /// # Errors
    /// [`DemoError::Waited`].
    pub fn wait_until_sent_stock(&self) -> Result<(), DemoError> {
        self.wait("every quantity being sent", |ledger| Ok(ledger.outbox_depth()?.stock == 0))
    }

    /// Waits until the agent knows of so many orders.
    ///
    /// # Errors
    /// [`DemoError::Waited`].
    pub fn wait_for_orders(&self, count: u64) -> Result<(), DemoError> {
        self.wait(&format!("{count} orders being in the journal"), |ledger| {
            Ok(ledger.order_counts()?.iter().map(|count| count.orders).sum::<u64>() >= count)
        })
    }

    /// Waits until no order is on its way to the till any more.
    ///
    /// # Errors
    /// [`DemoError::Waited`].
    pub fn wait_until_taken(&self) -> Result<(), DemoError> {
        self.wait("the till having taken every order", |ledger| {
            let counts = ledger.order_counts()?;
            let on_the_way = |state: OrderState| matches!(state, OrderState::Received | OrderState::Published);
            Ok(counts.iter().filter(|count| on_the_way(count.state)).all(|count| count.orders == 0))
        })
    }

    /// Has the agent try at once what it would try later.
    ///
    /// # Errors
    /// When its ledger cannot be written.
    pub fn wake(&self, mark: &str) -> Result<(), DemoError> {
        Ok(self.ledger()?.set_fact(facts::WAKE, Some(mark))?)
    }

    /// The address of its health page.
    ///
    /// # Errors
    /// [`DemoError::Waited`].
    pub fn health_page(&self) -> Result<String, DemoError> {
        self.wait("the health page", |ledger| Ok(ledger.fact(facts::HEALTH_ADDRESS)?.is_some()))?;
        let address = self.ledger()?.fact(facts::HEALTH_ADDRESS)?.unwrap_or_default();
        Ok(format!("http://{address}/health"))
    }
}

impl Drop for AgentProcess {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!("{error}");
        }
    }
}

/// What differs from the shipped defaults so that a story fits into a minute.
#[derive(Debug, Clone)]
pub struct Pace {
    /// `epos.watch`.
    pub watch: bool,
    /// Longest hold, milliseconds.
    pub hold_at_most_ms: u64,
}

/// Time from "taken" to "booked" in the demo, milliseconds.
pub const SETTLE_MS: u64 = 250;

/// A configuration for the simulated shop.
pub fn config(folder: &Path, store_url: &str, pace: &Pace) -> String {
    let path = |name: &str| toml::Value::String(folder.join(name).display().to_string()).to_string();
    let mut text = String::new();
    let watch = if pace.watch { "native" } else { "off" };
    let written = write!(
        text,
        r#"[agent]
data_folder = {data}
log = "debug"

[epos]
account = "demo till"
export_folder = {export}
import_folder = {import}
watch = "{watch}"
sweep_awaiting = "100ms"
sweep_idle = "150ms"
settle_every = "100ms"
settle_age = "100ms"
order_gone_every = "100ms"

[epos.stock_profile]
kind = "csv"
columns = {{ sku = "SKU", quantity = "Qty" }}

[epos.order_profile]
columns = [
  {{ name = "OrderNo", value = "order.number" }},
  {{ name = "Date", value = "order.date" }},
  {{ name = "Name", value = "customer.name" }},
  {{ name = "SKU", value = "line.sku" }},
  {{ name = "Description", value = "line.name" }},
  {{ name = "Qty", value = "line.quantity" }},
  {{ name = "Price", value = "line.price_incl_tax" }},
]

[store]
kind = "magento"
url = "{store_url}"
token_file = {token}
ca_file = {ca}

[store.magento]
source = "{source}"

[orders]
poll_every = "100ms"
since = "2000-01-01T00:00:00Z"

[gate]
settle = "{SETTLE_MS}ms"
hold_at_most = "{hold}ms"

[health]
listen = "127.0.0.1:0"
"#,
        data = path("agent"),
        export = path("export"),
        import = path("import"),
        token = path("store-token"),
        ca = path("store-ca.pem"),
        source = super::seed::SOURCE,
        hold = pace.hold_at_most_ms,
    );
    debug_assert!(written.is_ok(), "writing into a string cannot fail");
    text
}
