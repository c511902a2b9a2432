//! Cancellation files: their profile, its defaults, and what is written by it.

use rust_decimal::Decimal;

use super::*;
use crate::domain::corrections::{Units, to_take_back};
use crate::domain::{Quantity, WebOrder};
use crate::epos::FolderEpos;
use crate::epos::order_profile::OrderValue;
use crate::ports::{Epos, EposError, OrderFile, Purpose, ToWrite};

const TILL: &str = "export_folder = \"/till/export\"\nimport_folder = \"/till/import\"\n\
     [stock_profile]\nkind = \"csv\"\ncolumns = { sku = \"SKU\", quantity = \"Qty\" }\n";

fn settings(more: &str) -> EposSettings {
    toml::from_str(&format!("{TILL}{more}")).unwrap()
}

fn problems(more: &str) -> Vec<String> {
    settings(more).problems().iter().map(ToString::to_string).collect()
}

/// 100000123, of which some units are to be taken back.
fn order() -> WebOrder {
    let all: [WebOrder; 2] =
        serde_json::from_str(include_str!("../../tests/fixtures/order-profiles/orders.json")).unwrap();
    let [first, _] = all;
    first
}

fn written(more: &str, order: &WebOrder, copy: u32) -> Result<OrderFile, EposError> {
    let epos = FolderEpos::new(settings(more), "/agent".into()).unwrap();
    assert!(epos.takes_cancellations());
    epos.render(Purpose::Cancellation, &[ToWrite { order, copy }], 7)
}

#[test]
fn without_a_profile_no_cancellation_file_is_written() {
    let epos = FolderEpos::new(settings(""), "/agent".into()).unwrap();
    assert!(!epos.takes_cancellations());
    let order = order();
    let error = epos.render(Purpose::Cancellation, &[ToWrite { order: &order, copy: 1 }], 1).unwrap_err();
    assert!(error.to_string().contains("cancellation_profile"), "{error}");
}

#[test]
fn a_cancellation_profile_has_a_name_and_a_sign_of_its_own_unless_it_says_otherwise() {
    let of = |more: &str| settings(more).cancellation_profile.unwrap();
    let default = of("[cancellation_profile]\ndelimiter = \";\"\n");
    assert_eq!((default.name.as_str(), default.delimiter), ("cancel_{number}.csv", ';'));
    let units = default.columns.iter().find(|column| column.value == OrderValue::LineQuantity).unwrap();
    assert!(units.negate);
    let own = of(
        "[cancellation_profile]\nname = \"back_{number}.txt\"\ncolumns = [{ name = \"sku\", value = \"line.sku\" }, { name = \"qty\", value = \"line.quantity\" }]\n",
    );
    assert_eq!((own.name.as_str(), own.columns.len(), own.columns[1].negate), ("back_{number}.txt", 2, false));
    let refused = toml::from_str::<EposSettings>(&format!("{TILL}[cancellation_profile]\nnmae = \"x\"\n")).unwrap_err();
    assert!(refused.to_string().contains("nmae"), "{refused}");
    // What was read is written, and read again, as it was.
    let again: EposSettings = toml::from_str(&toml::to_string(&settings("[cancellation_profile]\n")).unwrap()).unwrap();
    assert_eq!(again, settings("[cancellation_profile]\n"));
}

#[test]
fn a_name_that_an_order_file_may_have_and_a_sign_on_words_are_refused() {
    assert_eq!(problems("[cancellation_profile]\n"), Vec::<String>::new());
    let same = problems("[cancellation_profile]\nname = \"Order_{id}.csv\"\n");
    assert!(same.iter().any(|what| what.contains("cancellation_profile") && what.contains("order file")), "{same:?}");
    let sign = problems(
        "[cancellation_profile]\ncolumns = [{ name = \"sku\", value = \"line.sku\", negate = true }, { name = \"qty\", value = \"line.quantity\" }]\n",
    );
    assert!(sign.iter().any(|what| what.contains("negate is for numbers")), "{sign:?}");
}

#[test]
fn only_what_is_to_be_taken_back_is_written_with_the_other_sign_and_money_to_match() {
    let order = order();
    let sku = order.lines[0].sku.clone();
    let back = Units::from([(sku.clone(), Quantity::ONE)]);
    let lines = to_take_back(&order, &back).unwrap();
    let profile = "[cancellation_profile]\nheader = false\nline_end = \"lf\"\ncolumns = [{ name = \"no\", value = \"order.number\" }, \
         { name = \"kind\", value = \"constant:RETURN\" }, { name = \"sku\", value = \"line.sku\" }, \
         { name = \"qty\", value = \"line.quantity\", negate = true }, { name = \"sum\", value = \"line.total_incl_tax\", negate = true, decimals = 2 }]\n";
    let file = written(profile, &lines, 2).unwrap();
    let price = order.lines[0].price_incl_tax.round_dp(2);
    assert_eq!(String::from_utf8(file.bytes).unwrap(), format!("{},RETURN,{sku},-1,-{price:.2}\n", order.number));
    assert_eq!(file.name, format!("cancel_{}_2.csv", order.number));
    assert_eq!(file.orders[0].units, [(sku, Quantity::ONE)], "what is taken back is counted above zero");
}

#[test]
fn a_sign_goes_before_filling_noughts_and_nothing_has_none() {
    let mut order = order();
    order.shipping_total = Decimal::ZERO;
    order.lines.truncate(1);
    order.lines[0].ordered = 2.into();
    let profile = "[cancellation_profile]\nkind = \"fixed\"\nheader = false\nline_end = \"lf\"\ncolumns = [\
         { name = \"sku\", value = \"line.sku\", length = 12 }, \
         { name = \"qty\", value = \"line.quantity\", length = 6, align = \"right\", fill = \"0\", negate = true }, \
         { name = \"ship\", value = \"order.shipping_total\", length = 6, align = \"right\", fill = \"0\", implied_decimals = 2, negate = true }]\n";
    let text = String::from_utf8(written(profile, &order, 1).unwrap().bytes).unwrap();
    assert!(text.trim_end().ends_with("-00002000000"), "{text:?}");
}

#[test]
fn a_refusal_speaks_of_the_cancellation_and_not_of_exporting_the_order_again() {
    let mut order = order();
    order.customer.company = String::new();
    let profile = "[cancellation_profile]\ncolumns = [{ name = \"sku\", value = \"line.sku\" }, { name = \"qty\", value = \"line.quantity\" }, \
         { name = \"firm\", value = \"customer.company\", required = true }]\n";
    let error = written(profile, &order, 1).unwrap_err().to_string();
    assert!(error.contains("firm") && error.contains("customer.company is empty"), "{error}");
    assert!(!error.contains("orders export"), "{error}");
}
