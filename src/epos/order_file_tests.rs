use rust_decimal::Decimal;

use super::single as render;
use super::*;
use crate::domain::order::{Customer, Standing};
use crate::domain::retry::FailureClass;
use crate::domain::{OrderId, OrderLine, Quantity, Sku, WebOrder};
use crate::epos::order_profile::{LineEnd, OrderColumn, OrderEncoding, QuoteFields};

fn line(sku: &str, ordered: i64, cancelled: i64) -> OrderLine {
    OrderLine {
        id: "1".into(),
        sku: Sku::new(sku).unwrap(),
        name: "Teapot, white".into(),
        ordered: ordered.into(),
        cancelled: cancelled.into(),
        shipped: Quantity::ZERO,
        refunded: Quantity::ZERO,
        returned: Quantity::ZERO,
        price: Decimal::new(1666, 2),
        price_incl_tax: Decimal::new(1999, 2),
        tax_percent: Decimal::new(200, 1),
        discount: Decimal::ZERO,
        takes_stock: true,
    }
}

fn order(number: &str, lines: Vec<OrderLine>) -> WebOrder {
    WebOrder {
        id: OrderId("17".into()),
        number: number.into(),
        placed_at: "2026-03-14T23:30:00Z".parse().unwrap(),
        standing: Standing::Ready,
        store_status: "processing".into(),
        customer: Customer {
            email: "zoe@example.com".into(),
            name: "Zoë O’Neil".into(),
            street: "Flat 3".into(),
            ..Customer::default()
        },
        payment: "checkmo".into(),
        shipping: "Flat rate".into(),
        currency: "GBP".into(),
        total: Decimal::new(3998, 2),
        shipping_total: Decimal::ZERO,
        lines,
    }
}

fn columns(values: &[&str]) -> OrderProfile {
    let column = |value: &&str| OrderColumn::new(value, serde_json::from_value((*value).into()).unwrap());
    OrderProfile { header: false, columns: values.iter().map(column).collect(), ..OrderProfile::default() }
}

fn text(profile: &OrderProfile, order: &WebOrder) -> String {
    String::from_utf8(render(profile, order, 1, 1).unwrap().bytes).unwrap()
}

#[test]
fn the_default_file_has_one_line_per_item() {
    let file =
        render(&OrderProfile::default(), &order("100000124", vec![line("0012", 2, 0), line("B", 1, 0)]), 1, 1).unwrap();
    assert_eq!(file.name, "order_100000124.csv");
    assert_eq!(
        String::from_utf8(file.bytes).unwrap(),
        "OrderNo,Date,Payment,Email,Name,Company,Address,Town,County,Postcode,Country,Telephone,SKU,Description,Qty,PriceIncTax\r\n\
         100000124,2026-03-14,checkmo,zoe@example.com,Zoë O’Neil,,Flat 3,,,,,,0012,\"Teapot, white\",2,19.99\r\n\
         100000124,2026-03-14,checkmo,zoe@example.com,Zoë O’Neil,,Flat 3,,,,,,B,\"Teapot, white\",1,19.99\r\n"
    );
    assert!(file.warnings.is_empty());
}

#[test]
fn only_what_is_left_to_book_is_written_and_counted() {
    let voucher = OrderLine { takes_stock: false, ..line("GIFT", 1, 0) };
    let order = order("1", vec![line("A", 3, 1), line("A", 1, 0), line("B", 2, 2), voucher]);
    let profile = columns(&["line.number", "line.sku", "line.quantity", "line.total_incl_tax", "order.line_count"]);
    assert_eq!(text(&profile, &order), "1,A,2,39.98,3\r\n2,A,1,19.99,3\r\n3,GIFT,1,19.99,3\r\n");
    let file = render(&profile, &order, 1, 1).unwrap();
    let units = [("A", 3), ("GIFT", 1)].map(|(sku, units)| (Sku::new(sku).unwrap(), Quantity::from(units)));
    assert_eq!(file.orders[0].units, units);
}

#[test]
fn an_order_with_nothing_left_is_refused_for_good() {
    let refused = render(&OrderProfile::default(), &order("1", vec![line("A", 1, 1)]), 1, 1).unwrap_err();
    assert_eq!(refused.class, FailureClass::Permanent);
    assert!(refused.to_string().contains("nothing is left to book"));
}

#[test]
fn later_copies_have_their_own_names() {
    let order = order("1", vec![line("A", 1, 0)]);
    let name = |copy| render(&OrderProfile::default(), &order, copy, 1).unwrap().name;
    assert_eq!((name(1), name(2), name(3)), ("order_1.csv".into(), "order_1_2.csv".into(), "order_1_3.csv".into()));
}

