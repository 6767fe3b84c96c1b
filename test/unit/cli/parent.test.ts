import { expect, test } from 'vitest'
import { watchParent } from '../../../src/cli/parent.js'

/** A process whose parent can die, looked at when the test says so. */
function watched(env: Readonly<Record<string, string>>) {
  const process = { env, ppid: 100 }
  let look: (() => void) | undefined
  let gone = 0
  watchParent(
    process,
    () => gone++,
    (_, next) => {
      look = next
      return () => (look = undefined)
    },
  )
  return { process, look: () => look?.(), isWatched: () => look !== undefined, gone: () => gone }
}

test.each([{ npm_lifecycle_event: 'npx' }, { npm_lifecycle_event: 'start' }])(
  'under npm (%j) another parent than at the start counts once, as a signal does',
  (env) => {
    const child = watched(env)
    child.look()
    expect(child.gone()).toBe(0)
    child.process.ppid = 1
    child.look()
    expect([child.gone(), child.isWatched()]).toEqual([1, false])
  },
)

test('without npm nobody is watched: a shell that ends leaves what runs in the background', () => {
  for (const env of [{}, { npm_lifecycle_event: '' }, { npm_config_yes: 'true' }])
    expect(watched(env).isWatched()).toBe(false)
})
