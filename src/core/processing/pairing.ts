/**
 * Interval joins of a task: what a message meets, and what has met nothing.
 *
 * Invariants
 * 1. The open messages of a key, of both sides, are one state object. Its header says when the next of them is over, so that the due index has
 *    it.
 * 2. What two messages give carries the later of their timestamps; what has met nothing, the last moment at which it could have.
 * 3. A message is given as having met nothing once, by what falls due alone: it is out of the state object in that transaction.
 * 4. Messages are kept, and given, as copies: what a step does to one changes neither what is stored nor what others meet.
 * 5. A message that is over when it comes is late: it is in the dead letters, beside its other effects. Counted, too; what a message has
 *    counted or sent there before it failed in careful mode has not been.
 */
import type { Side, StateDefinition } from '../../api/definition.js'
import { OpenPairs, otherSide } from '../../api/open-pairs.js'
import { MAX_OPEN_MESSAGES } from '../../api/pairs.js'
import { PotorooError } from '../../errors.js'
import { ranksIn, type Operator, type SubTopology } from '../plan/topology.js'
import type { ByteString } from '../records/byte-string.js'
import { pack, packer, unpack, unpackRange } from '../state/packing.js'
import type { DueObject } from '../state/state-table.js'
import type { Emit } from './emit.js'
import { nextOverMs, overMs, partnersOf, takeOver } from './pair-places.js'
import type { Watermark } from './watermark.js'
import type { WindowCounts, WindowingParts } from './windowing.js'

export class Pairing {
  readonly #ranks: ReadonlyMap<StateDefinition, number>
  /** By join and side: what becomes of those that have met nothing. */
  readonly #unmatched: ReadonlyMap<StateDefinition, Readonly<Record<Side, readonly (readonly Operator[])[]>>>
  #counts = new Map<StateDefinition, WindowCounts>()
  /** Careful mode's, of the message under way. */
  #pending: (() => void)[] = []

