/**
 * Confluent's wire format: which schema of the registry a value is written with.
 *
 *     Value => 0x00, schema id (4 bytes, big-endian), [Protobuf: message indexes], payload
 *     Message indexes => count, index of a message among those of the file, index of one within that, …; zigzag varints.
 *       The first message of the file, which most are, is one byte 0 in place of 1, 0.
 */
export const HEADER_BYTES = 5
const MAGIC = 0
/** Ids are Java's int. */
const MAX_ID = 0x7fffffff

/** The id of the schema; undefined where the value is not in this format. */
export function schemaIdOf(bytes: Buffer): number | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0] !== MAGIC) return undefined
  const id = bytes.readUInt32BE(1)
  return id > MAX_ID ? undefined : id
}

/** What a value is written behind. `indexes`: of the message, in Protobuf. */
export function headerOf(id: number, indexes?: readonly number[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32BE(id, 1)
  if (indexes === undefined) return header
  const isFirst = indexes.length === 1 && indexes[0] === 0
  return Buffer.concat([header, varints(isFirst ? [0] : [indexes.length, ...indexes])])
}

/** The message indexes, and where they end. Throws where there are none. */
export function indexesIn(bytes: Buffer): { readonly indexes: readonly number[]; readonly end: number } {
  let at = HEADER_BYTES
  const next = (): number => {
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) {
        if (value % 2 === 1) break // negative
        return value / 2
      }
    }
    throw new RangeError('its message indexes are malformed')
  }
  const count = next()
  // no file nests that deep
  if (count > bytes.length) throw new RangeError(`it has ${String(count)} message indexes`)
  const indexes = count === 0 ? [0] : Array.from({ length: count }, next)
  return { indexes, end: at }
}

function varints(values: readonly number[]): Buffer {
  const bytes: number[] = []
  for (const value of values) {
    let left = value * 2
    for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left & 0x7f) | 0x80)
    bytes.push(left)
  }
  return Buffer.from(bytes)
}
