import { createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import { onTestFinished } from 'vitest'
import type { WorkerStatus } from '../../../src/core/group/worker-status.js'
import type { Logger } from '../../../src/ports/logger.js'
import { PotorooError } from '../../../src/errors.js'
import type { QueryService } from '../../../src/ports/queries.js'
import type { Peers, PeerService, Snapshot } from '../../../src/ports/peers.js'
import { createPeers, type PeersOptions } from '../../../src/peers/peers.js'
import { systemClock } from '../../../src/system.js'

/** What was logged, as lines `level message {fields}`. */
export function listeningLogger(): { readonly logger: Logger; readonly lines: string[] } {
  const lines: string[] = []
  const at =
    (level: string) =>
    (fields: object, message: string): void => {
      const text = JSON.stringify(fields, (_, value: unknown) => (value instanceof Error ? value.message : value))
      lines.push(`${level} ${message} ${text}`)
    }
  return { logger: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines }
}

export interface World {
  readonly peers: Peers
  readonly lines: readonly string[]
}

/** Closed at the end of the test. */
export function openPeers(options: Partial<PeersOptions> = {}): World {
  const { logger, lines } = listeningLogger()
  const peers = createPeers({ logger, clock: systemClock, ...options })
  onTestFinished(() => peers.close())
  return { peers, lines }
}

const idle: WorkerStatus = {
  v: 1,
  worker: 'w1',
  memberId: 'owner',
  generation: 1,
  active: [],
  standby: [],
  handOffs: [],
}

export const noQueries: QueryService = {
  states: [],
  definition: (state) => {
    throw new PotorooError('STATE_UNKNOWN', state)
  },
  get: (state) => Promise.reject(new PotorooError('STATE_UNKNOWN', state)),
  page: (state) => Promise.reject(new PotorooError('STATE_UNKNOWN', state)),
}

export const service = (over: Partial<PeerService> = {}): PeerService => ({
  memberId: () => 'owner',
  snapshot: () => Promise.resolve(undefined),
  status: () => idle,
  answer: () => Promise.resolve({ kind: 'not here' }),
  queries: noQueries,
  ...over,
})

export interface CountedSnapshot extends Snapshot {
  /** Whether it has let go of what it held. */
  readonly released: boolean
}

/** A snapshot of these chunks; an error among them is thrown there. */
export function snapshotOf(chunks: readonly (Uint8Array | Error)[], bytes = lengthOf(chunks)): CountedSnapshot {
  let released = false
  return {
    bytes,
    async *chunks() {
      try {
        for (const chunk of chunks) {
          // a turn for others, as a file would take
          await new Promise((resolve) => setImmediate(resolve))
          if (chunk instanceof Error) throw chunk
          yield chunk
        }
      } finally {
        released = true
      }
    },
    discard: () => {
      released = true
      return Promise.resolve()
    },
    get released() {
      return released
    },
  }
}
const lengthOf = (chunks: readonly (Uint8Array | Error)[]): number =>
  chunks.reduce((sum, chunk) => sum + (chunk instanceof Error ? 0 : chunk.length), 0)

export async function read(snapshot: Snapshot | undefined): Promise<Buffer> {
  if (snapshot === undefined) throw new Error('no snapshot')
  const chunks: Uint8Array[] = []
  for await (const chunk of snapshot.chunks()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** For what is to fail: a test that does not would print all of the bytes. */
export const readSize = async (snapshot: Snapshot | undefined): Promise<number> => (await read(snapshot)).length

export interface RawServer {
  readonly address: string
  readonly port: number
  /** Connections so far. */
  readonly connections: number
  close(): Promise<void>
}

/** Plain TCP: `serve` is called for each connection, numbered from 0, once it has sent something. */
export async function rawServer(serve: (socket: Socket, nth: number) => void, port = 0): Promise<RawServer> {
  const sockets = new Set<Socket>()
  let connections = 0
  const server: Server = createServer((socket) => {
    const nth = connections++
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
    socket.once('data', (data) => {
      // a server that relays wants to see it, too
      socket.unshift(data)
      serve(socket, nth)
    })
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')
  const close = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  onTestFinished(close)
  return {
    address: `127.0.0.1:${String(bound.port)}`,
    port: bound.port,
    get connections() {
      return connections
    },
    close,
  }
}

/** An address at which nobody listens. */
export async function freeAddress(): Promise<string> {
  const server = await rawServer(() => undefined)
  await server.close()
  return server.address
}
