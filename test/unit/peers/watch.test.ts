import type { Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Peer } from '../../../src/ports/peers.js'
import { scriptRunner, type Child } from '../../support/child.js'
import { until } from '../../support/until.js'
import { freeAddress, openPeers, rawServer, service, type World } from './support.js'

const run = scriptRunner('test/unit/peers/child', [
  'src/errors.ts',
  'src/system.ts',
  'src/api',
  'src/core',
  'src/peers',
  'src/ports',
])

interface Watching extends World {
  readonly dead: Peer[]
  greetings(): number
  retries(): number
}
function watching(peers: readonly Peer[], world = openPeers()): Watching {
  const dead: Peer[] = []
  world.peers.watch(peers, (peer) => dead.push(peer))
  const count = (what: string) => (): number => world.lines.filter((line) => line.startsWith(what)).length
  return { ...world, dead, greetings: count('debug watching a peer'), retries: count('debug connecting to a peer') }
}

async function worker(memberId: string, port = '0'): Promise<{ readonly peer: Peer; readonly child: Child }> {
  const child = run('worker.ts', [memberId, port])
  const address = await child.line()
  if (address === undefined) throw new Error(await child.errors)
  return { peer: { memberId, address }, child }
}

const greeting = (memberId: string): string =>
  `HTTP/1.1 200 OK\r\nPotoroo-Member: ${memberId}\r\nTransfer-Encoding: chunked\r\n\r\n`
/** Does the next of these with each connection, and continues with the last. */
const inTurn =
  (...steps: ((socket: Socket) => void)[]) =>
  (socket: Socket, nth: number): void =>
    steps[Math.min(nth, steps.length - 1)]?.(socket)
const greet = (memberId: string) => (socket: Socket) => void socket.write(greeting(memberId))
const greetAndClose = (memberId: string) => (socket: Socket) => void socket.end(greeting(memberId))
const say = (text: string) => (socket: Socket) => void socket.end(text)
const reset = (socket: Socket): void => void socket.resetAndDestroy()

describe('a peer in another process', () => {
  it('is dead when it was killed, and that is told once', async () => {
    const { peer, child } = await worker('w-1')
    const watch = watching([peer])
    await until('greeted', () => watch.greetings() === 1)
    child.process.kill('SIGKILL')
    await until('told', () => watch.dead.length > 0)
    // watched again, it stays told
    const { peer: other, child: otherChild } = await worker('w-2')
    watch.peers.watch([peer, other], (each) => watch.dead.push(each))
    await until('greeted', () => watch.greetings() === 2)
    otherChild.process.kill('SIGKILL')
    await until('told', () => watch.dead.length > 1)
    expect(watch.dead).toEqual([peer, other])
  })

  it('is not dead while it is stopped', async () => {
    const [stopped, killed] = [await worker('w-1'), await worker('w-2')]
    const watch = watching([stopped.peer, killed.peer])
    await until('greeted', () => watch.greetings() === 2)
    stopped.child.process.kill('SIGSTOP')
    // one that begins to watch it now gets a connection, but no greeting
    const late = watching([stopped.peer])
    killed.child.process.kill('SIGKILL')
    await until('told of the killed one', () => watch.dead.length > 0)
    expect(watch.dead).toEqual([killed.peer])
    stopped.child.process.kill('SIGCONT')
    await until('greeted late', () => late.greetings() === 1)
    expect(late.dead).toEqual([])
    stopped.child.process.kill('SIGKILL')
    await until('told of the other', () => watch.dead.length > 1 && late.dead.length > 0)
    expect(late.dead).toEqual([stopped.peer])
  })

  it('is dead when another one comes up in its place', async () => {
    const { peer, child } = await worker('w-1')
    const watch = watching([peer])
    await until('greeted', () => watch.greetings() === 1)
    child.process.kill('SIGKILL')
    await child.ended
    await worker('w-2', peer.address.split(':')[1])
    await until('told', () => watch.dead.length > 0)
    expect(watch.dead).toEqual([peer])
  })
})

describe('a peer of this process', () => {
  it('is dead as the old member when it becomes another', async () => {
    let memberId = 'w-1'
    const owner = openPeers()
    const address = await owner.peers.listen(service({ memberId: () => memberId }))
    const watch = watching([{ memberId, address }])
    await until('greeted', () => watch.greetings() === 1)
    // between two lives it is nobody: that says nothing yet
    memberId = ''
    await until('tried again', () => watch.retries() > 2)
    expect(watch.dead).toEqual([])
    memberId = 'w-2'
    await until('told', () => watch.dead.length > 0)
    expect(watch.dead).toEqual([{ memberId: 'w-1', address }])
  })

  it('is dead when it stops', async () => {
    const owner = openPeers()
    const address = await owner.peers.listen(service())
    const watch = watching([{ memberId: 'owner', address }])
    await until('greeted', () => watch.greetings() === 1)
    await owner.peers.close()
    await until('told', () => watch.dead.length > 0)
  })

  it.each(['w-1 /ü%', 'consumer-0af3'])('is greeted whatever its id is: %s', async (memberId) => {
    const owner = openPeers({ token: 'secret' })
    const address = await owner.peers.listen(service({ memberId: () => memberId }))
    const watch = watching([{ memberId, address }], openPeers({ token: 'secret' }))
    await until('greeted', () => watch.greetings() === 1)
  })

  it('with another token is not watched, which is said once, without a token', async () => {
    const owner = openPeers({ token: 'secret-1' })
    const address = await owner.peers.listen(service())
    for (const world of [openPeers(), openPeers({ token: 'secret-2' })]) {
      const watch = watching([{ memberId: 'owner', address }], world)
      await until('tried again', () => watch.retries() > 3)
      expect(watch.lines.filter((line) => line.startsWith('warn'))).toHaveLength(1)
      expect(watch.lines.join('\n')).not.toContain('secret')
      expect(watch.greetings()).toBe(0)
      expect(watch.dead).toEqual([])
    }
  })
})

