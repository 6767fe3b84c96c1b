/**
 * `npm audit` of the packages that users get, from severity high on. Fails for what it finds. A registry that can't be asked
 * (a mirror without advisories, no network) is said in one line, and is no failure: those who run this elsewhere do ask.
 */
import { execFileSync } from 'node:child_process'

const SERIOUS = new Set(['high', 'critical'])

function ask() {
  // One try: a CI without network would wait for minutes.
  const args = ['audit', '--omit=dev', '--json', '--fetch-retries=0', '--fetch-timeout=30000']
  try {
    return JSON.parse(execFileSync('npm', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
  } catch (error) {
    // That is how it ends also when it found something, or could not ask.
    if (typeof error.stdout !== 'string') throw error
    return JSON.parse(error.stdout)
  }
}

const say = (line) => process.stdout.write(`${line}\n`)

const { auditReportVersion, vulnerabilities, message } = ask()
if (auditReportVersion !== undefined) {
  const serious = Object.values(vulnerabilities).filter(({ severity }) => SERIOUS.has(severity))
  for (const { name, severity, range, via } of serious) {
    const reasons = via.map((reason) => (typeof reason === 'string' ? `through ${reason}` : reason.title))
    say(`${severity}: ${name} ${range}: ${reasons.join('; ')}`)
  }
  say(`npm audit: ${serious.length} of the packages that users get are known to be vulnerable`)
  if (serious.length > 0) process.exitCode = 1
} else if (typeof message === 'string') {
  say(
    `npm audit: the registry can't be asked (${message
      .replace(/\S*:\/\/\S*/g, '')
      .replace(/\s+/g, ' ')
      .trim()})`,
  )
} else {
  say('npm audit failed, and not for want of a registry: run it by hand')
  process.exitCode = 1
}
