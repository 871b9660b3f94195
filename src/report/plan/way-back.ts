/** What a rollback would bring back, what undoes a native change, and what ends a run, for people. */
import { advice, doing, type Text } from '../../advice.js';
import { captureModes, type CaptureMode } from '../../model/capture-mode.js';
import type { Key } from '../../model/key.js';
import type { QualifiedName } from '../../model/name.js';
import type { BackObstacle, BackVerdict, Loss, NeededReverse, WayBack } from '../../model/way-back.js';
import { fewNames } from '../../sql/few-names.js';
import { displayName } from '../../sql/quote.js';

/** What can be taken back once the change is made. */
export interface RollbackText extends Pick<WayBack, 'loses' | 'needs' | 'against'> {
  /** `native`: by another ALTER TABLE. */
  readonly verdict: BackVerdict | 'native';
  /** One line. */
  readonly message: Text;
}

/** @param back null: a former release planned none */
export function copyRollback(back: WayBack | null): RollbackText {
  const what = back === null ? 'until new writes only: no way back was planned' : backText(back);
  return {
    verdict: back?.verdict ?? 'declined',
    loses: back?.loses ?? [],
    needs: back?.needs ?? [],
    against: back?.against ?? [],
    message: advice`rollback: ${what}; before the cutover ${doing('abort', 'ID')} undoes everything`,
  };
}

function backText({ verdict, loses, needs, against, sampled, isTried }: WayBack): string {
  const proof = isTried ? 'as far as a sample shows' : 'not tried on rows';
  const asFarAsSeen = sampled.length === 0 ? '' : ` (${fewNames(sampled)}: ${proof})`;
  switch (verdict) {
    case 'keeps':
      return `keeps everything${asFarAsSeen}`;
    case 'loses':
      return `loses ${lossText(loses)}${asFarAsSeen}`;
    case 'needs-reverse':
      return `needs --reverse for ${fewNames(needs.map(({ column }) => column))} (${whyNeeded(needs)}); without it, until new writes only`;
    case 'impossible':
      return `not possible because ${against.map(obstacleText).join(', and ')}; until new writes only`;
    case 'declined':
      return 'until new writes only, which the old table does not get (--no-rollback-window)';
  }
}

function lossText(loses: readonly Loss[]): string {
  const kinds = [
    ['dropped', (names: string) => `column ${names} of new rows`],
    ['added', (names: string) => `the values of new column ${names}`],
    ['recomputed', (names: string) => `what is written to ${names}, which is generated again`],
    ['converted', (names: string) => `what the change itself takes from ${names}, in rows written since`],
  ] as const;
  return kinds
    .flatMap(([kind, say]) => {
      const names = loses.filter(({ what }) => what === kind).map(({ column }) => column);
      return names.length === 0 ? [] : [say(fewNames(names))];
    })
    .join(', ');
}

const reasonsNeeded: Readonly<Record<NeededReverse['why'], string>> = {
  computed: 'its new value is computed',
  'no-cast': 'its new type has no cast back',
  'no-default': 'it is NOT NULL and has no default for new rows',
};

function whyNeeded(needs: readonly NeededReverse[]): string {
  return [...new Set(needs.map(({ why }) => reasonsNeeded[why]))].join('; ');
}

function obstacleText(obstacle: BackObstacle): string {
  switch (obstacle.what) {
    case 'no-key':
      return 'no key finds the rows';
    case 'no-index':
      return `the new table has no unique index over the key (${obstacle.columns.join(', ')})`;
    case 'key-nullable':
      return `key column ${obstacle.column} can be NULL in the new table`;
    case 'key-reverse':
      return `--reverse ${obstacle.column} is made of more than the key, or is another value each time`;
    case 'fails':
      return `a row of the table does not come back: ${obstacle.message}`;
  }
}

export function nativeRollback(table: QualifiedName): RollbackText {
  return {
    verdict: 'native',
    loses: [],
    needs: [],
    against: [],
    message: `rollback: by another ALTER TABLE only; ${displayName(table)} is changed in place, in one transaction, and dropped columns are gone`,
  };
}

/** What ends a run when somebody does it beside it; everything else is followed. */
export function endsTheRun({ index, columns }: Key, capture: CaptureMode): string[] {
  const key = columns.map(({ name }) => name).join(', ');
  return [
    'columns added, dropped, renamed or retyped; the table renamed, moved or dropped; inheritance; whatever else a plan refuses',
    `the key ${index} (${key}) dropped; ${captureModes[capture].parts} touched. All other DDL is followed`,
  ];
}
