/** Plants faults, looks for them with the simulation, and writes down what was found: the table of docs/simulation.md. */
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Worker as Thread } from 'node:worker_threads'
import type { compileSimulation } from './compile.mjs'
import { plantedFaults, type PlantedFault } from './planted-faults/index.js'
import type { SimulateInThread } from './planted-thread.js'

type Compile = typeof compileSimulation

/** A row of the table. */
export interface Found {
  readonly what: string
  readonly seed: number
  /** What became of it there: the first that the simulation says, in general words. */
  readonly consequence: string
}

const SEEDS = 1_000

/** The simulation with a fault in it, in the worlds that are to find it. Call `end` when done. */
export class Planted {
  readonly #thread: Thread

  private constructor(
    readonly what: string,
    folder: string,
    private readonly wire: boolean,
  ) {
    // A thread of its own: what was imported stays in memory, and there are hundreds of faults.
    this.#thread = new Thread(join(folder, 'test/sim/planted-thread.js'))
  }

  static in({ what, plants, wire = false }: PlantedFault, compile: Compile): Planted {
    const folder = compile(`planted-${String(plantedFaults.findIndex((fault) => fault.what === what))}`, plants)
    return new Planted(what, folder, wire)
  }

  /** Undefined when that seed finds nothing. */
  async foundAt(seed: number): Promise<string | undefined> {
    const answered = once(this.#thread, 'message')
    this.#thread.postMessage({ seed, wire: this.wire } satisfies SimulateInThread)
    const [problems] = (await answered) as [readonly string[]]
    const [problem] = problems
    return problem === undefined ? undefined : consequenceOf(problem)
  }

  /** With the first seed that finds it; undefined when none does. */
  async search(): Promise<Found | undefined> {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const consequence = await this.foundAt(seed)
      if (consequence !== undefined) return { what: this.what, seed, consequence }
    }
    return undefined
  }

  async end(): Promise<void> {
    await this.#thread.terminate()
  }
}

const consequences: readonly (readonly [RegExp, string])[] = [
  [/ ended: ([A-Z][A-Z_]+)/, 'a worker ends: $1'],
  [/ ended: /, 'a worker ends, for no good reason'],
  [/a warning of what nobody did/, 'a warning says what nobody did'],
  [/ goes on at epoch \d+/, 'a producer goes on at an epoch that was replaced'],
  [/^no copy was used/, 'no copy of a store is used'],
  [/ was not refused/, 'a store that had to be refused was not'],
  [/ is answered ([A-Z_]+)/, 'a request is answered $1'],
  [/^a copy of the store would have helped/, 'a copy of the store would have helped, and there is none'],
  [/^the group waits for /, 'the group waits for a worker that was told to stop'],
  [/^the simulation broke off/, 'the simulation breaks off'],
  [/^not at rest/, 'it never ends'],
  [/a slow message was computed \d+ times/, 'a slow message is computed again and again'],
  [/ says what nobody did/, 'the log says what nobody did'],
  [/the store of /, 'a store has what the changelog has not'],
  [/^state object /, 'a state object is wrong'],
  [/: lost \d/, 'an output is lost'],
  [/: repeated, or never due \d/, 'an output is there that was not due'],
  [/: out of order/, 'outputs are out of order'],
  [/^purged: .* is no repartition$/, 'what is no repartition is purged'],
  [/^purged: /, 'a repartition is purged further than was acknowledged'],
  [/^not purged/, 'a repartition is not purged'],
  [/^an index /, 'the index of what falls due has no entry for it'],
  [/^money: /, 'money is made, or lost'],
  [/: numbers /, 'a state object has forgotten something, or has it twice'],
  [/^an incompatible version /, 'an incompatible version was not refused'],
  [/^assigned: /, 'a task goes to a worker with an older version of it'],
  [/ continued with a task that a newer version had written in/, "a worker continues with what it can't read"],
  [/^the reset does not end/, 'a reset does not end'],
  [/^lookup of /, 'a lookup finds what was replaced before its message was written'],
  [/^joined: a read says otherwise/, 'a read and a join within one message do not agree'],
  [/^(?:customers|accounts): /, 'a state object is wrong'],
  [/^asked: .*not committed$/, 'a call is made for what is not committed'],
  [/^asked: .* is asked for as /, 'calls of one message have two ids'],
  [/^asked: /, 'a result is of another call than the one that was made'],
  [/^deliveries: /, 'a state object is wrong'],
  [/^checked, /, 'an output has seen another state than it should'],
  [/^it was (?:told before it was|never) committed/, 'an answer is of what is not committed'],
  [/^it is older than it may be/, 'an answer is older than it may be'],
  [/^it is not what that commit has/, 'an answer is not what its commit has'],
  [/^an answer of .* was seen before|: an answer went back from /, 'an answer goes back'],
  [/^a scan has passed over /, 'a scan passes over a key'],
  [/^a scan /, 'a scan has what is not in its range'],
  [/ fails, and is no dead letter/, 'a message is neither done nor a dead letter'],
  [/ has not said that .* is back, /, 'the log never says that what was gone is back'],
]

function consequenceOf(said: string): string {
  const problem = said.replace(/^(?:operator|routing|timed|joins|calls|replays|distant|windows|pairs|queries): /, '')
  for (const [pattern, consequence] of consequences) {
    const match = pattern.exec(problem)
    if (match !== null) return consequence.replace('$1', match[1] ?? '')
  }
  return problem.split('\n')[0] ?? ''
}

const TABLE = /^\| fault +\| seed +\| consequence +\|\n(?:\|.*\n)+/m

/** Throws where a document has no such table. */
export function readTable(document: string): Found[] {
  const [table] = TABLE.exec(document) ?? []
  if (table === undefined) throw new Error('there is no table of planted faults')
  const rows = table.trim().split('\n').slice(2)
  return rows.map((row) => {
    const [what = '', seed = '', consequence = ''] = row
      .split('|')
      .map((cell) => cell.trim())
      .slice(1)
    return { what, seed: Number(seed), consequence }
  })
}

/** As prettier has it. */
function tableOf(found: readonly Found[]): string {
  const rows = found.map(({ what, seed, consequence }) => [what, String(seed), consequence])
  const head = ['fault', 'seed', 'consequence']
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |\n`
  return [head, widths.map((width) => '-'.repeat(width)), ...rows].map(line).join('')
}

/** `npm run sim -- --planted`: looks for all of them, and writes the table of that document again. Returns the exit status. */
export async function renewTable(path: string, compile: Compile): Promise<number> {
  const found: Found[] = []
  for (const fault of plantedFaults) {
    const planted = Planted.in(fault, compile)
    const one = await planted.search()
    await planted.end()
    process.stdout.write(`${one === undefined ? 'NOT FOUND' : `seed ${String(one.seed)}`}: ${fault.what}\n`)
    if (one !== undefined) found.push(one)
  }
  const document = readFileSync(path, 'utf8')
  writeFileSync(
    path,
    document.replace(TABLE, () => tableOf(found)),
  )
  return found.length === plantedFaults.length ? 0 : 1
}
