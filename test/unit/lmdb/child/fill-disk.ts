/** Under a limit to the size of files: writes until it fails, says how, opens the store again, and continues in it. */
import { GatheredChanges } from '../../../../src/core/state/changes.js'
import { isPotorooError, messageOf } from '../../../../src/errors.js'
import { openStateStores } from '../../../../src/lmdb/stores.js'

const say = (text: string): void => {
  process.stdout.write(`${text}\n`)
}
process.on('unhandledRejection', (reason) => {
  say(`unhandled: ${messageOf(reason)}`)
})
const [directory = ''] = process.argv.slice(2)
const ignore = (): void => undefined
const logger = { debug: ignore, info: ignore, warn: ignore, error: ignore }
const metaAt = (changelogPosition: number) => ({ changelogPosition, identity: 'i', inputPositions: {}, atEndMs: 0 })
const stores = await openStateStores({ directory, worker: 'child', logger })

const store = await stores.open('symbol_0')
let position = 0
const write = (at: number): Promise<void> =>
  store.write(
    [
      GatheredChanges.of(
        Array.from({ length: 600 }, (_, i) => ({
          key: `${String(at)} ${String(i)}`,
          value: '\0'.repeat(150),
        })),
      ),
    ],
    metaAt(at),
  )
// one is on its way when the next are asked for: what is behind a failed one must not be written either;
// with more than 1,000 objects in one transaction, lmdb starts to write before it has them all
const outcomes: string[] = []
while (outcomes.length === 0) {
  const ats = [++position, ++position, ++position]
  for (const [index, outcome] of (await Promise.allSettled(ats.map(write))).entries())
    if (outcome.status === 'rejected')
      outcomes.push(`${String(ats[index])} ${isPotorooError(outcome.reason) ? outcome.reason.code : 'other'}`)
}
// a rejection that nobody takes is reported at the end of the turn
await new Promise((resolve) => setImmediate(resolve))
say(`failed: ${outcomes.join(', ')}`)
say(`position: ${String(store.meta()?.changelogPosition)}, objects: ${String(store.size())}`)
await store.write([], metaAt(position + 1)).catch((error: unknown) => {
  say(`later: ${isPotorooError(error) ? error.code : 'other'}`)
})
await store.close()

const again = await stores.open('symbol_0')
say(`again: ${String(again.meta()?.changelogPosition)}, objects: ${String(again.size())}`)
await again.write([GatheredChanges.of([{ key: 'small', value: '1' }])], metaAt(position))
say(`went on: ${String(again.meta()?.changelogPosition)}, objects: ${String(again.size())}`)
await stores.close()
