import { familyName } from '../../../src/cli/http/text-format.js'
import { attributes, instruments, type Instrument } from '../../../src/metrics/instruments.js'
import { markdownTable } from './tables.js'

/** Of src/metrics/instruments.ts. */
export const metricsTable = (): string =>
  markdownTable(
    ['OpenTelemetry', 'Prometheus', 'kind', 'unit', 'attributes', 'what'],
    Object.values(instruments as Readonly<Record<string, Instrument>>).map((instrument) => {
      const { name, kind, unit, help } = instrument
      const named = instrument.attributes.map((attribute) => `\`${attributes[attribute]}\``)
      return [
        `\`${name}\``,
        `\`${familyName(name, unit)}${kind === 'counter' ? '_total' : ''}\``,
        kind.replace('observed ', ''),
        `\`${unit}\``,
        named.join(', ') || '-',
        help,
      ]
    }),
  )
