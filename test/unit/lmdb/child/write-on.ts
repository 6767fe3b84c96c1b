/** Writes generation after generation of the same objects, and says each that was written, until it is killed. */
import { GatheredChanges } from '../../../../src/core/state/changes.js'
import { openStateStores } from '../../../../src/lmdb/stores.js'

const [directory = ''] = process.argv.slice(2)
const ignore = (): void => undefined
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
const stores = await openStateStores({ directory, worker: 'child', logger })
const store = await stores.open('symbol_0')
for (let generation = (store.meta()?.changelogPosition ?? 0) + 1; ; generation++) {
  const changes = Array.from({ length: 500 }, (_, index) => ({
    key: `symbol\0${String(index)}`,
    value: `${String(generation)} ${'x'.repeat((generation * 31 + index) % 400)}`,
  }))
  await store.write([GatheredChanges.of(changes)], {
    changelogPosition: generation,
    identity: 'i',
    inputPositions: {},
    atEndMs: 0,
  })
  process.stdout.write(`${String(generation)}\n`)
}
