import type { Command } from 'commander'
import { namesOf, topologyOf } from '../../core/plan/topology.js'
import { isRecord } from '../../core/json-shape.js'
import { PotorooError } from '../../errors.js'
import { viewGroup, type GroupMember } from '../../kafka/group-view.js'
import { settingsOf } from '../../peers/options.js'
import { unknownState } from '../../runtime/queries/router.js'
import { systemClock } from '../../system.js'
import { loadApplication } from '../application.js'
import { Asker, type Found } from '../asker.js'
import { kafkaOptions, peerToken } from '../connection.js'
import type { CliContext } from '../context.js'
import {
  connectionHelp,
  type ConnectionFlags,
  queryConsistency,
  wholeNumber,
  withConnection,
  withTopicPrefix,
} from '../options.js'
import { printable } from '../printable.js'

interface StateFlags extends ConnectionFlags {
  readonly topicPrefix: string
  readonly prefix?: string
  readonly from?: string
  readonly before?: string
  readonly limit: number
  readonly json?: boolean
  readonly consistency?: string
}

const REBALANCE_MS = 5_000
const ASK_AGAIN_MS = 100
const MAX_PAGE = 1_000

export function registerState(program: Command, context: CliContext): void {
  const command = program
    .command('state')
    .summary('show state objects, table entries and open windows, as they are committed')
    .description(
      'Asks the workers of an application for the state object of a key, or for those of a range of keys, in the order of\n' +
        'their UTF-8 bytes. What is shown is committed. Changes nothing.',
    )
    .argument('<application>', 'a JavaScript module whose default export is an application')
    .argument('<state object>', 'the name of a state object, a table, windows or an interval join')
    .argument('[key]', 'one key; without it a range, from the first key on')
    .option('--prefix <text>', 'keys that begin so')
    .option('--from <key>', 'keys from this one on')
    .option('--before <key>', 'keys before this one')
    .option('--limit <n>', 'of a range, so many at most', wholeNumber(1), 100)
    .option('--json', 'one JSON object a line')
    .option('--consistency <what>', 'committed, fenced, or a number of ms: see docs/queries.md', queryConsistency)
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Workers are found through their group and asked at the address that they gave it; where they share a POTOROO_PEER_TOKEN, it
has to be set here, too.

Examples:
  potoroo state dist/application.js account alice
  potoroo state dist/application.js account --prefix al --limit 20
  potoroo state dist/application.js account --json`,
    )
    .action((path: string, state: string, key: string | undefined, flags: StateFlags) =>
      runState(path, state, key, flags, context),
    )
}

async function runState(
  path: string,
  state: string,
  key: string | undefined,
  flags: StateFlags,
  context: CliContext,
): Promise<void> {
  const kafka = kafkaOptions(context, flags)
  const { definition } = await loadApplication(path)
  const known = topologyOf(definition).subTopologies.flatMap(({ states }) => states.map(({ name }) => name))
  if (!known.includes(state)) throw unknownState(state, known)
  const ranged = (['prefix', 'from', 'before'] as const).filter((name) => flags[name] !== undefined)
  if (key !== undefined && ranged.length > 0)
    throw new PotorooError('INVALID_CONFIGURATION', `a key and --${ranged.join(', --')}: give one or the other`)
  const { logger } = context
  const settings = settingsOf({ token: peerToken(context.env), logger, clock: systemClock })
  const members = await membersOf(kafka, namesOf(flags.topicPrefix, definition.name).group)
  const asker = new Asker(members, settings, definition.name)
  const { consistency } = flags
  if (key !== undefined) {
    const found = await asker.ask(`/${encodeURIComponent(state)}/${encodeURIComponent(key)}`, { consistency })
    context.stdout.write(flags.json === true ? `${JSON.stringify(found)}\n` : oneText(state, found))
    return
  }
  let cursor: string | undefined
  for (let left = flags.limit; left > 0;) {
    const { prefix, from, before } = flags
    const page = await asker.ask(`/${encodeURIComponent(state)}`, {
      ...{ prefix, from, before, consistency, cursor },
      limit: String(Math.min(left, MAX_PAGE)),
    })
    const entries: readonly unknown[] = Array.isArray(page['entries']) ? page['entries'] : []
    for (const entry of entries)
      context.stdout.write(flags.json === true ? `${JSON.stringify(entry)}\n` : entryText(entry))
    left -= entries.length
    if (typeof page['cursor'] !== 'string') return
    cursor = page['cursor']
  }
}

function oneText(state: string, { key, state: fields, timers, asOf, from, worker }: Found): string {
  if (fields === null) return printable(`no ${state} of key '${String(key)}'\n`)
  const { commitMs } = isRecord(asOf) ? asOf : {}
  const when = typeof commitMs === 'number' && commitMs > 0 ? new Date(commitMs).toISOString() : 'unknown'
  const by = typeof worker === 'string' ? `, ${worker.replaceAll('\n', ' ')}` : ''
  return printable(
    `${JSON.stringify(fields, null, 2)}\n${timerLines(timers)}as of ${when}, from its ${String(from)}${by}\n`,
  )
}

const timerLines = (timers: unknown): string =>
  (Array.isArray(timers) ? timers : [])
    .flatMap((timer: unknown) => (isRecord(timer) ? [timer] : []))
    .map(({ name, id, dueMs }) => {
      const which = id === '' ? String(name) : `${String(name)} '${String(id).replaceAll('\n', ' ')}'`
      return `timer ${which} is due ${new Date(Number(dueMs)).toISOString()}\n`
    })
    .join('')

const entryText = (entry: unknown): string => {
  const { key, state } = isRecord(entry) ? entry : {}
  return printable(`${String(key).replaceAll(/[\n\t]/g, ' ')}\t${JSON.stringify(state)}\n`)
}

/** Those that can be asked. */
async function membersOf(kafka: ReturnType<typeof kafkaOptions>, group: string): Promise<readonly GroupMember[]> {
  const view = await viewGroup(kafka, group)
  try {
    const untilMs = systemClock.monotonic() + REBALANCE_MS
    for (;;) {
      const { state, members } = await view.describe()
      const found = members.filter(({ info }) => info?.address !== undefined)
      // A group tells nothing while it rebalances.
      if (found.length > 0 || state !== 'rebalancing' || systemClock.monotonic() >= untilMs) return found
      await new Promise<void>((resolve) => void systemClock.after(ASK_AGAIN_MS, resolve))
    }
  } finally {
    await view.close()
  }
}
