/** Peers that are none: whatever answers, and whoever asks, this worker continues, and believes nothing that is not whole. */
import { once } from 'node:events'
import { get, validateHeaderValue } from 'node:http'
import { connect, type Socket } from 'node:net'
import { crc32c } from '@node-rs/crc32'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPotorooError } from '../../../src/errors.js'
import { addressOf, parseAddress } from '../../../src/peers/options.js'
import type { Peer } from '../../../src/ports/peers.js'
import { until } from '../../support/until.js'
import { openPeers, rawServer, read, service, snapshotOf } from './support.js'

const unaborted = new AbortController().signal
const status = service().status()
const MEMBER = 'Potoroo-Member: owner\r\n'

/** Resolves with what was answered, or with the code of the error; anything but a PotorooError is a fault. */
async function outcome<T>(work: Promise<T>): Promise<T | string> {
  try {
    return await work
  } catch (error) {
    if (isPotorooError(error)) return error.code
    throw error
  }
}
const snapshotFrom = async (address: string, stallTimeoutMs = 1_000): Promise<Buffer | string | undefined> => {
  const { peers } = openPeers({ stallTimeoutMs })
  const asked = peers.snapshot({ memberId: 'owner', address }, 'symbol_0', unaborted)
  const taken = await outcome(asked.then(async (snapshot) => (snapshot === undefined ? undefined : read(snapshot))))
  await peers.close()
  return taken
}
const statusFrom = async (address: string) => {
  const { peers } = openPeers()
  const told = await outcome(peers.status({ memberId: 'owner', address }, unaborted))
  await peers.close()
  return told
}

