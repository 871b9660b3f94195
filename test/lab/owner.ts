/**
 * A process of its own that starts an embedded server and then ends in some way, to see what it leaves behind. It runs
 * the sources, transpiled into a temporary folder: Node 20 does not run TypeScript, and `dist` may be older than `src`.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import ts from 'typescript';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';

export interface Owner extends Disposable {
  readonly process: ChildProcess;
  readonly postmasterPid: number;
  readonly serverDirectory: string;
}

/**
 * Starts the owner, in a process group of its own, and returns when its server is up.
 *
 * @param end what it does then: JavaScript, `''` for nothing at all
 */
export async function startOwner(folder: string, major: EmbeddedMajor, end: string): Promise<Owner> {
  // Its imports come after it; those of types are gone from what is transpiled.
  const sources = new Set(['lab/embedded-server']);
  for (const source of sources) {
    const text = await readFile(new URL(`../../src/${source}.ts`, import.meta.url), 'utf8');
    const { outputText } = ts.transpileModule(text, {
      compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
    });
    await mkdir(dirname(join(folder, source)), { recursive: true });
    await writeFile(join(folder, `${source}.js`), outputText);
    for (const [, path = ''] of outputText.matchAll(/\bfrom '(\.[^']+)\.js'/g))
      sources.add(join(dirname(source), path));
  }
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  const main = join(folder, 'owner.js');
  await writeFile(
    main,
    `import { dirname } from 'node:path';
     import { readFileSync } from 'node:fs';
     import { startEmbeddedServer } from './lab/embedded-server.js';
     const server = await startEmbeddedServer({ major: ${major}, settings: { fsync: 'off' } });
     const postmasterPid = Number(readFileSync(server.dataDirectory + '/postmaster.pid', 'utf8').split('\\n')[0]);
     console.log(JSON.stringify({ postmasterPid, serverDirectory: dirname(server.dataDirectory) }));
     ${end}`,
  );
  // Started from the project: the packages are found from the current directory, as with npx.
  const owner = spawn(process.execPath, [main], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let errors = '';
  owner.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  for await (const line of createInterface(owner.stdout)) {
    const server = JSON.parse(line) as { postmasterPid: number; serverDirectory: string };
    return {
      process: owner,
      ...server,
      // For a test that fails: it alone leaves something.
      [Symbol.dispose]: () => {
        owner.kill('SIGKILL');
        if (existsSync(server.serverDirectory)) process.kill(server.postmasterPid, 'SIGQUIT');
      },
    };
  }
  throw new Error(`the owner started no server: ${errors}`);
}
