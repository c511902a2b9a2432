//! What the settings come to, in the words of `tillbridge check`: signs of a refusal, what is written of an order, and what
//! becomes of a cancellation.
//!
//! Promises: names are shown as the configuration has them; nothing is tried.

use super::order_profile::OrderProfile;
use super::settings::EposSettings;

/// What counts as the till's refusal of an order.
pub(super) fn refusals(settings: &EposSettings) -> String {
    let evidence = &settings.evidence;
    let mut signs = Vec::new();
    if settings.rejects_folder.is_some() {
        signs.push("its file is in epos.rejects_folder");
    }
    if !evidence.renamed_rejected.is_empty() {
        signs.push("its file was renamed as in renamed_rejected");
    }
    if evidence.answer_file.as_ref().is_some_and(|answer| !answer.refused.is_empty()) {
        signs.push("the till's answer file says so");
    }
    if evidence.report.as_ref().is_some_and(|report| !report.refused.is_empty()) {
        signs.push("a report of the till says so");
    }
    if signs.is_empty() {
        return "nothing shows it; if the till can refuse orders, set epos.rejects_folder or one of epos.evidence's renamed_rejected and refused".to_owned();
    }
    signs.join(", or ")
}

/// The files that are written of an order, and how many orders stand in one.
pub(super) fn files(profile: &OrderProfile) -> String {
    let mut said = profile.name.clone();
    if let Some(lines) = &profile.lines_file {
        said.push_str(&format!(", with its lines in {}", lines.name));
    }
    if let Some(trigger) = &profile.trigger {
        said.push_str(&format!(", and then {}, which tells the till to begin", trigger.name));
    }
    match profile.batch {
        Some(batch) => {
            let wait = batch.wait_at_most.duration().as_secs();
            said.push_str(&format!(
                "; up to {} order(s) in one file, for which an order waits {wait} s at most",
                batch.most_orders
            ));
        }
        None => said.push_str("; one order per file"),
    }
    said
}

/// What becomes of units that are cancelled or returned after the till took the order.
pub(super) fn cancellations(settings: &EposSettings) -> String {
    settings.cancellation_profile.as_ref().map_or_else(
        || {
            "staff are asked to book the return (tillbridge orders tasks); no epos.cancellation_profile is set"
                .to_owned()
        },
        |profile| format!("written as {}", files(profile)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_an_order_are_told_with_what_goes_with_them() {
        let columns = "columns = [{ name = 'OrderNo', value = 'order.number' }]";
        let of = |more: &str| files(&toml::from_str(&format!("name = 'o_{{number}}.csv'\n{columns}\n{more}")).unwrap());
        assert_eq!(of(""), "o_{number}.csv; one order per file");
        let more = format!(
            "lines_file = {{ name = '{{stem}}_l.csv', {columns} }}\ntrigger = {{ name = '{{stem}}.done' }}\n\
             batch = {{ most_orders = 10, wait_at_most = '1m' }}"
        );
        assert_eq!(
            of(&more),
            "o_{number}.csv, with its lines in {stem}_l.csv, and then {stem}.done, which tells the till to begin; \
             up to 10 order(s) in one file, for which an order waits 60 s at most"
        );
    }
}
