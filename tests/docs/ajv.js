// Validate with ajv: node ajv.js MODULES, with the schema and the instances as JSON on stdin.
// Prints a list with the errors of each instance.
const [modules] = process.argv.slice(2);
const Ajv = require(`${modules}/ajv`);
const {schema, instances} = JSON.parse(require("fs").readFileSync(0, "utf8"));
const validate = new Ajv({strict: true, allowUnionTypes: true}).compile(schema);
const results = instances.map((instance) => (validate(instance) ? [] : validate.errors));
process.stdout.write(JSON.stringify(results.map((errors) => errors.map((error) => error.message))));