  constructor(
    { states, timed }: SubTopology,
    private readonly time: Watermark | undefined,
    private readonly parts: WindowingParts,
  ) {
    this.#ranks = ranksIn({ states, timed })
    const readersOf = (state: StateDefinition, side: Side): readonly (readonly Operator[])[] =>
      timed.flatMap(({ origin, operators }) =>
        origin.kind === 'unmatched' && origin.state === state && origin.side === side ? [operators] : [],
      )
    this.#unmatched = new Map(
      states.map((state) => [state, { left: readersOf(state, 'left'), right: readersOf(state, 'right') }]),
    )
  }

  /** A message of one side. Throws STATE_NOT_PACKABLE, TOO_MANY_OPEN, and as a computation. */
  take(
    { state: definition, side, next }: Extract<Operator, { readonly kind: 'pair' }>,
    message: unknown,
    emit: Emit,
  ): void {
    const { states, context, record } = this.parts
    const withinMs = withinOf(definition)
    const place = this.parts.placeOf(definition)
    const key = record.key()
    const atMs = Math.max(0, context.timestampMs)
    record.hasEffects = true
    const partitionMs = this.time?.lateBoundMs ?? -Infinity
    const by = this.#lateBy(definition, overMs(atMs, withinMs), partitionMs)
    if (by !== undefined) {
      this.#late(definition, by, partitionMs)
      return
    }
    const packed = packMessage(definition, message)
    const open = states.touch(definition, key, place) as OpenPairs
    if (open.count >= MAX_OPEN_MESSAGES)
      throw new PotorooError(
        'TOO_MANY_OPEN',
        `interval join ${definition.name} has ${String(MAX_OPEN_MESSAGES)} open messages of this key, and takes no more`,
      )
    const boundMs = Math.max(atMs, partitionMs)
    const partners = partnersOf(open, side, { atMs, boundMs }, withinMs)
    open[side].add({ atMs, boundMs, hasMet: partners.length > 0, message: unpackMessage(definition, packed) })
    const given = partners.map((partner) => ({ atMs: partner.atMs, packed: packMessage(definition, partner.message) }))
    for (const partner of partners) open[otherSide(side)].met(partner)
    this.#keep(definition, open)
    const own = context.timestampMs
    for (const partner of given) {
      const [one, other] = [unpackMessage(definition, packed), unpackMessage(definition, partner.packed)]
      context.timestampMs = Math.max(own, partner.atMs)
      this.parts.run(next, side === 'left' ? { left: one, right: other } : { left: other, right: one }, emit)
    }
    context.timestampMs = own
  }

  /** What was due is over. */
  close(firing: DueObject, key: string, emit: Emit): void {
    const over = this.takeDue(firing, key)
    if (over === undefined) return
    const { side, message } = over
    for (const operators of this.#unmatched.get(firing.definition)?.[side] ?? [])
      this.parts.run(operators, message, emit)
  }

  /** What is due, out of the state object; undefined where it has met another, or is there no more. Throws as `touch`. */
  takeDue(firing: DueObject, key: string): { readonly side: Side; readonly message: unknown } | undefined {
    const { definition } = firing
    const open = this.parts.states.touchDue(firing, key) as OpenPairs | undefined
    if (open === undefined) return undefined
    const over = takeOver(open, this.#overByMs(firing), withinOf(definition))
    this.#keep(definition, open)
    return over && { side: over.side, message: over.one.message }
  }

  /** What is stored of what is due, `stored` being what is of all. */
  packedDue(firing: DueObject, key: string, stored: ByteString): ByteString {
    const { definition } = firing
    const over = takeOver(unpack(definition, stored, key) as OpenPairs, this.#overByMs(firing), withinOf(definition))
    const alone = new OpenPairs()
    if (over !== undefined) alone[over.side].add(over.one)
    return pack(definition, alone)
  }

  /** Invariant 2: the timestamp of what is given then. */
  timestampOf(firing: DueObject): number {
    return this.#overByMs(firing) - 1
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
    const counts = [...this.#counts.values()]
    if (counts.length > 0) this.#counts = new Map()
    return counts
  }
  /** The interval has not been. */
  retake(): void {
    this.#pending = []
    this.#counts = new Map()
  }

  #overByMs({ definition, what: { dueMs } }: DueObject): number {
    return dueMs - this.#rankOf(definition)
  }

  /** By how many ms later than they are over they are taken out: see api/window-ranks.ts. */
  #rankOf(definition: StateDefinition): number {
    return this.#ranks.get(definition) ?? 0
  }

  /** Invariant 1 */
  #keep(definition: StateDefinition, open: OpenPairs): void {
    const { states } = this.parts
    if (open.count === 0) states.forget()
    else states.setEnd(nextOverMs(open, withinOf(definition)) + this.#rankOf(definition))
  }

  #lateBy(definition: StateDefinition, endMs: number, partitionMs: number): 'records' | 'clock' | undefined {
    if (endMs <= partitionMs) return 'records'
    return this.time !== undefined && endMs <= this.time.timeMs - this.#rankOf(definition) ? 'clock' : undefined
  }

  /** Invariant 5 */
  #late(definition: StateDefinition, by: 'records' | 'clock', partitionMs: number): void {
    const { name } = definition
    const reason =
      by === 'records'
        ? `its partition had come to ${iso(partitionMs)}`
        : `time had come to ${iso(this.time?.timeMs ?? -Infinity)}, by the clock, for nothing was left to read`
    const error = new PotorooError(
      'LATE',
      `the message was late for interval join ${name}, which keeps one for ${String(withinOf(definition))} ms: ${reason}`,
    )
    const happens = (): void => {
      let counts = this.#counts.get(definition)
      if (counts === undefined) {
        counts = { windows: name, closed: 0, late: 'dead-letter', lateByRecords: 0, lateByClock: 0 }
        this.#counts.set(definition, counts)
      }
      if (by === 'records') counts.lateByRecords++
      else counts.lateByClock++
      this.parts.late(error)
    }
    if (this.parts.isCareful()) this.#pending.push(happens)
    else happens()
  }
}

const iso = (ms: number): string => (Number.isFinite(ms) ? new Date(ms).toISOString() : 'nowhere')

function withinOf({ pairs, name }: StateDefinition): number {
  if (pairs === undefined) throw new RangeError(`${name} is no interval join`)
  return pairs.withinMs
}

/** A message is a field of it: for it may be any value, and an object is then named as that of the join. */
const envelopes = new WeakMap<StateDefinition, StateDefinition>()
function envelopeOf(definition: StateDefinition): StateDefinition {
  let envelope = envelopes.get(definition)
  if (envelope === undefined) {
    envelope = {
      name: definition.name,
      partitions: undefined,
      beginsAlike: true,
      prototype: Object.prototype,
      initial: () => ({}),
      toPlain: (one) => one,
      fromPlain: (plain) => plain as object,
      upgrades: [],
    }
    envelopes.set(definition, envelope)
  }
  return envelope
}

/** A copy of its own: what is packed next takes the packer's memory. */
function packMessage(definition: StateDefinition, message: unknown): Buffer {
  const length = packer.pack(envelopeOf(definition), { message })
  return Buffer.from(packer.bytes.subarray(0, length))
}
const unpackMessage = (definition: StateDefinition, packed: Buffer): unknown =>
  (unpackRange(envelopeOf(definition), packed, 0, packed.length, '') as { readonly message: unknown }).message
