/** What the documents show, for the tests that hold them to it. */
import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const readDocument = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** Markdown files below a folder, as paths from the root, without what is installed or built. */
function pagesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return /^(?:\..*|node_modules|dist|target)$/.test(entry.name) ? [] : pagesBelow(path)
    return entry.name.endsWith('.md') ? [path] : []
  })
}

/** Every page of the project: a new one is held to what the tests ask of all. */
export const documents: readonly string[] = pagesBelow('').sort()

export interface CodeBlock {
  readonly language: string
  readonly text: string
  /** Where its first line is in the page, counted from 1. */
  readonly line: number
}

/** The fenced blocks of a page, those within lists and those without a language ('') among them. Throws where one has no end. */
function fencedBlocks(markdown: string): CodeBlock[] {
  const blocks: CodeBlock[] = []
  let open: { fence: string; indent: string; language: string; line: number; lines: string[] } | undefined
  for (const [i, line] of markdown.split('\n').entries()) {
    if (open === undefined) {
      const [, indent = '', fence = '', language = ''] = /^(\s*)(`{3,}|~{3,})\s*([^\s`]*)/.exec(line) ?? []
      if (fence !== '') open = { fence, indent, language, line: i + 2, lines: [] }
    } else if (line.trim() === open.fence) {
      blocks.push({ language: open.language, text: open.lines.map((one) => `${one}\n`).join(''), line: open.line })
      open = undefined
    } else open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line)
  }
  if (open !== undefined) throw new Error(`the block that begins in line ${String(open.line)} has no end`)
  return blocks
}

/** The fenced blocks between two headings, in their order; without headings, all. Throws where a heading is missing. */
export function codeBlocks(markdown: string, from?: string, to?: string): CodeBlock[] {
  const lineOf = (heading: string | undefined, otherwise: number): number => {
    if (heading === undefined) return otherwise
    const found = markdown.split('\n').indexOf(heading)
    if (found < 0) throw new Error(`there is no heading ${heading}`)
    return found
  }
  const [first, end] = [lineOf(from, 0), lineOf(to, Infinity)]
  return fencedBlocks(markdown).filter(({ line }) => line > first && line <= end)
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
