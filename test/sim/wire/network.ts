/**
 * The network of bytes between simulated processes and the simulated brokers. Each connection is two streams of bytes that
 * arrive in their order, late, and cut into pieces anywhere. What becomes of a request is asked for each of them
 * (`Faults`), and carried out on the bytes that it is made of.
 *
 * Invariants
 * 1. A broker works off the requests of one connection one after the other, the next when the one before is answered.
 * 2. What a client has sent before it closed, or died, is under way still, and may be worked off.
 * 3. Nothing happens to a client in the moment in which it does something: everything that comes to it is an event of its
 *    process.
 */
import type { SocketFactory } from '../../../src/kafka/options.js'
import type { Fate, Faults } from '../../../src/memory/faults.js'
import type { Scheduler, SimulatedProcess } from '../../../src/memory/scheduler.js'
import { readRequest, type RequestFrame, subjectOf } from './api.js'
import { MemorySocket, type Wire } from './socket.js'

/** What the network draws beyond what becomes of requests. */
export interface WireFaults {
  /** What becomes of a connection that a client makes. */
  connecting(): { readonly afterMs: number; readonly fate: 'made' | 'refused' | 'hangs' }
  /** Where bytes are cut, in rising order, and how long the next piece takes behind the one before. */
  pieces(bytes: number): { readonly at: readonly number[]; readonly gapMs: number }
  /** How much of a frame arrives whose connection breaks in its midst. */
  cutsFrameAt(bytes: number): number
  /** From here on nothing passes on the connection, and neither side is told. */
  stalls(): boolean
  /** Whether the broker refuses the request. */
  refuses(): boolean
  /** Whether who is cut off is told with a reset, or with an orderly end. */
  resets(): boolean
  /** Whether a broker works off what a client had sent that is gone by now. */
  worksOffWhatIsLeft(): boolean
  /** Whether a broker that goes down tells its clients; else they wait for nothing. */
  tellsItsClients(): boolean
}

/** A request at its broker. */
export interface Call extends RequestFrame {
  readonly broker: number
  /** The process that sent it. */
  readonly client: string
  /** False once the client has closed the connection, or given it up. */
  readonly isClientThere: boolean
  /** The broker does nothing, and says what makes clients try again. */
  readonly refused: boolean
  /** Once, with the answer from its header on. `mutedMs`: for so long the broker takes no further request of this connection. */
  answer(answer: Buffer, mutedMs?: number): void
  /** Ends the connection instead of an answer. */
  hangUp(): void
}

export interface NetworkOptions {
  readonly scheduler: Scheduler
  readonly faults: Faults
  readonly wireFaults: WireFaults
  readonly isUp: (broker: number) => boolean
  readonly serve: (call: Call) => void
  /** Told of what no client may send. */
  readonly nonsense: (what: string) => void
}

export const hostOf = (broker: number): string => `broker-${String(broker)}`
export const PORT = 9092

export class WireNetwork {
  readonly #connections = new Set<Connection>()

  constructor(readonly options: NetworkOptions) {}

  socketFactory(process: SimulatedProcess): SocketFactory {
    return ({ host, onread, onConnect }) => {
      const socket = new MemorySocket(onread, onConnect)
      const broker = Number(host.slice(host.indexOf('-') + 1))
      const connection = new Connection(this.options, process, broker, socket)
      this.#connections.add(connection)
      connection.onGone = () => this.#connections.delete(connection)
      connection.connect()
      return socket
    }
  }

