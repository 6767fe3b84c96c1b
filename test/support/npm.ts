/** What runs under npm, as `npx` or a script: the process that npm's shell has started is found by its parents. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'
import { until } from './until.js'

/** Without what `npm test` tells the processes that it starts: this is another package. */
export const npmEnvironment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle)_/.test(name)),
)

/** A script may compile first: a bound for what hangs, not for what is slow on a busy machine. */
const PATIENCE_MS = 240_000

export interface NpmProcess {
  readonly lines: readonly string[]
  /** Resolves with the first line of its output that matches. */
  line(pattern: RegExp): Promise<string>
  /** To npm itself, and to nobody else. */
  kill(signal: NodeJS.Signals): void
  /** Resolves when npm and all processes that it has started, themselves or through others, are gone. */
  allEnded(): Promise<void>
}

export function startNpm(
  args: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): NpmProcess {
  const child = spawn('npm', args, { cwd, env: { ...npmEnvironment, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const { pid } = child
  if (pid === undefined) throw new Error('npm could not be started')
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => lines.push(line))
  const family = new Set([pid])
  const look = (): void => {
    for (const descendant of descendantsOf(pid)) family.add(descendant)
  }
  onTestFinished(() => {
    for (const member of family) if (isAlive(member)) process.kill(member, 'SIGKILL')
  })
  return {
    lines,
    line: (pattern) =>
      until(
        `a line like ${String(pattern)} from npm ${args.join(' ')}`,
        () => {
          look()
          const found = lines.find((line) => pattern.test(line))
          if (found === undefined && child.exitCode !== null) throw new Error(`npm ended:\n${lines.join('\n')}`)
          return found
        },
        PATIENCE_MS,
      ),
    kill: (signal) => {
      look()
      process.kill(pid, signal)
    },
    allEnded: async () => {
      await until(
        'the end of all that npm has started',
        () => [...family].every((member) => !isAlive(member)),
        PATIENCE_MS,
      )
    },
  }
}
/** By Linux's files of processes. */
function descendantsOf(ancestor: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    const status = statusOf(Number(name))
    if (status !== undefined) parents.set(Number(name), status.parent)
  }
  const isDescendant = (pid: number): boolean => {
    const parent = parents.get(pid)
    return parent !== undefined && (parent === ancestor || isDescendant(parent))
  }
  return [...parents.keys()].filter(isDescendant)
}

/** One that has ended and that nobody has asked about is not alive. */
const isAlive = (pid: number): boolean => !['Z', 'X', undefined].includes(statusOf(pid)?.state)

function statusOf(pid: number): { readonly state: string; readonly parent: number } | undefined {
  try {
    // The name, in brackets, may have anything in it.
    const [state = '', parent = ''] = readFileSync(`/proc/${String(pid)}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return { state, parent: Number(parent) }
  } catch {
    return undefined
  }
}
