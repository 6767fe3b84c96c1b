/**
 * Starts a program that ends when this process ends, however this process ends.
 *
 * A shell stands between: it starts the program, says its process id, and keeps a watcher on its own standard input,
 * whose other end this process holds. When this process dies, by SIGKILL too, the operating system closes the pipe, and
 * the watcher ends the program: SIGTERM first, SIGKILL after 10 s. The shell runs in a session of its own, so that a
 * Ctrl-C on the terminal reaches this process alone, which then stops the program in its own order.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Environment } from './java.js'

const script = `
exec 3<&0
out=$1
shift
"$@" </dev/null >>"$out" 2>&1 3<&- &
program=$!
echo "$program"
(
  read -r _ <&3
  kill -TERM "$program" 2>/dev/null
  tenths=0
  while kill -0 "$program" 2>/dev/null; do
    tenths=$((tenths + 1))
    if [ "$tenths" -gt 100 ]; then kill -KILL "$program" 2>/dev/null; fi
    sleep 0.1
  done
) >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$program"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
`

export interface Launched {
  /** Of the program itself, not of the shell. */
  readonly pid: number
  /** Resolves when the program has ended, with its exit status (128 + the signal's number after a signal). */
  readonly exited: Promise<number>
  /** False as soon as the end was noticed: the process id may then be another program's. */
  running(): boolean
}

export interface LaunchOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Environment
  /** What the program prints is appended here. */
  readonly outputFile: string
}

export async function launch({ command, args, env, outputFile }: LaunchOptions): Promise<Launched> {
  const shell = spawn('/bin/sh', ['-c', script, 'launcher', outputFile, command, ...args], {
    env: { ...env },
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  let running = true
  const exited = new Promise<number>((resolve, reject) => {
    shell.once('error', reject)
    shell.once('exit', (status) => {
      running = false
      resolve(status ?? 1)
    })
  })
  // Somebody may look at it only later: that is not an unhandled rejection.
  exited.catch(() => undefined)
  const pid = await Promise.race([firstLine(shell), exited.then(() => '')])
  if (!/^\d+$/.test(pid)) throw new Error(`the shell that starts ${command} exited immediately`)
  return { pid: Number(pid), exited, running: () => running }
}

const firstLine = (shell: ChildProcess): Promise<string> =>
  new Promise((resolve) => {
    if (shell.stdout === null) {
      resolve('')
      return
    }
    const lines = createInterface({ input: shell.stdout })
    lines.once('line', (line) => {
      resolve(line)
      lines.close()
    })
    lines.once('close', () => {
      resolve('')
    })
  })
