/**
 * What windows and interval joins of a task have in common: when what they keep closes, what is late for it, and what of that is
 * counted and sent to the dead letters.
 *
 * Invariants
 * 1. A message is late by its own partition's bound, as it was in its source, so that it depends on one log alone. Where the clock
 *    closed what it comes to, not records, it may be late that is not so by its bound: that is counted apart.
 * 2. What a message has counted or sent to the dead letters before it failed in careful mode has not been.
 */
import type { StateDefinition, WindowsDefinition } from '../../api/definition.js'
import type { PotorooError } from '../../errors.js'
import { ranksIn, type SubTopology } from '../plan/topology.js'
import type { Watermark } from './watermark.js'

/** By what that closed which a message is late for: its partition's bound, or the clock. */
export type LateBy = 'records' | 'clock'

/** What happened to windows of one kind, or to an interval join, in a commit interval. */
export interface WindowCounts {
  /** Name of the windows, or of the join. */
  readonly windows: string
  closed: number
  /** What becomes of messages that are late. */
  readonly late: WindowsDefinition['late']
  /** Messages that were late for one of them or more. */
  lateByRecords: number
  /** Because the clock has closed it, not records: a producer has written later than it may, or it was late in one run alone. */
  lateByClock: number
}

/** What a message may be late by. */
export interface Reached {
  /** No record of its partition is older than that but what is late; -Infinity: not known. */
  readonly boundMs: number
  /** What ends at or before it has closed; -Infinity: nothing. */
  readonly closedMs: number
}

export interface ClosingsParts {
  isCareful(): boolean
  /** To the dead letters, beside what the message does else. */
  late(error: PotorooError): void
}

/** Invariant 1. Undefined: what ends then is open. */
export function lateBy(endMs: number, { boundMs, closedMs }: Reached): LateBy | undefined {
  if (endMs <= boundMs) return 'records'
  return endMs <= closedMs ? 'clock' : undefined
}

export class Closings {
  readonly #ranks: ReadonlyMap<StateDefinition, number>
  #counts = new Map<StateDefinition, WindowCounts>()
  /** Careful mode's, of the message under way. */
  #pending: (() => void)[] = []

  constructor(
    { states, timed }: Pick<SubTopology, 'states' | 'timed'>,
    private readonly time: Watermark | undefined,
    private readonly parts: ClosingsParts,
  ) {
    this.#ranks = ranksIn({ states, timed })
  }

  /** The most of all of the task. */
  get maxRank(): number {
    return Math.max(0, ...this.#ranks.values())
  }

  /** By how many ms later than it ends something closes: see api/window-ranks.ts. */
  rankOf(definition: StateDefinition): number {
    return this.#ranks.get(definition) ?? 0
  }

  /** What the message in question may be late by. */
  reached(definition: StateDefinition): Reached {
    const { time } = this
    if (time === undefined) return { boundMs: -Infinity, closedMs: -Infinity }
    return { boundMs: time.lateBoundMs ?? -Infinity, closedMs: time.timeMs - this.rankOf(definition) }
  }

  /** Why the message in question is late, in words. */
  reasonOf(by: LateBy): string {
    return by === 'records'
      ? `its partition had reached ${iso(this.time?.lateBoundMs ?? -Infinity)}`
      : `time had reached ${iso(this.time?.timeMs ?? -Infinity)} by the clock, because nothing was left to read`
  }

  /** So many have closed. */
  closed(definition: StateDefinition, number: number): void {
    this.#count(definition, (counts) => {
      counts.closed += number
    })
  }

  /** The message in question was late. `error`: what its dead letter says; undefined: it is dropped. */
  late(definition: StateDefinition, by: LateBy, error: PotorooError | undefined): void {
    this.#count(definition, (counts) => {
      if (by === 'records') counts.lateByRecords++
      else counts.lateByClock++
    })
    if (error !== undefined)
      this.#happens(() => {
        this.parts.late(error)
      })
  }

  /** Careful mode: the message under way is done. */
  settle(): void {
    const pending = this.#pending
    this.#pending = []
    for (const happens of pending) happens()
  }

  /** Careful mode: the message under way has not been. */
  undo(): void {
    this.#pending = []
  }

  /** Of the interval; the next one begins. */
  takeCounts(): readonly WindowCounts[] {
    if (this.#counts.size === 0) return NONE
    const counts = [...this.#counts.values()]
    this.#counts = new Map()
    return counts
  }

  /** The interval has not been. */
  rollBack(): void {
    this.#pending = []
    this.#counts = new Map()
  }

  #count(definition: StateDefinition, change: (counts: WindowCounts) => void): void {
    this.#happens(() => {
      let counts = this.#counts.get(definition)
      if (counts === undefined) {
        const { name, windows } = definition
        counts = { windows: name, closed: 0, late: windows?.late ?? 'dead-letter', lateByRecords: 0, lateByClock: 0 }
        this.#counts.set(definition, counts)
      }
      change(counts)
    })
  }

  /** Invariant 2 */
  #happens(work: () => void): void {
    if (this.parts.isCareful()) this.#pending.push(work)
    else work()
  }
}

const NONE: readonly never[] = []

export const iso = (ms: number): string => (Number.isFinite(ms) ? new Date(ms).toISOString() : 'nowhere')
