//! Exports in XML.
//!
//! Promises: one record in memory at a time, and none larger than a record may be; no document type, no entity but the
//! five that every XML has; nesting and attributes are bounded; a document that breaks off is never an export.
//! Names are compared without their namespace prefix.

use std::io::BufReader;

use quick_xml::Reader;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::proof::Claim;
use super::tally::{At, Tally};
use super::{Ended, Stop, Text, rejection};
use crate::epos::heading::Heading;
use crate::epos::layout::{TrailerRule, XmlPlace};
use crate::epos::roles::Roles;
use crate::epos::row::{Fields, shortened};
use crate::epos::text::TextFault;

/// Deepest nesting believed.
const DEEPEST: usize = 64;
/// Longest path believed, in bytes.
const LONGEST_PATH: usize = 4096;
/// Longest value kept that stands outside of the records, in bytes.
const LONGEST_BESIDE: usize = 4096;
/// Most attributes of one element that are looked at.
const MOST_ATTRIBUTES: usize = 256;
/// Longest piece of the XML reader's own messages that is shown, in characters: they repeat names from the file.
const LONGEST_MESSAGE: usize = 160;

/// The parts of a layout in XML.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'p> {
    /// The record's path from the root.
    pub(super) record: &'p str,
    pub(super) roles: &'p Roles<XmlPlace>,
    pub(super) trailer: &'p TrailerRule<XmlPlace>,
    pub(super) as_of: &'p [XmlPlace],
}

/// A value that is looked for, and what was found.
struct Slot<'p> {
    place: &'p XmlPlace,
    text: String,
    times: u32,
    /// Elements stand inside the value.
    has_elements: bool,
}

impl<'p> Slot<'p> {
    fn new(place: &'p XmlPlace) -> Self {
        Self { place, text: String::new(), times: 0, has_elements: false }
    }

    fn clear(&mut self) {
        self.text.clear();
        (self.times, self.has_elements) = (0, false);
    }

    /// Adds text. Beyond `most` bytes it is no single value.
    fn add(&mut self, text: &str, most: usize) {
        if self.text.len() + text.len() <= most {
            self.text.push_str(text);
        } else {
            self.times = self.times.max(1).saturating_add(1);
        }
    }
}

/// The values of one record.
struct Record<'p> {
    slots: Vec<Slot<'p>>,
}

impl Fields for Record<'_> {
    type Place = usize;

    fn text(&self, place: usize) -> &str {
        self.slots.get(place).map_or("", |slot| slot.text.as_str())
    }

    fn is_quoted(&self, _: usize) -> bool {
        false
    }

    fn damage(&self, _: &Roles<usize>) -> Option<(&'static str, String)> {
        let odd = self.slots.iter().find(|slot| slot.times > 1 || slot.has_elements)?;
        let name = match &odd.place.attribute {
            Some(attribute) => format!("{}@{attribute}", odd.place.path),
            None => odd.place.path.clone(),
        };
        let (name, times) = (shortened(&name), odd.times);
        let text = if odd.has_elements {
            format!("{name:?} has other elements inside its value")
        } else {
            format!("{name:?} stands {times} times in one record")
        };
        Some(("wrong_field_count", text))
    }
}

/// Reads a document.
pub(super) fn read(
    rules: Rules<'_>,
    text: Text<'_>,
    tally: &mut Tally<'_, '_, '_>,
    heading: &mut Heading,
) -> Result<Ended, Stop> {
    let mut slots = Vec::new();
    let roles = rules.roles.resolve(|_, place| -> Result<usize, Stop> {
        slots.push(Slot::new(place));
        Ok(slots.len() - 1)
    })?;
    let beside = rules.as_of.iter().chain(&rules.trailer.count).map(Slot::new).collect();
    let reader = Reader::from_reader(BufReader::new(text));
    let mut reading = Reading {
        record_path: rules.record,
        reader,
        roles,
        record: Record { slots },
        beside,
        path: String::new(),
        depth: 0,
        record_from: None,
        root_line: None,
        saw_record: false,
    };
    reading.run(tally, heading)?;
    reading.end(rules, heading)
}

struct Reading<'p, 'f> {
    record_path: &'p str,
    reader: Reader<BufReader<Text<'f>>>,
    roles: Roles<usize>,
    record: Record<'p>,
    /// Values outside of the records, by path from the root.
    beside: Vec<Slot<'p>>,
    /// Names of the open elements, `/` between them.
    path: String,
    depth: usize,
    /// Inside a record: the length of its own path, and its line.
    record_from: Option<(usize, u64)>,
    root_line: Option<u64>,
    saw_record: bool,
}

