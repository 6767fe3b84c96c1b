/**
 * Requests between simulated processes and brokers. A request and its answer are two events, between and around which
 * anything can happen: the process dies, the broker restarts, the connection ends.
 *
 * Invariants
 * 1. What a request does, it does at one moment, at the broker, whatever has become of its sender by then.
 * 2. The sender gets exactly one outcome, or none when its process is dead; never in the moment of sending.
 * 3. A broker that goes down answers nothing that it was asked before, and what it answered a moment ago may be lost.
 */
import { BrokerError } from './broker-error.js'
import type { Api, Faults } from './faults.js'
import type { Reply } from './groups.js'
import type { Scheduler, SimulatedProcess } from './scheduler.js'
import type { TopicPartition } from '../ports/log.js'
import type { Timer } from '../ports/clock.js'

export const partitionKey = ({ topic, partition }: TopicPartition): string => `${topic}-${String(partition)}`

/** The connections of one client. */
export class Connections {
  /** How to end what waits for an answer. */
  readonly waiting = new Set<() => void>()
  closed = false
  constructor(
    readonly process: SimulatedProcess,
    readonly clientId: string,
    parent?: Connections,
  ) {
    if (parent?.closed === true) this.closed = true
    parent?.waiting.add(() => {
      this.close()
    })
  }

  close(): void {
    this.closed = true
    for (const end of [...this.waiting]) end()
  }
}

export interface Target {
  readonly broker: number
  readonly api: Api
  readonly subject: string
  /** How long the client waits for the answer, ms. */
  readonly timeoutMs: number
  /** True where the answer waits for what others do. */
  readonly hangs?: boolean
}

interface Broker {
  up: boolean
  /** Each start has another. */
  life: number
  /** How to end what waits for this broker. */
  readonly waiting: Set<() => void>
}

/** Answers that make a client try again, by what was asked. */
const refusals: Partial<Record<Api, 'NOT_ENOUGH_REPLICAS' | 'NOT_LEADER_OR_FOLLOWER'>> = {
  produce: 'NOT_ENOUGH_REPLICAS',
  fetch: 'NOT_LEADER_OR_FOLLOWER',
  listOffsets: 'NOT_LEADER_OR_FOLLOWER',
}

export class Network {
  readonly #brokers: readonly Broker[]

  constructor(
    private readonly scheduler: Scheduler,
    private readonly faults: Faults,
    brokers: number,
  ) {
    this.#brokers = Array.from({ length: brokers }, () => ({ up: true, life: 0, waiting: new Set() }))
  }

  isUp(broker: number): boolean {
    return this.#broker(broker).up
  }

  /** Ends every connection to the broker and takes no others until `start`. */
  stop(broker: number): void {
    const it = this.#broker(broker)
    it.up = false
    it.life++
    for (const end of [...it.waiting]) end()
  }

  start(broker: number): void {
    this.#broker(broker).up = true
  }

  /** A request that the broker works off at once. Rejects with BrokerError. */
  call<T>(from: Connections, to: Target, work: () => T): Promise<T> {
    return this.send<T>(from, to, (reply) => {
      reply.answer(work())
    })
  }

  /** A request that may be answered later. What `work` throws as BrokerError is the answer. */
  send<T>(from: Connections, to: Target, work: (reply: Reply<T>) => void): Promise<T> {
    const { scheduler } = this
    const { process } = from
    return new Promise<T>((resolve, reject) => {
      if (!process.alive) return
      const { toClientMs, fault, ...fate } = this.faults.request({
        process: process.name,
        broker: to.broker,
        api: to.api,
        subject: to.subject,
      })
      const toBrokerMs = process.aheadMs + fate.toBrokerMs
      const timeoutMs = process.aheadMs + to.timeoutMs
      const broker = this.#broker(to.broker)
      const life = broker.life
      let decided: Timer | undefined
      let ended = false
      const decide = (afterMs: number, settle: () => void): void => {
        decided = scheduler.after(process, afterMs, () => {
          ended = true
          from.waiting.delete(close)
          broker.waiting.delete(lose)
          settle()
        })
      }
      /** The first outcome counts, */
      const end = (afterMs: number, settle: () => void): void => {
        if (decided === undefined) decide(afterMs, settle)
      }
      const loseAfter = (ms: number, why: string): void => {
        end(ms, () => {
          reject(new BrokerError('CONNECTION_LOST', `${to.api} of ${to.subject}: ${why}`))
        })
      }
      /** but an answer that is under way still is lost with its connection. */
      const breakOff = (afterMs: number, why: string): void => {
        if (ended) return
        decided?.cancel()
        decide(afterMs, () => {
          reject(new BrokerError('CONNECTION_LOST', `${to.api} of ${to.subject}: ${why}`))
        })
      }
      const close = (): void => {
        breakOff(0, 'this client was closed')
      }
      const lose = (): void => {
        breakOff(toClientMs, 'the broker went away')
      }
      if (from.closed) {
        close()
        return
      }
      from.waiting.add(close)
      broker.waiting.add(lose)
      if (fault === 'cut') loseAfter(toClientMs, 'the connection ended')
      if (fault === 'request-lost') {
        loseAfter(toBrokerMs + toClientMs, 'the connection ended')
        return
      }
      if (toBrokerMs + toClientMs >= timeoutMs || to.hangs === true) {
        scheduler.after(undefined, timeoutMs, () => {
          loseAfter(0, `no answer within ${String(to.timeoutMs)} ms`)
        })
      }
      const answer = (settle: () => void): void => {
        if (fault === 'answer-lost') loseAfter(toClientMs, 'the connection ended before the answer')
        else end(toClientMs, settle)
      }
      const reply: Reply<T> = {
        answer: (value) => {
          answer(() => {
            resolve(value)
          })
        },
        refuse: (error) => {
          answer(() => {
            reject(error)
          })
        },
      }
      scheduler.after(undefined, toBrokerMs, () => {
        if (broker.life !== life) return
        if (!broker.up) {
          loseAfter(toClientMs, 'the broker is not there')
          return
        }
        if (fault === 'refused') {
          reply.refuse(
            new BrokerError(refusals[to.api] ?? 'COORDINATOR_LOAD_IN_PROGRESS', `${to.api} of ${to.subject}`),
          )
          return
        }
        try {
          work(reply)
        } catch (error) {
          if (!(error instanceof BrokerError)) throw error
          reply.refuse(error)
        }
      })
    })
  }

  #broker(number: number): Broker {
    const broker = this.#brokers[number]
    if (broker === undefined) throw new RangeError(`there is no broker ${String(number)}`)
    return broker
  }
}
