/**
 * What this worker gives to its peers.
 *
 * 1. Without the token nothing is told but 401.
 * 2. One snapshot is under way at a time, and keeps to a pace: this worker's own messages come first.
 * 3. Whatever becomes of a request, its snapshot is let go.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { crc32c } from '@node-rs/crc32'
import { decodeQuestion, encodeAnswer } from '../core/query/question.js'
import { encodeWorkerStatus } from '../core/group/worker-status.js'
import { messageOf, PotorooError } from '../errors.js'
import type { Timer } from '../ports/clock.js'
import type { PeerService, Snapshot } from '../ports/peers.js'
import { Line, Pace } from './line.js'
import { addressOf, type PeersSettings } from './options.js'
import { isStatesPath, StateHttp } from './state-http.js'
import {
  ASK_PATH,
  CHECKSUM_BYTES,
  isAuthorized,
  MEMBER_HEADER,
  memberHeader,
  SNAPSHOT_PATH,
  SNAPSHOT_TYPE,
  STATUS_PATH,
  WATCH_PATH,
} from './protocol.js'

/** Copying a store keeps a core busy, and so does taking it. */
const SNAPSHOTS_AT_A_TIME = 1
/** How often the member id is looked at; those who watch learn of another one after that long. */
const MEMBER_CHECK_MS = 250
/** For a request to be here whole. */
const REQUEST_MS = 10_000
/** How long a connection stays open that nothing is asked on. */
const IDLE_MS = 5_000
/** So that the connections of hosts that are gone don't stay forever. */
const KEEP_ALIVE_MS = 10_000

export class PeerServer {
  readonly #server: Server
  readonly #line = new Line(SNAPSHOTS_AT_A_TIME)
  readonly #pace: Pace
  readonly #states: StateHttp
  readonly #closing = new AbortController()
  readonly #giving = new Set<Promise<void>>()
  /** With the member id that each was told. */
  readonly #watchers = new Map<ServerResponse, string>()
  #memberCheck: Timer | undefined

  constructor(
    private readonly settings: PeersSettings,
    private readonly service: PeerService,
  ) {
    this.#pace = new Pace(settings.clock, settings.maxSnapshotBytesPerSecond)
    this.#states = new StateHttp(() => service.queries, settings)
    const limits = { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: IDLE_MS }
    this.#server = createServer(limits, (request, response) => this.#answer(request, response))
  }

