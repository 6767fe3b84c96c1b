/**
 * Interval joins of a task: what a message meets, and what has met nothing.
 *
 * Invariants
 * 1. The open messages of a key, of both sides, are one state object. Its header says when the next of them is over, so that the due index has
 *    it.
 * 2. What two messages give carries the later of their timestamps; what has met nothing, the last moment at which it could have.
 * 3. A message is given as having met nothing once, by what falls due alone: it is out of the state object in that transaction.
 * 4. Messages are kept, and given, as copies: what a step does to one changes neither what is stored nor what others meet.
 * 5. A message that is over when it comes is late: it is counted, and in the dead letters, beside its other effects.
 */
import type { Side, StateDefinition } from '../../api/definition.js'
import { OpenPairs, otherSide } from '../../api/open-pairs.js'
import { MAX_OPEN_MESSAGES } from '../../api/pairs.js'
import { PotorooError } from '../../errors.js'
import type { Operator, SubTopology } from '../plan/topology.js'
import type { ByteString } from '../records/byte-string.js'
import { pack, packer, unpack, unpackRange } from '../state/packing.js'
import type { DueObject } from '../state/state-table.js'
import { lateBy, type LateBy } from './closings.js'
import type { Emit } from './emit.js'
import { nextOverMs, overMs, partnersOf, takeOver } from './pair-places.js'
import type { WindowingParts } from './windowing.js'

export class Pairing {
  /** By join and side: what becomes of those that have met nothing. */
  readonly #unmatched: ReadonlyMap<StateDefinition, Readonly<Record<Side, readonly (readonly Operator[])[]>>>

  /** By join: what its messages are packed as. */
  readonly #envelopes: ReadonlyMap<StateDefinition, StateDefinition>

  constructor(
    { states, timed }: SubTopology,
    private readonly parts: WindowingParts,
  ) {
    this.#envelopes = new Map(states.map((state) => [state, envelopeOf(state)]))
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
    const { states, context, record, closings } = this.parts
    const withinMs = withinOf(definition)
    const envelope = this.#envelopes.get(definition)
    if (envelope === undefined) throw new RangeError(`${definition.name} is not kept here`)
    const place = this.parts.placeOf(definition)
    const key = record.key()
    const atMs = Math.max(0, context.timestampMs)
    record.hasEffects = true
    const reached = closings.reached(definition)
    const by = lateBy(overMs(atMs, withinMs), reached)
    if (by !== undefined) {
      closings.late(definition, by, this.#lateError(definition, by))
      return
    }
    const packed = packMessage(envelope, message)
    const open = states.touch(definition, key, place) as OpenPairs
    if (open.count >= MAX_OPEN_MESSAGES)
      throw new PotorooError(
        'TOO_MANY_OPEN',
        `interval join ${definition.name} has ${String(MAX_OPEN_MESSAGES)} open messages of this key, which is the limit`,
      )
    const boundMs = Math.max(atMs, reached.boundMs)
    const partners = partnersOf(open, side, { atMs, boundMs }, withinMs)
    open[side].add({ atMs, boundMs, hasMet: partners.length > 0, message: unpackMessage(envelope, packed) })
    const given = partners.map((partner) => ({ atMs: partner.atMs, packed: packMessage(envelope, partner.message) }))
    for (const partner of partners) open[otherSide(side)].met(partner)
    this.#keep(definition, open)
    const own = context.timestampMs
    for (const partner of given) {
      const [one, other] = [unpackMessage(envelope, packed), unpackMessage(envelope, partner.packed)]
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

  #overByMs({ definition, what: { dueMs } }: DueObject): number {
    return dueMs - this.parts.closings.rankOf(definition)
  }

  /** Invariant 1 */
  #keep(definition: StateDefinition, open: OpenPairs): void {
    const { states, closings } = this.parts
    if (open.count === 0) states.forget()
    else states.setEnd(nextOverMs(open, withinOf(definition)) + closings.rankOf(definition))
  }

  /** Invariant 5 */
  #lateError(definition: StateDefinition, by: LateBy): PotorooError {
    const kept = `which keeps one for ${String(withinOf(definition))} ms`
    return new PotorooError(
      'LATE',
      `the message was late for interval join ${definition.name}, ${kept}: ${this.parts.closings.reasonOf(by)}`,
    )
  }
}

function withinOf({ pairs, name }: StateDefinition): number {
  if (pairs === undefined) throw new RangeError(`${name} is not an interval join`)
  return pairs.withinMs
}

/** A message is a field of it: for it may be any value, and an object is then named as that of the join. */
const envelopeOf = ({ name }: StateDefinition): StateDefinition => ({
  name,
  partitions: undefined,
  beginsAlike: true,
  prototype: Object.prototype,
  initial: () => ({}),
  toPlain: (one) => one,
  fromPlain: (plain) => plain as object,
  upgrades: [],
})

/** A copy of its own: what is packed next takes the packer's memory. */
function packMessage(envelope: StateDefinition, message: unknown): Buffer {
  const length = packer.pack(envelope, { message })
  return Buffer.from(packer.bytes.subarray(0, length))
}
const unpackMessage = (envelope: StateDefinition, packed: Buffer): unknown =>
  (unpackRange(envelope, packed, 0, packed.length, '') as { readonly message: unknown }).message
