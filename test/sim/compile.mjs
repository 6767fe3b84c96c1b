/**
 * The sources of the project and of the simulation as JavaScript, without type checks, and perhaps with a fault planted
 * in them. They go where node finds the project's packages, into a folder for each checkout: several may share those.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../..', import.meta.url))
const cache = join(root, 'node_modules', '.cache', 'potoroo-simulation')
/** In the folder of a checkout: where that is. */
const CHECKOUT = 'checkout'
/** What names no checkout may be of one that is about to, or of another version that is at work. */
const FORSAKEN_MS = 86_400_000
/** By file and text: one after the other, faults are planted into files of which all others stay what they are. */
const transpiledBefore = new Map()
const folders = ['src/api', 'src/core', 'src/kafka', 'src/memory', 'src/ports', 'src/runtime', 'test/sim']
const files = ['src/errors.ts']

/** @type {import('./compile.d.mts').folderFor} */
export function folderFor(checkout, within = cache) {
  const folder = join(within, createHash('sha256').update(checkout).digest('hex').slice(0, 16))
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, CHECKOUT), checkout)
  return folder
}

/** @type {import('./compile.d.mts').removeForsaken} */
export function removeForsaken(within = cache) {
  for (const name of readdirSync(within)) {
    const folder = join(within, name)
    const checkout = checkoutOf(folder)
    const forsaken =
      checkout === undefined
        ? (statSync(folder, { throwIfNoEntry: false })?.mtimeMs ?? 0) < Date.now() - FORSAKEN_MS
        : !existsSync(checkout)
    if (forsaken) rmSync(folder, { recursive: true, force: true })
  }
}

/** @param {string} folder another process may remove it at the same time */
function checkoutOf(folder) {
  try {
    return readFileSync(join(folder, CHECKOUT), 'utf8')
  } catch {
    return undefined
  }
}

/**
 * @param {string} source
 * @param {string} text
 */
function transpiled(source, text) {
  const key = `${source}\n${text}`
  let output = transpiledBefore.get(key)
  if (output === undefined) {
    output = ts.transpileModule(text, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
      fileName: source,
    }).outputText
    transpiledBefore.set(key, output)
  }
  return output
}

/** @type {import('./compile.d.mts').compileSimulation} */
export function compileSimulation(name, plants = []) {
  const out = join(folderFor(root), name)
  removeForsaken()
  rmSync(out, { recursive: true, force: true })
  const sources = [
    ...files,
    ...folders.flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
    ),
  ].filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  const unused = new Set(plants)
  for (const source of sources) {
    let text = readFileSync(join(root, source), 'utf8')
    for (const plant of plants.filter(({ file }) => file === source)) {
      const parts = text.split(plant.find)
      if (parts.length !== 2) throw new Error(`${source} has ${String(parts.length - 1)} times: ${plant.find}`)
      text = parts.join(plant.replace)
      unused.delete(plant)
    }
    const target = join(out, source.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, transpiled(source, text))
  }
  for (const { file } of unused) throw new Error(`${file} is not part of the simulation`)
  writeFileSync(join(out, 'package.json'), '{ "type": "module" }\n')
  return out
}
