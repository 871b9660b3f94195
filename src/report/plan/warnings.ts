/** The plan's warnings, for people. */
import { describeDependent } from '../../model/dependent.js';
import type { PlanWarning, PlanWarningCode, PlanWarningFacts } from '../../model/plan-warning.js';
import type { Narrower } from '../../model/way-back.js';
import { foreignKeyName } from '../../sql/definition-names.js';
import { bytes } from '../format.js';
import { displayName } from '../../sql/quote.js';
import { told, type Told } from './told.js';

export interface PlanWarningText {
  readonly code: PlanWarningCode;
  readonly message: string;
  /** The same with fewer names, where there are many. */
  readonly brief?: string;
}

export function describeWarnings(warnings: readonly PlanWarning[]): PlanWarningText[] {
  return warnings.map((warning) => {
    const text = textOf(warning);
    if (typeof text === 'string') return { code: warning.code, message: text };
    const { full, ...brief } = text;
    return { code: warning.code, message: full, ...brief };
  });
}

function textOf<Code extends PlanWarningCode>({
  code,
  facts,
}: {
  readonly code: Code;
  readonly facts: PlanWarningFacts[Code];
}): string | Told {
  return texts[code](facts);
}

function narrowerText(narrower: Narrower): string {
  switch (narrower.what) {
    case 'type':
      return `${narrower.column} (${narrower.newType}, was ${narrower.type})`;
    case 'not null':
      return `NULL in ${narrower.column}`;
    case 'check':
    case 'unique':
    case 'exclusion':
    case 'foreign key':
      return `what ${narrower.name} (${narrower.what}) forbids`;
  }
}

/** Enough to recognise a value. */
const mostShown = 60;

function shown(value: string | null): string {
  if (value === null) return 'NULL';
  return JSON.stringify(value.length > mostShown ? `${value.slice(0, mostShown)}...` : value);
}

