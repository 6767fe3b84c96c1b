/**
 * What `potoroo dead-letters try` says of one, for the page: in a process of its own, for it runs the application's code, which may
 * take for ever, use up memory, or end the process. One at a time; what takes too long is stopped.
 */
import { fork } from 'node:child_process'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { exitCodes, messageOf, PotorooError } from '../../errors.js'
import type { Invocation } from '../invocation.js'

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))
/** The page's server lets go of who waits for 30 s. */
const MAX_MS = 20_000
/** Of what it says, the beginning. */
const MAX_CHARACTERS = 256 * 1024

export interface Trial {
  /** Whether the message went through. */
  readonly isDone: boolean
  readonly text: string
}

export interface TrialOptions {
  /** The command line's module. */
  readonly main?: string
  readonly maxMs?: number
}

export class Trials {
  readonly #ended = new AbortController()
  readonly #main: string
  readonly #maxMs: number
  #last: Promise<unknown> | undefined

  constructor(
    private readonly invocation: Invocation,
    { main = MAIN, maxMs = MAX_MS }: TrialOptions = {},
  ) {
    this.#main = main
    this.#maxMs = maxMs
  }

  /** `letter`: `<partition>:<offset>`. Rejects with QUERY_UNANSWERED where another one is under way. */
  async try(letter: string): Promise<Trial> {
    if (this.#last !== undefined)
      throw new PotorooError('QUERY_UNANSWERED', 'another dead letter is being tried', { cure: 'Try this one then.' })
    const trial = this.#run(letter)
    this.#last = trial.catch(() => undefined)
    try {
      return await trial
    } finally {
      this.#last = undefined
    }
  }

  /** Stops what is under way. */
  async close(): Promise<void> {
    this.#ended.abort()
    await this.#last
  }

  async #run(letter: string): Promise<Trial> {
    const { application = '', brokers, topicPrefix } = this.invocation
    const options = [
      ...(brokers === undefined ? [] : [`--brokers=${brokers}`]),
      ...(topicPrefix === '' ? [] : [`--topic-prefix=${topicPrefix}`]),
    ]
    const child = fork(this.#main, ['dead-letters', ...options, '--', application, 'try', letter], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      signal: this.#ended.signal,
      killSignal: 'SIGKILL',
      timeout: this.#maxMs,
    })
    const ended = new Promise<{ readonly code: number | null; readonly error?: string }>((resolve) => {
      child.once('exit', (code) => {
        resolve({ code })
      })
      child.once('error', (error) => {
        resolve({ code: null, error: messageOf(error) })
      })
    })
    const [{ code, error }, stdout, stderr] = await Promise.all([ended, textOf(child.stdout), textOf(child.stderr)])
    const left =
      code === null
        ? `It was stopped before its end: ${error ?? `it took longer than ${String(this.#maxMs / 1000)} s, or ended itself`}\n`
        : ''
    return { isDone: code === exitCodes.ok, text: `${stdout}${stderr}${left}` }
  }
}

/** Never rejects. What is beyond the bound is read, and left out. */
async function textOf(stream: Readable | null): Promise<string> {
  let text = ''
  try {
    for await (const chunk of stream?.setEncoding('utf8') ?? [])
      if (text.length < MAX_CHARACTERS) text += String(chunk).slice(0, MAX_CHARACTERS - text.length)
  } catch {
    // It was closed before its end: what came is all there is.
  }
  return text
}
