//! `tillbridge run`: the agent on the console, until SIGTERM, SIGINT or Ctrl-C.

use super::{CliError, CliResult, Exit, runtime};
use crate::agent::Agent;
use crate::config::Config;
use crate::telemetry;

/// Runs the agent until it is told to stop.
pub(super) fn run(config: Config) -> CliResult {
    let _log = telemetry::start(&config.agent.log, &config.agent.data_folder)
        .map_err(|error| CliError::Caused("logging cannot be set up".into(), error.into()))?;
    runtime()?.block_on(async {
        let agent = Agent::new(config)?;
        let stop = stop_signal()
            .map_err(|error| CliError::Caused("the program cannot listen for stop signals".into(), error.into()))?;
        agent.run(stop, |_| ()).await?;
        Ok(Exit::Done)
    })
}

/// Completes when the agent is told to stop.
#[cfg(unix)]
pub(super) fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Completes when the agent is told to stop.
#[cfg(windows)]
pub(super) fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::windows::{ctrl_c, ctrl_close, ctrl_shutdown};
    let (mut interrupt, mut close, mut shutdown) = (ctrl_c()?, ctrl_close()?, ctrl_shutdown()?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = close.recv() => {}
            _ = shutdown.recv() => {}
        }
    })
}
