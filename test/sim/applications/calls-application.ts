/**
 * Calls. Asks are counted in an account, and shipped: what comes of that continues to a state object. Refunds stand right behind their
 * source, and are paid: that goes straight to a sink.
 *
 * What is outside is slow, answers out of order, fails, loses questions and answers, and continues with what it was asked when whoever asked
 * is dead. It writes down what it was asked: each message under one id, and each id for one message, whoever asks however often; of a
 * key in the order of its messages; and only for messages that are committed.
 */
import { application, definitionOf } from '../../../src/api/application.js'
import type { CallContext } from '../../../src/api/definition.js'
import { from } from '../../../src/api/stream.js'
import { stateObject } from '../../../src/api/state-object.js'
import { topic } from '../../../src/api/topic.js'
import { SeededRandom } from '../../../src/memory/random.js'
import type { Outside } from '../../../src/ports/outside.js'
import { anything, follow } from '../application.js'
import { multiset } from '../checks.js'
import type { SeenRecord } from '../views.js'
import type { FeedEvent, FeedPlan, OutsideWorld, SimulatedApplication } from './simulated-application.js'

interface Ask {
  readonly id: string
  readonly key: string
  /** `throws` fails in the account; `silent` has no result; `fails` is a call that never succeeds. */
  readonly kind: 'plain' | 'throws' | 'silent' | 'fails'
}
interface Counted extends Ask {
  readonly n: number
}
/** What is outside gives the id that it was asked under, so that a result tells of which attempt it is. */
interface Told {
  readonly id: string
  readonly key: string
  readonly n: number
  readonly call: string
}
interface Shipped extends Told {
  /** How many results of the key there were, this one included. */
  readonly results: number
}
interface Trail {
  n: number
  trail: number
}

const asks = topic('asks', { schema: anything<Ask>(), key: ({ key }) => key })
const refunds = topic('refunds', { schema: anything<Ask>(), key: ({ key }) => key })
const shipped = topic('shipped', { schema: anything<Shipped>(), key: ({ key }) => key })
const paid = topic('paid', { schema: anything<Told>(), key: ({ key }) => key })

const account = stateObject('account', (): Trail => ({ n: 0, trail: 0 }))
const delivery = stateObject('delivery', (): Trail => ({ n: 0, trail: 0 }))

const outsideOnly = async (): Promise<Told | undefined> =>
  Promise.reject(new Error('there is an outside in this world'))

const shapeOf = (random: SeededRandom) => ({
  overlap: random.pick([1, 2, 16, 1024]),
  timeoutMs: random.pick([200, 2_000]),
})

const calling = (random: SeededRandom) =>
  application(
    'calling',
    from(asks)
      .to(account, (state, ask): Counted => {
        state.n++
        state.trail = follow(state.trail, ask.id)
        if (ask.kind === 'throws') throw new Error(`ask ${ask.id} throws`)
        return { ...ask, n: state.n }
      })
      .call('ship', outsideOnly, { ...shapeOf(random), attempts: Infinity })
      .to(delivery, (state, told): Shipped => {
        state.trail = follow(state.trail, told.id)
        return { ...told, results: ++state.n }
      })
      .sink(shipped),
    from(refunds)
      .call('pay', outsideOnly, { ...shapeOf(random), attempts: 3, failed: 'dead-letter' })
      .sink(paid),
  )

/** Where the messages of a call are. */
const inputs: Readonly<Record<string, string>> = { ship: 'calling-account-ship-repartition', pay: 'refunds' }

interface Effect {
  readonly call: string
  readonly message: Counted
}

class Ledger {
  /** By message, in the order of the first time. */
  readonly effects = new Map<string, Effect>()
  readonly problems: string[] = []
  readonly #random: SeededRandom
  #rates = { lostQuestion: 0, lostAnswer: 0, failing: 0, slowMs: 0 }

  constructor(seed: number) {
    const random = (this.#random = new SeededRandom(seed))
    this.#rates = {
      lostQuestion: random.pick([0, 0.05, 0.3]),
      lostAnswer: random.pick([0, 0.05, 0.3]),
      failing: random.pick([0, 0.05, 0.3]),
      slowMs: random.pick([1, 50, 400]),
    }
  }

