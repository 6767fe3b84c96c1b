/** The real clock, real chance and the machine, for what puts the parts together. */
import { randomBytes } from 'node:crypto'
import { totalmem } from 'node:os'
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
 * machine, or of the container, shared by all. Both lie beside the heap.
 */
export function memoryShare(workers = 1): number {
  const constrained = process.constrainedMemory()
  const machine = Math.min(totalmem(), constrained > 0 ? constrained : Infinity)
  return Math.floor(machine / 4 / workers)
}
