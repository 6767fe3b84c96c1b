/**
 * What of an SDK of OpenTelemetry's is set up in this process. Where nothing is, there is nothing to count or record for, and the
 * API is not even loaded: each start would pay for its 45 modules.
 */
import type { Meter, Tracer } from '@opentelemetry/api'

/** Of the meter and the tracer, as SDKs know them. */
export const METER_NAME = 'potoroo'

/** Where the API, of any version 1, keeps what an SDK has registered with it. */
const REGISTERED = Symbol.for('opentelemetry.js.api.1')

type Registry = Partial<Readonly<Record<'metrics' | 'trace', object>>>

function isRegistered(what: keyof Registry): boolean {
  const registry = (globalThis as unknown as Readonly<Record<symbol, Registry | undefined>>)[REGISTERED]
  return registry?.[what] !== undefined
}

/** Undefined where nobody collects: then nothing is counted. To be called behind the set-up of the SDK. */
export async function globalMeter(): Promise<Meter | undefined> {
  if (!isRegistered('metrics')) return undefined
  const { createNoopMeter, metrics } = await import('@opentelemetry/api')
  const meter = metrics.getMeter(METER_NAME)
  // The API that registered it may be a later one than this.
  return meter === createNoopMeter() ? undefined : meter
}

/** The same for spans. */
export async function globalTracer(): Promise<Tracer | undefined> {
  if (!isRegistered('trace')) return undefined
  const { trace } = await import('@opentelemetry/api')
  return trace.getTracer(METER_NAME)
}
