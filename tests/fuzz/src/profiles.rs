//! The profiles that a file is read by: each way of reading that the vocabulary knows, at least once.
//!
//! New ones go to the end of a list, or the corpus means something else.

use tillbridge::epos::StockProfile;
use tillbridge::epos::profile::Kind;

use crate::Profile;

/// Separated fields.
pub const CSV: [&str; 16] = [
    "encoding = 'utf-8'\ndelimiter = ','\nheader = 'first-row'\ncolumns = { sku = 'SKU', quantity = 'Qty' }",
    "columns = { sku = 'SKU', quantity = 'Qty' }",
    "columns = { sku = 1, quantity = 2 }",
    "encoding = 'windows-1252'\ndelimiter = ';'\nheader = 'first-row'\nskip_lines = 1\ncolumns = { sku = 'SKU', quantity = 'Qty' }",
    "encoding = 'iso-8859-1'\ndelimiter = ';'\nquote = ''\nheader = 'none'\ncomment = '#'
     columns = { branch = 1, sku = 2, quantity = 4 }\nbranch = { mode = 'only', codes = ['001', '2'] }",
    "encoding = 'utf-8'\ndelimiter = ','\nheader = 'none'\ncolumns = { sku = 2, quantity = 4 }
     record_types = { header = 'H', detail = 'D', trailer = 'T' }
     trailer = { required = true, count_column = 2, sum_column = 3 }",
    "encoding = 'utf-8'\ndelimiter = 'tab'\nquote = ''\nheader = 'first-row'\ncolumns = { sku = 'Itemcode', quantity = 'Stock' }",
    "export = 'delta'\ndelimiter = ','\nheader = 'none'\ncolumns = { sku = 1, quantity = 2, action = 3, sequence = 4 }
     actions = { A = 'set', U = 'set', D = 'delete' }",
    "delimiter = ';'\nheader = 'find-by-names'\ncolumns = { sku = 'Artikel', quantity = 'Bestand' }\ndecimal = ','\nthousands = '.'
     negative = ['leading-minus', 'trailing-minus', 'parentheses', 'cr-dr']\nend_marker = 'Ende;;'
     ignore_rows = ['repeated-header', 'single-field-line', 'starts-with:Seite', 'sku-empty-and-description-contains:Summe']",
    "delimiter = ','\nquote = \"'\"\nsku_scientific = 'accept-if-quoted'\nspreadsheet_text_guard = 'strip'
     columns = { sku = 'SKU', quantity = ['Shelf', 'Store'] }\nbranch = { mode = 'sum-of-columns' }",
    "encoding = 'utf-16le'\ndelimiter = '|'\nheader = 'none'\nfinal_newline = 'required'\ncolumns = { sku = 1, quantity = 2 }",
    "encoding = 'cp850'\ndelimiter = '~'\nheader = 'none'\ntrim = false\nblank_quantity = 'zero'\ncolumns = { sku = 1, quantity = 3 }",
    "record_types = { trailer = 'T' }\ntrailer = { required = true, count_column = 2 }\ncolumns = { sku = 1, quantity = 2 }",
    "delimiter = ','\nheader = 'none'\ncolumns = { sku = 2, quantity = 3, as_of = [4, 5] }
     record_types = { header = 'H', detail = 'D' }\nas_of = { from = 'header', pattern = '%Y%m%d %H%M%S' }
     sequence = { from = 'header', pattern = 'H,*,#' }",
    "encoding = 'utf-8'\ndelimiter = ','\nheader = 'none'\nfinal_newline = 'required'\ncolumns = { sku = 1, quantity = 3 }",
    "header = 'first-row'\nexpected_fields = 4\nimplied_decimals = 2\nsku_scientific = 'accept-if-quoted'
     columns = { sku = 1, quantity = 4 }\nrow_error_limit_percent = 100\nas_of = { from = 'header', pattern = '*%d.%m.%Y*' }",
];

