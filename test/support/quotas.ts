/** An operator's hand on quotas: AlterClientQuotas, which kafkajs does not know. */
import { Cluster } from '../../src/kafka/cluster.js'
import { settingsOf } from '../../src/kafka/options.js'
import type { Prepared } from '../../src/kafka/prepared.js'
import { WireReader, WireWriter } from '../../src/kafka/wire.js'
import { systemClock } from '../../src/system.js'
import { testBrokers } from './broker.js'
import { silentLogger } from './silent-logger.js'

/** Of one client id, bytes per second, say; undefined takes it away. Resolves when brokers know it. */
export async function setQuota(clientId: string, key: string, value: number | undefined): Promise<void> {
  const cluster = new Cluster(
    settingsOf({ brokers: testBrokers(), clientId: 'test-operator', logger: silentLogger, clock: systemClock }),
  )
  await cluster.connect()
  try {
    const code = await cluster.callController(() => alterClientQuotas(clientId, key, value))
    if (code !== 0) throw new Error(`the quota was not set: ${String(code)}`)
  } finally {
    await cluster.close()
  }
}

/**
 *     Request => Tags [[Type Name Tags] [Key Value Remove Tags] Tags] ValidateOnly Tags
 *     Response => Tags ThrottleTimeMs [ErrorCode ...]
 */
const alterClientQuotas = (clientId: string, key: string, value: number | undefined): Prepared<number> => ({
  apiKey: 49,
  apiVersion: 1,
  apiName: 'AlterClientQuotas',
  encode: () => {
    const figure = Buffer.alloc(8)
    figure.writeDoubleBE(value ?? 0)
    const writer = new WireWriter().unsignedVarint(0)
    writer.compactArray([clientId], (name) => {
      writer.compactArray([name], () => writer.compactString('client-id').compactString(name).unsignedVarint(0))
      writer.compactArray([key], () => {
        writer.compactString(key).int32(figure.readInt32BE(0)).int32(figure.readInt32BE(4))
        writer.int8(value === undefined ? 1 : 0).unsignedVarint(0)
      })
      writer.unsignedVarint(0)
    })
    return writer.int8(0).unsignedVarint(0).parts()
  },
  decode: (payload) => {
    const reader = new WireReader(payload)
    reader.tags()
    reader.int32()
    reader.unsignedVarint()
    return reader.int16()
  },
})
