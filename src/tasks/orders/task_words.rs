//! Tasks for staff, in words that a shop manager understands.
//!
//! Promises: each task says what the till booked, what the store wants, and what to do until both agree; where it is not
//! sure that the till booked anything, it says so. Items that the till calls otherwise are named by both names.

use crate::domain::Sku;
use crate::domain::corrections::{Units, add, of};
use crate::ledger::order_tasks::{OrderTask, Task, TillCodes};

/// What is wrong.
pub fn what(found: &OrderTask) -> String {
    let OrderTask { number, task, .. } = found;
    let mut said: Vec<String> = changed(task).into_iter().map(|sku| of_item(found, sku)).collect();
    for (sku, units) in pointless(task) {
        let (wanted, sku) = (of(&task.wanted, &sku), named(found, &sku));
        said.push(format!(
            "the till was to correct {units} × {sku}, which the web store no longer wants: it should have booked {wanted}"
        ));
    }
    if !task.left.is_empty() {
        said.push(format!(
            "its cancellation file {} has gone, and nothing proves that the till booked it",
            task.left.join(", ")
        ));
    }
    if !task.particulars.is_empty() {
        said.push(format!("the web store has changed {} since the till took it", task.particulars.join(", ")));
    }
    if !task.refunded.is_empty() {
        said.push(format!(
            "{} of it were refunded in the web store and are not known to be back on the shelf",
            listed(found, &task.refunded)
        ));
    }
    let mut text = format!("order {number}: {}", said.join("; "));
    if task.is_void && !task.difference.is_empty() {
        let why = if task.is_elsewhere {
            "it went to another shop, or was deleted in the web store"
        } else {
            "it was cancelled altogether"
        };
        text.push_str(&format!("; {why}"));
    }
    if task.is_unproved {
        text.push_str("; its file has gone, and nothing proves that the till booked it at all");
    }
    if let Some(why) = &task.why {
        text.push_str(&format!(" ({why})"));
    }
    text
}

/// What to do.
pub fn remedy(found: &OrderTask) -> String {
    let OrderTask { number, task, .. } = found;
    let mut to_do = Vec::new();
    if !task.difference.back.is_empty() {
        to_do.push(format!("book the return of {}", listed(found, &task.difference.back)));
    }
    if !task.difference.more.is_empty() {
        to_do.push(format!("book {} on top", listed(found, &task.difference.more)));
    }
    let check = if task.wanted.is_empty() { "nothing".to_owned() } else { listed(found, &task.wanted) };
    let mut text = match (to_do.is_empty(), task.is_of_units()) {
        (false, _) => {
            let first = if task.is_unproved { "If the till shows the order, " } else { "In the till, " };
            format!(
                "{first}{}, unless that is done already, so that it has booked {check} for the order in all",
                to_do.join(" and ")
            )
        }
        (true, true) => format!("See in the till that it has booked {check} for the order in all"),
        (true, false) if !task.particulars.is_empty() => {
            "See whether the order in the till has to be corrected".to_owned()
        }
        (true, false) => "Book the return in the till if they are back on the shelf".to_owned(),
    };
    text.push_str(&format!("; then: tillbridge orders done {number} --by NAME"));
    text
}

/// Items of which units are wrong.
fn changed(task: &Task) -> Vec<&Sku> {
    let mut skus: Vec<&Sku> = task.difference.back.keys().chain(task.difference.more.keys()).collect();
    skus.sort_unstable();
    skus
}

fn of_item(found: &OrderTask, sku: &Sku) -> String {
    let task = &found.task;
    let (booked, wanted) = (of(&task.booked, sku), of(&task.wanted, sku));
    let sku = named(found, sku);
    let verb = if task.is_unproved { "may have booked" } else { "booked" };
    if booked < crate::domain::Quantity::ZERO {
        return format!("the till took back {} × {sku} more than it had booked", -booked);
    }
    format!("the till {verb} {booked} × {sku}, and the web store now wants {wanted}")
}

/// Units that were asked for and are not wanted any more; staff may have booked them meanwhile.
fn pointless(task: &Task) -> Units {
    let mut units = Units::new();
    for (asked, now) in [(&task.asked_back, &task.difference.back), (&task.asked_more, &task.difference.more)] {
        for (sku, most) in asked.iter().filter(|(sku, _)| of(now, sku).is_zero()) {
            add(&mut units, sku, *most);
        }
    }
    if !task.left.is_empty() { Units::new() } else { units }
}

