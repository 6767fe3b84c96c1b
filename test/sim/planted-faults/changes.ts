/**
 * Applications that change, or start again: who gets which task (rule 14), resets, and the ids of
 * repartitions.
 */
import type { PlantedFault } from './planted-fault.js'

const group = 'src/core/group/assignor-group.ts'
const plan = 'src/core/plan/topic-plan.ts'
const reset = 'src/core/plan/reset.ts'
const runtimeReset = 'src/runtime/reset.ts'

export const changesFaults: readonly PlantedFault[] = [
  {
    what: 'rule 14: whoever knows a sub-topology gets its tasks, in whatever plan',
    plants: [
      {
        file: group,
        find: 'plans.filter(({ plan }) => plan === newest)',
        replace: 'plans.filter(({ plan }) => plan <= newest)',
      },
      { file: group, find: "const [hash = ''] = having", replace: "const [hash] = ['']; void having" },
      {
        file: group,
        find: "having.filter((one) => one.hash === hash || one.hash === '')",
        replace: 'having.filter(() => hash !== undefined)',
      },
    ],
  },
  {
    what: 'rule 14: whoever does not know a sub-topology gets its tasks, too',
    plants: [
      {
        file: group,
        find: '[...knowing].map(([sub, known]) => [sub, staying.filter((worker) => known.has(worker))] as const)',
        replace: '[...knowing].map(([sub]) => [sub, staying] as const)',
      },
    ],
  },
  {
    what: 'rule 14: one that leaves has no say in which plan is the newest',
    plants: [
      {
        file: group,
        find: 'const known = planOf(member, subTopology)\n    return known === undefined ?',
        replace: 'const known = planOf(member, subTopology)\n    return known === undefined || member.leaving ?',
      },
    ],
  },
  {
    what: 'reset: the manifest is not marked before anything is deleted',
    plants: [{ file: reset, find: '{ ...there, resetting: true, subTopologies', replace: '{ ...there, subTopologies' }],
  },
  {
    what: 'reset: the mark is taken away before the tasks begin',
    plants: [
      {
        file: runtimeReset,
        find: '      for (const step of resetSteps(',
        replace: '      for (const step of early(resetSteps(',
      },
      { file: runtimeReset, find: 'manifest: marked })) {', replace: 'manifest: marked }))) {' },
      {
        file: runtimeReset,
        find: 'interface Carried {',
        replace:
          'const early = (steps: readonly ResetStep[]): readonly ResetStep[] =>\n' +
          "  [...steps].sort((a, b) => Number(a.kind === 'begin') - Number(b.kind === 'begin'))\n\n" +
          'interface Carried {',
      },
    ],
  },
  {
    what: 'reset: a new changelog begins without a commit record',
    plants: [
      {
        file: runtimeReset,
        find: '          changelog === undefined\n            ? []',
        replace: '          changelog === undefined || identity !== undefined\n            ? []',
      },
    ],
  },
  {
    what: 'reset: changelogs stay what they are, and only get another beginning',
    plants: [
      { file: runtimeReset, find: '      return log.deleteTopics(step.topics)', replace: '      return' },
      {
        file: runtimeReset,
        find: 'return now !== undefined && (then === undefined || now.id !== then)',
        replace: 'return now !== undefined || then === undefined',
      },
    ],
  },
  {
    what: 'reset: a task without state begins where the group was',
    plants: [
      {
        file: runtimeReset,
        find: '        positions: sources.map(({ topic }, i) => ({',
        replace: '        positions: (changelog === undefined ? [] : sources).map(({ topic }, i) => ({',
      },
    ],
  },
  {
    what: 'reset: whoever has started since it looked is not looked for',
    plants: [
      {
        file: runtimeReset,
        find: '      await requireNoMembers(names.group, log)\n      const carried',
        replace: '      const carried',
      },
      { file: runtimeReset, find: '      return log.deleteGroup(step.group)', replace: '      return' },
    ],
  },
  {
    what: 'manifest: it does not have the ids of repartitions',
    plants: [
      {
        file: 'src/core/plan/manifest.ts',
        find: 'const id = isRepartition ? idOf(topic) : undefined',
        replace: 'const id = isRepartition ? topicId : idOf(topic)',
      },
    ],
  },
  {
    what: 'repartitions: one that was recreated is taken for the one before',
    plants: [
      {
        file: plan,
        find: "return isAnother ? [{ ...of, doubt: 'replaced' }] : []",
        replace: 'return isAnother ? [] : []',
      },
    ],
  },
  {
    what: 'repartitions: one that is missing is made',
    plants: [
      {
        file: plan,
        find: "if (there === undefined) return [{ ...of, doubt: known === undefined ? 'unknown' : 'missing' }]",
        replace: 'if (there === undefined) return []',
      },
    ],
  },
  {
    what: 'repartitions: an offset in one of its partitions says where to continue in all',
    plants: [
      {
        file: 'src/runtime/repartitions.ts',
        find: 'return offsets.every((offset) => {',
        replace: 'return offsets.some((offset) => {',
      },
    ],
  },
]
