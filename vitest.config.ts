import { defineConfig } from 'vitest/config';

/** A file's name says what it needs: `*.test.ts` nothing, `*.pg.test.ts` a server, `e2e/*.pg.test.ts` also the whole tool. */
const serverTests = 'test/**/*.pg.test.ts';
/** What takes long and whose kind others show as well: it runs with `npm run test:all-versions`. */
const longTests = 'test/**/*.long.pg.test.ts';
const endToEndTests = 'test/e2e/*.pg.test.ts';
/** Where the oldest version's catalog, locks or ALTER TABLE differ most, and that are short. The others run there with `npm run test:all-versions`. */
const oldestVersionTests = [
  'rollback',
  'firing',
  'mirror',
  'native-dependents',
  'old-snapshots',
  'row-security',
  'self-references',
  'subscriber',
].map((name) => `test/e2e/${name}.pg.test.ts`);

/** Cases that are the same whatever way keys come into the log: they run in both. These find most in little time. */
const bothCaptures = ['identities', 'keys'].map((name) => `test/races/${name}.pg.test.ts`);
/** Not `blockers`: they are about locks that capture from the WAL does not take. The others are the same whatever the log is filled by. */
const bothCapturesAtLength = ['races', 'crash', 'e2e'].map((folder) => `test/${folder}/*.pg.test.ts`);
/** They say themselves which capture they are about, or there is none. */
const oneCapture = [
  'test/e2e/logical*.pg.test.ts',
  'test/e2e/lost-slot.long.pg.test.ts',
  'test/e2e/slot-leftovers.pg.test.ts',
  // Keys that may become equal are counted, which only triggers do.
  'test/e2e/keys.long.pg.test.ts',
  'test/e2e/native-dependents.pg.test.ts',
];

interface ServerProject {
  readonly name: string;
  readonly include: string[];
  readonly exclude?: string[];
  readonly fileParallelism?: boolean;
}

/** Which tests run on which server; test/support/server.ts reads the same variables. */
function serverProjects(): ServerProject[] {
  const {
    PG_GHOST_TEST_URL: url,
    PG_GHOST_TEST_SERVER: server,
    PG_GHOST_TEST_VERSIONS: versions,
  } = process.env;
  if (url) return [{ name: 'pg', include: [serverTests] }];
  if (server === 'docker') return [{ name: 'pg', include: [endToEndTests] }];
  if (versions)
    return versions.split(',').flatMap((major) => [
      { name: `pg-${major.trim()}`, include: [serverTests] },
      {
        name: `pg-${major.trim()}-logical`,
        include: bothCapturesAtLength,
        exclude: oneCapture,
        // A slot waits for whoever has written anywhere on the server: for what the tests of another file hold open.
        fileParallelism: false,
      },
    ]);
  return [
    { name: 'pg-18', include: [serverTests], exclude: [longTests] },
    { name: 'pg-18-logical', include: bothCaptures },
    { name: 'pg-14', include: oldestVersionTests },
  ];
}

const common = { testTimeout: 60_000, hookTimeout: 120_000, retry: 0 };

export default defineConfig({
  test: {
    // More run slower on a small machine: every server test also keeps several backends busy.
    maxWorkers: 3,
    projects: [
      { test: { ...common, name: 'unit', include: ['test/**/*.test.ts'], exclude: [serverTests] } },
      ...serverProjects().map((project) => ({
        test: { ...common, ...project, globalSetup: ['test/support/global-setup.ts'] },
      })),
    ],
  },
});
