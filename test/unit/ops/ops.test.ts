/** Dockerfile, manifests and unit (docs/deployment.md) say what the code, and each other, have. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import * as v from 'valibot'
import { parse } from 'yaml'
import { createProgram } from '../../../src/cli/program.js'
import { exitCodes } from '../../../src/errors.js'
import { defaults } from '../../../src/runtime/options.js'
import { readDocument, ROOT } from '../../support/documents.js'
import { silentLogger } from '../../support/silent-logger.js'

/** A commit that brokers are slow to take. */
const LAST_COMMIT_MS = 10_000
const stopMs = defaults.maxComputationMs + defaults.handOverTimeoutMs + LAST_COMMIT_MS

/** The options of `potoroo run`. */
async function runOptions(): Promise<readonly string[]> {
  const program = await createProgram(
    ['run'],
    {
      env: {},
      stdin: new PassThrough(),
      stdout: new PassThrough(),
      stderr: new PassThrough(),
      logger: silentLogger,
      stopRequested: () => new AbortController().signal,
      exitCode: () => undefined,
    },
    '1.2.3',
  )
  const options = program.commands.find((command) => command.name() === 'run')?.options ?? []
  expect(options.length).toBeGreaterThan(10)
  return options.flatMap(({ long }) => long ?? [])
}

const flagsIn = (words: readonly string[]): string[] =>
  words.filter((word) => word.startsWith('--')).map((word) => word.split('=')[0] ?? '')

const dockerfile = readDocument('Dockerfile')
const instruction = (keyword: string): string => new RegExp(`^${keyword} (.*)$`, 'm').exec(dockerfile)?.[1] ?? ''

describe('the Dockerfile', () => {
  test('takes what .dockerignore sends, and all that is compiled', () => {
    const sent = readDocument('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, sources = '']) =>
      sources.split(' ').map((source) => source.replace(/\/$/, '')),
    )
    expect([...new Set(copied)].sort()).toEqual([...sent].sort())
    const { references } = v.parse(
      v.object({ references: v.array(v.object({ path: v.string() })) }),
      JSON.parse(readDocument('tsconfig.json')),
    )
    const isCopied = (path: string): boolean =>
      copied.some((folder) => path === folder || path.startsWith(`${folder}/`))
    for (const { path } of references) expect(isCopied(path.replace('./', '')), path).toBe(true)
  })

  test('keeps state where the command line puts it without a home directory', () => {
    expect(instruction('ENV')).toContain('XDG_STATE_HOME=/var/lib')
    expect(instruction('VOLUME')).toBe('/var/lib/potoroo')
  })

  test('is of a Node that the package takes', () => {
    const [, release] = /NODE_IMAGE=node:(\d+)-/.exec(dockerfile) ?? []
    expect(Number(release)).toBeGreaterThan(20)
  })
})

const port = v.object({ name: v.string(), containerPort: v.number() })
const httpProbe = v.object({
  httpGet: v.object({ path: v.string(), port: v.string() }),
  periodSeconds: v.number(),
  timeoutSeconds: v.number(),
  failureThreshold: v.number(),
})
const statefulSetSchema = v.object({
  spec: v.object({
    serviceName: v.string(),
    selector: v.object({ matchLabels: v.record(v.string(), v.string()) }),
    template: v.object({
      metadata: v.object({ labels: v.record(v.string(), v.string()), annotations: v.record(v.string(), v.string()) }),
      spec: v.object({
        terminationGracePeriodSeconds: v.number(),
        securityContext: v.object({ runAsUser: v.number(), runAsGroup: v.number() }),
        containers: v.tuple([
          v.object({
            args: v.array(v.string()),
            ports: v.array(port),
            livenessProbe: httpProbe,
            readinessProbe: httpProbe,
            volumeMounts: v.array(v.object({ name: v.string(), mountPath: v.string() })),
          }),
        ]),
      }),
    }),
    volumeClaimTemplates: v.array(v.object({ metadata: v.object({ name: v.string() }) })),
  }),
})
const manifest = (name: string): unknown => parse(readDocument(`ops/kubernetes/${name}.yaml`))

