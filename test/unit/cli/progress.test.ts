import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { progressOn } from '../../../src/cli/progress.js'

const streamOf = (isTTY: boolean): PassThrough & { readonly isTTY: boolean } =>
  Object.assign(new PassThrough(), { isTTY })
const written = (stream: PassThrough): string => String(stream.read() ?? '')
const notInstalled = (): Promise<undefined> => Promise.resolve(undefined)

describe('progress', () => {
  test('is a bar on a terminal, with lines above it', async () => {
    const stream = streamOf(true)
    const progress = await progressOn(stream, 200)
    progress.update(100, 1_234)
    progress.print('line 7: no luck')
    progress.stop()
    const text = written(stream)
    expect(text).toContain('50%, 1,234 lines')
    expect(text).toContain('\r\u001b[2Kline 7: no luck\n')
  })

  test('is lines alone where there is no terminal, or nothing that draws a bar', async () => {
    for (const stream of [streamOf(false), streamOf(true)]) {
      const progress = await progressOn(stream, 200, stream.isTTY ? notInstalled : undefined)
      progress.update(100, 1_234)
      progress.print('line 7: no \u001b luck')
      progress.stop()
      expect(written(stream)).toBe('line 7: no \\u{1b} luck\n')
    }
  })
})
