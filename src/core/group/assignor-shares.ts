/**
 * How many tasks of each sub-topology each worker is to have (rules 2 and 14): each sub-topology balanced to one task among
 * those who know it, and each worker's total that of its shares, rounded.
 *
 * Share n/m of n tasks among m workers: a table with a row for each sub-topology and a column for each worker. It can be
 * rounded so that each cell, each row and each column is off by less than one (controlled rounding): the shares themselves
 * are a flow within these bounds, and where there is a flow within whole bounds there is a whole one. Source: Bacharach,
 * Matrix rounding problems, 1966.
 *
 * Of the roundings one is taken that moves the fewest tasks, and of these one that moves most of them to workers that have
 * them already. That is a flow at the least price: task → cell → worker → sink. A cell takes the whole part of its share
 * for nothing, and one more at a price above all others; so does a worker. It must be task by task: after a half of the
 * moves is done, no other rounding is as good as the one that was aimed at, for each task that has yet to move is a standby
 * there and nowhere else. By numbers of tasks alone another one may look as good, and targets flap (rule 7).
 *
 * Where at most one sub-topology can't be shared out evenly there is nothing to choose between them.
 */
import { type Group, type OwnedTask, type Worker } from './assignor-group.js'
import { CostNetwork, type CostEdge, type CostNode } from './min-cost-flow.js'

/** Of one sub-topology. */
export interface Shares {
  readonly workers: readonly Worker[]
  /** So many at each worker. */
  readonly share: ReadonlyMap<Worker, number>
  /** And so many of them have one more, whichever they are. */
  readonly larger: number
}

/** By sub-topology: those that some staying worker knows. */
export function sharesOf(group: Group, suits: ReadonlyMap<string, readonly OwnedTask[]>): ReadonlyMap<string, Shares> {
  const shared = [...suits].flatMap(([name, tasks]) => {
    const workers = group.able.get(name) ?? []
    return workers.length === 0 ? [] : [{ name, tasks, workers }]
  })
  const uneven = shared.filter(({ tasks, workers }) => tasks.length % workers.length > 0)
  const rounded = uneven.length > 1 ? rounding(uneven) : new Map<string, ReadonlyMap<Worker, number>>()
  return new Map(
    shared.map(({ name, tasks, workers }) => {
      const whole = Math.floor(tasks.length / workers.length)
      const share = rounded.get(name)
      return [
        name,
        share === undefined
          ? { workers, share: new Map(workers.map((one) => [one, whole])), larger: tasks.length % workers.length }
          : { workers, share, larger: 0 },
      ]
    }),
  )
}

interface Suit {
  readonly name: string
  readonly tasks: readonly OwnedTask[]
  readonly workers: readonly Worker[]
}

function rounding(suits: readonly Suit[]): ReadonlyMap<string, ReadonlyMap<Worker, number>> {
  const count = suits.reduce((sum, { tasks }) => sum + tasks.length, 0) + 1
  // Each outweighs all of the one before it together.
  const [cold, elsewhere, moved, above] = [1, count, count ** 2, 2 * count ** 3]
  const network = new CostNetwork()
  const { source, sink } = network

  const places = new Map<Worker, CostNode>()
  for (const [worker, { whole, isUneven }] of totalsOf(
    suits.map(({ tasks, workers }) => ({ count: tasks.length, workers })),
  )) {
    const place = network.node()
    network.connect(place, sink, whole)
    if (isUneven) network.connect(place, sink, 1, above)
    places.set(worker, place)
  }
  const edges: { readonly name: string; readonly worker: Worker; readonly edge: CostEdge }[] = []
  for (const { name, tasks, workers } of suits) {
    const whole = Math.floor(tasks.length / workers.length)
    const cells = new Map<Worker, CostNode>()
    const anywhere = network.node()
    for (const worker of workers) {
      const place = places.get(worker)
      if (place === undefined) continue
      const cell = network.node()
      cells.set(worker, cell)
      network.connect(anywhere, cell, tasks.length)
      edges.push({ name, worker, edge: network.connect(cell, place, whole) })
      edges.push({ name, worker, edge: network.connect(cell, place, 1, above) })
    }
    for (const task of tasks) {
      const node = network.node()
      network.connect(source, node, 1)
      const own = cells.get(task.owner)
      if (own !== undefined) network.connect(node, own, 1)
      for (const { worker, warm } of task.holders) {
        const cell = cells.get(worker)
        if (cell !== undefined) network.connect(node, cell, 1, moved + (warm ? 0 : cold))
      }
      network.connect(node, anywhere, 1, moved + elsewhere)
    }
  }
  network.maximise()

  const shares = new Map(suits.map(({ name }) => [name, new Map<Worker, number>()]))
  for (const { name, worker, edge } of edges) {
    const share = shares.get(name)
    share?.set(worker, (share.get(worker) ?? 0) + edge.flow)
  }
  return shares
}

/** The sum of each worker's shares: its whole part, and whether there is a rest. `count` of a thing are shared among `workers`. */
export function totalsOf(
  things: readonly { readonly count: number; readonly workers: readonly Worker[] }[],
): ReadonlyMap<Worker, { readonly whole: number; readonly isUneven: boolean }> {
  // Things that are shared among the same workers are one.
  const counts = new Map<readonly Worker[], number>()
  for (const { count, workers } of things) counts.set(workers, (counts.get(workers) ?? 0) + count)
  // As fractions: in floating point three thirds need not be one.
  const denominator = [...counts.keys()].reduce((product, { length }) => lcm(product, BigInt(length)), 1n)
  const sums = new Map<Worker, bigint>()
  for (const [workers, count] of counts) {
    const share = (BigInt(count) * denominator) / BigInt(workers.length)
    for (const worker of workers) sums.set(worker, (sums.get(worker) ?? 0n) + share)
  }
  return new Map(
    [...sums].map(([worker, sum]) => [
      worker,
      { whole: Number(sum / denominator), isUneven: sum % denominator !== 0n },
    ]),
  )
}

function lcm(a: bigint, b: bigint): bigint {
  let [x, y] = [a, b]
  while (y !== 0n) [x, y] = [y, x % y]
  return (a / x) * b
}
