/** Held against trying everything, and against Dinic's algorithm. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CostNetwork } from '../../../../src/core/group/min-cost-flow.js'
import { FlowNode, Network } from '../../../../src/core/group/max-flow.js'

const NODES = 6
const anyEdges = fc.array(
  fc.record({ from: fc.nat(NODES - 1), to: fc.nat(NODES - 1), room: fc.nat(4), cost: fc.nat(9) }),
  { maxLength: 20 },
)
const endsOf = <T>(source: T, sink: T, node: () => T): readonly T[] => [
  source,
  sink,
  ...Array.from({ length: NODES - 2 }, node),
]

describe('a flow at the least cost', () => {
  it('assigns as cheaply as the best of all permutations', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.nat(20), { minLength: 5, maxLength: 5 }), { minLength: 5, maxLength: 5 }),
        (costs) => {
          const network = new CostNetwork()
          const rows = costs.map(() => network.node())
          const columns = costs.map(() => network.node())
          for (const row of rows) network.connect(network.source, row, 1)
          for (const column of columns) network.connect(column, network.sink, 1)
          const edges = rows.flatMap((row, i) =>
            columns.map((column, j) => network.connect(row, column, 1, costs[i]?.[j])),
          )
          network.maximise()
          const taken = edges.filter(({ flow }) => flow > 0)
          expect(taken).toHaveLength(5)
          const orders = permutations([0, 1, 2, 3, 4])
          const sums = orders.map((order) => order.reduce((sum, j, i) => sum + (costs[i]?.[j] ?? 0), 0))
          expect(taken.reduce((sum, { cost }) => sum + cost, 0)).toBe(Math.min(...sums))
        },
      ),
    )
  })

  it('is as large as it can be, and no cycle of what is left would make it cheaper', () => {
    fc.assert(
      fc.property(anyEdges, (edges) => {
        const network = new CostNetwork()
        const plain = new Network()
        const nodes = endsOf(network.source, network.sink, () => network.node())
        const others = endsOf(plain.source, plain.sink, () => new FlowNode())
        const placed = edges.flatMap(({ from, to, room, cost }) => {
          const [a, b, c, d] = [nodes[from], nodes[to], others[from], others[to]]
          if (!a || !b || !c || !d || from === to) return []
          return [{ dear: network.connect(a, b, room, cost), free: plain.connect(c, d, room) }]
        })
        network.maximise()
        plain.maximise()
        const outOf = <N>(
          source: N,
          of: readonly { readonly from: N; readonly to: N; readonly flow: number }[],
        ): number =>
          of.reduce((sum, { from, to, flow }) => sum + (from === source ? flow : 0) - (to === source ? flow : 0), 0)
        const size = outOf(
          network.source,
          placed.map(({ dear }) => dear),
        )
        const due = outOf(
          plain.source,
          placed.map(({ free }) => ({ from: free.reverse.to, to: free.to, flow: free.flow })),
        )
        expect(size).toBe(due)
        // Bellman and Ford: one round more than there are nodes still improves only where a cycle is negative.
        const left = placed.flatMap(({ dear }) => [dear, dear.reverse]).filter(({ room }) => room > 0)
        const distances = new Map(nodes.map((node) => [node, 0]))
        const improve = (): boolean =>
          left.filter(({ from, to, cost }) => {
            const distance = (distances.get(from) ?? 0) + cost
            if (distance >= (distances.get(to) ?? 0)) return false
            distances.set(to, distance)
            return true
          }).length > 0
        for (let round = 0; round < NODES; round++) improve()
        expect(improve()).toBe(false)
      }),
      { numRuns: 500 },
    )
  })
})

function permutations(things: readonly number[]): readonly (readonly number[])[] {
  return things.length === 0
    ? [[]]
    : things.flatMap((thing) => permutations(things.filter((one) => one !== thing)).map((rest) => [thing, ...rest]))
}
