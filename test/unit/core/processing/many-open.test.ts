/** What an interval join does with a key that has as many open messages as it may. */
import { describe, expect, it } from 'vitest'
import { definitionOf } from '../../../../src/api/application.js'
import { OpenPairs } from '../../../../src/api/open-pairs.js'
import { MAX_OPEN_MESSAGES, pairsDefinition } from '../../../../src/api/pairs.js'
import { Rollback } from '../../../../src/core/processing/failures.js'
import { Input } from '../../../../src/core/processing/input.js'
import { Processor, type Collected } from '../../../../src/core/processing/processor.js'
import { Watermark } from '../../../../src/core/processing/watermark.js'
import { topologyOf } from '../../../../src/core/plan/topology.js'
import { nextOverMs } from '../../../../src/core/processing/pair-places.js'
import { byteString, type ByteString } from '../../../../src/core/records/byte-string.js'
import { NO_TIMES } from '../../../../src/core/state/header.js'
import { packer } from '../../../../src/core/state/packing.js'
import { storeKeyOf } from '../../../../src/core/state/store-key.js'
import { isPotorooError } from '../../../../src/errors.js'
import { application, from, intervalJoin, topic } from '../../../../src/index.js'
import { batchOf, fetchedOf } from '../../../support/records.js'
import { anySchema } from '../../../support/schemas.js'

interface In {
  readonly key: string
  readonly isLeft: boolean
}
const ins = topic('ins', { schema: anySchema<In>(), key: ({ key }) => key, latenessMs: 1_000 })
const outs = topic('outs', { schema: anySchema<{ key: string }>(), key: ({ key }) => key })
const WITHIN_MS = 10_000
const join = intervalJoin(
  'near',
  from(ins).filter(({ isLeft }) => isLeft),
  from(ins).filter(({ isLeft }) => !isLeft),
  { withinMs: WITHIN_MS },
)
const definition = pairsDefinition(join) ?? expect.unreachable()
const app = application('a', join.left.map(() => ({ key: 'k' })).sink(outs))

/** So many are stored, the first of them at 1 ms, all others at 20 s; half on each side, and far from what is to come. */
function stored(count: number): ByteString {
  const open = new OpenPairs()
  for (let i = 0; i < count; i++) {
    const atMs = i === 0 ? 1 : 20_000
    open[i % 2 === 0 ? 'left' : 'right'].add({ atMs, boundMs: atMs, hasMet: false, message: null })
  }
  const length = packer.pack(definition, open, { ...NO_TIMES, endsMs: nextOverMs(open, WITHIN_MS) })
  return byteString(packer.bytes.subarray(0, length))
}
const FULL = stored(MAX_OPEN_MESSAGES)

function begin(packed: ByteString, onError: 'dead-letter' | 'stop' = 'dead-letter') {
  const [subTopology] = topologyOf(definitionOf(app)).subTopologies
  const to = (name: string) => ({ topic: name, partitions: 1, maxMessageBytes: 100_000_000 })
  const processor = new Processor({
    subTopology: subTopology ?? expect.unreachable(),
    partition: 0,
    partitions: 1,
    sinks: new Map([['outs', to('outs')]]),
    deadLetters: to('dead'),
    changelog: to('changelog'),
    onError,
    deadLetterState: false,
    maxStateBytes: () => 100_000_000,
    load: (storeKey) => (storeKey === storeKeyOf('near', 'k') ? packed : undefined),
    storeWasEmpty: false,
    secret: 'secret',
    time: {
      watermark: new Watermark([{ topic: 'ins', latenessMs: 1_000, ticks: false }], undefined),
      load: (clock, after) =>
        clock === 'time' && after === undefined ? [{ dueMs: WITHIN_MS + 2, key: storeKeyOf('near', 'k') }] : [],
      nowMs: () => 77,
    },
  })
  // What comes after that message is processed in careful mode.
  processor.careful = true
  const input = new Input(0, 'ins', 0)
  let end = 0
  return {
    processor,
    take(atMs: number, isLeft: boolean): void {
      input.accept(
        fetchedOf([batchOf(end++, [{ timestampMs: atMs, key: 'k', value: JSON.stringify({ key: 'k', isLeft }) }])]),
      )
      for (;;) {
        const firing = processor.firings?.before([input], input, () => 0)
        if (firing === undefined) break
        processor.firings?.fire(firing, () => 77)
      }
      try {
        processor.process(0, input, () => 77)
      } finally {
        input.advance()
      }
    },
    collect(): Collected {
      const collected = processor.collect({ identity: 'i', positions: {}, by: 'w', atMs: 5 }, 99)
      input.mark()
      processor.committed()
      return collected
    },
  }
}
const changesIn = ({ changes }: Collected): number => changes.flatMap((part) => [...part]).length
const codesIn = ({ deadLetters }: Collected): string[] => deadLetters.map(({ code }) => code)

describe('a key that has as many open messages as it may', () => {
  it.each([true, false])(
    'takes no more on either side: the message is a dead letter, and all others stay (left: %s)',
    (isLeft) => {
      const bench = begin(FULL)
      bench.take(2, isLeft)
      const collected = bench.collect()
      expect(codesIn(collected)).toEqual(['TOO_MANY_OPEN'])
      expect(changesIn(collected)).toBe(0)
    },
  )

  it('takes the last one that it may have', () => {
    const bench = begin(stored(MAX_OPEN_MESSAGES - 1))
    bench.take(2, true)
    bench.take(3, true)
    expect(codesIn(bench.collect())).toEqual(['TOO_MANY_OPEN'])
  })

  it('takes one again when one is over', () => {
    const bench = begin(FULL)
    // That brings time after the first one.
    bench.take(WITHIN_MS + 1_002, true)
    const collected = bench.collect()
    expect(codesIn(collected)).toEqual([])
    expect(changesIn(collected)).toBe(1)
    expect(collected.records.map(({ topic: name }) => name)).toContain('outs')
    bench.take(WITHIN_MS + 1_003, true)
    expect(codesIn(bench.collect())).toEqual(['TOO_MANY_OPEN'])
  })

  it('stops the worker where onError does, and processes it in careful mode before it says so', () => {
    const bench = begin(FULL, 'stop')
    expect(() => {
      bench.take(2, true)
    }).toThrow(expect.toSatisfy((error) => isPotorooError(error, 'STOPPED_BY_ON_ERROR')))
    const normal = begin(FULL)
    normal.processor.careful = false
    expect(() => {
      normal.take(2, true)
    }).toThrow(Rollback)
  })
})
