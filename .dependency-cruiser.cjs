/**
 * Imports point one way (CONTRIBUTING.md):
 *
 *   cli -> lab, index -> migration -> phases -> locks -> services -> { db, sql } -> errors
 *
 * A folder may import everything below its own layer and nothing of its own layer. The type-only files that all of them
 * speak in are below all of them.
 */

/** Top first; the folders of one layer are siblings. */
const layers = [
  ['cli'],
  // What tests, benchmarks and the soak use as well as the demo.
  ['lab', 'index'],
  ['migration'],
  ['plan', 'shadow', 'copy', 'capture', 'apply', 'verify', 'cutover'],
  // Whoever waits for a lock looks up who holds it. How a row is found in the other table: apply and verify both ask.
  ['locks', 'keys'],
  ['catalog', 'state', 'throttle'],
  // Statements from what the catalog says: pure, for the clone and for the swap alike.
  ['ddl'],
  ['db', 'sql'],
];

/** The words of the domain: types, and the event types that logic emits. Everybody may import them. */
const shared = [
  '^src/errors\\.ts$',
  '^src/report/events\\.ts$',
  '^src/plan/types\\.ts$',
  '^src/catalog/types\\.ts$',
  '^src/catalog/definitions\\.ts$',
];

const folder = (name) => (name === 'index' ? '^src/index\\.ts$' : `^src/${name}/`);

const layerRules = layers.flatMap((names, depth) =>
  names.map((name) => ({
    name: `${name}-imports-downwards`,
    comment: `src/${name} may only import the layers below it, and the shared types.`,
    severity: 'error',
    from: { path: folder(name), pathNot: shared },
    to: {
      path: '^src/',
      pathNot: [
        folder(name),
        ...layers
          .slice(depth + 1)
          .flat()
          .map(folder),
        ...shared,
        ...exceptions(name),
      ],
    },
  })),
);

/** What a folder may import besides. */
function exceptions(name) {
  if (name === 'cli') return ['^src/report/'];
  if (name === 'lab') return ['^src/report/format\\.ts$'];
  // Where a run stands, as data: kept in the state for `status`.
  if (name === 'migration') return ['^src/report/(emitter|progress)\\.ts$'];
  // Siblings, but `sql` is pure work on text that knows of no connection.
  if (name === 'db') return [folder('sql')];
  return [];
}

module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'shared-types-stand-alone',
      comment: 'What everybody imports may import nothing but its like, and the names of src/sql.',
      severity: 'error',
      from: { path: shared },
      to: { path: '^src/', pathNot: [...shared, folder('sql')] },
    },
    {
      name: 'reporters-see-events-only',
      comment: 'A reporter subscribes to events; it does not reach into the work.',
      severity: 'error',
      from: { path: '^src/report/' },
      to: { path: '^src/', pathNot: ['^src/report/', folder('sql'), ...shared] },
    },
    {
      name: 'lab-knows-nothing-of-the-tool',
      comment: 'Who proves the tool must not be misled by it.',
      severity: 'error',
      from: { path: '^src/lab/' },
      to: { path: '^src/', pathNot: ['^src/(lab|db|sql)/', '^src/errors\\.ts$', '^src/report/format\\.ts$'] },
    },
    {
      name: 'terminal-libraries',
      comment: 'Only reporters and those who choose one write for a terminal.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(cli|report)/' },
      to: { path: 'node_modules/(log-update|pino-pretty|cli-table3)/' },
    },
    {
      name: 'command-line-library',
      comment: 'A library is not called with arguments of a command line.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: 'node_modules/(@commander-js|commander)/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'imports-exist',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-development-packages',
      comment: 'A user of the package does not have them.',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // Imports of types count too: they bind modules to each other just the same.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
