/** A migration that is under way while something else is measured: the tool as its users run it, and taken back at the end. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { abort } from '../../src/index.js';
import { toolProgram } from './tool.js';

interface Told {
  readonly event: string;
  readonly phase?: string;
}

export class HeldTool {
  #errors = '';

  private constructor(
    private readonly child: ChildProcess,
    private readonly url: string,
  ) {
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#errors += text));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /**
   * Resolves when it has told what it is held at.
   *
   * @param program that of this checkout, where none is given
   */
  static async start({
    url,
    args,
    isHeld,
    program = toolProgram,
    nodeOptions = [],
  }: {
    readonly url: string;
    readonly args: readonly string[];
    readonly isHeld: (told: Told) => boolean;
    readonly program?: string;
    readonly nodeOptions?: readonly string[];
  }): Promise<HeldTool> {
    const child = spawn(process.execPath, [...nodeOptions, program, 'run', '--json', ...args], {
      env: { ...process.env, DATABASE_URL: url },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const tool = new HeldTool(child, url);
    const lines = createInterface({ input: child.stdout });
    await new Promise<void>((resolve, reject) => {
      lines.on('line', (line) => {
        if (isHeld(JSON.parse(line) as Told)) resolve();
      });
      child.once('close', (code) => reject(new Error(`pg-ghost run ended with ${code}: ${tool.#errors}`)));
    });
    return tool;
  }

  /** @throws when it has ended by itself */
  async end(): Promise<void> {
    if (this.child.exitCode !== null)
      throw new Error(`pg-ghost run ended with ${this.child.exitCode}: ${this.#errors}`);
    const closed = once(this.child, 'close');
    this.child.kill('SIGINT');
    await closed;
    await abort({ connection: { url: this.url } }, 1);
  }
}
