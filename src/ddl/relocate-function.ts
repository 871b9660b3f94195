/** A function's definition under another name. */
import type { SqlFunction } from '../model/definitions.js';
import { parseStatement } from '../sql/parse.js';
import { qualified } from '../sql/quote.js';
import type { QualifiedName } from '../model/name.js';
import { byteSlice, byteSplice, tokens } from '../sql/tokens.js';

/** `CREATE OR REPLACE FUNCTION schema.name(` is how `pg_get_functiondef` begins. */
export function relocateFunction(fn: SqlFunction, to: QualifiedName): SqlFunction {
  const all = tokens(fn.definition);
  const keyword = all.findIndex(
    ({ start, end }) => byteSlice(fn.definition, start, end).toLowerCase() === fn.kind,
  );
  const [schema, , name] = all.slice(keyword + 1, keyword + 4);
  if (keyword < 0 || schema === undefined || name === undefined) {
    throw new Error(`cannot find the name in: ${fn.definition}`);
  }
  const definition = byteSplice(fn.definition, schema.start, name.end, qualified(to));
  const tree = parseStatement(definition).tree as { CreateFunctionStmt?: { funcname?: unknown } };
  const wanted = [to.schema, to.name].map((sval) => ({ String: { sval } }));
  if (JSON.stringify(tree.CreateFunctionStmt?.funcname) !== JSON.stringify(wanted)) {
    throw new Error(`cannot rename the function in: ${fn.definition}`);
  }
  return { ...fn, name: to, definition };
}
