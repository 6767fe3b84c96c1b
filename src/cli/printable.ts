/** What comes from outside, for a person to look at: nothing in it moves the cursor, changes colours, or can't be seen. */

/** Line ends and tabs are left as they are, and the joiners that letters and emoji are made with. */
const HIDDEN = /(?![\n\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu

/** Characters that show nothing, or do something, as `\u{feff}`. */
export const printable = (text: string): string =>
  text.replace(HIDDEN, (hidden) => `\\u{${(hidden.codePointAt(0) ?? 0).toString(16)}}`)

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** UTF-8 as text; of other bytes, those that are visible ASCII as they are, the others as `\x00`. */
export function printableBytes(bytes: Uint8Array): string {
  try {
    return printable(strict.decode(bytes))
  } catch {
    return Array.from(bytes, (byte) =>
      byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, '0')}`,
    ).join('')
  }
}
