/** Foreign text in our error messages: characters that can't be seen are often exactly what is wrong. */

const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u00a0]/gu
const escapes: Readonly<Record<string, string>> = { '\n': String.raw`\n`, '\r': String.raw`\r`, '\t': String.raw`\t` }

/** Spells out characters that can't be seen: a byte order mark is `<U+FEFF>`. */
export const visible = (text: string): string =>
  text.replace(INVISIBLE, (character) => {
    if (Object.hasOwn(escapes, character)) return escapes[character] ?? ''
    return `<U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}>`
  })

const MAGIC_BYTES = 5

const confluentCures = {
  value:
    "the topic needs a codec of potoroo/schema-registry, as in topic('orders', { codec: registry.avro(), … }): see docs/formats.md",
  key: "the producer has to write plain text keys, or the topic needs keyFormat: 'hex'",
} as const

/** What bytes[start, end) look like, if not like JSON in UTF-8: a suffix for a message that says what was wrong. */
export function likeness(bytes: Buffer, start: number, end: number, part: keyof typeof confluentCures): string {
  const [first, second, third] = bytes.subarray(start, end)
  if (first === 0 && end - start >= MAGIC_BYTES) {
    const id = String(bytes.readUInt32BE(start + 1))
    return ` (it looks like Confluent's wire format: magic byte 0, schema id ${id}; ${confluentCures[part]})`
  }
  if (first === 0xef && second === 0xbb && third === 0xbf) return ' (it begins with a byte order mark, U+FEFF)'
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) return ' (it looks like UTF-16)'
  return first === 0x1f && second === 0x8b ? ' (it looks like gzip)' : ''
}
