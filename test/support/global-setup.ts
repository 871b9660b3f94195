/** Starts one server for a vitest project, whose name has the wanted version and may have the kind of capture (pg-18, pg-18-logical). */
import type { TestProject } from 'vitest/node';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startTestServer } from './server.js';

declare module 'vitest' {
  interface ProvidedContext {
    serverUrl: string;
    serverMajor: number;
    /** How migrations capture, where a test does not say it. */
    capture: 'triggers' | 'logical';
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const wanted = /^pg-(\d+)/.exec(project.name)?.[1];
  const server = await startTestServer(Number(wanted ?? 18) as EmbeddedMajor);
  project.provide('serverUrl', server.url);
  project.provide('serverMajor', server.major);
  project.provide('capture', project.name.endsWith('-logical') ? 'logical' : 'triggers');
  return async () => {
    await server[Symbol.asyncDispose]();
  };
}
