/** stdout or stderr. A reader that went away (`| head`) is not an error: the work goes on unheard. */
import { colourPaint, type Look, asciiSymbols, plainPaint, unicodeSymbols } from '../report/paint.js';
import type { Environment } from './given-connection.js';

/** What is used of a `NodeJS.WriteStream`. */
export interface OutputStream {
  readonly rows?: number | undefined;
  write(text: string): unknown;
  on(event: 'error', listener: () => void): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
}

export class Output {
  readonly #stream: OutputStream;
  readonly #env: Environment;
  #closed = false;

  constructor(stream: OutputStream, env: Environment) {
    this.#stream = stream;
    this.#env = env;
    stream.on('error', () => {
      this.#closed = true;
    });
  }

  /** A terminal that has not been told its size (a container's, `script` in a cron job) has no room for a display. */
  get isTTY(): boolean {
    const { isTTY, columns, rows } = this.#stream;
    return isTTY === true && columns !== 0 && rows !== 0 && this.#env['TERM'] !== 'dumb';
  }

  /** For the live display, which moves the cursor; only where `isTTY`. */
  get terminal(): NodeJS.WriteStream {
    return this.#stream as NodeJS.WriteStream;
  }

  line(text: string): void {
    this.write(`${text}\n`);
  }

  write(text: string): void {
    if (!this.#closed) this.#stream.write(text);
  }

  /** @param asked false with `--no-color` */
  coloured(asked: boolean): boolean {
    // https://no-color.org: present and not empty, whatever its value.
    return asked && this.isTTY && (this.#env['NO_COLOR'] ?? '') === '';
  }

  look(colourAsked: boolean): Look {
    return {
      paint: this.coloured(colourAsked) ? colourPaint : plainPaint,
      symbols: isUtf8(this.#env) ? unicodeSymbols : asciiSymbols,
      width: Math.max(60, this.#stream.columns ?? 100),
    };
  }
}

/** As the C library decides: the first of these that is set. Without any (a cron job) files are still UTF-8 nowadays. */
function isUtf8(env: Environment): boolean {
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find(
    (value) => value !== undefined && value !== '',
  );
  return locale === undefined || /utf-?8/i.test(locale);
}
