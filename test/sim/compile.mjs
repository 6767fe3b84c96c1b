/**
 * The sources of the project and of the simulation as JavaScript, without type checks, and perhaps with a fault planted
 * in them. They go where node finds the project's packages.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folders = ['src/api', 'src/core', 'src/memory', 'src/ports', 'src/runtime', 'test/sim']
const files = ['src/errors.ts']

/** @type {import('./compile.d.mts').compileSimulation} */
export function compileSimulation(name, plants = []) {
  const out = join(root, 'node_modules', '.cache', 'potoroo-simulation', name)
  rmSync(out, { recursive: true, force: true })
  const sources = [
    ...files,
    ...folders.flatMap((folder) => readdirSync(join(root, folder)).map((file) => `${folder}/${file}`)),
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
    const { outputText } = ts.transpileModule(text, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
      fileName: source,
    })
    const target = join(out, source.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, outputText)
  }
  for (const { file } of unused) throw new Error(`${file} is not part of the simulation`)
  writeFileSync(join(out, 'package.json'), '{ "type": "module" }\n')
  return out
}
