/**
 * AssemblyScript: finds the values of a JSON text that looks like one before it, 16 bytes at a time. Who asks, and why, is
 * in src/api/json/json-shape.ts; src/api/json/json-scanner.ts has the other side of what lies in memory.
 *
 * Invariant: whatever the bytes are, `scan` ends, and says 1 only where it has compared, or read as a value, every byte
 * from `at` up to `end`. It may look behind `end`, up to 32 bytes behind the window.
 */

/** How long a text may be. */
export const WINDOW_BYTES: i32 = 0x10000
/** Room for MAX_SHAPES (json-scanner.ts), each the same. */
export const SHAPES_BYTES: i32 = 0x8000
export const window: usize = memory.data(WINDOW_BYTES + 32, 16)
export const shapes: usize = memory.data(SHAPES_BYTES, 16)
/** For each value 16 bytes: its kind (i32), and what is known of it. */
export const values: usize = memory.data(64 * 16, 16)

// Kinds. They begin at 1: memory that was not written has none.
/** Start, end, hash (i32 each). */
const TEXT = 1
/** The value, as i32: few digits. */
const SMALL = 2
/** The value, as f64 at 8. */
const DOUBLE = 3
/** Start, end: digits that are not exact so easily. */
const LONG = 4
const TRUE = 5
const FALSE = 6
const NULL = 7

const QUOTE: u32 = 0x22
const BACKSLASH: u32 = 0x5c
const PLUS: u32 = 0x2b
const MINUS: u32 = 0x2d
const POINT: u32 = 0x2e
const ZERO: u32 = 0x30
const FIRST_PRINTABLE: u32 = 0x20
const DELETE: u32 = 0x7f

/**
 * Whole numbers of so many digits are exact, and so are powers of ten up to this: their quotient is the number nearest to
 * the decimal. (Clinger 1990, How to read floating point numbers accurately.)
 */
const MAX_DIGITS: usize = 15
const POWERS: usize = memory.data<f64>([
  1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
])
/** Whole numbers of so many digits are small integers to V8. */
const SMALL_DIGITS: usize = 9

const MAX_HASHED_BYTES: usize = 32
/** Odd, its bits in no order: 2^64 divided by the golden ratio. */
const MIX: u64 = 0x9e3779b97f4a7c15

/**
 * 1: the text in [at, end) is of the shape, and `values` has its values; 0: it is not, or not plainly.
 *
 * A shape: how many values it has (i32). Then what is in front of each value, and behind the last: its length (i32), and
 * from the next multiple of 16 on its bytes, filled up to a multiple of 16.
 */
export function scan(shape: usize, at: usize, end: usize): i32 {
  const count = load<i32>(shape)
  let gap = shape + 16
  let value = values
  for (let i = 0; i <= count; i++) {
    let left = <usize>load<u32>(gap)
    if (at + left > end) return 0
    for (gap += 16; left > 16; left -= 16, gap += 16, at += 16) if (differs(at, gap) != 0) return 0
    if ((differs(at, gap) & ((1 << (<i32>left)) - 1)) != 0) return 0
    at += left
    gap += 16
    if (i == count) break
    const first = <u32>load<u8>(at)
    if (first == QUOTE) at = text(at + 1, end, value)
    else if (first >= 0x66) at = literal(first, at, value)
    else at = number(first, at, value)
    if (at == 0) return 0
    value += 16
  }
  return i32(at == end)
}

/** A bit for each of 16 bytes. */
function differs(a: usize, b: usize): i32 {
  return i8x16.bitmask(i8x16.ne(v128.load(a), v128.load(b)))
}

// Values: each gives where it ends, 0 where it isn't plain.

/** Printable ASCII, without escapes. */
function text(start: usize, end: usize, value: usize): usize {
  let at = start
  let stops = stopsAt(at)
  while (stops == 0 && at < end) stops = stopsAt((at += 16))
  at += ctz(stops)
  if (load<u8>(at) != <u8>QUOTE) return 0
  store<i32>(value, TEXT)
  store<i32>(value, <i32>start, 4)
  store<i32>(value, <i32>at, 8)
  store<i32>(value, hashOf(start, at - start), 12)
  return at + 1
}

/** A bit for each of 16 bytes that is no character of a plain text, or the quote after it. */
function stopsAt(at: usize): i32 {
  const bytes = v128.load(at)
  const delimiters = v128.or(i8x16.eq(bytes, i8x16.splat(<i8>QUOTE)), i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH)))
  // Compared with a sign, bytes beyond ASCII are negative.
  const others = v128.or(i8x16.lt_s(bytes, i8x16.splat(<i8>FIRST_PRINTABLE)), i8x16.eq(bytes, i8x16.splat(<i8>DELETE)))
  return i8x16.bitmask(v128.or(delimiters, others))
}

/** Of longer texts 0. */
function hashOf(at: usize, length: usize): i32 {
  if (length > MAX_HASHED_BYTES) return 0
  let hash: u64 = 0
  for (; length > 8; length -= 8, at += 8) hash = (hash ^ load<u64>(at)) * MIX
  if (length > 0) hash = (hash ^ (load<u64>(at) << ((8 - length) << 3))) * MIX
  return <i32>(hash >> 40)
}

function literal(first: u32, at: usize, value: usize): usize {
  const word = load<u32>(at)
  if (word == 0x65757274) {
    // true
    store<i32>(value, TRUE)
    return at + 4
  }
  if (word == 0x736c6166 && load<u8>(at, 4) == 0x65) {
    // fals, e
    store<i32>(value, FALSE)
    return at + 5
  }
  if (word == 0x6c6c756e) {
    // null
    store<i32>(value, NULL)
    return at + 4
  }
  return 0
}

function number(byte: u32, start: usize, value: usize): usize {
  let at = start
  const negative = byte == MINUS
  if (negative) at++
  const first = at
  let whole: u64 = 0
  let digit = digitAt(at)
  // As in JSON, no digit follows a leading zero: one that does is no gap.
  if (digit == 0) digit = digitAt(++at)
  else for (; digit <= 9; digit = digitAt(++at)) whole = whole * 10 + digit
  let digits = at - first
  if (digits == 0) return 0
  let decimals: usize = 0
  if (load<u8>(at) == <u8>POINT) {
    const point = at++
    for (digit = digitAt(at); digit <= 9; digit = digitAt(++at)) whole = whole * 10 + digit
    decimals = at - point - 1
    if (decimals == 0) return 0
    digits += decimals
  }
  if ((load<u8>(at) | 0x20) == 0x65) {
    // e
    at++
    const sign = <u32>load<u8>(at)
    if (sign == PLUS || sign == MINUS) at++
    const from = at
    while (digitAt(at) <= 9) at++
    if (at == from) return 0
    digits = MAX_DIGITS + 1
  }
  if (digits > MAX_DIGITS) {
    store<i32>(value, LONG)
    store<i32>(value, <i32>start, 4)
    store<i32>(value, <i32>at, 8)
  } else if (digits <= SMALL_DIGITS && decimals == 0 && !negative) {
    store<i32>(value, SMALL)
    store<i32>(value, <i32>whole, 4)
  } else {
    const decimal = <f64>whole / load<f64>(POWERS + (decimals << 3))
    store<i32>(value, DOUBLE)
    store<f64>(value, negative ? -decimal : decimal, 8)
  }
  return at
}

/** More than 9 where there is none. */
function digitAt(at: usize): u32 {
  return <u32>load<u8>(at) - ZERO
}
