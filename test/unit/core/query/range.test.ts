/** src/core/query/range.ts: pages over all tasks. Its invariants are at the head of that file. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  askedRange,
  decodeCursor,
  encodeCursor,
  mergePages,
  prefixRange,
  successorOf,
  textOf,
  type ByteRange,
} from '../../../../src/core/query/range.js'
import type { PageAnswer } from '../../../../src/core/query/question.js'
import { utf8ByteString, type ByteString } from '../../../../src/core/records/byte-string.js'

const keys = fc.uniqueArray(fc.string({ unit: 'grapheme', maxLength: 6 }), { maxLength: 60 })
const isWithin = ({ from, before }: ByteRange, key: ByteString): boolean =>
  key >= from && (before === undefined || key < before)
/** As a task answers that has these keys: so many at most, and none at all where its time is over with the first. */
function pageOf(own: readonly ByteString[], range: ByteRange, limit: number): PageAnswer {
  const left = own.filter((key) => isWithin(range, key)).sort()
  const asOf = { commitMs: 1, changelogPosition: 1 }
  const entries = left.slice(0, limit).map((key) => ({ key, packed: key }))
  return { kind: 'page', entries, next: left[limit], asOf, from: 'owner' }
}

test('pages of any length over any number of tasks have each key once, in the order of UTF-8 bytes (invariants 1, 2)', () => {
  fc.assert(
    fc.property(
      ...[keys, fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })],
      fc.option(fc.string({ unit: 'grapheme', maxLength: 3 })),
      (all, tasks, limit, partLimit, prefix) => {
        const bytes = all.map(utf8ByteString)
        const range = prefix === null ? askedRange({}) : prefixRange(prefix)
        const of = (task: number): ByteString[] => bytes.filter((key) => (key.length * 7) % tasks === task)
        const found: string[] = []
        for (let rest: ByteRange | undefined = range; rest !== undefined;) {
          const asked: ByteRange = rest
          const pages = Array.from({ length: tasks }, (_, task) => pageOf(of(task), asked, partLimit))
          const page = mergePages(asked, pages, limit)
          expect(page.entries.length).toBeLessThanOrEqual(limit)
          found.push(...page.entries.map(({ key }) => textOf(key)))
          if (page.rest !== undefined) expect(page.rest.from > asked.from).toBe(true)
          rest = page.rest && decodeCursor(encodeCursor(page.rest))
        }
        const due = all
          .filter((key) => prefix === null || key.startsWith(prefix))
          .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        expect(found).toEqual(due)
      },
    ),
  )
})

test('an entry says of which commit it is, and which worker has told it', () => {
  const given = (worker: string, changelogPosition: number) =>
    ({ asOf: { commitMs: 1, changelogPosition }, from: 'owner', worker }) as const
  const pages = [given('w1', 5), given('w2', 7)].map((of, i): PageAnswer => {
    const key = `key-${String(i)}`
    return { kind: 'page', entries: [{ key, packed: key }], next: undefined, ...of }
  })
  expect(mergePages(askedRange({}), pages, 10).entries).toEqual([
    { key: 'key-0', packed: 'key-0', ...given('w1', 5) },
    { key: 'key-1', packed: 'key-1', ...given('w2', 7) },
  ])
})

test('a range of a prefix has what begins so, whatever bytes its keys have', () => {
  for (const prefix of ['a', 'é', '\u{10ffff}', '\u007f', 'a\0']) {
    const range = prefixRange(prefix)
    for (const key of [prefix, `${prefix}\0`, `${prefix}\u{10ffff}`])
      expect(isWithin(range, utf8ByteString(key)), key).toBe(true)
    expect(isWithin(range, utf8ByteString('Z'))).toBe(false)
    expect(isWithin(range, utf8ByteString('\u{10fffe}x'))).toBe(false)
  }
  expect(successorOf('a') > 'a' && successorOf('a') < 'a\u0001').toBe(true)
})

test('a cursor that was never given out is none', () => {
  const good = encodeCursor({ from: 'a', before: undefined })
  expect(decodeCursor(good)).toEqual({ from: 'a', before: undefined })
  const made = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  for (const bad of [
    '',
    'x',
    `${good}==`,
    'a'.repeat(10_000),
    made(['2', 'a']),
    made(['1']),
    made(['1', 'a', 'b', 'c']),
  ])
    expect(decodeCursor(bad), bad).toBeUndefined()
  expect(decodeCursor(made(['1', '\u{1f600}']))).toBeUndefined()
  expect(decodeCursor(made({ from: 'a' }))).toBeUndefined()
})
