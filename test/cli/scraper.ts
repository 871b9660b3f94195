/** Reads the metrics of a run like Prometheus, but strictly. */
import { until } from '../support/until.js';

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** The text format, strictly: https://prometheus.io/docs/instrumenting/exposition_formats/ */
function samplesIn(text: string): Sample[] {
  const types = new Map<string, string>();
  return text.split('\n').flatMap((line) => {
    if (line === '') return [];
    const [, type, kind] = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line) ?? [];
    if (type !== undefined && kind !== undefined) types.set(type, kind);
    if (line.startsWith('# ')) return [];
    const [, name = '', labels = '', value = ''] =
      /^([a-z_]+)(?:\{((?:[a-z]+="[^"\n]*",?)*)\})? (\S+)$/.exec(line) ?? [];
    const family = types.has(name) ? name : name.replace(/_(bucket|sum|count)$/, '');
    if (!types.has(family) || Number.isNaN(Number(value))) throw new Error(`not a sample: ${line}`);
    const pairs = [...labels.matchAll(/([a-z]+)="([^"]*)"/g)].map(([, key = '', text_ = '']) => [key, text_]);
    return [{ name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) }];
  });
}

export class Scraper {
  /** Everything that was ever read. */
  seen = '';

  constructor(private readonly url: string) {}

  async samples(): Promise<Sample[]> {
    const response = await fetch(this.url);
    const text = await response.text();
    this.seen += text;
    const type = response.headers.get('content-type') ?? '';
    if (!type.includes('text/plain; version=0.0.4')) throw new Error(`not the text format: ${type}`);
    return samplesIn(text);
  }

  /** Of the run, by name and, where there are several, by a label. */
  async value(name: string, label: Readonly<Record<string, string>> = {}): Promise<number | undefined> {
    const wanted = { migration: '1', table: 'public.orders', ...label };
    const found = (await this.samples()).filter(
      (sample) =>
        sample.name === `pg_ghost_${name}` &&
        Object.entries(wanted).every(([key, value]) => sample.labels[key] === value),
    );
    if (found.length > 1) throw new Error(`${name} is there ${found.length} times`);
    return found[0]?.value;
  }

  async becomes(
    name: string,
    is: (value: number) => boolean,
    label: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    await until(
      async () => {
        const value = await this.value(name, label);
        return value !== undefined && is(value);
      },
      { what: `${name} ${JSON.stringify(label)}` },
    );
  }
}
