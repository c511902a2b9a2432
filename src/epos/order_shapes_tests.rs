//! The shapes of order files: our own samples byte for byte, the ready profiles, and what each option promises.

use super::single as render;
use crate::domain::WebOrder;
use crate::domain::retry::FailureClass;
use crate::epos::order_profile::{OrderProfile, UnknownCharacters};
use crate::epos::order_profiles::{READY, ready};

#[derive(serde::Deserialize)]
struct File {
    epos: Till,
}

#[derive(serde::Deserialize)]
struct Till {
    order_profile: OrderProfile,
}

/// A profile that has no problems.
fn profile(text: &str) -> OrderProfile {
    let profile = toml::from_str::<File>(text).unwrap().epos.order_profile;
    assert_eq!(profile.problems(), Vec::<String>::new());
    profile
}

/// The one set of orders that all these files are made of: 100000123 and 100000124.
fn orders() -> [WebOrder; 2] {
    serde_json::from_str(include_str!("../../tests/fixtures/order-profiles/orders.json")).unwrap()
}

fn bytes(profile: &OrderProfile, order: &WebOrder) -> Vec<u8> {
    let file = render(profile, order, 1, 1).unwrap();
    assert_eq!(file.warnings, Vec::<String>::new());
    file.bytes
}

fn text(profile: &OrderProfile, order: &WebOrder) -> String {
    String::from_utf8(bytes(profile, order)).unwrap()
}

/// A profile of kind csv with these columns (TOML), no header.
fn columns(columns: &str) -> OrderProfile {
    let comma = if columns.is_empty() { "" } else { "," };
    profile(&format!(
        "[epos.order_profile]\nheader = false\nline_end = \"lf\"\ncolumns = [{columns}{comma} {{ name = \"sku\", value = \"line.sku\" }}, {{ name = \"qty\", value = \"line.quantity\" }}]"
    ))
}

fn refused(profile: &OrderProfile, order: &WebOrder) -> String {
    let error = render(profile, order, 1, 1).unwrap_err();
    assert_eq!(error.class, FailureClass::Permanent);
    error.to_string()
}

#[test]
fn the_four_order_samples_are_produced_byte_for_byte_from_one_order_set_with_four_profiles() {
    let [first, second] = orders();
    // One order per file: a sample of two orders is both files, the second one's header row aside.
    let per_item = profile(include_str!("../../tests/fixtures/order-profiles/o01.toml"));
    let without_header = OrderProfile { header: false, ..per_item.clone() };
    let both = [bytes(&per_item, &first), bytes(&without_header, &second)].concat();
    assert_eq!(both, include_bytes!("../../tests/fixtures/epos-samples/o01_orders_line_per_item.csv"));
    let records = profile(include_str!("../../tests/fixtures/order-profiles/o02.toml"));
    assert_eq!(
        bytes(&records, &first),
        include_bytes!("../../tests/fixtures/epos-samples/o02_orders_record_types.csv")
    );
    let tab = profile(include_str!("../../tests/fixtures/order-profiles/o03.toml"));
    assert_eq!(bytes(&tab, &second), include_bytes!("../../tests/fixtures/epos-samples/o03_orders_tab_positional.txt"));
    let xml = profile(include_str!("../../tests/fixtures/order-profiles/o04.toml"));
    assert_eq!(bytes(&xml, &second), include_bytes!("../../tests/fixtures/epos-samples/o04_order.xml"));
}

#[test]
fn the_ready_profile_for_evopos_writes_columns_a_to_r() {
    let evopos = profile(ready("evopos").unwrap());
    let [_, order] = orders();
    assert_eq!(
        bytes(&evopos, &order),
        b"100000124,14/03/2026,PayPal,zoe@example.com,Zo\xeb O\x92Neil,,,Flat 3,,York,,YO1 7AA,GB,01904 555 000,1005,Milk jug,1,8.00\r\n"
    );
    assert_eq!(evopos.columns.len(), usize::from(b'R' - b'A') + 1);
}

