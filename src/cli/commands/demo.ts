import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { startBroker, type LocalBroker } from '../../broker/local-broker.js'
import { exitCodes } from '../../errors.js'
import { systemClock } from '../../system.js'
import { bundledApplication, loadApplication } from '../application.js'
import { kafkaOptions, peerToken, withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { demonstrate, type Outcome } from '../demo/demonstration.js'
import { hasColors, isPicture, Lines, Picture, type Stage } from '../demo/stage.js'
import { bootstrapServers } from '../invocation.js'
import { connectionHelp, type ConnectionFlags, wholeNumber, withConnection } from '../options.js'

interface DemoFlags extends ConnectionFlags {
  readonly seconds: number
  readonly workers: number
  readonly seed: number
  readonly rate: number
  readonly lines?: boolean
}

export function registerDemo(program: Command, context: CliContext): void {
  const command = program
    .command('demo')
    .summary('show Market Spread at work, and check its result')
    .description(
      'Starts a local broker where no other is named, runs workers of Market Spread as processes of their own, feeds them\n' +
        'generated quotes and orders, kills a worker, starts it again, and compares what came out with a plain calculation.\n' +
        'Shows it as a picture on a terminal, as lines elsewhere. Leaves nothing behind.',
    )
    .option('--seconds <n>', 'how long to feed; longer where workers take their time to come', wholeNumber(1, 3600), 20)
    .option('--workers <n>', 'how many; they start one after another', wholeNumber(1, 16), 2)
    .option('--rate <n>', 'quotes and orders per second', wholeNumber(1, 100_000), 3000)
    .option('--seed <n>', 'of the generator', wholeNumber(0), 1)
    .option('--lines', 'no picture: a line a second, on a terminal, too')
  withConnection(command)
    .addHelpText('after', connectionHelp)
    .action((flags: DemoFlags) => runDemo(flags, context))
}

async function runDemo(flags: DemoFlags, context: CliContext): Promise<void> {
  const { env, stdout, logger } = context
  const stop = context.stopRequested()
  const directory = await mkdtemp(join(tmpdir(), 'potoroo-demo-'))
  let broker: LocalBroker | undefined
  try {
    if (flags.brokers === undefined && (env.KAFKA_BROKERS ?? '') === '') {
      stdout.write('starting a local Kafka (the first time it is fetched, which takes a while)\n')
      broker = await startBroker({ port: 0, dataDir: join(directory, 'kafka'), logger, env })
    }
    const connection = broker === undefined ? flags : { ...flags, brokers: broker.brokers }
    const outcome = await onStage(flags, context, (stage) => show(connection, directory, stage, stop, context))
    const { lost, repeated, isCutShort } = outcome
    report(outcome, stop, context)
    if (repeated.length > 0 || (lost.length > 0 && !isCutShort)) context.exitCode(exitCodes.failure)
  } finally {
    await broker?.stop()
    await rm(directory, { recursive: true, force: true })
  }
}

/** Whatever comes of it, the terminal is as it was; when it is stopped, at once, for the next signal ends the process. */
async function onStage<T>(
  { lines = false }: DemoFlags,
  context: CliContext,
  use: (stage: Stage) => Promise<T>,
): Promise<T> {
  const { env, stdout, logger } = context
  const stage = isPicture(stdout, env, lines)
    ? new Picture({ terminal: stdout, process, clock: systemClock, hasColors: hasColors(stdout, env), logger })
    : new Lines(stdout, logger)
  const leave = (): void => stage.end()
  const stop = context.stopRequested()
  stop.addEventListener('abort', leave)
  try {
    return await use(stage)
  } finally {
    stop.removeEventListener('abort', leave)
    leave()
  }
}

async function show(
  flags: DemoFlags & { readonly brokers?: string | undefined },
  directory: string,
  stage: Stage,
  stop: AbortSignal,
  context: CliContext,
): Promise<Outcome> {
  const { env } = context
  const { brokers, seconds, workers, seed, rate } = flags
  const quiet = { ...context, logger: stage.logger }
  return withLog(quiet, flags, async (log) => {
    const { definition } = await loadApplication(bundledApplication())
    return demonstrate({
      ...{ definition, log, clock: systemClock, stage, directory, stop, seconds, workers, seed },
      kafka: kafkaOptions(quiet, flags),
      eventsPerSecond: rate,
      token: peerToken(env),
      invocation: {
        ...{ application: bundledApplication(), brokers },
        bootstrapServers: bootstrapServers(env, brokers),
      },
    })
  })
}

function report(
  { right, lost, repeated, fed, isCutShort }: Outcome,
  stop: AbortSignal,
  { stdout }: Pick<CliContext, 'stdout'>,
): void {
  const count = (n: number): string => n.toLocaleString('en')
  if (stop.aborted) stdout.write('stopped early\n')
  stdout.write(`${count(fed)} quotes and orders were fed, ${count(right + lost.length)} rejections expected\n`)
  if (isCutShort && repeated.length === 0) {
    stdout.write(`${count(right)} rejections had come by then, all of them right\n`)
    return
  }
  if (lost.length + repeated.length === 0) {
    stdout.write(`all ${count(right)} rejections are right: none lost, none repeated\n`)
    return
  }
  stdout.write(`WRONG: ${count(lost.length)} lost, ${count(repeated.length)} repeated or not expected\n`)
  for (const [what, list] of [
    ['lost', lost],
    ['not expected', repeated],
  ] as const)
    for (const rejection of list.slice(0, 3)) stdout.write(`  ${what}: ${JSON.stringify(rejection)}\n`)
}
