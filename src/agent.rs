//! The composition root: the only place that names concrete adapters. Runs until it is told to stop, then drains.
//!
//! Promises: takes the ledger's lock before it touches anything; a second agent is refused with a clear message; on stop
//! the activations under way end by themselves, bounded in time, and what they had not done the next start does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::central;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::epos::FolderEpos;
use crate::http::{HealthServer, Shown};
use crate::ledger::conditions::{Severity, Trouble};
use crate::ledger::{Ledger, LedgerError, facts};
use crate::ports::{CentralStore, Clock, Epos, EposError};
use crate::tasks::after_push::AfterPush;
use crate::tasks::delivery::Delivery;
use crate::tasks::heartbeat::Heartbeat;
use crate::tasks::intake::Intake;
use crate::tasks::orders::Orders;
use crate::tasks::stock::Stock;
use crate::tasks::{Reconciler, Shop, Wakes, chain, drive};

mod watching;

pub use watching::{EVENTS_NOT_TRUSTED, NOT_WATCHED};

/// Condition: the health page cannot be served.
pub const HEALTH_PAGE: &str = "health_page";
/// How often the agent looks whether a command changed the ledger.
const LOOK_FOR_COMMANDS_EVERY: Duration = Duration::from_millis(250);
/// How often old copies are removed.
const PRUNE_EVERY: Duration = Duration::from_secs(6 * 3600);
/// How long activations under way get at stop. The service manager's own limit is longer.
pub const DRAIN_AT_MOST: Duration = Duration::from_secs(10);

/// Why the agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The till's folders.
    #[error("the till's folders cannot be used")]
    Epos(#[from] EposError),
    /// The store's settings.
    #[error("the web store cannot be used")]
    Store(#[from] central::SettingsError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] crate::epos::SettingsError),
    /// A part of the running agent came to an end of its own.
    #[error("a part of the agent ended unexpectedly ({0}); the agent stops, so that it is started again whole")]
    Broken(String),
}

/// An agent that is put together and not yet running.
pub struct Agent {
    shop: Arc<Shop>,
    after_push: Option<Arc<AfterPush>>,
    epos: Arc<FolderEpos>,
    config: Config,
    started: Timestamp,
}

impl Agent {
    /// Takes the ledger and puts the parts together.
    ///
    /// # Errors
    /// [`AgentError`]; nothing is left running.
    pub fn new(config: Config) -> Result<Self, AgentError> {
        let store = central::connect(&config.store)?;
        Self::with_store(config, store)
    }

    /// The same with another store behind the port.
    ///
    /// # Errors
    /// [`AgentError`]; nothing is left running.
    pub fn with_store(config: Config, store: Arc<dyn CentralStore>) -> Result<Self, AgentError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ledger = Arc::new(Ledger::open(&config.agent.data_folder)?);
        let started = clock.now();
        let first_started = first_started(&ledger, started)?;
        notice_other_settings(&ledger, &config, started)?;
        let epos = Arc::new(FolderEpos::new(config.epos.clone(), config.agent.data_folder.clone())?);
        if let Some(last) = ledger.fact(facts::LAST_LOOK)?.and_then(|text| text.parse().ok()) {
            epos.seed_last_look(last);
        }
        recall_learned(&ledger, &config, store.as_ref())?;
        let shop = Shop::new(ledger, clock, epos.clone(), store, config.tasks(first_started));
        let after_push = after_push(&shop, &config)?;
        Ok(Self { shop, after_push, epos, config, started })
    }

    /// Runs until `stop` completes, then drains. `ready` is told the health page's address once the agent is up.
    ///
    /// # Errors
    /// [`AgentError::Broken`] when a part of it ended by itself. Troubles outside become health conditions, and the agent
    /// goes on.
    pub async fn run(
        self,
        stop: impl Future<Output = ()>,
        ready: impl FnOnce(Option<std::net::SocketAddr>),
    ) -> Result<(), AgentError> {
        let (tell, told) = watch::channel(false);
        let mut tasks = JoinSet::new();
        self.spawn_reconcilers(&mut tasks, &told);
        tasks.spawn(watching::keep_watching(self.shop.clone(), self.epos.clone(), told.clone()));
        tasks.spawn(look_for_commands(self.shop.clone(), self.epos.clone(), told.clone()));
        tasks.spawn(prune(self.epos.clone(), self.shop.clone(), self.config.agent.keep_days, told.clone()));
        let server = self.serve().await;
        let address = server.as_ref().map(|server| server.address);
        tracing::info!(
            epos.account = self.config.epos.account,
            version = env!("CARGO_PKG_VERSION"),
            "the agent is running"
        );
        ready(address);
        let ended = tokio::select! {
            () = stop => Ok(()),
            Some(ended) = tasks.join_next() => Err(AgentError::Broken(why(ended))),
        };
        tracing::info!("the agent stops; what is under way ends first");
        if let Some(server) = server {
            server.stop();
        }
        // Nobody listening any more means that all have ended already.
        let _told = tell.send(true);
        self.drain(tasks).await;
        ended
    }

    async fn drain(&self, mut tasks: JoinSet<()>) {
        let all_ended = async { while tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN_AT_MOST, all_ended).await.is_err() {
            tracing::warn!("something did not end in time; the next start goes on where it was");
        }
        let look = self.epos.last_look().map(|at| at.to_string());
        if let Some(look) = look
            && let Err(error) = self.shop.ledger.set_fact(facts::LAST_LOOK, Some(&look))
        {
            tracing::warn!(error = chain(&error), "the last look at the export folder could not be noted");
        }
        tracing::info!("the agent has stopped");
    }

    fn spawn_reconcilers(&self, tasks: &mut JoinSet<()>, told: &watch::Receiver<bool>) {
        let shop = &self.shop;
        let intake = Intake::new(shop.clone());
        let orders = Orders::new(shop.clone());
        let delivery = Delivery::new(shop.clone(), intake.clone(), orders.clone());
        type Wake = fn(&Wakes) -> &Notify;
        let reconcilers: [(Arc<dyn Reconciler>, Wake); 4] = [
            (intake, |wakes| &wakes.intake),
            (orders, |wakes| &wakes.orders),
            (Stock::new(shop.clone()), |wakes| &wakes.stock),
            (delivery, |wakes| &wakes.delivery),
        ];
        for (reconciler, wake) in reconcilers {
            tasks.spawn(drive(reconciler, shop.clone(), wake, told.clone()));
        }
        tasks.spawn(drive(Heartbeat::new(shop.clone()), shop.clone(), |wakes| &wakes.heartbeat, told.clone()));
        if let Some(after_push) = self.after_push.clone() {
            tasks.spawn(drive(after_push, shop.clone(), |wakes| &wakes.after_push, told.clone()));
        }
    }

    async fn serve(&self) -> Option<HealthServer> {
        let shown = Shown { shop: self.shop.clone(), account: self.config.epos.account.clone(), started: self.started };
        match HealthServer::start(&self.config.health, shown).await {
            Ok(server) => {
                self.shop.conditions(&[HEALTH_PAGE], &[]);
                tracing::info!(health.address = %server.address, "the health page is up");
                if let Err(error) = self.shop.ledger.set_fact(facts::HEALTH_ADDRESS, Some(&server.address.to_string()))
                {
                    tracing::warn!(error = chain(&error), "the health page's address could not be noted");
                }
                Some(server)
            }
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "the health page cannot be served; the agent works on without it"
                );
                let trouble = Trouble {
                    code: HEALTH_PAGE,
                    subject: String::new(),
                    severity: Severity::Warning,
                    text: chain(&error),
                    remedy:
                        "Orders and stock go on. Mend the [health] part of the configuration and restart the agent."
                            .into(),
                };
                self.shop.conditions(&[HEALTH_PAGE], &[trouble]);
                None
            }
        }
    }
}