#[test]
fn the_ready_profile_for_khaos_writes_the_payment_on_the_first_line_only() {
    let khaos = profile(ready("khaos").unwrap());
    let [order, _] = orders();
    let order = WebOrder { payment: "checkmo".into(), ..order };
    assert_eq!(
        text(&khaos, &order),
        "AssociatedRef\tOrderDate\tSite\tCustomer_CompanyClass\tCustomer_Currency\tCustomer_CreateNew\tItem_SKU\tItem_Mapping\t\
         Item_Quantity\tInvAddr_Line1\tInvAddr_Town\tInvAddr_Country\tInvAddr_Postcode\tCustomer_Email\tItem_Price_Gross\tPayment_Type\tPayment_Amount\r\n\
         100000123\t14/03/2026\tMain\tWeb\tGBP\tIfNoMatch\t0012345\tStockCode\t2\t1 High St\tLeeds\tGB\tLS1 1AA\tann@example.com\t19.99\tCHQ\t47.48\r\n\
         100000123\t14/03/2026\tMain\tWeb\tGBP\tIfNoMatch\t1003\tStockCode\t4\t1 High St\tLeeds\tGB\tLS1 1AA\tann@example.com\t3.50\t\t\r\n"
    );
}

#[test]
fn the_ready_profile_of_records_counts_what_it_writes() {
    let records = profile(ready("records").unwrap());
    let [order, _] = orders();
    let order = WebOrder { payment: "banktransfer".into(), ..order };
    let file = render(&records, &order, 1, 1).unwrap();
    assert_eq!(
        String::from_utf8(file.bytes).unwrap(),
        "H,100000123,20260314,Smith  Ann,1 High St,Leeds,LS1 1AA,47.48\r\n\
         L,1,0012345,2,19.99\r\nL,2,1003,4,3.50\r\nP,BAC,47.48\r\nT,2,5\r\n"
    );
    assert_eq!(file.warnings, ["name: delimiters and quotation marks were replaced by a space"]);
}

#[test]
fn the_ready_profile_of_xml_writes_an_order_that_an_xml_reader_takes() {
    let xml = profile(ready("xml").unwrap());
    let [order, _] = orders();
    let order = WebOrder { payment: "checkmo".into(), ..order };
    let written = text(&xml, &order);
    assert!(
        written.contains("<Line number=\"2\" sku=\"1003\" quantity=\"4\" price=\"3.50\">Cup</Line>\r\n  </Lines>"),
        "{written}"
    );
    let mut reader = quick_xml::Reader::from_str(&written);
    while reader.read_event().unwrap() != quick_xml::events::Event::Eof {}
}

#[test]
fn every_ready_profile_has_no_problems_and_names_each_order_differently() {
    for (name, _, text) in READY {
        let profile = profile(text);
        let names = orders()
            .map(|order| render(&profile, &WebOrder { payment: "checkmo".into(), ..order }, 1, 1).unwrap().name);
        assert_ne!(names[0], names[1], "{name}");
    }
}

#[test]
fn no_customers_text_becomes_markup() {
    let xml = profile(include_str!("../../tests/fixtures/order-profiles/o04.toml"));
    let [_, mut order] = orders();
    order.customer.name = "]]></Name><Line sku=\"X\"/>&amp;{{order.total}}\r\n\u{0}'".into();
    order.customer.email = "\"><!--".into();
    let file = render(&xml, &order, 1, 1).unwrap();
    let written = String::from_utf8(file.bytes).unwrap();
    assert!(
        written.contains(
            "<Name>]]&gt;&lt;/Name&gt;&lt;Line sku=&quot;X&quot;/&gt;&amp;amp;{{order.total}}  &apos;</Name>"
        ),
        "{written}"
    );
    assert!(written.contains("email=\"&quot;&gt;&lt;!--\""), "{written}");
    assert_eq!(written.matches("<Line").count(), 1);
    assert_eq!(file.warnings, ["customer.name: line ends and control characters were replaced by a space"]);
}

#[test]
fn in_xml_what_the_code_page_lacks_is_a_reference_and_nothing_is_lost() {
    let latin = include_str!("../../tests/fixtures/order-profiles/o04.toml")
        .replace("UTF-8", "iso-8859-1")
        .replace("line_end", "encoding = \"iso-8859-1\"\nline_end");
    let [_, order] = orders();
    let written = bytes(&profile(&latin), &order);
    assert!(written.windows(18).any(|part| part == b"<Name>Zo\xeb O&#8217;"), "{}", String::from_utf8_lossy(&written));
}

