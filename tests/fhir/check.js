// SPDX-License-Identifier: Apache-2.0
// Checks FHIR R4 resources with two validators that work offline: the published JSON schema, and the definitions of all
// elements with their required codes. Reads {"name": resource, ...} on standard input, writes {"name": [errors], ...}.
const JSONSchemaValidator = require("@asymmetrik/fhir-json-schema-validator");
const { Fhir } = require("fhir");

const schema = new JSONSchemaValidator();
const definitions = new Fhir();

function errors(resource) {
  const bySchema = schema.validate(resource).map((error) => `schema: ${error.dataPath} ${error.message}`);
  const byDefinition = definitions
    .validate(resource, { errorOnUnexpected: true })
    .messages.filter((message) => message.severity !== "info" && message.severity !== "warning")
    .map((message) => `definition: ${message.location}: ${message.message}`);
  return bySchema.concat(byDefinition);
}

const asked = JSON.parse(require("fs").readFileSync(0, "utf8"));
const found = {};
for (const [name, resource] of Object.entries(asked)) found[name] = errors(resource);
process.stdout.write(JSON.stringify(found));
