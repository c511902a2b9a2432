//! Magento's `searchCriteria`.
//!
//! Promises: groups are joined by AND, the filters in one group by OR, and every value is encoded. A request always
//! has criteria, without which Magento answers 400 (observed).

use std::fmt;

use crate::central::client::encoded;

/// A search.
#[derive(Debug, Clone, Default)]
pub(super) struct Search {
    groups: Vec<Vec<Filter>>,
    sort: Vec<(&'static str, &'static str)>,
    page: usize,
    fields: &'static str,
}

/// One condition.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    field: &'static str,
    condition: &'static str,
    value: String,
}

/// One condition: field, how to compare, with what.
pub(super) fn filter(field: &'static str, condition: &'static str, value: impl Into<String>) -> Filter {
    Filter { field, condition, value: value.into() }
}

impl Search {
    /// At most `page` rows, with these fields only.
    pub(super) fn new(page: usize, fields: &'static str) -> Self {
        Self { page, fields, ..Self::default() }
    }

    /// And one of these.
    pub(super) fn and(mut self, group: Vec<Filter>) -> Self {
        self.groups.push(group);
        self
    }

    /// Sorted by this, smallest first.
    pub(super) fn ascending(mut self, field: &'static str) -> Self {
        self.sort.push((field, "ASC"));
        self
    }

    /// Sorted by this, greatest first.
    pub(super) fn descending(mut self, field: &'static str) -> Self {
        self.sort.push((field, "DESC"));
        self
    }

    /// The query, without the question mark.
    pub(super) fn query(&self) -> String {
        let mut query = String::new();
        for (g, group) in self.groups.iter().enumerate() {
            for (f, one) in group.iter().enumerate() {
                let place = format!("searchCriteria[filterGroups][{g}][filters][{f}]");
                let Filter { field, condition, value } = one;
                let value = encoded(value);
                add(&mut query, format_args!("{place}[field]={field}"));
                add(&mut query, format_args!("{place}[conditionType]={condition}"));
                add(&mut query, format_args!("{place}[value]={value}"));
            }
        }
        for (place, (field, direction)) in self.sort.iter().enumerate() {
            add(&mut query, format_args!("searchCriteria[sortOrders][{place}][field]={field}"));
            add(&mut query, format_args!("searchCriteria[sortOrders][{place}][direction]={direction}"));
        }
        add(&mut query, format_args!("searchCriteria[pageSize]={}", self.page));
        add(&mut query, format_args!("fields={}", self.fields));
        query
    }
}

fn add(query: &mut String, part: fmt::Arguments<'_>) {
    if !query.is_empty() {
        query.push('&');
    }
    query.push_str(&part.to_string());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded_and_groups_are_numbered() {
        let search = Search::new(50, "items[sku],total_count")
            .and(vec![filter("sku", "in", "AB/12,A&B-7"), filter("sku", "eq", "GRÜN")])
            .and(vec![filter("source_code", "eq", "shop1")])
            .ascending("sku");
        assert_eq!(
            search.query(),
            "searchCriteria[filterGroups][0][filters][0][field]=sku\
             &searchCriteria[filterGroups][0][filters][0][conditionType]=in\
             &searchCriteria[filterGroups][0][filters][0][value]=AB%2F12%2CA%26B-7\
             &searchCriteria[filterGroups][0][filters][1][field]=sku\
             &searchCriteria[filterGroups][0][filters][1][conditionType]=eq\
             &searchCriteria[filterGroups][0][filters][1][value]=GR%C3%9CN\
             &searchCriteria[filterGroups][1][filters][0][field]=source_code\
             &searchCriteria[filterGroups][1][filters][0][conditionType]=eq\
             &searchCriteria[filterGroups][1][filters][0][value]=shop1\
             &searchCriteria[sortOrders][0][field]=sku&searchCriteria[sortOrders][0][direction]=ASC\
             &searchCriteria[pageSize]=50&fields=items[sku],total_count"
        );
    }
}