#[test]
fn a_template_that_could_break_is_refused_with_the_reason() {
    let problem = |template: &str| {
        let profile = OrderProfile {
            kind: crate::epos::order_profile::OrderKind::Xml,
            template: Some(template.into()),
            ..OrderProfile::default()
        };
        profile.problems().join("\n")
    };
    let line = "{{#lines}}<l s='{{line.sku}}' q='{{line.quantity}}'/>{{/lines}}";
    assert_eq!(problem(&format!("<o>{line}</o>")), "");
    for (template, reason) in [
        (format!("<o {{{{order.number}}}}='1'>{line}</o>"), "between tags"),
        (format!("<o><{{{{order.number}}}}/>{line}</o>"), "name of a tag"),
        (format!("<o n={{{{order.number}}}}>{line}</o>"), "between tags"),
        (format!("<o><!-- {{{{order.number}}}} -->{line}</o>"), "comments"),
        (format!("<o><![CDATA[{{{{order.number}}}}]]>{line}</o>"), "CDATA"),
        (format!("<?x {{{{order.number}}}}?><o>{line}</o>"), "between tags"),
        (format!("<o>{line}"), "every tag its end"),
        (format!("<o>{line}</p>"), "well-formed"),
        (format!("<o a='1' a='2'>{line}</o>"), "attributes"),
        (format!("<o>{line}</o><o/>"), "one element"),
        ("<o>{{#lines}}<l>{{line.sku}}</l></o>".to_owned(), "{{/lines}}"),
        ("<o>{{line.sku}}</o>".to_owned(), "value of lines"),
        (format!("<o>{{{{order.nunber}}}}{line}</o>"), "neither the name"),
        (format!("<o>{{{{file.record_count}}}}{line}</o>"), "none to count"),
        (format!("<o>{{{{order.number</o>{line}"), "neither the name"),
        ("<o>{{order.number}}</o>".to_owned(), "needs line.sku"),
        (format!("<?xml version='1.0' encoding='cp850'?><o>{line}</o>"), "says encoding"),
    ] {
        assert!(problem(&template).contains(reason), "{template}: {}", problem(&template));
    }
}

#[test]
fn fixed_width_pads_texts_right_and_numbers_left_and_keeps_the_sign_in_front() {
    let fixed = profile(
        "[epos.order_profile]\nkind = \"fixed\"\nheader = false\nencoding = \"cp850\"\ncolumns = [\
         { name = \"sku\", value = \"line.sku\", length = 8 }, { name = \"qty\", value = \"line.quantity\", length = 4, align = \"right\", fill = \"0\" },\
         { name = \"price\", value = \"line.price_incl_tax\", length = 6, align = \"right\", fill = \"0\", implied_decimals = 2 },\
         { name = \"name\", value = \"customer.name\", length = 11 }, { name = \"end\", value = \"constant:.\", length = 2 }]",
    );
    let [order, _] = orders();
    assert_eq!(text(&fixed, &order), "0012345 0002001999Smith, Ann . \r\n1003    0004000350Smith, Ann . \r\n");
    let mut negative = order.clone();
    negative.lines[0].price_incl_tax = rust_decimal::Decimal::new(-5, 1);
    assert!(text(&fixed, &negative).starts_with("0012345 0002-00050Smith"));
    let mut long = order;
    long.lines[1].sku = crate::domain::Sku::new("123456789").unwrap();
    let why = refused(&fixed, &long);
    assert!(
        why.contains("order 100000123, line 2 (SKU 123456789), field sku") && why.contains("the till takes 8"),
        "{why}"
    );
}

#[test]
fn a_text_that_is_too_long_is_cut_and_told_or_refuses_the_order() {
    let [order, _] = orders();
    let cut = columns("{ name = \"Item\", value = \"line.name\", length = 6, too_long = \"cut\" }");
    let file = render(&cut, &order, 1, 1).unwrap();
    assert_eq!(String::from_utf8(file.bytes).unwrap(), "Teapot,0012345,2\nCup,1003,4\n");
    assert_eq!(file.warnings, ["Item: cut to 6 characters"]);
    let refuse = columns("{ name = \"Item\", value = \"line.name\", length = 6 }");
    let why = refused(&refuse, &order);
    assert!(why.contains("line 1 (SKU 0012345), field Item: \"Teapot, white\" has 13 characters"), "{why}");
}

#[test]
fn a_missing_mandatory_value_refuses_the_order_with_the_remedy() {
    let [mut order, _] = orders();
    order.customer.postcode = "  ".into();
    let why = refused(&columns("{ name = \"PC\", value = \"customer.postcode\", required = true }"), &order);
    assert!(why.contains("order 100000123, line 1 (SKU 0012345), field PC: customer.postcode is empty"), "{why}");
    assert!(why.contains("tillbridge orders export 100000123"), "{why}");
}

