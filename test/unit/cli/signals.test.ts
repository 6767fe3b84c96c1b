import { describe, expect, test } from 'vitest'
import { StopSignals, type SignalledProcess } from '../../../src/cli/signals.js'

type Signal = 'SIGINT' | 'SIGTERM'

/** What becomes of it is written down. */
class FakeProcess implements SignalledProcess {
  readonly ends: string[] = []
  readonly #listeners = new Map<Signal, (signal: Signal) => void>()

  constructor(readonly pid: number) {}

  on(signal: Signal, listener: (signal: Signal) => void): void {
    this.#listeners.set(signal, listener)
  }
  off(signal: Signal): void {
    this.#listeners.delete(signal)
  }
  kill(_pid: number, signal: Signal): void {
    if (this.#listeners.has(signal)) this.receive(signal)
    // As the kernel has it: process 1 gets none that it has no handler for.
    else if (this.pid !== 1) this.ends.push(signal)
  }
  exit(code: number): void {
    this.ends.push(`exit ${String(code)}`)
  }
  receive(signal: Signal): void {
    this.#listeners.get(signal)?.(signal)
  }
}

describe.each([
  ['a process', 100, 'SIGTERM'],
  ['process 1', 1, 'exit 143'],
])('%s', (_, pid, end) => {
  test('that has begun nothing ends well where that is a stop, and else as without handlers', () => {
    const [worker, command] = [new FakeProcess(pid), new FakeProcess(pid)]
    new StopSignals(worker, true)
    new StopSignals(command, false)
    for (const process of [worker, command]) process.receive('SIGTERM')
    expect(worker.ends).toEqual(['exit 0'])
    expect(command.ends).toEqual([end])
  })

  test('is told of the first signal, and ended by the second', () => {
    const process = new FakeProcess(pid)
    const signals = new StopSignals(process, true)
    const stop = signals.requested()
    expect(signals.received).toBe(false)
    process.receive('SIGINT')
    expect(stop.aborted).toBe(true)
    expect(signals.received).toBe(true)
    expect(process.ends).toEqual([])
    process.receive('SIGTERM')
    expect(process.ends).toEqual([end])
  })

  test('that asks for the second one while it is told of the first gets it', () => {
    const process = new FakeProcess(pid)
    const signals = new StopSignals(process, true)
    let second: AbortSignal | undefined
    signals.requested().addEventListener('abort', () => (second = signals.requested()))
    process.receive('SIGTERM')
    expect(second?.aborted).toBe(false)
    process.receive('SIGTERM')
    expect(second?.aborted).toBe(true)
    expect(process.ends).toEqual([])
  })
})
