/** One round: a table, its application, a change, trouble, and then the comparison with what PostgreSQL does natively. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { EmbeddedServer } from '../../src/lab/embedded-server.js';
import { catalogDifferences, catalogOf, leftovers } from '../catalog.js';
import { changeArguments, randomChange, viewStatements, type Change } from './change.js';
import { Load } from './load.js';
import { differences } from '../../src/lab/proof.js';
import { Random } from '../../src/lab/random.js';
import { describeShape, quoted, randomShape, type Shape } from './shape.js';
import { oddRole, randomSurroundings } from './surroundings.js';
import { ToolRun, type Ended, type ToolEvent } from './tool.js';
import {
  describeTrouble,
  make,
  moment,
  randomTroubles,
  type Attempt,
  type Trouble,
  type TroubleKind,
} from './trouble.js';
import { BrokenPromise, World, textOf } from './world.js';

/** On a machine that does other things as well. */
const runMs = 180_000;
const mostAttempts = 25;
/** A change that PostgreSQL itself does not make is thrown away; that many in a row mean something else. */
const mostChanges = 30;

export interface Outcome {
  readonly how: 'swapped' | 'rolled back' | 'aborted' | 'skipped';
  readonly why?: string;
  readonly shape: string;
  readonly command: string;
  /** Those that took place */
  readonly troubles: string[];
  readonly codes: string[];
  readonly seconds: number;
  readonly rowsCompared: number;
  readonly load: Load;
}

export class Round {
  /** What to say when it fails. */
  shape = '';
  command = '';
  troubles: string[] = [];
  codes: string[] = [];
  lastOutput = '';

  readonly world: World;
  readonly database: string;
  readonly clone: string;
  readonly plain: string;

  constructor(server: EmbeddedServer, program: string, seed: number) {
    this.database = `soak_${seed}`;
    this.clone = `${this.database}_clone`;
    this.plain = `${this.database}_plain`;
    this.world = new World(server, this.database);
    this.#program = program;
    this.#random = new Random(seed);
    this.#adminUrl = server.url();
    this.#cloneUrl = server.url(this.clone);
    this.#plainUrl = server.url(this.plain);
  }

  #program;
  #random;
  #adminUrl;
  /** Where the change is made natively. */
  #cloneUrl;
  /** Where nothing is changed but by others: as the table is after an abort. */
  #plainUrl;
  #id: number | null = null;
  #isAborted = false;
  #directory = '';

  async run(): Promise<Outcome> {
    const started = performance.now();
    this.#directory = await mkdtemp(join(tmpdir(), 'pg-ghost-soak-round-'));
    try {
      const outcome = await this.#run();
      return { ...outcome, seconds: (performance.now() - started) / 1000 };
    } finally {
      await rm(this.#directory, { recursive: true, force: true });
      await this.#admin(
        `drop database if exists ${this.database} with (force)`,
        `drop database if exists ${this.clone} with (force)`,
        `drop database if exists ${this.plain} with (force)`,
      ).catch(() => undefined);
    }
  }

