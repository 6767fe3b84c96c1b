/** A worker in a process of its own, as a user would start it. */
import { spawn, type ChildProcess } from 'node:child_process'
import { openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { PotorooError } from '../../errors.js'
import { bundledApplication } from '../application.js'

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))

export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #log: string
  readonly exited: Promise<number | null>

  constructor(
    readonly name: string,
    directory: string,
    brokers: string,
    topicPrefix: string,
  ) {
    this.#log = join(directory, `${name}.log`)
    const out = openSync(this.#log, 'a')
    const flags = [
      '--name',
      name,
      '--state-dir',
      join(directory, name),
      '--topic-prefix',
      topicPrefix,
      '--brokers',
      brokers,
    ]
    this.#child = spawn(process.execPath, [MAIN, 'run', bundledApplication(), ...flags], {
      stdio: ['ignore', out, out],
    })
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject)
      this.#child.once('exit', resolve)
    })
  }

  /** Rejects when the process ends without having been told to. */
  async failed(): Promise<never> {
    const code = await this.exited
    throw new PotorooError('INTERNAL', `worker ${this.name} ended with exit code ${String(code)}:\n${this.lastLines()}`)
  }

  /** Resolves with its exit code. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM')
    return this.exited
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  lastLines(): string {
    return readFileSync(this.#log, 'utf8').trimEnd().split('\n').slice(-5).join('\n')
  }
}
