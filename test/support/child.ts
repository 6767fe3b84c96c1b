import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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
function compile(directories: readonly string[]): string {
  const folder = temporaryFolder()
  for (const directory of directories) {
    mkdirSync(join(folder, directory), { recursive: true })
    for (const name of readdirSync(join(root, directory)))
      if (name.endsWith('.ts')) {
        const { outputText } = typescript.transpileModule(readFileSync(join(root, directory, name), 'utf8'), {
          compilerOptions: { target: typescript.ScriptTarget.ES2022, module: typescript.ModuleKind.ESNext },
        })
        writeFileSync(join(folder, directory, name.replace(/\.ts$/, '.js')), outputText)
      }
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/**
 * Gives what runs a script of the folder `scripts` in a process of its own, to be killed, stopped, or limited: no file
 * may grow beyond `maxFileKiB`. It does not outlive the test. `sources` are the folders that the scripts import from.
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
