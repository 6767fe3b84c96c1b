import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FlowNode, Network } from '../../../../src/core/group/max-flow.js'

const SINK = 6
const arrow = fc
  .record({ from: fc.nat(SINK), to: fc.nat(SINK), capacity: fc.nat(4) })
  .filter(({ from, to }) => from !== to && from !== SINK && to !== 0)
type Arrow = typeof arrow extends fc.Arbitrary<infer T> ? T : never

/** The least that any cut between the first node and the last lets through: by theorem the maximum flow. */
function leastCut(arrows: readonly Arrow[]): number {
  let least = Infinity
  for (let side = 1; side < 1 << SINK; side += 2) {
    const isNear = (node: number): boolean => (side & (1 << node)) !== 0
    const cut = arrows.filter(({ from, to }) => isNear(from) && !isNear(to))
    least = Math.min(
      least,
      cut.reduce((sum, { capacity }) => sum + capacity, 0),
    )
  }
  return least
}

describe('Network', () => {
  it('finds a flow as large as the least cut, also when edges come later, and takes nothing from the sink', () => {
    fc.assert(
      fc.property(fc.array(arrow, { maxLength: 25 }), fc.array(arrow, { maxLength: 10 }), (first, later) => {
        const network = new Network()
        const nodes = [network.source, ...Array.from({ length: SINK - 1 }, () => new FlowNode()), network.sink]
        const edges: { readonly arrow: Arrow; readonly flow: () => number }[] = []
        const connect = (arrows: readonly Arrow[]): void => {
          for (const arrow of arrows) {
            const [from, to] = [nodes[arrow.from], nodes[arrow.to]]
            if (from === undefined || to === undefined) throw new RangeError('no such node')
            const edge = network.connect(from, to, arrow.capacity)
            edges.push({ arrow, flow: () => edge.flow })
          }
          network.maximise()
        }
        const through = (end: 'from' | 'to', node: number): number =>
          edges.filter(({ arrow }) => arrow[end] === node).reduce((sum, { flow }) => sum + flow(), 0)

        connect(first)
        expect(through('to', SINK)).toBe(leastCut(first))
        const before = edges.filter(({ arrow }) => arrow.to === SINK).map(({ flow }) => flow())
        connect(later)
        expect(through('to', SINK)).toBe(leastCut([...first, ...later]))
        const after = edges.filter(({ arrow }) => arrow.to === SINK).map(({ flow }) => flow())
        before.forEach((flow, i) => expect(after[i]).toBeGreaterThanOrEqual(flow))
        for (let node = 1; node < SINK; node++) expect(through('from', node)).toBe(through('to', node))
        for (const { arrow, flow } of edges) {
          expect(flow()).toBeGreaterThanOrEqual(0)
          expect(flow()).toBeLessThanOrEqual(arrow.capacity)
        }
      }),
      { numRuns: 500 },
    )
  }, 60_000)

  it('serves first what was connected first', () => {
    const network = new Network()
    const bottleneck = new FlowNode()
    network.connect(bottleneck, network.sink, 2)
    const edges = [1, 2, 3].map(() => {
      const node = new FlowNode()
      network.connect(network.source, node, 1)
      return network.connect(node, bottleneck, 1)
    })
    network.maximise()
    expect(edges.map(({ flow }) => flow)).toEqual([1, 1, 0])
  })
})
