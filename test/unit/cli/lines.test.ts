import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Line, linesOf } from '../../../src/cli/lines.js'

async function read(chunks: readonly (string | Buffer)[], maxLineBytes = 1_000): Promise<Line[]> {
  const lines: Line[] = []
  const input = async function* () {
    for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk))
  }
  for await (const some of linesOf(input(), maxLineBytes)) lines.push(...some)
  return lines
}
const texts = (lines: readonly Line[]) => lines.map(({ number, bytes }) => [number, bytes?.toString('latin1')])

describe('linesOf', () => {
  test('numbers lines from 1, counting those that are blank', async () => {
    expect(texts(await read(['a\n\n\r\nb\n']))).toEqual([
      [1, 'a'],
      [4, 'b'],
    ])
  })

  test('takes a last line without a line end, and Windows line ends', async () => {
    expect(texts(await read(['a\r\nb']))).toEqual([
      [1, 'a'],
      [2, 'b'],
    ])
    expect(await read([])).toEqual([])
  })

  test('drops a byte order mark, of the first line only', async () => {
    const bom = '\u00ef\u00bb\u00bf'
    expect(texts(await read([Buffer.from(`${bom}a\n${bom}b`, 'latin1')]))).toEqual([
      [1, 'a'],
      [2, `${bom}b`],
    ])
  })

  test('leaves bytes that are no UTF-8 as they are', async () => {
    const [line] = await read([Buffer.from([0xff, 0xfe, 0x0a])])
    expect(line?.bytes).toEqual(Buffer.from([0xff, 0xfe]))
  })

  test('a line that is too long comes without its bytes, however it is cut, and the next ones are as they were', async () => {
    expect(texts(await read(['aa', 'aa', 'a\nbbbb\ncc', 'ccc'], 4))).toEqual([
      [1, undefined],
      [2, 'bbbb'],
      [3, undefined],
    ])
  })

  test('any way of cutting the input gives the same lines', async () => {
    const line = fc.string({ unit: fc.constantFrom('a', 'é', '\r', '"'), maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 8 }), fc.array(fc.nat(60), { maxLength: 6 }), async (all, cuts) => {
        const whole = Buffer.from(all.join('\n'))
        const places = [0, ...cuts.map((cut) => Math.min(cut, whole.length)).sort((a, b) => a - b), whole.length]
        const chunks = places.slice(1).map((end, i) => whole.subarray(places[i], end))
        expect(await read(chunks)).toEqual(await read([whole]))
      }),
    )
  })
})
