/**
 * Takes a cluster that was stopped into the next epoch of transaction ids, as four billion transactions would: what
 * `pg_resetwal --epoch` does, which the embedded servers come without. The checkpoint is in pg_control and in the WAL, each with a checksum.
 * https://github.com/postgres/postgres/blob/REL_18_STABLE/src/include/catalog/pg_control.h
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Of pg_control: the position of the last checkpoint, and a copy of it. */
const checkpointAt = 32;
const copyAt = 40;
/** Of a checkpoint: its timeline, and the next transaction id with its epoch. */
const timelineIn = 8;
const nextXidIn = 24;

const segmentBytes = 16 * 1024 * 1024;
const pageBytes = 8192;
/** Of a page of the WAL; of the first one of a segment. */
const [pageHeader, segmentHeader] = [24, 40];
const recordHeader = 24;
const recordChecksum = 20;
/** Before the data of a short record. */
const dataHeader = 2;

/** @returns the next transaction id from now on */
export async function enterNextEpoch(dataDirectory: string): Promise<bigint> {
  const controlPath = join(dataDirectory, 'global', 'pg_control');
  const control = await readFile(controlPath);
  const checksumAt = findChecksum(control);
  const next = control.readBigUInt64LE(copyAt + nextXidIn) + 2n ** 32n;
  control.writeBigUInt64LE(next, copyAt + nextXidIn);
  control.writeUInt32LE(crc32c(control.subarray(0, checksumAt)), checksumAt);

  const position = control.readBigUInt64LE(checkpointAt);
  const timeline = control.readUInt32LE(copyAt + timelineIn);
  const hex = (value: number | bigint): string => value.toString(16).toUpperCase().padStart(8, '0');
  const segment = (position % 2n ** 32n) / BigInt(segmentBytes);
  const walPath = join(dataDirectory, 'pg_wal', `${hex(timeline)}${hex(position >> 32n)}${hex(segment)}`);
  const wal = await readFile(walPath);
  const start = Number(position % BigInt(segmentBytes));
  const places = placesFrom(start, wal.readUInt32LE(start));
  const record = Buffer.from(places.map((place) => wal[place] ?? 0));
  record.writeBigUInt64LE(next, recordHeader + dataHeader + nextXidIn);
  const checksum = crc32c(Buffer.concat([record.subarray(recordHeader), record.subarray(0, recordChecksum)]));
  record.writeUInt32LE(checksum, recordChecksum);
  for (const [index, place] of places.entries()) wal[place] = record[index] ?? 0;

  // In place: owners and permissions stay.
  await writeFile(walPath, wal);
  await writeFile(controlPath, control);
  return next;
}

/** It stands behind all else, and that is longer in each version. */
function findChecksum(control: Buffer): number {
  for (let at = 200; at < 400; at += 4)
    if (crc32c(control.subarray(0, at)) === control.readUInt32LE(at)) return at;
  throw new Error('pg_control has no checksum');
}

/** Of the bytes of a record in its segment, without the headers of pages between them. */
function placesFrom(start: number, length: number): number[] {
  const places: number[] = [];
  for (let at = start; places.length < length; at += 1) {
    if (at % pageBytes === 0) at += at === 0 ? segmentHeader : pageHeader;
    places.push(at);
  }
  return places;
}

/** Castagnoli's, as the server computes it. */
function crc32c(bytes: Buffer): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return ~crc >>> 0;
}
