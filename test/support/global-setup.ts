/** Starts one server for a vitest project, whose name ends in the wanted version (pg-18). */
import type { TestProject } from 'vitest/node';
import type { EmbeddedMajor } from '../../src/lab/embedded-binaries.js';
import { startTestServer } from './server.js';

declare module 'vitest' {
  interface ProvidedContext {
    serverUrl: string;
    serverMajor: number;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const wanted = /^pg-(\d+)$/.exec(project.name)?.[1];
  const server = await startTestServer(Number(wanted ?? 18) as EmbeddedMajor);
  project.provide('serverUrl', server.url);
  project.provide('serverMajor', server.major);
  return async () => {
    await server[Symbol.asyncDispose]();
  };
}