#[test]
fn codes_of_the_web_store_become_the_tills_or_refuse_the_order() {
    let [order, _] = orders();
    let order = WebOrder { payment: "checkmo".into(), ..order };
    let other = WebOrder { payment: "bitcoin".into(), ..order.clone() };
    let field = |unmapped: &str| {
        columns(&format!(
            "{{ name = \"Pay\", value = \"order.payment\", once = true, map = {{ checkmo = \"CHQ\" }}{unmapped} }}"
        ))
    };
    assert_eq!(text(&field(""), &order), "CHQ,0012345,2\n,1003,4\n");
    let why = refused(&field(""), &other);
    assert!(why.contains("field Pay: the till has no code for order.payment \"bitcoin\""), "{why}");
    assert!(text(&field(", unmapped = \"keep\""), &other).starts_with("bitcoin,"));
    assert!(text(&field(", unmapped = \"constant:OTH\""), &other).starts_with("OTH,"));
}

#[test]
fn shipping_and_discounts_can_be_lines_that_take_no_stock() {
    let [mut first, second] = orders();
    let lines = |rest: &str| {
        profile(&format!(
            "[epos.order_profile]\nheader = false\nline_end = \"lf\"\n\
             shipping_line = {{ sku = \"CARR\", name = \"Carriage\", tax_percent = 20 }}\n\
             discount_line = {{ sku = \"DISC\", name = \"Discount\", tax_percent = 20 }}\n\
             columns = [{{ name = \"n\", value = \"line.number\" }}, {{ name = \"s\", value = \"line.sku\" }}, {{ name = \"q\", value = \"line.quantity\" }},\
             {{ name = \"p\", value = \"line.price_incl_tax\", decimals = 2 }}, {{ name = \"net\", value = \"line.price\", decimals = 2 }}{rest}]"
        ))
    };
    assert_eq!(text(&lines(""), &second), "1,1005,1,8.00,6.67\n2,CARR,1,3.95,3.29\n");
    assert_eq!(
        render(&lines(""), &second, 1, 1).unwrap().orders[0].units,
        [(crate::domain::Sku::new("1005").unwrap(), 1.into())]
    );
    assert_eq!(text(&lines(""), &first), "1,0012345,2,19.99,16.66\n2,1003,4,3.50,2.92\n3,DISC,1,-6.50,-5.42\n");
    first.lines[0].cancelled = 1.into();
    assert!(text(&lines(""), &first).contains("3,DISC,1,-3.25,"), "the share of what is left");
}

#[test]
fn the_tax_rate_of_shipping_is_asked_for_where_prices_are_without_tax() {
    let text = "[epos.order_profile]\nshipping_line = { sku = \"CARR\", name = \"Carriage\" }\ncolumns = [\
        { name = \"s\", value = \"line.sku\" }, { name = \"q\", value = \"line.quantity\" }, { name = \"p\", value = \"line.price\" }]";
    let problems = toml::from_str::<File>(text).unwrap().epos.order_profile.problems();
    assert!(problems.len() == 1 && problems[0].starts_with("shipping_line: tax_percent is missing"), "{problems:?}");
}

#[test]
fn shipping_and_discounts_can_be_columns() {
    let [first, second] = orders();
    let both = columns(
        "{ name = \"d\", value = \"order.discount_total\", decimals = 2, once = true }, { name = \"c\", value = \"order.shipping_total\", decimals = 2, once = true }",
    );
    assert_eq!(text(&both, &first), "6.50,0.00,0012345,2\n,,1003,4\n");
    assert_eq!(text(&both, &second), "0.00,3.95,1005,1\n");
}

