/**
 * Workers as child processes of `potoroo run --workers`: the supervisor's side and the worker's.
 *
 * An IPC channel ties them together. Over it a worker says that it has started, or what is wrong with the command line or
 * the application, which all workers share and which is to be said once; and as the operating system closes it
 * when the supervisor ends, by SIGKILL too, a worker notices that nobody looks after it any more, and stops.
 */
import { type ChildProcess, fork } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { errorKinds, messageOf, PotorooError, type ErrorCode } from '../errors.js'
import type { Clock, Timer } from '../ports/clock.js'
import type { CliContext } from './context.js'
import { stackOf } from './failure.js'
import type { Exit, StartWorker, WorkerEvents } from './supervisor.js'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
const LF = 0x0a
/** A line that is longer is passed on in parts. */
const MAX_LINE_BYTES = 1024 * 1024
/**
 * What a worker has written and told is there when it ends; only a process that it left behind can hold its output open,
 * and only a reader of our own output that has stalled can keep it from being passed on.
 */
const OUTPUT_AFTER_EXIT_MS = 1000

type Output = Pick<CliContext, 'stdout' | 'stderr'>

/**
 * A terminal is handed on as it is, so that workers write to it as they would alone; else their lines are passed on.
 * `mistaken` is called with what a worker finds wrong before it starts, before its end is told. `hasOwnGroup`: signals of the
 * terminal, as Ctrl-C, do not come to it.
 */
export const workerProcesses =
  (
    argumentsOf: (worker: number) => readonly string[],
    output: Output,
    clock: Clock,
    mistaken: (mistake: PotorooError) => void,
    hasOwnGroup = false,
  ): StartWorker =>
  (worker, events) => {
    let child: ChildProcess
    try {
      child = fork(MAIN, [...argumentsOf(worker)], {
        stdio: ['ignore', to(output.stdout), to(output.stderr), 'ipc'],
        detached: hasOwnGroup,
      })
    } catch (error) {
      clock.soon(() => {
        events.ended({ code: null, signal: null, error: messageOf(error) })
      })
      return { pid: undefined, signal: () => undefined }
    }
    void follow(child, { ...events, mistaken }, output, clock)
    return {
      pid: child.pid,
      signal: (name) => {
        child.kill(name)
      },
    }
  }

const to = (stream: Output['stdout']): 'inherit' | 'pipe' => (stream.isTTY === true ? 'inherit' : 'pipe')

interface Told extends WorkerEvents {
  mistaken(mistake: PotorooError): void
}

/** Never rejects. */
async function follow(child: ChildProcess, events: Told, output: Output, clock: Clock): Promise<void> {
  child.on('message', (message: unknown) => {
    const name = startedName(message)
    if (name !== undefined) events.started(name)
    const mistake = mistakeIn(message)
    if (mistake !== undefined) events.mistaken(mistake)
  })
  const allTold = new Promise<void>((resolve) => {
    child.once('disconnect', resolve)
    if (!child.connected) resolve()
  })
  const passed = Promise.all([passLines(child.stdout, output.stdout), passLines(child.stderr, output.stderr)])
  const exit = await new Promise<Exit>((resolve) => {
    child.once('exit', (code, signal) => {
      resolve({ code, signal })
    })
    // Also emitted for a signal that could not be sent: then the process is still there.
    child.on('error', (error) => {
      if (child.pid === undefined) resolve({ code: null, signal: null, error: messageOf(error) })
    })
  })
  let giveUp: Timer | undefined
  const late = new Promise<void>((resolve) => {
    giveUp = clock.after(OUTPUT_AFTER_EXIT_MS, () => {
      child.stdout?.destroy()
      child.stderr?.destroy()
      if (child.connected) child.disconnect()
      // Who reads our output may have stalled: its end must not wait for that.
      resolve()
    })
  })
  await Promise.race([Promise.all([passed, allTold]), late])
  giveUp?.cancel()
  events.ended(exit)
}

/**
 * Resolves at the end of the input. Lines go on whole, also where several inputs share an output; a last line without
 * its end, of a process that was killed, gets one. An output that takes no more loses the lines, not the input.
 */
