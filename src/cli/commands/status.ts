import type { Command } from 'commander'
import { namesOf } from '../../core/plan/topology.js'
import { exitCodes, isPotorooError } from '../../errors.js'
import { viewGroup } from '../../kafka/group-view.js'
import { createPeers } from '../../peers/peers.js'
import { systemClock } from '../../system.js'
import { loadApplication } from '../application.js'
import { kafkaOptions, peerToken, withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { failureLine } from '../failure.js'
import { connectionHelp, type ConnectionFlags, withConnection, withTopicPrefix } from '../options.js'
import { printable } from '../printable.js'
import { Looker } from '../status/looker.js'
import type { StatusReport } from '../status/report.js'
import { textOf } from '../status/text.js'

interface StatusFlags extends ConnectionFlags {
  readonly json?: boolean
  readonly watch?: boolean
  readonly topicPrefix: string
}

/** A rebalance takes less, unless a worker is stuck. */
const PATIENCE_MS = 5_000
const WATCH_INTERVAL_MS = 1_000
/** To the upper left corner, and clear what is below. */
const CLEAR_SCREEN = '\u001b[H\u001b[J'

export function registerStatus(program: Command, context: CliContext): void {
  const command = program
    .command('status')
    .summary('show workers, tasks, lag and hand-offs')
    .description(
      "Shows an application's workers, who has which task, how far each is behind, and which tasks moved last, why, and\n" +
        "for how long they paused. Reads the consumer group's metadata and asks the workers; changes nothing.",
    )
    .argument('<application>', 'a JavaScript module whose default export is an application')
    .option('--json', 'print one JSON object; with --watch, one per line')
    .option('--watch', 'repeat every second, until Ctrl-C')
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Workers are asked at the address that they gave the group. If they share a POTOROO_PEER_TOKEN, it must be set here,
too. For a worker that does not answer, status shows what it reported when it last joined, and marks it as such.

A group gives no information while it rebalances: status waits for up to 5 s, then exits with 1. With --watch, it shows what
the group last reported, and how old that is. Without workers the exit code is 0.

Examples:
  potoroo status dist/market-spread/application.js
  potoroo status dist/application.js --watch
  potoroo status dist/application.js --json`,
    )
    .action((path: string, flags: StatusFlags) => runStatus(path, flags, context))
}

async function runStatus(path: string, flags: StatusFlags, context: CliContext): Promise<void> {
  const { definition } = await loadApplication(path)
  const { logger } = context
  const peers = createPeers({ token: peerToken(context.env), logger, clock: systemClock })
  try {
    await withLog(context, flags, async (log) => {
      const view = await viewGroup(kafkaOptions(context, flags), namesOf(flags.topicPrefix, definition.name).group)
      try {
        const looker = new Looker(definition, flags.topicPrefix, { log, view, peers, clock: systemClock })
        if (flags.watch === true) await watch(looker, flags, context)
        else await showOnce(looker, flags, context)
      } finally {
        await view.close()
      }
    })
  } finally {
    await peers.close()
  }
}

async function showOnce(looker: Looker, flags: StatusFlags, context: CliContext): Promise<void> {
  const report = await looker.look(PATIENCE_MS, new AbortController().signal)
  context.stdout.write(shown(report, flags))
  if (report.state === 'rebalancing') context.exitCode(exitCodes.failure)
}

/** Ends with the signal to stop, or when nobody reads any more. */
async function watch(looker: Looker, flags: StatusFlags, context: CliContext): Promise<void> {
  const { stdout, stderr } = context
  const ended = new AbortController()
  const signal = AbortSignal.any([context.stopRequested(), ended.signal])
  stdout.once('error', () => {
    ended.abort()
  })
  const redraws = stdout.isTTY === true && flags.json !== true
  for (let first = true; !isAborted(signal); first = false) {
    const next = pause(WATCH_INTERVAL_MS, signal)
    try {
      const text = shown(await looker.look(0, signal), flags)
      const between = redraws ? CLEAR_SCREEN : first || flags.json === true ? '' : '\n'
      await written(`${between}${text}`, context, signal)
    } catch (error) {
      if (isAborted(signal)) return
      // Whoever watches wants to see the cluster come back, too.
      if (first || !isPotorooError(error) || !error.retriable) throw error
      stderr.write(`${failureLine(error)}\n`)
    }
    await next
  }
}

/** A function, so that the compiler forgets what it knew before an await. */
const isAborted = ({ aborted }: AbortSignal): boolean => aborted

const shown = (report: StatusReport, { json }: StatusFlags): string =>
  // Of a member of the group, anything may be its name.
  json === true ? `${JSON.stringify(report)}\n` : printable(textOf(report))

/** Resolves when it was written, so that a slow reader gets fewer lines, not a growing heap of them. */
const written = (text: string, { stdout }: CliContext, signal: AbortSignal): Promise<void> =>
  untilAborted(signal, (done) => {
    stdout.write(text, done)
  })

const pause = (ms: number, signal: AbortSignal): Promise<void> => {
  let timer: NodeJS.Timeout | undefined
  return untilAborted(signal, (done) => {
    timer = setTimeout(done, ms)
  }).finally(() => {
    clearTimeout(timer)
  })
}

/** Resolves when `begin` calls back, or at once when aborted. */
const untilAborted = (signal: AbortSignal, begin: (done: () => void) => void): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done)
      resolve()
    }
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
    else begin(done)
  })