const answers: [string, string | Buffer][] = [
  ['says nothing', ''],
  ['is no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n'],
  ['is bytes of any kind', Buffer.from(Array.from({ length: 4000 }, (_, n) => (n * 7919) % 256))],
  ['stops in its first line', 'HTTP/1.1 20'],
  ['stops in its head', `HTTP/1.1 200 OK\r\n${MEMBER}Content-`],
  ['has a header of 1 MB', `HTTP/1.1 200 OK\r\n${MEMBER}X: ${'x'.repeat(1_000_000)}\r\n\r\n`],
  ['has 100,000 headers', `HTTP/1.1 200 OK\r\n${MEMBER}${'X: x\r\n'.repeat(100_000)}\r\n`],
  [
    'wants another protocol',
    `HTTP/1.1 101 Switching Protocols\r\n${MEMBER}Upgrade: h2c\r\nConnection: upgrade\r\n\r\n`,
  ],
  ['goes on without end', `HTTP/1.1 100 Continue\r\n\r\n`.repeat(10_000)],
  ['sends elsewhere', `HTTP/1.1 302 Found\r\n${MEMBER}Location: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n`],
  ['has a length below 0', `HTTP/1.1 200 OK\r\n${MEMBER}Content-Length: -5\r\n\r\nhello`],
  ['has a length that is none', `HTTP/1.1 200 OK\r\n${MEMBER}Content-Length: 1e3\r\n\r\nhello`],
  ['has two lengths', `HTTP/1.1 200 OK\r\n${MEMBER}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
  ['has a length of 9 PB', `HTTP/1.1 200 OK\r\n${MEMBER}Content-Length: 9007199254740991\r\n\r\nhello`],
  ['has chunks that are none', `HTTP/1.1 200 OK\r\n${MEMBER}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello`],
  ['has a member that can’t be read', 'HTTP/1.1 200 OK\r\nPotoroo-Member: %E0%A4%A\r\nContent-Length: 2\r\n\r\n{}'],
  ['is an error', `HTTP/1.1 500 Oops\r\n${MEMBER}Content-Length: 5\r\n\r\nhello`],
]

describe('a peer whose answer', () => {
  it.each(answers)('%s gives no snapshot, no status, and is no reason to hold it for dead', async (_, answer) => {
    const server = await rawServer((socket) => socket.end(answer))
    expect(await snapshotFrom(server.address)).toMatch(/^(PEER_UNREACHABLE|SNAPSHOT_DAMAGED)$/)
    expect([undefined, 'PEER_UNREACHABLE']).toContain(await statusFrom(server.address))
    const { peers } = openPeers()
    const before = server.connections
    const dead: Peer[] = []
    peers.watch([{ memberId: 'owner', address: server.address }], (peer) => dead.push(peer))
    // It goes on trying: the peer may be itself again.
    await until('tried again', () => server.connections > before + 2)
    expect(dead).toEqual([])
  })

  it.each<[string, string]>([
    ['is no JSON', '{"v":1'],
    [
      'is JSON of another shape',
      '{"v":1,"worker":"w","memberId":"m","generation":"7","active":[],"standby":[],"handOffs":[]}',
    ],
    ['is 100,000 levels deep', '['.repeat(100_000) + ']'.repeat(100_000)],
    ['has a prototype in it', '{"__proto__":{"v":1,"worker":"w"}}'],
    ['is null', 'null'],
  ])('%s tells no status', async (_, body) => {
    const head = `HTTP/1.1 200 OK\r\n${MEMBER}Content-Length: ${String(body.length)}\r\n\r\n`
    const { address } = await rawServer((socket) => socket.end(head + body))
    expect(await statusFrom(address)).toBeUndefined()
  })

  it('was changed on its way gives the snapshot that was sent, or none', { timeout: 30_000 }, async () => {
    const body = Buffer.from(Array.from({ length: 300 }, (_, n) => n % 251))
    const sum = Buffer.alloc(4)
    sum.writeUInt32BE(crc32c(body))
    const head = `HTTP/1.1 200 OK\r\n${MEMBER}Content-Type: application/vnd.potoroo.snapshot\r\nContent-Length: 304\r\n\r\n`
    const whole = Buffer.concat([Buffer.from(head), body, sum])
    let answer = whole
    const { address } = await rawServer((socket) => socket.end(answer))
    expect(await snapshotFrom(address)).toEqual(body)
    const change = fc.record({
      at: fc.nat(whole.length - 1),
      to: fc.nat(255),
      how: fc.constantFrom('set', 'cut', 'insert'),
    })
    await fc.assert(
      fc.asyncProperty(change, async ({ at, to, how }) => {
        const [front, back] = [whole.subarray(0, at), whole.subarray(at)]
        if (how === 'set') (answer = Buffer.from(whole))[at] = to
        else answer = how === 'cut' ? front : Buffer.concat([front, Buffer.from([to]), back])
        const taken = await snapshotFrom(address, 100)
        if (Buffer.isBuffer(taken)) expect(taken.equals(body)).toBe(true)
        else expect(['PEER_UNREACHABLE', 'SNAPSHOT_DAMAGED', 'PEER_REFUSED', undefined]).toContain(taken)
      }),
      { numRuns: 200 },
    )
  })
})

describe('an address that is none', () => {
  const bad = ['', ':', 'host', 'host:', 'host:0', 'host:65536', 'host:1e3', 'a b:80', 'a\r\nX: y:80', 'a\0b:80', '[::1', '[\n]:80', '[]:80', 'ü:80', 'http://host:80', 'user@host:80', 'host/path:80', `${'a'.repeat(300)}:80`] // prettier-ignore
  it.each(bad)('%j is known for it, and neither watched nor asked', async (address) => {
    expect(parseAddress(address)).toBeUndefined()
    const { peers, lines } = openPeers()
    const peer = { memberId: 'owner', address }
    expect(await outcome(peers.status(peer, unaborted))).toBe('PEER_UNREACHABLE')
    expect(await outcome(peers.snapshot(peer, 'symbol_0', unaborted))).toBe('PEER_UNREACHABLE')
    peers.watch([peer], () => undefined)
    expect(lines).toEqual([expect.stringMatching(/^warn a peer is not watched/)])
  })

  it.each(['a b', 'http://host', '', '[::1]'])('%j is refused as the one to be known by', (advertise) => {
    expect(() => openPeers({ advertise })).toThrow(expect.objectContaining({ code: 'INVALID_CONFIGURATION' }))
  })

  it('of any kind is none, or one that Node connects to', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string(), fc.ipV4(), fc.ipV6(), fc.domain())
    const name = fc.oneof(
      text,
      text.map((host) => `[${host}]`),
    )
    fc.assert(
      fc.property(name, fc.nat(70_000), (host, port) => {
        const to = parseAddress(`${host}:${String(port)}`)
        if (to === undefined) return
        // or else `get` throws, because the host is a header, too
        validateHeaderValue('host', to.host)
        expect(parseAddress(addressOf(to.host, to.port))).toEqual(to)
        expect([to.host, `[${to.host}]`]).toContain(host)
      }),
      { numRuns: 2000 },
    )
    for (const known of ['127.0.0.1:1', 'localhost:65535', '[::1]:80', 'worker-1.group_a.example:9000'])
      expect(parseAddress(known)).toBeDefined()
  })
})

describe('whoever asks this worker for', () => {
  const ask = async (address: string, request: string | Buffer): Promise<string> => {
    const [host, port] = address.split(':')
    const socket: Socket = connect(Number(port), host)
    socket.on('error', () => undefined)
    const chunks: Buffer[] = []
    socket.on('data', (chunk) => chunks.push(chunk))
    socket.end(request)
    await once(socket, 'close')
    return Buffer.concat(chunks).toString('latin1')
  }
  const requests: [string, string | Buffer, RegExp][] = [
    ['nothing', '', /^$/],
    [
      'bytes of any kind',
      Buffer.from(Array.from({ length: 4000 }, (_, n) => (n * 7919) % 256)),
      /^(HTTP\/1\.1 4\d\d .*)?/,
    ],
    ['another protocol', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', /^HTTP\/1\.1 (400|505)/],
    [
      'too long a header',
      `GET /status HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(1_000_000)}\r\n\r\n`,
      /^(HTTP\/1\.1 431|$)/,
    ],
    ['a task that is no URI', 'GET /snapshot/%ff%zz HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 404/],
    ['a task without a name', 'GET /snapshot/ HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 404/],
    ['a path upwards', 'GET /snapshot/../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 404/],
    ['something else', 'GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 404/],
    ['something to take', 'POST /status HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc', /^HTTP\/1\.1 405/],
    ['a way to elsewhere', 'CONNECT localhost:22 HTTP/1.1\r\nHost: x\r\n\r\n', /^$/],
    [
      'two things at once',
      'GET /x HTTP/1.1\r\nHost: x\r\n\r\nGET /status HTTP/1.1\r\nHost: x\r\n\r\n',
      /^HTTP\/1\.1 404/,
    ],
  ]
  it.each(requests)('%s gets no more than an error, and the next one is answered', async (_, request, answer) => {
    const { peers } = openPeers()
    const address = await peers.listen(service())
    expect(await ask(address, request)).toMatch(answer)
    expect(await statusFrom(address)).toEqual(status)
  })

  it.each(requests)('%s without the token learns nothing of the group', async (_, request) => {
    const { peers } = openPeers({ token: 'secret' })
    const address = await peers.listen(service({ snapshot: () => Promise.resolve(snapshotOf([Buffer.from('state')])) }))
    const told = await ask(address, request)
    expect(told).not.toMatch(/owner|secret|state/i)
    if (told !== '') expect(told).toMatch(/^HTTP\/1\.1 (400|401|431|505) /)
  })

  it('any token but the right one is refused', async () => {
    const { peers } = openPeers({ token: 'secret' })
    const address = await peers.listen(service())
    await fc.assert(
      fc.asyncProperty(
        fc.string().map((text) => text.replace(/[^\x20-\x7e]/g, '')),
        async (text) => {
          const code = await new Promise((resolve, reject) => {
            get(`http://${address}/status`, { headers: { authorization: text }, agent: false }, (response) => {
              response.resume()
              resolve(response.statusCode)
            }).on('error', reject)
          })
          expect(code).toBe(401)
        },
      ),
      { numRuns: 50 },
    )
  })
})
