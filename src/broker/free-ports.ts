import { createServer } from 'node:net'
import { messageOf, PotorooError } from '../errors.js'

const listen = (port: number): Promise<{ readonly port: number; close(): Promise<void> }> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port, exclusive: true }, () => {
      const address = server.address()
      if (address === null || typeof address === 'string') {
        reject(new Error('a listening server has an address'))
        return
      }
      resolve({
        port: address.port,
        close: () =>
          new Promise((closed) => {
            server.close(() => {
              closed()
            })
          }),
      })
    })
  })

/**
 * As many different ports as wanted, all free a moment ago. `fixed` (0: any) is the first of them. Rejects with
 * BROKER_NOT_STARTED when that one is taken.
 */
export async function freePorts(count: number, fixed = 0): Promise<readonly number[]> {
  const held: Awaited<ReturnType<typeof listen>>[] = []
  try {
    for (let i = 0; i < count; i++)
      held.push(
        await listen(i === 0 ? fixed : 0).catch((cause: unknown) => {
          const where = `127.0.0.1:${String(i === 0 ? fixed : 0)}`
          throw new PotorooError('BROKER_NOT_STARTED', `can't listen on ${where}: ${messageOf(cause)}`, { cause })
        }),
      )
    return held.map((server) => server.port)
  } finally {
    await Promise.all(held.map((server) => server.close()))
  }
}
