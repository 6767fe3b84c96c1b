/** Invariants are those of watermark.ts and marks.ts. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeCommitRecord, encodeCommitRecord } from '../../../../src/core/commit/commit-record.js'
import { decodeFrontiers, encodeFrontiers } from '../../../../src/core/processing/frontiers.js'
import { BOUND_HEADER, decodeMark, isMark, Marks, withBound } from '../../../../src/core/processing/marks.js'
import { Outbox, type Destination } from '../../../../src/core/processing/outbox.js'
import { Watermark, type TimedInputState, type TimedTopic } from '../../../../src/core/processing/watermark.js'
import { RecordCursor } from '../../../../src/core/records/records.js'
import { batchOfChunk } from '../../../support/records.js'

const writers = ['lines_0', 'lines_1', 'pages_0']
const repartition: TimedTopic = { topic: 'r', latenessMs: 0, ticks: false, writers }
const beside: TimedTopic = { topic: 't', latenessMs: 10, ticks: true }
const empty: TimedInputState = { hasHead: false, headMs: 0, headProvenMs: -Infinity, provenMs: -Infinity }
const head = (headMs: number, headBoundMs?: number): TimedInputState => ({
  ...empty,
  hasHead: true,
  headMs,
  headBoundMs,
})
const none = { boundMs: -Infinity, tickMs: -Infinity }

describe('the bound of a repartition', () => {
  it('is the least over all writers of the plan, those that never said anything included (invariant 5)', () => {
    const time = new Watermark([repartition], undefined)
    time.say(0, { task: 'lines_0', boundMs: 500, tickMs: 900 })
    time.say(0, { task: 'lines_1', boundMs: 400, tickMs: 400 })
    time.say(0, { task: 'stranger_0', boundMs: 1, tickMs: 1 })
    expect(time.reached([empty], undefined)).toBe(-Infinity)
    expect(time.heldBy([empty])).toEqual({ topic: 'r', task: 'pages_0' })
    time.say(0, { task: 'pages_0', boundMs: 450, tickMs: 800 })
    expect([time.boundMs(0), time.reached([empty], undefined)]).toEqual([400, 400])
    time.say(0, { task: 'lines_1', boundMs: 400, tickMs: 700 })
    expect([time.boundMs(0), time.reached([empty], undefined)]).toEqual([400, 700])
    expect(time.heldBy([empty])).toEqual({ topic: 'r', task: 'lines_1' })
  })

  it('by the clock of writers goes no further than to a message that is here, and no further than all of a transaction (invariant 6)', () => {
    const time = new Watermark([repartition], undefined)
    for (const task of writers) time.say(0, { task, boundMs: 100, tickMs: 900 })
    expect(time.reached([head(300)], 0)).toBe(300)
    expect(time.reached([head(300)], undefined)).toBe(300)
    expect(time.reached([{ ...empty, hasMore: true }], undefined)).toBe(100)
    // It may have to be rolled back.
    time.say(0, { task: 'pages_0', boundMs: 150, tickMs: 150 })
    expect([time.boundMs(0), time.reached([empty], undefined)]).toEqual([100, 150])
  })

  it('where all of its edges close loops is waited for by nobody', () => {
    const time = new Watermark([beside, { ...repartition, writers: [] }], undefined)
    time.reach([head(1_000), empty], 0)
    expect([time.timeMs, time.heldBy([empty, empty])]).toEqual([990, { topic: 't' }])
    expect(time.claim([empty, head(3)])).toEqual({ boundMs: 990, tickMs: 990 })
    // What would have nothing to wait for at all has no time.
    expect(new Watermark([{ ...repartition, writers: [] }], undefined).reached([empty], undefined)).toBe(-Infinity)
    expect(new Watermark([{ ...repartition, writers: [] }], undefined).claim([empty])).toEqual(none)
  })

  it('never goes back, is committed without ticks, also of writers that this version does not know, and rolled back (invariants 1, 3)', () => {
    const step = fc.record({
      task: fc.constantFrom(...writers, 'stranger_3'),
      ms: fc.nat(5_000),
      ahead: fc.nat(500),
      kind: fc.constantFrom('say', 'record', 'mark', 'rollBack', 'restart'),
    })
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        let time = new Watermark([repartition, beside], undefined)
        let marked = time.committed()
        let before = [-Infinity, -Infinity]
        for (const { task, ms, ahead, kind } of steps) {
          if (kind === 'say') time.say(0, { task, boundMs: ms, tickMs: ms + ahead })
          else if (kind === 'record') time.reach([head(ms), head(ms + ahead)], ms % 2)
          else if (kind === 'mark') {
            time.mark()
            marked = time.committed()
          } else if (kind === 'rollBack') time.rollBack()
          else time = new Watermark([repartition, beside], JSON.parse(JSON.stringify(marked)) as typeof marked)
          const now = [time.timeMs, time.boundMs(0)]
          if (kind === 'rollBack' || kind === 'restart') expect(time.committed()).toEqual(marked)
          else expect(now.map((value, i) => value >= (before[i] ?? 0))).toEqual([true, true])
          before = now
        }
      }),
    )
    const other = new Watermark([beside], { bounds: { r: 5 }, frontiers: { r: { lines: [5, 0] } } })
    expect(other.committed()).toMatchObject({ bounds: { r: 5 }, frontiers: { r: { lines: [5, 0] } } })
  })
})

describe('what a task claims', () => {
  it('is its least bound, but less than what is due and not done; and the same by the clock', () => {
    const time = new Watermark([repartition, beside], undefined)
    expect(time.claim([empty, empty])).toEqual(none)
    for (const task of writers) time.say(0, { task, boundMs: 400, tickMs: 700 })
    time.reach([empty, head(460)], 1)
    const drained = { ...empty, provenMs: 5_000 }
    expect(time.claim([empty, drained])).toEqual({ boundMs: 400, tickMs: 700 })
    expect(time.claim([empty, drained], 650)).toEqual({ boundMs: 400, tickMs: 649 })
    expect(time.claim([empty, drained], 350)).toEqual({ boundMs: 349, tickMs: 349 })
    const quiet = new Watermark([repartition], undefined)
    quiet.claimed({ boundMs: 349, tickMs: 600 })
    // Ticks are for the moment.
    expect(quiet.timeMs).toBe(349)
  })

  it('is held: what is late by its own partition brings that bound along, and what is due too late the time (invariant 4)', () => {
    const time = new Watermark([beside, repartition], undefined)
    time.reach([head(1_000), empty], 0)
    expect(time.lateBoundMs).toBeUndefined()
    time.reach([head(990), empty], 0)
    expect(time.lateBoundMs).toBeUndefined()
    time.reach([head(989), empty], 0)
    expect(time.lateBoundMs).toBe(990)
    // Not by its own timestamp: after a repartition by what it brings.
    for (const task of writers) time.say(1, { task, boundMs: 2_000, tickMs: 2_000 })
    time.reach([empty, head(5)], 1)
    expect(time.lateBoundMs).toBeUndefined()
    time.reach([empty, head(5, 77)], 1)
    expect(time.lateBoundMs).toBe(77)
    time.begin(990)
    expect([time.timeMs, time.lateBoundMs]).toEqual([990, undefined])
    time.begin(980)
    expect(time.lateBoundMs).toBe(990)
  })
})

it('frontiers of a commit record come out as they went in, at about four bytes a writer', () => {
  const task = fc.tuple(fc.constantFrom('a', 'b_1', '__proto__'), fc.nat(5)).map(([name, n]) => `${name}_${String(n)}`)
  fc.assert(
    fc.property(fc.uniqueArray(fc.tuple(task, fc.nat()), { selector: ([name]) => name }), (entries) => {
      const frontiers = new Map(entries)
      const record = {
        identity: 'i',
        positions: {},
        by: 'w',
        atMs: 1,
        time: { bounds: {}, frontiers: { r: encodeFrontiers(frontiers) } },
      }
      const { time } = decodeCommitRecord(Buffer.from(encodeCommitRecord(record)), 'here')
      expect(new Map([...decodeFrontiers(time?.frontiers?.r)].sort())).toEqual(new Map([...frontiers].sort()))
    }),
  )
  const many = new Map(
    Array.from({ length: 100 }, (_, n) => [`lines_${String(n)}`, 1_704_067_200_000 + ((n * 7919) % 900)]),
  )
  expect(JSON.stringify(encodeFrontiers(many)).length).toBeLessThan(450)
})

it.each(['[]', '{"r":[]}', '{"r":{"a":["x"]}}', '{"r":{"a":5}}'])('frontiers %s are none', (frontiers) => {
  const text = `{"v":2,"identity":"i","positions":{},"by":"w","atMs":1,"time":{"bounds":{},"frontiers":${frontiers}}}`
  expect(() => decodeCommitRecord(Buffer.from(text), 'here')).toThrow(/not in a format that this version knows/)
})

describe('marks', () => {
  const to: Destination = { topic: 'r', partitions: 3, maxMessageBytes: 1_000_000 }
  /** Of each partition that has records, those that are marks, and whether the last one is. */
  function taken(outbox: Outbox) {
    const cursor = new RecordCursor()
    return outbox.take().map(({ partition, chunks }) => {
      const records = chunks.flatMap((chunk) => {
        cursor.open(batchOfChunk(0, chunk))
        const all: unknown[] = []
        while (cursor.next()) all.push(isMark(cursor) ? decodeMark(cursor) : cursor.timestampMs)
        return all
      })
      return [partition, ...records]
    })
  }
  const mark = (boundMs: number, tickMs = boundMs) => ({ task: 'lines_3', boundMs, tickMs })

  it('come behind the records of their transaction, in the partitions that have any; in others once an interval (invariants 1, 3)', () => {
    const [marks, outbox] = [new Marks('lines_3', [{ to, writers: 4 }]), new Outbox()]
    expect([marks.roundDueMs(0), marks.isNews(none)]).toEqual([-Infinity, false])
    marks.prepare({ boundMs: 10, tickMs: 20 }, 1_000, 1_000)
    outbox.add(to, 1, 15, 'k', 'v')
    expect([...marks.write(outbox, 500)]).toEqual([['r', 3]])
    expect(taken(outbox)).toEqual([
      [0, mark(10, 20)],
      [1, 15, mark(10, 20)],
      [2, mark(10, 20)],
    ])
    expect([marks.roundDueMs(1_000), marks.isNews({ boundMs: 10, tickMs: 20 })]).toEqual([1_200, false])
    // Within the interval, those alone that have records.
    marks.prepare({ boundMs: 30, tickMs: 30 }, 1_100, 1_100)
    outbox.add(to, 2, 35, 'k', 'v')
    marks.write(outbox, 500)
    expect(taken(outbox)).toEqual([[2, 35, mark(30)]])
    // Nothing is said twice.
    marks.prepare({ boundMs: 30, tickMs: 30 }, 1_200, 1_200)
    outbox.add(to, 2, 36, 'k', 'v')
    marks.write(outbox, 500)
    expect(taken(outbox)).toEqual([
      [0, mark(30)],
      [1, mark(30)],
      [2, 36],
    ])
    // What the clock said is rolled back.
    expect(marks.isNews({ boundMs: 30, tickMs: 20 })).toBe(true)
  })

  it('in partitions without records are a thousand a second at most, and less often, the longer nothing comes', () => {
    const many = new Marks('lines_3', [{ to: { ...to, partitions: 50 }, writers: 40 }])
    many.skipRound(0)
    expect(many.roundDueMs(0)).toBe(2_000)
    const idle = new Marks('lines_3', [{ to, writers: 1 }])
    for (const [afterMs, waitMs] of [
      [0, 200],
      [12_800, 200],
      [64_000, 1_000],
      [1e9, 10_000],
    ] as const) {
      idle.skipRound(afterMs)
      expect(idle.roundDueMs(0)).toBe(afterMs + waitMs)
      // Something comes.
      expect(idle.roundDueMs(afterMs + 1)).toBe(afterMs + 200)
    }
  })

  it('of a task that knows nothing are not written', () => {
    const [marks, outbox] = [new Marks('lines_3', [{ to, writers: 1 }]), new Outbox()]
    marks.prepare(none, 1_000, 1_000)
    outbox.add(to, 0, 1, 'k', 'v')
    expect(marks.write(outbox, 5).size).toBe(0)
    expect(taken(outbox)).toEqual([[0, 1]])
  })

  it('do not fit into a topic that takes next to nothing', () => {
    const narrow = { ...to, maxMessageBytes: 70 }
    const marks = new Marks('lines_3', [{ to: narrow, writers: 1 }])
    marks.prepare({ boundMs: 1, tickMs: 1 }, 0, 0)
    expect(() => marks.write(new Outbox(), 5)).toThrow(/raise its max\.message\.bytes/)
  })

  it.each(['', 'no json', '{"v":2,"task":"a"}', '{"v":1}', '{"v":1,"task":"a","boundMs":"x"}', 'null'])(
    'that are not of this version say nothing: %s',
    (text) => {
      const outbox = new Outbox()
      outbox.addOwn(to, 0, 5, Buffer.from([0xff, 0x6d]), text)
      expect(taken(outbox)).toEqual([[0, undefined]])
    },
  )

  it('and bounds of late messages replace what a producer put there', () => {
    const foreign = { key: BOUND_HEADER, value: Buffer.from('7') }
    const trace = { key: 'trace', value: null }
    expect(withBound(undefined, undefined)).toBeUndefined()
    expect(withBound([foreign, trace], undefined)).toEqual([trace])
    expect(withBound([foreign, trace], 99)).toEqual([trace, { key: BOUND_HEADER, value: Buffer.from('99') }])
  })
})
