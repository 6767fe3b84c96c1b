/** Starts the built command line as a user does. Whatever a test file starts is killed at its end. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, inject } from 'vitest'
import { until } from './until.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const CLI_MAIN = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface CliProcess {
  readonly pid: number
  /** Whole lines so far. */
  readonly stdout: readonly string[]
  readonly stderr: readonly string[]
  /** Resolves when the process has ended and all it printed has been read. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  running(): boolean
  kill(signal: NodeJS.Signals): void
  /** Writes to its standard input, and ends that when `last`. */
  write(text: string, last?: boolean): void
  /** Resolves with the first line on either output that matches. Rejects when the process ends without one. */
  line(pattern: RegExp, timeoutMs?: number): Promise<string>
}

const started = new Set<CliProcess>()

afterAll(async () => {
  for (const child of started) if (child.running()) child.kill('SIGKILL')
  await Promise.all([...started].map((child) => child.exited))
})

export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** A command that runs it as its own: `ip netns exec …`. */
  readonly through?: readonly string[]
}

/** KAFKA_BROKERS is the test broker's unless env says otherwise. */
export function startCli(args: readonly string[], options: CliOptions = {}): CliProcess {
  const buildErrors = inject('buildErrors')
  if (buildErrors !== '') throw new Error(`the command line was not built:\n${buildErrors}`)
  const env = { ...process.env, NO_COLOR: '1', KAFKA_BROKERS: inject('brokers'), ...options.env }
  const [command = '', ...rest] = [...(options.through ?? []), process.execPath, CLI_MAIN, ...args]
  const child = spawn(command, rest, {
    env,
    cwd: options.cwd ?? ROOT,
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const stdout = linesOf(child.stdout)
  const stderr = linesOf(child.stderr)
  // A program that has ended takes no more input: what it prints says why.
  child.stdin.on('error', () => undefined)
  let running = true
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      running = false
      resolve({ code, signal })
    })
  })
  const { pid } = child
  if (pid === undefined) throw new Error('the command line could not be started')
  const cli: CliProcess = {
    pid,
    stdout,
    stderr,
    exited,
    running: () => running,
    kill: (signal) => {
      child.kill(signal)
    },
    write: (text, last = false) => {
      if (last) child.stdin.end(text)
      else child.stdin.write(text)
    },
    line: async (pattern, timeoutMs) =>
      until(
        `a line like ${String(pattern)} from potoroo ${args.join(' ')}`,
        () => {
          const found = [...stdout, ...stderr].find((line) => pattern.test(line))
          if (found === undefined && !running)
            throw new Error(`ended without a line like ${String(pattern)}:\n${[...stdout, ...stderr].join('\n')}`)
          return found
        },
        timeoutMs,
      ),
  }
  started.add(cli)
  return cli
}

/** Runs to the end with nothing on standard input. */
export async function runCli(
  args: readonly string[],
  options: CliOptions & { readonly input?: string } = {},
): Promise<{ readonly code: number | null; readonly stdout: readonly string[]; readonly stderr: readonly string[] }> {
  const cli = startCli(args, options)
  cli.write(options.input ?? '', true)
  const { code } = await cli.exited
  return { code, stdout: cli.stdout, stderr: cli.stderr }
}

const linesOf = (stream: Readable): string[] => {
  const lines: string[] = []
  createInterface({ input: stream }).on('line', (line) => lines.push(line))
  return lines
}
