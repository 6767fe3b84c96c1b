/**
 * A broker that fails as asked: a TCP proxy that knows where Kafka's requests and answers begin and end, and asks a rule
 * what to do with each. Brokers give clients their own address, so clients reach it by the socket factory that it brings.
 */
import net from 'node:net'
import { once } from 'node:events'
import type { SocketFactory } from '../../src/kafka/options.js'

export interface ProxiedRequest {
  readonly apiKey: number
  readonly apiVersion: number
  /** The whole frame, after its size. */
  readonly bytes: Buffer
  /** Number of the connection that it came on. */
  readonly connection: number
  /** How many requests with this api key came before it. */
  readonly nth: number
}
export type Action =
  | { readonly kind: 'pass' }
  /** The connection is cut, and the broker never sees the request. */
  | { readonly kind: 'cut' }
  /** The broker carries the request out, but its answer is lost with the connection. */
  | { readonly kind: 'lose answer' }
  /** The broker never sees the request; this is the answer (behind the correlation id). */
  | { readonly kind: 'answer'; readonly body: Buffer }
  /** Changes the answer (behind the correlation id), in place. */
  | { readonly kind: 'change answer'; readonly change: (body: Buffer) => void }
  /** Neither the broker sees it nor does an answer come, and the connection stays open. */
  | { readonly kind: 'swallow' }
export type Rule = (request: ProxiedRequest) => Action | undefined

export const api = {
  produce: 0,
  fetch: 1,
  metadata: 3,
  findCoordinator: 10,
  joinGroup: 11,
  heartbeat: 12,
  leaveGroup: 13,
  saslHandshake: 17,
  apiVersions: 18,
  initProducerId: 22,
  addPartitionsToTxn: 24,
  addOffsetsToTxn: 25,
  endTxn: 26,
  txnOffsetCommit: 28,
  saslAuthenticate: 36,
} as const

export interface Proxy {
  readonly port: number
  readonly socketFactory: (args: Parameters<SocketFactory>[0]) => net.Socket
  /** All requests so far, in the order in which they came. */
  readonly seen: readonly ProxiedRequest[]
  /** What decides from now on; without one everything passes. */
  rule: Rule | undefined
  /** Cuts every connection there is. */
  cutAll(): void
  /** While true, new connections are closed at once. */
  down: boolean
  close(): Promise<void>
}

export async function startProxy(broker: string): Promise<Proxy> {
  const [host, port] = broker.split(':')
  const seen: ProxiedRequest[] = []
  const sockets = new Set<net.Socket>()
  let connections = 0
  const server = net.createServer((client) => {
    client.on('error', () => undefined)
    if (proxy.down) {
      client.destroy()
      return
    }
    connections += 1
    const upstream = net.connect({ host: host ?? '', port: Number(port), noDelay: true })
    upstream.on('error', () => undefined)
    relay(client, upstream, connections)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.once('close', () => {
        sockets.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
  })
  const relay = (client: net.Socket, upstream: net.Socket, connection: number): void => {
    const actions = new Map<number, Action>()
    client.on(
      'data',
      framed((bytes) => {
        const apiKey = bytes.readInt16BE(0)
        const nth = seen.filter((other) => other.apiKey === apiKey).length
        const request = { apiKey, apiVersion: bytes.readInt16BE(2), bytes, connection, nth }
        seen.push(request)
        const action = proxy.rule?.(request) ?? { kind: 'pass' }
        const correlationId = bytes.readInt32BE(4)
        actions.set(correlationId, action)
        if (action.kind === 'cut') client.destroy()
        else if (action.kind === 'answer') client.write(frame(correlationId, action.body))
        else if (action.kind !== 'swallow') upstream.write(Buffer.concat([sizeOf(bytes), bytes]))
      }),
    )
    upstream.on(
      'data',
      framed((bytes) => {
        const action = actions.get(bytes.readInt32BE(0))
        if (action?.kind === 'lose answer') {
          client.destroy()
          return
        }
        if (action?.kind === 'change answer') action.change(bytes.subarray(4))
        client.write(Buffer.concat([sizeOf(bytes), bytes]))
      }),
    )
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')
  const proxy: Proxy = {
    port: address.port,
    socketFactory: ({ onread, onConnect }) =>
      net.connect({ host: '127.0.0.1', port: address.port, noDelay: true, onread }, onConnect),
    seen,
    rule: undefined,
    down: false,
    cutAll: () => {
      for (const socket of sockets) socket.destroy()
    },
    close: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return proxy
}

/** Calls for each whole frame, without its size. */
function framed(take: (bytes: Buffer) => void): (data: Buffer) => void {
  let rest = Buffer.alloc(0)
  return (data) => {
    rest = Buffer.concat([rest, data])
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const end = 4 + rest.readInt32BE(0)
      take(rest.subarray(4, end))
      rest = rest.subarray(end)
    }
  }
}

function sizeOf(bytes: Buffer): Buffer {
  const size = Buffer.alloc(4)
  size.writeInt32BE(bytes.length)
  return size
}

function frame(correlationId: number, body: Buffer): Buffer {
  const head = Buffer.alloc(8)
  head.writeInt32BE(4 + body.length, 0)
  head.writeInt32BE(correlationId, 4)
  return Buffer.concat([head, body])
}
