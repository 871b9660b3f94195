/**
 * Messages of pgoutput, as `pg-logical-replication` reads them, made safe: values stay the texts that the server has sent (its parser
 * goes through pg's global ones, which lose microseconds and digits), transaction ids are unsigned, positions are numbers.
 */
import { PgoutputPlugin, type Pgoutput } from 'pg-logical-replication';
import type { Lsn } from '../../db/replication.js';

/** By column; what was not sent (not part of the replica identity, or stored apart and unchanged) is not in it. */
export type Tuple = Readonly<Record<string, string | null | undefined>>;

export type Message =
  /** What the rows that follow are of; said again when it is another one. */
  | {
      readonly kind: 'relation';
      readonly relation: number;
      /** Those that are published, as they were called at that moment, in the order of the table. */
      readonly columns: readonly string[];
      /** Columns whose former values are sent with an UPDATE that changes them, and with a DELETE. */
      readonly identity: readonly string[];
    }
  | { readonly kind: 'begin'; readonly xid: number; readonly commit: Lsn }
  | { readonly kind: 'insert'; readonly relation: number; readonly after: Tuple }
  | {
      readonly kind: 'update';
      readonly relation: number;
      /** null where the replica identity is as it was. */
      readonly before: Tuple | null;
      readonly after: Tuple;
    }
  | { readonly kind: 'delete'; readonly relation: number; readonly before: Tuple }
  | { readonly kind: 'truncate'; readonly relations: readonly number[] }
  /** Of `pg_logical_emit_message`. */
  | { readonly kind: 'message'; readonly prefix: string; readonly content: string }
  | { readonly kind: 'commit'; readonly end: Lsn };

export class MessageReader {
  readonly #plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [], messages: true });

  /** null for what nobody needs to know: what a type is, where a transaction came from. */
  read(payload: Buffer): Message | null {
    const message = this.#plugin.parse(payload);
    switch (message.tag) {
      case 'relation':
        // The object that later rows are read by.
        for (const column of message.columns) column.parser = (text: string) => text;
        return {
          kind: 'relation',
          relation: oidOf(message),
          columns: message.columns.map(({ name }) => name),
          identity: message.keyColumns,
        };
      case 'type':
      case 'origin':
        return null;
      case 'begin':
        return { kind: 'begin', xid: message.xid >>> 0, commit: toLsn(message.commitLsn) };
      case 'insert':
        return { kind: 'insert', relation: oidOf(message.relation), after: message.new };
      case 'update':
        return {
          kind: 'update',
          relation: oidOf(message.relation),
          before: message.key ?? message.old,
          after: message.new,
        };
      case 'delete':
        return {
          kind: 'delete',
          relation: oidOf(message.relation),
          before: message.key ?? message.old ?? {},
        };
      case 'truncate':
        return { kind: 'truncate', relations: message.relations.map(oidOf) };
      case 'message':
        return {
          kind: 'message',
          prefix: message.prefix,
          content: Buffer.from(message.content).toString('utf8'),
        };
      case 'commit':
        return { kind: 'commit', end: toLsn(message.commitEndLsn) };
    }
  }
}

function oidOf({ relationOid }: Pgoutput.MessageRelation): number {
  return relationOid >>> 0;
}

/** `0/15E1B28`, however it is padded. */
export function toLsn(text: string | null): Lsn {
  const [high = '0', low = '0'] = (text ?? '0/0').split('/');
  return (BigInt(`0x${high}`) << 32n) | BigInt(`0x${low}`);
}

export function lsnText(lsn: Lsn): string {
  return `${(lsn >> 32n).toString(16)}/${(lsn & 0xffff_ffffn).toString(16)}`.toUpperCase();
}
