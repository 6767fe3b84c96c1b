/** Integers of 64 bits, which JavaScript's numbers hold up to 2^53. */
import { PotorooError } from '../errors.js'

/**
 * What integers of 64 bits are in messages. `number`: numbers; one that JavaScript can't hold is a dead letter
 * (NUMBER_NOT_EXACT). `bigint`: BigInts, all of them. `text`: strings of their digits, all of them.
 */
export type Longs = 'number' | 'bigint' | 'text'

/** Throws NUMBER_NOT_EXACT. */
export function longOf(value: bigint, longs: Longs): number | bigint | string {
  if (longs === 'bigint') return value
  if (longs === 'text') return String(value)
  const number = Number(value)
  if (Number.isSafeInteger(number)) return number
  throw new PotorooError(
    'NUMBER_NOT_EXACT',
    `A record has a number that JavaScript can't represent exactly: ${String(value)}. Set longs to 'bigint' or 'text' on the codec.`,
  )
}

/** Undefined for anything that is not a integer as `longs` has them. */
export function bigIntOf(value: unknown, longs: Longs): bigint | undefined {
  switch (longs) {
    case 'bigint':
      return typeof value === 'bigint' ? value : undefined
    case 'text':
      return typeof value === 'string' && /^-?\d{1,20}$/.test(value) ? BigInt(value) : undefined
    case 'number':
      return Number.isSafeInteger(value) ? BigInt(value as number) : undefined
  }
}

/** Protobuf's names of integers of 64 bits. */
const TYPES: ReadonlySet<string> = new Set(['int64', 'uint64', 'sint64', 'fixed64', 'sfixed64'])
export const isLongType = (type: string): boolean => TYPES.has(type)
