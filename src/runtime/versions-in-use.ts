/**
 * Versions of state objects that are about to be stored for the first time. The manifest has them before the first commit that
 * may hold any (core/plan/manifest.ts): a worker that does not know them stops before its tasks start, and not at some message.
 * Not earlier either: until then the application can go back to the version before, as if nothing had been.
 */
export class VersionsInUse {
  #areSaid = false
  /** Never rejects. */
  #last: Promise<void> = Promise.resolve()

  /** `write`: puts them into the manifest. */
  constructor(private readonly write: (signal: AbortSignal) => Promise<unknown>) {}

  /** Resolves when the manifest has them. Rejects as `write`; then the next call tries again. */
  async say(signal: AbortSignal): Promise<void> {
    if (this.#areSaid) return
    // One task after the other: of two writers at once one is fenced.
    const saying = this.#last.then(async () => {
      if (this.#areSaid) return
      await this.write(signal)
      this.#areSaid = true
    })
    this.#last = saying.catch(() => undefined)
    await saying
  }
}
