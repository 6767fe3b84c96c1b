/** Worlds in which several workers come and go at once: what happens, and how such a group has to come to rest. */
import { defaults, type RuntimeOptions } from '../../src/runtime/options.js'
import type { SeededRandom } from '../../src/memory/random.js'
import type { Hands, Slot } from './hands.js'

export const MOST_WORKERS = 5
/** A group that rebalances again and again does so more often than this. */
const UNMOVED_MS = 5_000

/** With a low bound of warmth, standbys are cold for a while, and far enough behind to begin with a copy of the owner's store. */
export const drawHandOff = (random: SeededRandom): Partial<RuntimeOptions> => ({
  standbys: random.pick([0, 0, 1, 2]),
  warmLag: random.pick([0, 5, 50, defaults.warmLag]),
  handOverTimeoutMs: random.pick([500, defaults.handOverTimeoutMs]),
})

/** Several workers at once, or one after the other, come and go. */
export function planBiggerSteps(hands: Hands, random: SeededRandom, withinMs: number): void {
  const running = (): Slot[] => hands.slots.filter(({ process }) => process !== undefined)
  const join = (count: number): Slot[] => {
    const free = Math.min(count, MOST_WORKERS - hands.slots.length)
    return Array.from({ length: free }, () => hands.addSlot(random.pick([0, 0, 20, 300])))
  }
  const steps: readonly (() => void)[] = [
    () => {
      hands.say(() => 'several join at once')
      join(2 + random.below(2))
    },
    () => {
      hands.say(() => 'all but one stop at once')
      for (const slot of running().slice(1)) hands.stop(slot)
    },
    () => {
      hands.say(() => 'all stop at once')
      for (const slot of running()) hands.stop(slot)
    },
    () => {
      const everyMs = random.pick([100, 600, 2_000])
      hands.say(() => `all are restarted, one every ${String(everyMs)} ms`)
      for (const [i, slot] of running().entries())
        hands.scheduler.after(undefined, i * everyMs, () => {
          hands.stop(slot)
        })
    },
    () => {
      hands.say(() => 'one joins, and is to die while it warms up')
      for (const slot of join(1))
        hands.scheduler.after(undefined, random.between(300, 1_500), () => {
          hands.kill(slot, 'is killed')
        })
    },
    () => {
      hands.say(() => 'one joins, and a broker restarts while it warms up')
      join(1)
      hands.scheduler.after(undefined, random.between(50, 1_500), () => {
        hands.restartBroker(random.below(hands.cluster.brokers), random.pick([1, 100, 1_000, 3_000]))
      })
    },
  ]
  const count = 1 + random.below(3)
  for (let i = 0; i < count; i++) hands.scheduler.after(undefined, random.between(0, withinMs), random.pick(steps))
}

/** Waits until the workers share the tasks evenly; then nothing may move any more. */
export async function groupAtRest(
  hands: Hands,
  group: string,
  tasks: number,
  withinMs: number,
): Promise<string | undefined> {
  const untilMs = hands.scheduler.elapsedMs + withinMs
  let generation = -1
  let sinceMs = 0
  while (generation < 0 || hands.scheduler.elapsedMs < sinceMs + UNMOVED_MS) {
    await hands.scheduler.advance(200)
    const now = isBalanced(hands, tasks) ? hands.cluster.describeGroup(group).generation : -1
    if (now !== generation) sinceMs = hands.scheduler.elapsedMs
    generation = now
    if (hands.scheduler.elapsedMs < untilMs) continue
    const shares = hands.slots.map(({ name, worker }) => `${name} ${worker?.active.join() ?? 'is down'}`)
    return (
      `the group rebalances, ${String(withinMs)} ms after all was well: ${shares.join('; ')}, ` +
      `generation ${String(hands.cluster.describeGroup(group).generation)}`
    )
  }
  return undefined
}

function isBalanced(hands: Hands, tasks: number): boolean {
  const shares = hands.slots.map(({ worker }) => worker?.active ?? [])
  const sizes = shares.map(({ length }) => length)
  return (
    hands.slots.every(({ process }) => process?.paused === false) &&
    new Set(shares.flat()).size === sizes.reduce((sum, size) => sum + size, 0) &&
    sizes.reduce((sum, size) => sum + size, 0) === tasks &&
    Math.max(...sizes) - Math.min(...sizes) <= 1
  )
}
