import type { Command } from 'commander'
import { createReadStream, fstatSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import type { ApplicationDefinition, TopicDefinition } from '../../api/definition.js'
import { topicsOf } from '../../api/graph.js'
import type { RecordHeader } from '../../core/records/records.js'
import { loadPartitioners } from '../../core/plan/partitioner.js'
import { exitCodes, messageOf, PotorooError } from '../../errors.js'
import { IdempotentProducer } from '../../kafka/idempotent-producer.js'
import type { TopicInfo } from '../../ports/log.js'
import { bundledApplication, loadApplication, topicOf } from '../application.js'
import { describeTopic, kafkaOptions, withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import {
  connectionHelp,
  type ConnectionFlags,
  fieldPath,
  path as pathOption,
  recordHeader,
  withConnection,
  withTopicPrefix,
} from '../options.js'
import {
  type Produced,
  type ProduceFailure,
  produceLines,
  rangesOf,
  totalOf,
  unknownPartitioner,
} from '../producing.js'
import { progressOn } from '../progress.js'
import { shellQuoted } from '../shell-quoted.js'

interface ProduceFlags extends ConnectionFlags {
  readonly application?: string
  readonly timestampField?: readonly string[]
  readonly header?: readonly RecordHeader[]
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
    .option(
      '--application <module>',
      'the application that declares the topic (default: the bundled Market Spread)',
      pathOption,
    )
    .option(
      '--timestamp-field <field>',
      "the field that has a record's time, in ms since 1970 or as 2026-01-31T12:00:00Z; order.placedAt for one in another " +
        '(default: when it is sent)',
      fieldPath,
    )
    .option('--header <name=value>', 'a header of every record, may be given several times', recordHeader)
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Examples:
  potoroo produce bookings bookings.ndjson --application dist/application.js
  potoroo produce bookings bookings.ndjson --application dist/application.js --timestamp-field at --header source=import
  generate-quotes | potoroo produce market-data`,
    )
    .action((topic: string, file: string | undefined, flags: ProduceFlags) => runProduce(topic, file, flags, context))
}

/** Who names no application and no topic of Market Spread's has forgotten the first. */
function bundledTopic(application: ApplicationDefinition, name: string): TopicDefinition {
  const topics = topicsOf(application)
  const found = topics.find((topic) => topic.name === name)
  if (found !== undefined) return found
  throw new PotorooError('INVALID_CONFIGURATION', `no application was named that declares topic ${name}`, {
    cure:
      `Name its module: npx potoroo produce ${shellQuoted(name)} --application dist/application.js. (Without that, ` +
      `it takes the topics of the bundled Market Spread: ${topics.map((topic) => topic.name).join(', ')}.)`,
  })
}

interface Input {
  readonly bytes: AsyncIterable<Buffer>
  readonly totalBytes: number | undefined
}

async function runProduce(name: string, file: string | undefined, flags: ProduceFlags, context: CliContext) {
  const { definition: application } = await loadApplication(flags.application ?? bundledApplication())
  const definition = flags.application === undefined ? bundledTopic(application, name) : topicOf(application, name)
  if (definition.partitioner === undefined) throw unknownPartitioner(definition)
  await loadPartitioners([definition.partitioner])
  await definition.codec?.open('write')
  const input = await openInput(file, context)
  await withLog(context, flags, async (log) => {
    const topic = await describeTopic(log, `${flags.topicPrefix}${name}`)
    await produceInto(topic, definition, input, flags, context)
  })
}

async function produceInto(
  topic: TopicInfo,
  definition: TopicDefinition,
  input: Input,
  flags: ProduceFlags,
  context: CliContext,
): Promise<void> {
  const producer = await IdempotentProducer.open(kafkaOptions(context, flags))
  const progress = await progressOn(context.stderr, input.totalBytes)
  let bytesRead = 0
  const counted = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of input.bytes) {
      bytesRead += chunk.length
      yield chunk
    }
  }
  let produced: Produced
  try {
    produced = await produceLines(counted(), {
      definition,
      topic,
      timestampField: flags.timestampField,
      headers: flags.header,
      send: (records) => producer.send(topic, records),
      refused: ({ number, error }) => {
        progress.print(`line ${String(number)}: ${error.code}: ${error.message}`)
      },
      progress: (lines) => {
        progress.update(bytesRead, lines)
      },
    })
  } finally {
    progress.stop()
    await producer.close()
  }
  const { acknowledged, refused, failure } = produced
  const left = refused === 0 ? '' : `, ${quantity(refused, 'line')} refused`
  const done = `${quantity(totalOf(acknowledged), 'record')} produced to ${topic.name}${left}`
  if (failure !== undefined) {
    context.stderr.write(`${done} before it failed${byPartition(acknowledged)}\n${notProduced(failure)}\n`)
    throw failure.error
  }
  context.stdout.write(`${done}\n`)
  if (refused === 0) return
  context.exitCode(exitCodes.failure)
  if (flags.application === undefined)
    context.stderr.write(
      `lines were held against topic ${definition.name} of the bundled Market Spread; --application names another\n`,
    )
}

const byPartition = (acknowledged: Produced['acknowledged']): string => {
  const counts = [...acknowledged].sort(([a], [b]) => a - b)
  return counts.length === 0 ? '' : `: ${counts.map(([p, n]) => `${String(n)} on partition ${String(p)}`).join(', ')}`
}

/** Line numbers as tools take them: without separators of thousands. */
function notProduced({ missing, lastLine }: ProduceFailure): string {
  const behind = `what is behind line ${String(lastLine)} was not sent`
  return missing.length === 0 ? behind : `not acknowledged: lines ${rangesOf(missing)}; ${behind}`
}

const quantity = (count: number, noun: string): string =>
  `${count.toLocaleString('en')} ${noun}${count === 1 ? '' : 's'}`

async function openInput(file: string | undefined, { stdin }: CliContext): Promise<Input> {
  if (file === undefined || file === '-') {
    // Node reads a directory as an empty stream.
    if (isDirectory(stdin)) throw unreadable('standard input', new Error('it is a directory'))
    return { bytes: readable(stdin as AsyncIterable<Buffer>, 'standard input'), totalBytes: undefined }
  }
  const found = await stat(file).catch((cause: unknown) => {
    throw unreadable(file, cause)
  })
  if (found.isDirectory()) throw unreadable(file, new Error('it is a directory'))
  const bytes = createReadStream(file, { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>
  // A pipe's size is not known.
  return { bytes: readable(bytes, file), totalBytes: found.isFile() ? found.size : undefined }
}

/** Opened when it is read first. */
async function* readable(bytes: AsyncIterable<Buffer>, name: string): AsyncGenerator<Buffer> {
  try {
    yield* bytes
  } catch (cause) {
    throw unreadable(name, cause)
  }
}

const isDirectory = (stream: CliContext['stdin']): boolean =>
  'fd' in stream && typeof stream.fd === 'number' && fstatSync(stream.fd).isDirectory()

const unreadable = (name: string, cause: unknown): PotorooError =>
  new PotorooError('INVALID_CONFIGURATION', `${name} can't be read: ${messageOf(cause)}`, { cause })

const READ_BYTES = 256 * 1024