/// Fixed width.
pub const FIXED: [&str; 9] = [
    "kind = 'fixed'\nencoding = 'utf-8'\nheader = 'none'\ncolumns = { sku = [1, 5], quantity = [11, 15] }",
    "kind = 'fixed'\nencoding = 'utf-8'\nheader = 'none'\ncolumns = { sku = [2, 15], quantity = [36, 45] }
     negative = ['trailing-minus']\nimplied_decimals = 3\nrecord_types = { header = 'H', detail = 'D', trailer = 'T' }
     trailer = { required = true, count_at = [2, 8], sum_at = [9, 21] }",
    "kind = 'fixed'\ncolumns = { sku = [1, 4], quantity = [5, 8] }\nrow_error_limit_percent = 100",
    "kind = 'fixed'\nencoding = 'windows-1252'\nheader = 'none'\nfinal_newline = 'required'\nimplied_decimals = 2
     negative = ['trailing-minus', 'leading-minus']\ncolumns = { sku = [1, 4], quantity = [6, 11] }",
    "kind = 'fixed'\nheader = 'first-row'\nskip_lines = 2\ncomment = '#'\nend_marker = 'END'\nignore_rows = ['starts-with:Page']
     columns = { sku = [1, 4], quantity = [6, 9] }",
    "kind = 'fixed'\nexport = 'delta'\nheader = 'none'\nactions = { A = 'set', D = 'delete' }\nblank_quantity = 'zero'
     columns = { branch = [1, 1], sku = [2, 5], quantity = [6, 9], action = [10, 10], sequence = [11, 12] }
     branch = { mode = 'only', codes = ['1'] }",
    "kind = 'fixed'\nencoding = 'utf-16be'\nheader = 'none'\ncolumns = { sku = [1, 3], quantity = [4, 6] }",
    "kind = 'fixed'\nheader = 'none'\ntrim = false\nbranch = { mode = 'sum-of-columns' }
     columns = { sku = [1, 4], quantity = [[5, 6], [7, 8]], as_of = [[2, 9], [10, 15]] }
     record_types = { header = 'H' }\nas_of = { from = 'header', pattern = '%Y%m%d %H%M%S' }",
    "kind = 'fixed'\nencoding = 'cp437'\nheader = 'none'\nfinal_newline = 'required'\ncolumns = { sku = [1, 3], quantity = [5, 9] }
     record_types = { trailer = 'T' }\ntrailer = { required = true, count_at = [2, 4] }",
];

/// XML.
pub const XML: [&str; 6] = [
    "kind = 'xml'\nrecord_path = 'StockExport/Item'\ncolumns = { sku = 'Code', quantity = 'OnHand' }
     trailer = { required = true, count_attribute = 'StockExport/@count' }",
    "kind = 'xml'\nrecord_path = 'Stock/Item'\ncolumns = { sku = '@code', quantity = 'Units/OnHand' }",
    "kind = 'xml'\nrecord_path = 'Stock/Items/Item'\ncolumns = { sku = 'Code', quantity = '@units', as_of = 'Stock/Head/Date' }
     trailer = { required = true, count_attribute = 'Stock/Head/Count' }\nas_of = { from = 'header', pattern = '%Y-%m-%d' }",
    "kind = 'xml'\nexport = 'delta'\nrecord_path = 'S/I'\nactions = { A = 'set', D = 'delete' }
     columns = { sku = 'c', quantity = 'q', branch = '@b', action = '@a', sequence = '@n' }\nbranch = { mode = 'only', codes = ['1'] }",
    "kind = 'xml'\nencoding = 'windows-1252'\nrecord_path = 'S/I'\ncolumns = { sku = 'c', quantity = ['a', 'b/@n'] }
     branch = { mode = 'sum-of-columns' }\nrow_error_limit_percent = 100",
    "kind = 'xml'\nrecord_path = 'I'\ncolumns = { sku = '@c', quantity = '@q' }",
];

/// A profile that is known to be right.
pub(crate) fn parsed(text: &str) -> Profile {
    let profile: StockProfile = toml::from_str(text).unwrap_or_else(|error| panic!("{text}\n{error}"));
    let check = |profile: &StockProfile| profile.check().unwrap_or_else(|error| panic!("{text}\n{error}"));
    let shifted = StockProfile { skip_lines: profile.skip_lines + 1, ..profile.clone() };
    Profile { checked: check(&profile), shifted: (profile.kind != Kind::Xml).then(|| check(&shifted)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_can_be_followed() {
        CSV.iter().chain(&FIXED).chain(&XML).for_each(|text| drop(parsed(text)));
    }
}
