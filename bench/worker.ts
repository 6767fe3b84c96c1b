/** A worker in a process of its own, of whichever contender. It ends with this process, however this process ends. */
import { appendFileSync, readFileSync } from 'node:fs'
import { launch, type Launched } from '#potoroo/broker/launcher.js'
import type { Command } from './contenders.js'
import { type Usage, usageOf } from './usage.js'
import { delay, until } from './waiting.js'

const SAMPLE_MS = 50
/** Kafka Streams takes its time. */
const STOP_TIMEOUT_MS = 60_000
const START_TIMEOUT_MS = 60_000

export class WorkerProcess {
  readonly startedMs: number
  #asked = false
  #last: Usage = { cpuSeconds: 0, anonymousBytes: 0 }
  #peakBytes = 0
  readonly #sampler: NodeJS.Timeout

  private constructor(
    readonly name: string,
    private readonly launched: Launched,
    private readonly logFile: string,
    startedMs: number,
  ) {
    this.startedMs = startedMs
    this.#sampler = setInterval(() => this.usage(), SAMPLE_MS)
    void launched.exited.finally(() => {
      clearInterval(this.#sampler)
    })
  }

  /** What it prints is appended to the log file. */
  static async start(name: string, { command, args, env }: Command, logFile: string): Promise<WorkerProcess> {
    const startedMs = performance.now()
    appendFileSync(logFile, '')
    const launched = await launch({ command, args, env: { ...process.env, ...env }, outputFile: logFile })
    return new WorkerProcess(name, launched, logFile, startedMs)
  }

  get running(): boolean {
    return this.launched.running()
  }

  /** So far; when it has ended, as it was seen last. */
  usage(): Usage {
    this.#last = (this.running ? usageOf(this.launched.pid) : undefined) ?? this.#last
    this.#peakBytes = Math.max(this.#peakBytes, this.#last.anonymousBytes)
    return this.#last
  }

  /** The most anonymous memory that it was seen with. */
  get peakBytes(): number {
    return this.#peakBytes
  }

  /** Throws when it ended and nobody had told it to. */
  assertAlive(): void {
    if (!this.running && !this.#asked)
      throw new Error(`worker ${this.name} ended by itself:\n${this.log().slice(-2000)}`)
  }

  /** All it has printed so far. */
  log(): string {
    return readFileSync(this.logFile, 'utf8')
  }

  /** Where a worker of Potoroo that was given `--http-port` answers, once it has said so. */
  async url(): Promise<string> {
    let url: string | undefined
    const isKnown = (): boolean => {
      this.assertAlive()
      url = /"url":"(http:[^"]+)"/.exec(this.log())?.[1]
      return url !== undefined
    }
    await until(`worker ${this.name} says where it answers`, isKnown, { timeoutMs: START_TIMEOUT_MS })
    return url ?? ''
  }

  /** Resolves when it has ended. Rejects when SIGTERM does not end it; then it is killed. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#asked = true
    this.#send(signal)
    const timeout = new AbortController()
    const late = delay(STOP_TIMEOUT_MS, true, { signal: timeout.signal }).catch(() => false)
    const ended = this.launched.exited.then(() => false)
    const isLate = await Promise.race([ended, late])
    timeout.abort()
    if (!isLate) return
    this.#send('SIGKILL')
    throw new Error(`worker ${this.name} did not end within ${STOP_TIMEOUT_MS / 1000} s after ${signal}`)
  }

  #send(signal: NodeJS.Signals): void {
    if (!this.running) return
    try {
      process.kill(this.launched.pid, signal)
    } catch (error) {
      // It ended in between.
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
    }
  }
}
