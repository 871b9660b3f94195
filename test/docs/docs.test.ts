/**
 * The docs say what the code does, as far as that can be checked: every error code, option, event and link, in both
 * directions.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Option } from '@commander-js/extra-typings';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { dependentKinds } from '../../src/catalog/dependent-kinds.js';
import { abortCommand } from '../../src/cli/commands/abort.js';
import { demoCommand } from '../../src/cli/commands/demo.js';
import { finalizeCommand } from '../../src/cli/commands/finalize.js';
import { planCommand } from '../../src/cli/commands/plan.js';
import { rollbackCommand, rollforwardCommand, syncCommand } from '../../src/cli/commands/turn.js';
import { runCommand } from '../../src/cli/commands/run.js';
import { statusCommand } from '../../src/cli/commands/status.js';
import { cutoverCommand, pauseCommand, setCommand, unpauseCommand } from '../../src/cli/commands/steer.js';
import { verifyCommand } from '../../src/cli/commands/verify.js';
import type { Invocation } from '../../src/cli/invocation.js';
import { ExitCode } from '../../src/errors.js';
import { invoke } from '../cli/invoke.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const pages = ['README.md', 'CHANGELOG.md', 'CONTRIBUTING.md'].concat(
  readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
);

/** First groups of all matches. */
function matches(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, group = '']) => group);
}

const sorted = (values: Iterable<string>): string[] => [...new Set(values)].toSorted();

interface SourceFile {
  readonly path: string;
  readonly tree: ts.SourceFile;
}

function sourceFiles(): SourceFile[] {
  const folder = join(root, 'src');
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => {
      const path = join(entry.parentPath ?? entry.path, entry.name);
      const tree = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.ES2022, true);
      return { path: relative(folder, path), tree };
    });
}

function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** The strings that an expression can be: `'a'`, `x ? 'a' : 'b'`, the first of `['a', text]`. */
function stringsOf(node: ts.Expression | undefined): string[] {
  if (node === undefined) return [];
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (ts.isConditionalExpression(node)) return [...stringsOf(node.whenTrue), ...stringsOf(node.whenFalse)];
  if (ts.isArrayLiteralExpression(node)) return stringsOf(node.elements[0]);
  if (ts.isBinaryExpression(node)) return [...stringsOf(node.left), ...stringsOf(node.right)];
  return ts.isParenthesizedExpression(node) ? stringsOf(node.expression) : [];
}

/** The classes that take a code first. */
const errorClasses =
  /^(?:Usage|Failed|Different|CutoverNotObtained|OutcomeUnknown|Interrupted|PgGhost)Error$/;

function codesAt(node: ts.Node, path: string): string[] {
  if (ts.isNewExpression(node) && errorClasses.test(node.expression.getText())) {
    return stringsOf(node.arguments?.[0]);
  }
  if (ts.isPropertyAssignment(node) && node.name.getText() === 'code') return stringsOf(node.initializer);
  if (ts.isVariableDeclaration(node)) {
    const { name } = node;
    const first = ts.isArrayBindingPattern(name) ? name.elements[0]?.getText() : name.getText();
    return first === 'code' ? stringsOf(node.initializer) : [];
  }
  // Its tables are lists of [code, hint].
  return path === 'plan/change/unsupported.ts' && ts.isArrayLiteralExpression(node) ? stringsOf(node) : [];
}

/** `refused`: what RefusedError makes of several reasons. */
const codesWithoutLiteral = [...Object.keys(dependentKinds), 'refused'];

