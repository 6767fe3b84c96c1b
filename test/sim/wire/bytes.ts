/**
 * Kafka's primitive types, as the simulated broker reads and writes them. Nothing of src/kafka is used here: a mistake that
 * both ends of a connection share would cancel itself out.
 *
 * A flexible version (KIP-482) has compact strings, arrays and bytes, and tagged fields; the others have lengths of fixed
 * size. One description of a request does for both.
 */

export class Reader {
  #at = 0

  constructor(
    private readonly bytes: Buffer,
    readonly flexible = false,
  ) {}

  /** The same bytes from here on, in the other encoding: a header and its body differ. */
  as(flexible: boolean): Reader {
    return new Reader(this.bytes.subarray(this.#at), flexible)
  }
  int8(): number {
    return this.bytes.readInt8(this.#skip(1))
  }
  int16(): number {
    return this.bytes.readInt16BE(this.#skip(2))
  }
  int32(): number {
    return this.bytes.readInt32BE(this.#skip(4))
  }
  int64(): number {
    return Number(this.bytes.readBigInt64BE(this.#skip(8)))
  }
  boolean(): boolean {
    return this.int8() !== 0
  }
  nullableString(): string | undefined {
    const length = this.flexible ? this.#varint() - 1 : this.int16()
    if (length < 0) return undefined
    const start = this.#skip(length)
    return this.bytes.toString('utf8', start, start + length)
  }
  string(): string {
    const text = this.nullableString()
    if (text === undefined) throw new RangeError('null, where a string has to be')
    return text
  }
  /** As Kafka's tools print it. */
  uuid(): string {
    const start = this.#skip(16)
    return this.bytes.toString('base64url', start, start + 16)
  }
  /** A view. */
  data(): Buffer {
    const length = this.flexible ? this.#varint() - 1 : this.int32()
    if (length < 0) throw new RangeError('null, where bytes have to be')
    const start = this.#skip(length)
    return this.bytes.subarray(start, start + length)
  }
  nullableArray<T>(read: () => T): T[] | undefined {
    const length = this.flexible ? this.#varint() - 1 : this.int32()
    if (length < 0) return undefined
    return Array.from({ length }, read)
  }
  array<T>(read: () => T): T[] {
    const items = this.nullableArray(read)
    if (items === undefined) throw new RangeError('null, where an array has to be')
    return items
  }
  /** Nothing that the simulated broker knows is in tagged fields of a request. */
  tags(): void {
    if (!this.flexible) return
    for (let left = this.#varint(); left > 0; left--) {
      this.#varint()
      this.#skip(this.#varint())
    }
  }
  /** A request with bytes after its end is as wrong as one that is too short. */
  end(): void {
    if (this.#at !== this.bytes.length)
      throw new RangeError(`${String(this.bytes.length - this.#at)} bytes are left behind the end`)
  }

  #varint(): number {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.bytes.readUInt8(this.#skip(1))
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw new RangeError('a varint of more than five bytes')
  }
  #skip(size: number): number {
    const start = this.#at
    if (start + size > this.bytes.length) throw new RangeError('it ends too early')
    this.#at += size
    return start
  }
}

export class Writer {
  #buffer = Buffer.allocUnsafe(128)
  #end = 0

  constructor(readonly flexible = false) {}

  int8(value: number): this {
    this.#end = this.#room(1).writeInt8(value, this.#end)
    return this
  }
  int16(value: number): this {
    this.#end = this.#room(2).writeInt16BE(value, this.#end)
    return this
  }
  int32(value: number): this {
    this.#end = this.#room(4).writeInt32BE(value, this.#end)
    return this
  }
  int64(value: number): this {
    this.#end = this.#room(8).writeBigInt64BE(BigInt(value), this.#end)
    return this
  }
  boolean(value: boolean): this {
    return this.int8(value ? 1 : 0)
  }
  string(text: string | undefined): this {
    const bytes = Buffer.from(text ?? '')
    const length = text === undefined ? -1 : bytes.length
    if (this.flexible) this.#varint(length + 1)
    else this.int16(length)
    return this.#raw(bytes)
  }
  uuid(text: string): this {
    return this.#raw(Buffer.from(text, 'base64url'))
  }
  data(bytes: Uint8Array): this {
    if (this.flexible) this.#varint(bytes.length + 1)
    else this.int32(bytes.length)
    return this.#raw(bytes)
  }
  array<T>(items: readonly T[], write: (item: T) => void): this {
    if (this.flexible) this.#varint(items.length + 1)
    else this.int32(items.length)
    for (const item of items) write(item)
    return this
  }
  /** `fields`: each with its number, already encoded. */
  tags(fields: readonly (readonly [number, Buffer])[] = []): this {
    if (!this.flexible) return this
    this.#varint(fields.length)
    for (const [tag, bytes] of fields) this.#varint(tag).#varint(bytes.length).#raw(bytes)
    return this
  }
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#end)
  }

  #varint(value: number): this {
    let rest = value
    const buffer = this.#room(5)
    for (; rest > 0x7f; rest >>>= 7) buffer[this.#end++] = (rest & 0x7f) | 0x80
    buffer[this.#end++] = rest
    return this
  }
  #raw(bytes: Uint8Array): this {
    this.#room(bytes.length).set(bytes, this.#end)
    this.#end += bytes.length
    return this
  }
  #room(size: number): Buffer {
    if (this.#end + size > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(2 * (this.#end + size))
      this.#buffer.copy(larger, 0, 0, this.#end)
      this.#buffer = larger
    }
    return this.#buffer
  }
}
