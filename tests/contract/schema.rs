//! Holds values against the schemas of the store API's contract, by an independent reader of JSON Schema.
//!
//! Promises: nothing passes that the contract does not name, in requests and in answers, although the contract lets a
//! store answer more. Does not promise that the contract itself is well formed: `tests/contract/run` has others look at it.

use std::cell::RefCell;
use std::collections::HashMap;

use jsonschema::Validator;
use serde_json::{Value, json};

/// The contract's schemas.
pub(crate) struct Schemas {
    /// The contract's own, with every object closed.
    components: Value,
    compiled: RefCell<HashMap<String, Validator>>,
}

impl Schemas {
    pub(crate) fn of(contract: &Value) -> Self {
        let mut components = contract["components"].clone();
        close(&mut components["schemas"]);
        Self { components, compiled: RefCell::default() }
    }

    /// What does not fit; empty when all does.
    pub(crate) fn misfits(&self, schema: &Value, value: &Value, place: &str) -> Vec<String> {
        let mut compiled = self.compiled.borrow_mut();
        let validator = compiled.entry(schema.to_string()).or_insert_with(|| self.compile(schema));
        let why = |error: jsonschema::ValidationError<'_>| format!("{place}{}: {error}", error.instance_path());
        validator.iter_errors(value).map(why).collect()
    }

    fn compile(&self, schema: &Value) -> Validator {
        let mut schema = schema.clone();
        close(&mut schema);
        let whole = json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "allOf": [schema],
            "components": self.components});
        jsonschema::options().should_validate_formats(true).build(&whole).unwrap()
    }
}

/// What a `$ref` stands for.
pub(crate) fn resolved<'a>(contract: &'a Value, it: &'a Value) -> &'a Value {
    match it.get("$ref").and_then(Value::as_str) {
        Some(place) => contract.pointer(place.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("no {place}")),
        None => it,
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            members.values_mut().for_each(close);
            if members.get("properties").is_some_and(Value::is_object) {
                members.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
