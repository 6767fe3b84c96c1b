import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import type { Peer, PeerService, Snapshot } from '../../../src/ports/peers.js'
import type { PeersOptions } from '../../../src/peers/peers.js'
import { until } from '../../support/until.js'
import { freeAddress, openPeers, rawServer, read, readSize, service, snapshotOf, type World } from './support.js'

const unaborted = new AbortController().signal

interface Owner extends World {
  readonly peer: Peer
  readonly ask: (signal?: AbortSignal, from?: World) => Promise<Snapshot | undefined>
}
/** An owner that gives these, one for each time that it is asked. */
async function owner(
  snapshots: readonly (Snapshot | undefined)[],
  options: Partial<PeersOptions> = {},
): Promise<Owner> {
  let asked = 0
  return ownerOf({ snapshot: () => Promise.resolve(snapshots[asked++]) }, options)
}
async function ownerOf(over: Partial<PeerService>, options: Partial<PeersOptions> = {}): Promise<Owner> {
  const world = openPeers(options)
  const peer = { memberId: 'owner', address: await world.peers.listen(service(over)) }
  return {
    ...world,
    peer,
    ask: (signal = unaborted, from = openPeers(options)) => from.peers.snapshot(peer, 'symbol_0', signal),
  }
}
const pieces = (count: number, bytes = 100_000): Buffer[] => Array.from({ length: count }, () => randomBytes(bytes))
const never = (): Promise<never> => new Promise(() => undefined)

/** Goes between: `change` sees what the owner says, from its first byte on. */
const between = (address: string, change: (data: Buffer, at: number, socket: Socket) => void) =>
  rawServer((socket) => {
    const [host, port] = address.split(':')
    const upstream = connect(Number(port), host)
    let at = 0
    upstream.on('error', () => socket.destroy())
    upstream.on('data', (data) => {
      change(data, at, socket)
      at += data.length
      socket.write(data)
    })
    upstream.once('close', () => socket.end())
    socket.once('close', () => upstream.destroy())
    socket.pipe(upstream)
  })

describe('a snapshot', () => {
  it.each([[[]], [[Buffer.from('x')]], [pieces(30)], [[Buffer.alloc(0), ...pieces(2, 1)]]])(
    'arrives as it was sent, and is let go: case %#',
    async (chunks) => {
      const given = snapshotOf(chunks)
      const { ask } = await owner([given])
      const snapshot = await ask()
      expect(snapshot?.bytes).toBe(given.bytes)
      expect((await read(snapshot)).equals(Buffer.concat(chunks))).toBe(true)
      await until('let go', () => given.released)
    },
  )

  it('asks for the task by its name, whatever that is', async () => {
    const asked: string[] = []
    const { peer } = await ownerOf({
      snapshot: (task) => {
        asked.push(task)
        return Promise.resolve(undefined)
      },
    })
    for (const task of ['symbol_0', 'ä/../x?y']) await openPeers().peers.snapshot(peer, task, unaborted)
    expect(asked).toEqual(['symbol_0', 'ä/../x?y'])
  })

  it('is undefined where the task is not active', async () => {
    const { ask } = await owner([undefined])
    expect(await ask()).toBeUndefined()
  })

  it('needs the token, without which nothing is told', async () => {
    let asked = 0
    const { peer, lines } = await ownerOf(
      {
        snapshot: () => {
          asked++
          return Promise.resolve(snapshotOf(pieces(1)))
        },
      },
      { token: 'secret-1' },
    )
    for (const token of [undefined, 'secret-2', 'secret-11', 'SECRET-1']) {
      const { peers, lines: own } = openPeers({ token })
      await expect(peers.snapshot(peer, 'symbol_0', unaborted)).rejects.toMatchObject({ code: 'PEER_REFUSED' })
      expect(own.join()).not.toContain('secret')
    }
    const response = await new Promise<IncomingMessage>((resolve) => {
      get(`http://${peer.address}/snapshot/symbol_0`, resolve)
    })
    expect(response.statusCode).toBe(401)
    expect(await text(response)).toBe('')
    expect(JSON.stringify(response.headers)).not.toContain('owner')
    expect([asked, lines.join().includes('secret')]).toEqual([0, false])
    const { peers } = openPeers({ token: 'secret-1' })
    expect((await read(await peers.snapshot(peer, 'symbol_0', unaborted))).length).toBe(100_000)
  })
})

