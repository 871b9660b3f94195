#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);

if (existsSync(main)) {
  const { main: run } = await import(main.href);
  await run(process.argv);
} else {
  console.error('pg-ghost has not been built yet: npm run build');
  process.exitCode = 1;
}
