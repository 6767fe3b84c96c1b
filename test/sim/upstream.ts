/** Producers upstream: plain ones, and some whose transactions come to nothing. */
import { RecordWriter, type RecordChunk } from '../../src/core/records/records.js'
import type { SeededRandom } from '../../src/memory/random.js'
import type { Hands } from './hands.js'
import type { FeedEvent } from './applications/simulated-application.js'

export function chunksOf(events: readonly FeedEvent[], startMs: number): RecordChunk[] {
  const writer = new RecordWriter(1_000_000)
  for (const { key, hasKey = true, hasValue = true, text, atMs, timestampMs = startMs + atMs } of events)
    writer.append(timestampMs, hasKey ? key : null, hasValue ? text : null)
  return writer.take()
}

/** Upstream transactions that are aborted after a while: nothing of them may ever be seen. */
export function haunt(
  hands: Hands,
  random: SeededRandom,
  partitions: number,
  sources: readonly string[],
  withinMs: number,
): void {
  const { transactions } = hands.cluster
  const count = random.below(6)
  for (let i = 0; i < count; i++) {
    const to = { topic: random.pick(sources), partition: random.below(partitions) }
    const key = `S${String(random.below(40))}`
    const ghost: FeedEvent = { topic: to.topic, key, text: `ghost ${String(i)}`, atMs: 0 }
    const openMs = random.pick([1, 100, 2_000])
    hands.scheduler.after(undefined, random.between(0, withinMs), () => {
      hands.say(() => `an upstream transaction on ${to.topic}-${String(to.partition)}, open for ${String(openMs)} ms`)
      hands.chronicle.upstreamLeftOpen(`${to.topic}-${String(to.partition)}`)
      const identity = transactions.init(`upstream-${String(i)}`, 60_000)
      const partition = hands.cluster.partition(to)
      transactions.add(identity, [partition])
      const [chunk] = chunksOf([ghost, ghost], hands.scheduler.startMs)
      if (chunk !== undefined) partition.append(chunk, { producerId: identity.producerId })
      hands.scheduler.after(undefined, openMs, () => {
        transactions.end(identity, 'abort')
      })
    })
  }
}
