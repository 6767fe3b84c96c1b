/**
 * Which workers are a task's permanent standbys in the end, its target being its owner (rule 8).
 *
 * As a flow: source → task (as many as it shall have) → worker → sink, every worker with its share of all standbys. First
 * the workers that have the task warm, then its owner where that is not the target (it will have the newest store of
 * all), then those that have it cold; only for what is then missing others are chosen. As with targets, what was chosen
 * is a standby next time, and then the flow needs nobody new.
 */
import {
  ableOf,
  compare,
  leastLoaded,
  loadOf,
  raise,
  type Group,
  type OwnedTask,
  type Worker,
} from './assignor-group.js'
import { totalsOf } from './assignor-shares.js'
import { FlowNode, Network, type FlowEdge } from './max-flow.js'

/** Workers that a task without a standby chooses from at first; only where that does not do more are tried. */
const CANDIDATES = 4

export function permanentStandbysOf(
  group: Group,
  targets: ReadonlyMap<OwnedTask, Worker>,
  standbys: number,
): ReadonlyMap<OwnedTask, ReadonlySet<Worker>> {
  const { staying } = group
  const followed = group.tasks.flatMap((task): readonly FollowedTask[] => {
    const able = ableOf(group, task)
    const count = Math.min(standbys, able.length - 1)
    return count <= 0 ? [] : [{ task, able, count }]
  })
  if (followed.length === 0) return new Map()
  const tasks = followed.map(({ task }) => task)
  const plan = new StandbyPlan(staying, followed, targets)
  for (const task of tasks) for (const { worker, warm } of task.holders) if (warm) plan.offer(task, worker)
  plan.settle()
  for (const task of tasks) plan.offer(task, task.owner)
  plan.settle()
  for (const task of tasks) for (const { worker } of task.holders) plan.offer(task, worker)
  plan.settle()
  const missing = plan.missing()
  const free = leastLoaded(staying, plan.load(), missing.length)
  missing.forEach((task, i) => {
    plan.offerFrom(task, [...free.slice(i, i + CANDIDATES), ...staying], CANDIDATES)
  })
  plan.settle()
  // The places left may all be at the targets of the tasks left: then other tasks have to make room.
  for (let width = CANDIDATES; plan.lacks(); width *= CANDIDATES) {
    const places = [...new Set([...leastLoaded(staying, plan.load(), staying.length), ...staying])]
    for (const task of tasks) plan.offerFrom(task, places, width)
    plan.settle()
    if (width >= staying.length) break
  }
  // Where not everybody knows everything, shares may be too small: better one standby more than its share than none.
  if (plan.lacks()) plan.raiseShares()
  return plan.chosen()
}

interface FollowedTask {
  readonly task: OwnedTask
  /** Who may follow it. */
  readonly able: readonly Worker[]
  /** How many shall. */
  readonly count: number
}

class StandbyPlan {
  readonly #network = new Network()
  readonly #workers = new Map<Worker, FlowNode>()
  readonly #slots = new Map<
    OwnedTask,
    {
      readonly node: FlowNode
      readonly demand: FlowEdge
      readonly able: ReadonlySet<Worker>
      readonly edges: Map<Worker, FlowEdge>
    }
  >()

  constructor(
    staying: readonly Worker[],
    followed: readonly FollowedTask[],
    private readonly targets: ReadonlyMap<OwnedTask, Worker>,
  ) {
    const { source, sink } = this.#network
    const shares = totalsOf(followed.map(({ able, count }) => ({ count, workers: able })))
    const all = followed.reduce((sum, { count }) => sum + count, 0)
    const oneMore = new FlowNode()
    this.#network.connect(
      oneMore,
      sink,
      [...shares.values()].reduce((rest, { whole }) => rest - whole, all),
    )
    for (const worker of staying) {
      const node = new FlowNode()
      this.#network.connect(node, sink, shares.get(worker)?.whole ?? 0)
      this.#network.connect(node, oneMore, 1)
      this.#workers.set(worker, node)
    }
    const sets = new Map<readonly Worker[], ReadonlySet<Worker>>()
    for (const { task, able, count } of followed) {
      const node = new FlowNode()
      const known = sets.get(able) ?? new Set(able)
      sets.set(able, known)
      this.#slots.set(task, {
        node,
        demand: this.#network.connect(source, node, count),
        able: known,
        edges: new Map(),
      })
    }
  }

  /** Lets the task use the worker. False when it makes no difference: no place for this task, or offered before. */
  offer(task: OwnedTask, worker: Worker): boolean {
    const slot = this.#slots.get(task)
    const place = this.#workers.get(worker)
    if (slot === undefined || place === undefined || worker === this.targets.get(task)) return false
    if (slot.edges.has(worker) || !slot.able.has(worker)) return false
    slot.edges.set(worker, this.#network.connect(slot.node, place, 1))
    return true
  }
  offerFrom(task: OwnedTask, workers: readonly Worker[], count: number): void {
    let offered = 0
    for (const worker of workers) {
      if (offered >= count) return
      if (this.offer(task, worker)) offered++
    }
  }
  settle(): void {
    this.#network.maximise()
  }

  raiseShares(): void {
    for (const place of this.#workers.values()) this.#network.connect(place, this.#network.sink, Infinity)
    this.settle()
  }
  lacks(): boolean {
    return [...this.#slots.values()].some(({ demand }) => demand.room > 0)
  }
  /** A task as often as it lacks a standby; those of an owner together, so that its standbys are spread. */
  missing(): OwnedTask[] {
    const lacking = [...this.#slots].flatMap(([task, { demand }]) => Array.from({ length: demand.room }, () => task))
    return lacking.sort((a, b) => compare(this.targets.get(a)?.id ?? '', this.targets.get(b)?.id ?? ''))
  }
  load(): ReadonlyMap<Worker, number> {
    const load = new Map<Worker, number>()
    for (const workers of this.chosen().values()) for (const worker of workers) raise(load, worker)
    for (const worker of this.#workers.keys()) load.set(worker, loadOf(load, worker))
    return load
  }
  chosen(): ReadonlyMap<OwnedTask, ReadonlySet<Worker>> {
    return new Map(
      [...this.#slots].map(([task, { edges }]) => [
        task,
        new Set([...edges].filter(([, edge]) => edge.flow > 0).map(([worker]) => worker)),
      ]),
    )
  }
}
