/** What every benchmark needs before it begins: a cluster, a folder and names of its own; and that none of it stays. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startBroker } from '#potoroo/broker/local-broker.js'
import { connectionFromEnvironment } from '#potoroo/kafka/environment.js'
import { systemClock } from '#potoroo/system.js'
import { Cluster } from './cluster.js'
import { quiet } from './quiet.js'

export interface OpenedCluster {
  readonly cluster: Cluster
  /** As KAFKA_BROKERS has them. */
  readonly brokers: string
  /** The logs of the broker's topics; undefined where it was not started here. */
  readonly brokerLogs: string | undefined
  readonly directory: string
  /** Of the names of topics and groups. */
  readonly prefix: string
  close(): Promise<void>
}

/** On the brokers of KAFKA_BROKERS, or on one that is started for it, which `starting` is told before. */
export async function openCluster(name: string, starting: () => void = () => undefined): Promise<OpenedCluster> {
  const given = connectionFromEnvironment(process.env)
  const directory = await mkdtemp(join(tmpdir(), `potoroo-bench-${name}-`))
  const removeDirectory = (): Promise<void> => rm(directory, { recursive: true, force: true })
  const isOwn = given.brokers.length === 0
  if (isOwn) starting()
  const own = isOwn
    ? await startBroker({ dataDir: join(directory, 'kafka'), logger: quiet }).catch(async (error: unknown) => {
        await removeDirectory()
        throw error
      })
    : undefined
  const brokers = own === undefined ? given.brokers : [own.brokers]
  const closeRest = async (): Promise<void> => {
    await own?.stop()
    await removeDirectory()
  }
  try {
    const cluster = await Cluster.connect({ ...given, brokers, clientId: 'bench', logger: quiet, clock: systemClock })
    return {
      cluster,
      brokers: brokers.join(),
      brokerLogs: own && join(own.dataDir, 'log'),
      directory,
      prefix: `bench-${randomBytes(4).toString('hex')}-`,
      close: async () => {
        await cluster.close()
        await closeRest()
      },
    }
  } catch (error) {
    await closeRest()
    throw error
  }
}
