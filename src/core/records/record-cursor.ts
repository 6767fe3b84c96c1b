import { PotorooError } from '../../errors.js'
import type { RecordBatch, RecordHeader } from './record-format.js'

const EMPTY = Buffer.alloc(0)

/**
 * Steps over the records of one batch after another. One object for many batches; the fields say where in `buffer` the
 * current record lies, and are worth something only after `next()` returned true.
 *
 * Invariants
 * 1. Whatever the bytes are, a record lies within its batch's section, and `next()` ends: each step consumes bytes.
 * 2. Offsets rise from record to record, so that a position never goes backwards.
 * 3. A malformed section throws CORRUPT_BATCH, and throws it again when asked again.
 */
export class RecordCursor {
  buffer: Buffer = EMPTY
  offset = -1
  timestampMs = -1
  /** -1 where the key is null; so are the others. */
  keyStart = -1
  keyEnd = -1
  valueStart = -1
  valueEnd = -1

  #baseOffset = 0
  #baseTimestampMs = 0
  #appendTimeMs = -1
  #left = 0
  /** Where the next record starts. */
  #at = 0
  #end = 0
  #headerCount = 0
  #headersAt = 0
  /** Behind the number that `#varint` or `#varlong` read last. */
  #behind = 0

  /** How many of the batch's records come behind this one. */
  get left(): number {
    return this.#left
  }