#[test]
fn letters_that_the_code_page_lacks_become_the_nearest_ones_and_it_is_told() {
    let [_, mut order] = orders();
    order.customer.name = "Zoë O’Neil Łódź".into();
    let name = |encoding: &str, unknown: UnknownCharacters| {
        let base = columns("{ name = \"Name\", value = \"customer.name\", once = true }");
        let encoding = serde_json::from_value(encoding.into()).unwrap();
        render(&OrderProfile { encoding, unknown_characters: unknown, ..base }, &order, 1, 1)
    };
    let dos = name("cp850", UnknownCharacters::Transliterate).unwrap();
    assert_eq!(dos.bytes, b"Zo\x89 O'Neil L\xa2dz,1005,1\n");
    assert_eq!(
        dos.warnings,
        [
            "Name: IBM850 has no Ł, written as L",
            "Name: IBM850 has no ź, written as z",
            "Name: IBM850 has no ’, written as '"
        ]
    );
    assert_eq!(name("cp437", UnknownCharacters::QuestionMark).unwrap().bytes, b"Zo\x89 O?Neil ?\xa2d?,1005,1\n");
    assert_eq!(name("ascii", UnknownCharacters::Transliterate).unwrap().bytes, b"Zoe O'Neil Lodz,1005,1\n");
    let why = name("cp850", UnknownCharacters::Refuse).unwrap_err();
    assert!(why.to_string().contains("field Name: the till's code page IBM850 has no Ł ź ’"), "{why}");
}

#[test]
fn an_sku_that_cannot_be_written_as_it_is_refuses_the_order() {
    let [_, mut order] = orders();
    order.lines[0].sku = crate::domain::Sku::new("GRÜN,Ω").unwrap();
    let ascii = OrderProfile { encoding: crate::epos::order_profile::OrderEncoding::Windows1252, ..columns("") };
    let why = refused(&ascii, &order);
    assert!(why.contains("field sku") && why.contains("GRÜN,Ω") && why.contains("as it is"), "{why}");
    order.lines[0].sku = crate::domain::Sku::new("A,1").unwrap();
    let never = OrderProfile { quote: crate::epos::order_profile::QuoteFields::Never, ..columns("") };
    assert!(refused(&never, &order).contains("as it is"));
    assert_eq!(text(&columns(""), &order), "\"A,1\",1\n");
}

#[test]
fn a_letter_that_becomes_a_formula_is_guarded_too() {
    let [_, mut order] = orders();
    order.customer.name = "\u{ff1d}1+2".into();
    let base = columns("{ name = \"Name\", value = \"customer.name\" }");
    let guarded = OrderProfile {
        formula_guard: true,
        unknown_characters: UnknownCharacters::Transliterate,
        encoding: crate::epos::order_profile::OrderEncoding::Ascii,
        ..base
    };
    assert!(render(&guarded, &order, 1, 1).unwrap().bytes.starts_with(b"'=1+2,"));
}

#[test]
fn money_is_rounded_and_units_never_are() {
    let [mut order, _] = orders();
    let money = columns("{ name = \"p\", value = \"line.price\", decimals = 2 }");
    assert_eq!(text(&money, &order), "16.66,0012345,2\n2.92,1003,4\n");
    order.lines[1].ordered = crate::domain::Quantity::parse("0.5").unwrap();
    let units = columns("{ name = \"q\", value = \"line.quantity\", decimals = 0 }");
    let why = refused(&units, &order);
    assert!(why.contains("line 2 (SKU 1003), field q: 0.5 cannot be written with 0 decimal places"), "{why}");
}

#[test]
fn records_of_lines_that_follow_each_other_take_turns() {
    let turns = profile(
        "[epos.order_profile]\nline_end = \"lf\"\n\
         [[epos.order_profile.records]]\nper = \"line\"\ncolumns = [{ name = \"a\", value = \"line.sku\" }, { name = \"b\", value = \"line.quantity\" }]\n\
         [[epos.order_profile.records]]\nper = \"line\"\ncolumns = [{ name = \"c\", value = \"line.name\" }]\n\
         [[epos.order_profile.records]]\nper = \"order\"\ncolumns = [{ name = \"d\", value = \"order.units\" }, { name = \"e\", value = \"file.record_count\" }]",
    );
    let [order, _] = orders();
    assert_eq!(text(&turns, &order), "0012345,2\n\"Teapot, white\"\n1003,4\nCup\n6,5\n");
}

#[test]
fn what_replaces_a_forbidden_character_can_be_chosen() {
    let [order, _] = orders();
    let base = columns("{ name = \"Item\", value = \"line.name\" }");
    let never = OrderProfile { quote: crate::epos::order_profile::QuoteFields::Never, replace_with: '.', ..base };
    let file = render(&never, &order, 1, 1).unwrap();
    assert!(file.bytes.starts_with(b"Teapot. white,"));
    assert_eq!(file.warnings, ["Item: delimiters and quotation marks were replaced by ."]);
}

