/** What the new table takes over of the table itself, one line for each object or group, for people. */
import type { CopyFacts } from '../../model/plan.js';
import { displayName } from '../../sql/quote.js';
import type { PlanDependent } from './dependents.js';
import type { SerialFate } from '../../model/column-mapping.js';

export function carriedParts({
  source,
  target,
  serials,
}: Pick<CopyFacts, 'source' | 'target' | 'serials'>): PlanDependent[] {
  const carried = (kind: string, name: string, why: string): PlanDependent => ({
    kind,
    name,
    treatment: 'carried',
    why,
  });
  const { schema } = source.name;
  const grants = [
    ...target.grants,
    ...target.columns.flatMap((column) => column.grants),
    ...target.sequences.flatMap((sequence) => sequence.grants),
  ];
  const comments = [target, ...target.columns, ...target.constraints, ...target.indexes].filter(
    ({ comment }) => comment !== null,
  );
  return [
    ...target.indexes.map(({ name }) =>
      carried('index', displayName({ schema, name }), 'built on the new table under the same name'),
    ),
    ...target.constraints
      .filter(({ type, index }) => index === null && type !== 'foreign key')
      .map(({ name, type }) =>
        carried('constraint', name, `${type} constraint of ${displayName(source.name)}, on the new table`),
      ),
    ...serials.map((fate) => carried('sequence', displayName(fate.sequence.name), serialText(fate))),
    ...target.sequences
      .filter(({ identity }) => identity)
      .map(({ name, startsAt }) =>
        carried(
          'sequence',
          displayName({ schema, name: name.name }),
          startsAt === undefined
            ? 'goes on where it stands at the swap'
            : `starts at ${startsAt}, as the change has it`,
        ),
      ),
    ...(grants.length > 0
      ? [carried('grants', `${grants.length} privileges`, 'on the new table before the swap')]
      : []),
    ...(comments.length > 0 ? [carried('comments', `${comments.length} comments`, 'on the new table')] : []),
    ...(target.options.length > 0
      ? [carried('storage parameters', target.options.join(', '), 'on the new table')]
      : []),
    carried('owner', target.owner, 'owns the new table'),
  ];
}

function serialText({ type, persistence }: SerialFate): string {
  return [
    'the same sequence, owned by the new column after the swap',
    // More than ALTER TYPE does.
    ...(type === null ? [] : [`and ${type} like it from then on`]),
    ...(persistence === null ? [] : [`and ${persistence} from then on`]),
  ].join(', ');
}
