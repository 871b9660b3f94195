/**
 * CopyData messages out of a connection's bytes (https://www.postgresql.org/docs/current/protocol-message-formats.html). pg makes an
 * object, an event and a Buffer of each; where thousands come in a second, most of the time goes there.
 */
export interface CopyDataListener {
  /** The bytes `from` to `to` of it are the content of one message. They are others as soon as this has returned. */
  readonly data: (bytes: Buffer, from: number, to: number) => void;
  /** Any other message, whole, as it came. */
  readonly other: (message: Buffer) => void;
}

const copyDataTag = 0x64;
const headerBytes = 5;

export class CopyDataReader {
  /** Of a message that has not come to its end. */
  #parts: Buffer[] = [];
  #partBytes = 0;
  /** Of the whole message; as much as is needed to know that. */
  #needed = headerBytes;

  constructor(private readonly listener: CopyDataListener) {}

  /** @param chunk what came next: any number of messages, and parts of messages */
  push(chunk: Buffer): void {
    if (this.#partBytes + chunk.length < this.#needed) {
      this.#keep(chunk);
      return;
    }
    let bytes = chunk;
    if (this.#partBytes > 0) {
      this.#keep(chunk);
      bytes = Buffer.concat(this.#parts, this.#partBytes);
      this.#parts = [];
      this.#partBytes = 0;
    }
    this.#needed = headerBytes;
    const rest = this.#read(bytes);
    if (rest < bytes.length) this.#keep(bytes.subarray(rest));
  }

  #keep(part: Buffer): void {
    this.#parts.push(part);
    this.#partBytes += part.length;
  }

  /** @returns where the last message begins that is not whole */
  #read(bytes: Buffer): number {
    let at = 0;
    while (at + headerBytes <= bytes.length) {
      // The length counts itself, and not the tag.
      const end = at + 1 + bytes.readUInt32BE(at + 1);
      if (end > bytes.length) {
        this.#needed = end - at;
        break;
      }
      if (bytes[at] === copyDataTag) this.listener.data(bytes, at + headerBytes, end);
      else this.listener.other(bytes.subarray(at, end));
      at = end;
    }
    return at;
  }
}
