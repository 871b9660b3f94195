/** Lines that are drawn over themselves, by log-update. */
import { createLogUpdate } from 'log-update';

export interface Screen {
  /** Instead of what is there; each line is no wider than the terminal. */
  draw(lines: readonly string[]): void;
  /** Takes it away. */
  clear(): void;
  /** Leaves it where it is. */
  done(): void;
}

export function createScreen(stream: NodeJS.WriteStream): Screen {
  const update = createLogUpdate(stream);
  let height = 0;
  return {
    draw(lines) {
      // log-update 7 writes only what differs, but leaves lines below that where they are when it has become more or less:
      // of a picture that shrinks, the last line stays twice. https://github.com/sindresorhus/log-update (8 wants Node 22)
      if (lines.length !== height) update.clear();
      height = lines.length;
      update(lines.join('\n'));
    },
    clear() {
      update.clear();
      height = 0;
    },
    done() {
      update.done();
      height = 0;
    },
  };
}
