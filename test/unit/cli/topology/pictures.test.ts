import { expect, test } from 'vitest'
import { application, definitionOf } from '../../../../src/api/application.js'
import { broadcast } from '../../../../src/api/broadcast.js'
import { from, table } from '../../../../src/api/stream.js'
import { stateObject } from '../../../../src/api/state-object.js'
import { topic } from '../../../../src/api/topic.js'
import { topologyJson, topologyMermaid, topologyText } from '../../../../src/cli/topology/pictures.js'
import { partitionCounts } from '../../../../src/core/plan/partition-counts.js'
import { topologyOf } from '../../../../src/core/plan/topology.js'
import { anySchema } from '../../../support/schemas.js'

const lines = topic('lines', { schema: anySchema<{ text: string }>() })
const counts = topic('counts', { schema: anySchema<{ word: string }>(), key: ({ word }) => word, partitions: 4 })
const total = stateObject('total', () => ({ n: 0 }))
const words = topologyOf(
  definitionOf(
    application(
      'word-count',
      from(lines)
        .flatMap(({ text }) => text.split(' '))
        .keyBy((word) => word)
        .to(total, (state, word) => ({ word, n: ++state.n }))
        .sink(counts),
      from(counts, 'own').to(total, () => undefined),
    ),
  ),
)
const partitions = partitionCounts(words.subTopologies, () => undefined)

test('a topology as text', () => {
  expect(topologyText(words, partitions)).toBe(
    [
      'sub-topology  tasks  reads                                             keeps  writes',
      'lines             8  lines (no key)                                    -      word-count-lines-total-repartition',
      'total             4  word-count-lines-total-repartition (repartition)  total  counts',
      '                     counts',
      '',
    ].join('\n'),
  )
})

test('a topology as a Mermaid flowchart', () => {
  expect(topologyMermaid(words)).toBe(
    [
      'flowchart LR',
      '  t1[/"lines"/]',
      '  t2[/"word-count-lines-total-repartition"/]',
      '  t3[/"counts"/]',
      '  subgraph s1 ["lines"]',
      '    n1(["flatMap"])',
      '  end',
      '  subgraph s2 ["total"]',
      '    n2[("total")]',
      '  end',
      '  t1 --> n1',
      '  n1 --> t2',
      '  t2 --> n2',
      '  n2 --> t3',
      '  t3 --> n2',
      '',
    ].join('\n'),
  )
})

test('a state object with upgrades is shown with its version', () => {
  const upgraded = stateObject('total', () => ({ n: 0 }), {
    upgrades: [(stored: object) => ({ ...stored }), (stored: object) => ({ ...stored })],
  })
  const counted = topologyOf(
    definitionOf(
      application(
        'counts',
        from(counts).to(upgraded, () => undefined),
      ),
    ),
  )
  const tasks = partitionCounts(counted.subTopologies, () => undefined)
  expect(topologyText(counted, tasks)).toContain('total v2')
  expect(topologyMermaid(counted)).toContain('[("total v2")]')
  expect(topologyJson(counted, tasks).subTopologies[0]?.versions).toEqual({ total: 2 })
})

test('a topology as JSON', () => {
  expect(topologyJson(words, partitions)).toEqual({
    application: 'word-count',
    subTopologies: [
      {
        name: 'lines',
        tasks: 8,
        sources: [{ topic: 'lines', repartition: false, keyed: false }],
        states: [],
        tables: [],
        broadcasts: [],
        versions: {},
        sinks: ['word-count-lines-total-repartition'],
      },
      {
        name: 'total',
        tasks: 4,
        sources: [
          { topic: 'word-count-lines-total-repartition', repartition: true, keyed: true },
          { topic: 'counts', repartition: false, keyed: true },
        ],
        states: ['total'],
        tables: [],
        broadcasts: [],
        versions: { total: 0 },
        sinks: ['counts'],
      },
    ],
  })
})

test('tables, joins and broadcasts', () => {
  const known = table('known', from(counts))
  const hints = broadcast('hints', topic('hints', { schema: anySchema<{ word: string }>(), key: ({ word }) => word }))
  const joined = topologyOf(
    definitionOf(
      application(
        'joined',
        from(counts)
          .join(known, (one) => one)
          .join(
            hints,
            ({ word }) => word,
            (one) => one,
          )
          .sink(counts),
      ),
    ),
  )
  const tasks = partitionCounts(joined.subTopologies, () => undefined)
  const [head, ...rows] = topologyText(joined, tasks).trimEnd().split('\n')
  expect(head).toContain('keeps')
  expect(rows.map((row) => row.trim().split(/ {2,}/))).toEqual([
    ['known', '4', 'counts', 'known (table)', 'counts'],
    ['hints (broadcast)'],
  ])
  expect(topologyMermaid(joined).split('\n')).toEqual([
    'flowchart LR',
    '  t1[/"counts"/]',
    '  t2[/"hints"/]',
    '  subgraph s1 ["known"]',
    '    n1[("known (table)")]',
    '    n2(["join"])',
    '    n3(["lookup"])',
    '  end',
    '  t1 --> n1',
    '  t1 --> n2',
    '  n1 -.-> n2',
    '  n2 --> n3',
    '  t2 -.-> n3',
    '  n3 --> t1',
    '',
  ])
  expect(topologyJson(joined, tasks).subTopologies).toMatchObject([
    { states: ['known'], tables: ['known'], broadcasts: [{ name: 'hints', topic: 'hints' }] },
  ])
})
