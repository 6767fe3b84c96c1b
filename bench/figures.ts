/** Figures that several benchmarks tell of a worker, in the same words. */
import type { Figure } from './comparison.js'
import { mebibytes, wholeNumber } from './report.js'

const milliseconds = (ms: number): string => ms.toFixed(1)

export const peakMemory = {
  name: 'peak MiB',
  of: ({ peakBytes }: { readonly peakBytes: number }) => peakBytes,
  text: mebibytes,
  better: 'less',
} as const satisfies Figure<{ readonly peakBytes: number }>

/** Of a backlog: what a worker needs for one of them. */
export const cpuFor = <T>(what: string, of: (round: T) => number): Figure<T> => ({
  name: `µs CPU per ${what}`,
  of,
  text: (micros) => micros.toFixed(2),
  better: 'less',
})

/** Of a backlog, too: the more, the better. */
export const perSecond = <T>(name: string, of: (round: T) => number): Figure<T> => ({
  name,
  of,
  text: wholeNumber,
  better: 'more',
})

/** Of a steady load. */
export const underLoad = {
  p50: latency('p50, ms', ({ p50Ms }) => p50Ms),
  p99: latency('p99, ms', ({ p99Ms }) => p99Ms),
  cpu: {
    name: 'CPU, % of a core',
    of: ({ cpuPercent }: UnderLoad) => cpuPercent,
    text: wholeNumber,
    better: 'less',
  },
} as const

interface UnderLoad {
  readonly p50Ms: number
  readonly p99Ms: number
  readonly cpuPercent: number
}

function latency(name: string, of: (round: UnderLoad) => number): Figure<UnderLoad> {
  return { name, of, text: milliseconds, better: 'less' }
}

/** How fast a worker works off a backlog from its first commit on: without what starting takes. */
export class RunningRate {
  #first: { readonly atMs: number; readonly done: number } | undefined
  #done = 0

  /** So much is done now. */
  see(done: number): void {
    this.#done = done
    if (done > 0) this.#first ??= { atMs: performance.now(), done }
  }

  /** Of `count` things, of which the last is done by now. `startedMs`: of the worker, which counts where it was all done at once. */
  perSecond(count: number, startedMs: number): number {
    const began =
      this.#first === undefined || this.#first.done === this.#done ? { atMs: startedMs, done: 0 } : this.#first
    return (count * (1 - began.done / this.#done)) / ((performance.now() - began.atMs) / 1000)
  }
}
