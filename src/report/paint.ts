/** Colours and marks, as two values that renderers are given: a test renders plainly, a dumb terminal gets ASCII. */
import picocolors from 'picocolors';

export type Tone = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';

export type Paint = (tone: Tone, text: string) => string;

export const plainPaint: Paint = (_tone, text) => text;

/** Whatever the environment says: here the caller has decided. */
const colours = picocolors.createColors(true);
export const colourPaint: Paint = (tone, text) => colours[tone](text);

export interface Symbols {
  readonly done: string;
  readonly current: string;
  readonly pending: string;
  readonly barFull: string;
  readonly barEmpty: string;
  readonly separator: string;
  readonly ellipsis: string;
  readonly arrow: string;
}

export const unicodeSymbols: Symbols = {
  done: '✔',
  current: '●',
  pending: '○',
  barFull: '█',
  barEmpty: '░',
  separator: '·',
  ellipsis: '…',
  arrow: '→',
};

export const asciiSymbols: Symbols = {
  done: '+',
  current: '>',
  pending: '-',
  barFull: '#',
  barEmpty: '.',
  separator: '|',
  ellipsis: '...',
  arrow: '->',
};

/** How text for people is to look. */
export interface Look {
  readonly paint: Paint;
  readonly symbols: Symbols;
  /** Columns of the terminal. */
  readonly width: number;
}

/** For pipes, files and tests. */
export const plainLook: Look = { paint: plainPaint, symbols: unicodeSymbols, width: 100 };
