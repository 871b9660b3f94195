/** The asked change, as the library takes it. Reads the files: the library is given texts. */
import { readFile } from 'node:fs/promises';
import { UsageError } from '../errors.js';
import type { ChangeRequest } from '../model/change-request.js';

export interface ShapeValues {
  readonly table?: string | undefined;
  readonly alter?: readonly string[] | undefined;
  readonly file?: readonly string[] | undefined;
  readonly set?: ChangeRequest['set'] | undefined;
  readonly reverse?: ChangeRequest['set'] | undefined;
  readonly rewrite?: boolean | undefined;
  readonly matviews?: 'refuse' | 'recreate' | undefined;
  readonly allowPublicationAll?: boolean | undefined;
}

/** @throws UsageError `no-table`, `empty-change`, `file-not-readable` */
export async function readRequest(values: ShapeValues): Promise<ChangeRequest> {
  const { table, alter = [], file = [], set = [], reverse = [], rewrite = false } = values;
  if (table === undefined) {
    throw new UsageError('no-table', 'no table is named', { hint: '--table [SCHEMA.]NAME' });
  }
  if (alter.length + file.length + set.length === 0 && !rewrite) {
    throw new UsageError('empty-change', `no change is asked for ${table}`, {
      hint: '--alter "ACTIONS", --file FILE.sql, --set COLUMN=EXPRESSION, or --rewrite to rebuild it as it is',
    });
  }
  return {
    table,
    alter,
    statements: await Promise.all(file.map(readStatements)),
    set,
    rewrite,
    // Left out where they say nothing, so that requests of earlier runs stay the same.
    ...(reverse.length > 0 ? { reverse } : {}),
    ...(values.matviews === 'recreate' ? { matviews: values.matviews } : {}),
    ...(values.allowPublicationAll === true ? { allowPublicationAll: true } : {}),
  };
}

async function readStatements(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new UsageError('file-not-readable', `cannot read ${path}: ${(cause as Error).message}`, { cause });
  }
  // A byte order mark, as some editors write it, is a syntax error for PostgreSQL.
  const statements = text.replace(/^\uFEFF/, '');
  if (statements.trim() === '')
    throw new UsageError('file-not-readable', `there are no statements in ${path}`);
  return statements;
}
