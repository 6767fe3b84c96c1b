/** How much is done: enough for figures that repeat, or just enough to see that it works. */

export interface Settings {
  readonly throughput: {
    readonly rounds: number
    readonly records: number
    /** A scenario for each: few are all hot, a million are nearly all cold. */
    readonly symbols: readonly number[]
    readonly partitions: number
  }
  readonly latency: {
    readonly rounds: number
    readonly symbols: number
    readonly partitions: number
    /** And as many quotes. */
    readonly ordersPerSecond: number
    /** Before it counts: until code is compiled and caches are filled. */
    readonly warmUpMs: number
    readonly measuredMs: number
  }
  readonly restore: {
    readonly rounds: number
    readonly symbols: number
    readonly partitions: number
    /** For how long quotes come before the worker is killed. */
    readonly loadedMs: number
    /** How often each state object has changed, by the changelog, when a second worker comes; growing. */
    readonly changes: readonly number[]
  }
  readonly handoff: {
    readonly symbols: number
    readonly partitions: number
    readonly ordersPerSecond: number
    /** Those that run at the beginning. */
    readonly workers: number
    readonly events: readonly HandoffEvent[]
    /** From one event to the next. */
    readonly gapMs: number
    readonly warmUpMs: number
  }
  readonly sizes: {
    readonly partitions: number
    readonly keys: number
    readonly records: number
    /** Where messages are large, there are fewer. */
    readonly backlogBytes: number
    readonly sizes: readonly { readonly messageBytes: number; readonly stateBytes: number }[]
  }
  readonly routing: {
    /** What of it is measured. */
    readonly parts: readonly RoutingPart[]
    readonly rounds: number
    readonly partitions: number
    /** Latency is measured of so many computations in a row, each in turn. */
    readonly stages: readonly number[]
    /** Of each stage. */
    readonly keys: number
    readonly messagesPerSecond: number
    readonly warmUpMs: number
    readonly measuredMs: number
    /** The backlog of word count. */
    readonly lines: number
    readonly distinctWords: number
    /** For so long word count runs under load, while the repartition topic's disk use is looked at. */
    readonly diskMinutes: number
    /** Enough for segments of 32 MiB to be full within minutes. */
    readonly diskLinesPerSecond: number
  }
  readonly windows: {
    readonly rounds: number
    readonly partitions: number
    readonly events: number
    readonly keys: number
    /** Over which the events' timestamps go. */
    readonly minutes: number
  }
  readonly scaling: {
    /** Simulated, each in turn. */
    readonly groups: readonly { readonly workers: number; readonly tasks: number; readonly standbys: number }[]
    /** So many workers of a simulated group are restarted, one after the other. */
    readonly rolling: number
    /** Of groups on the broker, each in turn. */
    readonly members: readonly number[]
    /** A group that has no assignment by then never gets one. */
    readonly patienceMs: number
    readonly transactionTasks: readonly number[]
    readonly transactionsMs: number
  }
}

export const handoffEvents = ['add', 'stop', 'kill'] as const
export type HandoffEvent = (typeof handoffEvents)[number]

export const routingParts = ['latency', 'backlog', 'disk'] as const
export type RoutingPart = (typeof routingParts)[number]

export const benchmarks = [
  'throughput',
  'latency',
  'restore',
  'handoff',
  'sizes',
  'routing',
  'windows',
  'scaling',
] as const
export type BenchmarkName = (typeof benchmarks)[number]

export const full: Settings = {
  throughput: { rounds: 3, records: 3_300_000, symbols: [1000, 1_000_000], partitions: 4 },
  latency: { rounds: 3, symbols: 20_000, partitions: 8, ordersPerSecond: 1000, warmUpMs: 10_000, measuredMs: 20_000 },
  restore: { rounds: 3, symbols: 2_000_000, partitions: 4, loadedMs: 1500, changes: [1, 20] },
  handoff: {
    symbols: 100_000,
    partitions: 8,
    ordersPerSecond: 1000,
    workers: 2,
    events: ['add', 'stop', 'kill'],
    gapMs: 20_000,
    warmUpMs: 10_000,
  },
  sizes: {
    partitions: 4,
    keys: 1000,
    records: 1_000_000,
    backlogBytes: 1_000_000_000,
    sizes: [
      ...[100, 1000, 10_000].map((messageBytes) => ({ messageBytes, stateBytes: 20 })),
      ...[200, 1000, 10_000].map((stateBytes) => ({ messageBytes: 100, stateBytes })),
    ],
  },
  routing: {
    parts: routingParts,
    rounds: 3,
    partitions: 8,
    stages: [1, 2, 3],
    keys: 20_000,
    messagesPerSecond: 1000,
    warmUpMs: 10_000,
    measuredMs: 20_000,
    lines: 2_000_000,
    distinctWords: 50_000,
    diskMinutes: 10,
    diskLinesPerSecond: 5000,
  },
  windows: { rounds: 3, partitions: 4, events: 3_000_000, keys: 100_000, minutes: 30 },
  scaling: {
    groups: [
      ...[0, 1].map((standbys) => ({ workers: 10, tasks: 100, standbys })),
      ...[0, 1].map((standbys) => ({ workers: 100, tasks: 1000, standbys })),
      ...[0, 1].map((standbys) => ({ workers: 1000, tasks: 10_000, standbys })),
    ],
    rolling: 3,
    members: [10, 50, 90, 120],
    patienceMs: 10_000,
    transactionTasks: [1, 4, 16, 64, 128],
    transactionsMs: 5000,
  },
}

export const short: Settings = {
  throughput: { rounds: 1, records: 5000, symbols: [100, 2000], partitions: 2 },
  latency: { rounds: 1, symbols: 100, partitions: 2, ordersPerSecond: 200, warmUpMs: 500, measuredMs: 1000 },
  restore: { rounds: 1, symbols: 2000, partitions: 2, loadedMs: 200, changes: [1, 3] },
  handoff: {
    symbols: 200,
    partitions: 2,
    ordersPerSecond: 200,
    workers: 2,
    events: ['add', 'stop', 'kill'],
    gapMs: 1200,
    warmUpMs: 500,
  },
  sizes: {
    partitions: 2,
    keys: 10,
    records: 1000,
    backlogBytes: 1_000_000,
    sizes: [
      { messageBytes: 100, stateBytes: 20 },
      { messageBytes: 5000, stateBytes: 5000 },
    ],
  },
  routing: {
    parts: routingParts,
    rounds: 1,
    partitions: 2,
    stages: [1, 3],
    keys: 50,
    messagesPerSecond: 200,
    warmUpMs: 500,
    measuredMs: 1000,
    lines: 1000,
    distinctWords: 100,
    diskMinutes: 0.05,
    diskLinesPerSecond: 200,
  },
  windows: { rounds: 1, partitions: 2, events: 5000, keys: 100, minutes: 3 },
  scaling: {
    groups: [{ workers: 4, tasks: 20, standbys: 1 }],
    rolling: 1,
    members: [3],
    patienceMs: 10_000,
    transactionTasks: [2],
    transactionsMs: 200,
  },
}
