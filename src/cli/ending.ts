/**
 * How the process ends: the one place for all commands. The module of an application may leave behind what keeps Node's
 * event loop alive (an interval, a pool of connections), so a command that is done ends the process by itself, when what
 * it has printed was taken.
 */
import type { Writable } from 'node:stream'
import { taken } from '../output.js'

/** A reader that takes nothing for so long gets no more. */
const STALLED_MS = 5_000

/** Resolves when all of it was handed to the operating system, or its reader is gone or stands still. Never rejects. */
export async function drained(stream: Writable, stalledMs = STALLED_MS): Promise<void> {
  // What was written in this turn may fail only at its end.
  await new Promise((resolve) => setImmediate(resolve))
  let watch: NodeJS.Timeout | undefined
  const stalled = new Promise<void>((resolve) => {
    let left = stream.writableLength
    watch = setInterval(() => {
      if (stream.writableLength >= left) resolve()
      left = stream.writableLength
    }, stalledMs)
  })
  await Promise.race([taken(stream), stalled])
  clearInterval(watch)
}

/** With `process.exitCode`. */
export async function endProcess(...streams: readonly Writable[]): Promise<never> {
  await Promise.all(streams.map((stream) => drained(stream)))
  process.exit()
}
