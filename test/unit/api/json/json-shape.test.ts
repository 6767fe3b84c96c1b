/** Invariants are those of json-shape.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { JsonShapes } from '../../../../src/api/json/json-shape.js'

function expose(): void {
  setFlagsFromString('--expose-gc')
}
function heapBytes(): number {
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}

/** Has read these texts by JSON.parse. */
function taught(...texts: string[]): JsonShapes {
  const shapes = new JsonShapes()
  for (const text of texts) shapes.learn(text, JSON.parse(text))
  return shapes
}
/** Among other bytes, as records lie. */
const read = (shapes: JsonShapes, text: string): object | undefined => {
  const bytes = Buffer.from(`12,"a":${text}3}"`)
  return shapes.read(bytes, 7, 7 + Buffer.byteLength(text))
}
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** Whether JavaScript reads the whole number as another one: none of these is 10^21 or more. */
const isAltered = (number: string): boolean => /^-?\d+$/.test(number) && String(Number(number)) !== number

const QUOTE = '{"symbol":"BTU","bid":19.6505,"offer":-0.5,"time":1700000000000,"open":true,"note":null,"x":false}'

describe('a text of a known shape', () => {
  it('is read, with keys in their order', () => {
    const shapes = taught(QUOTE)
    const text = '{"symbol":"","bid":0,"offer":-0,"time":0.1,"open":"no","note":7,"x":null}'
    const json = read(shapes, text)
    expect(json).toStrictEqual(JSON.parse(text))
    expect(JSON.stringify(json)).toBe('{"symbol":"","bid":0,"offer":0,"time":0.1,"open":"no","note":7,"x":null}')
    expect(Object.getPrototypeOf(json)).toBe(Object.prototype)
  })

  it('is read with as many as 64 fields', () => {
    const fields = Array.from({ length: 64 }, (_, i) => [`f${String(i)}`, i % 2 === 0 ? `text ${String(i)}` : i + 0.25])
    const text = JSON.stringify(Object.fromEntries(fields))
    const shapes = taught(text)
    for (let round = 0; round < 2; round++) expect(read(shapes, text)).toStrictEqual(JSON.parse(text))
  })

  it('is read with the white space that its producer writes', () => {
    const text = '{ "symbol" : "A:,}" ,\n\t"bid":1.50 }\n'
    expect(read(taught(text), '{ "symbol" : "B" ,\n\t"bid":2 }\n')).toStrictEqual({ symbol: 'B', bid: 2 })
    expect(read(taught(text), '{"symbol":"B","bid":2}')).toBeUndefined()
  })

  it('is read among up to four shapes of a topic, whatever their order', () => {
    const texts = ['{"a":1}', '{"b":1}', '{"a":1,"b":2}', '{"b":2,"a":1}', '{"c":1}']
    const shapes = taught(...texts)
    for (const text of [...texts, ...texts].slice(0, -1))
      expect(read(shapes, text)).toEqual(text === '{"c":1}' ? undefined : JSON.parse(text))
  })

  it('gives the same numbers as JSON.parse, to the last bit', () => {
    const shapes = taught('{"n":1}')
    const decimal = fc
      .tuple(fc.boolean(), fc.bigInt({ min: 0n, max: 10n ** 16n }), fc.nat({ max: 17 }))
      .map(([negative, digits, decimals]) => {
        const text = String(digits).padStart(decimals + 1, '0')
        const whole = text.slice(0, text.length - decimals)
        return `${negative ? '-' : ''}${whole}${decimals === 0 ? '' : `.${text.slice(text.length - decimals)}`}`
      })
    const exponential = fc
      .tuple(fc.integer(), fc.nat(), fc.constantFrom('e', 'E', 'e+', 'E-'), fc.nat({ max: 400 }))
      .map(([whole, decimals, e, exponent]) => `${String(whole)}.${String(decimals)}${e}${String(exponent)}`)
    let byShape = 0
    fc.assert(
      fc.property(fc.oneof(decimal, fc.double().map(String), fc.integer().map(String), exponential), (number) => {
        const text = `{"n":${number}}`
        const json = read(shapes, text)
        if (json === undefined) expect(parsed(text) === undefined || isAltered(number)).toBe(true)
        else byShape++
        if (json === undefined) return
        expect(json).toStrictEqual(parsed(text))
      }),
      { numRuns: 2000 },
    )
    expect(byShape).toBeGreaterThan(1800)
  })
})

