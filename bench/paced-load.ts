/**
 * Messages at a steady rate, each with a number, and the latency of each: from the moment in which it is handed to the
 * producer to the one in which a reader has its output.
 */
import { delay, until } from './waiting.js'

/** The finer, the more requests; the coarser, the more messages share the fate of one request. */
const TICK_MS = 5

export type SendNumbered = (ids: readonly number[]) => Promise<void>

export interface LoadReader {
  /** Throws when outputs can't be read any more. */
  assertReading(): void
  close(): Promise<void>
}

export interface PacedLoadOptions {
  readonly perSecond: number
  /** Lets `use` send messages of these numbers; each call resolves when all of them are acknowledged. */
  readonly sending: (use: (send: SendNumbered) => Promise<void>) => Promise<void>
  /** Tells `take` of each output's number and time. */
  readonly reading: (take: (id: number, atMs: number) => void) => Promise<LoadReader>
}

export interface Fate {
  readonly sentMs: number
  /** Undefined: no output came. */
  readonly latencyMs: number | undefined
}

export class PacedLoad {
  readonly #sentMs: number[] = []
  readonly #arrivedMs: (number | undefined)[] = []
  #arrived = 0
  #repeated = 0
  #stop = false
  #pumping: Promise<void> = Promise.resolve()
  #reader: LoadReader | undefined

  constructor(private readonly options: PacedLoadOptions) {}

  async start(): Promise<void> {
    const { perSecond, sending, reading } = this.options
    this.#reader = await reading((id, atMs) => {
      this.#take(id, atMs)
    })
    const stopped = (): boolean => this.#stop
    this.#pumping = sending((send) =>
      pump({ perSecond, stopped }, (ids) => {
        const nowMs = performance.now()
        for (const _ of ids) this.#sentMs.push(nowMs)
        return send(ids)
      }),
    )
    // Looked at when it is stopped.
    this.#pumping.catch(() => undefined)
  }

  /** Sends no more, and waits for what is outstanding; after `timeoutMs` it counts as lost. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stop = true
    await this.#pumping
    await until(
      'every message has its output',
      () => {
        this.#reader?.assertReading()
        return this.#arrived === this.#sentMs.length
      },
      { timeoutMs },
    ).catch(() => undefined)
  }

  async close(): Promise<void> {
    this.#stop = true
    await this.#pumping.catch(() => undefined)
    await this.#reader?.close()
  }

  /** In the order in which they were sent. */
  get fates(): readonly Fate[] {
    return this.#sentMs.map((sentMs, id) => {
      const arrivedMs = this.#arrivedMs[id]
      return { sentMs, latencyMs: arrivedMs === undefined ? undefined : arrivedMs - sentMs }
    })
  }

  get arrived(): number {
    return this.#arrived
  }
  get lost(): number {
    return this.#sentMs.length - this.#arrived
  }
  /** Outputs of a message that had one already. */
  get repeated(): number {
    return this.#repeated
  }

  #take(id: number, atMs: number): void {
    if (this.#arrivedMs[id] !== undefined) this.#repeated++
    else {
      this.#arrivedMs[id] = atMs
      this.#arrived++
    }
  }
}

/** Sends numbers from 0 on, so many a second, until it is stopped; what is late goes with what comes next. */
export async function pump(
  { perSecond, stopped }: { readonly perSecond: number; readonly stopped: () => boolean },
  send: SendNumbered,
): Promise<void> {
  const beganMs = performance.now()
  let next = 0
  while (!stopped()) {
    const due = Math.floor(((performance.now() - beganMs) / 1000) * perSecond)
    const ids = Array.from({ length: due - next }, (_, i) => next + i)
    next = due
    if (ids.length > 0) await send(ids)
    await delay(TICK_MS)
  }
}
