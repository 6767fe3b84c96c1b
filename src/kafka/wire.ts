/** Kafka's primitive types, for the requests that kafkajs has no, or no fitting, codec for. */

/** Stands for none. UUIDs are texts as Kafka's tools print them: base64url without padding. */
export const NO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'
const UUID_BYTES = 16

/** Writes big-endian values one after another, and hands over buffers of others without copying them. */
export class WireWriter {
  readonly #parts: Uint8Array[] = []
  #buffer = Buffer.allocUnsafe(256)
  #from = 0
  #to = 0

  int8(value: number): this {
    this.#to = this.#room(1).writeInt8(value, this.#to)
    return this
  }
  int16(value: number): this {
    this.#to = this.#room(2).writeInt16BE(value, this.#to)
    return this
  }
  int32(value: number): this {
    this.#to = this.#room(4).writeInt32BE(value, this.#to)
    return this
  }
  /** A producer id is given as kafkajs has it: in decimal. */
  int64(value: number | string): this {
    this.#to = this.#room(8).writeBigInt64BE(BigInt(value), this.#to)
    return this
  }
  string(value: string | null): this {
    if (value === null) return this.int16(-1)
    const length = Buffer.byteLength(value)
    return this.int16(length).#text(value, length)
  }
  unsignedVarint(value: number): this {
    let rest = value
    for (; rest > 0x7f; rest >>>= 7) this.int8((((rest & 0x7f) | 0x80) << 24) >> 24)
    return this.int8(rest)
  }
  compactString(value: string | null): this {
    if (value === null) return this.unsignedVarint(0)
    const length = Buffer.byteLength(value)
    return this.unsignedVarint(length + 1).#text(value, length)
  }
  /** INT32 length, then the bytes themselves, which must not change until they are sent. */
  bytes(value: Uint8Array): this {
    return this.int32(value.length).#as(value)
  }
  /** As `bytes`, with the length as an unsigned varint, one more than it is. */
  compactBytes(value: Uint8Array): this {
    return this.unsignedVarint(value.length + 1).#as(value)
  }
  uuid(value: string): this {
    const bytes = Buffer.from(value, 'base64url')
    if (bytes.length !== UUID_BYTES) throw new RangeError(`${value} is not a UUID`)
    return this.#as(bytes)
  }
  array<T>(items: readonly T[], write: (item: T) => void): this {
    this.int32(items.length)
    items.forEach(write)
    return this
  }
  compactArray<T>(items: readonly T[], write: (item: T) => void): this {
    this.unsignedVarint(items.length + 1)
    items.forEach(write)
    return this
  }
  parts(): readonly Uint8Array[] {
    this.#cut()
    return this.#parts
  }

  #as(value: Uint8Array): this {
    this.#cut()
    this.#parts.push(value)
    return this
  }
  #text(value: string, length: number): this {
    // First the room: it moves where to write.
    const buffer = this.#room(length)
    this.#to += buffer.write(value, this.#to)
    return this
  }
  #cut(): void {
    if (this.#to > this.#from) this.#parts.push(this.#buffer.subarray(this.#from, this.#to))
    this.#from = this.#to
  }
  #room(size: number): Buffer {
    if (this.#to + size <= this.#buffer.length) return this.#buffer
    const written = this.#to - this.#from
    const larger = Buffer.allocUnsafe(Math.max(256, (written + size) * 2))
    this.#buffer.copy(larger, 0, this.#from, this.#to)
    this.#buffer = larger
    this.#from = 0
    this.#to = written
    return larger
  }
}

/** Reads them; a RangeError says that the answer is shorter than it must be. */
export class WireReader {
  #at = 0
  constructor(private readonly buffer: Buffer) {}

  int8(): number {
    return this.buffer.readInt8(this.#skip(1))
  }
  int16(): number {
    return this.buffer.readInt16BE(this.#skip(2))
  }
  int32(): number {
    return this.buffer.readInt32BE(this.#skip(4))
  }
  bigint64(): bigint {
    return this.buffer.readBigInt64BE(this.#skip(8))
  }
  int64(): number {
    const high = this.int32()
    return high * 2 ** 32 + this.buffer.readUInt32BE(this.#skip(4))
  }
  string(): string | null {
    const length = this.int16()
    return length < 0 ? null : this.#text(length)
  }
  unsignedVarint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.buffer.readUInt8(this.#skip(1))
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a varint of more than five bytes')
  }
  /** Undefined where it stands for none. */
  uuid(): string | undefined {
    const start = this.#skip(UUID_BYTES)
    const value = this.buffer.toString('base64url', start, start + UUID_BYTES)
    return value === NO_UUID ? undefined : value
  }
  compactString(): string | null {
    const length = this.unsignedVarint()
    return length === 0 ? null : this.#text(length - 1)
  }
  /** A view, not a copy. */
  bytes(): Buffer {
    const length = this.int32()
    if (length <= 0) return this.buffer.subarray(this.#at, this.#at)
    const start = this.#skip(length)
    return this.buffer.subarray(start, start + length)
  }
  /** A view, not a copy; of null an empty one. */
  compactBytes(): Buffer {
    const length = Math.max(0, this.unsignedVarint() - 1)
    const start = this.#skip(length)
    return this.buffer.subarray(start, start + length)
  }
  array<T>(read: () => T): T[] {
    return this.#times(this.int32(), read)
  }
  compactArray<T>(read: () => T): T[] {
    return this.#times(this.unsignedVarint() - 1, read)
  }
  /** Tagged fields (KIP-482): `known` reads those that it knows, and must not read on after them. */
  tags(known?: (tag: number) => void): void {
    for (let left = this.unsignedVarint(); left > 0; left -= 1) {
      const tag = this.unsignedVarint()
      const size = this.unsignedVarint()
      const end = this.#at + size
      known?.(tag)
      if (this.#at > end) throw new RangeError('a tagged field is longer than it says')
      this.#skip(end - this.#at)
    }
  }

  #times<T>(count: number, read: () => T): T[] {
    const items: T[] = []
    for (let i = 0; i < count; i += 1) items.push(read())
    return items
  }
  #text(length: number): string {
    const start = this.#skip(length)
    return this.buffer.toString('utf8', start, start + length)
  }
  #skip(size: number): number {
    const start = this.#at
    this.#at += size
    if (this.#at > this.buffer.length) throw new RangeError('the answer ends too early')
    return start
  }
}
