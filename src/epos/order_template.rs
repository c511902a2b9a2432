//! XML by template: the till's file with `{{FIELD}}` for values, `{{#lines}}` … `{{/lines}}` around what each line repeats,
//! and `{{#orders}}` … `{{/orders}}` around what each order of a batch does.
//!
//! Promises: a value can stand only between tags and in quoted attributes, where escaping makes it harmless, so no
//! customer's text can become markup; a template that would not be well-formed XML is refused before it is used.
//! Knows nothing else: no conditions, no code, no files. A general templating language could do more than a till needs,
//! and every one of those things could go wrong with a stranger's words in it.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::order_charset::{encoded, encoding_name};
use super::order_column::{OrderColumn, OrderValue};
use super::order_profile::{OrderEncoding, OrderProfile};

/// The marks around what repeats.
const MARKS: [(&str, &str, Repeated); 2] =
    [("#orders", "/orders", Repeated::Orders), ("#lines", "/lines", Repeated::Lines)];
/// Stands for a value when the template is tried.
const SAMPLE: &str = "x";

/// A piece of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    /// As it stands there.
    Literal(String),
    /// A value.
    Field(Box<OrderColumn>),
    /// Once for each order.
    Orders(Vec<Part>),
    /// Once for each line.
    Lines(Vec<Part>),
}

/// What repeats between two marks.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Repeated {
    Orders,
    Lines,
}

/// What a placeholder is.
enum Word {
    Field(Box<OrderColumn>),
    Begin(Repeated),
    End,
}

/// Where the reader of a template is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Inside {
    Text,
    Tag,
    Attribute(char),
    Instruction,
}

/// Reads the profile's template.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub(super) fn parts_of(profile: &OrderProfile) -> Result<Vec<Part>, String> {
    let template = profile.template.as_deref().unwrap_or_default();
    let reader = Words { profile, has_orders: template.contains("#orders}}") };
    let mut rest = template;
    let mut inside = Inside::Text;
    let mut whole = Vec::new();
    let mut open: Vec<(Repeated, Vec<Part>)> = Vec::new();
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((word, after)) = after.split_once("}}") else {
            return Err(format!("{:?} lacks its }}}}", shortened(rest)));
        };
        inside = after_literal(inside, before)?;
        let around: Vec<Repeated> = open.iter().map(|(repeated, _)| *repeated).collect();
        let word = reader.word(word.trim(), inside, &around)?;
        let parts = open.last_mut().map_or(&mut whole, |(_, parts)| parts);
        parts.push(Part::Literal(before.to_owned()));
        match word {
            Word::Field(column) => parts.push(Part::Field(column)),
            Word::Begin(repeated) => open.push((repeated, Vec::new())),
            Word::End => {
                let closed = open.pop().map(|(repeated, parts)| match repeated {
                    Repeated::Orders => Part::Orders(parts),
                    Repeated::Lines => Part::Lines(parts),
                });
                open.last_mut().map_or(&mut whole, |(_, parts)| parts).extend(closed);
            }
        }
        rest = after;
    }
    after_literal(inside, rest)?;
    if let Some((repeated, _)) = open.last() {
        let (begin, end) = marks_of(*repeated);
        return Err(format!("{{{{{begin}}}}} lacks its {{{{{end}}}}}"));
    }
    whole.push(Part::Literal(rest.to_owned()));
    Ok(whole)
}

fn marks_of(repeated: Repeated) -> (&'static str, &'static str) {
    match repeated {
        Repeated::Orders => ("#orders", "/orders"),
        Repeated::Lines => ("#lines", "/lines"),
    }
}

/// Does the template say what each order of a batch repeats?
pub(super) fn has_orders(parts: &[Part]) -> bool {
    parts.iter().any(|part| matches!(part, Part::Orders(_)))
}

/// What the words of a template mean.
struct Words<'p> {
    profile: &'p OrderProfile,
    has_orders: bool,
}

