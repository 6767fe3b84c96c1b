/** Where something was measured: figures without it are worth nothing. */
import { readFile } from 'node:fs/promises'
import { cpus, loadavg, release, totalmem, type } from 'node:os'
import { KAFKA_VERSION } from '#potoroo/broker/jars.js'
import { runTool } from '#potoroo/broker/java.js'
import { isRecord } from '#potoroo/core/json-shape.js'

export interface Surroundings {
  readonly machine: {
    readonly cpu: string
    readonly cores: number
    readonly memoryBytes: number
    readonly system: string
    /** Processes that ran or wanted to, over the minute before: what is measured on a busy machine says little. */
    readonly loadBefore: number
  }
  readonly versions: Readonly<Record<string, string>>
}

/** `java`: the one that runs the peer, and the broker where that is ours. */
export async function lookAround(java: string | undefined, broker: 'local' | 'given'): Promise<Surroundings> {
  const own: unknown = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'))
  const [cpu] = cpus()
  return {
    machine: {
      cpu: cpu?.model.trim() ?? 'unknown CPU',
      cores: cpus().length,
      memoryBytes: totalmem(),
      system: `${type()} ${release()}`,
      loadBefore: loadavg()[0] ?? 0,
    },
    versions: {
      potoroo: isRecord(own) && typeof own['version'] === 'string' ? own['version'] : 'unknown',
      node: process.versions.node,
      broker: broker === 'local' ? `Kafka ${KAFKA_VERSION}` : 'given by KAFKA_BROKERS',
      ...(java === undefined ? {} : { java: await javaVersion(java) }),
    },
  }
}

async function javaVersion(java: string): Promise<string> {
  const { output } = await runTool(java, ['-version'], process.env)
  return /version "([^"]+)"/.exec(output)?.[1] ?? 'unknown'
}
