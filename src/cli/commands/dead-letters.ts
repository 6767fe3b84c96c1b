import { type Command, Option } from 'commander'
import { checkName } from '../../api/names.js'
import { topicsOf } from '../../api/graph.js'
import { letterId } from '../../core/processing/dead-letter-marks.js'
import { loadPartitioners } from '../../core/plan/partitioner.js'
import { namesOf } from '../../core/plan/topology.js'
import { exitCodes, isPotorooError, PotorooError } from '../../errors.js'
import type { Log } from '../../ports/log.js'
import { finishLetters } from '../../runtime/dead-letters/finish.js'
import {
  describeLetters,
  lettersOf,
  readMarks,
  type Letter,
  type LetterChoice,
} from '../../runtime/dead-letters/letters.js'
import { Targets, timestampFor, type Timestamps } from '../../runtime/dead-letters/targets.js'
import { systemClock } from '../../system.js'
import { loadApplication, type LoadedApplication } from '../application.js'
import { withLog } from '../connection.js'
import type { CliContext } from '../context.js'
import { choiceOf, type ChoiceFlags, isEmpty, letterCode, time } from '../dead-letters/chosen.js'
import {
  headerText,
  letterJson,
  listText,
  type MarkedLetter,
  showText,
  stateText,
  valueText,
} from '../dead-letters/text.js'
import { readerOf, type Tried, tryLetter } from '../dead-letters/try.js'
import { stackOf } from '../failure.js'
import {
  connectionHelp,
  type ConnectionFlags,
  topicName,
  wholeNumber,
  withConnection,
  withTopicPrefix,
} from '../options.js'
import { printable, printableBytes } from '../printable.js'

interface DeadLettersFlags extends ConnectionFlags, ChoiceFlags {
  readonly all?: boolean
  readonly json?: boolean
  readonly dryRun?: boolean
  readonly yes?: boolean
  readonly timestamps: Timestamps
  readonly replicationFactor?: number
}

const now = (): number => systemClock.now()

const CHOICE = ['code', 'topic', 'partition', 'since', 'until', 'key'] as const
/** By what is done: the options that it takes, beside those of every command. */
const actions = {
  list: [...CHOICE, 'all', 'json'],
  show: ['json'],
  replay: [...CHOICE, 'dryRun', 'yes', 'timestamps', 'replicationFactor'],
  drop: [...CHOICE, 'dryRun', 'yes', 'replicationFactor'],
  try: [],
} as const satisfies Record<string, readonly (keyof DeadLettersFlags)[]>
type Action = keyof typeof actions

const isAction = (word: string): word is Action => Object.hasOwn(actions, word)

export function registerDeadLetters(program: Command, context: CliContext): void {
  const command = program
    .command('dead-letters')
    .summary('list, inspect, try, replay or drop dead letters')
    .description(
      "Actions on an application's dead letters:\n" +
        '  list     the open ones, one per line\n' +
        '  show     some of them in full: reason, origin, headers, key, value, and the state objects that they met\n' +
        '  replay   write them back to where they came from: each once, even if this is killed and run again\n' +
        '  drop     mark them as done: nothing is removed from the topic\n' +
        '  try      run the computation locally, on message and state object; nothing is written',
    )
    .argument(
      '<application>',
      "a JavaScript module whose default export is an application, or just the application's name",
    )
    .argument('<action>', 'list, show, replay, drop or try')
    .argument('[letters...]', 'which ones: <partition>:<offset>, as shown by list')
    .option('--code <code>', 'only with this error code; may be repeated', letterCode)
    .option('--topic <topic>', 'only from this topic', topicName)
    .option('--partition <n>', 'only from this partition of it', wholeNumber(0))
    .option('--since <time>', 'only those written since 2026-01-31T12:00:00Z, or 30m, 2h, 3d ago', time(now))
    .option('--until <time>', 'only those written before that', time(now))
    .option('--key <key>', 'only with this key')
    .option('--all', 'list: also those that were replayed or dropped')
    .option('--json', 'list, show: print JSON, one object per line')
    .option('--dry-run', 'replay, drop: show which ones, and do nothing')
    .option('--yes', 'replay, drop: all open ones, if none are named or selected')
    .addOption(
      new Option('--timestamps <which>', 'replay: keep the timestamp of the record, or use the current time')
        .choices(['original', 'now'])
        .default('original'),
    )
    .option(
      '--replication-factor <n>',
      "replay, drop: for the topic of marks when it is created (default: the broker's)",
      wholeNumber(1, 32_767),
    )
  withTopicPrefix(withConnection(command))
    .addHelpText(
      'after',
      `${connectionHelp}

Workers may run meanwhile. If two processes replay or drop at the same time, nothing is done twice: one of them ends with FENCED.

Exit codes:
  0  done, and try: the message went through
  1  failed, or some could not be replayed; try: it failed again
  2  wrong usage, or no such dead letter      3  no dead letters      4  broker unreachable

Under a debugger: node --inspect-brk node_modules/potoroo/dist/cli/main.js dead-letters dist/application.js try 0:17

Examples:
  potoroo dead-letters dist/application.js list --since 2h
  potoroo dead-letters bank show 0:17
  potoroo dead-letters dist/application.js try 0:17
  potoroo dead-letters bank replay --code COMPUTATION_FAILED --topic payments --dry-run
  potoroo dead-letters bank replay 0:17 3:4
  potoroo dead-letters bank drop --code NOT_JSON --until 2026-01-31T12:00:00Z`,
    )
    .action((first: string, second: string, letters: readonly string[], flags: DeadLettersFlags) => {
      // In either order: a word that is an action is taken for one.
      const [application, action] = isAction(second) || !isAction(first) ? [first, second] : [second, first]
      if (!isAction(action))
        throw new PotorooError(
          'INVALID_CONFIGURATION',
          `'${action}' is not an action of dead-letters, which are ${Object.keys(actions).join(', ')}`,
        )
      checkFlags(command, action)
      return run(application, action, letters, flags, context)
    })
}

