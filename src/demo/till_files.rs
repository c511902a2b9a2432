//! The simulated till's files as bytes: what it reads of orders, and what it writes of stock.
//!
//! Promises: it reads as a strict till would; whatever is not a whole, well-formed file is refused with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::till::Columns;
use crate::domain::Quantity;

/// A stock export.
pub(super) fn csv_of(rows: &[(String, String, Quantity)]) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(["SKU", "Description", "Qty"])?;
    for (sku, name, units) in rows {
        writer.write_record([sku.as_str(), name.as_str(), units.to_string().as_str()])?;
    }
    writer.into_inner().map_err(|why| io::Error::other(why.to_string()))
}

/// The lines of each order.
pub(super) type Orders = BTreeMap<String, Vec<(String, Quantity)>>;

/// The order numbers in a file of headers.
pub(super) fn numbers_of(bytes: &[u8], columns: &Columns) -> Result<BTreeSet<String>, String> {
    let mut reader = csv::ReaderBuilder::new().delimiter(columns.delimiter).from_reader(bytes);
    let headers = reader.headers().map_err(|why| why.to_string())?.clone();
    let at = headers.iter().position(|header| header == columns.number);
    let at = at.ok_or_else(|| format!("no column {:?}", columns.number))?;
    let numbers = reader.records().map(|record| {
        let record = record.map_err(|why| why.to_string())?;
        Ok(record.get(at).unwrap_or_default().to_owned())
    });
    numbers.collect()
}

/// Reads an order file as a strict till would: header first, every record whole, a line end at the very end.
pub(super) fn parsed(bytes: &[u8], columns: &Columns) -> Result<Orders, String> {
    if !bytes.ends_with(b"\n") {
        return Err("the last line has no end".into());
    }
    let mut reader = csv::ReaderBuilder::new().delimiter(columns.delimiter).from_reader(bytes);
    let headers = reader.byte_headers().map_err(|why| why.to_string())?.clone();
    let column = |name: &str| {
        let found =
            headers.iter().position(|header| header.strip_prefix(b"\xef\xbb\xbf").unwrap_or(header) == name.as_bytes());
        found.ok_or_else(|| format!("no column {name:?}"))
    };
    let (number, sku, quantity) = (column(&columns.number)?, column(&columns.sku)?, column(&columns.quantity)?);
    let mut orders = Orders::new();
    for record in reader.byte_records() {
        let record = record.map_err(|why| why.to_string())?;
        let text =
            |at: usize| record.get(at).map(|field| String::from_utf8_lossy(field).into_owned()).unwrap_or_default();
        let units = text(quantity).replace(',', ".");
        let units = Quantity::parse(&units).map_err(|why| why.to_string())?;
        if text(number).is_empty() || text(sku).is_empty() {
            return Err("an order line without number or SKU".into());
        }
        orders.entry(text(number)).or_default().push((text(sku), units));
    }
    if orders.is_empty() { Err("no order lines".into()) } else { Ok(orders) }
}
