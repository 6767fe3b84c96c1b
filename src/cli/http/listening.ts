/** Where servers of HTTP listen, and how they end. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import { isIPv6 } from 'node:net'

/** Resolves with the URL, without a path. Rejects with what `refused` makes of the address and of what is wrong with it. */
export async function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
  refused: (address: string, error: unknown) => Error,
): Promise<string> {
  const shown = isIPv6(host) ? `[${host}]` : host
  try {
    // exclusive: in a cluster, the primary would else listen, for all of its workers
    server.listen({ host, port, exclusive: true })
    await once(server, 'listening')
  } catch (error) {
    throw refused(`${shown}:${String(port)}`, error)
  }
  // Nobody is served while there are no file descriptors, say; all else goes on.
  server.on('error', () => undefined)
  const bound = server.address()
  return `http://${shown}:${String(typeof bound === 'object' && bound !== null ? bound.port : port)}`
}

/** With its connections. Never rejects. */
export async function closeServer(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => {
    server.close(() => {
      resolve()
    })
  })
  server.closeAllConnections()
  await closed
}
