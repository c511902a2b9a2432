//! The health report as OpenMetrics text, for Prometheus.
//!
//! Promises: the names below stay; times are seconds since 1970, ages and durations are seconds, sizes are bytes.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::health::Report;
use crate::ledger::conditions::Condition;

type Labels = Vec<(&'static str, String)>;
type Gauges = Family<Labels, Gauge>;

/// Renders the report.
pub fn render(report: &Report) -> String {
    let mut registry = Registry::with_prefix("tillbridge");
    let version = vec![(vec![("version", report.version.into())], 1)];
    add(&mut registry, "build", "Program version, as a label; always 1", version);
    for (name, help, value) in single(report) {
        add(&mut registry, name, help, vec![(Vec::new(), value)]);
    }
    add(&mut registry, "orders", "Web orders in the ledger by state", orders(report));
    add(&mut registry, "outbox_depth", "What waits for the web store", outbox(report));
    add(&mut registry, "last_timestamp_seconds", "When something last happened", times(report));
    add(&mut registry, "condition_since_timestamp_seconds", "Lasting troubles and since when", conditions(report));
    let mut text = String::new();
    // Writing into a string cannot fail.
    if encode(&mut text, &registry).is_err() {
        text.clear();
    }
    text
}

/// Figures without labels: name, help, value.
fn single(report: &Report) -> [(&'static str, &'static str, i64); 6] {
    let waiting = i64::try_from(report.waiting_for_till.len()).unwrap_or(i64::MAX);
    [
        ("uptime_seconds", "Seconds since the agent started", report.uptime_seconds.unwrap_or_default()),
        ("paused", "1 while someone has paused the agent", report.paused.is_some().into()),
        ("orders_waiting_for_till", "Orders that the till has not taken", waiting),
        ("outbox_age_seconds", "Age of the oldest thing that waits", report.outbox_age_seconds.unwrap_or_default()),
        ("store_reachable", "1 while the web store answers", report.store_reachable_since.is_some().into()),
        ("ledger_bytes", "Size of the ledger", signed(report.ledger_bytes)),
    ]
}

fn orders(report: &Report) -> Vec<(Labels, i64)> {
    report.orders.iter().map(|count| (vec![("state", count.state.word().to_owned())], signed(count.orders))).collect()
}

fn outbox(report: &Report) -> Vec<(Labels, i64)> {
    let outbox = &report.outbox;
    let kinds = [("stock", outbox.stock), ("acknowledgement", outbox.acknowledgements), ("dead", outbox.dead)];
    kinds.into_iter().map(|(kind, depth)| (vec![("kind", kind.to_owned())], signed(depth))).collect()
}

fn times(report: &Report) -> Vec<(Labels, i64)> {
    let times = [
        ("export_seen", report.last_export.as_ref().map(|export| export.seen_at)),
        ("export_admitted", report.admitted_at()),
        ("stock_sent", report.stock_sent_at),
        ("orders_pulled", report.orders_pulled_at),
    ];
    times.into_iter().filter_map(|(what, at)| Some((vec![("what", what.to_owned())], at?.as_second()))).collect()
}

fn conditions(report: &Report) -> Vec<(Labels, i64)> {
    let one = |condition: &Condition| {
        let labels = vec![
            ("code", condition.code.clone()),
            ("severity", condition.severity.word().to_owned()),
            ("subject", condition.subject.clone()),
        ];
        (labels, condition.since.as_second())
    };
    report.conditions.iter().map(one).collect()
}

fn add(registry: &mut Registry, name: &str, help: &str, values: Vec<(Labels, i64)>) {
    let gauges = Gauges::default();
    for (labels, value) in values {
        gauges.get_or_create(&labels).set(value);
    }
    registry.register(name, help, gauges);
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
