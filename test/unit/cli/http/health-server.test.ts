/** src/cli/http/health-server.ts with clients of every kind. Its invariants are at the head of that file. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { Recent } from '../../../../src/cli/http/collecting.js'
import { HealthServer, type HealthServerOptions, type HealthService } from '../../../../src/cli/http/health-server.js'
import type { Readiness } from '../../../../src/ports/figures.js'

const ready: HealthService = { metrics: (format) => Promise.resolve(`${format}\n`), readiness: () => ({ ready: true }) }

async function serve(service: HealthService = ready, options: Partial<HealthServerOptions> = {}): Promise<URL> {
  const server = new HealthServer({ host: '127.0.0.1', port: 0, ...options }, service)
  onTestFinished(() => server.close())
  return new URL(await server.listen())
}

/** What comes back for these bytes, to the end of the connection. */
async function raw(url: URL, ...parts: (string | Buffer)[]): Promise<string> {
  const socket = open(url)
  for (const part of parts) socket.write(part)
  return read(socket)
}
function open(url: URL): Socket {
  const socket = connect(Number(url.port), url.hostname)
  socket.on('error', () => undefined)
  onTestFinished(() => {
    socket.destroy()
  })
  return socket
}
async function read(socket: Socket): Promise<string> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'close')
  return Buffer.concat(chunks).toString()
}
const statusOf = (answer: string): string => answer.split('\r\n', 1)[0] ?? ''

test('metrics in the format that is asked for', async () => {
  const url = await serve()
  const openMetrics = await fetch(new URL('/metrics', url), { headers: { accept: 'application/openmetrics-text' } })
  expect(openMetrics.headers.get('content-type')).toBe('application/openmetrics-text; version=1.0.0; charset=utf-8')
  expect(await openMetrics.text()).toBe('openmetrics\n')
  const plain = await fetch(new URL('/metrics?x=1', url))
  expect(plain.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(await plain.text()).toBe('plain\n')
})

test('it lives while it answers, and is ready when its worker says so', async () => {
  let readiness: Readiness = { ready: false, reason: 'restoring', tasks: ['symbol_3'] }
  const url = await serve({ ...ready, readiness: () => readiness })
  expect((await fetch(new URL('/livez', url))).status).toBe(200)
  const not = await fetch(new URL('/readyz', url))
  expect([not.status, await not.json()]).toEqual([503, readiness])
  readiness = { ready: true }
  const now = await fetch(new URL('/readyz', url))
  expect([now.status, await now.json()]).toEqual([200, readiness])
})

test('serves only GET, and only the paths that exist (invariant 1)', async () => {
  const url = await serve()
  for (const method of ['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'])
    expect((await fetch(new URL('/metrics', url), { method })).status, method).toBe(405)
  expect((await fetch(new URL('/metrics', url), { method: 'POST' })).headers.get('allow')).toBe('GET')
  for (const path of ['/', '/metrics/', '/../etc/passwd', '/constructor', '/__proto__', '/metrics%2f'])
    expect(statusOf(await raw(url, `GET ${path} HTTP/1.1\r\nhost: x\r\n\r\n`)), path).toContain(' 404 ')
})

test("metrics that can't be had are 500, and the next request is answered", async () => {
  let broken = true
  const url = await serve({
    ...ready,
    metrics: () => (broken ? Promise.reject(new Error('no')) : ready.metrics('plain')),
  })
  expect((await fetch(new URL('/metrics', url))).status).toBe(500)
  broken = false
  expect((await fetch(new URL('/metrics', url))).status).toBe(200)
})

test('headers that never end, or are larger than anybody needs, end the connection (invariant 2)', async () => {
  const url = await serve(ready, { requestMs: 100 })
  expect(statusOf(await raw(url, 'GET /metrics HTTP/1.1\r\nhost: x\r\n'))).toContain(' 408 ')
  // Nothing at all.
  await raw(url)
  expect(statusOf(await raw(url, `GET /metrics HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`))).toContain(' 431 ')
  expect(statusOf(await raw(url, Buffer.from('160301020001', 'hex')))).toContain(' 400 ')
})

test('a body is not waited for (invariants 1 and 3)', async () => {
  const url = await serve()
  const head = 'GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n'
  expect(statusOf(await raw(url, head, 'x'))).toContain(' 200 ')
  const posted = 'POST /metrics HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n'
  expect(statusOf(await raw(url, posted, '1\r\nx\r\n'))).toContain(' 405 ')
})

test('who does not take the answer is cut off, and others are served meanwhile (invariant 2)', async () => {
  // More than the system's buffers take.
  const large = 'x'.repeat(50_000_000)
  const url = await serve({ ...ready, metrics: () => Promise.resolve(large) }, { answerMs: 300 })
  const slow = open(url)
  let taken = 0
  // Bit by bit, so that the connection is never idle.
  slow.on('data', (chunk) => {
    taken += chunk.length
    slow.pause()
    setTimeout(() => slow.resume(), 5)
  })
  const cut = once(slow, 'close')
  slow.write('GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n')
  expect((await fetch(new URL('/livez', url))).status).toBe(200)
  await cut
  expect(taken).toBeLessThan(large.length)
})

test('more connections than anybody needs are refused, and those that are there end by themselves (invariant 2)', async () => {
  const url = await serve(ready, { requestMs: 300 })
  const idle = Array.from({ length: 100 }, () => open(url))
  const answers = await Promise.all(idle.map((socket) => read(socket)))
  // Too late for those that were taken; the others got no word.
  const taken = answers.filter((answer) => answer !== '')
  expect(new Set(taken.map(statusOf))).toEqual(new Set(['HTTP/1.1 408 Request Timeout']))
  expect(taken.length).toBeLessThanOrEqual(64)
  expect((await fetch(new URL('/livez', url))).status).toBe(200)
})

test('a close does not wait for clients', async () => {
  const server = new HealthServer({ host: '127.0.0.1', port: 0 }, ready)
  const socket = open(new URL(await server.listen()))
  await once(socket, 'connect')
  const closed = read(socket)
  await server.close()
  await closed
})

test('a port that is taken, and a host that is none, say so', async () => {
  const taken = createServer()
  onTestFinished(() => void taken.close())
  taken.listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const refused = new HealthServer({ host: '127.0.0.1', port }, ready).listen()
  await expect(refused).rejects.toMatchObject({
    code: 'INVALID_CONFIGURATION',
    message: expect.stringMatching(/127\.0\.0\.1:\d+: .*EADDRINUSE.*--http-port/) as string,
  })
  await expect(new HealthServer({ host: '192.0.2.1', port: 0 }, ready).listen()).rejects.toMatchObject({
    code: 'INVALID_CONFIGURATION',
  })
})

test('who asks all the time is told what was collected a moment ago, but no failure twice (invariant 2)', async () => {
  let [nowMs, made, fails] = [0, 0, false]
  const recent = new Recent(
    () => (fails ? Promise.reject(new Error('no')) : Promise.resolve(++made)),
    100,
    () => nowMs,
  )
  expect(await Promise.all([recent.value(), recent.value()])).toEqual([1, 1])
  nowMs = 99
  expect(await recent.value()).toBe(1)
  nowMs = 100
  fails = true
  await expect(recent.value()).rejects.toThrow('no')
  fails = false
  expect(await recent.value()).toBe(2)
})