/** An option that would be passed over in silence is a mistake. */
function checkFlags(command: Command, action: Action): void {
  const taken: readonly string[] = [...actions[action], 'topicPrefix', 'brokers']
  for (const option of command.options) {
    const name = option.attributeName()
    if (taken.includes(name) || command.getOptionValueSource(name) !== 'cli') continue
    const takers = Object.entries<readonly string[]>(actions).flatMap(([one, names]) =>
      names.includes(name) ? [one] : [],
    )
    throw new PotorooError(
      'INVALID_CONFIGURATION',
      `${option.long ?? name} does not apply to ${action}: it is for ${takers.join(', ')}`,
    )
  }
}

interface Work {
  readonly log: Log
  readonly names: ReturnType<typeof namesOf>
  readonly action: Action
  readonly choice: LetterChoice
  readonly flags: DeadLettersFlags
  readonly context: CliContext
  readonly signal: AbortSignal
}

async function run(
  application: string,
  action: Action,
  letters: readonly string[],
  flags: DeadLettersFlags,
  context: CliContext,
): Promise<void> {
  const choice = choiceOf(letters, flags)
  const loaded = await applicationOf(application, action)
  const names = namesOf(flags.topicPrefix, typeof loaded === 'string' ? loaded : loaded.definition.name)
  if ((action === 'show' || action === 'try') && letters.length === 0) throw wants(action)
  if ((action === 'replay' || action === 'drop') && isEmpty(choice) && flags.yes !== true && flags.dryRun !== true)
    throw new PotorooError('INVALID_CONFIGURATION', `${action} of all open dead letters needs --yes`, {
      cure: 'Name some, choose with --code, --topic, --key, --since or --until, or look with --dry-run.',
    })
  const signal = context.stopRequested()
  try {
    await withLog(context, flags, async (log) => {
      const work: Work = { log, names, action, choice, flags, context, signal }
      if (action === 'try') await tryThem(work, loaded)
      else if (action === 'list' || action === 'show') await look(work)
      else if (flags.dryRun === true) await preview(work)
      else await finish(work, action)
    })
  } catch (error) {
    // Told to stop while it was reading.
    if (!signal.aborted || isPotorooError(error)) throw error
    context.exitCode(exitCodes.failure)
  }
}

const wants = (action: Action): PotorooError =>
  new PotorooError(
    'INVALID_CONFIGURATION',
    `${action} needs the ids of dead letters: <partition>:<offset>, such as 0:17`,
    {
      cure: '`list` shows them.',
    },
  )

/** A name where that is enough. */
async function applicationOf(application: string, action: Action): Promise<LoadedApplication | string> {
  if (/\.[cm]?[jt]sx?$|[/\\]/.test(application)) return loadApplication(application)
  if (action === 'try')
    throw new PotorooError(
      'INVALID_CONFIGURATION',
      `there is no module ${application}: try runs the application's own code`,
    )
  return checkName('an application', application)
}

/** Chosen ones, with what was done with them. Records that are no dead letters are told. */
async function* marked({ log, names, choice, context, signal }: Work): AsyncGenerator<MarkedLetter> {
  const topic = await describeLetters(log, names)
  const marks = await readMarks(log, names, topic, signal)
  let others = 0
  for await (const letter of lettersOf(log, topic, choice, signal, () => others++))
    yield { letter, mark: marks.of(letter) }
  if (others > 0)
    context.stderr.write(`${String(others)} records of ${names.deadLetters} are not Potoroo dead letters\n`)
}

async function look(work: Work): Promise<void> {
  const { action, flags, names, context } = work
  const { stdout, stderr } = context
  const isShow = action === 'show'
  const rows: MarkedLetter[] = []
  const count = { open: 0, done: 0 }
  const json = (one: MarkedLetter): string => {
    const line = JSON.stringify(letterJson(one, isShow))
    return `${stdout.isTTY === true ? printable(line) : line}\n`
  }
  for await (const one of marked(work)) {
    count[one.mark === undefined ? 'open' : 'done']++
    if (one.mark !== undefined && !isShow && flags.all !== true) continue
    if (flags.json === true) stdout.write(json(one))
    else if (isShow) stdout.write(showText(one, names.deadLetters))
    // Values and state objects of many are not kept.
    else rows.push({ mark: one.mark, letter: light(one.letter) })
  }
  if (isShow) return
  if (flags.json !== true && rows.length > 0) stdout.write(listText(rows, flags.all === true))
  const hidden = flags.all === true ? '' : ' that are not shown (--all)'
  stderr.write(`${String(count.open)} open, ${String(count.done)} done${count.done > 0 ? hidden : ''}\n`)
}

