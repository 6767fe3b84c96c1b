/** The real clock and real chance, for what puts the parts together. */
import { randomBytes } from 'node:crypto'
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
