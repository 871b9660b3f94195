/** pg-ghost as its users run it: processes of the command line. */
import { spawn } from 'node:child_process';
import { cp, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/**
 * A copy of the program: a soak runs for hours, and whoever builds meanwhile must not change what it tests.
 *
 * @returns {Promise<{ program: string, remove: () => Promise<void> }>}
 */
export async function copyTool() {
  const directory = await mkdtemp(join(tmpdir(), 'pg-ghost-soak-'));
  for (const part of ['bin', 'dist', 'package.json']) {
    await cp(join(root, part), join(directory, part), { recursive: true });
  }
  await symlink(join(root, 'node_modules'), join(directory, 'node_modules'));
  return {
    program: join(directory, 'bin', 'pg-ghost.js'),
    remove: () => rm(directory, { recursive: true, force: true }),
  };
}

/**
 * @typedef {Record<string, unknown> & { event: string }} ToolEvent
 *
 * @typedef {object} Ended
 * @property {number | null} code null when a signal ended it
 * @property {string} shown `0`, `SIGKILL`, `1 connection-lost`
 * @property {ToolEvent | null} error the last line, when it is one
 * @property {string} stderr
 */

export class ToolRun {
  /** @type {ToolEvent[]} */
  events = [];
  #stderr = '';
  #listeners = new Set(/** @type {((event: ToolEvent) => void)[]} */ ([]));

  /**
   * @param {string} program
   * @param {string} url
   * @param {readonly string[]} args
   */
  constructor(program, url, args) {
    this.child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, DATABASE_URL: url, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const lines = createInterface({ input: this.child.stdout });
    lines.on('line', (line) => this.#read(line));
    this.child.stderr.on('data', (data) => (this.#stderr += String(data)));
    const { promise, resolve } = settled();
    this.child.once('close', (code, signal) => resolve(this.#end(code, signal)));
    this.child.once('error', (error) => {
      this.#stderr += String(error);
    });
    /** @type {Promise<Ended>} */
    this.ended = promise;
  }

  get isRunning() {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** @param {(event: ToolEvent) => void} listener */
  listen(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param {string} line */
  #read(line) {
    /** @type {ToolEvent} */
    let event;
    try {
      event = JSON.parse(line);
    } catch {
      // The last line of a process that was killed.
      event = { event: 'unreadable', line };
    }
    this.events.push(event);
    for (const listener of this.#listeners) listener(event);
  }

  /**
   * @param {number | null} code
   * @param {string | null} signal
   * @returns {Ended}
   */
  #end(code, signal) {
    const last = this.events.at(-1);
    const error = last?.event === 'error' ? last : null;
    const said = error === null ? '' : ` ${String(error['code'])}`;
    const shown = code === null ? String(signal) : `${code}${said}`;
    return { code, shown, error, stderr: this.#stderr };
  }
}

/** @returns {{ promise: Promise<Ended>, resolve: (ended: Ended) => void }} */
function settled() {
  /** @type {(ended: Ended) => void} */
  let resolve = () => undefined;
  /** @type {Promise<Ended>} */
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}
