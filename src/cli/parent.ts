/**
 * Ending with npm. `npx potoroo` and npm's scripts run a shell that runs this process. SIGTERM goes to npm, and npm passes it on
 * to the shell, which dies of it and tells nobody: this process would go on, with npm gone. So where npm has started it, it
 * looks who its parent is; another one than at the start means that the first is dead, and counts as SIGTERM.
 *
 * Without npm nothing is watched: who puts a process into the background and logs out wants it to go on.
 */

/** Nobody waits for less: npm itself takes longer to end. */
const LOOK_EVERY_MS = 250

/** What of the process is needed. */
export interface ChildProcess {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Asks the operating system. */
  readonly ppid: number
}

/** Calls `gone` once, when the parent is. Keeps nothing alive. `every` is for tests. */
export function watchParent(
  process: ChildProcess,
  gone: () => void,
  every: (ms: number, look: () => void) => () => void = interval,
): void {
  // npm sets it for what it runs, `npx` among that; who starts npm's children by other means does not.
  if ((process.env['npm_lifecycle_event'] ?? '') === '') return
  const parent = process.ppid
  const stop = every(LOOK_EVERY_MS, () => {
    if (process.ppid === parent) return
    stop()
    gone()
  })
}

function interval(ms: number, look: () => void): () => void {
  const timer = setInterval(look, ms)
  timer.unref()
  return () => {
    clearInterval(timer)
  }
}
