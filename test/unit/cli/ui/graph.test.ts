import { expect, test } from 'vitest'
import { application, definitionOf } from '../../../../src/api/application.js'
import { stateObject } from '../../../../src/api/state-object.js'
import { from } from '../../../../src/api/stream.js'
import { topic } from '../../../../src/api/topic.js'
import { graphOf } from '../../../../src/cli/ui/graph.js'
import { namesOf, topologyOf } from '../../../../src/core/plan/topology.js'
import { anySchema } from '../../../support/schemas.js'

interface Item {
  readonly id: string
}
const items = (name: string) => topic(name, { schema: anySchema<Item>(), key: (item) => item.id })
const count = stateObject('count', () => ({ n: 0 }))
const total = stateObject('total', () => ({ n: 0 }))

const definition = definitionOf(
  application(
    'app',
    from(items('orders'))
      .to(count, (state: { n: number }, item: Item) => {
        state.n++
        return item
      })
      .keyBy((item) => item.id, { name: 'by-id' })
      .to(total, (state: { n: number }, item: Item) => {
        state.n++
        return item
      })
      .sink(items('totals')),
  ),
)

test('goes from sources through state objects and repartitions to sinks, with what is counted on its way', () => {
  const { nodes, edges, width, height } = graphOf(topologyOf(definition), namesOf('x-', 'app'))
  const kinds = Object.fromEntries(nodes.map(({ name, kind }) => [name, kind]))
  expect(kinds).toMatchObject({ orders: 'source', count: 'state', total: 'state', totals: 'sink' })
  const name = (id: string) => nodes.find((node) => node.id === id)?.name
  const repartition = nodes.find(({ kind }) => kind === 'repartition')?.name
  expect(repartition).toContain('by-id')
  expect(edges.map(({ from: a, to: b, topic: of }) => [name(a), name(b), of])).toEqual(
    expect.arrayContaining([
      ['orders', 'count', 'x-orders'],
      ['count', repartition, null],
      [repartition, 'total', expect.stringMatching(/^x-.*by-id/) as string],
      ['total', 'totals', null],
    ]),
  )
  const at = new Map(nodes.map((node) => [node.name, node]))
  const path = ['orders', 'count', repartition ?? '', 'total', 'totals'].map((one) => at.get(one)?.x ?? NaN)
  // From left to right, and nothing lies on something else or outside.
  expect(path).toEqual([...path].sort((a, b) => a - b))
  for (const one of nodes) {
    expect([one.x >= 0, one.y >= 0, one.x + one.width <= width, one.y + one.height <= height]).not.toContain(false)
    for (const other of nodes)
      if (one !== other)
        expect(
          one.x + one.width <= other.x ||
            other.x + other.width <= one.x ||
            one.y + one.height <= other.y ||
            other.y + other.height <= one.y,
          `${one.name} and ${other.name}`,
        ).toBe(true)
  }
})