export async function passLines(from: Readable | null, into: Writable): Promise<void> {
  if (from === null) return
  let begun: Buffer[] = []
  let begunBytes = 0
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) {
      const end = begunBytes + chunk.length > MAX_LINE_BYTES ? chunk.length : chunk.lastIndexOf(LF) + 1
      if (end > 0) {
        await written(into, Buffer.concat([...begun, chunk.subarray(0, end)]))
        begun = []
        begunBytes = 0
      }
      if (end < chunk.length) begun.push(chunk.subarray(end))
      begunBytes += chunk.length - end
    }
  } catch {
    // It was closed before its end: what came is all there is.
  }
  if (begunBytes > 0) await written(into, Buffer.concat([...begun, Buffer.of(LF)]))
}

const written = (into: Writable, bytes: Buffer): Promise<void> =>
  new Promise((resolve) => {
    into.write(bytes, () => resolve())
  })

/**
 * The command line of one worker: what was given, with `own` in the place of what must differ between workers, and
 * without `workers`. The names are those of flags' properties (`stateDir`).
 */
export function workerArguments(
  command: Command,
  operands: readonly string[],
  own: Readonly<Record<string, string | undefined>>,
): string[] {
  const commands: Command[] = []
  for (let next: Command | null = command; next !== null; next = next.parent) commands.unshift(next)
  const given = commands.flatMap((next, depth) => [
    ...(depth === 0 ? [] : [next.name()]),
    ...next.options
      .filter((option) => !(option.attributeName() in own) && option.attributeName() !== 'workers')
      .filter((option) => next.getOptionValueSource(option.attributeName()) === 'cli')
      .flatMap((option) => argumentOf(option, next.getOptionValue(option.attributeName()))),
  ])
  const differing = command.options.flatMap((option) => {
    const value = own[option.attributeName()]
    return value === undefined ? [] : argumentOf(option, value)
  })
  return [...given, ...differing, '--supervised', '--', ...operands]
}

function argumentOf(option: Command['options'][number], value: unknown): string[] {
  const flag = option.long ?? option.short ?? option.name()
  if (typeof value === 'boolean') return value === option.negate ? [] : [flag]
  if (typeof value === 'string' || typeof value === 'number') return [`${flag}=${String(value)}`]
  throw new PotorooError('INTERNAL', `${flag} can't be handed on to workers`)
}

/** In a worker: aborted when there is no supervisor any more. */
export function supervisorGone(): AbortSignal {
  const controller = new AbortController()
  const gone = (): void => {
    controller.abort()
  }
  // Its pipes are closed, too; what is written to them on the way out must not end the worker before it has stopped.
  process.stderr.on('error', () => undefined)
  process.once('disconnect', gone)
  // The listener would keep the process alive after the worker's end.
  process.channel?.unref()
  // It may have ended while this process was being set up.
  if (!process.connected) gone()
  return controller.signal
}

/** In a worker: tells the supervisor, if it is there, that it has started. */
export function tellStarted(name: string): void {
  process.send?.({ started: name }, undefined, undefined, () => undefined)
}

const startedName = (told: unknown): string | undefined =>
  isObject(told) && typeof told['started'] === 'string' ? told['started'] : undefined

/** In a worker: tells the supervisor what is wrong. Resolves with whether that was possible. */
export const tellMistake = (mistake: PotorooError): Promise<boolean> =>
  new Promise((resolve) => {
    const { code, message, cure } = mistake
    if (process.send === undefined) resolve(false)
    else
      process.send({ mistake: { code, message, cure, stack: stackOf(mistake) } }, undefined, undefined, (error) => {
        resolve(error === null)
      })
  })

function mistakeIn(told: unknown): PotorooError | undefined {
  if (!isObject(told) || !isObject(told['mistake'])) return undefined
  const { code, message, cure, stack } = told['mistake']
  if (!isErrorCode(code)) return undefined
  if (typeof message !== 'string' || typeof cure !== 'string' || typeof stack !== 'string') return undefined
  // Shown with --debug: what went on in the worker is what counts.
  return Object.assign(new PotorooError(code, message, { cure }), { stack })
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

const isErrorCode = (code: unknown): code is ErrorCode => typeof code === 'string' && Object.hasOwn(errorKinds, code)