impl Words<'_> {
    /// What a placeholder stands for, `around` being the marks that are open.
    fn word(&self, word: &str, inside: Inside, around: &[Repeated]) -> Result<Word, String> {
        let shown = format!("{{{{{word}}}}}");
        let mark = MARKS.iter().find(|(begin, end, _)| [*begin, *end].contains(&word));
        match inside {
            Inside::Text => {}
            Inside::Attribute(_) if mark.is_none() => {}
            Inside::Attribute(_) | Inside::Tag | Inside::Instruction => {
                return Err(format!("{shown} can only stand between tags, or a value in a quoted attribute"));
            }
        }
        let Some((begin, _, repeated)) = mark else { return self.field(word, &shown, around) };
        let fits = match (word == *begin, repeated) {
            (true, Repeated::Orders) => around.is_empty(),
            (true, Repeated::Lines) => !around.contains(&Repeated::Lines),
            (false, _) => around.last() == Some(repeated),
        };
        match (fits, word == *begin) {
            (false, _) => Err(format!("{shown} stands where it has no counterpart")),
            (true, true) if *repeated == Repeated::Lines && self.lacks_order(around) => {
                Err(format!("{shown} must stand between {{{{#orders}}}} and {{{{/orders}}}}, where these are"))
            }
            (true, true) => Ok(Word::Begin(*repeated)),
            (true, false) => Ok(Word::End),
        }
    }

    fn lacks_order(&self, around: &[Repeated]) -> bool {
        self.has_orders && !around.contains(&Repeated::Orders)
    }

    fn field(&self, word: &str, shown: &str, around: &[Repeated]) -> Result<Word, String> {
        let named = self.profile.columns.iter().find(|column| column.name == word).cloned();
        let column = named.or_else(|| OrderValue::from_word(word).map(|value| OrderColumn::new(word, value)));
        let Some(column) = column else {
            return Err(format!("{shown} is neither the name of a column nor a value like order.number"));
        };
        if column.value == OrderValue::FileRecordCount {
            return Err(format!("{shown} is for files of records; XML has none to count"));
        }
        if column.value.is_of_line() && !around.contains(&Repeated::Lines) {
            return Err(format!(
                "{shown} is a value of lines; it must stand between {{{{#lines}}}} and {{{{/lines}}}}"
            ));
        }
        if column.value.is_of_order() && self.lacks_order(around) {
            return Err(format!(
                "{shown} is a value of orders; it must stand between {{{{#orders}}}} and {{{{/orders}}}}"
            ));
        }
        Ok(Word::Field(Box::new(column)))
    }
}

fn after_literal(mut inside: Inside, text: &str) -> Result<Inside, String> {
    let mut before = '\0';
    for (at, c) in text.char_indices() {
        inside = match (inside, c) {
            (Inside::Text, '<') => match text[at + 1..].chars().next() {
                Some('!') => {
                    return Err("comments, CDATA and DOCTYPE (<!) are not for templates; leave them out".to_owned());
                }
                Some('?') => Inside::Instruction,
                None => return Err("a placeholder cannot be the name of a tag".to_owned()),
                Some(_) => Inside::Tag,
            },
            (Inside::Tag, '"' | '\'') => Inside::Attribute(c),
            (Inside::Tag, '>') => Inside::Text,
            (Inside::Attribute(quote), _) if quote == c => Inside::Tag,
            (Inside::Instruction, '>') if before == '?' => Inside::Text,
            (same, _) => same,
        };
        before = c;
    }
    Ok(inside)
}

/// What is wrong with the template, if anything.
pub(super) fn problem(profile: &OrderProfile) -> Option<String> {
    let parts = match parts_of(profile) {
        Ok(parts) => parts,
        Err(problem) => return Some(problem),
    };
    let mut sample = String::new();
    try_out(&parts, &mut sample);
    if let Some(c) = sample.chars().find(|c| encoded(profile.encoding, *c).is_none()) {
        return Some(format!("{c:?} is a character that the encoding lacks"));
    }
    let fields = fields_of_lines(&parts);
    let has = |value: &OrderValue| fields.iter().any(|field| field.value == *value);
    if !has(&OrderValue::LineSku) || !has(&OrderValue::LineQuantity) {
        return Some("needs line.sku and line.quantity between {{#lines}} and {{/lines}}: without them the till cannot book anything".to_owned());
    }
    not_well_formed(profile, &sample)
}

