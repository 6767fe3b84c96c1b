/** Both contenders as the routing benchmark measures them, and a place in Kafka for one of them in one round. */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { BenchContext, Named } from './benchmark.js'
import type { Progress } from './cluster.js'
import type { Application, Contender, Installed } from './contenders.js'
import { until } from './waiting.js'
import { WorkerProcess } from './worker.js'

const LOOK_MS = 50
const PLAIN = { tuned: false } as const

/** A contender with some settings, and the application as it is for that. */
export interface Variant extends Named {
  readonly contender: Contender
  readonly application: Application
}

/** For the method of a report. */
export const describeVariant = ({ title, contender }: Variant, more = ''): string =>
  `${title}: ${contender.describe(PLAIN)}${more}.`

export interface Run {
  readonly installed: Installed
  readonly source: string
  readonly sink: string
  readonly start: () => Promise<WorkerProcess>
  /** As soon as the worker has committed all that is in the source and in the repartitions. `looked` is told of each look. */
  readonly caughtUp: (timeoutMs: number, looked?: (progress: Progress) => void) => Promise<void>
}

/** Lets `use` run the variant on an empty sink, and leaves nothing but the source: no process, no topic, no state. */
export async function withVariant<T>(
  { cluster, directory }: BenchContext,
  { name, contender, application }: Variant,
  { prefix, partitions }: { readonly prefix: string; readonly partitions: number },
  use: (run: Run) => Promise<T>,
): Promise<T> {
  const installed = await contender.install(application, prefix)
  const [source, sink] = [`${prefix}${application.source}`, `${prefix}${application.sink}`]
  const home = join(directory, `${prefix}${name}`)
  const remove = (): Promise<void> => cluster.removeBeginningWith(prefix, [source], [installed.group])
  let worker: WorkerProcess | undefined
  const start = async (): Promise<WorkerProcess> =>
    (worker = await WorkerProcess.start('w1', installed.worker('w1', home), `${home}.log`))
  const caughtUp: Run['caughtUp'] = async (timeoutMs, looked = () => undefined) => {
    const topics = [source, ...installed.repartitions]
    const there = async (): Promise<boolean> => {
      worker?.assertAlive()
      return (await cluster.log.describeTopics(topics)).size === topics.length
    }
    await until('the repartition topics are there', there, { timeoutMs, everyMs: LOOK_MS })
    await cluster.watch(installed.group, topics, async (look) => {
      const done = async (): Promise<boolean> => {
        worker?.assertAlive()
        const progress = await look()
        looked(progress)
        return progress.left === 0
      }
      await until(`${installed.group} has worked off its topics`, done, { timeoutMs, everyMs: LOOK_MS })
    })
  }
  await remove()
  await cluster.createTopics([sink], partitions)
  try {
    return await use({ installed, source, sink, start, caughtUp })
  } finally {
    await worker?.end('SIGKILL')
    await remove()
    await rm(home, { recursive: true, force: true })
  }
}
