/**
 * Messages of pgoutput. Those that come with every transaction and every row are read here: `pg-logical-replication` makes several
 * objects of each, with all columns, through pg's global parsers (which lose microseconds and digits) and with signed ids; that took
 * more of the processor than all else that a feed does. The others it reads.
 */
import { PgoutputPlugin } from 'pg-logical-replication';
import type { Lsn } from '../../db/replication.js';

/** Of the wanted columns, the texts that the server has sent; null for what is NULL, or was not sent (stored apart and unchanged, say). */
export type Values = (string | null)[];

/** Changes are those of the wanted table. */
export interface MessageListener {
  begin(xid: number, commit: Lsn): void;
  commit(end: Lsn): void;
  inserted(after: Values): void;
  /** @param before null where the replica identity is as it was */
  updated(before: Values | null, after: Values): void;
  deleted(before: Values): void;
  truncated(): void;
  /**
   * What the rows that follow are of; said again when it is another one.
   *
   * @param hasFormer of each wanted column, whether its former value is sent with an UPDATE that changes it, and with a DELETE
   */
  described(hasFormer: readonly boolean[]): void;
  /** Of `pg_logical_emit_message`. */
  message(prefix: string, content: string): void;
}

export interface Wanted {
  /** OID of the table. */
  readonly table: number;
  /** Where they stand among the columns that are published, in the order of `Values`: columns may be renamed, and renamed back. */
  readonly positions: readonly number[];
}

/** B, C, I, U, D. */
const [begin, commit, insert, update, remove] = [0x42, 0x43, 0x49, 0x55, 0x44] as const;
/** K, O: what follows is a former row, its replica identity or all of it. */
const [formerKey, formerRow] = [0x4b, 0x4f] as const;
/** The flag of a column that is part of the replica identity. */
const ofIdentity = 1;
/** n, u, t: a column that is NULL, one that was not sent, and one that was, as text. */
const [asNull, unchanged, asText] = [0x6e, 0x75, 0x74] as const;

export class MessageReader {
  readonly #rare = new PgoutputPlugin({ protoVersion: 1, publicationNames: [], messages: true });
  /** By the column's position in a row: its place among the wanted, -1 for others. */
  #places: readonly number[] = [];
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(
    private readonly wanted: Wanted,
    private readonly listener: MessageListener,
  ) {}

  /** @param from where a message begins in `bytes`; it ends at `to` */
  read(bytes: Buffer, from: number, to: number): void {
    const tag = bytes[from];
    switch (tag) {
      case begin:
        // Its commit's position, its time, its id.
        this.listener.begin(bytes.readUInt32BE(from + 17), bytes.readBigUInt64BE(from + 1));
        return;
      case commit:
        // Flags, the commit's position, its end.
        this.listener.commit(bytes.readBigUInt64BE(from + 10));
        return;
      case insert:
      case update:
      case remove:
        if (bytes.readUInt32BE(from + 1) === this.wanted.table) this.#change(tag, bytes, from + 5);
        return;
      default:
        this.#readRare(bytes.subarray(from, to));
    }
  }

  #change(tag: number, bytes: Buffer, from: number): void {
    this.#bytes = bytes;
    this.#at = from;
    const { listener } = this;
    if (tag === insert) {
      listener.inserted(this.#row());
      return;
    }
    const kind = bytes[from];
    const before = kind === formerKey || kind === formerRow ? this.#row() : null;
    if (tag === update) listener.updated(before, this.#row());
    else listener.deleted(before ?? this.#none());
  }

  #none(): Values {
    return this.wanted.positions.map(() => null);
  }

  /** What it is, how many columns, and of each whether it is there, how long, and its text. */
  #row(): Values {
    const bytes = this.#bytes;
    const values = this.#none();
    let at = this.#at + 1;
    const count = bytes.readUInt16BE(at);
    at += 2;
    for (let column = 0; column < count; column += 1) {
      const kind = bytes[at];
      at += 1;
      if (kind === asNull || kind === unchanged) continue;
      if (kind !== asText) throw new Error(`a column of the stream is of the unknown kind ${kind}`);
      const end = at + 4 + bytes.readUInt32BE(at);
      const place = this.#places[column] ?? -1;
      if (place >= 0) values[place] = bytes.toString('utf8', at + 4, end);
      at = end;
    }
    this.#at = at;
    return values;
  }

  #readRare(payload: Buffer): void {
    const message = this.#rare.parse(payload);
    const { table, positions } = this.wanted;
    switch (message.tag) {
      case 'relation':
        if (message.relationOid >>> 0 !== table) return;
        this.#places = message.columns.map((_, position) => positions.indexOf(position));
        this.listener.described(
          positions.map((position) => ((message.columns[position]?.flags ?? 0) & ofIdentity) !== 0),
        );
        return;
      case 'truncate':
        if (message.relations.some(({ relationOid }) => relationOid >>> 0 === table))
          this.listener.truncated();
        return;
      case 'message':
        this.listener.message(message.prefix, Buffer.from(message.content).toString('utf8'));
        return;
      default:
      // What a type is, where a transaction came from.
    }
  }
}

/** `0/15E1B28`, however it is padded. */
export function toLsn(text: string | null): Lsn {
  const [high = '0', low = '0'] = (text ?? '0/0').split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

export function lsnText(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();
}
