/** What every benchmark is given, and how rounds alternate. */
import type { Cluster } from './cluster.js'
import type { Contender } from './contenders.js'

export interface BenchContext {
  readonly cluster: Cluster
  /** Potoroo first. */
  readonly contenders: readonly Contender[]
  /** For state and logs. */
  readonly directory: string
  /** Where the broker keeps its topics, if that is on this machine. */
  readonly brokerLogs: string | undefined
  /** In front of everything in Kafka. */
  readonly namePrefix: string
  /** What goes on, while it continues. */
  readonly say: (line: string) => void
}

/** A contender, or one of several ways in which it is measured. */
export interface Named {
  readonly name: string
  readonly title: string
}

export interface Rounds<T> {
  readonly contender: Named
  readonly rounds: readonly T[]
}

/**
 * Every contender once, then every contender again: a machine that gets slower, or a log that gets longer, is then no
 * contender's disadvantage. Each second round goes the other way round.
 */
export async function alternate<C extends Named, T>(
  contenders: readonly C[],
  rounds: number,
  run: (contender: C, round: number) => Promise<T>,
): Promise<readonly Rounds<T>[]> {
  const results = contenders.map((contender) => ({ contender, rounds: [] as T[] }))
  for (let round = 0; round < rounds; round++)
    for (const result of round % 2 === 0 ? results : [...results].reverse())
      result.rounds.push(await run(result.contender, round))
  return results
}
