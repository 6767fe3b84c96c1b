/** `npm run sim -- --seed N --count M`: see main.ts. */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { compileSimulation } from './compile.mjs'

const out = compileSimulation('main')
const { main } = await import(pathToFileURL(join(out, 'test/sim/main.js')).href)
process.exitCode = await main(process.argv.slice(2))
