/** A world in memory, for the cases of this folder. */
import type { Scheduler, SimulatedProcess } from '../../src/memory/scheduler.js'
import type { Log, TopicPartition } from '../../src/ports/log.js'
import type { World } from './world.js'

/** What brokers in memory have in common, whatever is spoken with them. */
export interface SimulatedCluster {
  log(options: Parameters<World['log']>[0] & { readonly process: SimulatedProcess }): Log
  partition(of: TopicPartition): { deleteBefore(offset: number): void }
  deleteTopic(topic: string): void
}

export async function inSimulatedWorld(
  scheduler: Scheduler,
  cluster: SimulatedCluster,
  writesByIds: boolean,
  body: (world: World) => Promise<void>,
): Promise<void> {
  const process = scheduler.process('test')
  const logs: Log[] = []
  let names = 0
  const world: World = {
    clock: process.clock,
    log: (options) => {
      const log = cluster.log({ process, ...options })
      logs.push(log)
      return log
    },
    name: (base) => `${base}-${String(names++)}`,
    deleteBefore: (topic, partition, offset) => {
      cluster.partition({ topic, partition }).deleteBefore(offset)
      return Promise.resolve()
    },
    deleteTopic: (topic) => {
      cluster.deleteTopic(topic)
      return Promise.resolve()
    },
    writesByIds,
    close: async () => {
      await Promise.all(logs.map((log) => log.close()))
    },
  }
  await scheduler.run(body(world))
  await scheduler.run(world.close())
}
