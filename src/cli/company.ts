/** Who goes along with a run: hooks, and a server for its metrics. */
import { combineListeners } from '../run/emitter.js';
import type { EventListener } from '../model/event.js';
import { metricsReporter } from '../report/metrics.js';
import type { MigrateOptions } from '../run/run-options.js';
import { describeFailure } from './failure.js';
import { Hooks, type Hook } from './hooks.js';
import type { Invocation } from './invocation.js';
import { startMetricsServer, type MetricsServer } from './metrics-server.js';

export interface CompanyOptions {
  readonly hooks: readonly Hook[];
  readonly metricsPort: number | undefined;
  readonly cancelSignal: AbortSignal;
  readonly log: EventListener;
  /** Writes beside a live display. */
  readonly aside: (write: () => void) => void;
}

export class Company implements AsyncDisposable {
  private constructor(
    private readonly invocation: Invocation,
    private readonly options: CompanyOptions,
    private readonly hooks: Hooks,
    private readonly metrics: ReturnType<typeof metricsReporter>,
    private readonly server: MetricsServer | null,
  ) {}

  /** @throws UsageError `metrics-port` */
  static async gather(invocation: Invocation, options: CompanyOptions): Promise<Company> {
    const { env, redact, outcome, stderr } = invocation;
    const metrics = metricsReporter();
    const server =
      options.metricsPort === undefined ? null : await startMetricsServer(options.metricsPort, metrics);
    const hooks = new Hooks(options.hooks, {
      env,
      redact,
      signal: options.cancelSignal,
      waiting: (event) =>
        options.aside(() => stderr.line(`pg-ghost: waiting for the ${event} hook, a minute at most`)),
      warn: (message) =>
        options.log({
          event: 'warning',
          id: outcome.migrationId,
          at: new Date(),
          code: 'hook-failed',
          message,
        }),
    });
    return new Company(invocation, options, hooks, metrics, server);
  }

  get metricsUrl(): string | null {
    return this.server?.url ?? null;
  }

  /** Runs it with everybody told. @param asTold what a failure is to the user: an interruption is none */
  async accompany<Result>(
    options: MigrateOptions,
    run: (options: MigrateOptions) => Promise<Result>,
    asTold: (error: unknown) => unknown,
  ): Promise<Result> {
    const { hooks, metrics, invocation } = this;
    const isAsked = this.options.hooks.some(({ event }) => event === 'before-cutover');
    try {
      return await run({
        ...options,
        ...(isAsked ? { beforeCutover: hooks.beforeCutover } : {}),
        onEvent: combineListeners([options.onEvent, metrics.listener, hooks.listener]),
      });
    } catch (error) {
      hooks.failed(describeFailure(asTold(error), invocation.redact), invocation.outcome.migrationId);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hooks.close();
    await this.server?.[Symbol.asyncDispose]();
  }
}
