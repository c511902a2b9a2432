//! The real agent and what the system tells it of changes: with sweeps ten minutes apart, whatever happens sooner happens
//! because it was told.

#![allow(clippy::disallowed_methods, reason = "a test may unplug a folder")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on should stop, loudly")]

use std::fs;
use std::sync::Arc;

use tillbridge::clock::SystemClock;
use tillbridge::demo::agent_process::{AgentProcess, Pace, config};
use tillbridge::demo::magento::{Magento, Mode};
use tillbridge::demo::till::{Habits, SimulatedTill};
use tillbridge::demo::{seed, serve};

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_replaced_or_comes_back_is_watched_again_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let server = serve(&Magento::new(seed::magento(Mode::Msi, Arc::new(SystemClock))), 0).unwrap();
    tillbridge::demo::write_private(&at.join("store-token"), &server.token).unwrap();
    fs::write(at.join("store-ca.pem"), &server.ca_pem).unwrap();
    let till = SimulatedTill::new(at, Habits::default()).unwrap().stocked();
    let text = config(at, &server.url, &Pace { watch: true, hold_at_most_ms: 600_000 });
    let text = text.replace("\"100ms\"\nsweep_idle = \"150ms\"", "\"600s\"\nsweep_idle = \"600s\"");
    assert!(text.contains("sweep_idle = \"600s\""), "{text}");
    let mut agent = AgentProcess::new(at, Some(env!("CARGO_BIN_EXE_tillbridge").into()), &text).unwrap();
    agent.start().unwrap();
    agent.health_page().unwrap();
    till.export("first.csv").unwrap();
    agent.wait_for_export("first.csv", true).unwrap();

    // Another folder in its place.
    fs::rename(at.join("export"), at.join("unplugged")).unwrap();
    fs::create_dir(at.join("export")).unwrap();
    till.export("second.csv").unwrap();
    agent.wait_for_export("second.csv", true).unwrap();

    // No folder for a while: that is said, and is over by itself.
    let unwatched =
        |ledger: &tillbridge::ledger::Ledger| Ok(ledger.conditions()?.iter().any(|it| it.code == "not_watched"));
    fs::rename(at.join("export"), at.join("unplugged-too")).unwrap();
    agent.wait("the lost watch being noticed", unwatched).unwrap();
    fs::rename(at.join("unplugged-too"), at.join("export")).unwrap();
    agent.wait("the watch being back", |ledger| unwatched(ledger).map(|unwatched| !unwatched)).unwrap();
    till.export("third.csv").unwrap();
    agent.wait_for_export("third.csv", true).unwrap();
}