/// `2 × 1001 (the till's T-01), 1 × 1002`
fn listed(found: &OrderTask, units: &Units) -> String {
    units.iter().map(|(sku, units)| format!("{units} × {}", named(found, sku))).collect::<Vec<_>>().join(", ")
}

/// A web SKU, and what the till calls it where that differs.
fn named(found: &OrderTask, sku: &Sku) -> String {
    let Some(TillCodes { booked_as, now }) = found.codes.get(sku) else { return sku.to_string() };
    match (booked_as, now) {
        (Some(then), Some(now)) if then != now => format!("{sku} (booked as the till's {then}, which is {now} now)"),
        (Some(code), _) | (None, Some(code)) => format!("{sku} (the till's {code})"),
        (None, None) => format!("{sku} (by which the till means another item)"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::OrderId;
    use crate::domain::corrections::Difference;

    fn units(of: &[(&str, i64)]) -> Units {
        of.iter().map(|(code, units)| (Sku::new(code).unwrap(), (*units).into())).collect()
    }

    fn of_order(task: &Task) -> OrderTask {
        let (order, number) = (OrderId("1".into()), "100".into());
        OrderTask { order, number, since: jiff::Timestamp::MIN, task: task.clone(), codes: BTreeMap::new() }
    }

    fn what(task: &Task) -> String {
        super::what(&of_order(task))
    }

    fn remedy(task: &Task) -> String {
        super::remedy(&of_order(task))
    }

    #[test]
    fn items_that_the_till_calls_otherwise_are_named_by_both_names() {
        let difference = Difference { back: units(&[("ABC", 2)]), more: units(&[("DEF", 1)]) };
        let booked = units(&[("ABC", 3)]);
        let wanted = units(&[("ABC", 1), ("DEF", 1), ("GHI", 1)]);
        let mut found = of_order(&Task { booked, wanted, difference, ..Task::default() });
        let code = |text: &str| Some(Sku::new(text).unwrap());
        let codes = [("ABC", code("T1"), code("T2")), ("DEF", None, code("T3")), ("GHI", None, None)];
        found.codes = codes
            .into_iter()
            .map(|(sku, booked_as, now)| (Sku::new(sku).unwrap(), TillCodes { booked_as, now }))
            .collect();
        assert_eq!(
            super::what(&found),
            "order 100: the till booked 3 × ABC (booked as the till's T1, which is T2 now), and the web store now wants 1; \
             the till booked 0 × DEF (the till's T3), and the web store now wants 1"
        );
        let remedy = super::remedy(&found);
        for part in
            ["book 1 × DEF (the till's T3) on top", "1 × GHI (by which the till means another item) for the order"]
        {
            assert!(remedy.contains(part), "{remedy}");
        }
    }

    #[test]
    fn a_task_says_what_is_booked_what_is_wanted_and_what_to_do() {
        let difference = Difference { back: units(&[("ABC", 2)]), more: Units::new() };
        let task = Task { booked: units(&[("ABC", 3)]), wanted: units(&[("ABC", 1)]), difference, ..Task::default() };
        assert_eq!(what(&task), "order 100: the till booked 3 × ABC, and the web store now wants 1");
        assert_eq!(
            remedy(&task),
            "In the till, book the return of 2 × ABC, unless that is done already, so that it has booked 1 × ABC for the order in all; then: tillbridge orders done 100 --by NAME"
        );
        let unproved = Task { is_unproved: true, ..task.clone() };
        assert!(what(&unproved).contains("may have booked"), "{}", what(&unproved));
        assert!(remedy(&unproved).starts_with("If the till shows the order"));
    }

    #[test]
    fn what_was_asked_and_is_not_wanted_any_more_stays_a_question() {
        let task = Task {
            booked: units(&[("ABC", 3)]),
            wanted: units(&[("ABC", 3)]),
            asked_back: units(&[("ABC", 2)]),
            ..Task::default()
        };
        assert!(what(&task).contains("was to correct 2 × ABC"), "{}", what(&task));
        assert!(remedy(&task).contains("it has booked 3 × ABC for the order in all"));
    }

    #[test]
    fn refunds_and_other_particulars_are_told_without_units_to_correct() {
        let task =
            Task { refunded: units(&[("ABC", 1)]), particulars: vec!["customer or address".into()], ..Task::default() };
        let text = what(&task);
        assert!(text.contains("1 × ABC of it were refunded") && text.contains("customer or address"), "{text}");
    }
}
