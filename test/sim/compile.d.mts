/** A fault to plant: text that is in the file exactly once, and what stands there instead. */
export interface Plant {
  /** From the project's root, with '/'. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** Returns the folder in which they are. */
export function compileSimulation(name: string, plants?: readonly Plant[]): string
