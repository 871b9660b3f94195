/** Who works at the same time. Each comes and goes by itself, so that the others work on while the crew grows or shrinks. */
export interface Crew<Worker> {
  /** How many there are to be now, one at least; asked again before each piece, and when `resized` says so. */
  readonly wanted: () => number;
  /** The present one: aborts when `wanted` is another number from then on. Absent: it stays as it is. */
  readonly resized?: () => AbortSignal;
  readonly join: () => Promise<Worker>;
  /** After its last piece, whatever came of that. */
  readonly leave: (worker: Worker) => Promise<void>;
}

/** Workers that are there already, and stay when the work is done. */
export function crewOf<Worker>(workers: readonly Worker[]): Crew<Worker> {
  const idle = [...workers];
  return {
    wanted: () => workers.length,
    async join() {
      const worker = idle.shift();
      if (worker === undefined) throw new Error('more workers than there are');
      return worker;
    },
    async leave(worker) {
      idle.push(worker);
    },
  };
}
