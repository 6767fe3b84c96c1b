/** The real clock, real chance and the machine, for what puts the parts together. */
import { randomBytes } from 'node:crypto'
import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import type { Clock, Random } from './ports/clock.js'

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms)
    return {
      cancel: () => {
        clearTimeout(timer)
      },
    }
  },
  soon: (call) => {
    setImmediate(call)
  },
}

export const systemRandom: Random = {
  next: () => Math.random(),
  id: () => randomBytes(16).toString('hex'),
}

/**
 * What one of so many workers on this machine may use for records and state objects, when nobody said it: a quarter of the
 * machine, or of the container, shared by all; but half of the process's heap at most (node's --max-old-space-size), as the
 * garbage collector needs room beside what lives.
 */
export function memoryShare(workers = 1): number {
  const constrained = process.constrainedMemory()
  const machine = Math.min(totalmem(), constrained > 0 ? constrained : Infinity)
  return Math.floor(Math.min(machine / 4 / workers, getHeapStatistics().heap_size_limit / 2))
}
