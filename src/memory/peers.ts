/**
 * Workers that reach each other directly, in memory. An address belongs to the process that listens there; when that
 * process is gone, connections to it end and new ones are refused. A paused process neither answers nor refuses.
 */
import { PotorooError } from '../errors.js'
import { noFaults } from './faults.js'
import { sleep } from './waiting.js'
import type { Question, TaskAnswer } from '../core/query/question.js'
import type { WorkerStatus } from '../core/group/worker-status.js'
import type { Api, Fate, Faults } from './faults.js'
import type { Scheduler, SimulatedProcess } from './scheduler.js'
import type { Peer, PeerService, Peers, Snapshot } from '../ports/peers.js'

interface Listener {
  readonly process: SimulatedProcess
  readonly service: PeerService
  /** How to tell those who are connected that the connection has ended. */
  readonly connections: Set<() => void>
}

export interface PeersOptions {
  readonly process: SimulatedProcess
  /** Default: nothing fails. */
  readonly faults?: Faults
  /** The address to listen on; default: one that nobody else has. A worker that comes back may have the same again. */
  readonly address?: string
}

/** Between tries to reach a peer that neither answered nor refused. */
const RETRY_MS = 200
/** How long an answer may take. */
const ASK_MS = 1_000

export class MemoryPeerNetwork {
  readonly listeners = new Map<string, Listener>()
  #addresses = 0

  constructor(readonly scheduler: Scheduler) {}

  peers(options: PeersOptions): Peers {
    return new MemoryPeers(this, options.process, options.faults ?? noFaults, options.address ?? this.#newAddress())
  }

  end(address: string, listener: Listener): void {
    if (this.listeners.get(address) === listener) this.listeners.delete(address)
    for (const ended of [...listener.connections]) ended()
    listener.connections.clear()
  }

  #newAddress(): string {
    return `worker:${String(++this.#addresses)}`
  }
}

interface Watched {
  readonly peer: Peer
  /** Only who was greeted once can say that the peer is dead. */
  greeted: boolean
  stopped: boolean
  disconnect: (() => void) | undefined
}

class MemoryPeers implements Peers {
  readonly #watched = new Map<string, Watched>()
  #listener: Listener | undefined
  #closed = false

  constructor(
    private readonly network: MemoryPeerNetwork,
    private readonly process: SimulatedProcess,
    private readonly faults: Faults,
    private readonly address: string,
  ) {}

  async listen(service: PeerService): Promise<string> {
    await sleep(this.process.clock, 1)
    const listener: Listener = { process: this.process, service, connections: new Set() }
    this.#listener = listener
    this.network.listeners.set(this.address, listener)
    this.process.onDeath(() => {
      this.network.end(this.address, listener)
    })
    return this.address
  }