test('every code has an entry in docs/errors.md, and every entry is a code', () => {
  const codes = [...codesWithoutLiteral];
  for (const { path, tree } of sourceFiles()) walk(tree, (node) => codes.push(...codesAt(node, path)));
  const entries = matches(read('docs/errors.md'), /^(?:### |\| )`([^`]+)`/gm);
  expect(sorted(entries)).toEqual(sorted(codes));
});

/** Values that are no text for people: how a session is called in pg_stat_activity. */
const namesOfSessions = new Set(['applicationName', 'application_name', 'ownApplications']);
const commandNames = [
  'plan',
  'run',
  'status',
  'pause',
  'unpause',
  'set',
  'cutover',
  'verify',
  'abort',
  'finalize',
];
const aCommandLine = new RegExp(
  `pg-ghost (?:${commandNames.join('|')}|rollback|sync|bench|report|demo)\\b|(?<!')pg-ghost $`,
);

test('only src/cli puts command lines together: elsewhere what to do is data', () => {
  const found: string[] = [];
  for (const { path, tree } of sourceFiles()) {
    if (path.startsWith(join('cli', ''))) continue;
    const look = (node: ts.Node): void => {
      const name = ts.isPropertyAssignment(node) || ts.isVariableDeclaration(node) ? node.name.getText() : '';
      if (namesOfSessions.has(name)) return;
      const text = textOf(node);
      if (text !== null && aCommandLine.test(text)) found.push(`${path}: ${text}`);
      ts.forEachChild(node, look);
    };
    look(tree);
  }
  expect(found).toEqual([]);
});

/** Of a literal, or of a piece of a template. */
function textOf(node: ts.Node): string | null {
  const isText =
    ts.isStringLiteralLike(node) ||
    ts.isTemplateHead(node) ||
    ts.isTemplateMiddle(node) ||
    ts.isTemplateTail(node);
  return isText ? node.text : null;
}

test('every exit code is explained', () => {
  const rows = matches(read('docs/cli.md'), /^\| (\d+) \|/gm).map(Number);
  expect(rows).toEqual(Object.values(ExitCode).toSorted((a, b) => a - b));
});

const commands = [
  planCommand,
  runCommand,
  statusCommand,
  pauseCommand,
  unpauseCommand,
  setCommand,
  cutoverCommand,
  verifyCommand,
  abortCommand,
  rollbackCommand,
  rollforwardCommand,
  syncCommand,
  finalizeCommand,
  demoCommand,
].map((create) => create({} as Invocation));

/** `--workers <N>` to its commands and its default, as docs/cli.md has them. */
function knownOptions(): Map<string, string> {
  const options = new Map<string, { names: string[]; defaultText: string | null }>();
  for (const command of commands) {
    for (const option of command.options as readonly Option[]) {
      const known = options.get(option.flags) ?? { names: [], defaultText: defaultOf(option) };
      known.names.push(command.name());
      options.set(option.flags, known);
    }
  }
  return new Map(
    [...options].map(([flags, { names, defaultText }]) => [
      flags,
      `${names.join(', ')}${defaultText === null ? '' : `; ${defaultText}`}`,
    ]),
  );
}

/** null: none, or one that the program itself fills in. */
function defaultOf({ negate, defaultValue, defaultValueDescription }: Option): string | null {
  if (negate || defaultValue === undefined) return null;
  return defaultValueDescription ?? String(defaultValue);
}

test('every option is in docs/cli.md, with its commands and its default', () => {
  const known = knownOptions();
  const documented = new Map(
    [...read('docs/cli.md').matchAll(/^\| `(-[^`]+)` \| ([^|]*) \| ([^|]*)\|/gm)].map(
      ([, flags = '', names = '', given = '']) => {
        const shown = known.get(flags)?.includes(';') === true ? `; ${given.trim()}` : '';
        return [flags, `${names.trim()}${shown}`];
      },
    ),
  );
  expect(Object.fromEntries(documented)).toEqual(Object.fromEntries(known));
});

test('every command has a section in docs/cli.md', async () => {
  const { stdout } = await invoke(['--help']);
  const list = stdout.text.split('Commands:\n')[1]?.split('\n\n')[0] ?? '';
  const names = matches(list, /^ {2}([a-z]+) /gm).filter((name) => name !== 'help');
  expect(commands.map((command) => command.name())).toEqual(names);
  expect(matches(read('docs/cli.md'), /^## pg-ghost (\w+)$/gm)).toEqual(names);
});

test('every event has a section in docs/cli.md, with an example', () => {
  const events: string[] = [];
  const { tree } = sourceFiles().find(({ path }) => path === join('model', 'event.ts')) ?? {};
  if (tree === undefined) throw new Error('src/model/event.ts is gone');
  walk(tree, (node) => {
    if (ts.isInterfaceDeclaration(node) && node.name.text === 'EventMap') {
      for (const { name } of node.members) {
        if (name !== undefined && (ts.isStringLiteral(name) || ts.isIdentifier(name))) events.push(name.text);
      }
    }
  });
  const page = read('docs/cli.md');
  expect(sorted(matches(page, /^#### `([^`]+)`$/gm))).toEqual(sorted(events));
  const examples = matches(page, /^```json\n(.*)\n```$/gm).map(
    (line) => JSON.parse(line) as Record<string, unknown>,
  );
  const shown = examples.flatMap(({ event }) => (typeof event === 'string' ? [event] : []));
  expect(sorted(shown)).toEqual(
    sorted([...events, 'pause:done', 'unpause:done', 'set:done', 'abort:done', 'finalize:done', 'error']),
  );
});

/** https://docs.github.com/en/get-started/writing-on-github: section links. */
function anchorsOf(markdown: string): Set<string> {
  const headings = matches(withoutCode(markdown), /^#{1,6} (.+)$/gm);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
        .trim()
        .replaceAll(/\s/g, '-'),
    ),
  );
}

function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^```[\s\S]*?^```/gm, '');
}

test.each(pages)('links in %s lead somewhere', (page) => {
  const links = matches(withoutCode(read(page)), /\]\(([^)\s]+)\)/g).filter((link) => !/^[a-z]+:/.test(link));
  const broken = links.filter((link) => {
    const [path = '', anchor] = link.split('#');
    const target = path === '' ? page : relative(root, join(root, dirname(page), path));
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && !anchorsOf(read(target)).has(anchor);
  });
  expect(broken).toEqual([]);
});

test('files of the repository that the docs name are there', () => {
  const named = pages.flatMap((page) => matches(read(page), /`((?:src|test)\/[\w./-]+\.ts)`/g));
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('tests that docs/how-it-works.md quotes are there', () => {
  const page = read('docs/how-it-works.md').replaceAll(/\s+/g, ' ');
  const quoted = [...page.matchAll(/`(test\/[\w./-]+\.ts)`((?:, "[^"]+")+)/g)].flatMap(
    ([, path = '', titles = '']) => matches(titles, /"([^"]+)"/g).map((title) => ({ path, title })),
  );
  expect(quoted.length).toBeGreaterThan(10);
  expect(quoted.filter(({ path, title }) => !read(path).includes(title))).toEqual([]);
});

test('CONTRIBUTING.md draws the rooms of .dependency-cruiser.cjs, top first, and says what is in each', () => {
  const { forbidden } = createRequire(import.meta.url)(join(root, '.dependency-cruiser.cjs')) as {
    readonly forbidden: readonly { readonly name: string }[];
  };
  const rooms = forbidden.flatMap(({ name }) => matches(name, /^(.+)-imports-downwards$/g));
  const page = read('CONTRIBUTING.md');
  const drawing = matches(page, /^```mermaid\n([\s\S]*?)^```/gm).join('');
  expect(matches(drawing, /<b>(\w+)<\/b>/g)).toEqual(rooms);
  const described = matches(page, /^\| `src\/(\w+)(?:\/|\.ts)` \|/gm);
  expect(sorted(described)).toEqual(sorted(rooms));
});

test('the README fits on a few screens', () => {
  expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(200);
});
