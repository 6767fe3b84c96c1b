/** Where a conformance case runs: on a real broker in real time, or on the one in memory in virtual time. */
import type { Clock } from '../../src/ports/clock.js'
import type { Log } from '../../src/ports/log.js'

export interface World {
  readonly clock: Clock
  /** A client of its own; the world closes it. */
  log(options?: { readonly transactionTimeoutMs?: number }): Log
  /** A name that no other case uses. */
  name(base: string): string
  /** Deletes the records before these offsets. */
  deleteBefore(topic: string, partition: number, offset: number): Promise<void>
  /** Resolves when it is gone. */
  deleteTopic(topic: string): Promise<void>
  /** Whether brokers go by ids also where records are written: with transactions of version 2 (Kafka 4). */
  readonly writesByIds: boolean
  close(): Promise<void>
}

export interface Worlds {
  /** Runs one case in a world of its own, or in its own corner of one. */
  run(body: (world: World) => Promise<void>): Promise<void>
}

export const sleep = (clock: Clock, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.after(ms, resolve)
  })

/** Resolves as soon as the condition holds; looks every 5 ms of the world's time. */
export async function eventually(
  world: World,
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const untilMs = world.clock.monotonic() + 20_000
  while (!(await condition())) {
    if (world.clock.monotonic() > untilMs) throw new Error(`not within 20 s: ${what}`)
    await sleep(world.clock, 5)
  }
}
