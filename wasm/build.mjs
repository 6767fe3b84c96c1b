/**
 * Compiles what is AssemblyScript, and writes it as a module of src: loading it reads no file, and every build and bundler
 * takes it along. Runs on `npm ci` and before each build; without what it is compiled with (`npm ci --omit=dev`) it does nothing,
 * as nothing else is built then.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const compiler = await import('assemblyscript/asc').catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
})
if (compiler === undefined) {
  process.stderr.write('wasm/ is not compiled: assemblyscript is not installed\n')
  process.exit()
}

const here = fileURLToPath(new URL('.', import.meta.url))
const target = fileURLToPath(new URL('../src/api/json/json-scan.generated.ts', import.meta.url))

const options = '--enable simd -O3 --noAssert --runtime stub --initialMemory 2 --maximumMemory 2'
let code
const { error, stderr } = await compiler.main(
  ['json-scan.ts', '--baseDir', here, '--outFile', 'json-scan.wasm', ...options.split(' ')],
  { writeFile: (name, contents) => void (name.endsWith('.wasm') && (code = contents)) },
)
if (error !== null || code === undefined) {
  process.stderr.write(`wasm/json-scan.ts: ${stderr.toString()}${String(error?.message ?? 'no code came out')}\n`)
  process.exit(1)
}
const text = `// Made by wasm/build.mjs from wasm/json-scan.ts.\nexport const code = '${Buffer.from(code).toString('base64')}'\n`
if (textOf(target) !== text) writeFileSync(target, text)

function textOf(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
