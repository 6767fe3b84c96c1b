/** Whether a worker is measured at all: only where somebody has set up an SDK of OpenTelemetry's. */
import { createNoopMeter, metrics, type Meter } from '@opentelemetry/api'

/** Of the meter, as SDKs know it. */
export const METER_NAME = 'potoroo'

/** Undefined where nobody collects: then nothing is counted. To be called behind the set-up of the SDK. */
export function globalMeter(): Meter | undefined {
  const meter = metrics.getMeter(METER_NAME)
  return meter === createNoopMeter() ? undefined : meter
}
