/** Cures are commands to copy: with the names that they take here, of commands that there are. */
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { bundledApplication } from '../../../src/cli/application.js'
import { copyable, invocationOf, withCopyableCures, type Invocation } from '../../../src/cli/invocation.js'
import { createProgram } from '../../../src/cli/program.js'
import { unfitChangelog } from '../../../src/core/plan/topic-plan.js'
import { tooLarge } from '../../../src/core/processing/failures.js'
import { errorKinds } from '../../../src/errors.js'
import type { Logger } from '../../../src/ports/logger.js'
import { ForeignChangelog } from '../../../src/runtime/changelog-reader.js'
import * as cures from '../../../src/runtime/cures.js'

const context = { stdout: new PassThrough(), stderr: new PassThrough(), env: {} } as never
const program = await createProgram([], context, '1.2.3')
const invocation: Invocation = {
  application: 'dist/app one.js',
  brokers: 'kafka:9092',
  bootstrapServers: 'kafka-1:9092,kafka-2:9092',
  topicPrefix: 'test-',
}

describe('what a command was given', () => {
  test.each<[readonly string[], Partial<Invocation>]>([
    [['run', 'dist/app.js', '--brokers', 'x'], { application: 'dist/app.js', brokers: 'x', topicPrefix: '' }],
    [['topics', '--topic-prefix', 'test-', 'nowhere.js'], { application: 'nowhere.js', topicPrefix: 'test-' }],
    [['produce', 'clicks', '-', '--application', 'nowhere.js'], { application: 'nowhere.js' }],
    [['produce', 'clicks', '-'], { application: bundledApplication() }],
    [['tail', 'clicks', '--brokers', 'x:y'], { application: undefined, brokers: 'x:y' }],
    [['nix'], { application: undefined, brokers: undefined, topicPrefix: '' }],
  ])('%j', async (args, expected) => {
    const own = await createProgram(args, context, '1.2.3')
    // Whatever it fails at: none of them has a broker.
    await own.parseAsync([...args], { from: 'user' }).catch(() => undefined)
    expect(invocationOf(own, {})).toMatchObject(expected)
  })

  test('has where the cluster is: as the option says, else the environment, else as without either', async () => {
    const own = await createProgram(['tail', 'clicks', '--brokers', 'x:y'], context, '1.2.3')
    expect(invocationOf(own, { KAFKA_BROKERS: 'y:2' }).bootstrapServers).toBe('y:2')
    await own.parseAsync(['tail', 'clicks', '--brokers', 'x:y'], { from: 'user' }).catch(() => undefined)
    expect(invocationOf(own, { KAFKA_BROKERS: 'y:2' }).bootstrapServers).toBe('x:y')
    expect(invocationOf(program, { KAFKA_BROKERS: '' }).bootstrapServers).toBe('127.0.0.1:9092')
  })
})

test('is in the command that is to follow', () => {
  const cure = 'Do this: npx potoroo reset <application> --dry-run'
  const command = "npx potoroo reset 'dist/app one.js' --brokers kafka:9092 --topic-prefix test- --dry-run"
  expect(copyable(cure, invocation)).toBe(`Do this: ${command}`)
  expect(copyable(cure, { ...invocation, application: undefined })).toBe(cure)
  const tool = 'kafka-topics --bootstrap-server <brokers> --list'
  const told = 'kafka-topics --bootstrap-server kafka-1:9092,kafka-2:9092 --list'
  expect(copyable(tool, { ...invocation, application: undefined })).toBe(told)
  const lines: object[] = []
  const at = (fields: object): void => void lines.push(fields)
  const logger: Logger = { debug: at, info: at, warn: at, error: at }
  withCopyableCures(logger, invocation).error({ code: 'X', cure }, 'worker stopped by an error')
  withCopyableCures(logger, invocation).info({ task: 'a' }, 'task is active')
  expect(lines).toEqual([{ code: 'X', cure: `Do this: ${command}` }, { task: 'a' }])
})

/** Of the codes, and of what the runtime knows more about, with names that a shell takes for something else. */
const env = { log: { bootstrapServers: 'kafka-1:9092,kafka-2:9092' }, stores: { directory: '/var/lib/my app' } }
const group = 'test-app'
const lost = { group, changelog: 'app-total-changelog', sources: [{ topic: 'in' }, { topic: 'other' }] }
const to = { topic: 'out', topicId: undefined, partitions: 1, maxMessageBytes: 1000, retentionMs: Infinity }
const texts: readonly (readonly [string, string])[] = [
  ...Object.entries(errorKinds).map(([code, { cure }]) => [code, cure] as const),
  ['changelogLost', cures.changelogLost(lost, '', env).cure],
  ['changelogLost, missing', cures.changelogLost({ ...lost, isMissing: true }, '', env).cure],
  [
    'recordsLost',
    cures.recordsLost({ ...lost, id: 'total_1', partition: 1, end: 7, topic: 'in', offset: 5, committed: 3 }, env).cure,
  ],
  ['topicReplaced', cures.topicReplaced({ group }, 'in', '', env).cure],
  ['inputDeleted', cures.inputDeleted({ group, topic: 'in', partition: 1 }, '', env).cure],
  ...unfitChangelog({ name: 'app-total-changelog', partitions: 3, id: undefined, cleanupPolicy: ['delete'] }, 4).map(
    ({ cure, message }) => [message, cure] as const,
  ),
  ['tooLarge', tooLarge(to).cure],
  ['ForeignChangelog', new ForeignChangelog('app-total-changelog', 'a', 'b').cure],
  ['repartitionLost', cures.repartitionLost({ group, repartition: 'r', partitions: 3, isMissing: true }, '', env).cure],
]

describe('the cure of', () => {
  test.each(texts)('%s names no command that there is not, and leaves no name open', (_, cure) => {
    const text = copyable(cure, invocation)
    expect(text).not.toContain('<')
    for (const [, before, command] of text.matchAll(/(\w*) ?potoroo ([\w-]+)/g)) {
      expect(before).toBe('npx')
      expect(program.commands.map((one) => one.name())).toContain(command)
    }
    // Kafka's own tools are told where the cluster is.
    for (const [tool] of text.matchAll(/kafka-[a-z-]+ --\S+ \S+/g))
      expect(tool).toMatch(/^kafka-(acls|configs|consumer-groups|topics) --bootstrap-server kafka-1:9092,kafka-2:9092$/)
  })
})
