/** Tries addresses so that one that never answers, as behind a firewall, holds nobody up. */
import type { Clock } from '../ports/clock.js'

/** An attempt that takes longer goes on, but the next address is tried beside it. */
const LATE_MS = 500

/**
 * Resolves with the first attempt that succeeds, undefined when all have failed. `failed` is told of each failure; what
 * it throws ends everything. Attempts that are under way then are left to end by themselves.
 */
export function firstOf<A, T>(
  clock: Clock,
  addresses: readonly A[],
  attempt: (address: A) => Promise<T>,
  failed: (address: A, error: unknown) => void,
): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    let next = 0
    let underWay = 0
    const start = (): void => {
      const address = addresses[next]
      if (address === undefined) {
        if (underWay === 0) resolve(undefined)
        return
      }
      next += 1
      underWay += 1
      const late = clock.after(LATE_MS, start)
      attempt(address).then(
        (value) => {
          late.cancel()
          next = addresses.length
          resolve(value)
        },
        (error: unknown) => {
          late.cancel()
          underWay -= 1
          try {
            failed(address, error)
            start()
          } catch (fatal) {
            next = addresses.length
            reject(fatal instanceof Error ? fatal : new Error(String(fatal)))
          }
        },
      )
    }
    start()
  })
}