describe('the manifests', () => {
  const { spec } = v.parse(statefulSetSchema, manifest('statefulset'))
  const pod = spec.template.spec
  const [worker] = pod.containers
  const ports = new Map(worker.ports.map(({ name, containerPort }) => [name, String(containerPort)]))
  const valueOf = (flag: string): string | undefined =>
    worker.args.find((word) => word.startsWith(`${flag}=`))?.slice(flag.length + 1)

  test('give `potoroo run` options that it has', async () => {
    const options = await runOptions()
    expect(flagsIn(worker.args).length).toBeGreaterThan(5)
    for (const flag of flagsIn(worker.args)) expect(options).toContain(flag)
  })

  test('name ports that the image exposes, the worker listens on, and probes ask', () => {
    expect([...ports.values()].sort()).toEqual(instruction('EXPOSE').split(' ').sort())
    expect(valueOf('--http-port')).toBe(ports.get('http'))
    expect(valueOf('--peer-port')).toBe(ports.get('peers'))
    expect(spec.template.metadata.annotations['prometheus.io/port']).toBe(ports.get('http'))
    for (const probe of [worker.livenessProbe, worker.readinessProbe]) expect(ports.has(probe.httpGet.port)).toBe(true)
  })

  test('give a worker the time to stop that it may take', () => {
    expect(pod.terminationGracePeriodSeconds * 1000).toBeGreaterThan(stopMs)
  })

  test('take no worker for dead that computes a message', () => {
    const { periodSeconds, failureThreshold } = worker.livenessProbe
    expect(periodSeconds * (failureThreshold - 1) * 1000).toBeGreaterThan(defaults.maxComputationMs)
  })

  test('run as the user of the image, and put its volume where state lies', () => {
    const { runAsUser, runAsGroup } = pod.securityContext
    expect(`${String(runAsUser)}:${String(runAsGroup)}`).toBe(instruction('USER'))
    const volumes = spec.volumeClaimTemplates.map(({ metadata }) => metadata.name)
    expect(worker.volumeMounts).toEqual(volumes.map((name) => ({ name, mountPath: instruction('VOLUME') })))
    expect(valueOf('--state-dir')?.startsWith(`${instruction('VOLUME')}/`)).toBe(true)
  })

  test('mean the same pods, each under the name that it tells the others', () => {
    const { labels } = spec.template.metadata
    const service = v.parse(
      v.object({ metadata: v.object({ name: v.string() }), spec: v.object({ selector: v.unknown() }) }),
      manifest('service'),
    )
    expect(spec.selector.matchLabels).toEqual(labels)
    expect(service.spec.selector).toEqual(labels)
    expect(manifest('disruption-budget')).toMatchObject({ spec: { selector: { matchLabels: labels } } })
    expect(manifest('network-policy')).toMatchObject({ spec: { podSelector: { matchLabels: labels } } })
    expect(spec.serviceName).toBe(service.metadata.name)
    expect(valueOf('--peer-advertise')).toBe(`$(POD_NAME).${service.metadata.name}.$(POD_NAMESPACE).svc`)
  })

  test('are all in the kustomization', () => {
    const files = readdirSync(join(ROOT, 'ops/kubernetes')).filter((file) => file !== 'kustomization.yaml')
    const { resources } = v.parse(v.object({ resources: v.array(v.string()) }), manifest('kustomization'))
    expect([...resources].sort()).toEqual(files.sort())
  })
})

describe('the systemd unit', () => {
  const unit = readFileSync(join(ROOT, 'ops/systemd/potoroo@.service'), 'utf8')
  const setting = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? ''

  test('gives `potoroo run` options that it has', async () => {
    const options = await runOptions()
    const flags = flagsIn(setting('ExecStart').split(' '))
    expect(flags.length).toBeGreaterThan(1)
    for (const flag of flags) expect(options).toContain(flag)
  })

  test('restarts what a restart helps against, and gives it the time to stop', () => {
    const { ok, failure, broker, ...others } = exitCodes
    expect(setting('RestartPreventExitStatus').split(' ').map(Number).sort()).toEqual(Object.values(others).sort())
    expect([ok, failure, broker]).toEqual([0, 1, 4])
    expect(Number(setting('TimeoutStopSec')) * 1000).toBeGreaterThan(stopMs)
  })
})
