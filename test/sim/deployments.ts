/**
 * Rolling deployments: workers are restarted one by one with the next version of the application, and perhaps with the one
 * before again for a while, half way or whole, while everything else goes wrong. Meanwhile somebody may start a version that can't go on
 * where the application is: it has to be refused before it does anything.
 */
import type { SeededRandom } from '../../src/memory/random.js'
import type { Hands, Slot } from './hands.js'

export interface DeploymentPlan {
  readonly withinMs: number
  /** Whether the first version has written down what it is: before, another version would be the first. */
  readonly isKnown: () => boolean
  /** Somebody starts the version that can't go on. */
  readonly startIncompatible: () => void
}

const ASK_AGAIN_MS = 100

export class Deployments {
  /** Whether this world has any. */
  readonly isOn: boolean
  /** What a slot that is added gets. */
  version: Slot['version'] = 'first'
  #goes = 0
  #wasLater = false

  constructor(private readonly random: SeededRandom) {
    this.isOn = random.chance(0.6)
  }

  plan(hands: Hands, { withinMs, isKnown, startIncompatible }: DeploymentPlan): void {
    if (!this.isOn) return
    const { random } = this
    const rollouts = 1 + random.below(3)
    const times = Array.from({ length: rollouts }, () => random.between(0, withinMs)).sort((a, b) => a - b)
    for (const [i, atMs] of times.entries()) {
      const everyMs = random.pick([50, 300, 1_000, 2_000])
      this.#when(hands, isKnown, atMs, withinMs, () => {
        this.#rollOut(hands, i % 2 === 0 ? 'later' : 'first', everyMs)
      })
    }
    if (random.chance(0.5)) this.#when(hands, isKnown, random.between(0, withinMs), withinMs, startIncompatible)
  }

  /** All workers have the same version in the end: the later one where it was ever there, for what it has begun waits for it. */
  finish(hands: Hands): void {
    if (this.isOn) this.#rollOut(hands, this.#wasLater ? 'later' : 'first', 100)
  }

  #when(hands: Hands, isTrue: () => boolean, atMs: number, withinMs: number, act: () => void): void {
    hands.scheduler.after(undefined, atMs, () => {
      if (isTrue()) act()
      else if (hands.scheduler.elapsedMs < withinMs) this.#when(hands, isTrue, ASK_AGAIN_MS, withinMs, act)
    })
  }

  /** Another one may begin before it is through. */
  #rollOut(hands: Hands, version: Slot['version'], everyMs: number): void {
    const number = ++this.#goes
    this.version = version
    this.#wasLater ||= version === 'later'
    hands.say(() => `the ${version} version is rolled out, one worker every ${String(everyMs)} ms`)
    const slots = hands.slots.filter((slot) => slot.version !== version)
    for (const [i, slot] of slots.entries())
      hands.scheduler.after(undefined, i * everyMs, () => {
        if (number !== this.#goes) return
        slot.version = version
        if (slot.process !== undefined) hands.stop(slot)
      })
  }
}
