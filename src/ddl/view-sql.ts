/** Views: replaced where their columns stay, else made anew with all that hangs on them. */
import type { View, ViewColumn } from '../model/definitions.js';
import { ident, identList, literal, qualified } from '../sql/quote.js';
import { grantStatements } from './grant-sql.js';
import { optionList } from './option-sql.js';
import { createRule } from './rule-sql.js';
import { createTrigger } from './trigger-sql.js';

/** Keeps owner, grants, defaults, triggers, rules and comments; not the options, which are said again. */
export function replaceView(view: View): string {
  return `create or replace ${viewBody(view)}`;
}

export function createView(view: View): string[] {
  const { name, columns, grants, owner } = view;
  return [
    `create ${view.materialized ? materializedBody(view) : viewBody(view)}`,
    `alter ${viewKind(view)} ${qualified(name)} owner to ${ident(owner)}`,
    ...columns.flatMap((column) => columnSettings(view, column)),
    ...view.indexes.flatMap((index) => matviewIndex(view, index)),
    ...comment(`${viewKind(view)} ${qualified(name)}`, view.comment),
    ...columns.flatMap((column) =>
      comment(`column ${qualified(name)}.${ident(column.name)}`, column.comment),
    ),
    ...view.triggers.flatMap(createTrigger),
    ...view.rules.flatMap(createRule),
    ...grantStatements({
      kind: 'table',
      name,
      owner,
      grants,
      columnGrants: columns.map((column) => ({ column: column.name, grants: column.grants })),
      ownSchema: false,
    }),
  ];
}

export function dropView(view: View): string {
  return `drop ${viewKind(view)} ${qualified(view.name)}`;
}

export function refreshView({ name }: View): string {
  return `refresh materialized view ${qualified(name)}`;
}

function viewKind({ materialized }: View): string {
  return materialized ? 'materialized view' : 'view';
}

/** With its column names: those of the query may be others. */
function viewBody({ name, columns, options, definition }: View): string {
  const settings = options.length === 0 ? '' : ` with (${optionList(options)})`;
  return `view ${qualified(name)} (${identList(columns.map((column) => column.name))})${settings} as\n${definition}`;
}

function materializedBody(view: View): string {
  const { name, columns, options, definition, accessMethod, tablespace } = view;
  return [
    `materialized view ${qualified(name)} (${identList(columns.map((column) => column.name))})`,
    ...(accessMethod === null ? [] : [`using ${ident(accessMethod)}`]),
    ...(options.length === 0 ? [] : [`with (${optionList(options)})`]),
    ...(tablespace === null ? [] : [`tablespace ${ident(tablespace)}`]),
    `as\n${definition}\nwith no data`,
  ].join(' ');
}

function columnSettings(view: View, column: ViewColumn): string[] {
  const alter = `alter ${viewKind(view)} ${qualified(view.name)} alter column ${ident(column.name)} set`;
  return [
    ...(column.default === null ? [] : [`${alter} default ${column.default}`]),
    ...(column.statisticsTarget === null ? [] : [`${alter} statistics ${column.statisticsTarget}`]),
  ];
}

function matviewIndex({ name: view }: View, index: View['indexes'][number]): string[] {
  const name = qualified({ schema: view.schema, name: index.name });
  return [
    index.definition,
    ...(index.tablespace === null ? [] : [`alter index ${name} set tablespace ${ident(index.tablespace)}`]),
    ...index.keys.flatMap(({ statisticsTarget }, position) =>
      statisticsTarget === null
        ? []
        : [`alter index ${name} alter column ${position + 1} set statistics ${statisticsTarget}`],
    ),
    ...(index.clustered
      ? [`alter materialized view ${qualified(view)} cluster on ${ident(index.name)}`]
      : []),
    ...comment(`index ${name}`, index.comment),
  ];
}

function comment(on: string, text: string | null): string[] {
  return text === null ? [] : [`comment on ${on} is ${literal(text)}`];
}