  /** Resolves with the address for peers. Rejects with INVALID_CONFIGURATION. */
  async listen(): Promise<string> {
    const { host, port, advertise } = this.settings
    try {
      // exclusive: in a cluster, the primary would else listen, for all of its workers
      this.#server.listen({ host, port, exclusive: true })
      await once(this.#server, 'listening')
    } catch (error) {
      const where = addressOf(host, port)
      throw new PotorooError('INVALID_CONFIGURATION', `Can't listen to peers on ${where}: ${messageOf(error)}.`, {
        cause: error,
      })
    }
    this.#server.on('error', (error) => this.settings.logger.warn({ err: error }, 'listening to peers'))
    const bound = this.#server.address()
    return addressOf(advertise, typeof bound === 'object' && bound !== null ? bound.port : port)
  }

  async close(): Promise<void> {
    this.#closing.abort(new PotorooError('PEER_UNREACHABLE', 'This worker stops.'))
    this.#memberCheck?.cancel()
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve()
      })
    })
    this.#server.closeAllConnections()
    await Promise.all([closed, ...this.#giving])
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    response.on('error', () => undefined)
    const { url = '' } = request
    const isQuestion = url.startsWith(ASK_PATH)
    const isOfStates = isStatesPath(url)
    if (!isAuthorized(request, this.settings.token)) {
      response.writeHead(401, { 'www-authenticate': 'Bearer', connection: 'close' }).end()
      return
    }
    if (isOfStates) {
      this.#states.answer(request, response)
      return
    }
    if (!isQuestion) response.setHeader('connection', 'close')
    response.setHeader(MEMBER_HEADER, memberHeader(this.service.memberId()))
    const task = taskIn(request.url ?? '')
    if (request.method !== 'GET') response.writeHead(405, { allow: 'GET' }).end()
    else if (request.url === WATCH_PATH) this.#greet(response)
    else if (request.url === STATUS_PATH) this.#tellStatus(response)
    else if (isQuestion) this.#tell(url.slice(ASK_PATH.length), response)
    else if (task === undefined) response.writeHead(404).end()
    else {
      const giving = this.#give(task, response)
      this.#giving.add(giving)
      void giving.finally(() => this.#giving.delete(giving))
    }
  }

  #greet(response: ServerResponse): void {
    const memberId = this.service.memberId()
    if (memberId === '') {
      response.writeHead(503).end()
      return
    }
    response.socket?.setKeepAlive(true, KEEP_ALIVE_MS)
    response.writeHead(200)
    response.flushHeaders()
    this.#watchers.set(response, memberId)
    response.once('close', () => this.#watchers.delete(response))
    if (this.#watchers.size === 1) this.#checkMember()
  }

  #tellStatus(response: ServerResponse): void {
    const text = encodeWorkerStatus(this.service.status())
    response.setTimeout(this.settings.stallTimeoutMs, () => response.destroy())
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(text)
  }

  #tell(encoded: string, response: ServerResponse): void {
    const question = decodeQuestion(Buffer.from(encoded, 'base64url').toString())
    if (question === undefined) {
      response.writeHead(400).end()
      return
    }
    response.setTimeout(this.settings.stallTimeoutMs, () => response.destroy())
    void this.service.answer(question).then((answer) => {
      const text = encodeAnswer(answer)
      response
        .writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
        .end(text)
    })
  }

  /** Who was told another member id connects again, and sees the new one. */
  #checkMember(): void {
    this.#memberCheck?.cancel()
    const memberId = this.service.memberId()
    for (const [response, told] of this.#watchers) if (told !== memberId) response.end()
    if (this.#watchers.size > 0)
      this.#memberCheck = this.settings.clock.after(MEMBER_CHECK_MS, () => this.#checkMember())
  }

  /** Never rejects. */
  async #give(task: string, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort(new PotorooError('PEER_UNREACHABLE', 'The peer went away.')))
    const signal = AbortSignal.any([gone.signal, this.#closing.signal])
    let leave: (() => void) | undefined
    try {
      leave = await this.#line.enter(signal)
      const snapshot = await this.service.snapshot(task)
      if (snapshot === undefined) response.writeHead(404).end()
      else await this.#send(snapshot, response, signal)
    } catch (error) {
      if (!signal.aborted) this.settings.logger.warn({ err: error, task }, 'a snapshot could not be sent')
      if (response.headersSent) response.destroy()
      else response.writeHead(500).end()
    } finally {
      leave?.()
    }
  }

  async #send(snapshot: Snapshot, response: ServerResponse, signal: AbortSignal): Promise<void> {
    try {
      signal.throwIfAborted()
      response.setTimeout(this.settings.stallTimeoutMs, () => response.destroy())
      response.writeHead(200, { 'content-type': SNAPSHOT_TYPE, 'content-length': snapshot.bytes + CHECKSUM_BYTES })
      await pipeline(this.#body(snapshot, signal), response, { signal })
    } finally {
      // a body that was never begun has not let it go
      await snapshot.discard()
    }
  }

  async *#body(snapshot: Snapshot, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    let checksum = 0
    for await (const chunk of snapshot.chunks()) {
      checksum = crc32c(chunk, checksum)
      await this.#pace.take(chunk.length, signal)
      yield chunk
    }
    const end = Buffer.alloc(CHECKSUM_BYTES)
    end.writeUInt32BE(checksum)
    yield end
  }
}

function taskIn(url: string): string | undefined {
  if (!url.startsWith(SNAPSHOT_PATH)) return undefined
  try {
    return decodeURIComponent(url.slice(SNAPSHOT_PATH.length)) || undefined
  } catch {
    return undefined
  }
}
