/** What a caller says of where to connect. */
export interface ConnectionOptions {
  /**
   * `postgres://user:password@host:port/database?sslmode=require`, or `host=... dbname=...`; with several hosts, a service and
   * everything else that libpq knows. What it does not say the service says, then the environment, then libpq's defaults.
   */
  readonly url?: string;
  /** libpq's variables (PGHOST ...) and HOME; those of the process when not given. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}
