/** What goes wrong with single workers, beside their deaths. */
import { messageOf } from '../../src/errors.js'
import type { SeededRandom } from '../../src/memory/random.js'
import type { Hands, Slot } from './hands.js'

/** Members that join, are given tasks, and leave: the tasks come back to where they were a moment ago. */
export function blips(hands: Hands, random: SeededRandom, group: string): void {
  const process = hands.scheduler.process('blip')
  const { clock } = process
  const everyMs = random.pick([400, 700])
  const client = hands.cluster.log({ process, clientId: 'blip' }).group(group)
  const blip = async (): Promise<void> => {
    let id = ''
    const request = { memberId: '', sessionTimeoutMs: 6_000, rebalanceTimeoutMs: 3_000, protocol: 'potoroo' }
    try {
      const joined = await client.join({ ...request, metadata: new Uint8Array(0) }, (given) => (id = given))
      if (joined.leaderId !== id) await client.sync(joined, new Map())
    } catch (error) {
      hands.say(() => `blip: ${messageOf(error)}`)
    }
    await client.leave(id).catch(() => undefined)
  }
  hands.say(() => 'members come and go at once')
  for (let i = 0; i < 5; i++) clock.after(i * everyMs, () => void blip())
}

/** Comes and goes, so that tasks come back to where they were a moment ago. */
export function flutter(hands: Hands, random: SeededRandom, slot: Slot): void {
  const everyMs = random.between(50, 800)
  for (let i = 1; i <= 4; i++)
    hands.scheduler.after(undefined, i * everyMs, () => {
      if (slot.process === undefined) return
      hands.say(() => `${slot.process?.name ?? ''} is killed`)
      hands.gone(slot, everyMs / 2)
    })
}

export function pause(hands: Hands, random: SeededRandom, slot: Slot): void {
  const { process } = slot
  if (process === undefined) return
  const forMs = random.pick([50, 1_000, 5_000, 10_000])
  hands.say(() => `${process.name} is paused for ${String(forMs)} ms`)
  hands.chronicle.wasHeld(process.name)
  process.pause()
  hands.scheduler.after(undefined, forMs, () => {
    process.resume()
  })
}

/** Its session ends, others get its tasks, and it continues: only fencing can stop it. */
export function cutOff(hands: Hands, random: SeededRandom, slot: Slot): void {
  const { process } = slot
  if (process === undefined) return
  const forMs = random.pick([1_000, 7_000, 9_000])
  hands.say(() => `${process.name} does not reach its group for ${String(forMs)} ms`)
  hands.chronicle.wasHeld(process.name)
  hands.weather.cutOff.add(process.name)
  hands.scheduler.after(undefined, forMs, () => {
    hands.weather.cutOff.delete(process.name)
  })
}
