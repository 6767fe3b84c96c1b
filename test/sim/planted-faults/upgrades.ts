/** State objects that change their shape: src/core/state, src/core/plan/manifest.ts. */
import type { PlantedFault } from './planted-fault.js'

const packing = 'src/core/state/packing.ts'
const stateTable = 'src/core/state/state-table.ts'

export const upgradesFaults: readonly PlantedFault[] = [
  {
    what: 'an upgrade is not written back where the message changes nothing',
    plants: [
      {
        file: stateTable,
        find: '      return unpackRange(definition, bytes, start, start + length, key)\n    }\n    const settled',
        replace:
          '      const revived = unpackRange(definition, bytes, start, start + length, key)\n' +
          '      live.beginning = pack(definition, revived)\n' +
          '      return revived\n    }\n    const settled',
      },
      {
        file: stateTable,
        find: 'beginning === byteString(bytes, 0, length)) return before < 0 ? UNCHANGED : GONE',
        replace: 'beginning === byteString(bytes, 0, length)) return UNCHANGED',
      },
    ],
  },
  {
    what: 'what was upgraded is stored in the version that it had, so that upgrades run twice',
    plants: [
      {
        file: packing,
        find: 'headersOf.set(definition, (header = encodeHeader({ version: definition.upgrades.length })))',
        replace: 'headersOf.set(definition, (header = encodeHeader({ version: 0 })))',
      },
    ],
  },
  {
    what: 'a new state object is of version 0',
    plants: [
      {
        file: stateTable,
        find: 'const length = this.#packLive(definition, object, packed, times)',
        replace:
          'const length = this.#packLive(before < 0 ? { ...definition, upgrades: [] } : definition, object, packed, times)',
      },
    ],
  },
  {
    what: 'the upgrade before the last one is passed over',
    plants: [
      {
        file: 'src/core/state/upgrade.ts',
        find: 'for (let from = version; from < upgrades.length; from++) {',
        replace: 'for (let from = Math.max(version, upgrades.length - 1); from < upgrades.length; from++) {',
      },
    ],
  },
  {
    what: 'what is newer than the application knows is read as if it were not, where no commit record says so before',
    plants: [
      { file: packing, find: 'if (version > known)\n', replace: 'if (version > known + 100)\n' },
      {
        file: 'src/core/processing/processor.ts',
        find: 'changes.length === 0 ? commit : { ...commit, upgrades: this.#upgrades }',
        replace: 'changes.length >= 0 ? commit : { ...commit, upgrades: this.#upgrades }',
      },
    ],
  },
  {
    what: 'the manifest does not hear of the versions that are in use',
    plants: [
      {
        file: 'src/runtime/task/committer.ts',
        find: 'if (plan.versions !== undefined && collected.changes.length > 0)',
        replace: 'if (plan.versions !== undefined && collected.changes.length < 0)',
      },
    ],
  },
  {
    what: 'an application that knows less than the manifest is not refused',
    plants: [
      {
        file: 'src/core/plan/manifest.ts',
        find: '    problems.push(...newerStates(sub, entry, application))\n',
        replace: '',
      },
    ],
  },
]
