//! The agent's documents, answered.
//!
//! Promises: a document is known by the name of its operation; its variables are read as their types say, and what is wrong
//! with them is an error as Shopify words it. Points are taken before anything is looked at.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::render::{self, Sizes, gid, number};
use super::{MOST_ELEMENTS, ShopifyBooks};

/// What came of a document: `data`, or `errors`.
pub(super) type Outcome = Result<Value, Value>;

/// One error of GraphQL.
pub(super) fn error(code: &str, message: &str) -> Value {
    json!([{ "message": message, "extensions": { "code": code } }])
}

impl ShopifyBooks {
    /// Answers one request: the whole body of the answer.
    pub(super) fn answer(&mut self, body: &Value) -> Value {
        let name = body["operationName"].as_str().unwrap_or_default().to_owned();
        while let Some(at) = self.before.iter().position(|(operation, _)| *operation == name) {
            let (_, then) = self.before.remove(at);
            then(self);
        }
        let cost = cost(&name, &body["variables"]);
        self.refill();
        let outcome = if cost > self.bucket.most_of_one {
            let message = format!("Query cost is {cost}, which exceeds the single query max cost limit");
            Err(error("MAX_COST_EXCEEDED", &message))
        } else if cost > self.bucket.available {
            Err(error("THROTTLED", "Throttled"))
        } else {
            self.carry_out(&name, body)
        };
        // What was asked for and is not there is given back.
        let actual = outcome.as_ref().ok().map(|data| cost.min(2.0 + rows(data)));
        self.bucket.available -= actual.unwrap_or(0.0);
        let extensions = json!({ "cost": {
            "requestedQueryCost": cost, "actualQueryCost": actual,
            "throttleStatus": {
                "maximumAvailable": self.bucket.maximum, "currentlyAvailable": self.bucket.available,
                "restoreRate": self.bucket.rate,
            },
        }});
        match outcome {
            Ok(data) => json!({ "data": data, "extensions": extensions }),
            Err(errors) => json!({ "errors": errors, "extensions": extensions }),
        }
    }

    fn refill(&mut self) {
        let now = self.clock.now();
        let past = now.duration_since(self.bucket.at).as_secs_f64().max(0.0);
        self.bucket.available = (self.bucket.available + past * self.bucket.rate).min(self.bucket.maximum);
        self.bucket.at = now;
    }

    fn carry_out(&mut self, name: &str, body: &Value) -> Outcome {
        let document = body["query"].as_str().unwrap_or_default();
        if !document.contains(&format!(" {name}")) {
            return Err(error("BAD_REQUEST", "No operation of that name in the document"));
        }
        let variables = &body["variables"];
        match name {
            "TillbridgeShop" => Ok(self.shop()),
            "TillbridgeLocations" => {
                self.needs("read_locations")?;
                Ok(self.all_locations(variables))
            }
            "TillbridgeNewestOrder" | "TillbridgeOrders" => {
                self.needs("read_orders")?;
                if name == "TillbridgeOrders" {
                    self.needs("read_merchant_managed_fulfillment_orders")?;
                }
                self.some_orders(name, variables)
            }
            "TillbridgeOrdersById" => Ok(self.orders_by_id(variables)),
            "TillbridgeMoreLines" | "TillbridgeMoreParts" | "TillbridgeMorePartLines" | "TillbridgeMoreShipped" => {
                Ok(json!({ "node": self.more(name, variables) }))
            }
            "TillbridgeVariants" => {
                self.needs("read_products")?;
                self.needs("read_inventory")?;
                Ok(self.variants(variables))
            }
            "TillbridgeSetQuantities" => {
                self.needs("write_inventory")?;
                self.set_quantities(document, variables)
            }
            "TillbridgeNoteOrder" => {
                self.needs("write_orders")?;
                Ok(self.note(variables))
            }
            _ => Err(error("undefinedOperation", "This simulated store does not know the document")),
        }
    }

