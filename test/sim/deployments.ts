/**
 * Rolling deployments: workers are restarted one by one with the next version of the application, and perhaps with the one
 * before again for a while, halfway or whole, while everything else goes wrong. Meanwhile somebody may start a version that can't continue
 * where the application is: it must be refused before it does anything.
 *
 * In some of these worlds an operator rolls back (core/plan/roll-back.ts): the first version becomes the newest, and may stay
 * it; or the later one does once more. Then sources and state objects of the later one are nobody's for a while.
 */
import type { SeededRandom } from '../../src/memory/random.js'
import type { Hands, Slot } from './hands.js'

export interface DeploymentPlan {
  readonly withinMs: number
  /** Whether the first version has written down what it is: before, another version would be the first. */
  readonly isKnown: () => boolean
  /** Somebody starts the version that can't go on. */
  readonly startIncompatible: () => void
  /** Makes that version the newest. Rejects where brokers are out of reach. */
  readonly rollBackTo: (version: Slot['version']) => Promise<void>
}

const ASK_AGAIN_MS = 100

export class Deployments {
  /** Whether this world has any. */
  readonly isOn: boolean
  /** What a slot that is added gets. */
  version: Slot['version'] = 'first'
  #goes = 0
  #wasLater = false
  /** Whether an operator goes back. */
  readonly rollsBack: boolean
  /** The last roll-back is not done yet, or some workers have not heard of it. */
  isUnderWay = false
  #rollBackTo: DeploymentPlan['rollBackTo'] = () => Promise.resolve()

  /** `rollBacks`: of these alone, so that worlds without are what they were before there were any. */
  constructor(
    private readonly random: SeededRandom,
    private readonly rollBacks: SeededRandom,
  ) {
    this.isOn = random.chance(0.6)
    this.rollsBack = this.isOn && rollBacks.chance(0.5)
  }

  plan(hands: Hands, { withinMs, isKnown, startIncompatible, rollBackTo }: DeploymentPlan): void {
    if (!this.isOn) return
    this.#rollBackTo = rollBackTo
    const { random } = this
    const rollouts = 1 + random.below(3)
    const times = Array.from({ length: rollouts }, () => random.between(0, withinMs)).sort((a, b) => a - b)
    for (const [i, atMs] of times.entries()) {
      const everyMs = random.pick([50, 300, 1_000, 2_000])
      this.#when(hands, isKnown, atMs, withinMs, () => {
        const version = i % 2 === 0 ? 'later' : 'first'
        if (i > 0 && this.rollsBack && this.rollBacks.chance(0.7)) this.#rollBack(hands, version, withinMs)
        this.#rollOut(hands, version, everyMs)
      })
    }
    if (random.chance(0.5)) this.#when(hands, isKnown, random.between(0, withinMs), withinMs, startIncompatible)
  }

  /** All workers have the same version in the end: the later one where it was ever there, for what it has begun waits for it. */
  finish(hands: Hands): void {
    if (!this.isOn) return
    if (this.rollsBack) this.#settle(hands)
    else this.#rollOut(hands, this.#wasLater ? 'later' : 'first', 100)
  }

  /** One of the two is to stay, and is made the newest once nobody runs who has not begun as that: they would be the newest in turn. */
  #settle(hands: Hands): void {
    const last = this.#wasLater && this.rollBacks.chance(0.5) ? 'later' : 'first'
    this.#goes++
    this.version = last
    this.isUnderWay = true
    hands.say(() => `the ${last} version is to stay`)
    const before = hands.slots.flatMap(({ process }) => process ?? [])
    for (const slot of hands.slots) {
      slot.version = last
      if (slot.process !== undefined) hands.stop(slot)
    }
    this.#when(
      hands,
      () => before.every(({ alive }) => !alive),
      0,
      Infinity,
      () => {
        this.#rollBack(hands, last, Infinity, () => {
          // They know the places of their plans since they started.
          for (const slot of hands.slots) if (slot.process !== undefined) hands.stop(slot)
          this.isUnderWay = false
        })
      },
    )
  }

  /** As often as it takes. */
  #rollBack(hands: Hands, version: Slot['version'], untilMs: number, done: () => void = () => undefined): void {
    hands.say(() => `an operator makes the ${version} version the newest`)
    this.#rollBackTo(version).then(done, () => {
      hands.scheduler.after(undefined, 300, () => {
        if (hands.scheduler.elapsedMs < untilMs) this.#rollBack(hands, version, untilMs, done)
      })
    })
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
