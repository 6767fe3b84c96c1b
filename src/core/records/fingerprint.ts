/** Two hashes of 32 bits (FNV-1a with two primes, each stirred once more), in hexadecimal: against chance, not against malice. */
export function fingerprint(text: string): string {
  let [a, b] = [0x811c9dc5, 0x9e3779b9]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x01000193)
    b = Math.imul(b ^ code, 0x85ebca6b)
  }
  return hex(stirred(a)) + hex(stirred(b))
}

function stirred(hash: number): number {
  const state = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  return (state ^ (state >>> 13)) >>> 0
}
const hex = (number: number): string => number.toString(16).padStart(8, '0')