impl<'p> Reading<'p, '_> {
    fn run(&mut self, tally: &mut Tally<'_, '_, '_>, heading: &mut Heading) -> Result<(), Stop> {
        let config = self.reader.config_mut();
        config.expand_empty_elements = true;
        config.check_comments = false;
        let mut buffer = Vec::new();
        loop {
            let from = self.reader.buffer_position();
            if self.record_from.is_none() {
                self.reader.get_mut().get_mut().record_starts_at(from);
                self.line_at(from);
            }
            buffer.clear();
            let event = match self.reader.read_event_into(&mut buffer) {
                Ok(event) => event,
                Err(error) => return Err(self.broken(error)),
            };
            match event {
                Event::Start(start) => self.open(&start, from, heading)?,
                Event::End(_) => self.close(tally)?,
                Event::Text(text) => self.add(&text.xml_content(XmlVersion::Implicit1_0))?,
                Event::CData(text) => self.add(&text.xml_content(XmlVersion::Implicit1_0))?,
                Event::GeneralRef(reference) => {
                    let mut unescaped = [0; 4];
                    let c = self.referred(&reference)?;
                    self.add(c.encode_utf8(&mut unescaped))?;
                }
                Event::DocType(_) => {
                    return Err(self.malformed("has a document type, which no stock export needs; it is not followed"));
                }
                Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
                Event::Eof => return Ok(()),
            }
        }
    }

    fn open(&mut self, start: &BytesStart<'_>, from: u64, heading: &mut Heading) -> Result<(), Stop> {
        let line = self.line_at(from);
        if self.depth == 0 {
            if self.root_line.is_some() {
                return Err(self.malformed("goes on after its root element"));
            }
            self.root_line = Some(line);
            heading.add(start);
        }
        self.note_element_inside();
        self.step_in(start.local_name().as_ref())?;
        if self.record_from.is_none() && self.path == self.record_path {
            self.record_from = Some((self.path.len(), line));
            self.saw_record = true;
            self.record.slots.iter_mut().for_each(Slot::clear);
        }
        let (slots, path, most) = self.slots();
        let open = |slot: &&mut Slot<'_>| slot.place.path == path;
        for slot in slots.iter_mut().filter(open).filter(|slot| slot.place.attribute.is_none()) {
            slot.times += 1;
        }
        if slots.iter_mut().filter(open).any(|slot| slot.place.attribute.is_some()) {
            let found = take_attributes(start, path, slots, most);
            found.map_err(|why| self.malformed(&why))?;
        }
        Ok(())
    }

    /// A value with an element inside it is no single value.
    fn note_element_inside(&mut self) {
        let (slots, path, _) = self.slots();
        for slot in slots.iter_mut().filter(|slot| slot.place.attribute.is_none() && slot.place.path == path) {
            slot.has_elements = true;
        }
    }

    /// Adds an element's name to the path.
    fn step_in(&mut self, name: &str) -> Result<(), Stop> {
        if name.contains('/') {
            return Err(self.malformed("has an element whose name has a slash in it"));
        }
        if self.depth >= DEEPEST || self.path.len() + name.len() > LONGEST_PATH {
            return Err(self.malformed("is nested too deeply for a stock export"));
        }
        if self.depth > 0 {
            self.path.push('/');
        }
        self.path.push_str(name);
        self.depth += 1;
        Ok(())
    }

    /// The values that may stand here, the path by which they are looked for, and how long each may be: a record is
    /// bounded as a whole.
    fn slots(&mut self) -> (&mut [Slot<'p>], &str, usize) {
        match self.record_from {
            Some((length, _)) => {
                let from = self.path.len().min(length + 1);
                (&mut self.record.slots, self.path.get(from..).unwrap_or_default(), usize::MAX)
            }
            None => (&mut self.beside, &self.path, LONGEST_BESIDE),
        }
    }

    fn close(&mut self, tally: &mut Tally<'_, '_, '_>) -> Result<(), Stop> {
        if let Some((length, line)) = self.record_from
            && self.path.len() == length
        {
            self.record_from = None;
            tally.take(&self.record, &self.roles, At { line, is_cut: false })?;
        }
        self.depth = self.depth.saturating_sub(1);
        self.path.truncate(self.path.rfind('/').unwrap_or(0));
        Ok(())
    }

    fn add(&mut self, text: &str) -> Result<(), Stop> {
        if self.depth == 0 && !text.trim_start_matches('\u{feff}').trim().is_empty() {
            return Err(self.malformed("has text outside of its root element"));
        }
        let (slots, path, most) = self.slots();
        for slot in slots.iter_mut().filter(|slot| slot.place.attribute.is_none() && slot.place.path == path) {
            slot.add(text, most);
        }
        Ok(())
    }

    fn referred(&mut self, reference: &BytesRef<'_>) -> Result<char, Stop> {
        if reference.is_char_ref() {
            let c = reference.resolve_char_ref().ok().flatten();
            return c.filter(|c| *c != '\0').ok_or_else(|| self.malformed("refers to a character that there is not"));
        }
        match &**reference {
            "amp" => Ok('&'),
            "lt" => Ok('<'),
            "gt" => Ok('>'),
            "quot" => Ok('"'),
            "apos" => Ok('\''),
            other => Err(self.malformed(&format!("refers to {:?}, which it does not define", shortened(other)))),
        }
    }

    fn end(mut self, rules: Rules<'_>, heading: &mut Heading) -> Result<Ended, Stop> {
        if self.depth > 0 || self.root_line.is_none() {
            return Err(
                self.malformed("breaks off before its root element is closed; the till had not written all of it")
            );
        }
        let root = rules.record.split('/').next().unwrap_or_default();
        if !self.saw_record && heading_name(heading) != root {
            let text =
                format!("the file has no element {:?}; compare record_path with the file", shortened(rules.record));
            return Err(rejection("missing_column", self.root_line, text));
        }
        let count = rules.trailer.count.as_ref().and_then(|_| self.beside.pop());
        heading.tell_as_of(self.beside.iter().filter(|slot| slot.times == 1).map(|slot| slot.text.as_str()));
        if count.as_ref().is_some_and(|slot| slot.times > 1) {
            let text = "the number of records stands in several places, or is none; let the till export again";
            return Err(rejection("trailer_mismatch", self.root_line, text));
        }
        let claim = count.filter(|slot| slot.times > 0).map(|slot| {
            let claim = Claim { count: Some(slot.text.trim().to_owned()), sum: None };
            (claim, self.root_line.unwrap_or(1))
        });
        Ok(Ended { claim, has_header: true, ends_with_line_end: true, ..Ended::default() })
    }

    fn line_at(&mut self, offset: u64) -> u64 {
        self.reader.get_mut().get_mut().line_at(offset)
    }

    fn malformed(&mut self, what: &str) -> Stop {
        let line = self.line_at(self.reader.buffer_position());
        rejection("xml_not_well_formed", Some(line), format!("the XML {what}"))
    }

    fn broken(&mut self, error: quick_xml::Error) -> Stop {
        match error {
            quick_xml::Error::Io(error) => match error.get_ref().and_then(|inner| inner.downcast_ref::<TextFault>()) {
                Some(fault) => Stop::Text(*fault),
                None => Stop::Io(std::io::Error::new(error.kind(), error.to_string())),
            },
            other => self.malformed(&format!(
                "is not well formed ({}); the till had not written all of it, or writes no XML",
                told(&other)
            )),
        }
    }
}

