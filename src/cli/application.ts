/** Applications as the command line names them: the path of a module whose default export is one. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Application, definitionOf } from '../api/application.js'
import type { ApplicationDefinition, TopicDefinition } from '../api/definition.js'
import { topicsOf } from '../api/graph.js'
import { isPotorooError, messageOf, PotorooError } from '../errors.js'

/** Market Spread, as it lies beside the built command line. */
export const bundledApplication = (): string =>
  fileURLToPath(new URL('../market-spread/application.js', import.meta.url))

export interface LoadedApplication {
  readonly path: string
  /** What `application()` gave: for `startWorker`. */
  readonly application: Application
  readonly definition: ApplicationDefinition
}

/** The module's file, of which nothing is loaded. Throws INVALID_CONFIGURATION where there is none. */
export function moduleFile(path: string): string {
  const file = resolve(path)
  if (!existsSync(file))
    throw new PotorooError('INVALID_CONFIGURATION', `there is no module ${file} to load an application from`)
  if (/\.[cm]?tsx?$/.test(file))
    throw new PotorooError('INVALID_CONFIGURATION', `${file} is TypeScript: name the JavaScript that it is compiled to`)
  return file
}

/** Rejects with INVALID_CONFIGURATION (no such module) or INVALID_DEFINITION (it does not load, or is no application). */
export async function loadApplication(path: string): Promise<LoadedApplication> {
  const file = moduleFile(path)
  let module: unknown
  try {
    module = await import(pathToFileURL(file).href)
  } catch (cause) {
    if (isPotorooError(cause)) throw cause
    throw new PotorooError('INVALID_DEFINITION', `${file} does not load: ${messageOf(cause)}`, { cause })
  }
  const application = defaultExportOf(module)
  try {
    // What has a definition is an application.
    return { path: file, application: application as Application, definition: definitionOf(application) }
  } catch (cause) {
    throw new PotorooError('INVALID_DEFINITION', `the default export of ${file} is no application`, { cause })
  }
}

const defaultExportOf = (module: unknown): unknown =>
  typeof module === 'object' && module !== null && 'default' in module ? module.default : undefined

/** A topic that the application reads or writes, by its declared name. Throws INVALID_CONFIGURATION naming those there are. */
export function topicOf(application: ApplicationDefinition, name: string): TopicDefinition {
  const topics = topicsOf(application)
  const found = topics.find((topic) => topic.name === name)
  if (found !== undefined) return found
  const names = topics.map((topic) => topic.name).join(', ')
  throw new PotorooError(
    'INVALID_CONFIGURATION',
    `application ${application.name} declares no topic ${name}; it declares ${names}`,
  )
}
