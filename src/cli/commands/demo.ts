import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { startBroker, type LocalBroker } from '../../broker/local-broker.js'
import { planTopics, topicNames } from '../../core/plan/topic-plan.js'
import { namesOf, topologyOf } from '../../core/plan/topology.js'
import { exitCodes } from '../../errors.js'
import { viewGroup } from '../../kafka/group-view.js'
import { compare, rejectionsOf } from '../../market-spread/calculation.js'
import type { Log } from '../../ports/log.js'
import { bundledApplication, loadApplication } from '../application.js'
import { kafkaOptions, peerToken, withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { Feed } from '../demo/feed.js'
import { holdings, lagOf, partitionsOf, Rejections } from '../demo/observe.js'
import { WorkerProcess } from '../demo/worker-process.js'
import { bootstrapServers } from '../invocation.js'
import { connectionHelp, type ConnectionFlags, wholeNumber, withConnection } from '../options.js'
import { serveUi, type Serving, type ServingOptions } from '../ui/serving.js'

interface DemoFlags extends ConnectionFlags {
  readonly seconds: number
  readonly workers: number
  readonly seed: number
  readonly rate: number
}

/** For how long results may be outstanding after the last event was sent. */
const SETTLE_MS = 60_000
const LOOK_MS = 1000

export function registerDemo(program: Command, context: CliContext): void {
  const command = program
    .command('demo')
    .summary('show Market Spread at work, and check its result')
    .description(
      'Starts a local broker where no other is named, runs workers of Market Spread as processes of their own, feeds them\n' +
        'generated quotes and orders, and compares what came out with a plain calculation. Leaves nothing behind.',
    )
    .option('--seconds <n>', 'how long to feed', wholeNumber(1, 3600), 15)
    .option('--workers <n>', 'how many; they start one after another', wholeNumber(1, 16), 2)
    .option('--rate <n>', 'quotes and orders per second', wholeNumber(1, 100_000), 3000)
    .option('--seed <n>', 'of the generator', wholeNumber(0), 1)
  withConnection(command)
    .addHelpText('after', connectionHelp)
    .action((flags: DemoFlags) => runDemo(flags, context))
}

async function runDemo(flags: DemoFlags, context: CliContext): Promise<void> {
  const stop = context.stopRequested()
  const directory = await mkdtemp(join(tmpdir(), 'potoroo-demo-'))
  let broker: LocalBroker | undefined
  try {
    if (flags.brokers === undefined && (context.env.KAFKA_BROKERS ?? '') === '') {
      context.stdout.write('starting a local Kafka (the first time it is fetched, which takes a while)\n')
      broker = await startBroker({
        port: 0,
        dataDir: join(directory, 'kafka'),
        logger: context.logger,
        env: context.env,
      })
    }
    const connection = broker === undefined ? flags : { ...flags, brokers: broker.brokers }
    const right = await withLog(context, connection, (log) => demonstrate(log, connection, directory, stop, context))
    if (!right) context.exitCode(exitCodes.failure)
  } finally {
    await broker?.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

async function demonstrate(
  log: Log,
  flags: DemoFlags,
  directory: string,
  stop: AbortSignal,
  context: CliContext,
): Promise<boolean> {
  const { definition } = await loadApplication(bundledApplication())
  const kafka = kafkaOptions(context, flags)
  const topicPrefix = `demo-${randomBytes(3).toString('hex')}-`
  const names = namesOf(topicPrefix, definition.name)
  const topology = topologyOf(definition)
  const wanted = topicNames(topology, names)
  await log.createTopics(planTopics(topology, names, new Map()).flatMap(({ create }) => create ?? []))
  const sources = await partitionsOf(log, [names.topic('market-data'), names.topic('orders')])
  const rejections = new Rejections(log, await partitionsOf(log, [names.topic('rejections')]))
  const feed = new Feed(kafka, await log.describeTopics(wanted), {
    seed: flags.seed,
    topicPrefix,
    eventsPerSecond: flags.rate,
    seconds: flags.seconds,
    stop,
  })

  const workers: WorkerProcess[] = []
  const startOne = (): Promise<never> => {
    const worker = new WorkerProcess(
      `worker-${String(workers.length + 1)}`,
      directory,
      kafka.brokers.join(),
      topicPrefix,
    )
    workers.push(worker)
    context.stdout.write(`started ${worker.name}\n`)
    return worker.failed()
  }
  const group = await viewGroup(kafka, names.group)
  const ui = await uiOf({ definition, log, kafka, logger: context.logger }, topicPrefix, flags, context)
  context.stdout.write(`to be seen at ${ui.url} while it runs\n`)
  const failures: Promise<never>[] = [startOne()]
  const view = new View(context)
  const watch = async (until: () => boolean): Promise<void> => {
    while (!until() && !stop.aborted) {
      await Promise.race([pause(LOOK_MS), ...failures])
      await rejections.readToEnd()
      view.show(await lagOf(log, group, sources), rejections.seen.length, await holdings(group))
      const due = Math.min(flags.workers, 1 + Math.floor((view.seconds / flags.seconds) * flags.workers))
      if (workers.length < due) failures.push(startOne())
    }
  }
  try {
    let fed = false
    const feeding = feed.run().finally(() => {
      fed = true
    })
    await Promise.all([feeding, watch(() => fed)])
    const expected = [...rejectionsOf(feed.events)]
    const settled = performance.now() + SETTLE_MS
    await watch(() => (view.left === 0 && rejections.seen.length >= expected.length) || performance.now() > settled)
    for (const worker of workers) worker.failed().catch(() => undefined)
    await Promise.all(workers.map((worker) => worker.stop()))
    await rejections.readToEnd()
    return report(compare(expected, rejections.seen), feed.events.length, stop, context)
  } finally {
    for (const failure of failures) failure.catch(() => undefined)
    for (const worker of workers) worker.kill()
    await Promise.all(workers.map(({ exited }) => exited))
    await ui.close()
    try {
      // On a broker that continues, nothing of the demonstration stays.
      await group.deleteWith(wanted)
    } finally {
      await group.close()
    }
  }
}

const uiOf = (
  of: Pick<ServingOptions, 'definition' | 'log' | 'kafka' | 'logger'>,
  topicPrefix: string,
  { brokers }: DemoFlags,
  { env }: CliContext,
): Promise<Serving> =>
  serveUi({
    ...{ ...of, host: '127.0.0.1', port: 0 },
    token: peerToken(env),
    invocation: {
      ...{ application: bundledApplication(), brokers, topicPrefix },
      bootstrapServers: bootstrapServers(env, brokers),
    },
  })

function report(
  { right, lost, repeated }: ReturnType<typeof compare>,
  events: number,
  stop: AbortSignal,
  { stdout }: CliContext,
): boolean {
  const count = (n: number): string => n.toLocaleString('en')
  if (stop.aborted) stdout.write('stopped early\n')
  stdout.write(`${count(events)} quotes and orders were fed, ${count(right + lost.length)} rejections expected\n`)
  if (lost.length + repeated.length === 0) {
    stdout.write(`all ${count(right)} rejections are right: none lost, none repeated\n`)
    return true
  }
  stdout.write(`WRONG: ${count(lost.length)} lost, ${count(repeated.length)} repeated or not expected\n`)
  for (const [what, list] of [
    ['lost', lost],
    ['not expected', repeated],
  ] as const)
    for (const rejection of list.slice(0, 3)) stdout.write(`  ${what}: ${JSON.stringify(rejection)}\n`)
  return false
}

/** One line a second. */
class View {
  left = NaN
  readonly #began = performance.now()
  #before = { at: performance.now(), done: 0 }

  constructor(private readonly context: CliContext) {}

  get seconds(): number {
    return (performance.now() - this.#began) / 1000
  }

  show(
    { done, left }: { readonly done: number; readonly left: number },
    rejections: number,
    held: Awaited<ReturnType<typeof holdings>>,
  ): void {
    const now = performance.now()
    const rate = Math.round(((done - this.#before.done) * 1000) / (now - this.#before.at))
    this.#before = { at: now, done }
    this.left = left
    const owners = held?.map(
      ({ worker, tasks }) => `${worker}: ${tasks.map((task) => task.replace(/^.*_/, '')).join(' ') || '-'}`,
    )
    this.context.stdout.write(
      `${this.seconds.toFixed(0).padStart(3)} s  ${rate.toLocaleString('en').padStart(6)} records/s  ` +
        `${rejections.toLocaleString('en').padStart(6)} rejections  ${owners?.join('  |  ') ?? 'rebalancing'}\n`,
    )
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
