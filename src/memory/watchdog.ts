/**
 * `Watchdog` in a simulated process: another thread of it that sends heartbeats while it computes. The application's code
 * says how long it takes (`compute`), and is cut off there where it takes too long.
 */
import { LOOK_MS, Vigil, type VigilOptions } from '../core/processing/vigil.js'
import type { Timer } from '../ports/clock.js'
import type { GroupClient, Membership } from '../ports/log.js'
import type { Watchdog } from '../ports/watchdog.js'
import type { SimulatedProcess } from './scheduler.js'

export interface MemoryWatchdogOptions extends VigilOptions {
  readonly process: SimulatedProcess
  /** Of `process`: what the heartbeats come from. */
  readonly thread: SimulatedProcess
  /** A client of the thread's own. */
  readonly client: GroupClient
}

export class MemoryWatchdog implements Watchdog {
  readonly #vigil: Vigil
  #membership: Membership | undefined
  #beats = 0
  #timer: Timer | undefined
  #cutOff: (() => void) | undefined
  #beganMs = 0
  #isDue = false
  #closed = false

  constructor(private readonly options: MemoryWatchdogOptions) {
    this.#vigil = new Vigil(options)
    this.#lookLater()
  }

  run(work: () => void, cutOff: () => void): void {
    const { clock } = this.options.process
    // What was cut off goes on here, to its end, and may ask once more.
    if (this.#isDue) return
    this.#isDue = true
    clock.soon(() => {
      this.#isDue = false
      this.#beganMs = clock.monotonic()
      this.#cutOff = cutOff
      work()
      this.#cutOff = undefined
    })
  }

  isOverdue(): boolean {
    return this.options.process.clock.monotonic() >= this.#beganMs + LOOK_MS
  }

  attend(membership: Membership | undefined): void {
    this.#membership = membership
    this.#beats++
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.options.client.close()
  }

  /** Of a computation: it takes that long. One that takes too long changes nothing any more when it is cut off. */
  compute(ms: number): void {
    const { process, maxComputationMs } = this.options
    const leftMs = this.#beganMs + maxComputationMs - process.clock.monotonic()
    process.compute(Math.min(ms, leftMs))
    if (ms < leftMs) return
    // Before what is thrown is caught: nobody would see it in production.
    this.#cutOff?.()
    throw new Error('the computation was cut off')
  }

  #lookLater(): void {
    this.#timer = this.options.thread.clock.after(LOOK_MS, () => {
      this.#look()
      if (!this.#closed) this.#lookLater()
    })
  }

  #look(): void {
    const seen = { run: undefined, beats: this.#beats }
    const { heartbeat } = this.#vigil.look(this.options.thread.clock.monotonic(), seen)
    // What it is answered is for the worker to find out.
    if (heartbeat && this.#membership !== undefined)
      this.options.client.heartbeat(this.#membership).catch(() => undefined)
  }
}
