/**
 * Records whose schemas a worker has to fetch before it can decode them, in some of the worlds. Every process has to fetch them
 * for itself; it takes its time, and while the registry is away it fails. Whoever decodes a record without its schema makes a
 * dead letter of it, which was never due.
 */
import type {
  ApplicationDefinition,
  CodecSteps,
  PipelineDefinition,
  StreamNode,
  TopicDefinition,
} from '../../src/api/definition.js'
import { PotorooError } from '../../src/errors.js'
import { SeededRandom } from '../../src/memory/random.js'
import type { SimulatedProcess } from '../../src/memory/scheduler.js'

/** How many schemas a topic's records have, by what is in them. */
const SCHEMAS = 5
const TAKES_MS = [0, 1, 20, 300, 2_000] as const
const AWAY_MS = [200, 2_000, 8_000] as const
const MOST_TIMES_AWAY = 3

export class SchemaTrouble {
  readonly isOn: boolean
  readonly #registry: Registry
  #calm = false

  /** `may`: false where the world has trouble that this one is not to have beside its own. */
  constructor(seed: number, may: boolean, withinMs: number) {
    const random = new SeededRandom(seed ^ 0x71374491)
    this.isOn = random.chance(0.3) && may
    this.#registry = new Registry(random, withinMs)
  }

  /** Nothing is away any more. */
  calm(): void {
    this.#calm = true
  }

  /** What a worker in that process is made of. */
  equip(process: SimulatedProcess, definition: ApplicationDefinition): ApplicationDefinition {
    if (!this.isOn) return definition
    return withTopics(definition, (topic) => this.#registry.topicIn(process, topic, () => this.#calm))
  }
}

/** Where schemas are: it takes its time, and is away now and then. */
export class Registry {
  readonly #away: readonly { readonly fromMs: number; readonly toMs: number }[]

  constructor(
    private readonly random: SeededRandom,
    withinMs: number,
  ) {
    this.#away = Array.from({ length: random.below(MOST_TIMES_AWAY + 1) }, () => {
      const fromMs = random.between(0, withinMs)
      return { fromMs, toMs: fromMs + random.pick(AWAY_MS) }
    })
  }

  /** The topic as a process has it that knows no schema yet. `isCalm`: nothing is away any more. */
  topicIn({ clock }: SimulatedProcess, topic: TopicDefinition, isCalm: () => boolean): TopicDefinition {
    const isAway = (): boolean =>
      !isCalm() && this.#away.some(({ fromMs, toMs }) => clock.monotonic() >= fromMs && clock.monotonic() < toMs)
    const later = (call: () => void): void => {
      clock.after(this.random.pick(TAKES_MS), call)
    }
    const known = new Set<number>()
    const asking = new Map<number, Promise<void>>()
    const ask = (id: number): Promise<void> =>
      new Promise((resolve, reject) => {
        later(() => {
          asking.delete(id)
          if (isAway()) reject(new PotorooError('REGISTRY_UNREACHABLE', 'the registry is away'))
          else {
            known.add(id)
            resolve()
          }
        })
      })
    const codec: CodecSteps = {
      open: () =>
        new Promise((resolve, reject) => {
          later(() => {
            if (isAway()) reject(new PotorooError('REGISTRY_UNREACHABLE', 'the registry is away'))
            else resolve()
          })
        }),
      prepare: (bytes, start, end) => {
        const id = schemaOf(bytes, start, end)
        if (known.has(id)) return undefined
        const asked = asking.get(id) ?? ask(id)
        asking.set(id, asked)
        return asked
      },
    }
    return {
      ...topic,
      codec,
      decode: (bytes, start, end) => {
        const id = schemaOf(bytes, start, end)
        if (!known.has(id)) throw new PotorooError('NOT_DECODABLE', `schema ${String(id)} is not there yet`)
        return topic.decode(bytes, start, end)
      },
    }
  }
}

/** By what is in the record, so that it is the same for every process. */
function schemaOf(bytes: Buffer, start: number, end: number): number {
  let sum = 0
  for (let i = start; i < end; i++) sum = (sum * 31 + (bytes[i] ?? 0)) | 0
  return (sum >>> 0) % SCHEMAS
}

/** The same application with other topics. */
function withTopics(
  application: ApplicationDefinition,
  other: (topic: TopicDefinition) => TopicDefinition,
): ApplicationDefinition {
  const topics = new Map<TopicDefinition, TopicDefinition>()
  const nodes = new Map<StreamNode, StreamNode>()
  const topicOf = (topic: TopicDefinition): TopicDefinition => {
    const made = topics.get(topic) ?? other(topic)
    topics.set(topic, made)
    return made
  }
  const nodeOf = (node: StreamNode): StreamNode => {
    const known = nodes.get(node)
    if (known !== undefined) return known
    const made: StreamNode =
      node.kind === 'source'
        ? { ...node, topic: topicOf(node.topic) }
        : node.kind === 'timed'
          ? node
          : node.kind === 'merge'
            ? { ...node, upstreams: node.upstreams.map(nodeOf) }
            : { ...node, upstream: nodeOf(node.upstream) }
    nodes.set(node, made)
    return made
  }
  const pipelineOf = (pipeline: PipelineDefinition): PipelineDefinition => {
    if (pipeline.kind === 'sink')
      return { ...pipeline, upstream: nodeOf(pipeline.upstream), topic: topicOf(pipeline.topic) }
    const node = nodeOf(pipeline)
    if (node.kind !== 'compute') throw new RangeError('a computation is mapped to one')
    return node
  }
  return { ...application, pipelines: application.pipelines.map(pipelineOf) }
}
