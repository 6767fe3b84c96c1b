export const aborted = (signal: AbortSignal): Promise<undefined> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      resolve(undefined)
    })
    if (signal.aborted) resolve(undefined)
  })
