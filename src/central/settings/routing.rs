//! The `[store.magento.routing]` part of the configuration: which of the web store's orders are this shop's.
//!
//! Promises: without it every order is this shop's; with it, whose the orders are that no rule fits has to be written down;
//! rules that cannot mean anything are refused. Does not promise that the rules of several shops fit together: each shop's
//! agent knows its own only.

use serde::{Deserialize, Serialize};

use super::{SettingsError, senseless};

const RULES: &str = "magento.routing.rules";

/// Whose an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// This shop's.
    Mine,
    /// Another shop's.
    Elsewhere,
}

/// Which orders are this shop's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingSettings {
    /// Whose orders are that no rule fits.
    pub otherwise: Whose,
    /// Asked in this order; the first that fits an order decides.
    #[serde(default)]
    pub rules: Vec<RoutingRule>,
}

/// One rule. It fits an order when each condition that it names holds; a condition holds when one of its values is the
/// order's. A value may end in `*`, which stands for anything. What an order does not have is like no value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoutingRule {
    /// Code of the place where the customer picks the order up (In-Store Pickup): the code of a source.
    #[serde(default)]
    pub pickup_location: Vec<String>,
    /// Code or number of the store view in which it was placed.
    #[serde(default)]
    pub store: Vec<String>,
    /// Code or number of the website.
    #[serde(default)]
    pub website: Vec<String>,
    /// Way of shipping, as carrier and method (`flatrate_flatrate`).
    #[serde(default)]
    pub shipping_method: Vec<String>,
    /// Whose the order then is.
    pub orders_are: Whose,
}

impl RoutingRule {
    /// Its conditions, each with its key.
    pub(crate) fn conditions(&self) -> [(&'static str, &[String]); 4] {
        [
            ("pickup_location", self.pickup_location.as_slice()),
            ("store", self.store.as_slice()),
            ("website", self.website.as_slice()),
            ("shipping_method", self.shipping_method.as_slice()),
        ]
    }
}

impl RoutingSettings {
    pub(super) fn validate(&self) -> Result<(), SettingsError> {
        for (place, rule) in self.rules.iter().enumerate() {
            let complain = |why: String| senseless(RULES, format!("rule {}: {why}", place + 1));
            let conditions = rule.conditions();
            if conditions.iter().all(|(_, values)| values.is_empty()) {
                return Err(complain(
                    "it has no condition; name pickup_location, store, website or shipping_method, or write `otherwise`"
                        .into(),
                ));
            }
            let unfit = |value: &&String| {
                value.trim().is_empty() || value.trim() != value.as_str() || value.trim_end_matches('*').contains('*')
            };
            for (key, values) in conditions {
                if let Some(value) = values.iter().find(unfit) {
                    return Err(complain(format!(
                        "{key} = {value:?} is no code; write it as the web store does, a * at its end at most"
                    )));
                }
            }
        }
        let all = self.rules.iter().map(|rule| rule.orders_are).chain([self.otherwise]);
        if all.clone().all(|whose| whose == Whose::Elsewhere) {
            let why = "with these rules every order is another shop's; no order would ever reach this till";
            return Err(senseless(RULES, why));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<RoutingSettings, String> {
        let settings: RoutingSettings = toml::from_str(text).map_err(|why| why.to_string())?;
        settings.validate().map(|()| settings).map_err(|why| why.to_string())
    }

    #[test]
    fn rules_that_mean_something_are_taken_in_their_order() {
        let text = r#"
            otherwise = "elsewhere"
            [[rules]]
            pickup_location = ["shop1"]
            orders_are = "mine"
            [[rules]]
            store = ["de", "3"]
            shipping_method = ["flatrate_*"]
            orders_are = "mine"
        "#;
        let settings = read(text).unwrap();
        assert_eq!((settings.otherwise, settings.rules.len()), (Whose::Elsewhere, 2));
        assert_eq!(settings.rules[1].shipping_method, ["flatrate_*"]);
    }

    #[test]
    fn every_complaint_names_the_key_and_the_rule() {
        let rule = "[[rules]]\norders_are = \"mine\"\n";
        for (text, parts) in [
            (rule.to_owned(), ["otherwise", "missing"]),
            (format!("otherwise = \"mine\"\n{rule}"), ["store.magento.routing.rules: rule 1", "no condition"]),
            (format!("otherwise = \"mine\"\n{rule}store = [\" de\"]"), ["rule 1", "store = \" de\""]),
            (format!("otherwise = \"mine\"\n{rule}website = [\"*e\"]"), ["rule 1", "website = \"*e\""]),
            (format!("otherwise = \"mine\"\n{rule}shop = [\"de\"]"), ["shop", "unknown field"]),
            ("otherwise = \"nobody\"".to_owned(), ["nobody", "elsewhere"]),
            ("otherwise = \"elsewhere\"".to_owned(), ["store.magento.routing.rules", "no order would ever"]),
        ] {
            let message = read(&text).unwrap_err();
            assert!(parts.iter().all(|part| message.contains(part)), "{text}: {message}");
        }
        assert!(read("otherwise = \"mine\"").is_ok());
    }
}
