import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { flushed, jsonLogger, LogOutput } from '../../src/output.js'

/** Takes nothing until it is read. */
class Stalled extends Writable {
  readonly taken: string[] = []
  #reading = false
  #next: (() => void) | undefined

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const take = (): void => {
      this.taken.push(chunk.toString())
      done()
    }
    if (this.#reading) take()
    else this.#next = take
  }

  read(): void {
    this.#reading = true
    this.#next?.()
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const line = 'x'.repeat(9) + '\n'

describe('a log whose reader stalls', () => {
  test('keeps lines up to its bound, drops and counts the others, and says so when it is read again', async () => {
    const stream = new Stalled({ highWaterMark: 10 })
    const output = new LogOutput(stream, (dropped) => `${String(dropped)} dropped\n`, 30)
    for (let i = 0; i < 10; i++) output.write(line)
    expect(stream.writableLength).toBe(30)
    stream.read()
    await turn()
    expect(stream.taken).toEqual([line, line, line, '7 dropped\n'])
    output.write(line)
    await turn()
    expect(stream.taken.at(-1)).toBe(line)
  })

  test('says it as a log line, whatever the level', async () => {
    const stream = new Stalled({ highWaterMark: 10 })
    const logger = jsonLogger(stream, { level: 'error', base: { pid: 7 } })
    for (let i = 0; i < 3; i++) logger.error({ big: 'x'.repeat(600_000) }, 'big')
    logger.warn({}, 'not of this level')
    stream.read()
    await turn()
    const lines = stream.taken.map((text) => JSON.parse(text) as Record<string, unknown>)
    expect(lines.map(({ msg }) => msg)).toEqual(['big', 'big', 'the log was not read in time: lines were dropped'])
    expect(lines[2]).toMatchObject({ level: 40, pid: 7, dropped: 1 })
  })
})

describe('flushed', () => {
  test('resolves when everything was taken', async () => {
    const stream = new Stalled()
    stream.write('a')
    let isFlushed = false
    const flushing = flushed([stream, new Stalled()], Infinity).then(() => (isFlushed = true))
    await turn()
    expect(isFlushed).toBe(false)
    stream.read()
    await flushing
    expect(stream.taken.join('')).toBe('a')
  })

  test('waits no longer than it is told to, and not for a stream that has failed', async () => {
    const [stalled, failed] = [new Stalled(), new Stalled()]
    for (const stream of [stalled, failed]) {
      stream.on('error', () => undefined)
      stream.write('a')
    }
    await flushed([stalled], 1)
    const flushing = flushed([failed], Infinity)
    failed.destroy(new Error('EPIPE'))
    await flushing
    await flushed([failed], Infinity)
  })
})