#[test]
fn a_profile_that_cannot_work_is_refused_before_any_order_is_written() {
    let problems = |text: &str| {
        let sku = "{ name = \"s\", value = \"line.sku\", length = 5 }, { name = \"q\", value = \"line.quantity\", length = 5 }";
        let text = format!("[epos.order_profile]\n{}", text.replace("SKU", sku));
        toml::from_str::<File>(&text).unwrap().epos.order_profile.problems().join("\n")
    };
    for (text, reason) in [
        ("kind = \"fixed\"", "length is missing"),
        ("kind = \"xml\"", "template is missing"),
        ("template = \"<a/>\"", "kind is not \"xml\""),
        ("replace_with = \",\"", "replace_with"),
        (
            "columns = [SKU, { name = \"a\", value = \"order.number\", too_long = \"cut\", length = 3 }]",
            "would be another one",
        ),
        ("columns = [SKU, { name = \"a\", value = \"line.name\", too_long = \"cut\" }]", "but no length"),
        ("columns = [SKU, { name = \"a\", value = \"line.name\", decimals = 2 }]", "decimals are for numbers"),
        ("columns = [SKU, { name = \"a\", value = \"line.price\", decimals = 2, implied_decimals = 2 }]", "both there"),
        ("columns = [SKU, { name = \"a\", value = \"line.price\", map = { a = \"b\" } }]", "map is for texts"),
        ("columns = [SKU, { name = \"a\", value = \"order.payment\", unmapped = \"keep\" }]", "but no map"),
        (
            "columns = [SKU, { name = \"a\", value = \"order.total\", date_format = \"%Y\" }]",
            "date_format is for order.date",
        ),
        ("columns = [SKU, { name = \"a\", value = \"order.total\", fill = \"0\" }]", "for kind = \"fixed\""),
        (
            "kind = \"fixed\"\nheader = false\ncolumns = [SKU, { name = \"a\", value = \"order.total\", length = 9, fill = \"0\" }]",
            "align = \"right\"",
        ),
        (
            "kind = \"fixed\"\ncolumns = [SKU, { name = \"too long\", value = \"order.total\", length = 3 }]",
            "longer than the field",
        ),
        ("columns = [SKU]\nrecords = [{ per = \"line\", columns = [SKU] }]", "records and columns are both there"),
        ("records = [{ per = \"order\", columns = [SKU] }]", "records per = \"line\" need"),
        ("records = [{ per = \"order\", columns = [SKU] }]", "is a value of lines"),
        ("shipping_line = { sku = \"\", name = \"x\" }", "is no code"),
        ("discount_line = { sku = \"D\", name = \"x\", tax_percent = -1 }", "is no rate"),
        (
            "discount_line = { sku = \"D\", name = \"x\" }\ncolumns = [SKU, { name = \"a\", value = \"line.discount\" }]",
            "booked twice",
        ),
        (
            "kind = \"xml\"\ntemplate = \"<a/>\"\ncolumns = [{ name = \"s\", value = \"order.id\" }, SKU]",
            "have the name \"s\"",
        ),
    ] {
        assert!(problems(text).contains(reason), "{text}: {}", problems(text));
    }
    assert_eq!(problems("columns = [SKU]"), "");
}

#[test]
fn running_numbers_in_names_are_as_wide_as_the_till_wants_and_never_begin_anew() {
    let [order, _] = orders();
    let named = |name: &str| {
        let profile = OrderProfile { name: name.into(), ..OrderProfile::default() };
        assert_eq!(profile.problems(), Vec::<String>::new(), "{name}");
        profile
    };
    let sap = named("000123{sequence:4}.XFI");
    let file = render(&sap, &order, 2, 37).unwrap();
    assert_eq!((file.name.as_str(), file.sequence), ("0001230037.XFI", Some(37)), "the second file has no _2");
    let why = render(&sap, &order, 1, 10_000).unwrap_err().to_string();
    assert!(why.contains("number 10000") && why.contains("{sequence:5}"), "{why}");
    assert_eq!(render(&named("{sequence}-{number}.csv"), &order, 1, 10_000).unwrap().name, "10000-100000123.csv");
    assert_eq!(render(&OrderProfile::default(), &order, 1, 37).unwrap().sequence, None);
    for name in ["{sequence:0}.csv", "{sequence:}.csv", "{sequence:x}.csv", "{sequences}.csv", "{sequence:99}.csv"] {
        assert!(!OrderProfile { name: name.into(), ..OrderProfile::default() }.problems().is_empty(), "{name}");
    }
}

