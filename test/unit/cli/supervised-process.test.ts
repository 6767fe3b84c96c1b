import { Command } from 'commander'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { passLines, workerArguments } from '../../../src/cli/supervised-process.js'

describe('lines passed on', () => {
  const passed = async (chunks: readonly Buffer[], into = new PassThrough()): Promise<string[]> => {
    const from = new PassThrough()
    const written: string[] = []
    into.on('data', (chunk: Buffer) => written.push(chunk.toString()))
    const end = passLines(from, into)
    for (const chunk of chunks) {
      from.write(chunk)
      // Each chunk is read by itself.
      await new Promise(setImmediate)
    }
    from.end()
    await end
    return written
  }
  const text = (...parts: string[]): Buffer[] => parts.map((part) => Buffer.from(part))

  test('are whole, however they come', async () => {
    expect(await passed(text('a', 'b\nc', '\n', 'd\ne\nf', '\n'))).toEqual(['ab\n', 'c\n', 'd\ne\n', 'f\n'])
  })

  test('a character that is cut in two stays one', async () => {
    const bytes = Buffer.from('ä\n')
    expect(await passed([bytes.subarray(0, 1), bytes.subarray(1)])).toEqual(['ä\n'])
  })

  test('the last line of a process that was killed while it wrote gets its end', async () => {
    expect(await passed(text('a\nb'))).toEqual(['a\n', 'b\n'])
  })

  test('a line without an end does not fill the memory', async () => {
    const half = 'x'.repeat(600_000)
    expect(await passed(text(half, half, 'y\n'))).toEqual([half + half, 'y\n'])
  })

  test('an output that takes no more stops nothing', async () => {
    const into = new PassThrough()
    into.on('error', () => undefined)
    into.destroy()
    expect(await passed(text('a\n', 'b\n'), into)).toEqual([])
  })

  test('an input that breaks off gives what it gave', async () => {
    const [from, into] = [new PassThrough(), new PassThrough()]
    const end = passLines(from, into)
    from.write('a\nb')
    await new Promise(setImmediate)
    from.destroy()
    await end
    expect((into.read() as Buffer).toString()).toBe('a\nb\n')
  })
})

describe('the command line of a worker', () => {
  const argumentsFor = (own: Record<string, string | undefined>, ...given: string[]): string[] => {
    let args: string[] = []
    const program = new Command('potoroo').option('--debug')
    const run = program
      .command('run')
      .argument('<application>')
      .option('--workers <n>', '', Number, 1)
      .option('--name <name>')
      .option('--state-dir <dir>')
      .option('--commit-interval <ms>', '', Number, 20)
      .option('--no-colour')
      .option('-q, --quiet')
    run.action((path: string) => {
      args = workerArguments(run, [path], own)
    })
    program.parse(given, { from: 'user' })
    return args
  }

  test('is what was given, without --workers and without defaults', () => {
    expect(
      argumentsFor({}, '--debug', 'run', '--workers', '3', 'app.js', '--commit-interval=5', '-q', '--no-colour'),
    ).toEqual(['--debug', 'run', '--commit-interval=5', '--no-colour', '--quiet', '--supervised', '--', 'app.js'])
  })

  test('has its own name and state directory, where they were given', () => {
    const own = { name: 'w-2', stateDir: 'd/2' }
    expect(argumentsFor(own, 'run', 'app.js', '--workers=2', '--name', 'w', '--state-dir', 'd')).toEqual([
      'run',
      '--name=w-2',
      '--state-dir=d/2',
      '--supervised',
      '--',
      'app.js',
    ])
    expect(argumentsFor({ name: undefined, stateDir: undefined }, 'run', 'app.js', '--workers=2')).toEqual([
      'run',
      '--supervised',
      '--',
      'app.js',
    ])
  })

  test('values that begin with a dash stay values', () => {
    expect(argumentsFor({ stateDir: '-d/1' }, 'run', '--', '-app.js')).toEqual([
      'run',
      '--state-dir=-d/1',
      '--supervised',
      '--',
      '-app.js',
    ])
  })
})
