/**
 * One connection to one broker. It lives once: when it breaks, everything under way is rejected with LinkError, and the
 * cluster opens another. (A kafkajs connection that is opened a second time keeps half an answer of its first life, and
 * one that is opened twice at once leaks a socket.)
 */
import net, { type OnReadOpts } from 'node:net'
import type { Writable } from 'node:stream'
import tls, { type ConnectionOptions } from 'node:tls'
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import type { AnswerMemory } from './answer-memory.js'
import { apiVersions, type Greeting } from './api-versions-request.js'
import { judgedApis } from './error-table.js'
import { BrokerError, codes, LinkError } from './errors.js'
import { Frames } from './frames.js'
import { inTime } from './in-time.js'
import { InFlight } from './in-flight.js'
import { apiKeys, type ApiVersions, Connection, exchangeOf, type KafkajsConnection } from './kafkajs.js'
import type { KafkaSettings, SocketFactory } from './options.js'
import { kafkajsLogger } from './logging.js'
import type { Prepared, Request } from './prepared.js'
import { throttleTimeOf, type ThrottleNotices } from './throttling.js'
import { type TransactionVersion, transactionVersionOf } from './transaction-version.js'

/** For how long opening one connection may take, TLS and SASL included. */
const OPEN_TIMEOUT_MS = 5_000
/** kafkajs has a timer for the first part of that, of real time. Ours, by the clock, is the one that counts, and ends it. */
const KAFKAJS_TIMEOUT_MS = 10 * OPEN_TIMEOUT_MS
/** What is no longer is copied to one piece: that costs less than to have the socket gather its parts. */
const SMALL_BYTES = 4096

