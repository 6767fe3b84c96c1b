/**
 * The workers of the demonstration, each a process of its own, as `potoroo run` starts it. They are in process groups of their own:
 * Ctrl-C in the terminal comes to the demonstration alone, which then lets them finish. When it is killed, they notice and stop.
 */
import { createWriteStream, readFileSync, type WriteStream } from 'node:fs'
import { join } from 'node:path'
import { PotorooError } from '../../errors.js'
import type { Clock } from '../../ports/clock.js'
import { bundledApplication } from '../application.js'
import { workerProcesses } from '../supervised-process.js'
import type { WorkerProcess } from '../supervisor.js'

export interface CrewOptions {
  /** Where they have their state and their logs. */
  readonly directory: string
  readonly brokers: string
  readonly topicPrefix: string
  readonly clock: Clock
}

interface Member {
  readonly process: WorkerProcess
  readonly ended: Promise<void>
  isTold: boolean
}

const LAST_LINES = 5

export class Crew {
  /** Rejects when a process ends without having been told to. */
  readonly failed: Promise<never>
  readonly #members = new Map<string, Member>()
  #fail: (error: Error) => void = () => undefined

  constructor(private readonly options: CrewOptions) {
    this.failed = new Promise((_, reject) => {
      this.#fail = reject
    })
    // Whoever does not wait for it any more is not to be ended by it.
    this.failed.catch(() => undefined)
  }

  /** Starts it, or starts it again where it was before: with the state that it had. */
  start(name: string): void {
    const { directory, brokers, topicPrefix, clock } = this.options
    const file = join(directory, `${name}.log`)
    const log = createWriteStream(file, { flags: 'a' })
    let done: () => void = () => undefined
    const ended = new Promise<void>((resolve) => {
      done = resolve
    })
    let mistake: PotorooError | undefined
    const flags = { name, 'state-dir': join(directory, name), 'topic-prefix': topicPrefix, brokers }
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`)
    const start = workerProcesses(
      () => ['run', ...args, '--supervised', '--', bundledApplication()],
      { stdout: log, stderr: log },
      clock,
      (error) => (mistake = error),
      true,
    )
    const process = start(0, {
      started: () => undefined,
      ended: ({ code, signal, error }) => {
        const how = error ?? signal ?? `exit code ${String(code)}`
        void closed(log).then(() => {
          if (!member.isTold) this.#fail(mistake ?? endedError(name, how, file))
          done()
        })
      },
    })
    const member: Member = { process, ended, isTold: false }
    this.#members.set(name, member)
  }

  /** Kills it at once, as a crash would. Returns the id of the process; undefined where it has none. */
  kill(name: string): number | undefined {
    const member = this.#members.get(name)
    if (member === undefined) return undefined
    member.isTold = true
    member.process.signal('SIGKILL')
    return member.process.pid
  }

  /** Lets them finish. Resolves when all have ended. */
  stop(): Promise<void> {
    return this.#end('SIGTERM')
  }

  /** Resolves when all have ended. */
  async destroy(): Promise<void> {
    await this.#end('SIGKILL')
  }

  async #end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const members = [...this.#members.values()]
    for (const member of members) {
      member.isTold = true
      member.process.signal(signal)
    }
    await Promise.all(members.map(({ ended }) => ended))
  }
}

const closed = (log: WriteStream): Promise<void> =>
  new Promise((resolve) => {
    log.once('close', resolve)
    log.once('error', () => {
      resolve()
    })
    log.end()
  })

function endedError(name: string, how: string, file: string): PotorooError {
  return new PotorooError('WORKER_ENDED', `${name} has ended by itself (${how}):\n${lastLines(file)}`)
}

function lastLines(file: string): string {
  try {
    return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).join('\n')
  } catch {
    return 'its log cannot be read'
  }
}