  open(batch: RecordBatch): void {
    this.buffer = batch.bytes
    this.offset = batch.baseOffset - 1
    this.#baseOffset = batch.baseOffset
    this.#baseTimestampMs = batch.baseTimestampMs
    this.#appendTimeMs = batch.appendTimeMs
    this.#left = batch.count
    this.#at = batch.start
    this.#end = batch.end
    this.#headerCount = 0
    if (batch.count < 0 || batch.start < 0 || batch.start > batch.end || batch.end > batch.bytes.length) {
      this.#left = 1
      this.#at = this.#end = 0
      this.buffer = EMPTY
      this.#corrupt(
        `it declares ${String(batch.count)} records in bytes ${String(batch.start)} to ${String(batch.end)}`,
      )
    }
  }

  /** Moves to the next record; false after the last one. */
  next(): boolean {
    if (this.#left === 0) {
      if (this.#at !== this.#end) this.#corrupt('bytes are left over after its last record')
      return false
    }
    // Positions only grow, so the last check finds whatever went beyond the record; behind the buffer, reads give 0.
    const buffer = this.buffer
    let at = this.#at
    let byte = buffer[at++] ?? 0
    let length
    if (byte < 0x80) length = (byte >>> 1) ^ -(byte & 1)
    else {
      length = this.#varint(at - 1)
      at = this.#behind
    }
    const recordEnd = at + length
    if (recordEnd > this.#end) this.#corrupt(`a record of ${String(length)} bytes`)
    at++ // attributes

    byte = buffer[at++] ?? 0
    let timestampDelta
    if (byte < 0x80) timestampDelta = (byte >>> 1) ^ -(byte & 1)
    else {
      timestampDelta = this.#varlong(at - 1)
      at = this.#behind
    }

    byte = buffer[at++] ?? 0
    let offsetDelta
    if (byte < 0x80) offsetDelta = (byte >>> 1) ^ -(byte & 1)
    else {
      offsetDelta = this.#varint(at - 1)
      at = this.#behind
    }
    const offset = this.#baseOffset + offsetDelta
    if (offset <= this.offset) this.#corrupt(`offset ${String(offset)} follows offset ${String(this.offset)}`)

    byte = buffer[at++] ?? 0
    if (byte < 0x80) length = (byte >>> 1) ^ -(byte & 1)
    else {
      length = this.#varint(at - 1)
      at = this.#behind
    }
    let keyStart = -1
    let keyEnd = -1
    if (length >= 0) {
      keyStart = at
      keyEnd = at += length
    } else if (length !== -1) this.#corrupt(`a key of ${String(length)} bytes`)

    byte = buffer[at++] ?? 0
    if (byte < 0x80) length = (byte >>> 1) ^ -(byte & 1)
    else {
      length = this.#varint(at - 1)
      at = this.#behind
    }
    let valueStart = -1
    let valueEnd = -1
    if (length >= 0) {
      valueStart = at
      valueEnd = at += length
    } else if (length !== -1) this.#corrupt(`a value of ${String(length)} bytes`)

    byte = buffer[at++] ?? 0
    let headerCount = 0
    const headersAt = at - 1
    if (byte !== 0) {
      headerCount = this.#varint(headersAt)
      at = this.#skipHeaders(headerCount, recordEnd)
    }
    if (at !== recordEnd) this.#corrupt("a record's length does not match its contents")

    this.#at = recordEnd
    this.#left--
    this.#headerCount = headerCount
    this.#headersAt = headersAt
    this.offset = offset
    this.timestampMs = this.#appendTimeMs >= 0 ? this.#appendTimeMs : this.#baseTimestampMs + timestampDelta
    this.keyStart = keyStart
    this.keyEnd = keyEnd
    this.valueStart = valueStart
    this.valueEnd = valueEnd
    return true
  }

  /** Whether the record has headers: a look at their number. */
  get hasHeaders(): boolean {
    return this.#headerCount > 0
  }

  /** The record's headers in their order. Values are views of the batch's memory. */
  headers(): RecordHeader[] {
    const headers: RecordHeader[] = []
    this.#eachHeader((keyStart, keyEnd, valueStart, valueEnd) => {
      const value = valueStart < 0 ? null : this.buffer.subarray(valueStart, valueEnd)
      headers.push({ key: this.buffer.toString('utf8', keyStart, keyEnd), value })
    })
    return headers
  }

  /** The value of the last header of that name (as Kafka's `lastHeader`), a view; undefined without one, or when it is null. */
  header(name: string): Uint8Array | undefined {
    if (this.#headerCount === 0) return undefined
    const wanted = Buffer.from(name)
    let found: Uint8Array | undefined
    this.#eachHeader((keyStart, keyEnd, valueStart, valueEnd) => {
      if (wanted.compare(this.buffer, keyStart, keyEnd) !== 0) return
      found = valueStart < 0 ? undefined : this.buffer.subarray(valueStart, valueEnd)
    })
    return found
  }

  /** The headers were checked when the cursor came to the record. */
  #eachHeader(visit: (keyStart: number, keyEnd: number, valueStart: number, valueEnd: number) => void): void {
    if (this.#headerCount === 0) return
    this.#varint(this.#headersAt)
    for (let left = this.#headerCount; left > 0; left--) {
      const keyBytes = this.#varint(this.#behind)
      const keyStart = this.#behind
      const valueBytes = this.#varint(keyStart + keyBytes)
      const valueStart = this.#behind
      this.#behind = valueStart + Math.max(valueBytes, 0)
      const next = this.#behind
      visit(keyStart, keyStart + keyBytes, valueBytes < 0 ? -1 : valueStart, next)
      this.#behind = next
    }
  }

  /** Checks headers that start at `#behind`; returns where they end. */
  #skipHeaders(count: number, recordEnd: number): number {
    if (count < 0) this.#corrupt(`${String(count)} headers`)
    let at = this.#behind
    for (; count > 0; count--) {
      const keyBytes = this.#varint(at)
      if (keyBytes < 0) this.#corrupt(`a header's key of ${String(keyBytes)} bytes`)
      const valueBytes = this.#varint(this.#behind + keyBytes)
      if (valueBytes < -1) this.#corrupt(`a header of ${String(valueBytes)} bytes`)
      at = this.#behind + Math.max(valueBytes, 0)
      if (at > recordEnd) this.#corrupt('a header reaches beyond its record')
    }
    return at
  }

  #varint(at: number): number {
    const buffer = this.buffer
    let byte = buffer[at++] ?? 0
    let value = byte & 0x7f
    if (byte > 0x7f) {
      byte = buffer[at++] ?? 0
      value |= (byte & 0x7f) << 7
      if (byte > 0x7f) {
        byte = buffer[at++] ?? 0
        value |= (byte & 0x7f) << 14
        if (byte > 0x7f) {
          byte = buffer[at++] ?? 0
          value |= (byte & 0x7f) << 21
          if (byte > 0x7f) {
            byte = buffer[at++] ?? 0
            if (byte > 0x0f) this.#corrupt('a number of more than 32 bits')
            value |= byte << 28
          }
        }
      }
    }
    this.#behind = at
    return (value >>> 1) ^ -(value & 1)
  }

  /** What is beyond 2^51 is no time, and kept to 2^51, so that sums stay exact. */
  #varlong(at: number): number {
    const buffer = this.buffer
    let byte = 0x80
    let low = 0
    for (let shift = 0; byte > 0x7f && shift < 28; shift += 7) {
      byte = buffer[at++] ?? 0
      low |= (byte & 0x7f) << shift
    }
    let magnitude = low >>> 1
    if (byte > 0x7f) {
      let high = 0
      for (let scale = 1; byte > 0x7f; scale *= 0x80) {
        byte = buffer[at++] ?? 0
        if (scale === 2 ** 35 && byte > 0x01) this.#corrupt('a number of more than 64 bits')
        high += (byte & 0x7f) * scale
      }
      magnitude = Math.min(magnitude + high * 2 ** 27, 2 ** 51)
    }
    this.#behind = at
    return low & 1 ? -magnitude - 1 : magnitude
  }

  #corrupt(what: string): never {
    throw new PotorooError('CORRUPT_BATCH', `the batch at offset ${String(this.#baseOffset)} is malformed: ${what}`)
  }
}
