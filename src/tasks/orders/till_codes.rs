//! An order file in the till's words: web SKUs become till codes on the way out, and nothing else does.
//!
//! Promises: everyone but the writer of the file goes on with web SKUs; an item whose name means another item to the till
//! refuses the order, because the till would book that one.

use crate::domain::retry::FailureClass;
use crate::domain::{ItemMap, OrderLine, Quantity, Sku, WebOrder};
use crate::ledger::compare::ToTakeBack;
use crate::ledger::{Ledger, Result};
use crate::ports::{Epos, EposError, OrderFile, Purpose, ToWrite};

/// An order file with its units by web SKU, and the codes that stand in it for them.
pub type Coded = (OrderFile, ItemMap);

/// The file of these orders as the till is to read it; see [`Epos::render`].
///
/// # Errors
/// Outside, a failure of the ledger; inside, `Permanent` when an order cannot be written.
pub fn render(
    ledger: &Ledger,
    epos: &dyn Epos,
    purpose: Purpose,
    orders: &[ToWrite<'_>],
    sequence: u64,
) -> Result<std::result::Result<Coded, EposError>> {
    let skus: Vec<Sku> = orders.iter().flat_map(|one| &one.order.lines).map(|line| line.sku.clone()).collect();
    let codes = ledger.item_map_of(&skus)?;
    let coded: std::result::Result<Vec<WebOrder>, EposError> =
        orders.iter().map(|one| for_till(one.order, &codes)).collect();
    let rendered = coded.and_then(|coded| {
        let coded: Vec<ToWrite<'_>> =
            coded.iter().zip(orders).map(|(order, one)| ToWrite { order, copy: one.copy }).collect();
        epos.render(purpose, &coded, sequence)
    });
    Ok(rendered.map(|file| (by_web_sku(file, &codes), codes)))
}

/// The cancellation file of what is to be taken back.
///
/// # Errors
/// As [`render`]; `Permanent` also where the till booked an item under another code than it has now.
pub fn render_cancellation(
    ledger: &Ledger,
    epos: &dyn Epos,
    wanted: &ToTakeBack,
) -> Result<std::result::Result<Coded, EposError>> {
    let id = &wanted.order.id;
    if let Some((sku, code)) = ledger.booked_under_other_code(id, wanted.back.keys())? {
        return Ok(Err(other_code(&wanted.order.number, &sku, &code)));
    }
    let sequence = ledger.file_sequence(Purpose::Cancellation, id, wanted.copy)?;
    let to_write = ToWrite { order: &wanted.lines, copy: wanted.copy };
    render(ledger, epos, Purpose::Cancellation, &[to_write], sequence)
}

/// Under today's code the till would take back another item than it booked.
fn other_code(number: &str, sku: &Sku, code: &Sku) -> EposError {
    let what = format!("order {number}: the till booked {sku} as {code}, which is not its code any more");
    EposError { what, class: FailureClass::Permanent, source: None }
}

fn by_web_sku(mut file: OrderFile, codes: &ItemMap) -> OrderFile {
    for written in &mut file.orders {
        written.units = from_till(std::mem::take(&mut written.units), codes);
    }
    file
}

/// The order with the till's codes in place of web SKUs.
fn for_till(order: &WebOrder, codes: &ItemMap) -> std::result::Result<WebOrder, EposError> {
    let mut order = order.clone();
    for line in &mut order.lines {
        match codes.till_of(&line.sku) {
            Some(code) => line.sku = code.clone(),
            // What was cancelled is not written.
            None if is_over(line) => {}
            None => return Err(has_no_code(&order.number, &line.sku, codes)),
        }
    }
    Ok(order)
}

fn is_over(line: &OrderLine) -> bool {
    !(line.ordered - line.cancelled - line.returned).is_positive()
}

fn has_no_code(number: &str, sku: &Sku, codes: &ItemMap) -> EposError {
    let other = codes.paired_web(sku).map_or_else(String::new, |other| format!(", which is the web store's {other}"));
    EposError {
        what: format!(
            "order {number} has the item {sku}, which has no till code: the till means another item by {sku}{other}; \
             say what the till calls it: tillbridge items add {sku} TILL_CODE"
        ),
        class: FailureClass::Permanent,
        source: None,
    }
}

/// The units of a file by web SKU again.
fn from_till(units: Vec<(Sku, Quantity)>, codes: &ItemMap) -> Vec<(Sku, Quantity)> {
    units.into_iter().map(|(code, units)| (codes.web_of(&code).unwrap_or(&code).clone(), units)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::OrderId;
    use crate::domain::order::{Customer, Standing};

    fn sku(text: &str) -> Sku {
        Sku::new(text).unwrap()
    }

    fn line(sku_of: &str, cancelled: i64) -> OrderLine {
        OrderLine {
            id: "1".into(),
            sku: sku(sku_of),
            name: "item".into(),
            ordered: 1.into(),
            cancelled: cancelled.into(),
            shipped: Quantity::ZERO,
            refunded: Quantity::ZERO,
            returned: Quantity::ZERO,
            price: 1.into(),
            price_incl_tax: 1.into(),
            tax_percent: 0.into(),
            discount: 0.into(),
            takes_stock: true,
        }
    }

    fn order(lines: Vec<OrderLine>) -> WebOrder {
        WebOrder {
            id: OrderId("7".into()),
            number: "000000007".into(),
            placed_at: Timestamp::UNIX_EPOCH,
            standing: Standing::Ready,
            store_status: "processing".into(),
            customer: Customer::default(),
            payment: String::new(),
            shipping: String::new(),
            currency: "EUR".into(),
            total: 1.into(),
            shipping_total: 0.into(),
            lines,
        }
    }

    fn codes() -> ItemMap {
        ItemMap::new([(sku("A"), sku("B")), (sku("C"), sku("D"))]).unwrap()
    }

    #[test]
    fn lines_get_the_tills_codes_and_units_come_back_by_web_sku() {
        let coded = for_till(&order(vec![line("A", 0), line("E", 0), line("C", 0)]), &codes()).unwrap();
        let written: Vec<&str> = coded.lines.iter().map(|line| line.sku.as_str()).collect();
        assert_eq!(written, ["B", "E", "D"]);
        let units = coded.lines.iter().map(|line| (line.sku.clone(), line.ordered)).collect();
        let back: Vec<String> = from_till(units, &codes()).iter().map(|(sku, _)| sku.to_string()).collect();
        assert_eq!(back, ["A", "E", "C"]);
    }

    #[test]
    fn a_name_that_means_another_item_to_the_till_refuses_the_order_and_says_what_to_do() {
        let refused = for_till(&order(vec![line("A", 0), line("B", 0)]), &codes()).unwrap_err();
        assert_eq!(refused.class, FailureClass::Permanent);
        for words in ["000000007", "the item B", "the web store's A", "tillbridge items add B TILL_CODE"] {
            assert!(refused.what.contains(words), "{words}: {}", refused.what);
        }
        assert!(
            for_till(&order(vec![line("A", 0), line("B", 1)]), &codes()).is_ok(),
            "a cancelled line is not written"
        );
    }
}
