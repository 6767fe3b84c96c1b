import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { testBrokers, uniqueName } from '../support/broker.js'
import { CLI_MAIN, runCli, startCli } from '../support/cli.js'
import { createTopics, produce, produceInTransaction, withAdmin } from '../support/topics.js'

const values = (...names: (string | number)[]) =>
  names.map((name) => ({ key: String(name), value: JSON.stringify(name) }))

async function newTopic(partitions = 1): Promise<string> {
  const name = uniqueName('tail')
  await createTopics([{ name, partitions }])
  return name
}
const read = (topic: string, ...args: string[]) => runCli(['tail', topic, '--from-beginning', '--until-end', ...args])

describe('potoroo tail', () => {
  test('ends where the topic ended, waiting for a transaction that was open then', async () => {
    const topic = await newTopic()
    await produce(topic, values('before'))
    const transaction = await produceInTransaction(topic, values('inside'), uniqueName('transaction'))
    const cli = startCli(['tail', topic, '--from-beginning', '--until-end'])
    expect(await cli.line(/waiting for open transactions/)).toContain(`${topic}-0 is decided up to 1 of 2`)
    expect(cli.running()).toBe(true)
    expect(cli.stdout).toEqual(['"before"'])
    await produce(topic, values('after'))
    await transaction.commit()
    expect(await cli.exited).toMatchObject({ code: 0 })
    expect(cli.stdout).toEqual(['"before"', '"inside"'])
  })

  test('leaves out what was aborted, also of two producers at once', async () => {
    const topic = await newTopic()
    const one = await produceInTransaction(topic, values('x1', 'x2'), uniqueName('transaction'))
    const two = await produceInTransaction(topic, values('y1'), uniqueName('transaction'))
    await produce(topic, values('kept'))
    await one.abort()
    await two.abort()
    // Four zero bytes as a key look like an abort marker to who does not look at the batch.
    await produce(topic, [{ key: Buffer.alloc(4), value: '"zero key"' }])
    expect((await read(topic)).stdout).toEqual(['"kept"', '"zero key"'])
  })

  test('reads all partitions, prints what is no JSON as it is, and null for no value', async () => {
    const topic = await newTopic(3)
    await produce(topic, [
      ...values(...Array.from({ length: 300 }, (_, i) => i)),
      { key: 'text', value: 'plain text' },
      { key: 'none', value: null },
      { key: 'pretty', value: '{\n  "a": 1\n}' },
    ])
    const { code, stdout, stderr } = await read(topic)
    expect({ code, stderr }).toEqual({ code: 0, stderr: [] })
    const expected = [...Array.from({ length: 300 }, (_, i) => String(i)), 'plain text', 'null', '{   "a": 1 }']
    expect([...stdout].sort()).toEqual(expected.sort())
  })

  test('stops after --count', async () => {
    const topic = await newTopic()
    await produce(topic, values(1, 2, 3, 4))
    expect(await runCli(['tail', topic, '--from-beginning', '--count', '3'])).toMatchObject({
      code: 0,
      stdout: ['1', '2', '3'],
    })
  })

  test('starts with what comes from now on, and ends with 0 on SIGINT', async () => {
    const topic = await newTopic()
    await produce(topic, values('old'))
    const cli = startCli(['tail', topic, '--debug'])
    await cli.line(/tailing/)
    await produce(topic, values('new'))
    await cli.line(/"new"/)
    cli.kill('SIGINT')
    expect(await cli.exited).toMatchObject({ code: 0 })
    expect(cli.stdout).toEqual(['"new"'])
  })

  test('an empty topic ends at once', async () => {
    expect(await read(await newTopic(4))).toEqual({ code: 0, stdout: [], stderr: [] })
  })

  test('leaves no consumer group behind', async () => {
    const topic = await newTopic()
    await produce(topic, values(1))
    await read(topic)
    const { groups } = await withAdmin((admin) => admin.listGroups())
    const subscribed = await withAdmin((admin) => admin.describeGroups(groups.map(({ groupId }) => groupId)))
    expect(JSON.stringify(subscribed)).not.toContain(topic)
  })

  test('ends quietly when its reader goes away', async () => {
    const topic = await newTopic()
    await produce(topic, values(...Array.from({ length: 5_000 }, (_, i) => i)))
    const child = spawn(process.execPath, [CLI_MAIN, 'tail', topic, '--from-beginning'], {
      env: { ...process.env, KAFKA_BROKERS: testBrokers().join(',') },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stderr = ''
    child.stderr.on('data', (data: Buffer) => (stderr += data.toString()))
    const exited = new Promise((resolve) => child.once('close', resolve))
    await once(child.stdout, 'data')
    child.stdout.destroy()
    // Where it still had lines to write, it ends before this one arrives.
    await produce(topic, values('one more'))
    expect({ code: await exited, stderr }).toEqual({ code: 0, stderr: '' })
  })

  test('a topic that is not there is one clear line, and exit code 3', async () => {
    const { code, stderr } = await read(uniqueName('nowhere'))
    expect(code).toBe(3)
    expect(stderr).toHaveLength(1)
    expect(stderr[0]).toMatch(/^error TOPIC_MISSING: /)
  })
})
