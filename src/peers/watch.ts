/**
 * Watches one peer: keeps a connection, and says that the peer is dead only when that is certain.
 *
 *     connecting ──greeted──▶ watching ──closed──▶ connecting, at once
 *         ├─ refused, or another id, and greeted before ──▶ dead
 *         └─ anything else ──▶ waiting ──back-off──▶ connecting
 *
 * 1. Only who was greeted once by this member id at this address can say that it is dead. Before that, a refusal may mean
 *    that the address is not for this machine: two workers that listen on their own loopback would each hold the other
 *    for dead.
 * 2. A connection that closes, is reset or gets no answer says nothing: the peer may be paused, the network broken.
 */
import { get, type ClientRequest, type IncomingMessage } from 'node:http'
import type { Timer } from '../ports/clock.js'
import type { Peer } from '../ports/peers.js'
import { parseAddress, type PeersSettings } from './options.js'
import { authorization, memberOf, WATCH_PATH } from './protocol.js'

const CONNECT_TIMEOUT_MS = 3_000
const KEEP_ALIVE_MS = 10_000
const FIRST_PAUSE_MS = 50
const MAX_PAUSE_MS = 1_000
/** A connection that lasted less long counts as a failure, else two could go round and round. */
const STABLE_MS = 1_000

export class Watch {
  #greeted = false
  #failures = 0
  #request: ClientRequest | undefined
  #pause: Timer | undefined
  #stopped = false
  #refusalLogged = false

  constructor(
    private readonly settings: PeersSettings,
    readonly peer: Peer,
    private readonly died: () => void,
  ) {
    this.#connect()
  }

  /** `died` is not called any more. */
  stop(): void {
    this.#stopped = true
    this.#pause?.cancel()
    this.#request?.destroy()
  }

  #connect(): void {
    if (this.#stopped) return
    const { token, clock } = this.settings
    const to = parseAddress(this.peer.address)
    if (to === undefined) {
      this.settings.logger.warn({ peer: this.peer }, 'a peer is not watched: its address is invalid')
      return
    }
    const connecting = get({ ...to, path: WATCH_PATH, headers: authorization(token), agent: false })
    this.#request = connecting
    const timeout = clock.after(CONNECT_TIMEOUT_MS, () => connecting.destroy(new Error('no answer')))
    connecting.setSocketKeepAlive(true, KEEP_ALIVE_MS)
    // connected is enough: a paused process greets when it continues
    connecting.once('socket', (socket) => socket.once('connect', () => timeout.cancel()))
    // the first of these counts; an error after the response ends the response, too
    let outcome = false
    connecting.once('close', () => {
      timeout.cancel()
      // an answer that wants another protocol is neither response nor error
      if (!outcome) this.#again('it closed without an answer')
    })
    connecting.once('response', (response) => {
      outcome = true
      this.#hear(response)
    })
    connecting.on('error', (error) => {
      if (outcome) return
      outcome = true
      if (this.#greeted && isRefusal(error)) this.#dead('its connection closed, and a new one was refused')
      else this.#again(error.message)
    })
  }

  #hear(response: IncomingMessage): void {
    response.on('error', () => undefined)
    const member = response.statusCode === 200 ? memberOf(response) : undefined
    if (member === this.peer.memberId) {
      this.#greeted = true
      this.settings.logger.debug({ peer: this.peer }, 'watching a peer')
      const since = this.settings.clock.monotonic()
      response.resume()
      response.once('close', () => {
        if (this.settings.clock.monotonic() - since >= STABLE_MS) this.#failures = 0
        this.#again('its connection closed')
      })
      return
    }
    response.destroy()
    if (response.statusCode === 401) this.#logRefusal()
    if (member !== undefined && this.#greeted) this.#dead(`${member} is at its address now`)
    else this.#again(`its answer is ${String(response.statusCode)}`)
  }

  #again(why: string): void {
    if (this.#stopped) return
    const { clock, logger } = this.settings
    const pauseMs = this.#failures === 0 ? 0 : Math.min(FIRST_PAUSE_MS * 2 ** (this.#failures - 1), MAX_PAUSE_MS)
    this.#failures++
    logger.debug({ peer: this.peer, why, pauseMs }, 'connecting to a peer again')
    this.#pause = clock.after(pauseMs, () => this.#connect())
  }

  #dead(why: string): void {
    if (this.#stopped) return
    this.stop()
    this.settings.logger.debug({ peer: this.peer, why }, 'a peer is dead')
    this.died()
  }

  #logRefusal(): void {
    if (this.#refusalLogged) return
    this.#refusalLogged = true
    this.settings.logger.warn({ peer: this.peer }, 'a peer uses a different token: its death will be noticed late')
  }
}

/** Of a name with several addresses, all have to refuse. */
function isRefusal(error: Error): boolean {
  if (error instanceof AggregateError)
    return error.errors.length > 0 && error.errors.every((each) => each instanceof Error && isRefusal(each))
  return 'code' in error && error.code === 'ECONNREFUSED'
}
