import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import typescript from 'typescript'
import { onTestFinished } from 'vitest'
import { temporaryFolder } from './temporary.js'

export interface Child {
  readonly process: ChildProcess
  /** The next line on its standard output; undefined when there are no more. */
  line(): Promise<string | undefined>
  /** All of its standard error; resolves when it has ended. */
  readonly errors: Promise<string>
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
}

const root = fileURLToPath(new URL('../../', import.meta.url))

/** What the scripts are made of, as JavaScript, in a folder where Node finds the same packages. */
function compile(sources: readonly string[]): string {
  const folder = temporaryFolder()
  const files = sources.flatMap((source) =>
    source.endsWith('.ts')
      ? [source]
      : readdirSync(join(root, source), { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.ts'))
          .map((name) => join(source, name)),
  )
  for (const file of files) {
    const { outputText } = typescript.transpileModule(readFileSync(join(root, file), 'utf8'), {
      compilerOptions: { target: typescript.ScriptTarget.ES2022, module: typescript.ModuleKind.ESNext },
    })
    const target = join(folder, file.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, outputText)
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/**
 * Gives what runs a script of the folder `scripts` in a process of its own, to be killed, stopped, or limited: no file
 * may grow beyond `maxFileKiB`. It does not outlive the test. `sources` are the files and folders that the scripts import from.
 * All is compiled once for a test file.
 */
export function scriptRunner(scripts: string, sources: readonly string[]) {
  let compiled: string | undefined
  return (script: string, args: readonly string[], maxFileKiB?: number): Child => {
    compiled ??= compile([...sources, scripts])
    return start([join(compiled, scripts, script.replace(/\.ts$/, '.js')), ...args], maxFileKiB)
  }
}

function start(args: readonly string[], maxFileKiB: number | undefined): Child {
  const limit = maxFileKiB === undefined ? '' : `ulimit -f ${String(maxFileKiB)}; `
  const child = spawn('bash', ['-c', `${limit}exec "$@"`, 'bash', process.execPath, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = new Promise<Awaited<Child['ended']>>((resolve) => {
    child.once('close', (code, signal) => {
      resolve({ code, signal })
    })
  })
  let text = ''
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    process: child,
    line: async () => {
      const next = await lines.next()
      return next.done === true ? undefined : next.value
    },
    errors: ended.then(() => text),
    ended,
  }
}
