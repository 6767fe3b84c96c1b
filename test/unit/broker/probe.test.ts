import { createServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { freePorts } from '../../../src/broker/free-ports.js'
import { answers } from '../../../src/broker/probe.js'

const servers: Server[] = []
const sockets: Socket[] = []

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy()
  for (const server of servers.splice(0)) server.close()
})

async function serve(answer: (socket: Socket) => void): Promise<number> {
  const [port = 0] = await freePorts(1)
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => answer(socket))
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return port
}

/** The head of a Metadata response: size, correlation id, number of brokers. */
const head = (brokers: number): Buffer => {
  const bytes = Buffer.alloc(12)
  bytes.writeInt32BE(100, 0)
  bytes.writeInt32BE(1, 4)
  bytes.writeInt32BE(brokers, 8)
  return bytes
}

describe('answers', () => {
  test('a broker that lists itself is ready', async () => {
    expect(await answers('127.0.0.1', await serve((socket) => socket.write(head(1))), 5_000)).toBe(true)
  })

  test('also when the answer comes in pieces', async () => {
    const port = await serve((socket) => {
      socket.setNoDelay(true)
      socket.write(head(1).subarray(0, 5), () => socket.write(head(1).subarray(5)))
    })
    expect(await answers('127.0.0.1', port, 5_000)).toBe(true)
  })

  test('one that is not let in by the controller yet is not', async () => {
    expect(await answers('127.0.0.1', await serve((socket) => socket.write(head(0))), 5_000)).toBe(false)
  })

  test('nor one that closes, says nothing, or is not there', async () => {
    expect(await answers('127.0.0.1', await serve((socket) => socket.end()), 5_000)).toBe(false)
    expect(await answers('127.0.0.1', await serve(() => undefined), 50)).toBe(false)
    const [closed = 0] = await freePorts(1)
    expect(await answers('127.0.0.1', closed, 5_000)).toBe(false)
  })
})

describe('freePorts', () => {
  test('are different ones', async () => {
    expect(new Set(await freePorts(5)).size).toBe(5)
  })

  test('a fixed port that is taken is an error that names it', async () => {
    const port = await serve(() => undefined)
    await expect(freePorts(2, port)).rejects.toMatchObject({
      code: 'BROKER_NOT_STARTED',
      message: expect.stringContaining(`can't listen on 127.0.0.1:${String(port)}`) as unknown,
    })
  })
})
