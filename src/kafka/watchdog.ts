/**
 * `Watchdog` as a thread of its own, which shares some words of memory with the event loop that it watches: a loop that
 * is held up can send nothing, and be told nothing.
 *
 * Invariants
 * 1. Code is ended from outside only while it is the work of a run (`RUN` holds the run's number) and before it has asked
 *    whether it is overdue: whichever of the two threads changes that word first has decided.
 * 2. Work is called by a message port. Node comes out of an ended callback of a port as if it had returned; of a timer, an
 *    immediate or a tick it does not.
 * 3. Without a thread (it can't be started, or it failed) the worker continues, as with `maxComputationMs: 0`.
 */
import { url as debuggerUrl } from 'node:inspector'
import { MessageChannel, Worker as Thread, type MessagePort } from 'node:worker_threads'
import type { VigilOptions } from '../core/processing/vigil.js'
import { messageOf } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import type { Membership } from '../ports/log.js'
import type { Watchdog } from '../ports/watchdog.js'
import type { KafkaOptions } from './options.js'

/** What lies in which word of the shared memory. */
export const words = {
  /** The number of the run under way; 0 between two. `ENDING`: it is being ended. */
  RUN: 0,
  /** The run that is overdue. */
  OVERDUE: 1,
  /** Changes with each sign of life. */
  BEATS: 2,
  /** 1 while somebody debugs, who may stand at a breakpoint for as long as they like. */
  DEBUGGED: 3,
} as const
const WORDS = 4
export const ENDING = -1

export type WatchdogConnection = Omit<KafkaOptions, 'logger' | 'clock' | 'socketFactory'>

export interface WatchdogOptions extends VigilOptions {
  /** Plain values only: they go to another thread. */
  readonly connection: WatchdogConnection
  readonly group: string
}

/** What the thread is started with. */
export interface ThreadData extends WatchdogOptions {
  readonly shared: Int32Array
}
/** What it says. */
export type ThreadSays = { readonly ended: true } | { readonly debug: string }

const MAX_RUN = 2 ** 31 - 1

export function startWatchdog(options: WatchdogOptions, logger: Logger): Watchdog {
  return new ThreadWatchdog(options, logger)
}

class ThreadWatchdog implements Watchdog {
  readonly #shared = new Int32Array(new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT))
  readonly #thread: Thread | undefined
  readonly #inbox: MessagePort
  readonly #outbox: MessagePort
  #run = 0
  #work: (() => void) | undefined
  #cutOff: (() => void) | undefined
  #membership: Membership | undefined
  #closed = false

  constructor(
    options: WatchdogOptions,
    private readonly logger: Logger,
  ) {
    const { port1, port2 } = new MessageChannel()
    this.#inbox = port1
    this.#outbox = port2
    port1.on('message', () => {
      this.#runNow()
    })
    this.#thread = this.#start(options)
  }

  run(work: () => void, cutOff: () => void): void {
    if (this.#closed) return
    this.#work = work
    this.#cutOff = cutOff
    // A message alone would come before IO that waits.
    setImmediate(() => {
      if (!this.#closed) this.#outbox.postMessage(undefined)
    })
  }

  isOverdue(): boolean {
    // Read plainly, because that is a quarter of the price, and this is asked for each record: a moment later is early enough.
    if (this.#shared[words.OVERDUE] !== this.#run) return false
    this.#leave()
    return true
  }

  attend(membership: Membership | undefined): void {
    Atomics.add(this.#shared, words.BEATS, 1)
    Atomics.store(this.#shared, words.DEBUGGED, debuggerUrl() === undefined ? 0 : 1)
    if (membership?.memberId === this.#membership?.memberId && membership?.generation === this.#membership?.generation)
      return
    this.#membership = membership
    this.#thread?.postMessage(membership)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#inbox.close()
    await this.#thread?.terminate()
  }

  #runNow(): void {
    const work = this.#work
    this.#work = undefined
    this.#run = this.#run === MAX_RUN ? 1 : this.#run + 1
    Atomics.store(this.#shared, words.RUN, this.#run)
    work?.()
    this.#leave()
  }

  /** From here on nothing can be ended any more; where that was decided before, the end comes here. */
  #leave(): void {
    const shared = this.#shared
    Atomics.compareExchange(shared, words.RUN, this.#run, 0)
    while (Atomics.load(shared, words.RUN) === ENDING) Atomics.wait(shared, words.RUN, ENDING)
  }

  #start(options: WatchdogOptions): Thread | undefined {
    try {
      const data: ThreadData = { ...options, shared: this.#shared }
      const thread = new Thread(new URL('../watchdog-thread.js', import.meta.url), {
        workerData: data,
        name: 'potoroo-watchdog',
        // What the process was started with concerns the application.
        execArgv: [],
        argv: [],
      })
      thread.unref()
      thread.on('message', (said: ThreadSays) => {
        if ('ended' in said) this.#cutOff?.()
        else this.logger.debug({ error: said.debug }, 'watchdog')
      })
      thread.once('error', (error) => {
        this.#failed(error)
      })
      return thread
    } catch (error) {
      // A TLS option that can't be copied, say.
      this.#failed(error)
      return undefined
    }
  }

  #failed(error: unknown): void {
    if (this.#closed) return
    this.logger.warn(
      { error: messageOf(error) },
      'no watchdog: a computation that takes longer than the session timeout costs this worker its tasks',
    )
  }
}
