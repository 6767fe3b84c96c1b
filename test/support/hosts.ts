/**
 * Hosts of their own on this machine: network namespaces with an address each, joined by a switch that is in one, too. The
 * machine's own network has no part in it. Needs Linux, root, and `ip` of iproute2.
 */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { afterAll } from 'vitest'

export class Hosts {
  readonly #id = `potoroo-${randomBytes(3).toString('hex')}`
  readonly #names: readonly string[]
  #made: readonly string[] = []

  /** To be used once they are made. */
  constructor(...names: readonly string[]) {
    this.#names = names
    afterAll(() => {
      for (const namespace of this.#made) execFileSync('ip', ['netns', 'delete', namespace])
    })
  }

  make(): void {
    try {
      for (const name of ['switch', ...this.#names]) this.#makeNamespace(name)
    } catch (cause) {
      throw new Error(
        'This test makes network namespaces: run it as root, or in a container that may, and with iproute2 installed',
        { cause },
      )
    }
    this.#in('switch', 'link', 'add', 'bridge', 'type', 'bridge')
    this.#in('switch', 'link', 'set', 'bridge', 'up')
    for (const name of this.#names) {
      const [host, port] = [this.#namespace(name), portOf(name)]
      ip('link', 'add', 'eth0', 'netns', host, 'type', 'veth', 'peer', 'name', port, 'netns', this.#namespace('switch'))
      this.#in(name, 'address', 'add', `${this.address(name)}/24`, 'dev', 'eth0')
      this.#in(name, 'link', 'set', 'eth0', 'up')
      this.#in('switch', 'link', 'set', port, 'master', 'bridge')
      this.#in('switch', 'link', 'set', port, 'up')
    }
  }

  address(name: string): string {
    const at = this.#names.indexOf(name)
    if (at < 0) throw new Error(`there is no host ${name}`)
    return `10.77.0.${String(at + 1)}`
  }

  /** What to put in front of a command, so that it runs there. */
  on(name: string): readonly string[] {
    return ['ip', 'netns', 'exec', this.#namespace(name)]
  }

  /** Drops whatever comes from there and goes there. Both sides see silence: no connection is refused or reset. */
  cutOff(name: string): void {
    this.#in('switch', 'link', 'set', portOf(name), 'nomaster')
  }
  connect(name: string): void {
    this.#in('switch', 'link', 'set', portOf(name), 'master', 'bridge')
  }

  /** Drops what these say to each other; they reach all others, and are reached. */
  separate(...names: readonly string[]): void {
    for (const name of names) this.#in('switch', 'link', 'set', portOf(name), 'type', 'bridge_slave', 'isolated', 'on')
  }
  bringTogether(...names: readonly string[]): void {
    for (const name of names) this.#in('switch', 'link', 'set', portOf(name), 'type', 'bridge_slave', 'isolated', 'off')
  }

  #makeNamespace(name: string): void {
    const namespace = this.#namespace(name)
    ip('netns', 'add', namespace)
    this.#made = [...this.#made, namespace]
    this.#in(name, 'link', 'set', 'lo', 'up')
  }
  #namespace(name: string): string {
    return `${this.#id}-${name}`
  }
  #in(name: string, ...args: readonly string[]): void {
    ip('-netns', this.#namespace(name), ...args)
  }
}

/** Of the switch. Names of interfaces have 15 characters at most. */
const portOf = (name: string): string => `to-${name}`
const ip = (...args: readonly string[]): void => void execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
