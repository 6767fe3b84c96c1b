import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ConfigResourceTypes } from 'kafkajs'
import { describe, expect, test } from 'vitest'
import { murmur2 } from '../../src/core/plan/partitioner.js'
import { uniqueName } from '../support/broker.js'
import { runCli, startCli } from '../support/cli.js'
import { temporaryFolder } from '../support/temporary.js'
import { createTopics, withAdmin } from '../support/topics.js'
import { until } from '../support/until.js'

const quote = (symbol: string, bid: number): string =>
  JSON.stringify({ symbol, bid, offer: bid + 1, time: '2026-01-01T00:00:00.000Z' })

async function quotesTopic(
  partitions: number,
  config: Record<string, string> = {},
): Promise<{ prefix: string; name: string }> {
  const prefix = `${uniqueName('produce')}-`
  const name = `${prefix}market-data`
  await createTopics([{ name, partitions, config }])
  return { prefix, name }
}
const countsOf = async (topic: string): Promise<Record<number, number>> => {
  const offsets = await withAdmin((admin) => admin.fetchTopicOffsets(topic))
  return Object.fromEntries(offsets.map(({ partition, high }) => [partition, Number(high)]))
}
const total = (counts: Record<number, number>): number => Object.values(counts).reduce((sum, n) => sum + n, 0)