export class Link {
  readonly address: string
  #versions: ApiVersions = {}
  #transactionVersion: TransactionVersion = 1
  #dead: LinkError | undefined
  #retired = false
  readonly #clientId: Buffer
  /** What comes is kafkajs's. */
  #authenticates = false
  readonly #inFlight: InFlight
  readonly #frames = new Frames(
    (bytes) => this.memory.take(bytes),
    (answer) => {
      this.#answered(answer)
    },
    (bytes) => {
      this.close(`an answer of ${String(bytes)} bytes: that is not a Kafka broker`)
    },
  )

  /** `closing`: aborted when nothing is to be opened any more. */
  static async open(
    host: string,
    port: number,
    settings: KafkaSettings,
    memory: AnswerMemory,
    notices: ThrottleNotices,
    closing: AbortSignal,
  ): Promise<Link> {
    const link = new Link(host, port, settings, memory, notices)
    let giveUp = (): void => undefined
    const closed = new Promise<never>((_, reject) => {
      giveUp = () => {
        reject(new LinkError('closed'))
      }
    })
    closing.addEventListener('abort', giveUp)
    try {
      const tooLate = (): Error => new LinkError(`no answer within ${String(OPEN_TIMEOUT_MS / 1000)} s`)
      await inTime(settings.clock, OPEN_TIMEOUT_MS, Promise.race([link.#greet(), closed]), tooLate)
      return link
    } catch (error) {
      link.close(messageOf(error))
      throw isPotorooError(error) ? error : new LinkError(messageOf(error), { cause: error })
    } finally {
      closing.removeEventListener('abort', giveUp)
    }
  }

  private readonly connection: KafkajsConnection

  private constructor(
    host: string,
    port: number,
    private readonly settings: KafkaSettings,
    private readonly memory: AnswerMemory,
    private readonly notices: ThrottleNotices,
  ) {
    this.address = `${host}:${String(port)}`
    const { ssl, sasl, clientId, clock, requestTimeoutMs, socketFactory = openSocket } = settings
    this.#clientId = Buffer.from(clientId)
    const onread: OnReadOpts = {
      buffer: () => this.#frames.room(),
      callback: (count, bytes) => {
        this.#received(count, bytes)
        return true
      },
    }
    this.connection = new Connection({
      host,
      port,
      clientId,
      ssl: ssl === true ? {} : ssl === false ? undefined : ssl,
      // kafkajs writes into this object.
      sasl: sasl && { ...sasl },
      socketFactory: (options) => socketFactory({ ...options, onread }),
      connectionTimeout: KAFKAJS_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
      enforceRequestTimeout: false,
      logger: kafkajsLogger(settings.logger),
    })
    this.#inFlight = new InFlight(clock, requestTimeoutMs, (why) => {
      this.close(why)
    })
    this.connection.requestQueue = this.#inFlight
  }

  /** As of when the connection was opened. */
  get transactionVersion(): TransactionVersion {
    return this.#transactionVersion
  }
  /** False once it broke, and when its SASL session nears its end: then a new one is to be opened. */
  get usable(): boolean {
    return this.#dead === undefined && (!this.settings.sasl || this.connection.isAuthenticated())
  }
  /** Closes as soon as nothing is under way. */
  retire(): void {
    this.#retired = true
    if (this.#inFlight.size === 0) this.close('replaced')
  }

  /** Sends in this turn of the event loop; rejects with LinkError when the connection breaks. */
  async call<T>(request: Request<T>, timeoutMs?: number): Promise<T> {
    const prepared = request(this.#versions)
    const { apiName, transactionVersion = 1 } = prepared
    if (transactionVersion > this.#transactionVersion) {
      const api = judgedApis.find((name) => name === apiName)
      throw new BrokerError(codes.UNSUPPORTED_VERSION, `${apiName} to ${this.address}`, api)
    }
    return this.#exchange(prepared, timeoutMs)
  }

  /** Resolves when the broker takes requests on this connection, or it is at its end. */
  unmuted(): Promise<void> {
    return this.#inFlight.unmuted()
  }

  close(why: string): void {
    if (this.#dead) return
    this.#dead = new LinkError(`${this.address}: ${why}`)
    this.#inFlight.close(this.#dead)
    // With an error, for only that ends kafkajs's timer of a connection that is not made yet.
    this.connection.socket?.destroy(this.#dead)
  }

  async #greet(): Promise<void> {
    await this.connection.connect()
    this.connection.socket?.once('close', () => {
      this.close('connection closed')
    })
    // Made before any handler of ours saw the socket: it may be closed already.
    if (!this.connection.isConnected() || this.connection.socket?.destroyed) throw new LinkError('connection closed')
    const greeting = await this.#askVersions()
    this.#versions = greeting.versions
    this.#transactionVersion = transactionVersionOf(greeting.versions, greeting.finalized)
    this.connection.setVersions(this.#versions)
    this.connection.setSupportAuthenticationProtocol(apiKeys['SaslAuthenticate'] !== undefined)
    if (!this.settings.sasl) return
    try {
      this.#authenticates = true
      await this.connection.authenticate()
      this.#authenticates = false
    } catch (error) {
      if (this.#dead) throw this.#dead
      if (error instanceof Error && /Connection|Timeout/.test(error.name)) throw error
      const { mechanism, username } = this.settings.sasl
      throw new PotorooError(
        'AUTHENTICATION_FAILED',
        `${this.address} refused user ${username} (SASL ${mechanism}): ${messageOf(error)}`,
        { cause: error },
      )
    }
  }

  #received(count: number, bytes: Uint8Array): void {
    if (this.#authenticates) this.connection.processData(Buffer.from(bytes.subarray(0, count)))
    else this.#frames.took(count)
  }

  /**
   *     Answer => CorrelationId Body
   */
  #answered(answer: Buffer): void {
    if (answer.length < 4) this.close(`an answer of ${String(answer.length)} bytes`)
    else
      this.#inFlight.fulfillRequest({
        size: answer.length,
        correlationId: answer.readInt32BE(),
        payload: answer.subarray(4),
      })
  }

  async #askVersions(): Promise<Greeting> {
    const answer = await this.#exchange(apiVersions)
    if (answer.errorCode === 0) return answer
    const older = (await this.#exchange(preparedOf(exchangeOf('ApiVersions', {}, undefined)))) as {
      apiVersions: readonly { apiKey: number; minVersion: number; maxVersion: number }[]
    }
    const versions = Object.fromEntries(older.apiVersions.map(({ apiKey, ...range }) => [apiKey, range]))
    return { versions, finalized: new Map() }
  }

  async #exchange<T>(prepared: Prepared<T>, timeoutMs?: number): Promise<T> {
    const parts = await prepared.encode()
    if (this.#dead) throw this.#dead
    const correlationId = this.connection.nextCorrelationId()
    const { payload } = await new Promise<{ payload: Buffer }>((resolve, reject) => {
      this.#inFlight.push({
        entry: { correlationId, resolve, reject },
        requestTimeout: timeoutMs ?? null,
        sendRequest: () => {
          this.#write(prepared, correlationId, parts)
        },
      })
    })
    if (this.#retired) this.retire()
    const answer = await prepared.decode(payload)
    const throttledMs = throttleTimeOf(answer)
    if (throttledMs > 0) {
      this.#inFlight.mute(throttledMs)
      this.notices.throttled(this.address, prepared.apiName, throttledMs)
    }
    return answer
  }

  /** What is written in this turn of the event loop is sent with one system call, at the turn's end. */
  #gather(socket: Writable): void {
    if (socket.writableCorked > 0) return
    socket.cork()
    process.nextTick(() => {
      socket.uncork()
    })
  }

  /**
   *     Frame => Size ApiKey ApiVersion CorrelationId ClientId Body
   */
  #write({ apiKey, apiVersion }: Prepared<unknown>, correlationId: number, parts: readonly Uint8Array[]): void {
    const { socket } = this.connection
    if (!socket) throw new LinkError(`${this.address}: not connected`)
    const clientId = this.#clientId
    let length = 10 + clientId.length
    for (const part of parts) length += part.length
    const header = Buffer.allocUnsafe(14 + clientId.length)
    header.writeInt32BE(length, 0)
    header.writeInt16BE(apiKey, 4)
    header.writeInt16BE(apiVersion, 6)
    header.writeInt32BE(correlationId, 8)
    header.writeInt16BE(clientId.length, 12)
    header.set(clientId, 14)
    this.#gather(socket)
    if (length <= SMALL_BYTES) {
      socket.write(Buffer.concat([header, ...parts]))
      return
    }
    socket.write(header)
    for (const part of parts) socket.write(part)
  }
}

/** A request through kafkajs's encoder and decoder. */
export const preparedOf = ({ request, response }: ReturnType<typeof exchangeOf>): Prepared<unknown> => ({
  apiKey: request.apiKey,
  apiVersion: request.apiVersion,
  apiName: request.apiName,
  encode: async () => [(await request.encode()).buffer],
  decode: (payload) => response.decode(payload),
})

/** As kafkajs's own, without Nagle's delay: requests are small, and several follow each other. */
const openSocket: SocketFactory = ({ host, port, ssl, onread, onConnect }) => {
  const serverName: ConnectionOptions = net.isIP(host) ? {} : { servername: host }
  const to = { host, port, onread }
  const socket = ssl ? tls.connect({ ...to, ...serverName, ...ssl }, onConnect) : net.connect(to, onConnect)
  socket.setKeepAlive(true, 10_000)
  socket.setNoDelay(true)
  return socket
}
