import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import type { WorkerStatus } from '../../../src/core/group/worker-status.js'
import type { IncomingMessage } from 'node:http'
import { freeAddress, openPeers, rawServer, service } from './support.js'

const unaborted = new AbortController().signal
const status: WorkerStatus = {
  v: 1,
  worker: 'w1',
  memberId: 'owner',
  generation: 7,
  active: [{ task: 'symbol_0', state: 'running' }],
  standby: [{ task: 'symbol_1' }],
  handOffs: [],
}

const answering = (...parts: readonly string[]) =>
  rawServer((socket) => {
    for (const part of parts) socket.write(part)
  })
const head = (member: string, length: number, code = '200 OK'): string =>
  `HTTP/1.1 ${code}\r\nPotoroo-Member: ${member}\r\nContent-Length: ${String(length)}\r\n\r\n`

describe('the status of a peer', () => {
  it('is what that worker says at the moment', async () => {
    let now = status
    const address = await openPeers().peers.listen(service({ status: () => now }))
    const { peers } = openPeers()
    expect(await peers.status({ memberId: 'owner', address }, unaborted)).toEqual(status)
    now = { ...status, generation: 8 }
    expect(await peers.status({ memberId: 'owner', address }, unaborted)).toEqual(now)
  })

  it('needs the token, without which nothing is told', async () => {
    let asked = 0
    const counted = service({
      status: () => {
        asked++
        return status
      },
    })
    const address = await openPeers({ token: 'right' }).peers.listen(counted)
    const peer = { memberId: 'owner', address }
    for (const token of [undefined, 'wrong'])
      await expect(openPeers({ token }).peers.status(peer, unaborted)).rejects.toMatchObject({ code: 'PEER_REFUSED' })
    const bare = await new Promise<IncomingMessage>((resolve) => get(`http://${address}/status`, resolve))
    expect(bare.statusCode).toBe(401)
    expect(bare.headers['potoroo-member']).toBeUndefined()
    expect(await text(bare)).toBe('')
    expect(asked).toBe(0)
    expect(await openPeers({ token: 'right' }).peers.status(peer, unaborted)).toEqual(status)
  })

  it('is not that of another member at its address', async () => {
    const address = await openPeers().peers.listen(service({ memberId: () => 'another' }))
    expect(await openPeers().peers.status({ memberId: 'owner', address }, unaborted)).toBeUndefined()
  })

  it.each([
    ['does not know the request', [head('owner', 0, '404 Not Found')]],
    ['has another version', [head('owner', 7), '{"v":2}']],
    ['is no Potoroo', ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}']],
  ])('is unknown where the peer %s', async (_, parts) => {
    const { address } = await answering(...parts)
    expect(await openPeers().peers.status({ memberId: 'owner', address }, unaborted)).toBeUndefined()
  })

  it('is refused when it is longer than any should be', async () => {
    const { address } = await answering(head('owner', 5_000_000), 'x'.repeat(5_000_000))
    await expect(openPeers().peers.status({ memberId: 'owner', address }, unaborted)).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
      message: expect.stringContaining('longer than') as string,
    })
  })

  it('fails when it breaks off', async () => {
    const { address } = await rawServer((socket) => socket.end(head('owner', 100) + '{"v":1'))
    await expect(openPeers().peers.status({ memberId: 'owner', address }, unaborted)).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
    })
  })

  it('fails when nobody is there, or where there is not an address', async () => {
    const { peers } = openPeers()
    for (const address of [await freeAddress(), 'nowhere'])
      await expect(peers.status({ memberId: 'owner', address }, unaborted)).rejects.toMatchObject({
        code: 'PEER_UNREACHABLE',
      })
  })

  it.each([
    ['says nothing', []],
    ['says the beginning only', [head('owner', 100)]],
  ])('fails in time when the peer %s', async (_, parts) => {
    const { address } = await answering(...parts)
    await expect(openPeers().peers.status({ memberId: 'owner', address }, unaborted)).rejects.toMatchObject({
      code: 'PEER_UNREACHABLE',
    })
  })

  it('can be called off, and ends when the connections are closed', async () => {
    const { address } = await answering()
    const calledOff = new AbortController()
    const { peers } = openPeers()
    const first = peers.status({ memberId: 'owner', address }, calledOff.signal)
    setImmediate(() => calledOff.abort())
    await expect(first).rejects.toMatchObject({ name: 'AbortError' })
    const second = peers.status({ memberId: 'owner', address }, unaborted)
    setImmediate(() => void peers.close())
    await expect(second).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
    // It rejects, too, and does not throw: who has just closed may be about to ask.
    const late = peers.status({ memberId: 'owner', address }, unaborted).catch((error: unknown) => error)
    expect(await late).toMatchObject({ code: 'INTERNAL' })
  })
})
