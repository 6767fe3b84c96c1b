/** Weather in which some answers come late, and whoever waits for them does not know yet what everybody else knows. */
import type { Api, Fate, Faults, RequestInfo, WriteFate } from '../../src/memory/faults.js'
import type { SeededRandom } from '../../src/memory/random.js'

export interface Lateness {
  /** Of answers to that. */
  readonly rate: number
  readonly fromMs: number
  readonly toMs: number
}

export class LateAnswers implements Faults {
  constructor(
    private readonly weather: Faults & { readonly calm: boolean },
    private readonly random: SeededRandom,
    private readonly late: Readonly<Partial<Record<Api, Lateness>>>,
  ) {}

  request(request: RequestInfo): Fate {
    const fate = this.weather.request(request)
    const late = this.weather.calm ? undefined : this.late[request.api]
    if (late === undefined || !this.random.chance(late.rate)) return fate
    return { ...fate, toClientMs: fate.toClientMs + this.random.between(late.fromMs, late.toMs) }
  }

  readMs(): number {
    return this.weather.readMs()
  }

  markerMs(transactionalId: string): number {
    return this.weather.markerMs(transactionalId)
  }

  write(write: { readonly process: string; readonly task: string }): WriteFate {
    return this.weather.write(write)
  }

  openMs(open: { readonly process: string; readonly task: string }): number {
    return this.weather.openMs(open)
  }
}