  /** The broker is gone, and with it what it had not answered. */
  stop(broker: number): void {
    for (const connection of [...this.#connections]) if (connection.broker === broker) connection.brokerDied()
  }

  /** Ends what is left, with the timers of real time that it has. */
  close(): void {
    for (const connection of [...this.#connections]) connection.clientDied()
  }
}

const RESET_MS = 0.1
const NOTHING = Buffer.alloc(0)

class Connection implements Wire {
  onGone: () => void = () => undefined
  readonly #up: Pipe
  readonly #down: Pipe
  /** What the client sent of a request that is not whole yet. */
  #outgoing: Buffer = NOTHING
  /** Nothing that the client sends from here on arrives. */
  #upBroken = false
  /** An answer was broken off: nothing comes after it. */
  #downBroken = false
  #stalled = false
  #clientGone = false
  readonly #fates = new Map<number, Fate>()
  readonly #forgetProcess: () => void
  // At the broker.
  #incoming: Buffer = NOTHING
  readonly #queue: Buffer[] = []
  #busy = false
  #brokerGone = false

  constructor(
    private readonly options: NetworkOptions,
    private readonly process: SimulatedProcess,
    readonly broker: number,
    private readonly socket: MemorySocket,
  ) {
    const { scheduler } = options
    this.#up = new Pipe(scheduler, undefined, (bytes) => {
      this.#reachedBroker(bytes)
    })
    this.#down = new Pipe(scheduler, process, (bytes) => {
      socket.arrived(bytes)
    })
    this.#forgetProcess = process.onDeath(() => {
      this.clientDied()
    })
  }

  connect(): void {
    const { scheduler, wireFaults, isUp } = this.options
    this.socket.wire = this
    const { afterMs, fate } = wireFaults.connecting()
    if (fate === 'hangs') {
      this.#stalled = true
      return
    }
    // Whether the broker is there, is what it is when the client gets there.
    scheduler.after(undefined, afterMs / 2, () => {
      const made = fate === 'made' && isUp(this.broker) && !this.#brokerGone
      if (!made) this.#brokerGone = true
      scheduler.after(this.process, afterMs / 2, () => {
        if (made) this.socket.connected()
        else this.socket.broke('ECONNREFUSED')
      })
    })
  }

  // The client's side.

  sent(bytes: Buffer): void {
    this.#outgoing = this.#outgoing.length === 0 ? bytes : Buffer.concat([this.#outgoing, bytes])
    for (;;) {
      if (this.#outgoing.length < 4) return
      const end = 4 + this.#outgoing.readInt32BE(0)
      if (this.#outgoing.length < end) return
      // A copy: whose memory it is may write to it again.
      const frame = Buffer.from(this.#outgoing.subarray(0, end))
      this.#outgoing = this.#outgoing.subarray(end)
      this.#send(frame)
    }
  }

  closed(): void {
    this.#clientLeaves()
    this.#down.stop()
  }

  clientDied(): void {
    this.#clientLeaves()
    this.#down.stop()
    this.socket.abandon()
  }

  #send(frame: Buffer): void {
    if (this.#upBroken || this.#stalled) return
    const { faults, wireFaults } = this.options
    let request: RequestFrame
    try {
      request = readRequest(frame.subarray(4))
    } catch (error) {
      this.options.nonsense(`${this.process.name}: ${String(error)}`)
      return
    }
    const { api } = request.info
    const fate = faults.request({
      process: this.process.name,
      broker: this.broker,
      api,
      subject: subjectOf(frame.subarray(4)),
    })
    // Whoever draws may have killed the process.
    if (wireFaults.stalls()) {
      this.#stalled = true
      return
    }
    const { toBrokerMs, toClientMs, fault } = fate
    if (fault === 'request-lost') {
      this.#upBroken = true
      this.#transmit(this.#up, frame.subarray(0, wireFaults.cutsFrameAt(frame.length)), toBrokerMs)
      this.#breakOff(toBrokerMs + toClientMs)
      return
    }
    this.#fates.set(request.correlationId, fate)
    this.#transmit(this.#up, frame, toBrokerMs)
    if (fault === 'cut') this.#breakOff(toClientMs)
  }

  /** The client sees its connection end. What it has sent is under way still. */
  #breakOff(afterMs: number): void {
    this.options.scheduler.after(this.process, afterMs, () => {
      this.#down.stop()
      if (this.options.wireFaults.resets()) this.socket.broke('ECONNRESET')
      else this.socket.ended()
    })
  }

  #clientLeaves(): void {
    if (this.#clientGone) return
    this.#clientGone = true
    this.#forgetProcess()
    // Behind what is under way.
    this.#up.then(() => {
      this.#incoming = NOTHING
      if (!this.options.wireFaults.worksOffWhatIsLeft()) this.#queue.length = 0
      this.#workOff()
    })
  }

  // The broker's side.

  #reachedBroker(bytes: Buffer): void {
    if (this.#brokerGone) return
    this.#incoming = this.#incoming.length === 0 ? bytes : Buffer.concat([this.#incoming, bytes])
    while (this.#incoming.length >= 4) {
      const end = 4 + this.#incoming.readInt32BE(0)
      if (this.#incoming.length < end) break
      this.#queue.push(this.#incoming.subarray(4, end))
      this.#incoming = this.#incoming.subarray(end)
    }
    this.#workOff()
  }

  #workOff(): void {
    if (this.#busy || this.#brokerGone) return
    const frame = this.#queue.shift()
    if (frame === undefined) {
      if (this.#clientGone) this.onGone()
      return
    }
    const { scheduler, serve, wireFaults } = this.options
    this.#busy = true
    const request = readRequest(frame)
    const fate = this.#fates.get(request.correlationId)
    this.#fates.delete(request.correlationId)
    const next = (mutedMs: number): void => {
      // An event of its own: a client that sends thousands of requests is no reason for as deep a stack.
      scheduler.after(undefined, mutedMs, () => {
        this.#busy = false
        this.#workOff()
      })
    }
    serve({
      ...request,
      broker: this.broker,
      client: this.process.name,
      isClientThere: !this.#clientGone,
      refused: fate?.fault === 'refused' || wireFaults.refuses(),
      answer: (answer, mutedMs = 0) => {
        if (!this.#brokerGone) this.#answer(framed(answer), fate)
        next(mutedMs)
      },
      hangUp: () => {
        this.#brokerGone = true
        this.#breakOff(RESET_MS)
      },
    })
  }

  #answer(frame: Buffer, fate: Fate | undefined): void {
    if (this.#clientGone || this.#stalled || this.#downBroken) return
    const toClientMs = fate?.toClientMs ?? 0
    if (fate?.fault !== 'answer-lost') {
      this.#transmit(this.#down, frame, toClientMs)
      return
    }
    this.#upBroken = true
    this.#downBroken = true
    this.#transmit(this.#down, frame.subarray(0, this.options.wireFaults.cutsFrameAt(frame.length)), toClientMs)
    this.#breakOff(toClientMs + RESET_MS)
  }

  brokerDied(): void {
    this.#brokerGone = true
    this.#upBroken = true
    this.#queue.length = 0
    if (this.#clientGone || this.#stalled) return
    if (this.options.wireFaults.tellsItsClients()) this.#breakOff(RESET_MS)
    else this.#stalled = true
  }

  // --

  #transmit(pipe: Pipe, bytes: Buffer, delayMs: number): void {
    const { at, gapMs } = this.options.wireFaults.pieces(bytes.length)
    let from = 0
    let afterMs = delayMs
    for (const to of [...at, bytes.length]) {
      if (to <= from) continue
      pipe.send(bytes.subarray(from, to), afterMs)
      from = to
      afterMs += gapMs
    }
  }
}

/** Bytes in one direction, in their order. What arrives at about the same time arrives together. */
class Pipe {
  /** Calls stand between the bytes that they wait for, and those behind: times, which are sums, differ in their last digits. */
  readonly #underWay: { readonly atMs: number; readonly what: Buffer | (() => void) }[] = []
  #lastAtMs = 0
  #stopped = false

  constructor(
    private readonly scheduler: Scheduler,
    private readonly owner: SimulatedProcess | undefined,
    private readonly deliver: (bytes: Buffer) => void,
  ) {}

  send(bytes: Buffer, delayMs: number): void {
    this.#put(bytes, delayMs)
  }

  /** Behind what is under way. */
  then(call: () => void): void {
    this.#put(call, 0)
  }

  #put(what: Buffer | (() => void), delayMs: number): void {
    const { elapsedMs } = this.scheduler
    const atMs = Math.max(elapsedMs + delayMs, this.#lastAtMs)
    this.#lastAtMs = atMs
    this.#underWay.push({ atMs, what })
    this.scheduler.after(this.owner, atMs - elapsedMs, () => {
      this.#arrive()
    })
  }

  stop(): void {
    this.#stopped = true
  }

  #arrive(): void {
    if (this.#stopped) return
    let arrived: Buffer[] = []
    const deliver = (): void => {
      const [first] = arrived
      if (first !== undefined) this.deliver(arrived.length === 1 ? first : Buffer.concat(arrived))
      arrived = []
    }
    while ((this.#underWay[0]?.atMs ?? Infinity) <= this.scheduler.elapsedMs + TOGETHER_MS) {
      const what = this.#underWay.shift()?.what
      if (typeof what === 'function') {
        deliver()
        what()
      } else if (what !== undefined) {
        arrived.push(what)
      }
    }
    deliver()
  }
}
const TOGETHER_MS = 0.05

function framed(answer: Buffer): Buffer {
  const size = Buffer.allocUnsafe(4)
  size.writeInt32BE(answer.length, 0)
  return Buffer.concat([size, answer])
}
