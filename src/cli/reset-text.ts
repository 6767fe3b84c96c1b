/** What a reset is going to do, and what it does, as text. Pure. */
import type { ResetStep } from '../core/plan/reset.js'
import type { ResetPlan, ResetTarget } from '../runtime/reset.js'

export function resetText(application: string, plan: ResetPlan, to: ResetTarget): string {
  const { isResumed, deletes, creates, transactionalIds, sources, sinks, deadLetters, states, calls, group } = plan
  const rows: [string, string][] = [
    ['fences', `${String(transactionalIds.length)} transactional ids`],
    ['deletes', `the offsets of group ${group}`],
    ...deletes.map((name): [string, string] => ['deletes', `topic ${name}`]),
    ...creates.map((name): [string, string] => ['creates', `topic ${name}`]),
    ...sources.map((name): [string, string] => ['reads', `${name} ${fromText(to)}`]),
    ...(states.length === 0 ? [] : [['forgets', `all state objects: ${states.join(', ')}`] as [string, string]]),
    ...(calls.length === 0
      ? []
      : [
          [
            'forgets',
            `the record of which calls are done: ${calls.join(', ')}; calls that are repeated get new ids`,
          ] as [string, string],
        ]),
    ['keeps', `topic ${deadLetters}`],
    ...sinks.map((name): [string, string] => ['keeps', `topic ${name}${to === 'latest' ? '' : `: ${againText(to)}`}`]),
  ]
  const width = Math.max(...rows.map(([what]) => what.length))
  const head = isResumed
    ? `a reset of ${application} was started and has not finished; it continues:`
    : `a reset of ${application}:`
  return `${[head, ...rows.map(([what, text]) => `  ${what.padEnd(width)}  ${text}`)].join('\n')}\n`
}

const fromText = (to: ResetTarget): string =>
  to === 'earliest' ? 'from its beginning' : to === 'latest' ? 'from its end' : `from ${new Date(to).toISOString()}`

const againText = (to: ResetTarget): string =>
  to === 'earliest'
    ? 'results that it already has are written again'
    : 'results from that time on that it already has are written again, from state objects that start empty'

const steps: Readonly<Record<ResetStep['kind'] | 'mark', string>> = {
  mark: 'marking the manifest: no worker starts from now on',
  fence: 'fencing former owners',
  'delete group': "deleting the group's offsets",
  'delete topics': 'deleting changelogs and repartitions',
  'create topics': 'recreating them',
  begin: 'writing where each task starts',
  finish: 'removing the mark',
}
export const stepText = (step: ResetStep['kind'] | 'mark'): string => steps[step]
