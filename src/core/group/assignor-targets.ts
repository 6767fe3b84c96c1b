/**
 * Where each task is to be in the end, everybody being warm: balanced, with as few moves as possible, and of those as
 * many as possible to workers that have the task already (rules 2, 3, 7).
 *
 * Every worker gets `share` tasks, and `larger` of them one more. As a flow: source → task → its owner's *keep*, or the
 * *receive* of a worker that has it as a standby → sink. Keep and receive have places of their own, also for the one task
 * more, so that no task is received at the cost of another one that must then leave: moves stay minimal. What the flow
 * leaves over goes to the free places.
 *
 * That targets do not flap (rule 7) follows: what was targeted is a standby next time, and moves that were done in
 * between left places and tasks in step; so the flow can place every task at a worker that has it, and being maximal it
 * does.
 */
import { leastLoaded, loadOf, raise, type Group, type OwnedTask, type Worker } from './assignor-group.js'
import { FlowNode, Network, type FlowEdge } from './max-flow.js'

export function targetsOf({ staying, tasks }: Group): ReadonlyMap<OwnedTask, Worker> {
  const share = Math.floor(tasks.length / staying.length)
  const larger = tasks.length % staying.length
  const owned = new Map<Worker, number>()
  for (const { owner } of tasks) raise(owned, owner)
  const above = staying.filter((worker) => loadOf(owned, worker) > share).length

  const network = new Network()
  const { source, sink } = network
  const keepOneMore = new FlowNode()
  const receiveOneMore = new FlowNode()
  network.connect(keepOneMore, sink, Math.min(larger, above))
  network.connect(receiveOneMore, sink, larger - Math.min(larger, above))
  const keep = new Map<Worker, FlowNode>()
  const receive = new Map<Worker, FlowNode>()
  for (const worker of staying) {
    const load = loadOf(owned, worker)
    const [keeps, receives] = [new FlowNode(), new FlowNode()]
    network.connect(keeps, sink, Math.min(load, share))
    network.connect(receives, sink, Math.max(0, share - load))
    if (load > share) network.connect(keeps, keepOneMore, 1)
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
  const load = new Map<Worker, number>()
  for (const { task, worker, edge } of placed)
    if (edge.flow > 0) {
      targets.set(task, worker)
      raise(load, worker)
    }
  const rest = tasks.filter((task) => !targets.has(task))
  leastLoaded(staying, load, rest.length).forEach((worker, i) => {
    const task = rest[i]
    if (task !== undefined) targets.set(task, worker)
  })
  return targets
}

/** An owner keeps the first ones here: some of each sub-topology (rule 12). */
function keepFirst(tasks: readonly OwnedTask[]): readonly OwnedTask[] {
  const seen = new Map<Worker, Map<string, number>>()
  const ranked = tasks.map((task) => {
    const counts = seen.get(task.owner) ?? new Map<string, number>()
    seen.set(task.owner, counts)
    const rank = counts.get(task.subTopology) ?? 0
    counts.set(task.subTopology, rank + 1)
    return { task, rank }
  })
  return ranked.sort((a, b) => a.rank - b.rank).map(({ task }) => task)
}
