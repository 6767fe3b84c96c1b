/** What a process has used so far, as Linux counts it. */
import { readFileSync } from 'node:fs'

export interface Usage {
  readonly cpuSeconds: number
  /**
   * Heaps, stacks and the like, now. Mapped files (LMDB's, RocksDB's) don't count: they are the page cache's, which gives
   * them back when somebody needs the memory.
   */
  readonly anonymousBytes: number
}

/** USER_HZ: what /proc counts in, whatever the kernel's own clock. 100 on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

/** Of all its threads; undefined when there is no such process (any more). */
export function usageOf(pid: number): Usage | undefined {
  try {
    const of = (file: string): string => readFileSync(`/proc/${String(pid)}/${file}`, 'utf8')
    return parseUsage(of('stat'), of('status'))
  } catch {
    return undefined
  }
}

export function parseUsage(stat: string, status: string): Usage | undefined {
  // The program's name stands in parentheses, and may have blanks and parentheses in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [userTicks, systemTicks] = [Number(fields[11]), Number(fields[12])]
  const anonymousKiB = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]
  // A process that has ended and was not waited for has no memory any more.
  if (!Number.isFinite(userTicks + systemTicks) || anonymousKiB === undefined) return undefined
  return {
    cpuSeconds: (userTicks + systemTicks) / TICKS_PER_SECOND,
    anonymousBytes: Number(anonymousKiB) * 1024,
  }
}
