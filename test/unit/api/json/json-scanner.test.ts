import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { JsonScanner, kinds, MAX_SHAPES, MAX_TEXT_BYTES } from '../../../../src/api/json/json-scanner.js'
import { JsonShapes } from '../../../../src/api/json/json-shape.js'

const GAPS = ['{"a":', '}'].map((gap) => Buffer.from(gap))

function scannerOf(gaps: readonly Uint8Array[]): { scanner: JsonScanner; shape: number } {
  const scanner = JsonScanner.create()
  const shape = scanner?.setShape(0, gaps)
  if (scanner === undefined || shape === undefined) throw new Error('no scanner')
  return { scanner, shape }
}

const isPlain = (text: string): boolean => /^[ -~]*$/.test(text) && !text.includes('\\')

/** Texts behind each other as records lie, with other bytes between them; where each of them is. */
function laidOut(texts: readonly string[], between: number): { bytes: Buffer; places: [start: number, end: number][] } {
  const parts: Buffer[] = []
  const places: [number, number][] = []
  let at = 0
  for (const text of texts) {
    const value = Buffer.from(text)
    parts.push(Buffer.alloc(between, '"'), value)
    places.push([at + between, at + between + value.length])
    at += between + value.length
  }
  return { bytes: Buffer.concat(parts), places }
}

afterEach(() => {
  vi.unstubAllGlobals()
  vi.resetModules()
})

describe('texts in a large Buffer', () => {
  const message = fc.record({
    a: fc.oneof(
      fc.string(),
      fc.integer({ min: 0, max: 20_000 }).map((length) => 'x'.repeat(length)),
    ),
    b: fc.double({ noNaN: true, noDefaultInfinity: true }),
  })
  const learned = '{"a":"","b":1}'
  const order = fc.constantFrom('forward', 'backward', 'every other', 'twice')

  it('are read as JSON.parse reads them, in whatever order', () => {
    fc.assert(
      fc.property(
        fc.array(message, { minLength: 5, maxLength: 30 }),
        fc.nat({ max: 2000 }),
        order,
        (messages, between, way) => {
          const shapes = new JsonShapes()
          shapes.learn(learned, JSON.parse(learned))
          const texts = messages.map((each) => JSON.stringify(each))
          const { bytes, places } = laidOut(texts, between)
          const indexes = [...texts.keys()]
          if (way === 'backward') indexes.reverse()
          if (way === 'twice') indexes.push(...indexes)
          for (const i of way === 'every other' ? indexes.filter((index) => index % 2 === 0) : indexes) {
            const [start, end] = places[i] ?? [0, 0]
            const json = shapes.read(bytes, start, end)
            const text = texts[i] ?? ''
            expect(json).toStrictEqual(isPlain(text) ? JSON.parse(text) : undefined)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it('are not taken from another Buffer that had one at the same place', () => {
    const { scanner, shape } = scannerOf(GAPS)
    for (const digit of ['1', '2']) {
      const text = Buffer.from(`{"a":${digit}}`)
      const at = scanner.bring(text, 0, text.length)
      expect(scanner.scan(shape, at, at + text.length)).toBe(true)
      expect(scanner.values[1]).toBe(Number(digit))
    }
  })

  it('are brought as long as there is room for them', () => {
    const { scanner, shape } = scannerOf(GAPS)
    const text = (length: number): Buffer => Buffer.from(`{"a":"${'x'.repeat(length - 8)}"}`)
    const longest = text(MAX_TEXT_BYTES)
    const at = scanner.bring(longest, 0, longest.length)
    expect(scanner.scan(shape, at, at + longest.length)).toBe(true)
    expect([...scanner.values.subarray(0, 3)]).toEqual([kinds.text, at + 6, at + MAX_TEXT_BYTES - 2])
    expect(scanner.bring(text(MAX_TEXT_BYTES + 1), 0, MAX_TEXT_BYTES + 1)).toBe(-1)
  })
})

describe('a scan', () => {
  it.each([
    ['a text', '{"a":"x', '"}'],
    ['digits', '{"a":1', '2}'],
    ['decimals', '{"a":1.', '5}'],
    ['an exponent', '{"a":1e', '5}'],
    ['a literal', '{"a":tr', 'ue}'],
    ['the end of the shape', '{"a":1', '}'],
    ['the beginning of the shape', '{"', 'a":1}'],
  ])('does not take for part of a text what follows it: %s', (_, text, behind) => {
    const { scanner, shape } = scannerOf(GAPS)
    const bytes = Buffer.from(text + behind)
    const at = scanner.bring(bytes, 0, text.length)
    expect(scanner.scan(shape, at, at + text.length)).toBe(false)
    expect(scanner.scan(shape, at, at + bytes.length)).toBe(true)
  })

  it.each([1, 15, 16, 17, 31, 32, 33, 200])('compares every byte of %i between two values', (length) => {
    const name = 'n'.repeat(length)
    const gap = Buffer.from(`,"${name}":`)
    const { scanner, shape } = scannerOf([Buffer.from('{"a":'), gap, Buffer.from('}')])
    const text = Buffer.from(`{"a":1,"${name}":2}`)
    for (let wrong = 6; wrong <= 6 + gap.length; wrong++) {
      const bytes = Buffer.from(text)
      if (wrong < 6 + gap.length) bytes[wrong] = '_'.charCodeAt(0)
      const at = scanner.bring(bytes, 0, bytes.length)
      expect(scanner.scan(shape, at, at + bytes.length)).toBe(wrong === 6 + gap.length)
    }
  })
})

it('takes no shape for which there is no room, and as many as are promised', () => {
  const { scanner } = scannerOf(GAPS)
  for (let index = 0; index < MAX_SHAPES; index++) {
    expect(scanner.setShape(index, [Buffer.alloc(9000), Buffer.from('}')])).toBeUndefined()
    const largest = [Buffer.alloc(8 * 1024 - 64, ' '), Buffer.from('}')]
    expect(scanner.setShape(index, largest)).toBeDefined()
  }
  const shape = scanner.setShape(1, GAPS) ?? 0
  const text = Buffer.from('{"a":1}')
  const at = scanner.bring(text, 0, text.length)
  expect(scanner.scan(shape, at, at + text.length)).toBe(true)
})

describe('where code may not be compiled, JSON.parse reads all', () => {
  const text = '{"a":"some text","b":1}'
  const readAfterLearning = async (): Promise<object | undefined> => {
    const { JsonShapes } = await import('../../../../src/api/json/json-shape.js')
    const shapes = new JsonShapes()
    shapes.learn(text, JSON.parse(text))
    const bytes = Buffer.from(text)
    return shapes.read(bytes, 0, bytes.length)
  }

  it('but is read by shape where it may', async () => {
    vi.resetModules()
    expect(await readAfterLearning()).toEqual({ a: 'some text', b: 1 })
  })

  it('neither WebAssembly (node --jitless)', async () => {
    vi.resetModules()
    vi.stubGlobal('WebAssembly', undefined)
    expect(await readAfterLearning()).toBeUndefined()
  })

  it('nor text (node --disallow-code-generation-from-strings)', async () => {
    vi.resetModules()
    vi.stubGlobal('Function', function () {
      throw new EvalError('not here')
    })
    expect(await readAfterLearning()).toBeUndefined()
    const { latin1Text } = await import('../../../../src/api/json/literal.js')
    expect(latin1Text(Buffer.from('some text'), 5, 9)).toBe('text')
  })
})
