/** Whom the cluster asks who leads, and whose word it takes: against brokers that answer ApiVersions and Metadata, and no more. */
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { Cluster } from '../../../src/kafka/cluster.js'
import { settingsOf } from '../../../src/kafka/options.js'
import { WireWriter } from '../../../src/kafka/wire.js'
import { systemClock } from '../../../src/system.js'
import { silentLogger } from '../../support/silent-logger.js'

const OF = { topic: 't', partition: 0 }
const ID = 'AAAAAAAAAAAAAAAAAAAAAQ'

interface Told {
  readonly leader: number
  readonly epoch: number
  readonly topicId: string
}

class FakeBroker {
  told: Told = { leader: 0, epoch: 0, topicId: ID }
  /** How often it was asked for metadata of topics. */
  asked = 0
  port = 0
  readonly #sockets = new Set<net.Socket>()
  readonly #server = net.createServer((socket) => {
    this.#sockets.add(socket)
    let read = Buffer.alloc(0)
    socket.on('data', (bytes) => {
      read = Buffer.concat([read, bytes])
      while (read.length >= 4 && read.length >= 4 + read.readInt32BE(0)) {
        const frame = read.subarray(4, 4 + read.readInt32BE(0))
        read = read.subarray(4 + frame.length)
        const body = Buffer.concat(this.#answer(frame).parts())
        const head = Buffer.alloc(8)
        head.writeInt32BE(4 + body.length, 0)
        frame.copy(head, 4, 4, 8)
        socket.write(Buffer.concat([head, body]))
      }
    })
  })

  constructor(private readonly all: readonly FakeBroker[]) {}

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.port = (this.#server.address() as AddressInfo).port
  }

  stop(): void {
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
  }

  #answer(frame: Buffer): WireWriter {
    const writer = new WireWriter()
    if (frame.readInt16BE(0) === 18) {
      writer.int16(0).compactArray([3, 18], (key) => writer.int16(key).int16(0).int16(12).unsignedVarint(0))
      return writer.int32(0).unsignedVarint(0)
    }
    // Behind the header, with its tagged fields: how many topics, and one.
    const topics = frame.readUInt8(11 + frame.readInt16BE(8)) - 1
    if (topics > 0) this.asked++
    const { leader, epoch, topicId } = this.told
    writer.unsignedVarint(0).int32(0)
    writer.compactArray([...this.all.entries()], ([nodeId, { port }]) => {
      writer.int32(nodeId).compactString('127.0.0.1').int32(port).compactString(null).unsignedVarint(0)
    })
    writer.compactString('cluster').int32(0)
    writer.compactArray(topics > 0 ? ['t'] : [], (topic) => {
      writer.int16(0).compactString(topic).uuid(topicId).int8(0)
      writer.compactArray([0], (partition) => {
        writer.int16(0).int32(partition).int32(leader).int32(epoch)
        writer.unsignedVarint(1).unsignedVarint(1).unsignedVarint(1).unsignedVarint(0)
      })
      writer.int32(0).unsignedVarint(0)
    })
    return writer.unsignedVarint(0)
  }
}

const opened: (() => unknown)[] = []
afterEach(async () => {
  for (const close of opened.splice(0)) await close()
})

async function connected(count: number) {
  const brokers: FakeBroker[] = []
  for (let i = 0; i < count; i++) brokers.push(new FakeBroker(brokers))
  for (const broker of brokers) {
    await broker.listen()
    opened.push(() => {
      broker.stop()
    })
  }
  const [first] = brokers
  const seeds = [`127.0.0.1:${String(first?.port)}`]
  const cluster = new Cluster(
    settingsOf({ brokers: seeds, clientId: 'test', logger: silentLogger, clock: systemClock }),
  )
  opened.unshift(() => cluster.close())
  await cluster.connect()
  return { cluster, brokers }
}

test('each look-up of leaders is asked of another broker: one alone may be the last to hear of an election', async () => {
  const { cluster, brokers } = await connected(3)
  for (let i = 0; i < 6; i++) await cluster.refresh(['t'])
  expect(brokers.map(({ asked }) => asked)).toEqual([2, 2, 2])
})

test('a broker that cannot be reached is passed over', async () => {
  const { cluster, brokers } = await connected(3)
  brokers[1]?.stop()
  for (let i = 0; i < 6; i++) await cluster.refresh(['t'])
  expect(brokers.map(({ asked }) => asked)).toEqual([2, 0, 4])
})

test('what was said before the last election that is known is not taken (invariant 3)', async () => {
  const { cluster, brokers } = await connected(2)
  const [ahead, behind] = brokers
  if (!ahead || !behind) throw new Error('there are two')
  ahead.told = { leader: 1, epoch: 5, topicId: ID }
  behind.told = { leader: 0, epoch: 4, topicId: ID }
  await cluster.refresh(['t'])
  expect([cluster.leaderOf(OF), cluster.epochOf(OF)]).toEqual([1, 5])
  cluster.forgetTopic('t')
  await cluster.refresh(['t'])
  expect(cluster.leaderOf(OF)).toBeUndefined()
  await cluster.refresh(['t'])
  expect(cluster.leaderOf(OF)).toBe(1)
  behind.told = { leader: 0, epoch: 6, topicId: ID }
  await cluster.refresh(['t'])
  expect([cluster.leaderOf(OF), cluster.epochOf(OF)]).toEqual([0, 6])
})

test('of a topic that was recreated elections are counted from zero, and without ids any word is taken (invariant 3)', async () => {
  const { cluster, brokers } = await connected(1)
  const [broker] = brokers
  if (!broker) throw new Error('there is one')
  const told: Told[] = [
    { leader: 0, epoch: 5, topicId: ID },
    { leader: 0, epoch: 0, topicId: 'AAAAAAAAAAAAAAAAAAAAAg' },
    { leader: 0, epoch: 3, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' },
    { leader: 0, epoch: 1, topicId: 'AAAAAAAAAAAAAAAAAAAAAA' },
  ]
  for (const one of told) {
    broker.told = one
    await cluster.refresh(['t'])
    expect([cluster.leaderOf(OF), cluster.epochOf(OF)]).toEqual([0, one.epoch])
  }
})

test('so many connections may be opened at once as there are: Node does not take them for a leak', async () => {
  const { cluster } = await connected(1)
  const warnings: string[] = []
  const note = ({ message }: Error): void => void warnings.push(message)
  process.on('warning', note)
  opened.unshift(() => process.off('warning', note))
  await Promise.all(Array.from({ length: 30 }, (_, i) => cluster.link(`lane ${String(i)}`, 0)))
  // Node warns in a tick of its own.
  await new Promise((resolve) => setImmediate(resolve))
  expect(warnings).toEqual([])
})
