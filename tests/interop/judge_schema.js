// Holds YAML files against a JSON Schema, with ajv and the npm package yaml: each fault with line and column, as an editor would
// show it. Takes [{"schema": FILE, "files": [FILE…]}…] from standard input, gives {FILE: [{"line", "column", "message"}…]}.
import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import { LineCounter, parseDocument } from 'yaml';

const ajv = new Ajv({ allErrors: true, strict: true, strictRequired: false, strictTypes: false });

// The deepest node of the path that the document has; of a key that is too much, the key.
function place(document, lines, fault) {
  const path = fault.instancePath.split('/').slice(1).map((name) => name.replace(/~1/g, '/').replace(/~0/g, '~'));
  let node = document.contents;
  const step = (name) => node?.items?.find?.((pair, index) => pair.key ? String(pair.key.value ?? pair.key) === name : index === Number(name));
  for (const name of path) {
    const found = step(name);
    if (!found) break;
    node = found.key ? found.value ?? found.key : found;
  }
  const extra = fault.params.additionalProperty ?? fault.propertyName ?? fault.params.propertyName;
  const key = extra === undefined ? undefined : step(extra)?.key;
  const at = lines.linePos((key ?? node)?.range?.[0] ?? 0);
  return { line: at.line, column: at.col, message: `/${path.join('/')} ${fault.message}${extra === undefined ? '' : `: ${extra}`}` };
}

function faults(validate, file) {
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter: lines, merge: true, strict: true });
  const broken = [...document.errors, ...document.warnings];  // a tag that nobody knows is a warning
  if (broken.length > 0)
    return broken.map((error) => ({ line: error.linePos[0].line, column: error.linePos[0].col, message: `YAML: ${error.code}` }));
  let content;
  try {
    content = document.toJS();
  } catch (error) {
    return [{ line: 1, column: 1, message: `YAML: ${error.message}` }];
  }
  return validate(content) ? [] : validate.errors.map((fault) => place(document, lines, fault));
}

const found = {};
for (const { schema, files } of JSON.parse(readFileSync(0, 'utf8'))) {
  const validate = ajv.compile(JSON.parse(readFileSync(schema, 'utf8')));
  for (const file of files) found[file] = faults(validate, file);
}
console.log(JSON.stringify(found));
