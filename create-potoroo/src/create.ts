/** A project, from the files of the template: names are put in, and nothing that is there is touched. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { basename, join, relative, resolve } from 'node:path'

/** The command line is wrong, or the folder is not one to make a project in. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

export interface ProjectOptions {
  /** Made where it is not there. */
  readonly folder: string
  /** The folder of the template. */
  readonly template: string
  /** What npm is to install as potoroo: a version, or the path of a package. */
  readonly potoroo: string
}

export interface Project {
  /** Of its package, and of its application. */
  readonly name: string
  readonly directory: string
}

/** In the template's files, in place of the project's name. */
const TEMPLATE_NAME = 'my-app'
const NAMED = ['package.json', 'README.md', 'src/application.ts']
/** npm leaves a .gitignore out of what it packs. */
const RENAMED = [['gitignore', '.gitignore']] as const

/** Throws UsageError. */
export function createProject({ folder, template, potoroo }: ProjectOptions): Project {
  const directory = resolve(folder)
  const name = nameOf(basename(directory))
  if (existsSync(directory)) {
    if (!statSync(directory).isDirectory()) throw new UsageError(`${directory} is no folder`)
    const [first] = readdirSync(directory).filter((entry) => entry !== '.git')
    if (first !== undefined)
      throw new UsageError(`${directory} has something in it (${first}): name an empty or a new folder`)
  }
  mkdirSync(directory, { recursive: true })
  cpSync(template, directory, { recursive: true })
  for (const [from, to] of RENAMED) renameSync(join(directory, from), join(directory, to))
  for (const file of NAMED) edit(join(directory, file), (text) => text.replaceAll(TEMPLATE_NAME, name))
  edit(join(directory, 'package.json'), (text) => {
    const manifest = JSON.parse(text) as { readonly dependencies: Readonly<Record<string, string>> }
    const dependencies = { ...manifest.dependencies, potoroo: specOf(potoroo, directory) }
    return `${JSON.stringify({ ...manifest, dependencies }, undefined, 2)}\n`
  })
  return { name, directory }
}

/** As npm and Kafka both take it. */
export function nameOf(folder: string): string {
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+|[^a-z0-9]+$/g, '')
  if (name === '' || name.length > 100)
    throw new UsageError(`'${folder}' is no name for a project: take 1 to 100 letters, digits, '.', '_' or '-'`)
  return name
}

/** The path of a package is written as the project sees it. */
const specOf = (potoroo: string, directory: string): string =>
  existsSync(potoroo) ? `file:${relative(directory, resolve(potoroo)).replaceAll('\\', '/')}` : potoroo

function edit(path: string, change: (text: string) => string): void {
  writeFileSync(path, change(readFileSync(path, 'utf8')))
}