describe('potoroo produce', () => {
  test('puts each line on the partition that its key’s murmur2 gives, in order', async () => {
    const { prefix, name } = await quotesTopic(5)
    const lines = Array.from({ length: 2_000 }, (_, i) => quote(`S${String(i % 50)}`, i))
    const file = join(temporaryFolder(), 'quotes.ndjson')
    writeFileSync(file, lines.join('\n'))
    const { code, stdout, stderr } = await runCli(['produce', 'market-data', file, '--topic-prefix', prefix])
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: [`2,000 records produced to ${name}`], stderr: [] })

    const expected: Record<number, number> = { 0: 0, 1: 0, 2: 0, 3: 0, 4: 0 }
    for (let i = 0; i < 2_000; i++) {
      const partition = (murmur2(Buffer.from(`S${String(i % 50)}`)) & 0x7fffffff) % 5
      expected[partition] = (expected[partition] ?? 0) + 1
    }
    expect(await countsOf(name)).toEqual(expected)
    const { stdout: read } = await runCli(['tail', name, '--from-beginning', '--until-end'])
    expect([...read].sort()).toEqual([...lines].sort())
    const bidsOf = (some: readonly string[], symbol: string) => some.filter((line) => line.includes(`"${symbol}"`))
    expect(bidsOf(read, 'S7')).toEqual(bidsOf(lines, 'S7'))
  })

  test('gives times and headers, which tail shows beside key and value', async () => {
    const { prefix, name } = await quotesTopic(1)
    const flags = ['--topic-prefix', prefix, '--timestamp-field', 'time', '--header', 'source=a b', '--header', 'x=']
    expect(await runCli(['produce', 'market-data', ...flags], { input: quote('A', 1) })).toMatchObject({ code: 0 })
    const { stdout } = await runCli(['tail', name, '--from-beginning', '--until-end', '--format', 'json'])
    expect(stdout.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        partition: 0,
        offset: 0,
        timestampMs: Date.UTC(2026, 0, 1),
        time: '2026-01-01T00:00:00.000Z',
        key: 'A',
        headers: [
          { name: 'source', value: 'a b' },
          { name: 'x', value: '' },
        ],
        value: JSON.parse(quote('A', 1)) as unknown,
      },
    ])
    const text = await runCli(['tail', name, '--from-beginning', '--until-end', '--format', 'text'])
    expect(text.stdout).toEqual([`0:0\t2026-01-01T00:00:00.000Z\tA\tsource=a b x=\t${quote('A', 1)}`])
  })

  test('reports bad lines by number, writes the others, and exits with 1', async () => {
    const { prefix, name } = await quotesTopic(2)
    const input = [quote('A', 1), 'nix', '', quote('B', 1), '{"symbol":"C","bid":"1"}', quote('D', 1)].join('\n')
    const { code, stdout, stderr } = await runCli(['produce', 'market-data', '--topic-prefix', prefix], { input })
    expect(code).toBe(1)
    expect(stdout).toEqual([`3 records produced to ${name}, 2 lines refused`])
    expect(stderr).toEqual([
      expect.stringMatching(/^line 2: NOT_JSON: /),
      expect.stringMatching(/^line 5: SCHEMA_MISMATCH: .*bid/),
      'lines were checked against topic market-data of the bundled Market Spread; --application selects another',
    ])
    expect(total(await countsOf(name))).toBe(3)
  })

  test('a stream is written as it comes, not only at its end', async () => {
    const { prefix, name } = await quotesTopic(1)
    const cli = startCli(['produce', 'market-data', '-', '--topic-prefix', prefix])
    cli.write(`${quote('A', 1)}\n`)
    await until('the first record is there', async () => total(await countsOf(name)) === 1)
    cli.write(quote('A', 2), true)
    expect(await cli.exited).toMatchObject({ code: 0 })
    expect(total(await countsOf(name))).toBe(2)
  })

  test('keeps within what a topic takes in one batch', async () => {
    const { prefix, name } = await quotesTopic(1, { 'max.message.bytes': '2000' })
    const lines = Array.from({ length: 200 }, (_, i) => quote('A', i))
    const large = quote('B'.repeat(2_000), 1)
    const { code, stderr } = await runCli(['produce', 'market-data', '--topic-prefix', prefix], {
      input: [...lines, large].join('\n'),
    })
    expect(code).toBe(1)
    expect(stderr[0]).toMatch(/^line 201: (RECORD_TOO_LARGE|KEY_TOO_LONG)/)
    expect(await countsOf(name)).toEqual({ 0: 200 })
  })

  test('a failure ends with what each partition acknowledged, and which lines none did', async () => {
    const { prefix, name } = await quotesTopic(2)
    const cli = startCli(['produce', 'market-data', '-', '--topic-prefix', prefix])
    cli.write(`${quote('A', 1)}\nnix\n${quote('A', 2)}\n`)
    await until('the first records are there', async () => total(await countsOf(name)) === 2)
    // From now on the topic takes less than the command was told when it began.
    const configEntries = [{ name: 'max.message.bytes', value: '100' }]
    await withAdmin((admin) =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries }],
      }),
    )
    cli.write(`${quote('A', 4)}\n${quote('A', 5)}\nnix\n`, true)
    expect(await cli.exited).toMatchObject({ code: 1 })
    const partition = Number(Object.entries(await countsOf(name)).find(([, count]) => count > 0)?.[0])
    expect(cli.stdout).toEqual([])
    expect(cli.stderr.filter((line) => !line.startsWith('line '))).toEqual([
      `2 records produced to ${name}, 2 lines refused before it failed: 2 on partition ${String(partition)}`,
      'not acknowledged: lines 4-5; the lines after 6 were not sent',
      expect.stringMatching(/^error RECORD_TOO_LARGE: writing to .*its leader answers: MESSAGE_TOO_LARGE/),
    ])
    expect(total(await countsOf(name))).toBe(2)
  })

  test('a topic that is not there, or not declared, is one clear line', async () => {
    const missing = await runCli(['produce', 'orders', '--topic-prefix', `${uniqueName('nowhere')}-`])
    expect(missing.code).toBe(3)
    expect(missing.stderr).toHaveLength(1)
    expect(missing.stderr[0]).toMatch(/^error TOPIC_MISSING: .*orders/)
    const undeclared = await runCli(['produce', 'nix'])
    expect(undeclared.code).toBe(2)
    expect(undeclared.stderr).toEqual([
      'error INVALID_CONFIGURATION: no application was given that declares topic nix. Name its module: npx potoroo produce nix ' +
        '--application dist/application.js. (Without that, it knows the topics of the bundled Market Spread: ' +
        'market-data, orders, rejections.)',
    ])
  })
})
