/** Waiting that ends by the clock. */
import type { Clock } from '../ports/clock.js'

/** As the work, but rejects with what `late` gives when it takes longer than that. The work goes on, to no effect. */
export async function inTime<T>(clock: Clock, ms: number, work: Promise<T>, late: () => Error): Promise<T> {
  let timeUp: (error: Error) => void = () => undefined
  const tooLong = new Promise<never>((_, reject) => (timeUp = reject))
  const timer = clock.after(ms, () => {
    timeUp(late())
  })
  try {
    return await Promise.race([work, tooLong])
  } finally {
    timer.cancel()
  }
}