  async #run(): Promise<Omit<Outcome, 'seconds'>> {
    const { world } = this;
    const shape = randomShape(this.#random.fork());
    const surroundings = randomSurroundings(this.#random.fork());
    this.shape = [describeShape(shape), ...surroundings.described].join('; ');
    if (surroundings.oddRole) world.connectToolAs(oddRole);
    await this.#admin(`create database ${this.database}`);
    await world.withClient(async (client) => {
      for (const statement of shape.setup) await client.query(statement);
      if (shape.hasView)
        for (const statement of viewStatements(shape, { renamed: new Map() })) await client.query(statement);
      for (const statement of surroundings.setup) await client.query(statement);
    });
    await this.#admin(
      `create database ${this.clone} template ${this.database}`,
      `create database ${this.plain} template ${this.database}`,
      ...[this.database, this.clone].flatMap((database) =>
        surroundings.settings.map((setting) => `alter database ${database} set ${setting}`),
      ),
    );
    const change = await this.#possibleChange(shape);
    const args = await this.#arguments(change);
    this.command = ['pg-ghost', ...args.map(shellQuoted)].join(' ');
    const troubles = randomTroubles(this.#random.fork());
    for (const trouble of troubles) world.note(`planned: ${describeTrouble(trouble)}`);
    const load = new Load(world, shape, change, this.#random.fork());
    const watch = this.#watchPids();
    await load.start();
    let why;
    try {
      why = await this.#migrate(args, troubles, load);
      if (why === null && !world.over.aborted)
        await sleep(this.#random.int(200, 900), undefined, { signal: world.over });
    } catch (error) {
      world.fail(error);
    } finally {
      await load.stop().catch((error) => world.fail(error));
      watch.abort();
    }
    if (world.broken !== null) throw world.broken;
    const facts = {
      shape: this.shape,
      command: this.command,
      troubles: this.troubles,
      codes: this.codes,
      load,
    };
    if (typeof why === 'string') return { ...facts, how: 'skipped', why, rowsCompared: 0 };
    const isBack = !this.#isAborted && (await this.#turnAtRandom());
    world.note('comparing');
    if (this.#isAborted) return { ...facts, how: 'aborted', rowsCompared: await this.#compareUnchanged() };
    if (isBack) {
      await this.#finalize();
      return { ...facts, how: 'rolled back', rowsCompared: await this.#compareUnchanged() };
    }
    return { ...facts, how: 'swapped', rowsCompared: await this.#compareSwapped(shape, change) };
  }

  /** One that PostgreSQL makes, on the rows as they are now; made in the clone. */
  async #possibleChange(shape: Shape) {
    return await this.world.withClient(
      async (client) => {
        for (let tries = 1; ; tries += 1) {
          const change = randomChange(this.#random.fork(), shape);
          try {
            await client.query('begin');
            if (shape.hasView) await client.query('drop view a_view');
            for (const statement of [...change.native, ...change.mirror]) await client.query(statement);
            if (shape.hasView)
              for (const statement of viewStatements(shape, change)) await client.query(statement);
            // The tool lets a serial's sequence grow with its column; a native ALTER leaves it behind.
            const grows = change.alter.some((text) => /ALTER COLUMN k TYPE bigint/.test(text));
            if (shape.key === 'serial' && grows) await client.query('alter sequence t_k_seq as bigint');
            await client.query('commit');
            return change;
          } catch (error) {
            await client.query('rollback');
            this.world.note(`not possible: ${textOf(error)}`);
            if (tries === mostChanges) throw error;
          }
        }
      },
      'soak',
      this.#cloneUrl,
    );
  }

  async #arguments(change: Change) {
    const random = this.#random;
    let file = null;
    if (change.file.length > 0) {
      file = join(this.#directory, 'change.sql');
      await writeFile(file, change.file.join('\n'));
    }
    return ['run', '--json', ...changeArguments(change, file)].concat(
      ['--workers', String(random.int(1, 3))],
      ['--chunk-time', String(random.int(10, 200))],
      ['--retry-for', '60s', '--cutover-deadline', '60s'],
      random.chance(0.2) ? ['--verify', 'sample'] : [],
      // From the WAL, where key and role allow it.
      random.chance(0.5) ? ['--capture', 'auto'] : [],
    );
  }

  /**
   * Runs until it is done.
   *
   * @returns why this round is skipped
   */
  async #migrate(args: readonly string[], troubles: Trouble[], load: Load): Promise<string | null> {
    const { world } = this;
    const queue = [...troubles];
    let alreadyRunning = 0;
    for (let attempts = 1; attempts <= mostAttempts; attempts += 1) {
      world.over.throwIfAborted();
      const resumes = this.#id !== null && this.#random.chance(0.3);
      const options = args.slice(args.indexOf('--workers'));
      const run = new ToolRun(
        this.#program,
        world.toolUrl,
        resumes ? ['run', '--json', '--resume', String(this.#id), ...options] : args,
      );
      const attempt: Attempt = { run, met: new Set(), disturbed: new Set() };
      world.note(`run ${attempts}${resumes ? ` --resume ${this.#id}` : ''} (pid ${run.child.pid})`);
      run.listen((event) => this.#heard(event, load));
      const armed = queue.splice(0);
      const left = await this.#disturb(armed, attempt);
      queue.unshift(...left);
      const ended = await run.ended;
      world.over.throwIfAborted();
      this.codes.push(ended.shown);
      world.note(
        `run ${attempts} ended with ${ended.shown}${ended.error === null ? '' : `: ${JSON.stringify(ended.error).slice(0, 500)}`}`,
      );
      this.lastOutput = `${run.events
        .slice(-15)
        .map((event) => JSON.stringify(event))
        .join('\n')}\n${ended.stderr}`;
      if (this.#isAborted) return null;
      if (ended.code === 0) return await this.#judgeDone(run);
      if (ended.shown === '3 already-running' && alreadyRunning < 20) {
        // The server has not noticed yet that the client is gone.
        alreadyRunning += 1;
        attempts -= 1;
        await sleep(300);
        continue;
      }
      if (ended.code === 3 && this.#id === null) return `refused: ${refusalOf(ended)}`;
      if (ended.code === 5 && !load.isCalm) {
        load.isCalm = true;
        continue;
      }
      const last = run.events.findLast(({ event }) => event === 'phase:started')?.['phase'];
      // Nothing is left of it.
      if (ended.code !== null && last === 'prepare') this.#id = null;
      this.#judge(ended, attempt);
    }
    throw new BrokenPromise(`after ${mostAttempts} runs it is not done`);
  }

  #heard(event: ToolEvent, load: Load) {
    const { event: name, id } = event;
    if (typeof id === 'number') this.#id = id;
    if (name === 'phase:started') {
      if (event['phase'] === 'cutover') load.cutoverBegan = Math.min(performance.now(), load.cutoverBegan);
      this.world.note(`phase ${String(event['phase'])}`);
    } else if (/^lock:|^cutover:(try|missed)/.test(name)) {
      const facts = ['what', 'attempt', 'outcome', 'why', 'heldMs'].flatMap((key) =>
        event[key] === undefined ? [] : [JSON.stringify(event[key])],
      );
      this.world.note(`${name} ${facts.join(', ')}`);
    } else if (!/progress|index:|phase:done|plan:ready/.test(name)) {
      this.world.note(JSON.stringify(event).slice(0, 300));
    }
  }

  /** @returns those whose moment has not come */
  async #disturb(armed: Trouble[], attempt: Attempt): Promise<Trouble[]> {
    const { world } = this;
    const { run } = attempt;
    const deadline = setTimeout(() => {
      world.fail(new BrokenPromise(`pg-ghost run has not ended in ${runMs / 1000} s`));
    }, runMs);
    const over = () => run.child.kill('SIGKILL');
    world.over.addEventListener('abort', over, { once: true });
    const scene = {
      world,
      program: this.#program,
      attempt,
      id: this.#id,
      done: (kind: TroubleKind) => this.troubles.push(kind),
      aborted: () => (this.#isAborted = true),
      clones: [this.#cloneUrl, this.#plainUrl],
    };
    // One after the other, so that a server is not restarted twice at a time.
    let turn = Promise.resolve();
    const left: Trouble[] = [];
    await Promise.all(
      armed.map(async (trouble) => {
        if (!(await moment(trouble, run, world.over))) {
          left.push(trouble);
          return;
        }
        scene.id = this.#id;
        turn = turn.then(() => make(trouble, scene)).catch((error) => world.fail(error));
        await turn;
      }),
    );
    await run.ended;
    await turn;
    clearTimeout(deadline);
    world.over.removeEventListener('abort', over);
    return left;
  }

  async #judgeDone(run: ToolRun): Promise<string | null> {
    const plan = run.events.find(({ event }) => event === 'plan:ready');
    if (plan?.['verdict'] === 'native') return 'native';
    const { rows } = await this.world.withClient((client) =>
      client.query('select id, phase from ghost.migrations order by id desc limit 1'),
    );
    if (rows[0]?.phase !== 'swapped') throw new BrokenPromise(`run ended with 0 in phase ${rows[0]?.phase}`);
    this.#id = rows[0].id;
    return null;
  }

  /** A run may only end as is documented for what was done to it. */
  #judge(ended: Ended, { disturbed }: Attempt) {
    const did = [...disturbed];
    const has = (...kinds: TroubleKind[]) => kinds.some((kind) => disturbed.has(kind));
    const code = String(ended.error?.['code']);
    const documented = () => {
      if (ended.code === null)
        return has('kill', 'kill and abort') || (has('interrupt') && /SIG(INT|TERM)/.test(ended.shown));
      if (ended.code === 130) return has('interrupt');
      if (ended.code === 6) return has('terminate', 'crash', 'restart');
      if (ended.code !== 1) return false;
      if (code === 'taken-over') return has('abort', 'kill and abort');
      return [
        ...(has('crash', 'restart', 'terminate', 'abort')
          ? ['connection-lost', 'cannot-connect', 'trial-failed', 'swap-not-completed']
          : []),
        ...(has('cancel') ? ['server-error', 'trial-failed', 'swap-not-completed'] : []),
      ].includes(code);
    };
    if (documented()) return;
    throw new BrokenPromise(
      `pg-ghost run ended with ${ended.shown} after ${did.join(', ') || 'nothing that ends a run'}: ${JSON.stringify(ended.error)}\n${ended.stderr}`,
    );
  }

  /** Whose backends are pg-ghost's, for the writers. */
  #watchPids() {
    const { world } = this;
    const watch = new AbortController();
    const look = async () => {
      while (!watch.signal.aborted && !world.over.aborted) {
        try {
          await world.withClient(async (client) => {
            while (!watch.signal.aborted && !world.over.aborted) {
              const { rows } = await client.query(
                `select pid from pg_stat_activity where datname = current_database() and application_name like 'pg-ghost%'`,
              );
              for (const { pid } of rows) world.ghostPids.add(pid);
              await sleep(100);
            }
          }, 'watch');
        } catch {
          await sleep(100);
        }
      }
    };
    void look();
    return watch;
  }

  async #compareSwapped(shape: Shape, change: Change): Promise<number> {
    const { world } = this;
    const expected = await world.withClient(catalogOf, 'soak', this.#cloneUrl);
    await this.#finalize();
    return await world.withClient(async (client) => {
      await this.#expectNothingLeft(client);
      expectSameCatalog(await catalogOf(client), expected, 'the table is not what ALTER TABLE makes');
      for (const statement of change.mirror) await client.query(statement);
      if (change.sequenceFrom !== null) await expectSequenceFrom(client, change.sequenceFrom);
      if (shape.hasChild) {
        const { rows } = await client.query(
          'select count(*)::int as orphans from child as c where not exists (select from t where t.k = c.ref)',
        );
        if (rows[0].orphans > 0) throw new BrokenPromise(`${rows[0].orphans} rows reference nothing`);
      }
      return await expectSameRows(client);
    });
  }

  async #finalize() {
    const finalized = await new ToolRun(this.#program, this.world.toolUrl, [
      'finalize',
      String(this.#id),
      '--json',
    ]).ended;
    if (finalized.code !== 0) {
      throw new BrokenPromise(`finalize ended with ${finalized.shown}: ${JSON.stringify(finalized.error)}`);
    }
  }

  /**
   * Back, and perhaps forward and back again, with what the load has written since the swap; each of them perhaps killed and begun again.
   *
   * @returns whether the table from before is in use
   */
  async #turnAtRandom(): Promise<boolean> {
    const random = this.#random.fork();
    const turns = random.pick([0, 1, 1, 2, 3]);
    const { rows } = await this.world.withClient((client) =>
      client.query(
        `select plan -> 'back' ->> 'verdict' as verdict from ghost.tables where migration_id = $1`,
        [this.#id],
      ),
    );
    // What is lost on the way the mirror still has.
    if (rows[0]?.verdict !== 'keeps') return false;
    for (let turn = 0; turn < turns; turn += 1) {
      if (!(await this.#turn(turn % 2 === 0 ? 'rollback' : 'rollforward', random))) return false;
    }
    return turns % 2 === 1;
  }

  /** @returns false when a write has no room in the other shape, or somebody has altered the table: then all stays as it is */
  async #turn(command: 'rollback' | 'rollforward', random: Random): Promise<boolean> {
    const { world } = this;
    let kills = random.chance(0.5) ? random.int(1, 2) : 0;
    for (let attempts = 1; attempts <= mostAttempts; attempts += 1) {
      const run = new ToolRun(this.#program, world.toolUrl, [command, String(this.#id), '--json']);
      let isKilled = false;
      if (kills > 0) {
        kills -= 1;
        await Promise.race([run.ended, sleep(random.int(300, 2500))]);
        isKilled = run.child.kill('SIGKILL');
      }
      const ended = await run.ended;
      this.codes.push(ended.shown);
      world.note(`${command} ended with ${ended.shown}`);
      this.lastOutput = `${run.events.map((event) => JSON.stringify(event)).join('\n')}\n${ended.stderr}`;
      if (ended.code === 0) {
        this.troubles.push(command);
        return true;
      }
      const code = String(ended.error?.['code']);
      if (
        command === 'rollback' &&
        /row-does-not-fit|unique-violation|altered-since-swap/.test(ended.stderr + code)
      )
        return false;
      if (ended.code === null ? isKilled : code === 'already-running') {
        await sleep(300);
        continue;
      }
      throw new BrokenPromise(
        `${command} ended with ${ended.shown}: ${JSON.stringify(ended.error)}\n${ended.stderr}`,
      );
    }
    throw new BrokenPromise(`after ${mostAttempts} times ${command} is not done`);
  }

  async #compareUnchanged(): Promise<number> {
    const before = await this.world.withClient(catalogOf, 'soak', this.#plainUrl);
    return await this.world.withClient(async (client) => {
      await this.#expectNothingLeft(client);
      expectSameCatalog(await catalogOf(client), before, 'the table is not as it was');
      return await expectSameRows(client);
    });
  }

  async #expectNothingLeft(client: pg.Client) {
    let found: string[] = [];
    // A backend whose client has gone needs a moment to go as well.
    for (let tries = 0; tries < 40; tries += 1) {
      found = await leftovers(client);
      if (found.length === 0) return;
      await sleep(100);
    }
    throw new BrokenPromise(`left behind: ${found.join(', ')}`);
  }

  async #admin(...statements: readonly string[]) {
    await this.world.withClient(
      async (client) => {
        for (const statement of statements) await client.query(statement);
      },
      'soak',
      this.#adminUrl,
    );
  }
}

function expectSameCatalog(actual: Map<string, string>, expected: Map<string, string>, what: string) {
  const found = catalogDifferences(actual, expected);
  if (found.length > 0) throw new BrokenPromise(`${what}:\n  ${found.slice(0, 20).join('\n  ')}`);
}

async function expectSequenceFrom(client: pg.Client, from: number) {
  // A column that became an identity still owns its serial's sequence; pg_get_serial_sequence names whichever it finds first.
  const { rows } = await client.query(
    `select nextval(objid::regclass)::int as next
     from pg_depend
     join pg_attribute on attrelid = refobjid and attnum = refobjsubid
     where classid = 'pg_class'::regclass and refobjid = 'public.t'::regclass and attname = 'k' and deptype in ('a', 'i')
     order by deptype desc
     limit 1`,
  );
  if (rows[0].next < from)
    throw new BrokenPromise(`the key's sequence is at ${rows[0].next}, not from ${from} on`);
}

/** @returns how many rows there are */
async function expectSameRows(client: pg.Client): Promise<number> {
  // Every digit.
  await client.query('set extra_float_digits = 3');
  const { rows: columns } = await client.query(
    `select attrelid::regclass::text as table, attname::text as name from pg_attribute
     where attrelid in ('public.t'::regclass, 'm.mirror'::regclass) and attnum > 0 and not attisdropped order by attnum`,
  );
  const namesOf = (table: string) =>
    columns.flatMap((column) => (column.table === table ? [String(column.name)] : []));
  const names = namesOf('t').map(quoted).join(', ');
  const others = namesOf('m.mirror').map(quoted).join(', ');
  if (names !== others) throw new BrokenPromise(`other columns: ${names}; expected ${others}`);
  const found = await differences(
    client,
    `select ${names} from only public.t`,
    `select ${names} from only m.mirror`,
  );
  if (found.length > 0) {
    throw new BrokenPromise(
      `the rows differ (${names}):\n  ${found.map(({ side, row }) => `${side}: ${row.slice(0, 300)}`).join('\n  ')}`,
    );
  }
  const { rows: counted } = await client.query('select count(*)::int as count from public.t');
  return counted[0].count;
}

function refusalOf({ error }: Ended) {
  const reasons = error?.['reasons'] as { code: string; message: string }[] | undefined;
  return reasons?.map(({ code, message }) => `${code} (${message})`).join('; ') ?? String(error?.['message']);
}

function shellQuoted(text: string) {
  return /^[\w./=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
