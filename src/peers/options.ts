/** Where a worker listens to its peers, and which of them it lets in. */
import { isIPv6 } from 'node:net'
import { PotorooError } from '../errors.js'
import type { Clock } from '../ports/clock.js'
import type { Logger } from '../ports/logger.js'

/** What `startWorker` takes of it. */
export interface PeerOptions {
  /**
   * Where to listen. Default: 127.0.0.1, which only peers on this machine reach. Anything but loopback needs a token.
   */
  readonly host?: string | undefined
  /** Default: 0, any that is free. */
  readonly port?: number | undefined
  /** The host under which peers reach this worker, if it is another than `host`; needed when that is 0.0.0.0 or ::. */
  readonly advertise?: string | undefined
  /**
   * The secret that the workers of a group share: visible ASCII. Who doesn't have it gets 401 and learns nothing. It
   * travels in clear, so networks that others listen on need more than this. Without one, every user of this machine
   * can read the state over loopback.
   */
  readonly token?: string | undefined
  /**
   * The most that all snapshots given by this worker take together. Default: 64 MiB/s. Lower costs joiners time, higher
   * costs the messages that are processed meanwhile.
   */
  readonly maxSnapshotBytesPerSecond?: number | undefined
}

export interface PeersOptions extends PeerOptions {
  /** After that long without a byte a snapshot counts as broken off, on both sides. Default: 10 s. */
  readonly stallTimeoutMs?: number | undefined
  readonly logger: Logger
  readonly clock: Clock
}

export interface PeersSettings {
  readonly host: string
  readonly port: number
  readonly advertise: string
  readonly token: string | undefined
  readonly maxSnapshotBytesPerSecond: number
  readonly stallTimeoutMs: number
  readonly logger: Logger
  readonly clock: Clock
}

/** Throws INVALID_CONFIGURATION. */
export function settingsOf(options: PeersOptions): PeersSettings {
  const { host = '127.0.0.1', port = 0, advertise = host, token, logger, clock } = options
  const { maxSnapshotBytesPerSecond = 64 * 1024 * 1024, stallTimeoutMs = 10_000 } = options
  if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalid(`${port} is not a port`)
  if (host === '') throw invalid('the host to listen on is empty')
  // never with the token itself
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw invalid('the token has to be of visible ASCII characters, at least one')
  if (token === undefined && !isLoopback(host))
    throw invalid(`${host} can be reached from other machines: set a token that all workers of the group share`)
  if (['0.0.0.0', '::'].includes(advertise))
    throw invalid(`no peer can connect to ${advertise}: say under which host others reach this worker`)
  if (parseAddress(addressOf(advertise, 1)) === undefined)
    throw invalid(`${JSON.stringify(advertise)} is no host that peers can connect to`)
  if (!(maxSnapshotBytesPerSecond > 0)) throw invalid('snapshots need more than 0 bytes a second')
  if (!(stallTimeoutMs > 0)) throw invalid('a stall timeout has to be more than 0 ms')
  return { host, port, advertise, token, maxSnapshotBytesPerSecond, stallTimeoutMs, logger, clock }
}

const invalid = (what: string): PotorooError =>
  new PotorooError('INVALID_CONFIGURATION', `Listening to peers: ${what}.`)

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host)

export const addressOf = (host: string, port: number): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

/**
 * Undefined for what is not `host:port`. Strict, for an address is what any member of the group says of itself, and what is
 * no host makes Node throw before it connects.
 */
export function parseAddress(address: string): { readonly host: string; readonly port: number } | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([a-zA-Z0-9._-]{1,253})):(\d{1,5})$/.exec(address) ?? []
  const host = plain ?? (bracketed !== undefined && isIPv6(bracketed) ? bracketed : undefined)
  const port = Number(digits)
  return host === undefined || port < 1 || port > 65_535 ? undefined : { host, port }
}
