/** Figures as people read them. */
const NOT_KNOWN = '–'

export function count(n: number | null | undefined): string {
  if (n === null || n === undefined) return NOT_KNOWN
  if (Math.abs(n) >= 1e6) return `${(n / 1e6).toFixed(n >= 1e7 ? 1 : 2)} M`
  return Math.round(n).toLocaleString('en')
}

/** Of records a second, where one in ten matters. */
export const rate = (n: number | null): string => (n !== null && n > 0 && n < 10 ? n.toFixed(1) : count(n))

export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return NOT_KNOWN
  if (ms < 0) return `−${duration(-ms)}`
  if (ms < 1_000) return `${String(ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms))} ms`
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 1 : 0)} s`
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['min', 60_000],
    ['s', 1_000],
  ] as const
  const first = units.findIndex(([, unit]) => ms >= unit)
  return units
    .slice(first, first + 2)
    .map(([name, unit], i, all) => {
      const above = i === 0 ? Infinity : (all[0]?.[1] ?? Infinity)
      return `${String(Math.floor((ms % above) / unit))} ${name}`
    })
    .join(' ')
}

export function bytes(n: number | null): string {
  if (n === null) return NOT_KNOWN
  if (n < 1024) return `${String(n)} B`
  const step = Math.min(3, Math.floor(Math.log2(n) / 10))
  return `${(n / 1024 ** step).toFixed(1)} ${['B', 'KiB', 'MiB', 'GiB'][step] ?? ''}`
}

const isTime = (ms: number): boolean => Number.isFinite(ms) && Math.abs(ms) <= 8.64e15

/** In this browser's time zone. */
export const clockTime = (ms: number): string =>
  isTime(ms) ? new Date(ms).toLocaleTimeString('en-GB', { hour12: false }) : NOT_KNOWN

export const timestamp = (ms: number | null | undefined): string =>
  ms === null || ms === undefined || !isTime(ms) ? NOT_KNOWN : new Date(ms).toISOString().replace('T', ' ')

export const plural = (n: number, what: string): string => `${count(n)} ${what}${n === 1 ? '' : 's'}`
