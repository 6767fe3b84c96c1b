/**
 * `npm run screenshots -- --out <folder>`: takes pictures of a real run (pictures.ts). Those that the documents show go to docs/images,
 * all others to the folder; without one they are not kept.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const root = fileURLToPath(new URL('../..', import.meta.url))
const { values } = parseArgs({
  options: { out: { type: 'string' }, images: { type: 'string', default: join(root, 'docs/images') } },
})
const temporary = values.out === undefined ? mkdtempSync(join(tmpdir(), 'potoroo-screenshots-')) : undefined
try {
  const { status } = spawnSync('npx', ['vitest', 'run', '--project', 'screenshots'], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      POTOROO_SCREENSHOTS: resolve(values.out ?? temporary),
      POTOROO_IMAGES: resolve(values.images),
    },
  })
  process.exitCode = status ?? 1
} finally {
  if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
}
