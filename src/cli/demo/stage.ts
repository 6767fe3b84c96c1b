/** Where the demonstration is shown: as a picture on a terminal, as lines elsewhere. */
import type { CliContext, Environment } from '../context.js'
import type { Logger } from '../../ports/logger.js'
import type { Clock, Timer } from '../../ports/clock.js'
import { frameOf, textOf } from './frame.js'
import { Screen, type ScreenProcess, type Terminal } from './screen.js'
import { shortName, type Moment, type Show } from './show.js'
import { painted } from './spans.js'

export interface Stage {
  /** So often the workers are looked at for it. */
  readonly lookEveryMs: number
  /** For what goes on below. What is a line on standard error elsewhere would tear a picture. */
  readonly logger: Logger
  /** The page can be looked at. */
  opened(url: string): void
  /** Something happened. */
  happened(moment: Moment, show: Show): void
  /** There was a look. */
  looked(show: Show): void
  /** It is over: what is printed from now on stands below. Only the first call does something. */
  end(show: Show | undefined): void
}

const FRAME_MS = 100

/** Neither where nobody looks on, nor where a terminal can't do it, nor where lines are wanted. */
export function isPicture(stdout: CliContext['stdout'], env: Environment, wantsLines: boolean): boolean {
  const { TERM: term = '', CI: ci = '' } = env
  return stdout.isTTY === true && !wantsLines && term !== 'dumb' && term !== '' && ci === ''
}

/** Whether the terminal shows colours, and is to (NO_COLOR, FORCE_COLOR). */
export const hasColors = (stdout: CliContext['stdout'], env: Environment): boolean => stdout.hasColors?.(env) === true

/** One line a second, and one for what happens. */
export class Lines implements Stage {
  readonly lookEveryMs = 1_000

  constructor(
    private readonly stdout: CliContext['stdout'],
    readonly logger: Logger,
  ) {}

  opened(url: string): void {
    this.stdout.write(`to be seen at ${url} while it runs\n`)
  }

  happened(moment: Moment): void {
    // Warnings are on standard error; moves are in the lines.
    if (moment.kind !== 'warned' && moment.kind !== 'moved') this.stdout.write(`${textOf(moment)}\n`)
  }

  looked(show: Show): void {
    if (show.beganAtMs !== undefined) this.stdout.write(`${lineOf(show, show.beganAtMs)}\n`)
  }

  end(): void {
    // All was printed.
  }
}

export function lineOf({ atMs, points, rejections, workers, tasks }: Show, beganAtMs: number): string {
  const { recordsPerSecond = null, p99Ms = null } = points.at(-1) ?? {}
  const count = (n: number | null): string => (n === null ? '-' : Math.round(n).toLocaleString('en')).padStart(6)
  const owners = workers.map(({ name, state }) => {
    const own = tasks.filter(({ owner }) => owner === name).map(({ task }) => shortName(task))
    return `${name}: ${state === 'running' ? own.join(' ') || '-' : state}`
  })
  return (
    `${((atMs - beganAtMs) / 1_000).toFixed(0).padStart(3)} s  ${count(recordsPerSecond)} records/s  ` +
    `p99 ${count(p99Ms)} ms  ${count(rejections)} rejections  ${owners.join('  |  ')}`
  )
}

export interface PicturePorts {
  readonly terminal: Terminal
  readonly process: ScreenProcess
  readonly clock: Clock
  readonly hasColors: boolean
  /** Gets what was logged, when the picture is over. */
  readonly logger: Logger
}

export class Picture implements Stage {
  readonly lookEveryMs = 400
  readonly logger: Logger
  readonly #screen: Screen
  #show: Show | undefined
  #timer: Timer | undefined
  readonly #kept: (() => void)[] = []
  readonly #warnings: Moment[] = []
  #isOver = false

  constructor(private readonly ports: PicturePorts) {
    this.#screen = new Screen(ports.terminal, ports.process)
    const { logger } = ports
    const keep =
      (level: 'info' | 'debug' | 'warn' | 'error') =>
      (fields: object, message: string): void => {
        if (this.#isOver) logger[level](fields, message)
        else this.#kept.push(() => logger[level](fields, message))
        const isSeen = level === 'warn' || level === 'error'
        if (isSeen) this.#warnings.push({ kind: 'warned', atMs: ports.clock.now(), text: message })
      }
    this.logger = { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') }
  }

  opened(): void {
    // The picture has it.
  }

  happened(_moment: Moment, show: Show): void {
    this.looked(show)
  }

  looked(show: Show): void {
    if (this.#isOver) return
    if (this.#show === undefined) this.#screen.open()
    this.#show = show
    if (this.#timer === undefined) this.#draw()
  }

  /** With the last frame, which then stays. */
  end(show = this.#show): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#timer?.cancel()
    const { width } = this.#screen.size
    this.#screen.close()
    if (show !== undefined) {
      const frame = this.#frame(show, show.atMs, width, Infinity)
      this.ports.terminal.write(`${frame.join('\n')}\n\n`)
    }
    for (const say of this.#kept.splice(0)) say()
  }

  readonly #draw = (): void => {
    const { clock } = this.ports
    const { width, height } = this.#screen.size
    if (this.#show !== undefined) this.#screen.draw(this.#frame(this.#show, clock.now(), width, height))
    this.#timer = clock.after(FRAME_MS, this.#draw)
  }

  #frame(show: Show, nowMs: number, width: number, height: number): string[] {
    const moments = [...show.moments, ...this.#warnings].sort((a, b) => a.atMs - b.atMs)
    return frameOf({ ...show, moments }, nowMs, width, height).map((line) => painted(line, this.ports.hasColors))
  }
}
