import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { Snapshot } from '../../../src/ports/peers.js'
import { until } from '../../support/until.js'
import { openPeers, rawServer, read, readSize, service, snapshotOf, type CountedSnapshot } from './support.js'

const unaborted = new AbortController().signal
const piece = Buffer.alloc(100_000)
const big = (): CountedSnapshot => snapshotOf(Array.from({ length: 500 }, () => piece))

describe('an owner', () => {
  it('gives one snapshot at a time, and lets others wait in line', async () => {
    const given: CountedSnapshot[] = []
    const { peers } = openPeers({ maxSnapshotBytesPerSecond: 1e9 })
    const snapshot = (): Promise<Snapshot> => {
      const made = big()
      given.push(made)
      return Promise.resolve(made)
    }
    const peer = { memberId: 'owner', address: await peers.listen(service({ snapshot })) }
    const joiner = openPeers().peers
    const ask = (signal = unaborted) => joiner.snapshot(peer, 'symbol_0', signal)
    const first = await ask()
    const waiting = [ask(), ask()]
    const calledOff = new AbortController()
    const impatient = ask(calledOff.signal)
    setImmediate(() => calledOff.abort())
    await expect(impatient).rejects.toMatchObject({ name: 'AbortError' })
    expect(given).toHaveLength(1)
    await first?.discard()
    await until('the second is given', () => given.length === 2)
    for (const asking of waiting) expect((await read(await asking)).length).toBe(50_000_000)
    await until('all are let go', () => given.every(({ released }) => released))
    // who left the line is not served
    expect(given).toHaveLength(3)
  })

  it('lets go of a copy that was made for one who has gone', async () => {
    const given = big()
    let give: (snapshot: Snapshot) => void = () => undefined
    const calledOff = new AbortController()
    const { peers } = openPeers()
    const snapshot = (): Promise<Snapshot> =>
      new Promise((resolve) => {
        give = resolve
        calledOff.abort()
      })
    const address = await peers.listen(service({ snapshot }))
    const asking = openPeers().peers.snapshot({ memberId: 'owner', address }, 'symbol_0', calledOff.signal)
    await expect(asking).rejects.toMatchObject({ name: 'AbortError' })
    const closed = peers.close()
    give(given)
    await closed
    expect(given.released).toBe(true)
  })

  it('lets a peer go that takes nothing', async () => {
    const given = big()
    const { peers } = openPeers({ stallTimeoutMs: 50 })
    const address = await peers.listen(service({ snapshot: () => Promise.resolve(given) }))
    const joiner = openPeers().peers
    const snapshot = await joiner.snapshot({ memberId: 'owner', address }, 'symbol_0', unaborted)
    await until('let go', () => given.released)
    await expect(readSize(snapshot)).rejects.toMatchObject({ code: 'PEER_UNREACHABLE' })
  })

  it('does not read faster than a peer takes', async () => {
    let read = 0
    const chunks = async function* () {
      for (; read < 500; read++) {
        await new Promise((resolve) => setImmediate(resolve))
        yield piece
      }
    }
    const { peers } = openPeers()
    const address = await peers.listen(
      service({ snapshot: () => Promise.resolve({ bytes: 50_000_000, chunks, discard: () => Promise.resolve() }) }),
    )
    const joiner = openPeers().peers
    const snapshot = await joiner.snapshot({ memberId: 'owner', address }, 'symbol_0', unaborted)
    let before = -1
    await until('it stands still', () => {
      const still = read === before
      before = read
      return still
    })
    expect(read).toBeLessThan(400)
    await snapshot?.discard()
  })

  it.each([
    ['POST /watch', 405],
    ['GET /', 404],
    ['GET /snapshot/', 404],
    ['GET /snapshot/%', 404],
    ['GET /snapshot/x', 404],
    ['GET /../etc/passwd', 404],
  ])('answers %s with %i', async (line, status) => {
    const { peers } = openPeers()
    const address = await peers.listen(service())
    const socket = connect(Number(address.split(':')[1]), '127.0.0.1')
    socket.write(`${line} HTTP/1.1\r\nHost: x\r\n\r\n`)
    let answer = ''
    for await (const data of socket) answer += String(data)
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${String(status)} `))
  })

  it('leaves nothing open', async () => {
    const given = big()
    const { peers } = openPeers()
    const address = await peers.listen(service({ snapshot: () => Promise.resolve(given) }))
    const peer = { memberId: 'owner', address }
    const joiner = openPeers()
    joiner.peers.watch([peer], () => undefined)
    await until('watched', () => joiner.lines.some((line) => line.startsWith('debug watching')))
    await joiner.peers.snapshot(peer, 'symbol_0', unaborted)
    await peers.close()
    expect(given.released).toBe(true)
    // the port is free again, and who connects is refused
    await (await rawServer(() => undefined, Number(address.split(':')[1]))).close()
    await expect(peers.listen(service())).rejects.toMatchObject({ code: 'INTERNAL' })
  })

  it("listens where it is told, or says why it can't", async () => {
    const { port } = await rawServer(() => undefined)
    await expect(openPeers({ port }).peers.listen(service())).rejects.toMatchObject({ code: 'INVALID_CONFIGURATION' })
    const { peers } = openPeers({ host: '0.0.0.0', token: 'secret', advertise: 'worker-1.example' })
    expect(await peers.listen(service())).toMatch(/^worker-1\.example:\d+$/)
    await expect(peers.listen(service())).rejects.toMatchObject({ code: 'INTERNAL' })
  })
})