    fn needs(&self, scope: &str) -> Result<(), Value> {
        let wider = scope.replacen("read_", "write_", 1);
        if self.scopes.iter().any(|granted| granted == scope || *granted == wider) {
            return Ok(());
        }
        Err(json!([{
            "message": "Access denied for a field.",
            "extensions": { "code": "ACCESS_DENIED", "requiredAccess": format!("`{scope}` access scope.") },
        }]))
    }

    fn shop(&self) -> Value {
        let scopes: Vec<Value> = self.scopes.iter().map(|scope| json!({ "handle": scope })).collect();
        json!({
            "shop": { "name": "Demo shop", "myshopifyDomain": "demo.myshopify.com" },
            "currentAppInstallation": { "accessScopes": scopes },
            "publicApiVersions": [{ "handle": super::VERSION, "supported": true }, { "handle": "unstable", "supported": false }],
        })
    }

    fn all_locations(&self, variables: &Value) -> Value {
        let location =
            |one: &super::Location| json!({ "id": gid("Location", one.id), "name": one.name, "isActive": one.active });
        let rows = self.locations.iter().map(location).collect();
        json!({ "locations": render::list(rows, 100, variables["after"].as_str()) })
    }

    fn some_orders(&self, name: &str, variables: &Value) -> Outcome {
        if name == "TillbridgeNewestOrder" {
            let newest = self.orders.values().map(|order| order.updated).max();
            let nodes: Vec<Value> = newest.iter().map(|at| json!({ "updatedAt": at.to_string() })).collect();
            return Ok(json!({ "orders": { "nodes": nodes } }));
        }
        let (query, first) = (variables["query"].as_str().unwrap_or_default(), size(variables, "first"));
        let found = self.searched(query).ok_or_else(|| error("BAD_REQUEST", "Invalid search"))?;
        // A cursor is the place of the last row, so that a row that moves meanwhile moves no other.
        let by_change = variables["sort"] == "UPDATED_AT";
        let place = |order: &super::ShopifyOrder| (if by_change { order.updated.as_second() } else { 0 }, order.id);
        let mut rows: Vec<_> = found.into_iter().map(|order| (place(order), order)).collect();
        rows.sort_by_key(|(place, _)| *place);
        if let Some(after) = variables["after"].as_str() {
            let (at, id) = after.split_once('/').ok_or_else(|| error("BAD_REQUEST", "Invalid cursor"))?;
            let after = (at.parse().unwrap_or(0_i64), id.parse().unwrap_or(0_u64));
            rows.retain(|(place, _)| *place > after);
        }
        let more = rows.len() > first;
        rows.truncate(first);
        let end = rows.last().map(|((at, id), _)| format!("{at}/{id}"));
        let nodes: Vec<Value> = rows.iter().map(|(_, order)| render::order(order, sizes(variables))).collect();
        Ok(json!({ "orders": { "nodes": nodes, "pageInfo": { "hasNextPage": more, "endCursor": end } } }))
    }

    fn searched(&self, query: &str) -> Option<Vec<&super::ShopifyOrder>> {
        let indexed = self.clock.now().checked_sub(SignedDuration::from_secs(self.lag_seconds)).ok()?;
        let all = self.orders.values().filter(|order| order.updated <= indexed);
        if query.is_empty() {
            return Some(all.collect());
        }
        if query == "status:open" {
            return Some(all.filter(|order| !order.closed).collect());
        }
        let since = query.strip_prefix("updated_at:>='")?.strip_suffix('\'')?.parse::<Timestamp>().ok()?;
        Some(all.filter(|order| order.updated >= since).collect())
    }

    fn orders_by_id(&self, variables: &Value) -> Value {
        let ids = variables["ids"].as_array().cloned().unwrap_or_default();
        let found = ids.iter().map(|id| {
            let order = id.as_str().and_then(|id| self.orders.get(&number("Order", id)?));
            order.map_or(Value::Null, |order| render::order(order, sizes(variables)))
        });
        json!({ "nodes": found.collect::<Vec<_>>() })
    }

