/** Applications as the command line names them: the path of a module whose default export is one. */
import { existsSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { type Application, definitionOf } from '../api/application.js'
import type { ApplicationDefinition, TopicDefinition } from '../api/definition.js'
import { topicsOf } from '../api/graph.js'
import { isPotorooError, messageOf, PotorooError } from '../errors.js'
import { shellQuoted } from './shell-quoted.js'
import { howToCompile, isTypeScript, whatWasMeant } from './typescript.js'

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
  if (!existsSync(file)) {
    const cure = whatWasMeant(file)
    throw new PotorooError(
      'INVALID_CONFIGURATION',
      `there is no module ${file} to load an application from`,
      cure === undefined ? {} : { cure },
    )
  }
  // A pipe or a device would be waited for.
  if (!statSync(file).isFile())
    throw new PotorooError('INVALID_CONFIGURATION', `${file} is no file: name the module that exports the application`)
  return file
}

/**
 * Rejects with INVALID_CONFIGURATION (no such module), DEPENDENCY_MISSING (a package that it imports is not installed) or
 * INVALID_DEFINITION (it does not load, or is no application).
 */
export async function loadApplication(path: string): Promise<LoadedApplication> {
  const file = moduleFile(path)
  let module: unknown
  try {
    module = await import(pathToFileURL(file).href)
  } catch (cause) {
    throw isPotorooError(cause) ? cause : notLoaded(file, cause)
  }
  const application = applicationIn(module, file)
  return { path: file, application, definition: definitionOf(application) }
}

function notLoaded(file: string, cause: unknown): PotorooError {
  const { code, cure } = whyNot(file, cause)
  return new PotorooError(code, `${file} does not load: ${messageOf(cause)}`, {
    cause,
    ...(cure === undefined ? {} : { cure }),
  })
}

const orHowToCompile = (file: string): string => howToCompile(file).replace(/^./, (first) => first.toLowerCase())

/** The name of a package, by what Node's import says of it, and what its `require` does. */
function missingPackage(errorCode: string, text: string): string | undefined {
  if (errorCode !== 'ERR_MODULE_NOT_FOUND' && errorCode !== 'MODULE_NOT_FOUND') return undefined
  return /^Cannot find (?:package|module) '((?:@[^/']+\/)?[^./'][^/']*)/.exec(text)?.[1]
}

/** What of it can be told from the error that Node gives. */
function whyNot(
  file: string,
  cause: unknown,
): {
  readonly code: 'INVALID_CONFIGURATION' | 'INVALID_DEFINITION' | 'DEPENDENCY_MISSING'
  readonly cure?: string
} {
  const text = messageOf(cause)
  const errorCode = cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  const missing = missingPackage(errorCode, text)
  if (missing !== undefined) return { code: 'DEPENDENCY_MISSING', cure: `npm install ${shellQuoted(missing)}` }
  // It loads, but for its schemas: they are those of a version that the project may not have.
  if (file === bundledApplication()) return { code: 'DEPENDENCY_MISSING', cure: 'npm install zod@latest' }
  // Without a loader, Node takes TypeScript from 22.18 on; and of that, only what is gone when types are taken out.
  if (isTypeScript(file)) {
    const refused = [
      'ERR_UNKNOWN_FILE_EXTENSION',
      'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX',
      'ERR_INVALID_TYPESCRIPT_SYNTAX',
      'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING',
    ]
    const importsJavaScript = errorCode === 'ERR_MODULE_NOT_FOUND' && /\.[cm]?js['"]/.test(text)
    const importsType = cause instanceof SyntaxError && text.includes('does not provide an export named')
    if (refused.includes(errorCode)) return { code: 'INVALID_CONFIGURATION', cure: howToCompile(file) }
    if (importsJavaScript)
      return {
        code: 'INVALID_CONFIGURATION',
        cure: `Where Node runs TypeScript itself, an import names the file that is there ('./topics.ts'). Or ${orHowToCompile(file)}`,
      }
    if (importsType)
      return {
        code: 'INVALID_CONFIGURATION',
        cure: `If that is a type, Node wants 'import type', or 'type' before its name. Or ${orHowToCompile(file)}`,
      }
  }
  if (/Cannot use import statement outside a module|Unexpected token 'export'/.test(text))
    return {
      code: 'INVALID_DEFINITION',
      cure: 'It is an ES module, and its package.json says CommonJS. In its folder: npm pkg set type=module',
    }
  if (/(exports|require|module) is not defined in ES module scope/.test(text))
    return {
      code: 'INVALID_DEFINITION',
      cure:
        'It is CommonJS, and its package.json says "type": "module". With "module": "NodeNext" in tsconfig.json, ' +
        'TypeScript writes what package.json says.',
    }
  return { code: 'INVALID_DEFINITION' }
}

/**
 * The default export, else the only application among the others. Of a CommonJS module Node's import gives
 * `module.exports` as the default: then that, or what lies in it.
 */
function applicationIn(module: unknown, file: string): Application {
  const byDefault = propertyOf(module, 'default')
  for (const found of [byDefault, propertyOf(byDefault, 'default')]) if (isApplication(found)) return found
  const named = new Map<Application, string>()
  for (const exports of [module, byDefault])
    for (const name of namesIn(exports)) {
      const found = propertyOf(exports, name)
      if (isApplication(found)) named.set(found, name)
    }
  const [only, ...others] = named.keys()
  if (only !== undefined && others.length === 0) return only
  throw new PotorooError(
    'INVALID_DEFINITION',
    only === undefined
      ? `the default export of ${file} is no application, and no other export is one`
      : `${file} exports several applications (${[...named.values()].join(', ')}): make one the default export`,
  )
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

/** A getter may throw. */
function propertyOf(value: unknown, name: string): unknown {
  try {
    return isObject(value) ? value[name] : undefined
  } catch {
    return undefined
  }
}

/** What a module exports may be anything, such as a proxy that throws. */
function namesIn(exports: unknown): readonly string[] {
  try {
    return isObject(exports) ? Object.keys(exports) : []
  } catch {
    return []
  }
}

function isApplication(value: unknown): value is Application {
  try {
    definitionOf(value)
    return true
  } catch {
    return false
  }
}

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
