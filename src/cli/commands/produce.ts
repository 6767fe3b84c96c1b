import type { Command } from 'commander'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { TopicDefinition } from '../../api/definition.js'
import { loadPartitioners } from '../../core/partitioner.js'
import { exitCodes, messageOf, PotorooError } from '../../errors.js'
import { plainKafka } from '../../kafka/plain.js'
import type { Logger } from '../../ports/logger.js'
import { bundledApplication, loadApplication, topicOf } from '../application.js'
import { describeTopic, kafkaOptions, withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { connectionHelp, type ConnectionFlags, withConnection, withTopicPrefix } from '../options.js'
import { type KeyedRecord, produceLines, unknownPartitioner } from '../producing.js'
import { progressOn } from '../progress.js'

interface ProduceFlags extends ConnectionFlags {
  readonly application?: string
  readonly topicPrefix: string
}

export function registerProduce(program: Command, context: CliContext): void {
  const command = program
    .command('produce')
    .summary('write NDJSON into a topic, keyed and partitioned as declared')
    .description(
      "Writes lines of JSON into a topic of an application: each checked against the topic's schema, with its declared\n" +
        'key, on the partition that its partitioner gives. Lines that do not fit are reported with their number and left\n' +
        'out; the others are written, and the exit code is then 1.',
    )
    .argument('<topic>', 'a topic that the application declares')
    .argument('[file]', 'NDJSON (default, and for -: standard input)')
    .option('--application <module>', 'the application that declares the topic (default: the bundled Market Spread)')
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Examples:
  potoroo produce orders orders.ndjson
  generate-quotes | potoroo produce market-data
  potoroo produce events events.ndjson --application dist/application.js`,
    )
    .action((topic: string, file: string | undefined, flags: ProduceFlags) => runProduce(topic, file, flags, context))
}

interface Input {
  readonly bytes: AsyncIterable<Buffer>
  readonly totalBytes: number | undefined
}

async function runProduce(name: string, file: string | undefined, flags: ProduceFlags, context: CliContext) {
  const { definition: application } = await loadApplication(flags.application ?? bundledApplication())
  const definition = topicOf(application, name)
  if (definition.partitioner === undefined) throw unknownPartitioner(definition)
  await loadPartitioners([definition.partitioner])
  const input = await openInput(file, context)
  await withLog(context, flags, async (log) => {
    const topic = await describeTopic(log, `${flags.topicPrefix}${name}`)
    await produceInto(topic, definition, input, flags, context)
  })
}

async function produceInto(
  topic: Parameters<typeof produceLines>[1]['topic'],
  definition: TopicDefinition,
  input: Input,
  flags: ProduceFlags,
  context: CliContext,
): Promise<void> {
  // One request at a time: kafkajs puts overlapping ones of a partition out of order.
  // What it logs are retries; one that does not help ends in an error.
  const { logger } = context
  const quiet: Logger = {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.debug(fields, message),
    warn: (fields, message) => logger.debug(fields, message),
    error: (fields, message) => logger.debug(fields, message),
  }
  const producer = plainKafka(kafkaOptions({ ...context, logger: quiet }, flags)).producer({
    idempotent: true,
    maxInFlightRequests: 1,
  })
  await producer.connect()
  const progress = progressOn(context.stderr, input.totalBytes)
  let bytesRead = 0
  let acknowledged = 0
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of input.bytes) {
      bytesRead += chunk.length
      yield chunk
    }
  }
  try {
    const { sent, refused } = await produceLines(counted(), {
      definition,
      topic,
      send: async (records: readonly KeyedRecord[]) => {
        await producer.send({ topic: topic.name, acks: -1, messages: [...records] }).catch((cause: unknown) => {
          const what = `the brokers did not take ${quantity(records.length, 'record')} for ${topic.name}`
          throw new PotorooError('REQUEST_FAILED', `${what}: ${messageOf(cause)}`, { cause })
        })
        acknowledged += records.length
      },
      refused: ({ number, error }) => {
        progress.print(`line ${String(number)}: ${error.code}: ${error.message}`)
      },
      progress: (lines) => {
        progress.update(bytesRead, lines)
      },
    })
    progress.stop()
    const left = refused === 0 ? '' : `, ${quantity(refused, 'line')} refused`
    context.stdout.write(`${quantity(sent, 'record')} produced to ${topic.name}${left}\n`)
    if (refused > 0) context.exitCode(exitCodes.failure)
  } catch (error) {
    progress.stop()
    context.stderr.write(`${quantity(acknowledged, 'record')} produced to ${topic.name} before it failed\n`)
    throw error
  } finally {
    progress.stop()
    await producer.disconnect()
  }
}

const quantity = (count: number, noun: string): string =>
  `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`

async function openInput(file: string | undefined, { stdin }: CliContext): Promise<Input> {
  if (file === undefined || file === '-') return { bytes: stdin as AsyncIterable<Buffer>, totalBytes: undefined }
  try {
    const { size } = await stat(file)
    return { bytes: createReadStream(file, { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>, totalBytes: size }
  } catch (cause) {
    throw new PotorooError('INVALID_CONFIGURATION', `${file} can't be read: ${messageOf(cause)}`, { cause })
  }
}

const READ_BYTES = 256 * 1024
