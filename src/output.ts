/**
 * Log lines go out without making work wait: a pipe whose reader stalls (a stopped `less`, a log collector that is stuck)
 * takes them into memory, up to a bound, and lines beyond that are dropped, counted, and told of when the reader is back.
 *
 * Node writes to pipes asynchronously on Linux, and to files at once. pino's own destination waits for a full pipe,
 * asleep, and its asynchronous one holds a thread of the pool that would keep the process from ending.
 */
import { pino, type LoggerOptions } from 'pino'
import type { Writable } from 'node:stream'
import type { Logger } from './ports/logger.js'

/** Some thousand lines. */
const MAX_WAITING_BYTES = 1024 * 1024

export class LogOutput {
  #dropped = 0
  #listens = false

  constructor(
    private readonly stream: Writable,
    /** The line that says how many were dropped, with its end. */
    private readonly toldOf: (dropped: number) => string,
    private readonly maxWaitingBytes = MAX_WAITING_BYTES,
  ) {}

  /** A line, or some, with their ends. */
  write(lines: string): void {
    if (this.stream.writableLength >= this.maxWaitingBytes) {
      this.#dropped++
      this.#listen()
      return
    }
    this.stream.write(lines)
  }

  #listen(): void {
    if (this.#listens) return
    this.#listens = true
    // All that waited has been taken.
    this.stream.once('drain', () => {
      this.#listens = false
      const dropped = this.#dropped
      this.#dropped = 0
      this.write(this.toldOf(dropped))
    })
  }
}

/** JSON lines on that stream, as pino's. */
export function jsonLogger(stream: Writable, options: LoggerOptions = {}): Logger {
  let line = ''
  const toldOf = pino({ ...options, level: 'warn' }, { write: (written) => void (line = written) })
  const output = new LogOutput(stream, (dropped) => {
    toldOf.warn({ dropped }, 'the log was not read in time: lines were dropped')
    return line
  })
  return pino(options, output)
}

/** Resolves when everything was written, or can't be any more, or after so many ms. */
export async function flushed(streams: readonly Writable[], withinMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const inTime = new Promise<void>((resolve) => {
    if (withinMs < Infinity) timer = setTimeout(resolve, withinMs)
  })
  await Promise.race([inTime, Promise.all(streams.map(taken))])
  clearTimeout(timer)
}

/** Never rejects. What is written after it is called in order, and so last. */
export const taken = (stream: Writable): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      resolve()
    }
    if (stream.destroyed || stream.writableLength === 0) {
      done()
      return
    }
    stream.once('close', done)
    stream.once('error', done)
    stream.write('', done)
  })