  outside(world: OutsideWorld): Outside {
    const { scheduler } = world
    return {
      make: ({ name }, given, context) => {
        const message = given as Counted
        const [offset = 0, partition = 0] = context.id.split('-').reverse().map(Number)
        if (!world.isCommitted({ topic: inputs[name] ?? '', partition }, offset))
          this.#found(`${context.id} is asked for ${message.id}, which is not committed`)
        const calm = world.isCalm()
        const chance = (rate: number): boolean => !calm && this.#random.chance(rate)
        const takesMs = (): number => this.#random.between(0, calm ? 5 : this.#rates.slowMs)
        return new Promise((resolve, reject) => {
          if (chance(this.#rates.lostQuestion)) return
          scheduler.after(undefined, takesMs(), () => {
            if (message.kind === 'fails' || chance(this.#rates.failing)) {
              scheduler.after(undefined, takesMs(), () => {
                reject(new Error('not now'))
              })
              return
            }
            this.#asked(message, context)
            if (chance(this.#rates.lostAnswer)) return
            const { id, key, n } = message
            scheduler.after(undefined, takesMs(), () => {
              resolve(message.kind === 'silent' ? undefined : { id, key, n, call: context.id })
            })
          })
        })
      },
    }
  }

  #asked(message: Counted, { id, key }: CallContext): void {
    const known = this.effects.get(message.id)
    if (known !== undefined && known.call !== id)
      this.#found(`${message.id} is asked for as ${known.call} and as ${id}`)
    if (key !== message.key) this.#found(`${message.id} of ${message.key} is asked for under ${key}`)
    if (known === undefined) this.effects.set(message.id, { call: id, message })
  }

  #found(what: string): void {
    this.problems.push(`asked: ${what}`)
  }
}

interface CallsEvent extends FeedEvent {
  /** Undefined for a value that is no JSON. */
  readonly message: Ask | undefined
}

const idOf = (at: number): string => `#${String(at)}#`

function drawEvents(random: SeededRandom, { events, keys, fromMs, toMs }: FeedPlan): CallsEvent[] {
  const times = Array.from({ length: events }, () => Math.floor(random.between(fromMs, toMs))).sort((a, b) => a - b)
  return times.map((atMs, at) => {
    const source = random.pick(['asks', 'asks', 'refunds'])
    const key = `K${String(random.below(keys))}`
    if (random.chance(0.02)) return { topic: source, key, text: `no json ${idOf(at)}`, message: undefined, atMs }
    const other = source === 'asks' ? 'throws' : 'fails'
    const kind = random.chance(0.05) ? other : random.chance(0.05) ? 'silent' : 'plain'
    const message: Ask = { id: idOf(at), key, kind }
    return { topic: source, key, text: JSON.stringify(message), message, atMs }
  })
}

const parsed = <T>(records: readonly SeenRecord[]): T[] => records.map(({ value }) => JSON.parse(value) as T)
const text = (value: unknown): string => JSON.stringify(value)

function byKey<T extends { readonly key: string }>(all: readonly T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of all) groups.set(one.key, [...(groups.get(one.key) ?? []), one])
  return groups
}

/** What was to come of asks, in the order in which they were written: it is the same for whatever order keys are taken in. */
function calculate(events: readonly CallsEvent[]) {
  const accounts = new Map<string, Trail>()
  const deliveries = new Map<string, Trail>()
  const outputs: Omit<Shipped, 'call'>[] = []
  for (const { topic: source, key, message } of events) {
    if (source !== 'asks' || message === undefined || message.kind === 'throws') continue
    const { id, kind } = message
    const before = accounts.get(key) ?? { n: 0, trail: 0 }
    const counted = { n: before.n + 1, trail: follow(before.trail, id) }
    accounts.set(key, counted)
    if (kind === 'silent') continue
    const delivered = deliveries.get(key) ?? { n: 0, trail: 0 }
    deliveries.set(key, { n: delivered.n + 1, trail: follow(delivered.trail, id) })
    outputs.push({ id, key, n: counted.n, results: delivered.n + 1 })
  }
  return { accounts, deliveries, outputs }
}

function inOrder(what: string, due: readonly string[], got: readonly string[]): string[] {
  const rank = new Map(due.map((id, i) => [id, i]))
  const at = got.findIndex((id, i) => i > 0 && (rank.get(id) ?? 0) < (rank.get(got[i - 1] ?? '') ?? 0))
  return at < 0 ? [] : [`${what}: out of order: ${String(got[at])} behind ${String(got[at - 1])}`]
}

/** Of a shape that is drawn. */
export function callsApplication(random: SeededRandom): SimulatedApplication {
  const ledger = new Ledger(random.below(2 ** 31))
  return {
    definition: definitionOf(calling(random)),
    outside: (world) => ledger.outside(world),
    draw: (own, plan) => {
      // Each key has one source in each stage, so its messages come in the order in which they were written.
      const { written } = plan.stamp(drawEvents(own, plan))
      const expected = calculate(written)
      const refunded = written.flatMap(({ topic: source, message }) =>
        source === 'refunds' && message !== undefined ? [message] : [],
      )
      return {
        events: written,
        check: (seen) => {
          const [outputs, payments] = [parsed<Shipped>(seen.records('shipped')), parsed<Told>(seen.records('paid'))]
          const letters = seen.deadLetters.map(({ value }) => value)
          const bad = written.filter(({ message }) => message === undefined || message.kind === 'throws')
          const unpaid = refunded.filter((one) => letters.includes(text(one)))
          const states = (name: string) => [...seen.states(name)].map(([key, state]) => text([key, state]))
          const of = ({ id, key, n, results }: Omit<Shipped, 'call'>): string => text({ id, key, n, results })
          return [
            ...ledger.problems.slice(0, 3),
            ...multiset('shipped', expected.outputs.map(of), outputs.map(of)),
            ...multiset(
              'accounts',
              [...expected.accounts].map((one) => text(one)),
              states('account'),
            ),
            ...multiset(
              'deliveries',
              [...expected.deliveries].map((one) => text(one)),
              states('delivery'),
            ),
            ...multiset(
              'paid',
              refunded.filter((one) => one.kind === 'plain' && !unpaid.includes(one)).map(({ id }) => id),
              payments.map(({ id }) => id),
            ),
            ...refunded
              .filter((one) => one.kind === 'fails' && !unpaid.includes(one))
              .map(({ id }) => `paid: ${id} fails, and is no dead letter`),
            ...multiset(
              'dead letters',
              [...bad.map(({ text: value }) => value), ...unpaid.map((one) => text(one))],
              letters,
            ),
            ...[...outputs, ...payments]
              .filter(({ id, call }) => ledger.effects.get(id)?.call !== call)
              .map((one) => `asked: ${text(one)} was asked for as ${String(ledger.effects.get(one.id)?.call)}`),
            ...[...byKey(outputs)].flatMap(([key, all]) =>
              inOrder(
                `shipped, ${key}`,
                expected.outputs.map(({ id }) => id),
                all.map(({ id }) => id),
              ),
            ),
            ...[...byKey(payments)].flatMap(([key, all]) =>
              inOrder(
                `paid, ${key}`,
                refunded.map(({ id }) => id),
                all.map(({ id }) => id),
              ),
            ),
            ...checkEffects(
              ledger,
              written.flatMap(({ message }) => message ?? []),
              unpaid,
            ),
          ]
        },
      }
    },
  }
}

/** What was done outside: all that has a result, of each key in the order of its messages. What has failed may have been done late, or not. */
function checkEffects({ effects }: Ledger, asked: readonly Ask[], unpaid: readonly Ask[]): string[] {
  const due = asked.filter((one) => one.kind !== 'throws' && one.kind !== 'fails' && !unpaid.includes(one))
  const lost = due.filter(({ id }) => !effects.has(id)).map(({ id }) => `asked: ${id} never was`)
  const ids = due.map(({ id }) => id)
  const done = [...effects.values()].flatMap(({ message, call }) =>
    ids.includes(message.id) ? [{ ...message, key: `${call.includes('-ship-') ? 'ship' : 'pay'} ${message.key}` }] : [],
  )
  return [
    ...lost,
    ...[...byKey(done)].flatMap(([key, all]) =>
      inOrder(
        `asked, ${key}`,
        ids,
        all.map(({ id }) => id),
      ),
    ),
  ]
}
