/** How to undo a change, and what undoes its run, for people. */
import { advice, doing, type Text } from '../../advice.js';
import { displayName, ident, qualified } from '../../sql/quote.js';
import { captureModes, type CaptureMode } from '../../model/capture-mode.js';
import type { Key } from '../../model/key.js';
import type { QualifiedName } from '../../model/name.js';

export function copyRollback(table: QualifiedName): Text[] {
  const old = `ghost_old_<id>`;
  return [
    advice`before the cutover: ${doing('abort', 'ID')} removes everything again; the table was never touched`,
    advice`after it the old table is kept as ${old}.${ident(table.name)} until ${doing('finalize', 'ID')}. It does not follow later writes in this release: rows written after the swap are not in it`,
    `to go back all the same, in one transaction: create schema set_aside; alter sequence ... owned by none (serial columns); alter table ${qualified(table)} set schema set_aside; alter table ${old}.${ident(table.name)} set schema ${ident(table.schema)}; alter sequence ... owned by the old table's column again. What was written since is in set_aside.${ident(table.name)}`,
    'views, SQL bodies, foreign keys, publications and extended statistics are with the new table then, and have to be made again for the old one; its triggers, rules and policies it still has',
    'an identity column has a sequence of its own in each table: set the old one with setval() in the same transaction',
  ];
}

export function nativeRollback(table: QualifiedName): string[] {
  return [
    `the change is made in place on ${displayName(table)} in one transaction: an error leaves nothing behind, but once committed only another ALTER TABLE undoes it, and dropped columns are gone`,
  ];
}

/** What ends a run when somebody does it beside it; everything else is followed. */
export function endsTheRun({ index, columns }: Key, capture: CaptureMode): string[] {
  const key = columns.map(({ name }) => name).join(', ');
  return [
    'columns added, dropped, renamed or retyped; the table renamed, moved or dropped; inheritance; whatever else a plan refuses',
    `the key ${index} (${key}) dropped; ${captureModes[capture].parts} touched. All other DDL is followed`,
  ];
}
