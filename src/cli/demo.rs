//! `tillbridge demo`: see it work, with nothing else to install.

use std::io::{self, Write};
use std::time::Instant;

use super::{CliError, CliResult, Exit, Format, output, runtime};
use crate::demo::only_store;
use crate::demo::story::{self, Options, Outcome};

/// Arguments.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The same seed repeats a run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often the agent is killed while it is busy
    #[arg(long, default_value_t = 3)]
    kills: u32,
    /// Leave everything running at the end, and say where the health page is
    #[arg(long)]
    keep: bool,
    /// Have the agent look at the folders regularly only, without being told of changes
    #[arg(long)]
    no_watch: bool,
    /// Only the simulated web store, for a till played by hand; prints its address, token and a configuration
    #[arg(long, conflicts_with_all = ["keep", "kills", "no_watch"])]
    only_store: bool,
    /// Which web store
    #[arg(long, requires = "only_store", value_enum, default_value_t)]
    kind: only_store::Kind,
    /// Port of the simulated web store [default: any free one]
    #[arg(long, requires = "only_store", default_value_t = 0)]
    port: u16,
    /// "table" tells the story; "json" ends with one line of JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the demo; exit code 3 when a promise did not hold.
pub(super) fn demo(args: Args, out: &mut dyn Write) -> CliResult {
    let folder = tempfile::Builder::new()
        .prefix("tillbridge-demo-")
        .tempdir()
        .map_err(|error| CliError::Caused("the demo cannot make its folder".into(), error.into()))?;
    let failed = |error: crate::demo::DemoError| CliError::Caused("the demo could not go on".into(), error.into());
    let runtime = runtime()?;
    if args.only_store {
        return runtime.block_on(async {
            let mut store = only_store::start(folder.path(), args.port, args.kind).map_err(failed)?;
            only_store::print(out, folder.path(), &store, args.kind, args.format == Format::Json)?;
            wait_until_stopped().await?;
            store.stop().await;
            Ok(Exit::Done)
        });
    }
    let options = Options { seed: args.seed, kills: args.kills, watch: !args.no_watch, ..Options::default() };
    runtime.block_on(async {
        let began = Instant::now();
        let quiet = args.format == Format::Json;
        let mut say = |line: &str| {
            // The story goes on even if nobody listens.
            let _unread =
                if quiet { Ok(()) } else { writeln!(io::stdout(), "{:>5.1} s  {line}", began.elapsed().as_secs_f64()) };
        };
        let told = story::tell(folder.path(), &options, &mut say).await;
        let (world, outcome) = match told {
            Ok(told) => told,
            Err(error) => {
                let kept = folder.keep();
                let what = format!("the demo could not go on; everything is left in {}", kept.display());
                return Err(CliError::Caused(what, error.into()));
            }
        };
        print(out, &outcome, args.format)?;
        if args.keep {
            let page = world.agent.health_page().map_err(failed)?;
            writeln!(out, "Everything goes on running in {}.", folder.path().display())?;
            writeln!(out, "Health: {page}   Stop with Ctrl-C.")?;
            writeln!(out, "Look around: tillbridge --config {} status", world.agent.config().display())?;
            out.flush()?;
            wait_until_stopped().await?;
        }
        Ok(if outcome.is_right() { Exit::Done } else { Exit::Found })
    })
}

async fn wait_until_stopped() -> Result<(), CliError> {
    super::run::stop_signal().map_err(CliError::Output)?.await;
    Ok(())
}

fn print(out: &mut dyn Write, outcome: &Outcome, format: Format) -> io::Result<()> {
    if format == Format::Json {
        let line = serde_json::to_string(outcome).unwrap_or_default();
        return writeln!(out, "{line}");
    }
    writeln!(out)?;
    let moved: Vec<_> = outcome.rows.iter().filter(|row| WATCHED.contains(&row.sku.as_str())).collect();
    let rows = moved.iter().map(|row| {
        vec![
            row.sku.clone(),
            row.name.clone(),
            row.till.to_string(),
            row.truth.to_string(),
            row.store.to_string(),
            row.naive.to_string(),
        ]
    });
    output::table(
        out,
        &["item", "", "till", "really left", "web store offers", "naive sync offers"],
        rows.collect(),
        "",
    )?;
    writeln!(out)?;
    let every = outcome.orders_imported_once == outcome.orders_placed && outcome.orders_imported_twice == 0;
    let once = if every { "each booked by the till exactly once" } else { "NOT each booked exactly once" };
    writeln!(out, "Orders: {}, {once}. Agent killed {} times.", outcome.orders_placed, outcome.kills)?;
    writeln!(out, "Oversold with a naive sync: {} unit(s).", outcome.naive_oversold)?;
    writeln!(out, "Oversold with Tillbridge:   {} unit(s).", outcome.oversold)?;
    if !outcome.sellable_equals_truth {
        writeln!(
            out,
            "The web store does not offer exactly what is left. Replay this with: tillbridge demo --seed {}",
            outcome.seed
        )?;
    }
    Ok(())
}

/// Items of the final table.
const WATCHED: [&str; 9] = ["1001", "1002", "1003", "1004", "1005", "A/B-7", "0012345", "TEE-RED", "2000"];
