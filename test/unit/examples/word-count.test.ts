import { expect, it, onTestFinished } from 'vitest'
import { TestDriver } from 'potoroo/testing'
import wordCount, { counts, lines, total } from '../../../examples/word-count/application.js'

it.each([1, 7])('counts each word, on %i partitions', async (partitions) => {
  const driver = await TestDriver.start(wordCount, { partitions })
  onTestFinished(() => driver.close())
  await driver.pipe(lines, [{ text: 'To be, or not to be' }, { text: '' }, { text: 'Être ou ne pas être: to be' }])
  await driver.settle()
  expect(Object.fromEntries([...driver.states(total)].map(([word, { n }]) => [word, n]))).toEqual({
    to: 3,
    be: 3,
    or: 1,
    not: 1,
    être: 2,
    ou: 1,
    ne: 1,
    pas: 1,
  })
  // Each count once, in its order.
  const seen = driver.read(counts)
  expect(seen.filter(({ word }) => word === 'be').map(({ n }) => n)).toEqual([1, 2, 3])
  expect(seen).toHaveLength(13)
})