const light = (letter: Letter): Letter => ({
  ...letter,
  value: null,
  block: { ...letter.block, headers: [], states: [] },
})

/** What replay or drop would do. */
async function preview(work: Work): Promise<void> {
  const { action, context, flags, log } = work
  const targets = new Targets(log)
  const rows: MarkedLetter[] = []
  let refused = 0
  for await (const { letter, mark } of marked(work)) {
    if (mark !== undefined) continue
    const nowMs = systemClock.now()
    const atMs = timestampFor(letter, flags.timestamps, nowMs)
    const refusal = action === 'replay' ? await targets.refusal(letter, atMs, nowMs) : undefined
    if (refusal === undefined) rows.push({ mark, letter: light(letter) })
    else {
      refused++
      sayRefused(context, letter, refusal)
    }
  }
  if (rows.length > 0) context.stdout.write(listText(rows, false))
  context.stderr.write(`would ${action} ${String(rows.length)}${leftOpen(refused)}\n`)
}

async function finish({ log, names, choice, flags, context, signal }: Work, how: 'replay' | 'drop'): Promise<void> {
  const done = how === 'replay' ? 'replayed' : 'dropped'
  const { stderr, stdout } = context
  const finished = await finishLetters({ log, clock: systemClock }, names, {
    how,
    choice,
    timestamps: flags.timestamps,
    replicationFactor: flags.replicationFactor,
    said: (count) => void stderr.write(`${done} ${String(count)}\n`),
    refused: (letter, reason) => {
      sayRefused(context, letter, reason)
    },
    signal,
  })
  const before = finished.before === 0 ? '' : `; ${String(finished.before)} done before`
  const stopped = finished.stopped ? '; stopped, and can be run again' : ''
  stdout.write(`${done} ${String(finished.done)}${before}${leftOpen(finished.refused)}${stopped}\n`)
  if (finished.refused > 0 || finished.stopped) context.exitCode(exitCodes.failure)
}

const leftOpen = (refused: number): string => (refused === 0 ? '' : `; ${String(refused)} stay open`)

const sayRefused = ({ stderr }: CliContext, letter: Letter, reason: string): void =>
  void stderr.write(printable(`${letterId(letter)} can't be replayed: ${reason}\n`))

async function tryThem(work: Work, loaded: LoadedApplication | string): Promise<void> {
  const { log, names, context } = work
  if (typeof loaded === 'string') throw wants('try')
  const { definition } = loaded
  await loadPartitioners(topicsOf(definition).map(({ partitioner }) => partitioner))
  const targets = new Targets(log)
  for await (const { letter } of marked(work)) {
    const { origin, statesLeftOut } = letter.block
    const { source } = readerOf(definition, names, origin.topic)
    const topic = await targets.topic(origin.topic)
    if (statesLeftOut !== undefined)
      context.stderr.write(
        printable(`too large for the dead letter, so they start empty here (bytes): ${statesLeftOut}\n`),
      )
    else if (source.states.length > 0 && letter.block.states.length === 0)
      context.stderr.write('the dead letter carries no state objects: they start empty here\n')
    const tried = tryLetter(definition, names, letter, topic?.partitions ?? origin.partition + 1, systemClock.now())
    context.stdout.write(triedText(letter, tried))
    if (tried.failure !== undefined) context.exitCode(exitCodes.failure)
  }
}

function triedText(letter: Letter, { failure, outputs, states }: Tried): string {
  const lines = [
    `dead letter ${letterId(letter)}: ${failure === undefined ? 'it went through' : `failed with ${failure.code}`}`,
  ]
  if (failure !== undefined) lines.push(failure.cause === undefined ? failure.message : stackOf(failure.cause))
  for (const { topic, key, value, headers } of outputs) {
    lines.push(`output to ${topic}${key === null ? '' : `, key ${printableBytes(key)}`}`)
    lines.push(...headers.map((header) => `  ${headerText(header)}`), ...indented(valueText(topic, value)))
  }
  if (failure === undefined && outputs.length === 0) lines.push('no output')
  for (const { name, before, after } of states) {
    lines.push(`state object ${name} before`, ...indented(stateText(before)))
    if (failure !== undefined) continue
    const same =
      before === after || (before !== undefined && after !== undefined && Buffer.compare(before, after) === 0)
    lines.push(...(same ? ['  unchanged'] : [`state object ${name} after`, ...indented(stateText(after))]))
  }
  return printable(`${lines.join('\n')}\n`)
}

const indented = (text: string): string[] => text.split('\n').map((line) => `  ${line}`)