/// The name of the root element, from its heading.
fn heading_name(heading: &Heading) -> &str {
    let name = heading.first_line().split([' ', '\t', '\n', '/']).next().unwrap_or_default();
    local(name)
}

/// An error of the XML reader, safe to show.
fn told(error: &impl std::fmt::Display) -> String {
    error.to_string().escape_debug().take(LONGEST_MESSAGE).collect()
}

fn local(name: &str) -> &str {
    name.rsplit(':').next().unwrap_or(name)
}

fn take_attributes(start: &BytesStart<'_>, path: &str, slots: &mut [Slot<'_>], most: usize) -> Result<(), String> {
    for attribute in start.attributes().with_checks(false).take(MOST_ATTRIBUTES) {
        let attribute =
            attribute.map_err(|error| format!("has an attribute that is not well formed ({})", told(&error)))?;
        let name = attribute.key.local_name();
        let wanted = |slot: &&mut Slot<'_>| {
            slot.place.path == path && slot.place.attribute.as_deref() == Some(local(name.as_ref()))
        };
        for slot in slots.iter_mut().filter(wanted) {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0);
            let value = value.map_err(|error| format!("has an attribute that cannot be read ({})", told(&error)))?;
            slot.times += 1;
            slot.add(&value, most);
        }
    }
    Ok(())
}
