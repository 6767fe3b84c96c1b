/**
 * SIGINT and SIGTERM, from the first moment on: process 1 of a container gets no signal that it has no handler for, and
 * one that came too early would be lost for good. So this file is loaded before nearly all others, and loads none.
 */
type Signal = 'SIGINT' | 'SIGTERM'

const numbers: Readonly<Record<Signal, number>> = { SIGINT: 2, SIGTERM: 15 }

/** What of the process is needed. */
export interface SignalledProcess {
  readonly pid: number
  on(signal: Signal, listener: (signal: Signal) => void): unknown
  off(signal: Signal, listener: (signal: Signal) => void): unknown
  kill(pid: number, signal: Signal): unknown
  exit(code: number): void
}

export class StopSignals {
  #claims: readonly AbortController[] = []
  #received = false

  constructor(
    private readonly process: SignalledProcess,
    /** Whether a signal that comes before anything has begun is a stop, done with exit code 0; else it is an end. */
    private readonly stopsBeforeBegun: boolean,
  ) {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, this.#listener)
  }

  /** Whether there was one. */
  get received(): boolean {
    return this.#received
  }

  /** Aborted by the first signal from now on. */
  requested(): AbortSignal {
    const claim = new AbortController()
    this.#claims = [...this.#claims, claim]
    return claim.signal
  }

  readonly #listener = (signal: Signal): void => {
    this.receive(signal)
  }

  /** As if the process got it. */
  receive(signal: Signal): void {
    const isFirst = !this.#received && this.#claims.length === 0
    this.#received = true
    const open = this.#claims.filter((claim) => !claim.signal.aborted)
    if (open.length > 0) for (const claim of open) claim.abort()
    else if (isFirst && this.stopsBeforeBegun) this.process.exit(0)
    else this.#end(signal)
  }

  /** As if there were no handler; where nothing comes of that, as for process 1, by the exit code that a shell gives it. */
  #end(signal: Signal): void {
    for (const each of ['SIGINT', 'SIGTERM'] as const) this.process.off(each, this.#listener)
    this.process.kill(this.process.pid, signal)
    if (this.process.pid === 1) this.process.exit(128 + numbers[signal])
  }
}
