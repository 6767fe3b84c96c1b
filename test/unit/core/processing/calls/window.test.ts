/** Invariants of core/processing/calls/window.ts, for any order of completion and any crash. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CallWindow, WINDOW_OFFSETS, type Pending } from '../../../../../src/core/processing/calls/window.js'

const messageAt = (offset: number, key = String(offset)): Pending => ({ offset, key })

/** A log with gaps: where transactions end, a record is nobody's message. */
const log = fc
  .array(fc.record({ gap: fc.nat(3), key: fc.constantFrom('a', 'b', 'c', 'd') }), { minLength: 1, maxLength: 60 })
  .map((records) => {
    let offset = 100
    return records.map(({ gap, key }): Pending => ({ offset: (offset += gap + 1), key }))
  })
/** What happens next: of the calls under way, which one ends; whether the task commits; whether it begins again behind that. */
const moves = fc.array(
  fc.record({ finish: fc.nat(), commits: fc.boolean(), crashes: fc.integer({ min: 0, max: 9 }).map((n) => n === 0) }),
  { minLength: 300, maxLength: 300 },
)

interface Commit {
  readonly position: number
  readonly done: string | undefined
  readonly results: readonly Pending[]
}

describe('calls of one partition', () => {
  it('property h: each message has one committed result, those of a key in their order, in any order of completion and crash', () => {
    fc.assert(
      fc.property(log, moves, fc.integer({ min: 1, max: 5 }), (messages, steps, overlap) => {
        let commit: Commit = { position: messages[0]?.offset ?? 0, done: undefined, results: [] }
        const begin = () => {
          const window = new CallWindow(overlap, commit.position, commit.done)
          return {
            window,
            next: messages.findIndex(({ offset }) => offset >= commit.position),
            underWay: [] as Pending[],
            results: [] as Pending[],
          }
        }
        let { window, next, underWay, results } = begin()
        const end = (): number => messages[next]?.offset ?? (messages.at(-1)?.offset ?? 0) + 1
        for (const { finish, commits, crashes } of steps) {
          for (let message = messages[next]; message !== undefined && next >= 0; message = messages[++next]) {
            if (!window.hasRoomFor(message.offset)) break
            if (!window.wasDone(message.offset)) window.take(message)
          }
          for (let message = window.next(); message !== undefined; message = window.next()) underWay.push(message)
          // Invariants 1 and 2
          expect(new Set(underWay.map(({ key }) => key)).size).toBe(underWay.length)
          expect(underWay.length).toBeLessThanOrEqual(overlap)
          expect(window.underWay).toBe(underWay.length)
          const [ended] = underWay.splice(finish % Math.max(1, underWay.length), 1)
          if (ended !== undefined) {
            window.finish(ended)
            results.push(ended)
          }
          if (commits) {
            const position = window.position(end())
            // Invariant 3
            expect(position).toBeGreaterThanOrEqual(commit.position)
            commit = { position, done: window.done(end()), results: [...commit.results, ...results] }
            results = []
            // Invariant 4: what is done is what has a result.
            const done = bits(commit)
            for (const { offset } of messages)
              expect(offset < position || done.has(offset)).toBe(commit.results.some((one) => one.offset === offset))
          }
          if (crashes) ({ window, next, underWay, results } = begin())
        }
        const offsets = commit.results.map(({ offset }) => offset)
        expect(new Set(offsets).size).toBe(offsets.length)
        for (const key of ['a', 'b', 'c', 'd']) {
          const ofKey = commit.results.filter((one) => one.key === key).map(({ offset }) => offset)
          const first = messages.filter((one) => one.key === key).map(({ offset }) => offset)
          expect(ofKey).toEqual(first.slice(0, ofKey.length))
        }
      }),
      { numRuns: 300 },
    )
  })

  it('takes nothing as far beyond the first that is not done as there are bits', () => {
    const window = new CallWindow(2)
    window.take(messageAt(7))
    window.take(messageAt(8))
    expect(window.hasRoomFor(7 + WINDOW_OFFSETS - 1)).toBe(true)
    expect(window.hasRoomFor(7 + WINDOW_OFFSETS)).toBe(false)
    const [seven, eight] = [window.next(), window.next()]
    if (eight !== undefined) window.finish(eight)
    expect(window.hasRoomFor(7 + WINDOW_OFFSETS)).toBe(false)
    if (seven !== undefined) window.finish(seven)
    expect(window.hasRoomFor(1_000_000)).toBe(true)
    expect(window.position(9)).toBe(9)
  })

  it('lets nothing go behind what has failed before a commit says so (invariant 7)', () => {
    const window = new CallWindow<Pending>(4)
    for (const offset of [0, 1]) window.take(messageAt(offset, 'a'))
    window.take(messageAt(2, 'b'))
    const [failed] = [window.next(), window.next()]
    if (failed !== undefined) window.fail(failed)
    expect(window.position(3)).toBe(1)
    const keys = window.takeFailed()
    expect([window.next(), keys, window.takeFailed()]).toEqual([undefined, ['a'], []])
    window.passOn(keys)
    expect(window.next()).toEqual({ offset: 1, key: 'a' })
  })

  it('has all of its bits in 128 bytes', () => {
    const window = new CallWindow<Pending>(WINDOW_OFFSETS)
    for (let offset = 0; offset < WINDOW_OFFSETS; offset++) window.take(messageAt(offset))
    const under: Pending[] = []
    for (let one = window.next(); one !== undefined; one = window.next()) under.push(one)
    for (const one of under.slice(1)) window.finish(one)
    expect(window.position(WINDOW_OFFSETS)).toBe(0)
    const done = window.done(WINDOW_OFFSETS)
    expect(Buffer.from(done ?? '', 'base64')).toHaveLength(128)
    const again = new CallWindow(1, 0, done)
    expect(again.wasDone(0)).toBe(false)
    again.take(messageAt(0))
    for (let offset = 1; offset < WINDOW_OFFSETS; offset++) expect(again.wasDone(offset)).toBe(true)
    expect(again.unfinished).toBe(1)
  })

  it('continues where messages that were done are not in the log any more', () => {
    const first = new CallWindow<Pending>(4)
    for (const offset of [0, 1, 2, 3]) first.take(messageAt(offset))
    first.next()
    const one = first.next()
    if (one !== undefined) first.finish(one)
    const second = new CallWindow<Pending>(4, 0, first.done(4))
    second.take(messageAt(0))
    // Message 1 was compacted away.
    second.take(messageAt(2))
    for (let next = second.next(); next !== undefined; next = second.next()) second.finish(next)
    expect([second.position(3), second.done(3)]).toEqual([3, undefined])
  })
})

function bits({ position, done }: Commit): Set<number> {
  const bytes = Buffer.from(done ?? '', 'base64')
  const offsets = new Set<number>()
  for (let n = 0; n < bytes.length * 8; n++) if (((bytes[n >> 3] ?? 0) >> (n & 7)) & 1) offsets.add(position + n)
  return offsets
}
