//! Several files for an order, and several orders in a file.

use super::render;
use crate::domain::WebOrder;
use crate::epos::order_profile::OrderProfile;
use crate::ports::{OrderFile, Role, ToWrite};

#[derive(serde::Deserialize)]
struct File {
    epos: Till,
}

#[derive(serde::Deserialize)]
struct Till {
    order_profile: OrderProfile,
}

fn read(text: &str) -> OrderProfile {
    toml::from_str::<File>(&format!("[epos.order_profile]\nline_end = \"lf\"\n{text}")).unwrap().epos.order_profile
}

fn profile(text: &str) -> OrderProfile {
    let profile = read(text);
    assert_eq!(profile.problems(), Vec::<String>::new(), "{text}");
    profile
}

fn orders() -> [WebOrder; 2] {
    serde_json::from_str(include_str!("../../tests/fixtures/order-profiles/orders.json")).unwrap()
}

fn written(profile: &OrderProfile, copy: u32, sequence: u64) -> OrderFile {
    let [first, second] = orders();
    let all = [ToWrite { order: &first, copy }, ToWrite { order: &second, copy: 1 }];
    render(profile, &all[..profile.batch.map_or(1, |batch| batch.most_orders.min(2))], sequence).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// Role, name and content of the files that go with it.
fn beside(file: &OrderFile) -> Vec<(Role, &str, &str)> {
    file.beside.iter().map(|beside| (beside.role, beside.name.as_str(), text(&beside.bytes))).collect()
}

const NUMBER: &str = "{ name = \"No\", value = \"order.number\" }";
const LINES: &str = "{ name = \"No\", value = \"order.number\" }, { name = \"Sku\", value = \"line.sku\" }, { name = \"Qty\", value = \"line.quantity\" }";

#[test]
fn header_and_lines_can_be_two_files_and_a_third_tells_the_till_to_begin() {
    let apart = profile(&format!(
        "columns = [{NUMBER}, {{ name = \"Lines\", value = \"order.line_count\" }}, {{ name = \"Records\", value = \"file.record_count\" }}]\n\
         [epos.order_profile.lines_file]\nname = \"{{stem}}_lines.csv\"\ncolumns = [{LINES}]\n\
         [epos.order_profile.trigger]\nname = \"{{name}}.complete\"\ncontent = \"{{name}} {{number}} {{stem}}\\n\""
    ));
    let file = written(&apart, 1, 1);
    assert_eq!(
        (file.name.as_str(), text(&file.bytes)),
        ("order_100000123.csv", "No,Lines,Records\n100000123,2,2\n"),
        "the records of this file"
    );
    assert_eq!(
        beside(&file),
        [
            (Role::Lines, "order_100000123_lines.csv", "No,Sku,Qty\n100000123,0012345,2\n100000123,1003,4\n"),
            (Role::Trigger, "order_100000123.csv.complete", "order_100000123.csv 100000123 order_100000123\n")
        ]
    );
    // Another copy has other names, all of them.
    let again = written(&apart, 2, 1);
    let names: Vec<&str> = again.beside.iter().map(|beside| beside.name.as_str()).collect();
    assert_eq!(
        (again.name.as_str(), names),
        ("order_100000123_2.csv", vec!["order_100000123_2_lines.csv", "order_100000123_2.csv.complete"])
    );
}

#[test]
fn a_lines_file_may_have_a_name_and_records_of_its_own_and_a_trigger_always_the_same_name() {
    let apart = profile(&format!(
        "header = false\ncolumns = [{NUMBER}]\n\
         [epos.order_profile.lines_file]\nname = \"lines_{{id}}.txt\"\n\
         [[epos.order_profile.lines_file.records]]\nper = \"line\"\ncolumns = [{LINES}]\n\
         [[epos.order_profile.lines_file.records]]\nper = \"order\"\ncolumns = [{{ name = \"end\", value = \"constant:END\" }}, {{ name = \"n\", value = \"file.record_count\" }}]\n\
         [epos.order_profile.trigger]\nname = \"endofday.trg\""
    ));
    let file = written(&apart, 2, 1);
    let [order, _] = orders();
    assert_eq!(text(&file.bytes), "100000123\n");
    assert_eq!(
        beside(&file),
        [
            (
                Role::Lines,
                format!("lines_{}_2.txt", order.id).as_str(),
                "100000123,0012345,2\n100000123,1003,4\nEND,3\n"
            ),
            (Role::Trigger, "endofday.trg", "")
        ]
    );
}

#[test]
fn a_batch_has_head_and_trailer_once_and_the_records_between_for_each_order() {
    let batch = profile(
        "name = \"orders_{sequence:6}.txt\"\n\
         [epos.order_profile.batch]\nmost_orders = 200\n\
         [[epos.order_profile.records]]\nper = \"file\"\ncolumns = [{ name = \"a\", value = \"constant:F\" }, { name = \"b\", value = \"file.sequence\" }]\n\
         [[epos.order_profile.records]]\nper = \"order\"\ncolumns = [{ name = \"a\", value = \"constant:H\" }, { name = \"b\", value = \"order.number\" }]\n\
         [[epos.order_profile.records]]\nper = \"line\"\ncolumns = [{ name = \"a\", value = \"line.number\" }, { name = \"b\", value = \"line.sku\" }, { name = \"c\", value = \"line.quantity\" }]\n\
         [[epos.order_profile.records]]\nper = \"order\"\ncolumns = [{ name = \"a\", value = \"constant:E\" }, { name = \"b\", value = \"order.line_count\" }]\n\
         [[epos.order_profile.records]]\nper = \"file\"\ncolumns = [{ name = \"a\", value = \"constant:T\" }, { name = \"b\", value = \"file.order_count\" },\
           { name = \"c\", value = \"file.line_count\" }, { name = \"d\", value = \"file.units\" }, { name = \"e\", value = \"file.record_count\" }]",
    );
    let file = written(&batch, 1, 17);
    assert_eq!((file.name.as_str(), file.sequence), ("orders_000017.txt", Some(17)));
    assert_eq!(
        text(&file.bytes),
        "F,17\nH,100000123\n1,0012345,2\n2,1003,4\nE,2\nH,100000124\n1,1005,1\nE,1\nT,2,3,7,9\n"
    );
    let units: Vec<usize> = file.orders.iter().map(|written| written.units.len()).collect();
    assert_eq!(units, [2, 1], "each order's own");
}

#[test]
fn a_batch_of_columns_has_one_header_row_and_can_have_its_lines_apart() {
    let plain = profile(&format!("name = \"o{{sequence}}.csv\"\nbatch = {{ most_orders = 2 }}\ncolumns = [{LINES}]"));
    assert_eq!(
        text(&written(&plain, 1, 1).bytes),
        "No,Sku,Qty\n100000123,0012345,2\n100000123,1003,4\n100000124,1005,1\n"
    );
    let apart = profile(&format!(
        "name = \"o{{sequence}}.csv\"\nbatch = {{ most_orders = 2 }}\ncolumns = [{NUMBER}]\n\
         lines_file = {{ name = \"l{{sequence}}.csv\", columns = [{LINES}] }}\ntrigger = {{ name = \"{{stem}}.go\" }}"
    ));
    let file = written(&apart, 1, 4);
    assert_eq!(text(&file.bytes), "No\n100000123\n100000124\n");
    assert_eq!(
        beside(&file),
        [
            (Role::Lines, "l4.csv", "No,Sku,Qty\n100000123,0012345,2\n100000123,1003,4\n100000124,1005,1\n"),
            (Role::Trigger, "o4.go", "")
        ]
    );
}

#[test]
fn the_ready_profile_of_header_and_lines_writes_both_files() {
    let text_of = crate::epos::order_profiles::ready("headerlines").unwrap();
    let ready = toml::from_str::<File>(text_of).unwrap().epos.order_profile;
    assert_eq!(ready.problems(), Vec::<String>::new());
    let [order, _] = orders();
    let order = WebOrder { payment: "checkmo".into(), ..order };
    let file = render(&ready, &[ToWrite { order: &order, copy: 1 }], 1).unwrap();
    assert_eq!(
        text(&file.bytes).lines().nth(1).unwrap(),
        "100000123,ann@example.com,1 High St,Leeds,,LS1 1AA,GB,0.00,ann@example.com,\"Smith, Ann\",47.48,6.50,2026-03-14,Cheque,Flat rate"
    );
    assert_eq!(
        beside(&file),
        [(
            Role::Lines,
            "order_100000123_lines.csv",
            "SalesOrderNumber,ItemCode,QuantityOrdered,Line,SalePrice\r\n100000123,0012345,2,1,16.66\r\n100000123,1003,4,2,2.92\r\n"
        )]
    );
}

const XML: &str = "kind = \"xml\"\nname = \"o{sequence}.xml\"\nbatch = { most_orders = 2 }\ntemplate = '''TEMPLATE'''";

#[test]
fn a_batch_of_xml_repeats_what_stands_between_the_marks_of_orders() {
    let xml = profile(&XML.replace(
        "TEMPLATE",
        "<all n=\"{{file.order_count}}\">{{#orders}}<o n=\"{{order.number}}\">{{#lines}}<l s=\"{{line.sku}}\" q=\"{{line.quantity}}\"/>{{/lines}}</o>{{/orders}}</all>",
    ));
    assert_eq!(
        text(&written(&xml, 1, 1).bytes),
        "<all n=\"2\"><o n=\"100000123\"><l s=\"0012345\" q=\"2\"/><l s=\"1003\" q=\"4\"/></o>\
         <o n=\"100000124\"><l s=\"1005\" q=\"1\"/></o></all>"
    );
    let line = "{{#lines}}<l s=\"{{line.sku}}\" q=\"{{line.quantity}}\"/>{{/lines}}";
    for (template, reason) in [
        (format!("<o n=\"{{{{order.number}}}}\">{line}</o>"), "needs {{#orders}}"),
        (format!("<o n=\"{{{{order.number}}}}\">{{{{#orders}}}}{line}{{{{/orders}}}}</o>"), "value of orders"),
        (format!("<o>{{{{#orders}}}}{{{{order.number}}}}{{{{/orders}}}}{line}</o>"), "must stand between {{#orders}}"),
        (format!("<o>{{{{#orders}}}}{{{{order.number}}}}{line}</o>"), "lacks its {{/orders}}"),
        (format!("<o>{{{{#orders}}}}{{{{#orders}}}}{line}{{{{/orders}}}}{{{{/orders}}}}</o>"), "no counterpart"),
        (
            "<o>{{#lines}}{{#orders}}{{line.sku}}{{line.quantity}}{{/lines}}{{/orders}}</o>".to_owned(),
            "must stand between",
        ),
        (format!("<o>{{{{#orders}}}}{line}{{{{/orders}}}}</o>"), "order.number or order.id"),
    ] {
        let problems = read(&XML.replace("TEMPLATE", &template)).problems().join("\n");
        assert!(problems.contains(reason), "{template}: {problems}");
    }
}

#[test]
fn a_profile_of_several_files_or_orders_that_cannot_work_is_refused_with_the_remedy() {
    let lines_file = |name: &str, rest: &str| {
        format!("columns = [{NUMBER}]\nlines_file = {{ name = \"{name}\", columns = [{LINES}] }}\n{rest}")
    };
    let batch = |name: &str, columns: &str, rest: &str| {
        format!("name = \"{name}\"\nbatch = {{ most_orders = 2 }}\ncolumns = [{columns}]\n{rest}")
    };
    for (text, reason) in [
        (lines_file("lines.csv", ""), "would be the name of several files"),
        (lines_file("{date}_lines.csv", ""), "would be the name of several files"),
        (lines_file("{name}", ""), "would be the name of several files"),
        (lines_file("{stem}/x.csv", ""), "lines_file.name \"{stem}/x.csv\" has a character"),
        (lines_file("{stem}_{what}.csv", ""), "unknown placeholder"),
        (
            format!("columns = [{LINES}]\nlines_file = {{ name = \"{{stem}}_l.csv\", columns = [{LINES}] }}"),
            "lines stand in it",
        ),
        (
            format!("columns = [{NUMBER}]\nlines_file = {{ name = \"{{stem}}_l.csv\", columns = [{NUMBER}] }}"),
            "need line.sku",
        ),
        (format!("columns = [{NUMBER}]\nlines_file = {{ name = \"{{stem}}_l.csv\" }}"), "needs columns, or records"),
        (
            format!(
                "kind = \"xml\"\ntemplate = \"<a/>\"\nlines_file = {{ name = \"{{stem}}_l.csv\", columns = [{LINES}] }}"
            ),
            "not for kind",
        ),
        (lines_file("{stem}_l.csv", "trigger = { name = \"{stem}_L.csv\" }"), "is the name of an order file"),
        ("trigger = { name = \"{name}\" }".to_owned(), "is the name of an order file"),
        ("trigger = { name = \"\" }".to_owned(), "trigger.name is empty"),
        ("trigger = { name = \"{order}.go\" }".to_owned(), "unknown placeholder"),
        ("trigger = { name = \"go\", content = \"{order}\" }".to_owned(), "trigger.content has an unknown placeholder"),
        (batch("{number}.csv", LINES, ""), "name needs {sequence}"),
        (batch("{sequence}-{number}.csv", LINES, ""), "name has {number}, but a batch has several orders"),
        (batch("{sequence}.csv", LINES, "trigger = { name = \"{id}.go\" }"), "trigger.name has {id}"),
        (batch("{sequence}.csv", &LINES.replace("order.number", "order.total"), ""), "order.number or order.id"),
        ("name = \"{sequence}.csv\"\nbatch = { most_orders = 1 }".to_owned(), "write 2 to 500"),
        (
            format!(
                "records = [{{ per = \"file\", columns = [{NUMBER}] }}, {{ per = \"line\", columns = [{LINES}] }}]"
            ),
            "is a value of orders, and per is \"file\"",
        ),
    ] {
        let problems = read(&text).problems().join("\n");
        assert!(problems.contains(reason), "{text}: {problems}");
    }
    assert!(toml::from_str::<OrderProfile>("batch = { most_orders = 2, every = \"5s\" }").is_err(), "an unknown key");
    let waits = read("name = \"{sequence}.csv\"\nbatch = { most_orders = 9, wait_at_most = \"15 min\" }");
    assert_eq!(waits.batch.unwrap().wait_at_most, crate::units::Span::seconds(900));
}
