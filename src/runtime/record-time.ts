/**
 * The time that a worker gives the records of changelogs and dead letters. Order in a changelog is by offset, and what
 * compaction and tombstones wait for goes by the broker's clock (KIP-534), so the time is for people who look at them. But
 * brokers refuse a record that is too far from their own clock: more than an hour ahead of it by default
 * (`message.timestamp.after.max.ms`). A worker whose clock is that wrong could commit nothing at all. So when it is refused
 * for that, it writes records without a time, which every broker takes, until its clock has been put right.
 */
import type { Clock } from '../ports/clock.js'
import type { RecordsRefused } from '../ports/log.js'
import type { Observer } from '../ports/observer.js'

/** Kafka's NO_TIMESTAMP: brokers look at no bounds for it. */
export const NO_TIME = -1
/** A wall clock that went so far from the monotonic one was set: the time may be right now. */
const SET_MS = 60_000

export class RecordTime {
  /** By how much the wall clock was ahead of the monotonic one when its time was refused; undefined while it is taken. */
  #refusedAtMs: number | undefined

  constructor(private readonly ports: { readonly clock: Clock; readonly observer: Observer }) {}

  now(): number {
    return this.#isRefused ? NO_TIME : this.ports.clock.now()
  }

  /** Records that were given the time were refused for it: those to come have none. */
  refused(by: RecordsRefused): void {
    if (this.#isRefused) return
    const { clock, observer } = this.ports
    this.#refusedAtMs = clock.now() - clock.monotonic()
    const { topic, partition, message: broker } = by
    observer.observe({ kind: 'time-refused', topic, partition, clock: new Date(clock.now()).toISOString(), broker })
  }

  get #isRefused(): boolean {
    if (this.#refusedAtMs === undefined) return false
    const { clock } = this.ports
    if (Math.abs(clock.now() - clock.monotonic() - this.#refusedAtMs) > SET_MS) this.#refusedAtMs = undefined
    return this.#refusedAtMs !== undefined
  }
}
