/**
 * A terminal for as long as a picture is drawn on it, full of it. What was there before is there again afterwards, as the terminal
 * has a second screen for that; a picture that is printed line by line would be torn by every change of the window's size.
 *
 * Invariants
 * 1. Whatever ends the process but SIGKILL leaves the terminal as it was: cursor, wrapping, what stood there.
 * 2. After `close` nothing is written any more.
 */
import type { Writable } from 'node:stream'

export type Terminal = Writable & { readonly columns?: number; readonly rows?: number }

/** What of the process is needed. */
export interface ScreenProcess {
  readonly pid: number
  on(event: 'exit' | 'SIGTSTP' | 'SIGCONT', listener: () => void): unknown
  off(event: 'exit' | 'SIGTSTP' | 'SIGCONT', listener: () => void): unknown
  kill(pid: number, signal: 'SIGSTOP'): unknown
}

/** The second screen, its wrapping off, without a cursor; and the way back, in the reverse order. */
const ENTER = '\u001b[?1049h\u001b[?7l\u001b[?25l\u001b[2J'
const LEAVE = '\u001b[?25h\u001b[?7h\u001b[?1049l'
/** Terminals that know these show all of a frame at once. */
const BEGIN = '\u001b[?2026h\u001b[H'
const END = '\u001b[?2026l'
const TO_LINE_END = '\u001b[K'
const TO_END = '\u001b[J'

const FALLBACK = { columns: 80, rows: 24 }

export class Screen {
  #isOpen = false
  #isClosed = false
  #shown = ''

  constructor(
    private readonly terminal: Terminal,
    private readonly process: ScreenProcess,
  ) {}

  get size(): { readonly width: number; readonly height: number } {
    const { columns = 0, rows = 0 } = this.terminal
    // A terminal that was never told its size says 0.
    return { width: columns > 0 ? columns : FALLBACK.columns, height: rows > 0 ? rows : FALLBACK.rows }
  }

  open(): void {
    this.#enter()
    this.process.on('exit', this.#leave)
    this.process.on('SIGTSTP', this.#suspend)
    this.process.on('SIGCONT', this.#enter)
    this.terminal.on('resize', this.#forget)
  }

  /** `lines`: as the terminal takes them, none wider than it is. */
  draw(lines: readonly string[]): void {
    if (!this.#isOpen) return
    const text = lines.map((line) => `${line}${TO_LINE_END}`).join('\r\n')
    if (text === this.#shown) return
    this.#shown = text
    this.terminal.write(`${BEGIN}${text}${TO_END}${END}`)
  }

  close(): void {
    this.#leave()
    this.#isClosed = true
    this.process.off('exit', this.#leave)
    this.process.off('SIGTSTP', this.#suspend)
    this.process.off('SIGCONT', this.#enter)
    this.terminal.off('resize', this.#forget)
  }

  readonly #enter = (): void => {
    if (this.#isOpen || this.#isClosed) return
    this.#isOpen = true
    this.#forget()
    this.terminal.write(ENTER)
  }

  readonly #leave = (): void => {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.terminal.write(LEAVE)
  }

  /** Ctrl-Z: the shell gets its own screen back. */
  readonly #suspend = (): void => {
    this.#leave()
    this.process.kill(this.process.pid, 'SIGSTOP')
  }

  /** What the terminal made of the last frame is not known. */
  readonly #forget = (): void => {
    this.#shown = ''
  }
}