#[test]
fn names_are_safe_and_differ_for_different_orders() {
    let name =
        |number: &str| render(&OrderProfile::default(), &order(number, vec![line("A", 1, 0)]), 1, 1).unwrap().name;
    assert_eq!(name("../../x"), "order_..~2f..~2fx.csv");
    assert_eq!(name("1\\2\0"), "order_1~5c2~00.csv");
    assert_eq!(name("1_2"), "order_1~5f2.csv");
    assert_eq!(name("#1001"), "order_#1001.csv");
    assert_ne!(name("a/b"), name("a~2fb"));
    let bare = OrderProfile { name: "{number}.csv".into(), ..OrderProfile::default() };
    for number in ["CON", "nul", "com1", "..", ""] {
        assert!(render(&bare, &order(number, vec![line("A", 1, 0)]), 1, 1).is_err(), "{number}");
    }
    assert!(render(&bare, &order(&"1".repeat(500), vec![line("A", 1, 0)]), 1, 1).is_err());
    let dated = OrderProfile { name: "{date}-{id}.txt".into(), time_zone: "Europe/Berlin".into(), ..bare };
    assert_eq!(render(&dated, &order("1", vec![line("A", 1, 0)]), 1, 1).unwrap().name, "20260315-17.txt");
}

#[test]
fn what_the_code_page_lacks_is_told() {
    let order = order("1", vec![line("A", 1, 0)]);
    let profile = columns(&["customer.name"]);
    let windows = OrderProfile { encoding: OrderEncoding::Windows1252, ..profile.clone() };
    let file = render(&windows, &order, 1, 1).unwrap();
    assert_eq!((file.bytes.as_slice(), file.warnings.len()), (&b"Zo\xeb O\x92Neil\r\n"[..], 0));
    let latin = OrderProfile { encoding: OrderEncoding::Iso88591, ..profile };
    let file = render(&latin, &order, 1, 1).unwrap();
    assert_eq!(file.bytes, b"Zo\xeb O?Neil\r\n");
    assert_eq!(file.warnings, ["customer.name: ISO-8859-1 has no ’, written as ?"]);
}

#[test]
fn no_value_can_break_its_record() {
    let mut order = order("1", vec![line("A", 1, 0)]);
    order.customer.name = "a\"b,c\r\nd".into();
    let profile = columns(&["customer.name", "line.sku"]);
    assert_eq!(text(&profile, &order), "\"a\"\"b,c d\",A\r\n");
    let always = OrderProfile { quote: QuoteFields::Always, line_end: LineEnd::Lf, ..profile.clone() };
    assert_eq!(text(&always, &order), "\"a\"\"b,c d\",\"A\"\n");
    let never = OrderProfile { quote: QuoteFields::Never, ..profile };
    assert_eq!(text(&never, &order), "a b c d,A\r\n");
    assert_eq!(render(&never, &order, 1, 1).unwrap().warnings.len(), 2);
}

#[test]
fn formulas_are_guarded_in_texts_only() {
    let mut order = order("1", vec![line("-A", 1, 0)]);
    order.customer.name = "=1+2".into();
    order.lines[0].price = Decimal::new(-15, 1);
    let profile = columns(&["customer.name", "line.sku", "line.price"]);
    assert_eq!(text(&profile, &order), "=1+2,-A,-1.5\r\n");
    let guarded = OrderProfile { formula_guard: true, decimal: ',', delimiter: ';', ..profile };
    assert_eq!(text(&guarded, &order), "'=1+2;'-A;-1,5\r\n");
}

#[test]
fn the_profile_reads_from_toml_and_refuses_what_it_does_not_know() {
    let profile: OrderProfile = toml::from_str(
        "quote = \"never\"\ndelimiter = \"\\t\"\nencoding = \"windows-1252\"\ndate_format = \"%d/%m/%Y\"\n\
         columns = [{ name = \"No\", value = \"order.number\" }, { name = \"D\", value = \"order.date\" }, { name = \"T\", value = \"constant:WEB\" }]",
    )
    .unwrap();
    assert_eq!(text(&profile, &order("1", vec![line("A", 1, 0)])), "No\tD\tT\r\n1\t14/03/2026\tWEB\r\n");
    assert!(toml::from_str::<OrderProfile>("columns = [{ name = \"a\", value = \"order.nunber\" }]").is_err());
    assert!(toml::from_str::<OrderProfile>("quotes = \"never\"").is_err());
    assert!(OrderProfile::default().problems().is_empty());
    assert_eq!(OrderProfile { name: "order.csv".into(), ..OrderProfile::default() }.problems().len(), 1);
}
