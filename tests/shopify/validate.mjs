// Validates every GraphQL document that the agent sends to Shopify against Shopify's own Admin schema, with the reference
// implementation of GraphQL. Both come from npm when the test runs (tests/shopify/run); nothing of them is kept here.
// Usage: node validate.mjs FOLDER-OF-DOCUMENTS FOLDER-OF-SCHEMAS   Prints the counts; fails when a document does not fit.
import { readFileSync, readdirSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { join } from 'node:path';
import { buildClientSchema, parse, validate, NoDeprecatedCustomRule, specifiedRules } from 'graphql';

const [documents, schemas] = process.argv.slice(2);
const FIRST = '2026-04'; // FIRST_API_VERSION in src/central/settings/shopify.rs
const DOCUMENTS = 13;
const names = readdirSync(documents).filter((name) => name.endsWith('.graphql'));
const versions = readdirSync(schemas).map((name) => /^admin_(\d{4}-\d{2})\.json\.gz$/.exec(name)?.[1])
  .filter((version) => version && version >= FIRST).sort();
if (names.length !== DOCUMENTS || versions.length < 2) {
  throw new Error(`not what is to be validated: ${names.length} documents, versions ${versions}`);
}
const rules = [...specifiedRules, NoDeprecatedCustomRule];
let validated = 0;
let failures = 0;
for (const version of versions) {
  const json = JSON.parse(gunzipSync(readFileSync(join(schemas, `admin_${version}.json.gz`))));
  const schema = buildClientSchema(json.data ?? json);
  for (const bad of ['{ orders(first: 1) { nodes { noSuchField } } }', 'query Q($x: Int!) { shop { name } }']) {
    if (validate(schema, parse(bad), rules).length === 0) throw new Error(`the validator takes anything: ${bad}`);
  }
  for (const name of names) {
    const errors = validate(schema, parse(readFileSync(join(documents, name), 'utf8')), rules);
    for (const error of errors) console.error(`${version} ${name}: ${error.message}`);
    failures += errors.length;
    validated += 1;
  }
}
console.log(`${validated} validations (${names.length} documents, Shopify Admin API ${versions.join(', ')}), ${failures} errors`);
process.exit(failures > 0 ? 1 : 0);
