/** Applications that are written in TypeScript: what runs them as they are, and where what they are compiled to lies. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve, sep } from 'node:path'
import { shellQuoted } from './shell-quoted.js'

export const isTypeScript = (file: string): boolean => /\.[cm]?tsx?$/.test(file)

/** By taking its types out; what is more than types it refuses. */
const nodeRunsTypeScript = (): boolean =>
  Boolean((process.features as { readonly typescript?: string | false }).typescript)

/** What a project's tsconfig.json says; paths are absolute. */
interface Project {
  readonly directory: string
  readonly outDir: string | undefined
  readonly rootDir: string | undefined
}

/** Of the nearest tsconfig.json above. */
function projectOf(file: string): Project | undefined {
  for (let directory = dirname(file); ; directory = dirname(directory)) {
    const path = join(directory, 'tsconfig.json')
    if (existsSync(path)) return read(path)
    if (directory === dirname(directory)) return undefined
  }
}

/** It has comments, and TypeScript is no dependency: of two options, read as text, what can't be found is not known. */
function read(path: string): Project {
  const directory = dirname(path)
  let text = ''
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    // It is a hint that is less exact without it.
  }
  const option = (name: string): string | undefined => {
    const value = new RegExp(`^[^/\\n]*"${name}"\\s*:\\s*"([^"]+)"`, 'm').exec(text)?.[1]
    return value === undefined ? undefined : resolve(directory, value)
  }
  return { directory, outDir: option('outDir'), rootDir: option('rootDir') }
}

/** How to compile, and the JavaScript that the file becomes, if that can be known. */
function compilationOf(source: string): { readonly command: string; readonly output: string | undefined } {
  const project = projectOf(source)
  if (project === undefined) return { command: 'npx tsc', output: undefined }
  const { directory, outDir, rootDir } = project
  const command = directory === process.cwd() ? 'npx tsc' : `npx tsc -p ${shellQuoted(shortest(directory))}`
  const from = rootDir ?? (outDir === undefined ? directory : undefined)
  if (from === undefined || !isWithin(source, from)) return { command, output: undefined }
  return { command, output: toJavaScript(join(outDir ?? directory, relative(from, source))) }
}

/** What to do about a file of TypeScript that Node does not run. */
export function howToCompile(source: string): string {
  const { command, output } = compilationOf(source)
  const runs = nodeRunsTypeScript() ? '' : ' (Node runs TypeScript itself from version 22.18 on.)'
  if (output === undefined) return `Compile it with ${command}, and name the JavaScript file that this writes.${runs}`
  const name = shellQuoted(shortest(output))
  return existsSync(output)
    ? `Name what it is compiled to: ${name}.${runs}`
    : `Compile it with ${command}, and name ${name}.${runs}`
}

/** What may have been meant by a module that is not there; undefined where nothing is found. */
export function suggestionFor(missing: string): string | undefined {
  const beside = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts'].map((extension) => missing + extension)
  const there = beside.find((file) => existsSync(file))
  if (there !== undefined) return `Name ${shortest(there)}, which exists.`
  const source = sourceOf(missing)
  if (source === undefined) return undefined
  const { command } = compilationOf(source)
  return `Its source ${shortest(source)} is not compiled yet: ${command}`
}

function sourceOf(output: string): string | undefined {
  const project = projectOf(output)
  const sources = (file: string): string[] =>
    ['.ts', '.tsx', '.mts', '.cts'].map((extension) => file.replace(/\.[cm]?js$/, extension))
  const { outDir, rootDir, directory } = project ?? {}
  const moved =
    outDir !== undefined && isWithin(output, outDir)
      ? [rootDir, directory].flatMap((from) =>
          from === undefined ? [] : sources(join(from, relative(outDir, output))),
        )
      : []
  return [...moved, ...sources(output)].find((file) => file !== output && existsSync(file))
}

const toJavaScript = (file: string): string => file.replace(/\.([cm]?)tsx?$/, (_, kind: string) => `.${kind}js`)

const isWithin = (file: string, directory: string): boolean => file.startsWith(directory + sep)

/** As one would type it. */
const shortest = (path: string): string => {
  const short = relative(process.cwd(), path)
  return short === '' || short.startsWith('..') ? path : short
}
