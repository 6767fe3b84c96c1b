/** What an interval join gives, calculated plainly over the logs of its topics: each record with each, without keeping or forgetting any. */
export interface PlainRecord<M> {
  readonly key: string
  readonly timestampMs: number
  readonly message: M
}
/** The records of one partition, in its order. */
export type PlainLog<M> = readonly PlainRecord<M>[]

export interface PlainPairs<L, R> {
  readonly both: { readonly key: string; readonly timestampMs: number; readonly left: L; readonly right: R }[]
  readonly left: PlainRecord<L>[]
  readonly right: PlainRecord<R>[]
  /** Late, of both sides. */
  readonly late: PlainRecord<L | R>[]
}

interface Placed<M> extends PlainRecord<M> {
  /** What its log had come to before it. */
  readonly boundMs: number
}

function placed<M>(
  logs: readonly PlainLog<M>[],
  {
    latenessMs,
    withinMs,
    takes = () => true,
  }: { latenessMs: number; withinMs: number; takes?: ((message: M) => boolean) | undefined },
  late: PlainRecord<M>[],
) {
  const found: Placed<M>[] = []
  for (const log of logs) {
    let boundMs = -Infinity
    for (const record of log) {
      if (!takes(record.message)) {
        // It moves time, and meets nothing.
      } else if (record.timestampMs + withinMs < boundMs) late.push(record)
      else found.push({ ...record, boundMs })
      boundMs = Math.max(boundMs, record.timestampMs - latenessMs)
    }
  }
  return found
}

/** `latenessMs` of either side's topic. */
export function plainPairs<L, R>(
  leftLogs: readonly PlainLog<L>[],
  rightLogs: readonly PlainLog<R>[],
  {
    withinMs,
    latenessMs,
    takes,
  }: {
    readonly withinMs: number
    readonly latenessMs: readonly [number, number]
    /** Default: all. */
    readonly takes?: (message: L | R) => boolean
  },
): PlainPairs<L, R> {
  const late: PlainRecord<L | R>[] = []
  const lefts = placed(leftLogs, { latenessMs: latenessMs[0], withinMs, takes }, late as PlainRecord<L>[])
  const rights = placed(rightLogs, { latenessMs: latenessMs[1], withinMs, takes }, late as PlainRecord<R>[])
  const both: PlainPairs<L, R>['both'] = []
  const met = new Set<unknown>()
  for (const left of lefts)
    for (const right of rights) {
      if (left.key !== right.key || Math.abs(left.timestampMs - right.timestampMs) > withinMs) continue
      // Neither was over by what the other's partition had come to.
      if (left.timestampMs + withinMs < right.boundMs || right.timestampMs + withinMs < left.boundMs) continue
      met.add(left).add(right)
      const timestampMs = Math.max(left.timestampMs, right.timestampMs)
      both.push({ key: left.key, timestampMs, left: left.message, right: right.message })
    }
  const alone = <M>(all: readonly Placed<M>[]): PlainRecord<M>[] =>
    all.flatMap((one) =>
      met.has(one) ? [] : [{ key: one.key, timestampMs: one.timestampMs + withinMs, message: one.message }],
    )
  return { both, left: alone(lefts), right: alone(rights), late }
}
