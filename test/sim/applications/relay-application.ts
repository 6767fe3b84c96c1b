/**
 * Without any state object, so without changelogs: positions are in the group alone. Two sub-topologies, one of which writes
 * two outputs for a record, each under another key.
 */
import { application, definitionOf } from '../../../src/api/application.js'
import { from } from '../../../src/api/stream.js'
import { topic } from '../../../src/api/topic.js'
import { anything } from '../application.js'
import { multiset } from '../checks.js'
import type { SeededRandom } from '../../../src/memory/random.js'
import type { SeenRecord } from '../views.js'
import type { FeedEvent, FeedPlan, SimulatedApplication } from './simulated-application.js'

interface Parcel {
  readonly id: string
  readonly sender: string
  readonly receiver: string
  /** `lost` is filtered out, `torn` throws. */
  readonly kind: 'plain' | 'lost' | 'torn'
}
interface Seen {
  readonly id: string
  readonly sender: string
  readonly who: string
}

const parcels = topic('parcels', { schema: anything<Parcel>(), key: ({ sender }) => sender })
const letters = topic('letters', { schema: anything<Parcel>(), key: ({ sender }) => sender })
const sent = topic('sent', { schema: anything<Seen>(), key: ({ who }) => who })
const received = topic('received', { schema: anything<Seen>(), key: ({ who }) => who })

const seenBy =
  (whose: 'sender' | 'receiver') =>
  (parcel: Parcel): Seen => {
    if (parcel.kind === 'torn') throw new Error(`${parcel.id} is torn`)
    return { id: parcel.id, sender: parcel.sender, who: `${whose} ${parcel[whose]}` }
  }
const isThere = ({ kind }: Parcel): boolean => kind !== 'lost'

const relay = application(
  'relay',
  from(parcels, 'sending').filter(isThere).map(seenBy('sender')).sink(sent),
  from(parcels, 'receiving').filter(isThere).map(seenBy('receiver')).sink(received),
  from(letters).filter(isThere).map(seenBy('receiver')).sink(received),
)

interface ParcelEvent extends FeedEvent {
  /** Undefined for a value that is no JSON. */
  readonly message: Parcel | undefined
}

function drawParcels(random: SeededRandom, { events, keys, fromMs, toMs }: FeedPlan): ParcelEvent[] {
  const times = Array.from({ length: events }, () => Math.floor(random.between(fromMs, toMs))).sort((a, b) => a - b)
  return times.map((atMs, index) => {
    const sender = `P${String(random.below(keys))}`
    const id = `p${String(index)}`
    const topic = random.pick(['parcels', 'parcels', 'letters'])
    if (random.chance(0.02)) return { topic, key: sender, text: `no json ${id}`, message: undefined, atMs }
    const draw = random.next()
    const kind: Parcel['kind'] = draw < 0.15 ? 'lost' : draw < 0.19 ? 'torn' : 'plain'
    const message: Parcel = { id, sender, receiver: `P${String(random.below(5))}`, kind }
    return { topic, key: sender, text: JSON.stringify(message), message, atMs }
  })
}

export const relayApplication: SimulatedApplication = {
  definition: definitionOf(relay),
  draw: (random, plan) => {
    const { written } = plan.stamp(drawParcels(random, plan))
    const passed = written.flatMap(({ topic, message }) => (message?.kind === 'plain' ? [{ topic, message }] : []))
    const dueAt = (whose: 'sender' | 'receiver', topics: readonly string[]): Due[] =>
      passed
        .filter(({ topic }) => topics.includes(topic))
        .map(({ topic, message }) => ({
          lane: `${topic} of ${message.sender}`,
          text: `${whose} ${message[whose]} ${JSON.stringify(seenBy(whose)(message))}`,
        }))
    return {
      events: written,
      check: (seen) => [
        ...checkSink('sent', dueAt('sender', ['parcels']), seen.records('sent')),
        ...checkSink('received', dueAt('receiver', ['parcels', 'letters']), seen.records('received')),
        ...multiset(
          'dead letters',
          written.filter(({ message }) => message === undefined || message.kind === 'torn').map(({ text }) => text),
          seen.deadLetters.map(({ value }) => value),
        ),
      ],
    }
  },
}

/** What has to be in a sink, and with what else it must be in order: one source's records of one key. */
export interface Due {
  readonly lane: string
  readonly text: string
}

/** Nothing lost or repeated, and in order as far as there is one, within each key of the sink. */
export function checkSink(what: string, due: readonly Due[], records: readonly SeenRecord[]): string[] {
  const got = records.map(({ key, value }) => ({ key, text: `${key} ${value}` }))
  const problems = multiset(
    what,
    due.map(({ text }) => text),
    got.map(({ text }) => text),
  )
  if (problems.length > 0) return problems
  const places = new Map(due.map(({ text, lane }, at) => [text, { lane, at }]))
  const last = new Map<string, number>()
  return got.flatMap(({ key, text }) => {
    const { lane, at } = places.get(text) ?? { lane: '', at: -1 }
    const before = last.get(`${key}, ${lane}`) ?? -1
    last.set(`${key}, ${lane}`, Math.max(before, at))
    return at < before ? [`${what}, ${lane}: out of order: ${text}`] : []
  })
}
