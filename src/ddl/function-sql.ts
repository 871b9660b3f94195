/** Functions and procedures with an SQL-standard body, which is bound to the tables that it names. */
import type { SqlFunction } from '../catalog/definitions.js';
import { parseStatement } from '../sql/parse.js';
import { byteSlice, tokens, tokenType } from '../sql/tokens.js';

/** Keeps OID, owner, grants and comment. */
export function replaceFunction({ definition }: SqlFunction): string {
  return definition;
}

/**
 * The same function with an empty body, which depends on nothing: for the moment in which what the real one reads is gone. Only with
 * `check_function_bodies` off.
 */
export function stubFunction({ definition }: SqlFunction): string {
  const stub = `${byteSlice(definition, 0, startOfBody(definition))}AS ''`;
  parseStatement(stub);
  return stub;
}

/** Byte offset of BEGIN ATOMIC or RETURN, which is the last clause of what PostgreSQL writes. */
function startOfBody(definition: string): number {
  const all = tokens(definition);
  const word = (at: number): string => {
    const token = all[at];
    return token?.isKeyword === true ? byteSlice(definition, token.start, token.end).toLowerCase() : '';
  };
  let depth = 0;
  for (const [at, token] of all.entries()) {
    if (token.type === tokenType.leftParen) depth += 1;
    else if (token.type === tokenType.rightParen) depth -= 1;
    else if (depth === 0 && (word(at) === 'return' || (word(at) === 'begin' && word(at + 1) === 'atomic'))) {
      return token.start;
    }
  }
  throw new Error(`there is no SQL body in: ${definition}`);
}
