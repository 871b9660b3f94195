/** Imports point one way (CONTRIBUTING.md): a room may import every room below its own, and nothing beside or above it. */

/** Top first; the rooms of one line are siblings. */
const layers = [
  ['cli'],
  // What the tests, the benchmarks and the soak use as well as the demo.
  ['lab', 'index'],
  ['report'],
  ['api'],
  ['run'],
  ['swap'],
  // The new table in the database; what the trial needs of it is handed to it.
  ['shadow'],
  ['plan', 'copy', 'capture', 'apply', 'verify', 'settings'],
  // How a row of one table is found in the other: apply and verify both ask.
  ['stream'],
  ['locks', 'state', 'throttle', 'pieces'],
  // Statements from what the catalog says: pure, for the clone and for the swap alike.
  ['ddl'],
  ['catalog'],
  ['db'],
  ['sql'],
  ['model'],
  ['errors'],
  // What to do next, as data: errors say it.
  ['advice'],
];

const folder = (name) =>
  ['index', 'errors', 'advice'].includes(name) ? `^src/${name}\\.ts$` : `^src/${name}/`;

const layerRules = layers.flatMap((names, depth) =>
  names.map((name) => ({
    name: `${name}-imports-downwards`,
    comment: `src/${name} may only import the rooms below it.`,
    severity: 'error',
    from: { path: folder(name) },
    to: {
      path: '^src/',
      pathNot: [
        folder(name),
        ...layers
          .slice(depth + 1)
          .flat()
          .map(folder),
      ],
    },
  })),
);

const rooms = layers.flat().map(folder);

module.exports = {
  forbidden: [
    ...layerRules,
    {
      name: 'every-file-has-a-room',
      comment: 'A new folder of src needs its place in the layers above.',
      severity: 'error',
      from: { path: '^src/', pathNot: rooms },
      to: {},
    },
    {
      name: 'reporters-see-events-only',
      comment: 'A reporter subscribes to events; it does not reach into the work.',
      severity: 'error',
      from: { path: '^src/report/' },
      to: {
        path: '^src/',
        pathNot: ['^src/report/', folder('sql'), folder('model'), folder('errors'), folder('advice')],
      },
    },
    {
      name: 'lab-knows-nothing-of-the-tool',
      comment: 'Who proves the tool must not be misled by it.',
      severity: 'error',
      from: { path: '^src/lab/' },
      to: { path: '^src/', pathNot: ['lab', 'db', 'sql', 'model', 'errors', 'advice'].map(folder) },
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
