/** Who holds what we wait for; never the text of their SQL. */
export interface Blocker {
  readonly pid: number;
  readonly backendType: string;
  readonly user: string | null;
  readonly application: string | null;
  readonly state: string | null;
  readonly transactionSeconds: number | null;
  readonly lockModes: readonly string[];
}