#[test]
fn whatever_a_customer_types_a_record_stays_a_record_in_every_shape() {
    let naughty: Vec<String> = serde_json::from_str(include_str!("../../tests/fixtures/csv/blns/blns.json")).unwrap();
    assert!(naughty.len() > 400);
    let fields = "columns = [{ name = \"a\", value = \"customer.name\", length = 20, too_long = \"cut\" }, { name = \"b\", value = \"line.sku\", length = 9 },\
        { name = \"c\", value = \"line.name\", length = 20, too_long = \"cut\" }, { name = \"d\", value = \"line.quantity\", length = 3 }]";
    let shape = |text: &str| {
        profile(&format!(
            "[epos.order_profile]\nheader = false\nunknown_characters = \"transliterate\"\n{text}\n{fields}"
        ))
    };
    let quoted = shape("encoding = \"cp850\"");
    let bare = shape("quote = \"never\"\ndelimiter = \"|\"");
    let fixed = shape("kind = \"fixed\"\nencoding = \"windows-1252\"");
    let xml = shape(
        "kind = \"xml\"\ntemplate = '''<o n=\"{{a}}\">{{#lines}}<l s='{{b}}' q='{{d}}'>{{c}}</l>{{/lines}}</o>'''",
    );
    let [order, _] = orders();
    for words in naughty {
        let mut order = order.clone();
        order.customer.name.clone_from(&words);
        order.lines.iter_mut().for_each(|line| line.name.clone_from(&words));
        let written = |profile: &OrderProfile| render(profile, &order, 1, 1).unwrap().bytes;
        let bytes = written(&quoted);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&*bytes).into_byte_records();
        let first = reader.next().unwrap().unwrap();
        assert_eq!(
            (first.len(), &first[1], &first[3], reader.count()),
            (4, &b"0012345"[..], &b"2"[..], 1),
            "{words:?}"
        );
        let text = String::from_utf8(written(&bare)).unwrap();
        assert_eq!(
            (text.matches("\r\n").count(), text.matches(['\r', '\n']).count(), text.matches('|').count()),
            (2, 4, 6),
            "{words:?}"
        );
        let fixed = written(&fixed);
        assert!(
            fixed.len() == 2 * 54 && fixed.ends_with(b"4  \r\n"),
            "{words:?}: {:?}",
            String::from_utf8_lossy(&fixed)
        );
        assert_eq!(elements(&String::from_utf8(written(&xml)).unwrap()), 3, "{words:?}");
    }
}

/// How many elements an XML reader finds; every attribute and reference must be right.
fn elements(xml: &str) -> usize {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(xml);
    let mut elements = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(tag) | Event::Empty(tag) => {
                elements += 1;
                assert!(tag.attributes().all(|attribute| attribute.is_ok()), "{xml}");
            }
            Event::Eof => return elements,
            _ => {}
        }
    }
}

#[test]
fn the_example_configuration_writes_the_same_order_files_as_ever() {
    let [order, _] = orders();
    let example = toml::from_str::<crate::config::Config>(crate::config::EXAMPLE).unwrap().epos.order_profile;
    assert_eq!(
        text(&example, &order),
        "OrderNo,Date,Payment,Email,Name,Address,Town,Postcode,Country,SKU,Description,Qty,Price\r\n\
         100000123,2026-03-14,stripe_payments,ann@example.com,\"Smith, Ann\",1 High St,Leeds,LS1 1AA,GB,0012345,\"Teapot, white\",2,19.9900\r\n\
         100000123,2026-03-14,stripe_payments,ann@example.com,\"Smith, Ann\",1 High St,Leeds,LS1 1AA,GB,1003,Cup,4,3.5000\r\n"
    );
}

#[test]
fn no_refusal_tells_who_the_customer_is() {
    let [order, _] = orders();
    for field in [
        "{ name = \"N\", value = \"customer.name\", length = 3 }",
        "{ name = \"N\", value = \"customer.email\", map = { a = \"b\" } }",
    ] {
        let why = refused(&columns(field), &order);
        assert!(why.contains("field N") && !why.contains("Ann") && !why.contains("ann@"), "{why}");
    }
    let why = refused(&columns("{ name = \"C\", value = \"customer.country\", map = { FR = \"F\" } }"), &order);
    assert!(why.contains("no code for customer.country \"GB\""), "{why}");
}
