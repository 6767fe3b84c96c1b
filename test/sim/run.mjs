/** `npm run sim -- --seed N --count M`: see main.ts; `npm run sim -- --planted`: see planted.ts. */
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { compileSimulation } from './compile.mjs'

const compiled = compileSimulation('main')
const load = (name) => import(pathToFileURL(join(compiled, 'test/sim', name)).href)

const args = process.argv.slice(2)
if (args.includes('--planted')) {
  const { renewTable } = await load('planted.js')
  const table = fileURLToPath(new URL('../../docs/simulation.md', import.meta.url))
  process.exitCode = await renewTable(table, compileSimulation)
} else {
  const { main } = await load('main.js')
  process.exitCode = await main(args)
}
