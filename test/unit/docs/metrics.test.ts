/** docs/metrics.md: its table is that of src/metrics/instruments.ts. */
import { expect, test } from 'vitest'
import { familyName } from '../../../src/cli/http/text-format.js'
import { attributes, instruments, type Instrument } from '../../../src/metrics/instruments.js'
import { readDocument } from '../../support/documents.js'

const cellsOf = (row: string): string[] =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim())

test('docs/metrics.md has each metric, as it is', () => {
  const rows = readDocument('docs/metrics.md')
    .split('\n')
    .filter((line) => /^\| `(messaging|potoroo)\./.test(line))
  const expected = Object.values(instruments as Readonly<Record<string, Instrument>>).map((instrument) => {
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
  })
  expect(rows.map(cellsOf)).toEqual(expected)
})
