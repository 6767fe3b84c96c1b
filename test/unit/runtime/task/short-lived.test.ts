import { expect, test } from 'vitest'
import type { OutgoingRecords } from '../../../../src/core/processing/outbox.js'
import { ShortLivedOutputs } from '../../../../src/runtime/task/short-lived.js'

const NOW_MS = 1_700_000_000_000
const outputs = (topic: string, ...timestampsMs: readonly number[]): OutgoingRecords => ({
  topic,
  partition: 3,
  chunks: timestampsMs.map((maxTimestampMs) => ({
    bytes: Buffer.alloc(0),
    end: 0,
    count: 1,
    baseTimestampMs: maxTimestampMs,
    maxTimestampMs,
  })),
})
const sinks = (): ShortLivedOutputs =>
  new ShortLivedOutputs([
    { topic: 'out', partitions: 4, maxMessageBytes: 1, retentionMs: 1000 },
    { topic: 'kept', partitions: 4, maxMessageBytes: 1 },
  ])

test('outputs older than their topic keeps them are found, once for each sink', () => {
  const one = sinks()
  const found = { topic: 'out', partition: 3, timestampMs: NOW_MS - 1001, retentionMs: 1000, likeSeconds: false }
  expect(one.among([outputs('kept', 0), outputs('out', NOW_MS - 5000, NOW_MS - 1001)], NOW_MS)).toEqual([found])
  expect(one.among([outputs('out', NOW_MS - 1001)], NOW_MS)).toEqual([])
})

test.each([
  ['as old as they may be', NOW_MS - 1000, undefined],
  ['without a time', -1, undefined],
  ['in seconds', NOW_MS / 1000, true],
  ['of the very beginning', 0, false],
])('outputs %s', (_, timestampMs, likeSeconds) => {
  expect(sinks().among([outputs('out', timestampMs)], NOW_MS)[0]?.likeSeconds).toBe(likeSeconds)
})
