/** What is to blame in something that fails as a whole, found by halving it: which row, not just that there is one. */

export interface HalvingSearch<Part, Failure> {
  /** Does it with all of the part; what went wrong, or null. */
  readonly attempt: (part: Part) => Promise<Failure | null>;
  /** What makes up a part; null when it is but one thing. */
  readonly split: (part: Part) => readonly Part[] | null | Promise<readonly Part[] | null>;
  /** One thing fails. */
  readonly found: (part: Part, failure: Failure) => Promise<void> | void;
  /** Nothing more is looked for. */
  readonly isEnough?: () => boolean;
  /** Half a minute, if not given: whoever waits for the answer wants an incomplete one then. */
  readonly withinMs?: number;
  readonly signal?: AbortSignal | undefined;
}

const searchTimeMs = 30_000;

/** @throws the signal's reason; what the callbacks throw */
export async function searchByHalves<Part, Failure>(
  whole: Part,
  search: HalvingSearch<Part, Failure>,
): Promise<{ readonly timedOut: boolean }> {
  const deadline = performance.now() + (search.withinMs ?? searchTimeMs);
  let timedOut = false;
  await look(whole);
  return { timedOut };

  async function look(part: Part): Promise<void> {
    search.signal?.throwIfAborted();
    timedOut ||= performance.now() > deadline;
    if (timedOut || search.isEnough?.() === true) return;
    const failure = await search.attempt(part);
    if (failure === null) return;
    const parts = await search.split(part);
    if (parts === null) return await search.found(part, failure);
    for (const each of parts) await look(each);
  }
}

/** Numbers: `from` included, `to` not. */
export interface NumberRange {
  readonly from: number;
  readonly to: number;
}

/** null when there is but one number. */
export function inTwo({ from, to }: NumberRange): NumberRange[] | null {
  if (to - from <= 1) return null;
  const middle = Math.floor((from + to) / 2);
  return [
    { from, to: middle },
    { from: middle, to },
  ];
}