const texts: {
  readonly [Code in PlanWarningCode]: (facts: PlanWarningFacts[Code]) => string | Told;
} = {
  'long-hold': ({ holdMs, maxHoldMs, isGiven, advisedMaxHoldMs }) =>
    `the swap locks the table and all that hangs on it for about ${holdMs} ms, most of it for foreign keys and views; a try that takes longer than --max-hold (${maxHoldMs} ms${isGiven ? '' : ' unless given'}) is rolled back: give --max-hold ${advisedMaxHoldMs}, and measure it in staging with plan --rehearse`,
  'cached-plans': () =>
    'the columns change: a prepared SELECT * or RETURNING * fails with 0A000 "cached plan must not change result type" until its session prepares it again, and the application sees the new names and types from the swap on',
  'activity-hidden': ({ role }) =>
    `role ${role} is not in pg_monitor: sessions of other roles that could block the lock may be missing below`,
  'never-analyzed': () => 'the table was never analyzed: there is no estimate of its rows',
  'event-trigger': ({ takenOff }) =>
    `event triggers add to each new table what yours does not get by this change; it is taken off the new one again: ${takenOff.join('; ')}`,
  'keys-may-collide': ({ index, columns }) => {
    const becomes = columns.map(({ name, type, targetType }) => `${name} from ${type} to ${targetType}`);
    const how = becomes.length === 0 ? 'its values are computed anew' : becomes.join(', ');
    return `rows are found by ${index}, and for all that is known different keys may become equal (${how}): keys that do are found, named, and end the run before the swap (unique-violation)`;
  },
  'referencing-types': ({ columns }) =>
    told(
      columns.map(
        ({ table, column, type, references }) =>
          `${displayName(table)}.${column} (${type}, references ${references})`,
      ),
      (listed) =>
        `columns of other tables that reference this one keep their type: ${listed}; a value that does not fit there cannot be referenced`,
    ),
  'old-shape-narrower': ({ narrower }) =>
    told(
      narrower.map(narrowerText),
      (listed) =>
        `the new table takes rows that the old one does not: ${listed}. A rollback names them, and waits until they are corrected`,
    ),
  'lost-there-and-back': ({ column, examples }) => {
    const seen = examples.map(({ before, after }) => `${shown(before)} would come back as ${shown(after)}`);
    return `the change does not keep each value of ${column}: ${seen.join('; ')}. After a rollback rows that were not written since have the old value, the others what the change made of it`;
  },
  'ids-remaining': ({ column, limit, last, remaining, isNear }) =>
    `${isNear ? 'more than 80 % of the ids of' : 'ids of'} ${column} ${isNear ? 'are used' : 'go on'}: at ${last} of ${limit}, after ${remaining} more the old table has no room for new rows, and a rollback would lack them`,
  'late-check': ({ name, why }) =>
    `CHECK ${name} ${why === 'not immutable' ? 'depends on the moment or on a setting' : 'calls a function that may have been replaced since'}, and PostgreSQL has never looked again at the rows that were written under it: it is made NOT VALID in the swap, checks every write from then on, and is validated after it; where a row does not hold any more it stays NOT VALID, as ALTER TABLE would not leave it`,
  'generated-sampled': ({ columns }) =>
    told(
      columns,
      (listed) =>
        `stored generated column ${listed} calls functions that may have been replaced since its values were stored, and a copy computes them anew: here only the first and last blocks were compared. The verification compares every row; with --verify off nothing does, and with --verify sample not all`,
    ),
  'oids-sampled': ({ columns }) =>
    told(
      columns,
      (listed) =>
        `column ${listed} holds OIDs: a row that holds the OID of this table, its row type, an index or an identity sequence of it would mean the old table after the swap. The first and last blocks have none; the others were not looked at`,
    ),
  'materialized-views': ({ views }) =>
    told(
      views.map(displayName),
      (listed) => `${listed} cannot be read from the swap until the refresh after it is done`,
    ),
  'partitions-not-marked': ({ foreignKeys }) =>
    told(
      foreignKeys.map(foreignKeyName),
      (listed) =>
        `foreign key ${listed} references a partitioned table: it is validated after the swap and checks every write, but PostgreSQL before 18 leaves convalidated = false in its internal entries for the partitions`,
    ),
  'publication-all': () =>
    'a publication of all tables sends the shadow (ghost_new_<id>) and the change log (schema ghost) to its subscribers as well: those that lack tables of these names stop with an error, unless they ignore unknown tables. A publication of the schema sends the new table from the swap on. The subscribers need a refresh of the subscription after it',
  'volatile-expression': ({ columns }) =>
    `the expression for ${columns.join(', ')} gives another value each time: rows that change while the table is copied get a later one, and the column is not verified`,
  'index-only': () =>
    'CREATE INDEX CONCURRENTLY on the table itself may be all that is needed: it blocks no writes, and copies nothing',
  identity: ({ columns }) =>
    `identity column ${columns.join(', ')}: the values are copied as they are, and the sequence goes on where it stands at the swap`,
  'synchronous-commit': () =>
    'the server waits for a synchronous standby at commit, also in the swap: that wait is part of the hold',
  'capture-by-triggers': ({ why }) =>
    `keys are logged by triggers, since the WAL cannot be read for it: ${why.join('; ')}`,
  'slot-limit': ({ keepBytes }) =>
    `the server gives up a slot for which it keeps more than ${bytes(keepBytes)} (max_slot_wal_keep_size): copy and verification rest at half of that; where it is lost all the same, every row is compared or copied again`,
  'wal-level-rises': ({ walLevel }) =>
    `wal_level is ${walLevel}: the first replication slot makes the server write WAL for logical decoding by itself, and its end goes back. On 19.0 take wal_level = logical instead: there were reports of a race in that`,
  'dependents-untried': ({ table, dependents }) =>
    told(
      dependents.map(describeDependent),
      (listed) =>
        `the change was tried without these, which depend on ${displayName(table)}: ${listed}. Where one of them forbids it, PostgreSQL says so when it runs, and nothing is changed`,
    ),
};
