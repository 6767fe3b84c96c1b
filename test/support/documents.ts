/** What the documents show, for the tests that hold them to it. */
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const readDocument = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

export interface CodeBlock {
  readonly language: string
  readonly text: string
}

/** The fenced blocks between two headings, in their order; without headings, all. Throws where a heading is missing. */
export function codeBlocks(markdown: string, from?: string, to?: string): CodeBlock[] {
  const at = (heading: string | undefined, otherwise: number): number => {
    if (heading === undefined) return otherwise
    const found = markdown.indexOf(`\n${heading}\n`)
    if (found < 0) throw new Error(`there is no heading ${heading}`)
    return found
  }
  const part = markdown.slice(at(from, 0), at(to, markdown.length))
  return [...part.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(([, language = '', text = '']) => ({ language, text }))
}

/** The only block of a language that has this in it. */
export function blockWith(blocks: readonly CodeBlock[], language: string, content: string): string {
  const found = blocks.filter((block) => block.language === language && block.text.includes(content))
  const [first, ...others] = found
  if (first === undefined || others.length > 0)
    throw new Error(`${String(found.length)} ${language} blocks have ${content} in them, not 1`)
  return first.text
}

/** Makes packages of this checkout findable for a folder, the checkout itself among them as `potoroo`. */
export function linkPackages(folder: string, names: readonly string[]): void {
  for (const name of names) {
    const link = join(folder, 'node_modules', name)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(name === 'potoroo' ? ROOT : join(ROOT, 'node_modules', name), link, 'dir')
  }
}

export function writeFiles(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
}

/** What `tsc` in that folder complains about; empty when it compiles. */
export async function compile(folder: string): Promise<string> {
  const compiler = createRequire(import.meta.url).resolve('typescript/bin/tsc')
  try {
    await promisify(execFile)(process.execPath, [compiler, '--project', folder], { cwd: folder })
    return ''
  } catch (error) {
    return error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error)
  }
}
