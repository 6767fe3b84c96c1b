/** What goes wrong with the machines under the workers: they lose power, and their clocks are set. */
import type { SeededRandom } from '../../src/memory/random.js'
import type { Hands } from './hands.js'

const HOUR_MS = 3_600_000

export interface MachinePlan {
  readonly withinMs: number
  /** By wall clocks the age of stores is known: where that is the point, they are right. */
  readonly setsClocks: boolean
}

/** Stores that were open when power failed are whole, old, or neither: nobody may believe them. */
export function planMachines(hands: Hands, random: SeededRandom, { withinMs, setsClocks }: MachinePlan): void {
  const troubles: readonly (() => void)[] = [
    () => {
      const slot = random.pick(hands.slots)
      hands.kill(slot, 'is dead, for its machine loses power')
      const keptShare = random.pick([0, 0.5, 0.9])
      hands.chronicle.powerFailed(slot.name)
      slot.disk.losePower(() => random.chance(keptShare))
    },
    () => {
      if (!setsClocks) return
      const { process } = random.pick(hands.slots)
      const ms = random.pick([-1, 1]) * random.pick([200_000, 2 * HOUR_MS, 14 * HOUR_MS, 800 * HOUR_MS])
      hands.say(() => `the clock of ${process?.name ?? 'nobody'} is set ${String(ms)} ms off`)
      hands.chronicle.clocksWereSet = true
      process?.setWallClockOff(ms)
    },
  ]
  const count = 1 + random.below(4)
  for (let i = 0; i < count; i++)
    hands.scheduler.after(undefined, random.between(0, withinMs), random.pick([...troubles, ...troubles.slice(0, 1)]))
}