/// The fields of the template that stand in lines.
fn fields_of_lines(parts: &[Part]) -> Vec<&OrderColumn> {
    let mut fields = Vec::new();
    for part in parts {
        match part {
            Part::Lines(parts) => fields.extend(fields_of(parts)),
            Part::Orders(parts) => fields.extend(fields_of_lines(parts)),
            Part::Literal(_) | Part::Field(_) => {}
        }
    }
    fields
}

/// All fields of the template.
pub(super) fn fields_of(parts: &[Part]) -> Vec<&OrderColumn> {
    let mut fields = Vec::new();
    for part in parts {
        match part {
            Part::Literal(_) => {}
            Part::Field(field) => fields.push(field.as_ref()),
            Part::Lines(parts) | Part::Orders(parts) => fields.extend(fields_of(parts)),
        }
    }
    fields
}

fn try_out(parts: &[Part], sample: &mut String) {
    for part in parts {
        match part {
            Part::Literal(text) => sample.push_str(text),
            Part::Field(_) => sample.push_str(SAMPLE),
            Part::Lines(parts) | Part::Orders(parts) => (0..2).for_each(|_| try_out(parts, sample)),
        }
    }
}

fn not_well_formed(profile: &OrderProfile, sample: &str) -> Option<String> {
    let mut reader = Reader::from_str(sample);
    let (mut depth, mut roots, mut declared) = (0_u32, 0_u32, None);
    let attributes = |tag: &BytesStart<'_>| {
        let wrong = || format!("the attributes of <{}> are not right", tag.name().as_ref());
        tag.attributes().any(|attribute| attribute.is_err()).then(wrong)
    };
    loop {
        let problem = match reader.read_event() {
            Ok(Event::Start(tag)) => {
                roots += u32::from(depth == 0);
                depth += 1;
                attributes(&tag)
            }
            Ok(Event::Empty(tag)) => {
                roots += u32::from(depth == 0);
                attributes(&tag)
            }
            Ok(Event::End(_)) => {
                depth = depth.saturating_sub(1);
                None
            }
            Ok(Event::Decl(decl)) => {
                declared = decl.encoding().and_then(Result::ok).map(|name| name.into_owned());
                None
            }
            Ok(Event::Eof) => break,
            Ok(_) => None,
            Err(error) => Some(format!("is no well-formed XML: {error}")),
        };
        if problem.is_some() {
            return problem;
        }
    }
    if depth > 0 || roots != 1 {
        return Some("is no well-formed XML: it needs one element around everything, and every tag its end".to_owned());
    }
    encoding_problem(profile.encoding, declared.as_deref())
}

/// An XML file has to say in which code page it is, or the till reads it as UTF-8.
fn encoding_problem(encoding: OrderEncoding, declared: Option<&str>) -> Option<String> {
    let name = encoding_name(encoding);
    match declared {
        Some(declared) if declared.eq_ignore_ascii_case(name) => None,
        Some(declared) => {
            Some(format!("says encoding {declared:?}, but order_profile.encoding is {name}; change one of them"))
        }
        None => match encoding {
            OrderEncoding::Utf8 | OrderEncoding::Ascii => None,
            OrderEncoding::Windows1252 | OrderEncoding::Iso88591 | OrderEncoding::Cp850 | OrderEncoding::Cp437 => Some(
                format!("must begin with <?xml version=\"1.0\" encoding=\"{name}\"?>, or the till takes it for UTF-8"),
            ),
        },
    }
}

fn shortened(text: &str) -> String {
    const SHOWN: usize = 20;
    text.chars().take(SHOWN).collect()
}
