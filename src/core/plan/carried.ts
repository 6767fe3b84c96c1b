/**
 * Messages that carry their key with them, from a keyBy() through steps to the repartition of a call. Elsewhere the key is that
 * of the record under way; between a keyBy() and a call that it leads to there is no record under the new key yet, and steps may
 * stand between the two.
 *
 * Invariants
 * 1. Steps see messages as they are, never a Carried.
 */
import type { StreamNode, TopicDefinition } from '../../api/definition.js'

/** What needs no state. */
export type StepNode = Extract<StreamNode, { readonly kind: 'filter' | 'map' | 'flatMap' | 'lookup' }>

export class Carried {
  private constructor(
    private readonly key: string,
    readonly message: unknown,
  ) {}

  static by(keyOf: (message: unknown) => string): (message: unknown) => unknown {
    return (message) => new Carried(keyOf(message), message)
  }

  static readonly key = (carried: unknown): string => asCarried(carried).key

  /** The same step for what is carried. */
  static through(node: StepNode): StepNode {
    const kept = (carried: Carried, message: unknown): Carried => new Carried(carried.key, message)
    switch (node.kind) {
      case 'filter':
        return { ...node, keep: (carried) => node.keep(asCarried(carried).message) }
      case 'map':
        return { ...node, map: (carried) => kept(asCarried(carried), node.map(asCarried(carried).message)) }
      case 'flatMap':
        return {
          ...node,
          flatMap: (given) => {
            const several = node.flatMap(asCarried(given).message)
            // What is no array is for the processor to refuse.
            return Array.isArray(several) ? onEach(several, given, kept) : several
          },
        }
      case 'lookup':
        return {
          ...node,
          key: (carried) => node.key(asCarried(carried).message),
          step: (given, entry) => onEach(node.step(asCarried(given).message, entry), given, kept),
        }
    }
  }
}

/** Of what a step gives: nothing, one message, or several. */
function onEach(given: unknown, from: unknown, kept: (carried: Carried, message: unknown) => Carried): unknown {
  if (given === undefined || given === null) return given
  const carried = asCarried(from)
  return Array.isArray(given) ? given.map((one: unknown) => kept(carried, one)) : kept(carried, given)
}

function asCarried(value: unknown): Carried {
  if (value instanceof Carried) return value
  throw new RangeError('a message has lost its key')
}

/** The repartition that they go to, as those write it that carry messages, and those that do not. */
export const carryingTopic = (topic: TopicDefinition): TopicDefinition => ({
  ...topic,
  encode: (message) => topic.encode(message instanceof Carried ? message.message : message),
})
