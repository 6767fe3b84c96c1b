/**
 * A local Apache Kafka for development and tests: one KRaft node on 127.0.0.1, run with `java` from Maven's jars.
 *
 *     <dataDir>/server.properties  log4j2.xml  broker.pid  server.log  console.log  log/ (Kafka's own)
 *
 * A data directory can be used again, on the same port or another one, also after the broker was killed.
 */
import { randomUUID } from 'node:crypto'
import { access, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve as absolute } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf, PotorooError } from '../errors.js'
import type { Logger } from '../ports/logger.js'
import { assertUnlocked, removeLock, writeLock } from './data-lock.js'
import { freePorts } from './free-ports.js'
import { brokerJars } from './jars.js'
import { type Environment, findJava, runTool } from './java.js'
import { launch, type Launched } from './launcher.js'
import { answers } from './probe.js'
import { brokerProperties, log4jText, propertiesText } from './properties.js'

export interface BrokerOptions {
  /** Default 0: any free one. */
  readonly port?: number | undefined
  /** Default: a new folder for temporary files, which `stop` removes. */
  readonly dataDir?: string | undefined
  readonly logger: Logger
  /** Kafka's release. Default: KAFKA_VERSION. A data directory takes the one that made it, or a newer one. */
  readonly version?: string | undefined
  /** Java's heap, as after -Xms and -Xmx. Default 1g. Less than 512m leaves the log cleaner no room for its buffer. */
  readonly heap?: string | undefined
  /** Broker settings put over `brokerProperties`. */
  readonly properties?: Readonly<Record<string, string>> | undefined
  /** Levels of the cluster's features, for a data directory that is new. Default: those of Kafka's release. */
  readonly features?: Readonly<Record<string, number>> | undefined
  /** Kafka's cluster id, for a data directory that is new. Brokers of one cluster share it. Default: a random one. */
  readonly clusterId?: string | undefined
  /** How long the start may take. Default 60,000: a cold disk and a busy machine; it takes 2 to 3 s otherwise. */
  readonly startTimeoutMs?: number | undefined
  /** Default: the process's. */
  readonly env?: Environment | undefined
}

export interface LocalBroker {
  /** For KAFKA_BROKERS: `127.0.0.1:<port>`. */
  readonly brokers: string
  /** Of the Java process. */
  readonly pid: number
  readonly dataDir: string
  /** Resolves with the exit status when the broker has ended, for whatever reason. */
  readonly exited: Promise<number>
  /**
   * Ends it and waits for that. SIGTERM (default) lets Kafka close its logs, and becomes SIGKILL after 20 s.
   * Nothing happens when it has ended already.
   */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>
}

const STOP_TIMEOUT_MS = 20_000
const PROBE_INTERVAL_MS = 25
const PROBE_TIMEOUT_MS = 1_000

/** Rejects with TOOL_MISSING, JARS_NOT_FETCHED or BROKER_NOT_STARTED (the message ends with the end of Kafka's log). */
export async function startBroker(options: BrokerOptions): Promise<LocalBroker> {
  const env = options.env ?? process.env
  const { logger, version } = options
  const java = await findJava(env)
  const jars = await brokerJars({ version, env, logger })
  const temporary = options.dataDir === undefined
  const dataDir = temporary ? await mkdtemp(join(tmpdir(), 'potoroo-broker-')) : absolute(options.dataDir)
  if (/[,\r\n]/.test(dataDir))
    throw new PotorooError(
      'INVALID_CONFIGURATION',
      `data directory ${dataDir}: Kafka does not allow a comma in its path`,
    )
  const removeTemporary = async (): Promise<void> => {
    if (temporary) await rm(dataDir, { recursive: true, force: true })
  }
  try {
    const started = await startOnFreePorts(options, { java, jars, env, dataDir })
    const { launched, port } = started
    logger.info({ port, pid: launched.pid, dataDir }, 'local Kafka broker is ready')
    return {
      brokers: `127.0.0.1:${String(port)}`,
      pid: launched.pid,
      dataDir,
      exited: launched.exited,
      stop: async (signal = 'SIGTERM') => {
        await end(launched, signal)
        await removeTemporary()
      },
    }
  } catch (error) {
    await removeTemporary()
    throw error
  }
}

interface Place {
  readonly java: string
  readonly jars: string
  readonly env: Environment
  readonly dataDir: string
}

/** A port that was free a moment ago may be taken when Kafka comes to it: then others are tried. */
async function startOnFreePorts(options: BrokerOptions, place: Place): Promise<{ launched: Launched; port: number }> {
  for (let attempt = 1; ; attempt++) {
    const [port = 0, controllerPort = 0] = await freePorts(2, options.port ?? 0)
    try {
      return { launched: await startOn(port, controllerPort, options, place), port }
    } catch (error) {
      if (attempt === 3 || !/Address already in use/.test(messageOf(error))) throw error
    }
  }
}

async function startOn(port: number, controllerPort: number, options: BrokerOptions, place: Place): Promise<Launched> {
  const { java, jars, env, dataDir } = place
  const propertiesFile = join(dataDir, 'server.properties')
  await assertUnlocked(dataDir, propertiesFile, env)
  const files = await prepare(dataDir, { port, controllerPort, properties: options.properties })
  await format(java, jars, files, options, env)
  const args = [...jvmFlags(options.heap ?? '1g'), ...classPath(jars, files), 'kafka.Kafka', files.properties]
  const launched = await launch({ command: java, args, env, outputFile: files.console })
  try {
    await writeLock(dataDir, launched.pid)
  } catch (error) {
    await end(launched, 'SIGKILL')
    throw error
  }
  void launched.exited.then(() => removeLock(dataDir)).catch(() => undefined)
  try {
    await ready(launched, port, options.startTimeoutMs ?? 60_000, files)
  } catch (error) {
    await end(launched, 'SIGKILL')
    throw error
  }
  return launched
}

