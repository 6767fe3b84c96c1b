/** A fault to plant: text that is in the file exactly once, and what stands there instead. */
export interface Plant {
  /** From the project's root, with '/'. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** Returns the folder in which they are. */
export function compileSimulation(name: string, plants?: readonly Plant[]): string

/** Makes the folder for what is compiled of that checkout, and notes there whose it is. */
export function folderFor(checkout: string, within?: string): string

/** Removes the folders of checkouts that are gone, and what has named none for a day. */
export function removeForsaken(within?: string): void
