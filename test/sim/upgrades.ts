/**
 * Rolling deployments of versions whose state objects have another shape, in some of the worlds: workers that start after one run
 * the new version, now and then still an older one, and those that run continue with the one that they have. In the end each
 * state object has been through every upgrade, once, and what a message found is stored so.
 */
import { definitionOf } from '../../src/api/application.js'
import type { ApplicationDefinition } from '../../src/api/definition.js'
import { stateObject } from '../../src/api/state-object.js'
import { bytesOf, type ByteString } from '../../src/core/records/byte-string.js'
import { readHeader } from '../../src/core/state/header.js'
import { isPotorooError } from '../../src/errors.js'
import { SeededRandom } from '../../src/memory/random.js'
import { initialState, simulatedWith, type Quote, type SymbolState } from './application.js'
import type { FeedEvent } from './applications/simulated-application.js'

/** A digit for each upgrade that it has been through. */
interface Upgraded extends SymbolState {
  readonly steps?: string
}

const MOST_VERSIONS = 3
/** Of workers that start after a deployment, so many start as an older version all the same. */
const OLD_SHARE = 0.4

const stepsOf = (version: number): string => Array.from({ length: version }, (_, step) => String(step)).join('')

/** Not the same where it runs twice, or in another order. */
const upgrade =
  (step: number) =>
  (stored: Upgraded): Upgraded => ({ ...stored, steps: `${stored.steps ?? ''}${String(step)}` })

const versions: readonly ApplicationDefinition[] = Array.from({ length: MOST_VERSIONS + 1 }, (_, version) => {
  const initial = (): Upgraded => (version === 0 ? initialState() : { ...initialState(), steps: stepsOf(version) })
  const upgrades = Array.from({ length: version }, (__, step) => upgrade(step))
  return definitionOf(
    simulatedWith(() => undefined, 'earliest', stateObject<SymbolState>('symbol', initial, { upgrades })),
  )
})

/** The version in the header of a packed state object. */
function versionOf(packed: ByteString): number {
  const found = readHeader(bytesOf(packed), 0, packed.length)
  return found.kind === 'known' ? found.header.version : -1
}

export class Upgrades {
  readonly isOn: boolean
  readonly #random: SeededRandom
  /** When each version after the first is deployed, ms from the beginning, in their order. */
  readonly #atMs: readonly number[]
  /** By process: the version that it runs. */
  readonly #runs = new Map<string, number>()
  /** Processes that started when a changelog had more than they know. */
  readonly #late = new Set<string>()

  /** `may`: false where the world has another application, or trouble that this one is not to have beside its own. */
  constructor(seed: number, may: boolean, withinMs: number) {
    this.#random = new SeededRandom(seed ^ 0x1f83d9ab)
    this.isOn = this.#random.chance(0.3) && may
    const count = this.isOn ? 1 + this.#random.below(MOST_VERSIONS) : 0
    // Some from the beginning.
    const times = Array.from({ length: count }, () =>
      this.#random.chance(0.2) ? 0 : this.#random.between(0, withinMs * 0.9),
    )
    this.#atMs = times.sort((a, b) => a - b)
  }

  /** What runs in the end. */
  get newest(): ApplicationDefinition {
    return versions[this.#atMs.length] ?? versions[0] ?? unknownVersion()
  }

  /** What a process that starts now runs. `changelog`: what is committed of state objects. */
  start(process: string, nowMs: number, calm: boolean, changelog: () => Iterable<ByteString>): ApplicationDefinition {
    const deployed = calm ? this.#atMs.length : this.#atMs.filter((atMs) => atMs <= nowMs).length
    const version = !calm && this.#random.chance(OLD_SHARE) ? this.#random.below(deployed + 1) : deployed
    this.#runs.set(process, version)
    if ([...changelog()].some((packed) => versionOf(packed) > version)) this.#late.add(process)
    return versions[version] ?? unknownVersion()
  }

  /** Whether it is to be replaced once all is well. */
  isOld(process: string): boolean {
    return this.isOn && (this.#runs.get(process) ?? 0) < this.#atMs.length
  }

  /** Whether it may end with that, or say it: what it does not know was deployed. */
  mayFind(process: string, code: unknown): boolean {
    return code === 'STATE_NEWER' && this.isOld(process)
  }

  /** Whether its tasks may stand still: one that could have known better is to be refused when it starts. */
  mayBeOutdated(process: string): boolean {
    return this.isOld(process) && !this.#late.has(process)
  }

  /** The problem with what has ended a process: what it does not know it is to find out before it touches any of it. */
  ended(process: string, error: unknown): string[] {
    if (!isPotorooError(error, 'STATE_NEWER') || !/ of key /.test(error.message)) return []
    return this.#late.has(process)
      ? [`${process} knows less than was stored, and was not refused at its start`]
      : [`${process} continued with a task that a newer version had written in`]
  }

  /** A message for each key that has a state object, which changes nothing. */
  touching(keys: Iterable<string>, atMs: number): FeedEvent[] {
    return [...keys].map((key, i): FeedEvent => {
      const quote: Quote = { id: `touch${String(i)}`, symbol: key, bid: 0, kind: 'idle' }
      return { topic: 'quotes', key, text: JSON.stringify(quote), atMs }
    })
  }

  /** The problems with what is stored, once the newest version has touched all of it. */
  stored(values: Iterable<readonly [storeKey: ByteString, packed: ByteString]>): string[] {
    return [...values].flatMap(([storeKey, packed]) => {
      const version = versionOf(packed)
      const name = storeKey.slice(storeKey.indexOf('\0') + 1)
      return version === this.#atMs.length
        ? []
        : [`state object ${name}: it is stored in version ${String(version)}, due was ${String(this.#atMs.length)}`]
    })
  }

  /** State objects as the plain calculation has them, and the problems with what they have beside that. */
  without(states: ReadonlyMap<string, unknown>): {
    readonly states: Map<string, unknown>
    readonly problems: string[]
  } {
    const due = stepsOf(this.#atMs.length)
    const problems: string[] = []
    const plain = [...states].map(([key, state]): [string, unknown] => {
      const { steps = '', ...rest } = state as Upgraded
      if (steps !== due)
        problems.push(`state object ${key}: it has been through upgrades '${steps}', due were '${due}'`)
      return [key, rest]
    })
    return { states: new Map(plain), problems }
  }
}

function unknownVersion(): never {
  throw new RangeError('no such version')
}