  watch(peers: readonly Peer[], died: (peer: Peer) => void): void {
    if (this.#closed) return
    const wanted = new Map(peers.map((peer) => [keyOf(peer), peer]))
    for (const [key, watched] of this.#watched) {
      if (wanted.has(key)) continue
      stop(watched)
      this.#watched.delete(key)
    }
    for (const [key, peer] of wanted) {
      if (this.#watched.has(key)) continue
      const watched: Watched = { peer, greeted: false, stopped: false, disconnect: undefined }
      this.#watched.set(key, watched)
      this.#connect(watched, died)
    }
  }

  async snapshot(peer: Peer, task: string, signal: AbortSignal): Promise<Snapshot | undefined> {
    signal.throwIfAborted()
    const fate = this.#fate('peerSnapshot', peer)
    await sleep(this.process.clock, fate.toBrokerMs)
    const listener = this.network.listeners.get(peer.address)
    if (listener === undefined || isLost(fate)) throw unreachable(peer)
    if (!listener.process.paused && listener.service.memberId() !== peer.memberId) return undefined
    const stream = new Stream(this.network.scheduler, listener)
    stream.serve(task, this.process, () => this.#fate('peerChunk', peer))
    const bytes = await stream.begun
    signal.throwIfAborted()
    if (bytes === undefined) return undefined
    return {
      bytes,
      chunks: () => stream.chunks(signal),
      discard: () => {
        stream.end()
        return Promise.resolve()
      },
    }
  }

  async status(peer: Peer, signal: AbortSignal): Promise<WorkerStatus | undefined> {
    signal.throwIfAborted()
    const fate = this.#fate('peerConnect', peer)
    await sleep(this.process.clock, fate.toBrokerMs + fate.toClientMs)
    signal.throwIfAborted()
    const listener = this.network.listeners.get(peer.address)
    if (listener === undefined || listener.process.paused || isLost(fate)) throw unreachable(peer)
    return listener.service.memberId() === peer.memberId ? listener.service.status() : undefined
  }

  async ask(peer: Peer, question: Question, signal: AbortSignal): Promise<TaskAnswer | undefined> {
    signal.throwIfAborted()
    const fate = this.#fate('peerAsk', peer)
    const { clock } = this.process
    if (fate.toBrokerMs + fate.toClientMs > ASK_MS) {
      await sleep(clock, ASK_MS)
      throw unreachable(peer)
    }
    await sleep(clock, fate.toBrokerMs)
    const listener = this.network.listeners.get(peer.address)
    if (listener === undefined || isLost(fate)) throw unreachable(peer)
    if (!listener.process.paused && listener.service.memberId() !== peer.memberId) return undefined
    return new Promise((resolve, reject) => {
      const gone = (): void => {
        reject(unreachable(peer))
      }
      const timer = clock.after(ASK_MS, gone)
      const end = (settle: () => void): void => {
        this.network.scheduler.after(this.process, fate.toClientMs, () => {
          timer.cancel()
          listener.connections.delete(gone)
          settle()
        })
      }
      listener.connections.add(gone)
      // Within the peer: while it is paused nothing happens, when it is dead nothing will.
      this.network.scheduler.after(listener.process, 0, () => {
        void listener.service.answer(question).then((answer) => {
          end(() => {
            resolve(answer)
          })
        }, reject)
      })
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const watched of this.#watched.values()) stop(watched)
    this.#watched.clear()
    if (this.#listener !== undefined) this.network.end(this.address, this.#listener)
    await Promise.resolve()
  }

  #connect(watched: Watched, died: (peer: Peer) => void): void {
    const { clock } = this.process
    const { peer } = watched
    const fate = this.#fate('peerConnect', peer)
    const again = (ms: number): void => {
      clock.after(ms, () => {
        if (!watched.stopped) this.#connect(watched, died)
      })
    }
    clock.after(fate.toBrokerMs + fate.toClientMs, () => {
      if (watched.stopped) return
      if (isLost(fate)) {
        again(RETRY_MS)
        return
      }
      const listener = this.network.listeners.get(peer.address)
      const isThere =
        listener !== undefined && !listener.process.paused && listener.service.memberId() === peer.memberId
      const isOther = listener === undefined || (!listener.process.paused && !isThere)
      if (watched.greeted && isOther) {
        watched.stopped = true
        died(peer)
        return
      }
      if (!isThere) {
        again(RETRY_MS)
        return
      }
      watched.greeted = true
      const ended = (): void => {
        again(1)
      }
      listener.connections.add(ended)
      watched.disconnect = () => listener.connections.delete(ended)
    })
  }

  #fate(api: Api, peer: Peer): Fate {
    return this.faults.request({ process: this.process.name, broker: -1, api, subject: peer.address })
  }
}

/** A snapshot on its way from one process to another. */
class Stream {
  /** The size, or undefined where there is no such store; rejects when the peer breaks off. */
  readonly begun: Promise<number | undefined>
  #begin!: { resolve: (bytes: number | undefined) => void; reject: (error: Error) => void }
  readonly #arrived: Uint8Array[] = []
  #end: 'open' | 'whole' | PotorooError = 'open'
  #wake: (() => void) | undefined
  #stopped = false

  constructor(
    private readonly scheduler: Scheduler,
    private readonly listener: Listener,
  ) {
    this.begun = new Promise((resolve, reject) => {
      this.#begin = { resolve, reject }
    })
  }

  serve(task: string, to: SimulatedProcess, fate: () => Fate): void {
    const { process: from, service, connections } = this.listener
    const at = (ms: number, call: () => void): void => {
      this.scheduler.after(to, ms, call)
    }
    const breakOff = (): void => {
      at(0.5, () => {
        this.#fail(new PotorooError('PEER_UNREACHABLE', 'the peer broke off'))
      })
    }
    connections.add(breakOff)
    // Within the peer: while it is paused nothing happens, when it is dead nothing will.
    this.scheduler.after(from, 0, () => {
      void (async () => {
        try {
          const snapshot = await service.snapshot(task)
          at(0.5, () => {
            this.#begin.resolve(snapshot?.bytes)
          })
          if (snapshot === undefined) return
          for await (const chunk of snapshot.chunks()) {
            const { toBrokerMs, fault } = fate()
            await sleep(from.clock, toBrokerMs)
            if (this.#stopped) break
            if (fault !== undefined) throw new PotorooError('PEER_UNREACHABLE', 'the connection ended')
            at(0.5, () => {
              this.#arrived.push(chunk)
              this.#wake?.()
            })
          }
          at(0.6, () => {
            if (this.#end === 'open') this.#end = 'whole'
            this.#wake?.()
          })
        } catch {
          breakOff()
        } finally {
          connections.delete(breakOff)
        }
      })()
    })
  }

  async *chunks(signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
    const wake = (): void => this.#wake?.()
    signal.addEventListener('abort', wake)
    try {
      for (;;) {
        signal.throwIfAborted()
        const chunk = this.#arrived.shift()
        if (chunk !== undefined) {
          yield chunk
          continue
        }
        if (this.#end === 'whole') return
        if (this.#end !== 'open') throw this.#end
        await new Promise<void>((resolve) => {
          this.#wake = resolve
        })
      }
    } finally {
      signal.removeEventListener('abort', wake)
      this.end()
    }
  }

  end(): void {
    this.#stopped = true
  }

  #fail(error: PotorooError): void {
    if (this.#end === 'open') this.#end = error
    this.#begin.reject(error)
    this.begun.catch(() => undefined)
    this.#wake?.()
  }
}

const keyOf = ({ memberId, address }: Peer): string => `${memberId}@${address}`
const isLost = ({ fault }: Fate): boolean => fault !== undefined && fault !== 'refused'
const unreachable = (peer: Peer): PotorooError =>
  new PotorooError('PEER_UNREACHABLE', `the peer at ${peer.address} can't be reached`)

function stop(watched: Watched): void {
  watched.stopped = true
  watched.disconnect?.()
}
