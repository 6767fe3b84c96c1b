import { wholeNumberOptions, type WholeNumberOption } from '../../../src/runtime/option-table.js'
import { defaults } from '../../../src/runtime/options.js'
import type { WorkerOptions } from '../../../src/start-worker.js'
import { markdownTable } from './tables.js'

interface Row {
  /** Of `potoroo run`. */
  readonly flags?: readonly string[]
  readonly instead?: string
  readonly default: string
  readonly bounds?: string
  readonly help: string
}

const MIB = 1024 * 1024
const plain = (value: number): string => value.toLocaleString('en-US')
const amount = (value: number, unit: string): string =>
  unit === 'bytes' && value > 0 ? `${plain(value / MIB)} MiB` : plain(value)

/** What the table of the runtime has, and what only words can say of it. */
function numbered(name: keyof typeof wholeNumberOptions, words: Partial<Row> = {}): Row {
  const option: WholeNumberOption = wholeNumberOptions[name]
  const { least, most, unit, flag, help } = option
  const of = unit === 'copies' || unit === 'workers' ? '' : `${unit}, `
  return {
    ...(flag === undefined ? {} : { flags: [flag] }),
    default: option.default === undefined ? "the broker's" : amount(option.default, unit),
    bounds:
      most === undefined ? `${of}${amount(least, unit)} or more` : `${of}${amount(least, unit)} to ${plain(most)}`,
    help,
    ...words,
  }
}

/** In the order of the page. A new option does not compile without its row. */
const rows: Readonly<Record<keyof WorkerOptions, Row>> = {
  brokers: {
    flags: ['--brokers'],
    default: '`KAFKA_BROKERS`, else 127.0.0.1:9092 (command line only)',
    bounds: '`host:port`, several',
    help: 'any brokers of the cluster; one that answers is enough',
  },
  ssl: { instead: 'environment', default: 'none', help: 'TLS: true, or as in `node:tls`' },
  sasl: { instead: 'environment', default: 'none', help: '`{ mechanism, username, password }`' },
  name: {
    flags: ['--name'],
    default: '`<host>-<n>`: the first whose state directory is free',
    bounds: '1 to 100 of `a-z A-Z 0-9 . _ -`',
    help: "the worker's name in logs and in the group",
  },
  stateDir: {
    flags: ['--state-dir'],
    default: '`~/.local/state/potoroo/<application>/<name>`',
    bounds: 'a local disk',
    help: 'where its stores lie',
  },
  topicPrefix: {
    flags: ['--topic-prefix'],
    default: `\`'${defaults.topicPrefix}'\``,
    bounds: 'up to 100 characters',
    help: 'put in front of every name in Kafka',
  },
  commitIntervalMs: numbered('commitIntervalMs'),
  backlogCommitIntervalMs: numbered('backlogCommitIntervalMs'),
  storeIntervalMs: numbered('storeIntervalMs'),
  backlogStoreIntervalMs: numbered('backlogStoreIntervalMs'),
  maxUnstoredBytes: numbered('maxUnstoredBytes'),
  maxHoldMs: numbered('maxHoldMs'),
  memoryBytes: numbered('memoryBytes', {
    default: "a quarter of the machine's, shared by all `--workers`",
    bounds: `bytes, ${amount(wholeNumberOptions.memoryBytes.least, 'bytes')} or more; \`512m\`, \`2g\``,
  }),
  bufferBytes: numbered('bufferBytes', {
    default: `${amount(wholeNumberOptions.bufferBytes.default, 'bytes')}, a quarter of \`memoryBytes\` at most`,
  }),
  onError: {
    flags: ['--on-error'],
    default: `\`${defaults.onError}\``,
    bounds: 'or `stop`',
    help: 'what happens to a message whose computation throws',
  },
  deadLetterState: {
    flags: ['--no-dead-letter-state'],
    default: String(defaults.deadLetterState),
    bounds: 'or false',
    help: 'whether dead letters carry the state objects that a message met',
  },
  replicationFactor: numbered('replicationFactor'),
  sessionTimeoutMs: numbered('sessionTimeoutMs'),
  heartbeatIntervalMs: numbered('heartbeatIntervalMs', {
    bounds: `${numbered('heartbeatIntervalMs').bounds ?? ''}; a third of the session timeout at most`,
  }),
  rebalanceTimeoutMs: numbered('rebalanceTimeoutMs'),
  maxComputationMs: numbered('maxComputationMs'),
  standbys: numbered('standbys'),
  warmLag: numbered('warmLag'),
  handOverTimeoutMs: numbered('handOverTimeoutMs'),
  peers: {
    flags: ['--peer-host', '--peer-port', '--peer-advertise'],
    default: 'loopback, a free port',
    bounds: '`{ host, port, advertise, token }`',
    help: 'where it listens to the other workers',
  },
  logger: {
    flags: ['--log-level'],
    default: 'pino, JSON lines on standard output',
    bounds: '`debug`, `info`, `warn`, `error`',
    help: 'where its log goes',
  },
  signal: { default: 'none', bounds: 'an `AbortSignal`', help: 'stops the worker, also while it starts' },
}

/** What the command line alone has. */
const commandLine: readonly Row[] = [
  {
    flags: ['--http-port', '--http-host'],
    default: 'off; loopback',
    bounds: 'a port, 0: any that is free',
    help: '[metrics, health](metrics.md) and [queries](queries.md) over HTTP',
  },
  { flags: ['--workers'], default: '1', bounds: '1 to 100', help: 'worker processes, which it restarts' },
]

/** Every flag that the table has, for a test that holds them against the command. */
export const documentedFlags = [...Object.values(rows), ...commandLine].flatMap(({ flags = [] }) => flags)

/** Of src/runtime/option-table.ts, and of what else `startWorker` and `potoroo run` take. */
export function optionsTable(): string {
  const cells = (name: string, { flags = [], instead = '', default: value, bounds = '', help }: Row): string[] => [
    name,
    flags.map((flag) => `\`${flag}\``).join(', ') || instead,
    value,
    bounds,
    help,
  ]
  return markdownTable(
    ['option of `startWorker`', '`potoroo run`', 'default', 'unit, bounds', 'what it is'],
    [
      ...Object.entries(rows).map(([name, row]) => cells(`\`${name}\``, row)),
      ...commandLine.map((row) => cells('', row)),
    ],
  )
}
