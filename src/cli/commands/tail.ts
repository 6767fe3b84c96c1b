import { type Command, Option } from 'commander'
import type { Writable } from 'node:stream'
import type { Log } from '../../ports/log.js'
import { aborted } from '../aborted.js'
import { describeTopic, withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { connectionHelp, type ConnectionFlags, wholeNumber, withConnection, withTopicPrefix } from '../options.js'
import { lineFormat, type TailFormat, tailFormats } from '../record-lines.js'
import { Tail, type TailRange } from '../tailing.js'

interface TailFlags extends ConnectionFlags {
  readonly fromBeginning?: boolean
  readonly untilEnd?: boolean
  readonly count?: number
  readonly format: TailFormat
  readonly topicPrefix: string
}

export function registerTail(program: Command, context: CliContext): void {
  const command = program
    .command('tail')
    .summary("print a topic's records, one per line")
    .description(
      'Prints the records of a topic, one per line, as they arrive: committed ones only, each partition in order. Leaves\n' +
        'no consumer group behind.',
    )
    .argument('<topic>', 'any topic, by its name in Kafka')
    .option('--from-beginning', 'start at the first record instead of the end')
    .option('--until-end', 'stop where the topic ends now; wait for transactions that are open now')
    .option('--count <n>', 'stop after n records', wholeNumber(1))
    .addOption(
      new Option(
        '--format <format>',
        'value: as it is; text: partition and offset, time, key, headers, value; json: all of it as an object',
      )
        .choices(tailFormats)
        .default('value'),
    )
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Examples:
  potoroo tail rejections
  potoroo tail rejections --from-beginning --until-end > rejections.ndjson
  potoroo tail orders --from-beginning --count 10 --format text
  potoroo tail bank-dead-letters --from-beginning --until-end --format json

With --format json: {"partition", "offset", "timestampMs", "time", "key", "headers": [{"name", "value"}], "value"}. Anything that is not text
is given in hex, as "keyHex", "hex" and "valueHex"; a value that is text but not JSON is "valueText".`,
    )
    .action((topic: string, flags: TailFlags) =>
      withLog(context, flags, (log) => runTail(log, `${flags.topicPrefix}${topic}`, flags, context)),
    )
}

/** After so long it is said what is waited for, and again after each further change. */
const SAY_WAITING_AFTER_MS = 1_000

async function runTail(log: Log, topic: string, flags: TailFlags, context: CliContext): Promise<void> {
  const ranges = await rangesOf(log, topic, flags)
  context.logger.debug({ topic, partitions: ranges.length }, 'tailing')
  const stop = context.stopRequested()
  const output = new Output(context.stdout)
  const lineFor = lineFormat(flags.format, context.stdout.isTTY === true)
  const fetcher = log.fetcher()
  let left = flags.count ?? Number.POSITIVE_INFINITY
  const tail = new Tail(fetcher, topic, ranges, {
    ready: () => output.ready,
    take: (record) => {
      output.write(lineFor(record))
      left -= 1
      return left > 0
    },
  })
  output.onDrained = () => {
    tail.wake()
  }
  const waiting = setInterval(sayWaiting(tail, topic, context), SAY_WAITING_AFTER_MS)
  const stopped = aborted(stop)
  try {
    await Promise.race([tail.done, output.closed, stopped])
  } finally {
    clearInterval(waiting)
    tail.close()
    await fetcher.close()
  }
  // Told to stop, it waits for no reader.
  await Promise.race([output.drained(), stopped])
}

async function rangesOf(log: Log, topic: string, flags: TailFlags): Promise<readonly TailRange[]> {
  const { partitions } = await describeTopic(log, topic)
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const ends = await log.listOffsets(all, 'end')
  const starts = flags.fromBeginning === true ? await log.listOffsets(all, 'earliest') : ends
  return all.map(({ partition }) => ({
    partition,
    position: starts[partition] ?? 0,
    end: flags.untilEnd === true ? ends[partition] : undefined,
  }))
}

/** Says it once for each state of things: held back in two looks in a row, a second apart. */
function sayWaiting(tail: Tail, topic: string, { stderr }: CliContext): () => void {
  let before = ''
  let said = ''
  return () => {
    const now = tail
      .held()
      .map(
        (held) =>
          `${topic}-${String(held.partition)} is decided up to ${String(held.lastStableOffset)} of ${String(held.end)}`,
      )
      .join(', ')
    if (now !== '' && now === before && now !== said) {
      stderr.write(`waiting for open transactions: ${now}\n`)
      said = now
    }
    before = now
  }
}

/** Standard output with back-pressure. A reader that went away (`| head`) is an end like any other. */
class Output {
  onDrained: () => void = () => undefined
  /** Resolves when nobody reads any more. Rejects when it can't be written for another reason. */
  readonly closed: Promise<void>
  #ready = true

  constructor(readonly stream: Writable) {
    stream.on('drain', () => {
      this.#ready = true
      this.onDrained()
    })
    this.closed = new Promise((resolve, reject) => {
      stream.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EPIPE') resolve()
        else reject(error)
      })
    })
  }

  get ready(): boolean {
    return this.#ready
  }

  write(line: Buffer): void {
    if (!this.stream.write(line)) this.#ready = false
  }

  /** Resolves when all of it has gone to the operating system. */
  drained(): Promise<void> {
    if (this.stream.writableLength === 0 || this.stream.destroyed) return Promise.resolve()
    const flushed = new Promise<void>((resolve) => {
      this.stream.write('', () => resolve())
    })
    return Promise.race([flushed, this.closed])
  }
}
