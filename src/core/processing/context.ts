/** What a computation gets beside state and message, and what it may ask of it. */
import { broadcastDefinition } from '../../api/broadcast.js'
import type {
  BroadcastDefinition,
  ComputationContext,
  OpenWindow,
  StateDefinition,
  TimerDefinition,
} from '../../api/definition.js'
import { isKey, shownKey } from '../../api/names.js'
import { stateDefinition } from '../../api/state-object.js'
import { timerDefinition } from '../../api/timer.js'
import { PotorooError } from '../../errors.js'
import { usesTime, type SubTopology } from '../plan/topology.js'
import type { RecordCursor } from '../records/records.js'
import type { StateTable } from '../state/state-table.js'
import type { Watermark } from './watermark.js'

/** One object for all messages: a computation may use it until it returns. */
export class Context implements ComputationContext {
  key = ''
  timestampMs = 0
  forgotten = false
  /** Of the computation under way, where it is one of windows. */
  window: { readonly startMs: number; readonly endMs: number; readonly messages: number } | undefined
  #cursor: RecordCursor | undefined
  /** Of the computation under way. */
  #definition: StateDefinition | undefined

  constructor(
    private readonly states: StateTable,
    private readonly subTopology: SubTopology,
    private readonly time: Watermark | undefined,
    private readonly readState: (definition: StateDefinition) => object | undefined,
    private readonly find: (broadcast: BroadcastDefinition, key: string) => object | undefined,
  ) {}

  get timeMs(): number {
    if (this.time === undefined || !usesTime(this.subTopology))
      throw new PotorooError(
        'INVALID_DEFINITION',
        'context.timeMs was read where nothing keeps time: the sub-topology needs a timer, windows or a state object with ttlMs',
      )
    return this.time.timeMs
  }

  begin(cursor: RecordCursor): void {
    this.timestampMs = cursor.timestampMs
    this.#cursor = cursor
  }
  beginComputation(key: string, definition: StateDefinition): void {
    this.key = key
    this.forgotten = false
    this.#definition = definition
  }
  beginWindow(key: string, definition: StateDefinition, { startMs, endMs, messages }: OpenWindow): void {
    this.beginComputation(key, definition)
    this.window = { startMs, endMs, messages }
  }
  header(name: string): Uint8Array | undefined {
    const value = this.#cursor?.header(name)
    // A copy: the record's memory is used again, and who knows how long the computation keeps it.
    return value && Buffer.from(value)
  }
  forget(): void {
    this.forgotten = true
  }
  set(timer: unknown, atMs: number, id: unknown = ''): void {
    const { name, clock } = this.#timer(timer, 'set')
    if (!isKey(id)) throw new RangeError(`the id of timer ${name} is ${shownKey(id)}`)
    // What lies before the message would be due at another time in each run.
    this.states.setTimer(clock, name, id, clock === 'time' ? Math.max(atMs, this.timestampMs, 0) : Math.max(atMs, 0))
  }
  clear(timer: unknown, id: unknown = ''): void {
    const { name } = this.#timer(timer, 'clear')
    if (isKey(id)) this.states.clearTimer(name, id)
  }

  #timer(timer: unknown, method: string): TimerDefinition {
    const definition = timerDefinition(timer, `The argument of context.${method}()`)
    const { name, state } = definition
    if (state !== this.#definition)
      throw new PotorooError(
        'INVALID_DEFINITION',
        `context.${method}() was given timer ${name} of state object ${state.name} in a computation on ${String(this.#definition?.name)}: ` +
          'a computation can only set timers of its own state object',
      )
    if (!this.subTopology.timed.some(({ origin }) => origin === definition))
      throw new PotorooError(
        'INVALID_DEFINITION',
        `timer ${name} is set, but nothing would handle it: the application needs a pipeline from(${name})`,
      )
    return definition
  }
  read(state: object): object | undefined {
    return this.readState(stateDefinition(state, 'The argument of context.read()'))
  }
  lookup(broadcast: object, key: string): object | undefined {
    return this.find(broadcastDefinition(broadcast, 'The argument of context.lookup()'), key)
  }
}