describe('is left to JSON.parse (invariant 1)', () => {
  it.each([
    ['what has an escape', '{"a":"\\u0041","b":1}'],
    ['what is beyond ASCII', '{"a":"ä","b":1}'],
    ['a control character', '{"a":"\u0001","b":1}'],
    ['an object in it', '{"a":{},"b":1}'],
    ['an array in it', '{"a":[],"b":1}'],
    ['an exponent without a number', '{"a":"x","b":1e+}'],
    ['an exponent behind nothing', '{"a":"x","b":e3}'],
    ['another order', '{"b":1,"a":"x"}'],
    ['a field more', '{"a":"x","b":1,"c":2}'],
    ['a field twice', '{"a":"x","b":1,"b":2}'],
    ['a field less', '{"a":"x"}'],
    ['white space', '{"a": "x","b":1}'],
    ['something after its end', '{"a":"x","b":1}1'],
    ['an end that is missing', '{"a":"x","b":1'],
    ['a text that does not end', '{"a":"x'],
    ['a leading zero', '{"a":"x","b":01}'],
    ['a lone minus', '{"a":"x","b":-}'],
    ['a lone point', '{"a":"x","b":1.}'],
    ['a plus', '{"a":"x","b":+1}'],
    ['no number', '{"a":"x","b":}'],
    ['half a literal', '{"a":tru'],
    ['a wrong literal', '{"a":trux,"b":1}'],
    ['nothing', ''],
  ])('%s', (_, text) => {
    expect(read(taught('{"a":"x","b":1}'), text)).toBeUndefined()
  })

  it.each([
    ['no object', '[1]'],
    ['no field', '{}'],
    ['a nested value', '{"a":{"b":1}}'],
    ['the same field twice', '{"a":1,"a":2}'],
    ['__proto__', '{"__proto__":1}'],
    ['too many fields', JSON.stringify(Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`f${String(i)}`, i])))],
  ])('a text with %s, which is no shape to learn', (_, text) => {
    expect(read(taught(text), text)).toBeUndefined()
  })

  it.each(['9007199254740993', '-9007199254740993', '12345678901234567890', '9'.repeat(400)])(
    'the whole number %s, which would be altered',
    (number) => {
      const shapes = taught('{"a":"x","b":1}')
      expect(read(shapes, `{"a":"x","b":${number}}`)).toBeUndefined()
      expect(read(shapes, '{"a":"x","b":9007199254740992}')).toEqual({ a: 'x', b: 2 ** 53 })
    },
  )

  it.each([
    ['a text longer than any that is read', JSON.stringify({ a: 'x'.repeat(2 ** 23) })],
    ['names too long', JSON.stringify({ a: 1, ['n'.repeat(9000)]: 1 })],
  ])('%s, and shapes are learned as before', (_, text) => {
    const shapes = taught(text)
    expect(read(shapes, text)).toBeUndefined()
    shapes.learn('{"b":1}', { b: 1 })
    expect(read(shapes, '{"b":2}')).toEqual({ b: 2 })
  })

  it('every text, where most are of no known shape, and later it is tried again', () => {
    const shapes = taught('{"a":1}')
    for (let i = 0; i < 1000; i++) read(shapes, '{"b":1}')
    expect(read(shapes, '{"a":1}')).toBeUndefined()
    shapes.learn('{"a":1}', { a: 1 })
    expect(read(shapes, '{"a":1}')).toBeUndefined()
    for (let i = 0; i < 64_000; i++) read(shapes, '{"a":1}')
    shapes.learn('{"a":1}', { a: 1 })
    expect(read(shapes, '{"a":2}')).toEqual({ a: 2 })
  })
})