describe('what is not certain', () => {
  const other = (socket: Socket): void => void socket.write(greeting('other'))

  it.each([
    ['reset', reset],
    ['closed', (socket: Socket) => void socket.end()],
    ['no Potoroo', say('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi')],
    ['not HTTP', say('hello\r\n\r\n')],
    ['refused', say('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')],
    ['an error', say('HTTP/1.1 500 Oh\r\nConnection: close\r\nContent-Length: 0\r\nPotoroo-Member: other\r\n\r\n')],
  ])('is no death: %s after a greeting', async (_, step) => {
    const server = await rawServer(inTurn(greetAndClose('w-1'), step, step, greet('w-1')))
    const peer = { memberId: 'w-1', address: server.address }
    const watch = watching([peer])
    await until('greeted again', () => watch.greetings() === 2)
    expect(watch.dead).toEqual([])
    await server.close()
    await until('told', () => watch.dead.length > 0)
    expect(watch.dead).toEqual([peer])
  })

  it('another id is a death after a greeting, and none before', async () => {
    const known = await rawServer(inTurn(greetAndClose('w-1'), other))
    const unknown = await rawServer(inTurn(other))
    const watch = watching([known, unknown].map(({ address }) => ({ memberId: 'w-1', address })))
    await until('tried again', () => unknown.connections > 2 && watch.dead.length > 0)
    expect(watch.dead).toEqual([{ memberId: 'w-1', address: known.address }])
  })

  it('a refusal is no death before a greeting: the address may be meant for another machine', async () => {
    const address = await freeAddress()
    const peer = { memberId: 'w-1', address }
    const watch = watching([peer])
    await until('tried again', () => watch.retries() > 3)
    expect(watch.dead).toEqual([])
    const server = await rawServer(inTurn(greet('w-1')), Number(address.split(':')[1]))
    await until('greeted', () => watch.greetings() === 1)
    await server.close()
    await until('told', () => watch.dead.length > 0)
  })

  it('does not go round and round with one that closes at once', async () => {
    const server = await rawServer(inTurn(greetAndClose('w-1')))
    const watch = watching([{ memberId: 'w-1', address: server.address }])
    await until('tried again', () => watch.retries() > 4)
    const pauses = watch.lines.flatMap((line) => /"pauseMs":(\d+)/.exec(line)?.[1] ?? [])
    expect(pauses.slice(0, 5)).toEqual(['0', '50', '100', '200', '400'])
  })

  it('an address that is none is said, and left alone', () => {
    const watch = watching([{ memberId: 'w-1', address: 'nowhere' }])
    expect(watch.lines).toEqual([expect.stringMatching(/^warn a peer is not watched/)])
  })
})

describe('watching', () => {
  it('ends for who is no longer in the list, and with close', async () => {
    const ended: string[] = []
    const serve = (name: string) => (socket: Socket) => {
      socket.once('close', () => ended.push(name))
      socket.resume()
      greet(name)(socket)
    }
    const [a, b] = [await rawServer(serve('a')), await rawServer(serve('b'))]
    const watch = watching([
      { memberId: 'a', address: a.address },
      { memberId: 'b', address: b.address },
    ])
    await until('greeted', () => watch.greetings() === 2)
    watch.peers.watch([{ memberId: 'b', address: b.address }], (peer) => watch.dead.push(peer))
    await until('a is let go', () => ended.length === 1)
    expect(ended).toEqual(['a'])
    await watch.peers.close()
    await until('b is let go', () => ended.length === 2)
    await Promise.all([a.close(), b.close()])
    watch.peers.watch([{ memberId: 'a', address: a.address }], (peer) => watch.dead.push(peer))
    expect([a.connections, b.connections, watch.dead]).toEqual([1, 1, []])
  })

  it('tells whom the last call named', async () => {
    const server = await rawServer(inTurn(greet('w-1')))
    const peer = { memberId: 'w-1', address: server.address }
    const watch = watching([peer])
    await until('greeted', () => watch.greetings() === 1)
    const told: Peer[] = []
    onTestFinished(() => watch.peers.watch([], () => undefined))
    watch.peers.watch([peer], (each) => told.push(each))
    await server.close()
    await until('told', () => told.length > 0)
    expect([watch.dead, server.connections]).toEqual([[], 1])
  })
})
