/** src/runtime/queries/state-queries.ts: what is found, unpacked: as TestDriver.state() gives it. */
import { expect, onTestFinished, test } from 'vitest'
import { application } from '../../../../src/api/application.js'
import { pairsDefinition } from '../../../../src/api/pairs.js'
import { stateDefinition, stateObject } from '../../../../src/api/state-object.js'
import { from, intervalJoin } from '../../../../src/api/stream.js'
import { topic } from '../../../../src/api/topic.js'
import { hopping, windowed, windowsDefinition } from '../../../../src/api/windows.js'
import type { StateDefinition } from '../../../../src/api/definition.js'
import { OpenPairs } from '../../../../src/api/open-pairs.js'
import { OpenWindows } from '../../../../src/api/open-windows.js'
import { byteString, utf8ByteString, type ByteString } from '../../../../src/core/records/byte-string.js'
import { NO_TIMES, type Times } from '../../../../src/core/state/header.js'
import { packer } from '../../../../src/core/state/packing.js'
import type { QueryService } from '../../../../src/ports/queries.js'
import { StateQueries } from '../../../../src/runtime/queries/state-queries.js'
import { TestDriver } from '../../../../src/testing/index.js'
import { anySchema } from '../../../support/schemas.js'

const given = { asOf: { commitMs: 5, changelogPosition: 7 }, from: 'owner', worker: 'w1' } as const

function packed(definition: StateDefinition, state: object, times?: Partial<Times>): ByteString {
  const length = packer.pack(definition, state, times && { ...NO_TIMES, ...times })
  return byteString(packer.bytes, 0, length)
}

/** A worker that has this of every key. */
const serviceOf = (definition: StateDefinition, bytes: ByteString): QueryService => ({
  states: [definition.name],
  definition: () => definition,
  get: () => Promise.resolve({ kind: 'state', packed: bytes, ...given }),
  page: () =>
    Promise.resolve({ entries: [{ key: utf8ByteString('ü'), packed: bytes, ...given }], rest: undefined, parts: [] }),
})

async function found(definition: StateDefinition, bytes: ByteString): Promise<unknown[]> {
  const queries = new StateQueries<unknown>(definition, () => serviceOf(definition, bytes))
  const scanned = []
  for await (const entry of queries.scan({ prefix: '' })) scanned.push(entry)
  return [await queries.get('k'), ...scanned]
}

const clicks = topic('clicks', { schema: anySchema<{ id: string }>(), key: ({ id }) => id })
const windows = windowed('w', hopping(60_000, 30_000), () => ({ seen: new Set<number>() }))
const windowsOf = windowsDefinition(windows)

test('windows are a list of those that are open, the same as a test sees them', async () => {
  if (windowsOf === undefined) throw new Error('no windows')
  const app = application(
    'a',
    from(clicks).to(windows, ({ seen }, _, { timestampMs }) => void seen.add(timestampMs)),
  )
  const driver = await TestDriver.start(app, { startMs: 40_000 })
  onTestFinished(() => driver.close())
  const open = new OpenWindows()
  for (const startMs of [0, 30_000])
    open.list.push({ startMs, endMs: startMs + 60_000, messages: 1, state: { seen: new Set([40_000]) } })
  await driver.pipe(clicks, { id: 'k' }, { timestampMs: 40_000 })
  await driver.settle()
  const state = driver.state(windows, 'k')
  expect(state).toHaveLength(2)
  const of = (key: string): unknown => ({ state: state?.map((one) => ({ ...one, key })), timers: [], ...given })
  expect(await found(windowsOf, packed(windowsOf, open, { endsMs: 60_000 }))).toEqual([
    of('k'),
    { key: 'ü', ...(of('ü') as object) },
  ])
})

test('of an interval join, the open messages of each side', async () => {
  const definition = pairsDefinition(intervalJoin('near', from(clicks), from(clicks), { withinMs: 5 }))
  if (definition === undefined) throw new Error('no join')
  const open = new OpenPairs()
  open.right.add({ atMs: 7, boundMs: 7, hasMet: true, message: { at: new Date(0) } })
  const [answer] = await found(definition, packed(definition, open))
  const right = [{ timestampMs: 7, hasMet: true, message: { at: new Date(0) } }]
  expect(answer).toEqual({ state: { left: [], right }, timers: [], ...given })
})

test('timers that are set are there, in the order in which they are due', async () => {
  const definition = stateDefinition(
    stateObject('s', () => ({ n: 0 })),
    's',
  )
  const time = [
    { dueMs: 5, name: 'a', id: '1' },
    { dueMs: 9, name: 'a', id: '2' },
  ]
  const wall = [{ dueMs: 7, name: 'b', id: '' }]
  const [answer] = await found(definition, packed(definition, { n: 1 }, { time, wall }))
  expect(answer).toEqual({ state: { n: 1 }, timers: [time[0], wall[0], time[1]], ...given })
})
