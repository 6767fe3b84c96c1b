/**
 * Where each task is to be in the end, everybody being warm: balanced, with as few moves as possible, and of those as
 * many as possible to workers that have the task already (rules 2, 3, 7).
 *
 * Sub-topology by sub-topology: of each, every worker gets its `share`, and `larger` of them one more (assignor-shares.ts).
 * As a flow: source → task → its owner's *keep*, or the *receive* of a worker that has it as a standby → sink. Keep and
 * receive have places of their own, also for the one task more, so that no task is received at the cost of another one that
 * must then leave: moves stay minimal. What the flow leaves over goes to the free places.
 *
 * That targets do not flap (rule 7) follows: what was targeted is a standby next time, and moves that were done in
 * between left places and tasks in step; so the flow can place every task at a worker that has it, and being maximal it
 * does.
 */
import { leastLoaded, loadOf, raise, type Group, type OwnedTask, type Worker } from './assignor-group.js'
import { sharesOf, type Shares } from './assignor-shares.js'
import { FlowNode, Network, type FlowEdge } from './max-flow.js'

/** Tasks whose sub-topology only leaving workers know have none: they stay where they are. */
export function targetsOf(group: Group): ReadonlyMap<OwnedTask, Worker> {
  const suits = new Map<string, OwnedTask[]>()
  for (const task of group.tasks) {
    const suit = suits.get(task.subTopology)
    if (suit === undefined) suits.set(task.subTopology, [task])
    else suit.push(task)
  }
  const shares = sharesOf(group, suits)
  return new Map(
    [...suits].flatMap(([name, tasks]) => {
      const among = shares.get(name)
      return among === undefined ? [] : [...targetsWithin(tasks, among)]
    }),
  )
}

function targetsWithin(
  tasks: readonly OwnedTask[],
  { workers, share, larger }: Shares,
): ReadonlyMap<OwnedTask, Worker> {
  const owned = new Map<Worker, number>()
  for (const { owner } of tasks) raise(owned, owner)
  const shareOf = (worker: Worker): number => loadOf(share, worker)
  const above = workers.filter((worker) => loadOf(owned, worker) > shareOf(worker)).length

  const network = new Network()
  const { source, sink } = network
  const keepOneMore = new FlowNode()
  const receiveOneMore = new FlowNode()
  network.connect(keepOneMore, sink, Math.min(larger, above))
  network.connect(receiveOneMore, sink, larger - Math.min(larger, above))
  const keep = new Map<Worker, FlowNode>()
  const receive = new Map<Worker, FlowNode>()
  for (const worker of workers) {
    const load = loadOf(owned, worker)
    const [keeps, receives] = [new FlowNode(), new FlowNode()]
    network.connect(keeps, sink, Math.min(load, shareOf(worker)))
    network.connect(receives, sink, Math.max(0, shareOf(worker) - load))
    if (load > shareOf(worker)) network.connect(keeps, keepOneMore, 1)
    else network.connect(receives, receiveOneMore, 1)
    keep.set(worker, keeps)
    receive.set(worker, receives)
  }

  const placed: { readonly task: OwnedTask; readonly worker: Worker; readonly edge: FlowEdge }[] = []
  const nodes = new Map<OwnedTask, FlowNode>()
  for (const task of keepFirst(tasks)) {
    const node = new FlowNode()
    nodes.set(task, node)
    network.connect(source, node, 1)
    const keeps = keep.get(task.owner)
    if (keeps !== undefined) placed.push({ task, worker: task.owner, edge: network.connect(node, keeps, 1) })
  }
  network.maximise()
  for (const warm of [true, false]) {
    for (const [task, node] of nodes)
      for (const holder of task.holders) {
        const receives = receive.get(holder.worker)
        if (receives !== undefined && holder.warm === warm)
          placed.push({ task, worker: holder.worker, edge: network.connect(node, receives, 1) })
      }
    network.maximise()
  }

  const targets = new Map<OwnedTask, Worker>()
  // Below 0 by what is missing to its share.
  const load = new Map(workers.map((worker) => [worker, -shareOf(worker)]))
  for (const { task, worker, edge } of placed)
    if (edge.flow > 0) {
      targets.set(task, worker)
      raise(load, worker)
    }
  const rest = tasks.filter((task) => !targets.has(task))
  leastLoaded(workers, load, rest.length).forEach((worker, i) => {
    const task = rest[i]
    if (task !== undefined) targets.set(task, worker)
  })
  return targets
}

/** An owner keeps the first ones here: what it gives away are its last. */
function keepFirst(tasks: readonly OwnedTask[]): readonly OwnedTask[] {
  const seen = new Map<Worker, number>()
  const ranked = tasks.map((task) => {
    const rank = loadOf(seen, task.owner)
    raise(seen, task.owner)
    return { task, rank }
  })
  return ranked.sort((a, b) => a.rank - b.rank).map(({ task }) => task)
}
