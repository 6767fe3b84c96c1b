import type { Plant } from '../compile.mjs'

export interface PlantedFault {
  readonly what: string
  /** It lies in src/kafka: worlds of bytes are to find it (`--wire`). */
  readonly wire?: boolean
  readonly plants: readonly Plant[]
}
