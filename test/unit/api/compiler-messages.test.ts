/** What the compiler says of mistakes: words that help, wherever our types can choose them. test/types holds that they are mistakes. */
import { join } from 'node:path'
import typescript from 'typescript'
import { beforeAll, describe, expect, test } from 'vitest'
import { ROOT } from '../../support/documents.js'

const PRELUDE = `
import * as z from 'zod'
import { application, from, merge, stateObject, topic } from '../../src/index.js'
const orders = topic('orders', { schema: z.object({ id: z.string(), total: z.number() }), key: (order) => order.id })
const alerts = topic('alerts', { schema: z.object({ id: z.string(), text: z.string() }), key: (alert) => alert.id })
const lines = topic('lines', { schema: z.object({ text: z.string() }) })
const total = stateObject('total', () => ({ sum: 0 }))
export const used = [application, from, merge, orders, alerts, lines, total]
`

interface Mistake {
  readonly name: string
  readonly code: string
  /** In what the compiler says. */
  readonly says: readonly string[]
}
const SYNCHRONOUS =
  'error: computations and steps are synchronous, but this one returns a promise: use call() for asynchronous work'
const ENDS = 'error: a pipeline ends with .sink(topic), or with a computation that gives no outputs'
const NO_STRING = "Type 'number' is not assignable to type 'string'."

const mistakes: readonly Mistake[] = [
  {
    name: 'a forgotten sink',
    code: `application('a', from(orders).to(total, (_, order) => ({ id: order.id, text: '' })))`,
    says: [`parameter of type 'Refused<"${ENDS}">'`],
  },
  { name: 'a forgotten computation', code: `application('a', from(orders))`, says: [ENDS] },
  {
    name: 'one of several pipelines',
    code: `application('a', from(orders).sink(orders), from(alerts))`,
    says: [`Argument of type 'Keyed<{ id: string; text: string; }>'`, ENDS],
  },
  {
    name: 'an asynchronous computation with a sink',
    code: `from(orders).to(total, async (_, order) => Promise.resolve(order)).sink(orders)`,
    says: [`Property 'sink' does not exist on type '"${SYNCHRONOUS}"'`],
  },
  {
    name: 'an asynchronous computation',
    code: `application('a', from(orders).to(total, async () => Promise.resolve()))`,
    says: [SYNCHRONOUS],
  },
  {
    name: 'an asynchronous step',
    code: `from(orders).map(async (order) => Promise.resolve(order)).sink(orders)`,
    says: [SYNCHRONOUS],
  },
  {
    name: 'a call without a key',
    code: `from(lines).call('ask', async () => Promise.resolve(1))`,
    says: ['error: these messages have no key, by which calls are ordered: put keyBy() before call()'],
  },
  {
    name: 'an asynchronous filter',
    code: `from(orders).filter(async () => Promise.resolve(true)).sink(orders)`,
    says: ["Type 'Promise<boolean>' is not assignable to type 'boolean'."],
  },
  {
    name: 'a state object that is made asynchronously',
    code: `stateObject('s', async () => Promise.resolve({ n: 0 }))`,
    says: ['error: a state object must be created synchronously'],
  },
  {
    name: 'a key that is no string',
    code: `topic('t', { schema: z.object({ id: z.number() }), key: (message) => message.id })`,
    says: ['error: a key must be a function that returns a string'],
  },
  {
    name: 'a key of a field that there is not',
    code: `topic('t', { schema: z.object({ id: z.string() }), key: (message) => message.name })`,
    says: ["Property 'name' does not exist on type"],
  },
  { name: 'keyBy() that gives no string', code: `from(orders).keyBy((order) => order.total)`, says: [NO_STRING] },
  {
    name: 'state without a key',
    code: `from(lines).to(total, () => undefined)`,
    says: ['error: these messages have no key, so no state object: put keyBy() before to()'],
  },
  {
    name: 'state without a key behind steps',
    code: `from(lines).filter((line) => line.text !== '').map(({ text }) => text).flatMap((text) => [text]).to(total, () => undefined)`,
    says: ['put keyBy() before to()'],
  },
  {
    name: 'a merge without a key',
    code: `merge(from(orders), from(lines))`,
    says: ['error: only streams with a key are merged: put keyBy() before merge()'],
  },
  {
    name: 'a sink that wants another field',
    code: `from(orders).to(total, (_, order) => ({ id: order.id, txt: '' })).sink(alerts)`,
    says: ["Property 'text' is missing in type '{ id: string; txt: string; }'"],
  },
  {
    name: 'a sink that wants a field of another type',
    code: `from(orders).to(total, (_, order) => ({ id: order.id, text: order.total })).sink(alerts)`,
    says: ["Types of property 'text' are incompatible.", NO_STRING],
  },
]

const messages = new Map<Mistake, readonly string[]>()

beforeAll(() => {
  const config = typescript.readConfigFile(join(ROOT, 'test', 'tsconfig.json'), (path) => typescript.sys.readFile(path))
  const { options } = typescript.parseJsonConfigFileContent(config.config, typescript.sys, join(ROOT, 'test'))
  const files = new Map(
    mistakes.map((mistake, i) => [join(ROOT, 'test', 'types', `mistake-${String(i)}.ts`), mistake] as const),
  )
  const textOf = ({ code }: Mistake): string => `${PRELUDE}\n${code}\n`
  const host = typescript.createCompilerHost(options)
  const program = typescript.createProgram([...files.keys()], options, {
    ...host,
    fileExists: (path) => files.has(path) || host.fileExists(path),
    readFile: (path) => {
      const mistake = files.get(path)
      return mistake === undefined ? host.readFile(path) : textOf(mistake)
    },
    getSourceFile: (path, ...rest) => {
      const mistake = files.get(path)
      return mistake === undefined
        ? host.getSourceFile(path, ...rest)
        : typescript.createSourceFile(path, textOf(mistake), rest[0])
    },
  })
  for (const [path, mistake] of files) {
    const found = program.getSemanticDiagnostics(program.getSourceFile(path))
    messages.set(
      mistake,
      found.map(({ messageText }) => typescript.flattenDiagnosticMessageText(messageText, '\n')),
    )
  }
}, 120_000)

describe('the compiler says in words what is wrong with', () => {
  test.each(mistakes)('$name', (mistake) => {
    // One mistake, one error: what follows from it is not said as well.
    const [said = '', ...others] = messages.get(mistake) ?? []
    for (const text of mistake.says) expect(said).toContain(text)
    expect(others).toEqual([])
  })
})
