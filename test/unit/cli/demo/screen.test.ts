/** src/cli/demo/screen.ts; its invariants are at the head of that file. The terminal is an emulated one. */
import { EventEmitter } from 'node:events'
import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { Terminal } from '@xterm/headless'
import { Screen } from '../../../../src/cli/demo/screen.js'

class FakeProcess extends EventEmitter {
  readonly pid = 4711
  readonly signals: unknown[] = []
  kill(pid: number, signal: string): void {
    this.signals.push([pid, signal])
  }
}

function setUp(columns = 30, rows = 6) {
  const emulated = new Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true })
  let written = ''
  const terminal = Object.assign(
    new Writable({
      write: (chunk: Buffer, _, done) => {
        emulated.write(String(chunk), done)
      },
    }),
    { columns, rows },
  )
  const write = terminal.write.bind(terminal)
  terminal.write = (text: string) => {
    written += text
    return write(text)
  }
  const process = new FakeProcess()
  const screen = new Screen(terminal, process)
  /** What is on it, once it has taken all. */
  const shown = async (): Promise<{ readonly kind: string; readonly lines: readonly string[] }> => {
    await new Promise<void>((resolve) => {
      write('', () => emulated.write('', resolve))
    })
    const buffer = emulated.buffer.active
    const lines = Array.from({ length: emulated.rows }, (_, y) => buffer.getLine(y)?.translateToString(true) ?? '')
    return { kind: buffer.type, lines }
  }
  return { screen, terminal, process, emulated, shown, written: () => written }
}

const filled = (lines: readonly string[], rows = 6): string[] => Array.from({ length: rows }, (_, i) => lines[i] ?? '')

test('shows a frame in the place of the one before', async () => {
  const { screen, shown } = setUp()
  screen.open()
  screen.draw(['first, which is long', 'second', 'third'])
  expect((await shown()).lines).toEqual(filled(['first, which is long', 'second', 'third']))
  screen.draw(['1', '2'])
  expect(await shown()).toEqual({ kind: 'alternate', lines: filled(['1', '2']) })
})

test('a frame of all lines and columns does not scroll', async () => {
  const { screen, shown } = setUp()
  const lines = Array.from({ length: 6 }, (_, i) => String(i).repeat(30))
  screen.open()
  screen.draw(lines)
  expect((await shown()).lines).toEqual(lines)
})

test('the same frame is not written again; after a change of the size it is', async () => {
  const { screen, terminal, written, shown } = setUp()
  screen.open()
  screen.draw(['a'])
  const before = written()
  screen.draw(['a'])
  expect(written()).toBe(before)
  terminal.columns = 20
  terminal.emit('resize')
  expect(screen.size).toEqual({ width: 20, height: 6 })
  screen.draw(['a'])
  expect(written().length).toBeGreaterThan(before.length)
  expect((await shown()).lines).toEqual(filled(['a']))
})

const isSane = (text: string): boolean => {
  // By what was switched last.
  const last = (name: string): string | undefined =>
    [...text.matchAll(new RegExp(`\\u001b\\[\\?${name}([hl])`, 'g'))].at(-1)?.[1]
  return last('25') === 'h' && last('7') === 'h' && last('1049') === 'l'
}

test('closing gives back what was there, with a cursor and wrapping; then nothing is written any more', async () => {
  const { screen, terminal, process, shown, written } = setUp()
  terminal.write('$ npm start\r\n')
  screen.open()
  screen.draw(['a'])
  expect(isSane(written())).toBe(false)
  screen.close()
  expect(await shown()).toEqual({ kind: 'normal', lines: filled(['$ npm start']) })
  expect(isSane(written())).toBe(true)
  const before = written()
  screen.draw(['b'])
  screen.close()
  process.emit('exit')
  process.emit('SIGCONT')
  expect(written()).toBe(before)
  expect([process.eventNames(), terminal.listenerCount('resize')]).toEqual([[], 0])
})

test('the end of the process, however it comes, leaves the terminal as it was (invariant 1)', () => {
  const { screen, process, written } = setUp()
  screen.open()
  screen.draw(['a'])
  process.emit('exit')
  expect(isSane(written())).toBe(true)
})

test('Ctrl-Z gives the shell its screen back, and fg draws again', async () => {
  const { screen, process, written, shown } = setUp()
  screen.open()
  screen.draw(['a'])
  process.emit('SIGTSTP')
  expect([isSane(written()), process.signals]).toEqual([true, [[4711, 'SIGSTOP']]])
  screen.draw(['b'])
  process.emit('SIGCONT')
  screen.draw(['a'])
  expect(await shown()).toEqual({ kind: 'alternate', lines: filled(['a']) })
})

test('a terminal that was never told its size is taken for a usual one', () => {
  const { terminal, screen } = setUp()
  Object.assign(terminal, { columns: 0, rows: 0 })
  expect(screen.size).toEqual({ width: 80, height: 24 })
})
