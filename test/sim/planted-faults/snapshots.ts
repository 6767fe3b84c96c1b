/** Copies of stores, and stores that must not be trusted. */
import type { PlantedFault } from './planted-fault.js'

const standby = 'src/runtime/standby.ts'
const stores = 'src/memory/stores.ts'
const worker = 'src/runtime/worker.ts'

export const snapshotsFaults: readonly PlantedFault[] = [
  {
    what: 'snapshot: it is judged by the end of the changelog from before it was made',
    plants: [
      { file: standby, find: '      latest = await changelogEnd(where, latest, env, signal)\n', replace: '' },
      // Which asks for an end that is below a store's position again.
      {
        file: 'src/runtime/task-store.ts',
        find: 'if (meta !== undefined && meta.changelogPosition >= end)',
        replace: 'if (meta === undefined && end < 0)',
      },
    ],
  },
  {
    what: 'snapshot: nobody asks for one',
    plants: [
      {
        file: standby,
        find: ' && (await this.#adoptSnapshot())) {',
        replace: ' && env.warmLag < 0 && (await this.#adoptSnapshot())) {',
      },
    ],
  },
  {
    what: 'snapshot: one that was set aside counts as used',
    plants: [{ file: 'src/runtime/task-store.ts', find: '  holder.snapshotBytes = undefined\n', replace: '' }],
  },
  {
    what: 'snapshot: it is taken in under a task that has become active',
    plants: [{ file: standby, find: '    await this.#work\n', replace: '' }],
  },
  {
    what: 'store: one that was open when power failed is trusted',
    plants: [
      {
        file: stores,
        find: 'if (disk.wentDownOpen(contents))',
        replace: 'if (disk.wentDownOpen(contents) && contents.damaged)',
      },
    ],
  },
  {
    what: 'store: one that was damaged is trusted after it was found to be',
    plants: [
      {
        file: 'src/runtime/task-store.ts',
        find: "if (!isPotorooError(error, 'STORE_DAMAGED')) throw error",
        replace:
          "if (!isPotorooError(error, 'STORE_DAMAGED')) throw error\n    return { store: await env.stores.open(plan.id), from: 0, rebuilt: false }",
      },
    ],
  },
  {
    what: 'store: one that was away from the end for less than delete.retention.ms is trusted, whatever the clocks',
    plants: [
      {
        file: 'src/core/commit/restore-plan.ts',
        find: 'if (nowMs - store.atEndMs > deleteRetentionMs / 2)',
        replace: 'if (nowMs - store.atEndMs > deleteRetentionMs)',
      },
    ],
  },
  {
    what: 'store: an old one is trusted',
    plants: [
      {
        file: 'src/core/commit/restore-plan.ts',
        find: 'if (nowMs - store.atEndMs > deleteRetentionMs / 2)',
        replace: 'if (nowMs - store.atEndMs > deleteRetentionMs * 1_000)',
      },
    ],
  },
  {
    what: 'store: one without a position is gone on with from the start, whatever is in it',
    plants: [
      {
        file: 'src/runtime/task-store.ts',
        find: "    if (holder.store.meta() === undefined && holder.store.size() > 0) why ??= 'it was left partly rebuilt'\n",
        replace: '',
      },
    ],
  },
  {
    what: 'hand-off: the store of the standby is left open, and opened again',
    plants: [
      {
        file: worker,
        find: 'if (standby !== undefined) Object.assign(holder, await standby.release())',
        replace: 'if (standby !== undefined) await standby.release()',
      },
    ],
  },
  {
    what: 'replay: what was deleted stays',
    plants: [
      {
        file: 'src/runtime/changelog-reader.ts',
        find: '    this.#records++\n',
        replace: '    this.#records++\n    if (valueStart < 0) return\n',
      },
    ],
  },
]
