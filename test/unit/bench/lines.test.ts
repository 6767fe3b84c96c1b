import { describe, expect, it } from 'vitest'
import { CountCheck, Lines, wordOf, WORDS_PER_LINE } from '../../../bench/lines.js'

it('has another word for each rank, of letters alone', () => {
  const words = Array.from({ length: 50_000 }, (_, rank) => wordOf(rank))
  expect(new Set(words).size).toBe(words.length)
  expect(words.filter((word) => !/^[a-z]{4,6}$/.test(word))).toEqual([])
})

describe('Lines', () => {
  it('are the same for the same seed, and counted as they are', () => {
    const [one, other] = [new Lines(100, 3), new Lines(100, 3)]
    const lines = Array.from({ length: 500 }, () => one.next())
    expect(Array.from({ length: 500 }, () => other.next())).toEqual(lines)
    const words = lines.flatMap((line) => line.split(' '))
    expect(words).toHaveLength(500 * WORDS_PER_LINE)
    const counted = new Map<string, number>()
    for (const word of words) counted.set(word, (counted.get(word) ?? 0) + 1)
    expect(one.counts()).toEqual(counted)
  })

  it('have the word of rank r as often as 1/r', () => {
    const lines = new Lines(1000, 4)
    for (let i = 0; i < 20_000; i++) lines.next()
    const counts = lines.counts()
    const ratio = (counts.get(wordOf(0)) ?? 0) / (counts.get(wordOf(9)) ?? 1)
    expect(ratio).toBeGreaterThan(9)
    expect(ratio).toBeLessThan(11)
  })
})

describe('CountCheck', () => {
  const expected = new Map([
    ['a', 3],
    ['b', 1],
  ])
  const wrong = (outputs: readonly (readonly [string, number])[], everyUpdate: boolean): number => {
    const check = new CountCheck()
    for (const [word, n] of outputs) check.take({ word, n })
    return check.wrong(expected, everyUpdate)
  }

  it('finds every update right, and the last one of several', () => {
    const all = [
      ['a', 1],
      ['b', 1],
      ['a', 2],
      ['a', 3],
    ] as const
    expect(wrong(all, true)).toBe(0)
    expect(wrong(all.slice(1), false)).toBe(0)
  })

  it.each<[string, readonly (readonly [string, number])[], boolean, number]>([
    ['one that is missing', [['a', 1], ['a', 3], ['b', 1]], true, 1], // prettier-ignore
    ['one that came twice', [['a', 1], ['a', 1], ['a', 2], ['a', 3], ['b', 1]], true, 1], // prettier-ignore
    ['one in place of another', [['a', 1], ['a', 1], ['a', 3], ['b', 1]], true, 1], // prettier-ignore
    ['a last count that is too small', [['a', 2], ['b', 1]], false, 1], // prettier-ignore
    ['a word that never came', [['a', 3]], false, 1], // prettier-ignore
    ['a word that nobody wrote', [['a', 3], ['b', 1], ['c', 1]], false, 1], // prettier-ignore
    ['more outputs than messages', [['a', 3], ['b', 1], ['b', 1]], false, 1], // prettier-ignore
  ])('finds %s', (_, outputs, everyUpdate, found) => {
    expect(wrong(outputs, everyUpdate)).toBe(found)
  })
})