    fn more(&self, name: &str, variables: &Value) -> Option<Value> {
        let key = variables["id"].as_str()?;
        let rows = match name {
            "TillbridgeMoreLines" => render::lines(self.orders.get(&number("Order", key)?)?),
            "TillbridgeMoreParts" => render::parts(self.orders.get(&number("Order", key)?)?, size(variables, "lines")),
            "TillbridgeMorePartLines" => {
                let id = number("FulfillmentOrder", key)?;
                let mut parts = self.orders.values().flat_map(|order| &order.parts);
                render::part_lines(parts.find(|part| part.id == id)?)
            }
            _ => {
                let id = number("Fulfillment", key)?;
                let mut all = self.orders.values().flat_map(|order| &order.shipments);
                render::shipped(&all.find(|shipment| shipment.id == id)?.lines)
            }
        };
        Some(json!({ "list": render::list(rows, size(variables, "first"), variables["after"].as_str()) }))
    }

    fn variants(&self, variables: &Value) -> Value {
        let query = variables["query"].as_str().unwrap_or_default();
        let unescaped = |term: &str| term.replace("\\\"", "\"").replace("\\\\", "\\").to_lowercase();
        let wanted: Vec<String> = query
            .split(" OR ")
            .filter_map(|term| term.strip_prefix("sku:\"")?.strip_suffix('"'))
            .map(unescaped)
            .collect();
        let location = variables["location"].as_str().and_then(|key| number("Location", key)).unwrap_or_default();
        // Shopify's search does not regard case.
        let found = self.items.iter().filter(|item| wanted.contains(&item.sku.to_lowercase()));
        let names: Vec<&str> = variables["names"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let rows = found.map(|item| render::variant(item, location, &names)).collect();
        json!({ "productVariants": render::list(rows, size(variables, "first"), variables["after"].as_str()) })
    }

    fn set_quantities(&mut self, document: &str, variables: &Value) -> Outcome {
        let (input, key) = (&variables["input"], variables["key"].as_str());
        let key = key.filter(|key| !key.is_empty() && document.contains("@idempotent"));
        let key = key.ok_or_else(|| {
            error("BAD_REQUEST", "The @idempotent directive is required for this mutation but was not provided.")
        })?;
        let name = input["name"].as_str().unwrap_or_default();
        let rows = input["quantities"].as_array().cloned().unwrap_or_default();
        if rows.len() > MOST_ELEMENTS {
            return Err(error(
                "MAX_INPUT_SIZE_EXCEEDED",
                "The input array size is greater than the maximum allowed of 250",
            ));
        }
        if rows.iter().any(|row| row.get("changeFromQuantity").is_none()) {
            let message = "InventoryQuantityInput must include the following argument: changeFromQuantity";
            return Err(error("INVALID_FIELD_ARGUMENTS", message));
        }
        let content: String =
            Sha256::digest(input.to_string().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        if let Some((before, answer)) = self.keys.get(key) {
            return Ok(if *before == content {
                answer.clone()
            } else {
                refused(&[user_error("IDEMPOTENCY_KEY_PARAMETER_MISMATCH", None)])
            });
        }
        let errors: Vec<Value> = rows.iter().enumerate().filter_map(|(at, row)| self.misfit(at, row, name)).collect();
        let answer = if errors.is_empty() {
            for row in &rows {
                self.set_one(row, name);
            }
            self.writes += 1;
            json!({ "inventorySetQuantities": {
                "inventoryAdjustmentGroup": { "id": gid("InventoryAdjustmentGroup", self.writes) }, "userErrors": [],
            }})
        } else {
            refused(&errors)
        };
        self.keys.insert(key.to_owned(), (content, answer.clone()));
        Ok(answer)
    }

    fn misfit(&self, at: usize, row: &Value, name: &str) -> Option<Value> {
        let wrong = |code: &str, field: &str| Some(user_error(code, Some((at, field))));
        let item = row["inventoryItemId"].as_str().and_then(|key| number("InventoryItem", key));
        let Some(item) = self.items.iter().find(|known| Some(known.id) == item) else {
            return wrong("INVALID_INVENTORY_ITEM", "inventoryItemId");
        };
        let location = row["locationId"].as_str().and_then(|key| number("Location", key));
        if !self.locations.iter().any(|known| Some(known.id) == location) {
            return wrong("INVALID_LOCATION", "locationId");
        }
        if item.bundle {
            return wrong("NON_MUTABLE_INVENTORY_ITEM", "inventoryItemId");
        }
        let Some(shelf) = location.and_then(|location| item.shelves.get(&location)) else {
            return wrong("ITEM_NOT_STOCKED_AT_LOCATION", "locationId");
        };
        let units = row["quantity"].as_i64().unwrap_or(i64::MIN);
        if units > 1_000_000_000 {
            return wrong("INVALID_QUANTITY_TOO_HIGH", "quantity");
        }
        if row["changeFromQuantity"].as_i64().is_some_and(|from| from != shelf.called(name)) {
            return wrong("CHANGE_FROM_QUANTITY_STALE", "changeFromQuantity");
        }
        None
    }

    fn set_one(&mut self, row: &Value, name: &str) {
        let item = row["inventoryItemId"].as_str().and_then(|key| number("InventoryItem", key));
        let location = row["locationId"].as_str().and_then(|key| number("Location", key)).unwrap_or_default();
        let item = self.items.iter_mut().find(|known| Some(known.id) == item);
        if let (Some(shelf), Some(units)) =
            (item.and_then(|item| item.shelves.get_mut(&location)), row["quantity"].as_i64())
        {
            let taken = if name == "on_hand" { shelf.committed + shelf.unavailable } else { 0 };
            shelf.available = units - taken;
        }
    }

    fn note(&mut self, variables: &Value) -> Value {
        let texts = |name: &str| -> Vec<String> {
            variables[name].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let (past, tags) = (texts("past"), texts("tags"));
        let id = variables["id"].as_str().and_then(|key| number("Order", key));
        let Some(order) = id.and_then(|id| self.orders.get_mut(&id)) else {
            let gone = json!({ "userErrors": [{ "field": ["id"], "message": "Order does not exist" }] });
            return json!({ "tagsRemove": gone, "tagsAdd": gone, "metafieldsSet": gone });
        };
        order.tags.retain(|tag| !past.contains(tag));
        for tag in tags {
            if !order.tags.contains(&tag) {
                order.tags.push(tag);
            }
        }
        order.notes += 1;
        order.till = variables["metafields"][0]["value"].as_str().map(str::to_owned);
        order.updated = Timestamp::from_second(self.clock.now().as_second()).unwrap_or(order.updated);
        let done = json!({ "userErrors": [] });
        json!({ "tagsRemove": done, "tagsAdd": done, "metafieldsSet": done })
    }
}

/// Rows of the list in an answer.
fn rows(data: &Value) -> f64 {
    let lists = data.as_object().into_iter().flatten().filter_map(|(_, part)| part["nodes"].as_array());
    lists.map(|list| u32::try_from(list.len()).unwrap_or(u32::MAX)).map(f64::from).sum()
}

fn user_error(code: &str, place: Option<(usize, &str)>) -> Value {
    let field = place.map(|(at, field)| json!(["input", "quantities", at.to_string(), field]));
    json!({ "code": code, "field": field, "message": code.to_lowercase().replace('_', " ") })
}

fn refused(errors: &[Value]) -> Value {
    json!({ "inventorySetQuantities": { "inventoryAdjustmentGroup": null, "userErrors": errors } })
}

fn size(variables: &Value, name: &str) -> usize {
    variables[name].as_u64().and_then(|size| usize::try_from(size).ok()).unwrap_or(0).min(MOST_ELEMENTS)
}

fn sizes(variables: &Value) -> Sizes {
    Sizes { lines: size(variables, "lines"), parts: size(variables, "parts"), deeds: size(variables, "deeds") }
}

/// A made-up price; a real one grows with the page as well, and is told with every answer.
fn cost(name: &str, variables: &Value) -> f64 {
    let of = |name: &str| variables[name].as_f64().unwrap_or(0.0);
    match name {
        "TillbridgeOrders" => 2.0 + of("first") * (2.0 + of("lines") / 5.0),
        "TillbridgeVariants" => 2.0 + of("first") / 5.0,
        "TillbridgeSetQuantities" | "TillbridgeNoteOrder" => 10.0,
        _ => 3.0,
    }
}