/// Whoever is to be told of what is stored; without one it is not noted either.
fn after_push(shop: &Arc<Shop>, config: &Config) -> Result<Option<Arc<AfterPush>>, AgentError> {
    let listener = central::push_listener(&config.store)?;
    let (Some(listener), Some(settings)) = (listener, &config.store.after_push) else {
        shop.ledger.listen_for_pushes(false)?;
        return Ok(None);
    };
    Ok(Some(AfterPush::new(shop.clone(), listener, &config.epos.account, settings.at_most_every)?))
}

/// Another store, other books, other wishes or another profile than at the last start: what was believed is void.
///
/// # Errors
/// A failure of the ledger.
pub fn notice_other_settings(ledger: &Ledger, config: &Config, now: Timestamp) -> Result<(), LedgerError> {
    let epos = &config.epos;
    // Whom to tell changes nothing about what the store holds.
    let store = central::StoreSettings { after_push: None, ..config.store.clone() };
    let deciding = (&store, &config.stock, &epos.stock_profile, &epos.delta_files, &epos.delta_profile);
    let text = serde_json::to_vec(&deciding).unwrap_or_default();
    let hash = crate::ledger::files::fingerprint(&text);
    let before = ledger.fact(facts::SETTINGS)?;
    if before.as_ref() == Some(&hash) {
        return Ok(());
    }
    if before.is_some() {
        tracing::info!("the settings of store, stock or profile have changed: every item is looked at anew");
        ledger.settings_changed(now)?;
        // Another shop's place in the feed says nothing of this one's; reading orders again consumes nothing.
        ledger.set_fact(facts::FEED_CURSOR, None)?;
    }
    ledger.set_fact(facts::SETTINGS, Some(&hash))
}