interface BrokerFiles {
  readonly properties: string
  readonly log4j: string
  readonly log: string
  readonly console: string
  readonly logDir: string
}

async function prepare(
  dataDir: string,
  settings: Omit<Parameters<typeof brokerProperties>[0], 'logDir'>,
): Promise<BrokerFiles> {
  const files: BrokerFiles = {
    properties: join(dataDir, 'server.properties'),
    log4j: join(dataDir, 'log4j2.xml'),
    log: join(dataDir, 'server.log'),
    console: join(dataDir, 'console.log'),
    logDir: join(dataDir, 'log'),
  }
  await mkdir(dataDir, { recursive: true })
  await writeFile(files.properties, propertiesText(brokerProperties({ ...settings, logDir: files.logDir })))
  await writeFile(files.log4j, log4jText(files.log))
  await writeFile(files.console, '')
  return files
}

const classPath = (jars: string, files: BrokerFiles): string[] => [
  '-cp',
  join(jars, '*'),
  `-Dlog4j2.configurationFile=${files.log4j}`,
]

/**
 * G1 and a heap that has its full size from the beginning, as in Kafka's own scripts: on two cores Java would choose the
 * serial collector by itself, and in a smaller heap the log cleaner's 128 MiB have G1 mark all of it again and again. But
 * G1's own goal for pauses (200 ms) instead of the 20 ms there: where two slow cores can't keep to that, G1 makes the young
 * generation small to get there, and then collects every 1.2 s instead of every 9 s, for 20 ms each time as before.
 */
const jvmFlags = (heap: string): string[] => [
  `-Xmx${heap}`,
  `-Xms${heap}`,
  '-XX:+UseG1GC',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-XX:+ExitOnOutOfMemoryError',
  '-Djava.awt.headless=true',
]

/** A UUID as Kafka writes it; the first letter keeps it from beginning with a dash. */
export const newClusterId = (): string =>
  `p${Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url').slice(1)}`

/** A new data directory gets its cluster id; one that has it already is left as it is. The tool lives for half a second, so it is not optimized. */
async function format(
  java: string,
  jars: string,
  files: BrokerFiles,
  { features = {}, clusterId = newClusterId() }: Pick<BrokerOptions, 'features' | 'clusterId'>,
  env: Environment,
): Promise<void> {
  const formatted = await access(join(files.logDir, 'meta.properties')).then(
    () => true,
    () => false,
  )
  if (formatted) return
  const flags = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
  const tool = ['kafka.tools.StorageTool', 'format', '--cluster-id', clusterId, '--config', files.properties]
  const levels = Object.entries(features).flatMap(([name, level]) => ['--feature', `${name}=${String(level)}`])
  const result = await runTool(java, [...flags, ...classPath(jars, files), ...tool, ...levels], env)
  if (result.status !== 0)
    throw new PotorooError('BROKER_NOT_STARTED', `Kafka can't format ${files.logDir}: ${lastLines(result.output, 4)}`)
}

async function ready(launched: Launched, port: number, timeoutMs: number, files: BrokerFiles): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await answers('127.0.0.1', port, PROBE_TIMEOUT_MS))) {
    if (!launched.running())
      throw new PotorooError(
        'BROKER_NOT_STARTED',
        `Kafka exited with status ${String(await launched.exited)} before it was ready. ${await logTail(files)}`,
      )
    if (performance.now() > deadline)
      throw new PotorooError(
        'BROKER_NOT_STARTED',
        `Kafka was not ready after ${String(timeoutMs)} ms. ${await logTail(files)}`,
      )
    await delay(PROBE_INTERVAL_MS)
  }
}

async function logTail(files: BrokerFiles): Promise<string> {
  const [log, console] = await Promise.all(
    [files.log, files.console].map((file) => readFile(file, 'utf8').catch(() => '')),
  )
  const lines = (log ?? '').split('\n')
  // An error's second line says which exception it was; the stack below it helps nobody here.
  const errors = lines.filter((_, i) => isError(lines[i]) || (isError(lines[i - 1]) && !isEntry(lines[i])))
  const tail = errors.length > 0 ? errors.slice(-4).join('\n') : lastLines(console ?? '', 4) || lastLines(log ?? '', 4)
  return `The end of ${files.log}:\n${tail}`
}

const isEntry = (line = ''): boolean => /^\d{4}-\d\d-\d\d /.test(line)
const isError = (line = ''): boolean => isEntry(line) && / (ERROR|FATAL) /.test(line)

const lastLines = (text: string, count: number): string =>
  text
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^\s+at |BootstrapMetadata/.test(line))
    .slice(-count)
    .join('\n')

async function end(launched: Launched, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (!launched.running()) return
  send(launched, signal)
  const timeout = new AbortController()
  const late = delay(STOP_TIMEOUT_MS, undefined, { signal: timeout.signal, ref: false }).then(
    () => {
      send(launched, 'SIGKILL')
    },
    () => undefined,
  )
  await launched.exited
  timeout.abort()
  await late
}

function send(launched: Launched, signal: NodeJS.Signals): void {
  try {
    if (launched.running()) process.kill(launched.pid, signal)
  } catch (error) {
    // It ended by itself in between.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
