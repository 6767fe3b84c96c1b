/** The worlds beside the large one: they live, whatever happens to them, and say what came of it. */
import type { Scheduler } from '../../src/memory/scheduler.js'

export interface OperatorOutcome {
  readonly problems: readonly string[]
  readonly events: number
  readonly virtualMs: number
  readonly trace: readonly string[]
}

export interface LivedWorld {
  readonly scheduler: Scheduler
  readonly problems: string[]
  readonly trace: readonly string[]
}

/** Never rejects. `name` is put before each problem. */
export async function livedThrough(
  name: string,
  { scheduler, problems, trace }: LivedWorld,
  live: () => Promise<void>,
): Promise<OperatorOutcome> {
  try {
    await live()
  } catch (error) {
    problems.push(`the simulation broke off: ${error instanceof Error ? (error.stack ?? '') : String(error)}`)
  }
  const { happened: events, elapsedMs: virtualMs } = scheduler
  return { problems: problems.map((one) => `${name}: ${one}`), events, virtualMs, trace }
}
