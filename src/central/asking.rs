//! Asking about many SKUs: how many fit into one address.
//!
//! Promises: every SKU is in exactly one part, in order; a part costs no more than its bounds, unless one SKU alone does.

use crate::domain::Sku;

/// Cuts a list into parts of at most `most` SKUs, each of which costs at most `longest` (bytes, or what counts like them).
pub(super) fn in_parts(skus: &[Sku], most: usize, longest: usize, cost: impl Fn(&Sku) -> usize) -> Vec<&[Sku]> {
    let (mut parts, mut start, mut spent) = (Vec::new(), 0, 0_usize);
    for (place, sku) in skus.iter().enumerate() {
        let size = cost(sku);
        if place > start && (spent.saturating_add(size) > longest || place - start >= most) {
            parts.push(&skus[start..place]);
            (start, spent) = (place, 0);
        }
        spent = spent.saturating_add(size);
    }
    if start < skus.len() {
        parts.push(&skus[start..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sku_is_asked_about_once_and_a_dear_one_alone() {
        let skus = ["A", "B", "C,D", "E", "F", "G"].map(|text| Sku::new(text).unwrap());
        let cost = |sku: &Sku| if sku.as_str().contains(',') { 11 } else { 4 };
        let parts = in_parts(&skus, 2, 10, cost);
        assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [2, 1, 2, 1]);
        assert_eq!(parts.concat(), skus);
        assert!(in_parts(&[], 2, 10, cost).is_empty());
    }
}
