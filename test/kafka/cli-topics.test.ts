import { describe, expect, test } from 'vitest'
import { freePorts } from '../../src/broker/free-ports.js'
import { uniqueName } from '../support/broker.js'
import { runCli } from '../support/cli.js'
import { createTopics, withAdmin } from '../support/topics.js'

const APPLICATION = 'dist/market-spread/application.js'

/** `topic role state partitions declared cleanup.policy declared`, by topic. */
const rowsOf = (lines: readonly string[], prefix: string) =>
  Object.fromEntries(
    lines.slice(1).map((line) => {
      const [name = '', ...cells] = line.split(/\s{2,}/)
      return [name.replace(prefix, ''), cells]
    }),
  )

describe('potoroo topics', () => {
  test('creates what is missing, and then finds it', async () => {
    const prefix = `${uniqueName('topics')}-`
    const first = await runCli(['topics', APPLICATION, '--topic-prefix', prefix])
    expect(first).toMatchObject({ code: 0, stderr: [] })
    expect(rowsOf(first.stdout, prefix)).toEqual({
      'market-data': ['source', 'created', '8', '8', 'delete', 'delete'],
      orders: ['source', 'created', '8', '8', 'delete', 'delete'],
      rejections: ['sink', 'created', '8', '8', 'delete', 'delete'],
      'market-spread-symbol-changelog': ['changelog', 'created', '8', '8', 'compact', 'compact'],
      'market-spread-dead-letters': ['dead letters', 'created', '8', '8', 'delete', 'delete'],
      'market-spread-manifest': ['manifest', 'created', '1', '1', 'compact', 'compact'],
    })
    const second = await runCli(['topics', APPLICATION, '--topic-prefix', prefix])
    expect(second.code).toBe(0)
    expect(Object.values(rowsOf(second.stdout, prefix)).map(([, state]) => state)).toEqual(Array(6).fill('exists'))
  })

  test('creates nothing with --dry-run', async () => {
    const prefix = `${uniqueName('topics')}-`
    const { code, stdout } = await runCli(['topics', APPLICATION, '--topic-prefix', prefix, '--dry-run'])
    expect(code).toBe(0)
    expect(rowsOf(stdout, prefix)['orders']).toEqual(['source', 'missing', '-', '8', '-', 'delete'])
    expect((await withAdmin((admin) => admin.listTopics())).filter((name) => name.startsWith(prefix))).toEqual([])
  })

  test('makes what is missing fit what is there', async () => {
    const prefix = `${uniqueName('topics')}-`
    await createTopics([{ name: `${prefix}orders`, partitions: 3 }])
    const { code, stdout } = await runCli(['topics', APPLICATION, '--topic-prefix', prefix])
    expect(code).toBe(0)
    expect(rowsOf(stdout, prefix)).toMatchObject({
      orders: ['source', 'exists', '3', '8', 'delete', 'delete'],
      'market-data': ['source', 'created', '3', '8', 'delete', 'delete'],
      'market-spread-symbol-changelog': ['changelog', 'created', '3', '3', 'compact', 'compact'],
    })
  })

  test('says which co-partitioned topics differ, creates nothing, and exits with 3', async () => {
    const prefix = `${uniqueName('topics')}-`
    await createTopics([
      { name: `${prefix}orders`, partitions: 3 },
      { name: `${prefix}market-data`, partitions: 2 },
    ])
    const { code, stderr } = await runCli(['topics', APPLICATION, '--topic-prefix', prefix])
    expect(code).toBe(3)
    expect(stderr).toHaveLength(1)
    expect(stderr[0]).toMatch(
      /^error PARTITION_COUNTS_DIFFER: .*market-data has 2, .*orders has 3\. Give co-partitioned/,
    )
    const there = await withAdmin((admin) => admin.listTopics())
    expect(there.filter((name) => name.startsWith(prefix))).toHaveLength(2)
  })

  test('says in one line that no broker answers, and exits with 4', async () => {
    const [port = 0] = await freePorts(1)
    const { code, stderr } = await runCli(['topics', APPLICATION, '--brokers', `127.0.0.1:${String(port)}`])
    expect(code).toBe(4)
    expect(stderr.filter((line) => line.startsWith('error '))).toHaveLength(1)
    expect(stderr.at(-1)).toMatch(/^error BROKER_UNREACHABLE: .*127\.0\.0\.1:\d+/)
  })
})
