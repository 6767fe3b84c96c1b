/**
 * Simulates worlds, one a seed, on all cores; prints what was found. `--seed N` is the first one (default 1), `--count M`
 * how many (default 1,000). With a count of 1, or for the first seed that found something, the trace is printed. With
 * `--wire`, workers reach their brokers through src/kafka.
 */
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker as Thread, workerData } from 'node:worker_threads'
import { simulate, type Outcome } from './simulation.js'

interface Share {
  readonly first: number
  readonly count: number
  readonly step: number
  readonly wire: boolean
}
type Result = Pick<Outcome, 'seed' | 'problems' | 'events' | 'virtualMs'>

const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

export async function main(args: readonly string[]): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '1000' },
      wire: { type: 'boolean', default: false },
    },
  })
  const { wire } = values
  const [first, count] = [Number(values.seed), Number(values.count)]
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(count) || count < 1) {
    say('usage: npm run sim -- [--seed N] [--count M] [--wire]')
    return 2
  }
  if (count === 1) return (await showTrace(first, wire)) ? 0 : 1
  const began = performance.now()
  const found = await simulateAll(first, count, wire)
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  const failed = found.filter(({ problems }) => problems.length > 0).sort((a, b) => a.seed - b.seed)
  const [worst] = failed
  if (worst !== undefined) {
    await showTrace(worst.seed, wire)
    for (const { seed, problems } of failed) say(`seed ${String(seed)}: ${problems[0] ?? ''}`)
  }
  const virtualHours = (found.reduce((ms, { virtualMs }) => ms + virtualMs, 0) / 3_600_000).toFixed(1)
  const events = found.reduce((n, one) => n + one.events, 0)
  say(
    `${String(count)} seeds from ${String(first)}: ${String(failed.length)} found something ` +
      `(${virtualHours} virtual hours, ${String(events)} events, in ${seconds} s)`,
  )
  return failed.length === 0 ? 0 : 1
}

async function showTrace(seed: number, wire: boolean): Promise<boolean> {
  const { trace, problems, fingerprint } = await simulate(seed, { trace: true, wire })
  for (const line of trace) say(line)
  for (const problem of problems) say(`FOUND ${problem}`)
  say(
    `seed ${String(seed)}, fingerprint ${String(fingerprint)}: ${problems.length === 0 ? 'nothing found' : 'see above'}`,
  )
  return problems.length === 0
}

async function simulateAll(first: number, count: number, wire: boolean): Promise<Result[]> {
  const threads = Math.min(availableParallelism(), count)
  const shares = Array.from({ length: threads }, (_, i): Share => {
    return { first: first + i, count: Math.ceil((count - i) / threads), step: threads, wire }
  })
  const results = await Promise.all(
    shares.map(
      (share) =>
        new Promise<Result[]>((resolve, reject) => {
          const thread = new Thread(new URL(import.meta.url), { workerData: share })
          thread.once('message', resolve)
          thread.once('error', reject)
        }),
    ),
  )
  return results.flat()
}

if (!isMainThread && parentPort !== null) {
  const { first, count, step, wire } = workerData as Share
  const results: Result[] = []
  for (let i = 0; i < count; i++) {
    const { seed, problems, events, virtualMs } = await simulate(first + i * step, { wire })
    results.push({ seed, problems, events, virtualMs })
  }
  parentPort.postMessage(results)
}
