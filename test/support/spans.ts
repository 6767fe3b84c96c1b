/** Spans of a test: an SDK of its own, and what it has recorded. */
import { InMemorySpanExporter, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { BasicTracerProvider } from '@opentelemetry/sdk-trace-base'

export class TestSpans {
  readonly #exporter = new InMemorySpanExporter()
  readonly provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(this.#exporter)] })

  get all(): readonly ReadableSpan[] {
    return this.#exporter.getFinishedSpans()
  }
  named(name: string): readonly ReadableSpan[] {
    return this.all.filter((span) => span.name === name)
  }
  /** The only one of that name. */
  one(name: string): ReadableSpan {
    const [only, ...others] = this.named(name)
    if (only === undefined || others.length > 0)
      throw new Error(`not one span '${name}' among ${this.all.map((span) => span.name).join(', ')}`)
    return only
  }
}

/** ms since the epoch. */
export const startMs = ({ startTime: [s, ns] }: ReadableSpan): number => s * 1000 + ns / 1e6
export const endMs = ({ endTime: [s, ns] }: ReadableSpan): number => s * 1000 + ns / 1e6
