#!/usr/bin/env node
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createProject, UsageError } from './create.js'

const usage = `Usage: npm create potoroo <folder> [-- options]

Makes a project in the folder: an application for Potoroo, its test, a Dockerfile and a README.

Options:
  --potoroo <spec>  what npm installs as potoroo: a version, or the path of a packed one (default: ^${versionOf()})
  --no-install      do not run npm install
  --version
  --help
`

/** 1: npm failed; 2: wrong usage. */
process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  try {
    const { values, positionals } = parsed(args)
    if (values.help === true) process.stdout.write(usage)
    else if (values.version === true) process.stdout.write(`${versionOf()}\n`)
    else return await create(positionals, values)
    return 0
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`error: ${error.message}\n(--help says more)\n`)
    return 2
  }
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        potoroo: { type: 'string' },
        'no-install': { type: 'boolean' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
}

type Values = ReturnType<typeof parsed>['values']

async function create(positionals: readonly string[], values: Values): Promise<number> {
  const [folder, ...others] = positionals
  if (folder === undefined || others.length > 0) throw new UsageError('name one folder: npm create potoroo my-app')
  const project = createProject({
    folder,
    template: fileURLToPath(new URL('../template', import.meta.url)),
    potoroo: values.potoroo ?? `^${versionOf()}`,
  })
  process.stdout.write(`made the project ${project.name} in ${project.directory}\n`)
  const installs = values['no-install'] !== true
  const installed = !installs || (await run('npm', ['install', '--no-audit', '--no-fund'], project.directory))
  if (!installed)
    process.stderr.write(`error: npm install failed. Once what it says is mended: cd ${folder} && npm install\n`)
  process.stdout.write(nextSteps(folder, installs && installed))
  return installed ? 0 : 1
}

function nextSteps(folder: string, installed: boolean): string {
  return `
  cd ${folder}
${installed ? '' : '  npm install\n'}  npm test           runs the test of the application; needs no Kafka
  npm run broker     a local Kafka, in a terminal of its own
  npm start          creates the topics and runs a worker, in another
  npm run feed       writes the readings of readings.ndjson
  npm run alerts     prints what comes out
`
}

function run(command: string, args: readonly string[], cwd: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, stdio: 'inherit', shell: process.platform === 'win32' })
    child.once('error', () => {
      resolve(false)
    })
    child.once('exit', (code) => {
      resolve(code === 0)
    })
  })
}

function versionOf(): string {
  const parsed: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown'
}