/// Tells the store's adapter what it learned in an earlier life, if it is still the same store with the same settings.
///
/// # Errors
/// A failure of the ledger.
pub fn recall_learned(ledger: &Ledger, config: &Config, store: &dyn CentralStore) -> Result<(), LedgerError> {
    if !recall_of_the_same(ledger, config, store)? {
        ledger.set_fact(facts::STORE_LEARNED, None)?;
        ledger.set_fact(facts::STORE_LEARNED_OF, Some(&settings_of_store(config)))?;
    }
    Ok(())
}

/// The same for a command, which changes nothing; says whether it is still the same store with the same settings.
///
/// # Errors
/// A failure of the ledger.
pub fn recall_of_the_same(ledger: &Ledger, config: &Config, store: &dyn CentralStore) -> Result<bool, LedgerError> {
    if ledger.fact(facts::STORE_LEARNED_OF)?.as_ref() != Some(&settings_of_store(config)) {
        return Ok(false);
    }
    if let Some(learned) = ledger.fact(facts::STORE_LEARNED)? {
        store.recall(&learned);
    }
    Ok(true)
}

fn settings_of_store(config: &Config) -> String {
    crate::ledger::files::fingerprint(&serde_json::to_vec(&config.store).unwrap_or_default())
}

fn why(ended: Result<(), tokio::task::JoinError>) -> String {
    ended.map_or_else(|error| error.to_string(), |()| "it returned".to_owned())
}

fn first_started(ledger: &Ledger, now: Timestamp) -> Result<Timestamp, LedgerError> {
    if let Some(known) = ledger.fact(facts::FIRST_STARTED)?.and_then(|text| text.parse().ok()) {
        return Ok(known);
    }
    ledger.set_fact(facts::FIRST_STARTED, Some(&now.to_string()))?;
    Ok(now)
}

/// A command beside the agent writes into the ledger; this notices it.
async fn look_for_commands(shop: Arc<Shop>, epos: Arc<FolderEpos>, mut stop: watch::Receiver<bool>) {
    let mut seen = shop.ledger.foreign_changes().unwrap_or_default();
    let mut carried_out = Commands::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK_FOR_COMMANDS_EVERY) => {}
            _ = stop.changed() => return,
        }
        match shop.ledger.foreign_changes() {
            Ok(now) if now != seen => {
                seen = now;
                if let Err(error) = carried_out.follow(&shop, &epos) {
                    tracing::warn!(error = chain(&error), "a command could not be carried out");
                }
                shop.wakes.all();
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error = chain(&error), "the ledger could not be looked at"),
        }
        if let Err(error) = carried_out.answer(&shop) {
            tracing::warn!(error = chain(&error), "a command could not be answered");
        }
    }
}

/// Commands that have been carried out, so that each is carried out once.
#[derive(Debug, Default)]
struct Commands {
    wake: Option<String>,
    /// A `sync now` under way, and when the agent was woken for it.
    waking: Option<(String, Timestamp)>,
    accept: Option<String>,
}

impl Commands {
    fn follow(&mut self, shop: &Shop, epos: &FolderEpos) -> Result<(), AgentError> {
        let wake = shop.ledger.fact(facts::WAKE)?;
        if wake != self.wake {
            self.wake.clone_from(&wake);
            shop.ledger.retry_all_now()?;
            shop.wake_store();
            self.waking = wake.map(|asked| (asked, shop.clock.now()));
        }
        let accept = shop.ledger.fact(facts::ACCEPT_FOLDERS)?;
        if accept.is_some() && accept != self.accept {
            epos.accept_folders()?;
            shop.ledger.set_fact(facts::ACCEPT_FOLDERS, None)?;
        }
        self.accept = accept;
        Ok(())
    }

    /// Says that a `sync now` is done once every reconciler has begun and ended an activation since.
    fn answer(&mut self, shop: &Shop) -> Result<(), AgentError> {
        const RECONCILERS: [&str; 4] = ["intake", "orders", "stock", "delivery"];
        let Some((asked, since)) = &self.waking else { return Ok(()) };
        let activations = shop.live().activations;
        if RECONCILERS.iter().all(|name| activations.get(name).is_some_and(|began| began >= since)) {
            shop.ledger.set_fact(facts::WOKEN, Some(asked))?;
            self.waking = None;
        }
        Ok(())
    }
}

async fn prune(epos: Arc<FolderEpos>, shop: Arc<Shop>, keep_days: u32, mut stop: watch::Receiver<bool>) {
    loop {
        let pruned = tokio::task::block_in_place(|| epos.prune(shop.clock.now(), keep_days));
        if let Err(error) = pruned {
            tracing::warn!(error = chain(&error), "old copies could not be removed");
        }
        tokio::select! {
            () = tokio::time::sleep(PRUNE_EVERY) => {}
            _ = stop.changed() => return,
        }
    }
}
