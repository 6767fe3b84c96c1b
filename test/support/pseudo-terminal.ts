/** A command in a terminal that is none: `script` of util-linux gives it one, an emulator shows what stands on it. */
import { spawn } from 'node:child_process'
import { Terminal } from '@xterm/headless'
import { afterAll } from 'vitest'
import { until } from './until.js'

export interface PseudoTerminal {
  readonly emulated: Terminal
  /** What stands on it, line by line, without what has scrolled away. */
  lines(): readonly string[]
  /** The second one is for programs that draw on all of it. */
  screen(): 'normal' | 'alternate'
  /** All that was written, as it was. */
  written(): string
  /** As typed. */
  type(text: string): void
  resize(columns: number, rows: number): Promise<void>
  /** Resolves when it stands there. Rejects when the command ends without it. */
  shows(pattern: RegExp, timeoutMs?: number): Promise<void>
  /** Resolves with the command's exit code. */
  readonly exited: Promise<number | null>
}

const started = new Set<{ kill(signal: NodeJS.Signals): boolean }>()
afterAll(() => {
  for (const child of started) child.kill('SIGKILL')
})

const CLEAR = String.raw`\033[2J\033[H`

const quoted = (word: string): string => `'${word.replaceAll("'", String.raw`'\''`)}'`

export async function inTerminal(
  command: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  columns = 90,
  rows = 28,
): Promise<PseudoTerminal> {
  const emulated = new Terminal({ cols: columns, rows, allowProposedApi: true, scrollback: 1_000 })
  const shell = `tty; stty cols ${String(columns)} rows ${String(rows)}; printf '${CLEAR}'; exec ${command.map(quoted).join(' ')}`
  const child = spawn('script', ['--quiet', '--flush', '--return', '--command', shell, '/dev/null'], {
    env: { ...env, SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  started.add(child)
  // What is typed into a terminal that is gone goes nowhere.
  child.stdin.on('error', () => undefined)
  let written = ''
  let hasEnded = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text
    emulated.write(text)
  })
  const exited = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      hasEnded = true
      emulated.write('', () => {
        resolve(code)
      })
    })
  })
  const lines = (): readonly string[] => {
    const { active } = emulated.buffer
    return Array.from(
      { length: emulated.rows },
      (_, y) => active.getLine(active.baseY + y)?.translateToString(true) ?? '',
    )
  }
  const terminal: PseudoTerminal = {
    emulated,
    lines,
    screen: () => emulated.buffer.active.type,
    written: () => written,
    type: (text) => child.stdin.write(text),
    exited,
    resize: async (newColumns, newRows) => {
      const [device = ''] = /\/dev\/\S+/.exec(written) ?? []
      const stty = spawn('stty', ['-F', device, 'cols', String(newColumns), 'rows', String(newRows)])
      const code = await new Promise((resolve) => stty.once('close', resolve))
      if (code !== 0) throw new Error(`stty can't resize ${device}`)
      emulated.resize(newColumns, newRows)
    },
    shows: async (pattern, timeoutMs) => {
      const isThere = (): boolean => lines().some((line) => pattern.test(line))
      try {
        await until(`${String(pattern)} on the terminal`, () => isThere() || hasEnded, timeoutMs)
      } finally {
        if (!isThere()) process.stderr.write(`${lines().join('\n')}\n`)
      }
      if (!isThere()) throw new Error(`ended without ${String(pattern)}`)
    },
  }
  await until('its device is known', () => written.includes('/dev/') && written.includes('\u001b[2J'))
  return terminal
}