describe('a snapshot that fails', () => {
  it("because the owner can't read on", async () => {
    const given = snapshotOf([...pieces(5), new Error('disk'), ...pieces(5)], 1_000_000)
    const { ask, lines } = await owner([given])
    await expect(readSize(await ask())).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    await until('let go', () => given.released)
    expect(lines).toEqual([expect.stringMatching(/^warn a snapshot could not be sent .*disk/)])
  })

  it.each([999_999, 1_000_001])('because it has %i bytes instead of 1,000,000', async (bytes) => {
    const { ask } = await owner([snapshotOf(pieces(10), bytes)])
    await expect(readSize(await ask())).rejects.toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^(PEER_UNREACHABLE|SNAPSHOT_DAMAGED)$/) as string }),
    )
  })

  it('because there is none', async () => {
    const { ask } = await ownerOf({ snapshot: () => Promise.reject(new Error('disk')) })
    await expect(ask()).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
  })

  it('because a byte changed', async () => {
    const { peer } = await owner([snapshotOf(pieces(10))])
    const { address } = await between(peer.address, (data, at) => {
      if (at <= 500_000 && at + data.length > 500_000) data.writeUInt8(data.readUInt8(500_000 - at) ^ 1, 500_000 - at)
    })
    const snapshot = await openPeers().peers.snapshot({ ...peer, address }, 'symbol_0', unaborted)
    await expect(readSize(snapshot)).rejects.toMatchObject({ code: 'SNAPSHOT_DAMAGED' })
  })

  it.each([
    ['closed', (socket: Socket) => socket.end()],
    ['reset', (socket: Socket) => socket.resetAndDestroy()],
  ])('because the connection is %s', async (_, cut) => {
    const given = snapshotOf(pieces(100))
    const { peer } = await owner([given])
    const { address } = await between(peer.address, (_data, at, socket) => {
      if (at > 2_000_000) cut(socket)
    })
    const snapshot = await openPeers().peers.snapshot({ ...peer, address }, 'symbol_0', unaborted)
    await expect(readSize(snapshot)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    await until('let go', () => given.released)
  })

  it('because the owner stops', async () => {
    const given = snapshotOf(pieces(500))
    const { ask, peers } = await owner([given])
    const snapshot = await ask()
    let bytes = 0
    const reading = (async () => {
      for await (const chunk of snapshot?.chunks() ?? []) {
        if (bytes === 0) await peers.close()
        bytes += chunk.length
      }
    })()
    await expect(reading).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    expect(given.released).toBe(true)
  })

  it('because nobody is there', async () => {
    for (const address of [await freeAddress(), 'nowhere', 'nowhere.invalid:1'])
      await expect(
        openPeers().peers.snapshot({ memberId: 'owner', address }, 'symbol_0', unaborted),
      ).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
  })

  it('because somebody else is there', async () => {
    const { peer } = await owner([snapshotOf(pieces(1))])
    const { peers } = openPeers()
    await expect(peers.snapshot({ ...peer, memberId: 'other' }, 'symbol_0', unaborted)).rejects.toMatchObject({
      code: 'SNAPSHOT_DAMAGED',
    })
    for (const head of ['200 OK\r\nContent-Length: 5', '404 Not Found\r\nContent-Length: 5']) {
      const { address } = await rawServer((socket) => socket.end(`HTTP/1.1 ${head}\r\n\r\nhello`))
      await expect(peers.snapshot({ memberId: 'owner', address }, 'symbol_0', unaborted)).rejects.toMatchObject({
        code: 'SNAPSHOT_DAMAGED',
      })
    }
  })

  it('because the owner says nothing any more', async () => {
    const { address } = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nPotoroo-Member: owner\r\nContent-Length: 14\r\n')
      socket.write('Content-Type: application/vnd.potoroo.snapshot\r\n\r\nhello')
    })
    const { peers } = openPeers({ stallTimeoutMs: 50 })
    const snapshot = await peers.snapshot({ memberId: 'owner', address }, 'symbol_0', unaborted)
    await expect(readSize(snapshot)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
  })
})

describe('letting go', () => {
  const reason = new Error('enough')

  it('in the middle of it', async () => {
    const given = snapshotOf(pieces(500))
    const { ask } = await owner([given])
    const calledOff = new AbortController()
    const snapshot = await ask(calledOff.signal)
    const reading = (async () => {
      for await (const _ of snapshot?.chunks() ?? []) calledOff.abort(reason)
    })()
    await expect(reading).rejects.toBe(reason)
    await until('let go', () => given.released)
  })

  it('before it begins', async () => {
    const { ask } = await ownerOf({ snapshot: never })
    await expect(ask(AbortSignal.abort(reason))).rejects.toBe(reason)
    const calledOff = new AbortController()
    const asking = ask(calledOff.signal)
    setImmediate(() => calledOff.abort(reason))
    await expect(asking).rejects.toBe(reason)
  })

  it.each([
    ['unread', async (snapshot: Snapshot) => snapshot.discard()],
    [
      'half read',
      async (snapshot: Snapshot) => {
        for await (const _ of snapshot.chunks()) break
      },
    ],
  ])('of one that is %s', async (_, letGo) => {
    const given = snapshotOf(pieces(500))
    const { ask } = await owner([given])
    const snapshot = await ask()
    if (snapshot !== undefined) await letGo(snapshot)
    await until('let go', () => given.released)
  })

  it('by closing', async () => {
    const given = snapshotOf(pieces(500))
    const { ask } = await owner([given])
    const joiner = openPeers()
    const snapshot = await ask(unaborted, joiner)
    await joiner.peers.close()
    await expect(readSize(snapshot)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    await until('let go', () => given.released)
    await expect(ask(unaborted, joiner)).rejects.toMatchObject({ code: 'INTERNAL' })
  })
})