describe('shapes that are seldom used make room', () => {
  /** As decoding does. How many of the texts were read by shape. */
  function follow(shapes: JsonShapes, texts: readonly string[]): number {
    let byShape = 0
    for (const text of texts)
      if (read(shapes, text) !== undefined) byShape++
      else shapes.learn(text, JSON.parse(text))
    return byShape
  }
  const cycle = (count: number, texts: readonly string[]): string[] =>
    Array.from({ length: count }, (_, i) => texts[i % texts.length] ?? '')

  it('where four odd texts came first', () => {
    const shapes = taught('{"w":1}', '{"x":1}', '{"y":1}', '{"z":1}')
    const texts = cycle(1000, ['{"a":1}', '{"b":1}', '{"c":1}'])
    for (let trial = 0; trial < 66; trial++) follow(shapes, texts)
    expect(follow(shapes, texts)).toBe(1000)
  })

  it('where one of four is used no more, and another is', () => {
    const shapes = new JsonShapes()
    follow(shapes, cycle(2000, ['{"a":1}', '{"b":1}', '{"c":1}', '{"d":1}']))
    const texts = cycle(1000, ['{"a":1}', '{"b":1}', '{"c":1}', '{"e":1}'])
    for (let trial = 0; trial < 3; trial++) follow(shapes, texts)
    expect(follow(shapes, texts)).toBe(1000)
  })

  it('and learning does not go on forever where there are many in use', () => {
    const shapes = new JsonShapes()
    const texts = cycle(1000, [1, 2, 3, 4, 5, 6].map((n) => `{"f${String(n)}":1}`)) // prettier-ignore
    let learned = 0
    for (let trial = 0; trial < 50; trial++) {
      const byShape = follow(shapes, texts)
      if (trial > 1) learned += byShape
    }
    // four of six, trial after trial
    expect(learned / 48).toBeGreaterThan(600)
  })
})

it('keeps little memory, however many fields there are and whatever is in them', () => {
  expose()
  const shapes: JsonShapes[] = []
  const before = heapBytes()
  for (let topic = 0; topic < 4; topic++) {
    const one = new JsonShapes()
    shapes.push(one)
    for (let shape = 0; shape < 4; shape++) {
      const text = (i: number): string =>
        JSON.stringify(
          Object.fromEntries(
            Array.from({ length: 64 }, (_, f) => [`s${String(shape)}f${String(f)}`, `${'v'.repeat(24)}${String(i)}`]),
          ),
        )
      one.learn(text(0), JSON.parse(text(0)))
      for (let i = 0; i < 2100; i++) expect(read(one, text(i % 700))).toBeDefined()
    }
  }
  const grown = heapBytes() - before
  expect(grown / shapes.length).toBeLessThan(2 * 1024 * 1024)
})

const scalar = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
)
const object = fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('1', 'a', 'constructor', '__proto__')), scalar)
const spaced = fc.constantFrom(undefined, 1, '\t')

it('whatever is read is what JSON.parse gives, also of texts that were spoilt', () => {
  let byShape = 0
  fc.assert(
    fc.property(
      fc.array(fc.tuple(object, spaced), { minLength: 1, maxLength: 4 }),
      fc.array(scalar, { minLength: 8, maxLength: 8 }),
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      (known, values, where, byte) => {
        const texts = known.map(([fields, space]) => JSON.stringify(fields, undefined, space))
        const shapes = taught(...texts)
        for (const [fields, space] of known) {
          const others = Object.fromEntries(Object.keys(fields).map((name, i) => [name, values[i % values.length]]))
          const text = JSON.stringify(others, undefined, space)
          const bytes = Buffer.from(text)
          const json = shapes.read(bytes, 0, bytes.length)
          if (json !== undefined) byShape++
          expect(json ?? JSON.parse(text)).toStrictEqual(JSON.parse(text))
          const bad = Buffer.from(bytes)
          bad[where % bytes.length] = byte
          const spoilt = shapes.read(bad, 0, bytes.length)
          if (spoilt !== undefined) expect(spoilt).toStrictEqual(parsed(bad.toString()))
        }
      },
    ),
    { numRuns: 2000 },
  )
  expect(byShape).toBeGreaterThan(500)
})

it('gives one string for texts that come again, and the right one for those that share its place', () => {
  const shapes = taught('{"a":"x"}')
  const texts = Array.from({ length: 3000 }, (_, i) => `symbol ${String(i % 700)}`)
  for (const text of texts) expect(read(shapes, JSON.stringify({ a: text }))).toEqual({ a: text })
})
